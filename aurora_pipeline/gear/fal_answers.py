"""What fal's answers mean: which errors are passing, which are the model's word, and what each costs.

Billing rules (reference/fal_contract.md, Errors): 5xx and waiting are never charged; a 422 may be, if a runner spent
GPU time before it. A gateway's HTML is never taken for the model's answer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

import fal_client
import httpx

from ..errors import AuroraError, OutcomeUnknown, RequestRefused
from .secrets import scrub

BUSY_SECONDS = 5.0  # after a 429 that does not say how long
LONGEST_BUSY_SECONDS = 300.0
CLOCK_SKEW_SECONDS = 60  # beyond this our clock and the provider's do not agree, and no horizon can be judged
# What a body of the wrong shape raises when it is taken apart, by us or by fal-client.
MALFORMED = (KeyError, ValueError, TypeError, AttributeError)


class Unreachable(AuroraError):
    """A read failed in passing; the job at the provider is not affected. Wait and ask again."""


class Gone(AuroraError):
    """The provider no longer knows the request or its file (results expire; a studio's folder may be emptied)."""


@dataclass(frozen=True)
class RequestState:
    """What the queue says. ``error`` is set only when ``is_completed``: the job failed."""

    is_completed: bool
    queue_position: int | None = None
    error: str = ""

    @property
    def is_queued(self) -> bool:
        """True while it waits for its turn: it costs nothing yet and can be withdrawn."""
        return self.queue_position is not None


@dataclass(frozen=True)
class Result:
    """A finished job's answer, and the billed units its header named (None when it named none)."""

    answer: dict[str, Any]
    billable_units: Decimal | None


def read_failure(status_code: int, what: str) -> AuroraError:
    """What a read's HTTP status means; the paid job at the provider is untouched by all of them."""
    if status_code in (401, 402, 403):
        return RequestRefused(
            f"fal refused the account or key (HTTP {status_code}) and {what}. Mend that at fal, then run again to go "
            "on; what was bought is not bought again.",
            stops_the_run=True,
        )
    if status_code == 404:
        return Gone(f"fal {what}: it no longer knows the request.")
    return Unreachable(f"fal {what} (HTTP {status_code}).")


def is_the_models(response: httpx.Response) -> bool:
    """True for an error body in fal's own form: JSON with a ``detail`` or fal's error header. nginx sends HTML."""
    if response.status_code in (400, 401, 402, 403, 404, 408, 429):
        return False
    try:
        body = response.json()
    except ValueError:
        return False
    return "x-fal-error-type" in response.headers or (isinstance(body, dict) and "detail" in body)


def assert_clocks_agree(response: httpx.Response) -> None:
    """A wrong clock would judge the safe horizon wrongly, and void what was bought."""
    try:
        theirs = parsedate_to_datetime(response.headers["Date"])
    except (KeyError, ValueError):
        raise Unreachable("fal's list does not say what time it is there.") from None
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if apart > CLOCK_SKEW_SECONDS:
        raise Unreachable(f"This machine's clock is {apart:.0f} s off fal's; set it right, then run again.")


def busy_seconds(response: httpx.Response) -> float:
    """How long a 429 asks to be left alone, as far as we obey it."""
    try:
        return min(max(float(response.headers["Retry-After"]), 0.1), LONGEST_BUSY_SECONDS)
    except (KeyError, ValueError):
        return BUSY_SECONDS


def request_id_in(body: str) -> str | None:
    """The request id in a submit's answer, or None when it holds none."""
    try:
        return str(json.loads(body)["request_id"])
    except (ValueError, KeyError, TypeError):
        return None


def state_in(response: httpx.Response) -> RequestState:
    """A status answer's meaning. Raises `Unreachable` for one that is not of the protocol: the job runs on."""
    try:
        status = response.json()
        match status["status"]:
            case "IN_QUEUE":
                return RequestState(is_completed=False, queue_position=int(status["queue_position"]))
            case "IN_PROGRESS":
                return RequestState(is_completed=False)
            case "COMPLETED":
                return RequestState(is_completed=True, error=str(status.get("error") or status.get("error_type") or ""))
    except MALFORMED:
        pass
    raise Unreachable("fal's status is not of its protocol.")


def result_in(response: httpx.Response) -> Result:
    """A finished job's answer. Raises `Unreachable` for a body that is not a JSON object."""
    try:
        answer = response.json()
    except ValueError:
        raise Unreachable("fal's result is not JSON.") from None
    if not isinstance(answer, dict):
        raise Unreachable("fal's result is not a JSON object.")
    units = response.headers.get("x-fal-billable-units")
    try:
        return Result(answer, None if units is None else Decimal(units))
    except InvalidOperation:
        return Result(answer, None)


def submit_refusal(error: fal_client.FalClientHTTPError) -> AuroraError:
    """What an HTTP error to a submit means: refused, or in doubt for every 5xx."""
    code, why = error.status_code, reason_in(error.response)
    if code in (401, 402, 403):
        return RequestRefused(
            f"fal refused the account or key (HTTP {code}: {why}). Mend that at fal, then run again. "
            "Nothing was spent.",
            stops_the_run=True,
        )
    if code >= 500:
        return OutcomeUnknown(
            f"fal answered HTTP {code} to the request, so it may have been accepted. Its money stays "
            "reserved; the next run looks it up before anything else."
        )
    return RequestRefused(
        f"fal refused the request (HTTP {code}: {why}). Nothing was accepted.", may_be_billed=code == 422
    )


def model_refusal(response: httpx.Response, *, is_free: bool = False) -> RequestRefused:
    """The model's own no, with its reason and whether it may be billed."""
    may_be_billed = response.status_code < 500
    cost = "fal may bill for it, so its money stays reserved" if may_be_billed else "fal does not bill for it"
    if is_free:
        cost = "it was a free draft: change its text, voice or portrait and run again"
    return RequestRefused(f"This clip could not be made ({reason_in(response)}); {cost}.", may_be_billed=may_be_billed)


def reason_in(response: httpx.Response) -> str:
    """What an error body says, as one line without inputs, keys or URL signatures."""
    try:
        body = response.json()
    except ValueError:
        return f"HTTP {response.status_code}"
    detail = body.get("detail", body.get("error", "")) if isinstance(body, dict) else body
    if isinstance(detail, list):
        named = [item for item in detail if isinstance(item, dict)]
        detail = "; ".join(f"{item.get('type', 'error')}: {item.get('msg', '')}" for item in named)
    return scrub(" ".join(str(detail).split()))[:300] or f"HTTP {response.status_code}"


def name_of(error: Exception) -> str:
    """A short name of an error for a sentence; never its text, which may quote a URL."""
    status = getattr(error, "status_code", None)
    return f"HTTP {status}" if status else type(error).__name__
