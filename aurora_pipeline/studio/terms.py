"""What a submit asks for beside its arguments: priority, a deadline to start, how long things are kept, a webhook.

All of it comes in headers and in the query, under the names that fal's clients send. What fal accepts and the studio
has no use for (X-Fal-Runner-Hint, the access list of a lifecycle) is accepted and ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

PRIORITIES = ("normal", "low")
# the second name is the older one; both may be sent, then the first counts
START_HEADERS = ("x-fal-request-start-timeout", "x-fal-request-timeout")
SHORTEST_START_SECONDS = 0.1
LONGEST_SECONDS = 10.0**9
# uploads to the CDN send the first, everything else the second
LIFECYCLE_HEADERS = ("x-fal-object-lifecycle", "x-fal-object-lifecycle-preference")
YES = ("1", "true", "yes")
# for the studio's own documentation
HEADERS = {
    "X-Fal-Queue-Priority": "normal (default) or low: behind every normal one.",
    "X-Fal-Request-Start-Timeout": "Seconds within which it has to start; else it ends with 504 request_timeout.",
    "X-Fal-Request-Timeout": "The older name of X-Fal-Request-Start-Timeout.",
    "X-Fal-Store-IO": "0: no payload in the list of requests, and the result is kept for an hour.",
    "X-Fal-Object-Lifecycle-Preference": 'How long the video lives, as {"expiration_duration_seconds": 3600}.',
    "X-Fal-No-Retry": "1: a render worker that dies is not tried again.",
}


class BadTerms(Exception):
    """A header that cannot be honoured; its text says which and what it may be. Becomes a 400 bad_request."""


@dataclass(frozen=True)
class Terms:
    """``start_seconds`` is how long it may wait; ``file_seconds`` how long its video lives (None: for good).

    ``base`` is the URL its client came in by, so that a webhook can name the video the same way.
    """

    priority: str = "normal"
    start_seconds: float | None = None
    stores_io: bool = True
    file_seconds: float | None = None
    webhook: str = ""
    may_retry: bool = False
    base: str = ""

    @property
    def rank(self) -> int:
        """Place in line: lower ranks first."""
        return PRIORITIES.index(self.priority)

    def once(self) -> Terms:
        """The same on an open connection: no webhook, and no second try."""
        return replace(self, webhook="", may_retry=False)

    def start_before(self, sent_at: datetime) -> datetime | None:
        """The moment after which a request that still waits is given up."""
        return None if self.start_seconds is None else sent_at + timedelta(seconds=self.start_seconds)


def documentation() -> list[dict[str, object]]:
    """The headers as OpenAPI parameters."""
    kind = {"in": "header", "required": False, "schema": {"type": "string"}}
    return [{"name": name, "description": sentence, **kind} for name, sentence in HEADERS.items()]


@dataclass(frozen=True)
class Retention:
    """How long results can be fetched, in seconds after completion; fal's own figures (fal_contract.md, finding 6)."""

    stored_seconds: float = 30 * 24 * 3600.0
    unstored_seconds: float = 3600.0
    unstored_large_seconds: float = 360.0
    large_bytes: int = 10_000

    def expires_at(self, ended_at: datetime, *, is_stored: bool, result_bytes: int) -> datetime:
        """When a result of so many bytes of JSON is gone."""
        unstored = self.unstored_large_seconds if result_bytes >= self.large_bytes else self.unstored_seconds
        return ended_at + timedelta(seconds=self.stored_seconds if is_stored else unstored)


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that hold no address
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def queue_terms(headers: Mapping[str, str], *, base: str, webhook: str) -> Terms:
    """The terms of a queue submit, which fal repeats when a runner fails. Raises `BadTerms`."""
    if webhook and not _is_web_address(webhook):
        raise BadTerms("fal_webhook must be an http or https URL.")
    return Terms(
        priority=_priority(headers),
        start_seconds=_start_seconds(headers),
        stores_io=headers.get("x-fal-store-io", "1").strip() != "0",
        file_seconds=life_seconds(headers),
        webhook=webhook,
        may_retry=headers.get("x-fal-no-retry", "").strip().lower() not in YES,
        base=base,
    )


def life_seconds(headers: Mapping[str, str]) -> float | None:
    """How long a file is to live; None for as long as the studio's folder. Raises `BadTerms`."""
    text = next((headers[name] for name in LIFECYCLE_HEADERS if name in headers), "")
    if not text:
        return None
    try:
        # null and 0 are no expiry, at fal as well; the list of who may read (initial_acl) may stand there alone
        seconds = float(json.loads(text).get("expiration_duration_seconds") or 0)
    except (ValueError, TypeError, AttributeError):
        seconds = -1.0
    if not 0 <= seconds < LONGEST_SECONDS:
        raise BadTerms('X-Fal-Object-Lifecycle-Preference must be JSON such as {"expiration_duration_seconds": 3600}.')
    return seconds or None


def _priority(headers: Mapping[str, str]) -> str:
    priority = headers.get("x-fal-queue-priority", "normal").strip().lower()
    if priority not in PRIORITIES:
        raise BadTerms("X-Fal-Queue-Priority must be normal or low.")
    return priority


def _start_seconds(headers: Mapping[str, str]) -> float | None:
    text = next((headers[name] for name in START_HEADERS if name in headers), None)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_START_SECONDS < seconds < LONGEST_SECONDS:  # NaN too
        raise BadTerms(f"X-Fal-Request-Timeout must be seconds, more than {SHORTEST_START_SECONDS}.")
    return seconds
