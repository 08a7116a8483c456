"""How a request fails around the model, never inside it: fal's flat error bodies (fal_contract.md, "Request errors").

5xx are never billed.
"""

from __future__ import annotations

from .refusals import Refusal

RETRYABLE = (503, 504)  # what fal itself repeats, and tells a client that it may


def waited_too_long(seconds: float | None) -> Refusal:
    """The client's own deadline to start has passed."""
    return _refusal(504, "request_timeout", f"The request did not start within {seconds:g} s." if seconds else "")


def runner_lost(why: str, attempts: int) -> Refusal:
    """The render worker died, as often as it was tried."""
    times = "" if attempts <= 1 else f" {attempts} times"
    return _refusal(503, "runner_disconnected", f"The render worker failed{times}: {why}.")


def headers_of(refusal: Refusal) -> dict[str, str]:
    """What a client may branch on without reading the body."""
    is_users_own = refusal.error_type == "request_timeout"
    is_retryable = refusal.status_code in RETRYABLE and not is_users_own
    headers = {"X-Fal-Error-Type": refusal.error_type, "X-Fal-Retryable": str(is_retryable).lower()}
    return headers | ({"X-Fal-Request-Timeout-Type": "user"} if is_users_own else {})


def _refusal(status_code: int, error_type: str, sentence: str) -> Refusal:
    return Refusal(status_code, {"detail": sentence, "error_type": error_type}, sentence, error_type)
