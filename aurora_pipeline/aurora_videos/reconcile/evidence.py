"""What is looked at before anything is judged: the provider's list and bills, and the stored files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ...errors import VideoUnusable
from ...gear.fal_platform import LISTING_WINDOW, NotAllowed, Platform
from ...gear.media_store import MediaStore, sha256_of
from ...gear.probe import probe
from ..records import VIDEO, Charge

# How `purchase` names what it uploads: the charge's id.
_OUR_UPLOAD = re.compile(r"[0-9a-f]{32}\.wav$")


@dataclass(frozen=True)
class Listed:
    """One request as the provider lists it. ``audio_url`` is None when it is listed without its payload."""

    request_id: str
    endpoint: str
    audio_url: str | None
    sent_at: datetime | None

    @property
    def is_sent_as_we_send(self) -> bool:
        """True when its upload is named like this pipeline's."""
        return self.audio_url is not None and _OUR_UPLOAD.search(self.audio_url) is not None


@dataclass(frozen=True)
class StoredFile:
    """The file of a charge as it lies in the store now. ``seconds`` is of a video that is whole, else None."""

    seconds: float | None = None
    is_missing: bool = False
    is_damaged: bool = False


@dataclass(frozen=True)
class Evidence:
    """Everything known of one charge. ``request_id`` is the charge's own, or the one that was found for it.

    ``event_usd`` is None without a billing event. ``is_being_worked_on`` says that a run holds the charge right now.
    """

    charge: Charge
    request_id: str | None
    event_usd: Decimal | None
    is_bill_readable: bool
    is_list_readable: bool
    is_being_worked_on: bool
    file: StoredFile
    checked_at: datetime


def listed_requests(platform: Platform, fields: Mapping[str, str], *, since: datetime) -> list[Listed]:
    """Every request to these endpoints that was sent since, each once. Raises `Unreachable`.

    ``fields`` is what each endpoint calls the audio it is sent.
    """
    found: dict[str, Listed] = {}
    for endpoint, field in fields.items():
        for item in platform.requests(endpoint, since=since - LISTING_WINDOW):
            listed = _listed(endpoint, field, item)
            found[listed.request_id] = listed
    return list(found.values())


def _listed(endpoint: str, field: str, item: Mapping[str, Any]) -> Listed:
    sent = item.get("json_input")
    audio_url = sent.get(field) if isinstance(sent, dict) else None
    is_told = isinstance(audio_url, str) and audio_url
    return Listed(str(item["request_id"]), endpoint, str(audio_url) if is_told else None, _moment(item.get("sent_at")))


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def bills_of(platform: Platform, request_ids: Sequence[str]) -> dict[str, Decimal] | None:
    """What was billed for each request; None when this key may not read it. Raises `Unreachable`."""
    try:
        return platform.bills(request_ids)
    except NotAllowed:
        return None


def stored_file(store: MediaStore, charge: Charge) -> StoredFile:
    """The charge's file, hashed, and a video measured again: what was remembered of it is not believed here."""
    if charge.video_sha256 is None:
        return StoredFile()
    path = store.path(charge.video_sha256)
    if path is None:
        return StoredFile(is_missing=True)
    if charge.kind != VIDEO:
        return StoredFile(is_damaged=sha256_of(path) != charge.video_sha256)
    try:
        seen = probe(path)
    except (VideoUnusable, OSError):
        return StoredFile(is_damaged=True)
    if seen.is_truncated or not seen.has_picture or sha256_of(path) != charge.video_sha256:
        return StoredFile(is_damaged=True)
    return StoredFile(seen.video_seconds)
