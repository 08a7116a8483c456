"""What fal's answers mean: which errors are passing, which are the model's word, and what each costs.

Billing rules (reference/fal_contract.md, Errors): 5xx and waiting are never charged; a 422 may be, if a runner spent
GPU time before it. A gateway's HTML is never taken for the model's answer.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import fal_client
import httpx

from ..errors import AuroraError, OutcomeUnknown, RequestRefused
from .secrets import scrub

BUSY_SECONDS = 5.0  # after a 429 that does not say how long
LONGEST_BUSY_SECONDS = 300.0
CLOCK_SKEW_SECONDS = 60  # beyond this our clock and the provider's do not agree, and no horizon can be judged
# What a body of the wrong shape raises when it is taken apart, by us or by fal-client.
MALFORMED = (KeyError, ValueError, TypeError, AttributeError, IndexError, ArithmeticError, RecursionError)
MOST = Decimal(1_000_000_000)  # dollars or units: beyond it a number is junk, and no ledger could hold it
NO_ANSWER_OF_A_JOB = (401, 402, 403)  # they are about the account
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")  # it becomes a part of URLs, and a column


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
    """True for the answer of a job that failed: JSON in fal's own form. nginx sends HTML.

    At the codes that a gateway uses as well (``detail`` and all), only what names the kind of the job's error counts.
    """
    if response.status_code in NO_ANSWER_OF_A_JOB:
        return False
    try:
        body = response.json()
    except MALFORMED:
        return False
    if "x-fal-error-type" in response.headers:
        return True
    if not isinstance(body, dict) or "detail" not in body:
        return False
    return response.status_code not in (400, 404, 408, 429) or isinstance(body["detail"], list) or "error_type" in body


def assert_clocks_agree(response: httpx.Response) -> None:
    """A wrong clock would judge the safe horizon wrongly, and void what was bought."""
    try:
        apart = abs((datetime.now(UTC) - parsedate_to_datetime(response.headers["Date"])).total_seconds())
    except MALFORMED:
        raise Unreachable("fal's list does not say what time it is there.") from None
    if apart > CLOCK_SKEW_SECONDS:
        raise Unreachable(f"This machine's clock is {apart:.0f} s off fal's; set it right, then run again.")


def busy_seconds(response: httpx.Response) -> float:
    """How long a 429 asks to be left alone, as far as we obey it."""
    try:
        seconds = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return BUSY_SECONDS
    return BUSY_SECONDS if math.isnan(seconds) else min(max(seconds, 0.1), LONGEST_BUSY_SECONDS)


def request_id_in(body: str) -> str | None:
    """The request id in a submit's answer, or None when it holds none that can be one."""
    try:
        return request_id_of(json.loads(body))
    except MALFORMED:
        return None


def request_id_of(answer: Any) -> str:
    """The request id that an answer names. Raises one of `MALFORMED` for what cannot be part of a URL."""
    request_id = answer["request_id"]
    if not _REQUEST_ID.fullmatch(request_id):
        raise ValueError("no request id")
    return str(request_id)


def number_in(text: object, *, least: Decimal = Decimal(0)) -> Decimal:
    """Dollars or units as a provider writes them. ValueError for what is no number, or none that anybody could bill."""
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        raise ValueError("no number") from None
    if not number.is_finite() or not least <= number <= MOST:
        raise ValueError("a number that cannot be")
    return number


def names_a_file(answer: dict[str, Any]) -> bool:
    """True when some part of an answer has a URL: a video's, or a voice's."""
    return any(isinstance(part, dict) and isinstance(part.get("url"), str) for part in answer.values())


def host_in(url: str) -> str:
    """The host that a URL names, for a sentence; empty for what is no URL."""
    try:
        return plain(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def plain(text: object) -> str:
    """A provider's words in one line that every database and terminal takes: no control characters, no half letters."""
    whole = str(text).encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in whole).split())


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
    except MALFORMED:
        raise Unreachable("fal's result is not JSON.") from None
    if not isinstance(answer, dict):
        raise Unreachable("fal's result is not a JSON object.")
    try:
        return Result(answer, number_in(response.headers["x-fal-billable-units"]))
    except MALFORMED:
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
    except MALFORMED:
        return f"HTTP {response.status_code}"
    detail = body.get("detail", body.get("error", "")) if isinstance(body, dict) else body
    if isinstance(detail, list):
        named = [item for item in detail if isinstance(item, dict)]
        detail = "; ".join(f"{item.get('type', 'error')}: {item.get('msg', '')}" for item in named)
    return scrub(plain(detail))[:300] or f"HTTP {response.status_code}"


def name_of(error: Exception) -> str:
    """A short name of an error for a sentence; never its text, which may quote a URL."""
    status = getattr(error, "status_code", None)
    return f"HTTP {status}" if status else type(error).__name__
