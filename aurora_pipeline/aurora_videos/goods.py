"""What a charge brings, by its kind: a video, speech, or a transcript.

`Following` takes every charge through the same steps; here is what differs: by what a lost request is found again,
where the answer names the file, when a fetched file is whole, and what is billed. None of it needs today's script
table: the model tables tell, and fal's usual names where a row has gone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

import sqlalchemy as sa

from ..errors import VideoUnusable
from ..gear.probe import Probe, probe
from ..gear.sound_probe import sound_in
from ..gear.word_answers import at
from ..speech_models import read_speech_models
from .bills import counted_bill, video_bill
from .ledger import Ledger
from .ledger_tables import charges, in_parts
from .pictures import picture_of
from .records import SPEECH, TRANSCRIPT, Bill, Charge
from .till import Till

USUAL_SOUND = "audio.url"  # where fal's voices name their file
SOUND_SUFFIXES = (".mp3", ".wav", ".flac", ".ogg", ".m4a", ".aac")


@dataclass(frozen=True)
class Found:
    """A request of the provider's list: its id, its answer once there is one, and what a person should know of it."""

    request_id: str
    answer: dict[str, Any] | None
    note: str = ""


class Goods(Protocol):
    """One charge's goods. ``noun`` is what sentences call them."""

    @property
    def noun(self) -> str: ...

    def found(self, till: Till) -> Found | None:
        """The charge's request as the provider lists it; None when a readable list does not hold it.

        Raises `Unreachable` when nothing is certain.
        """
        ...

    def url_in(self, answer: dict[str, Any]) -> str | None:
        """Where the answer says its file is."""
        ...

    def content_in(self, answer: dict[str, Any]) -> bytes | None:
        """The goods themselves, where the answer holds them and names no file."""
        ...

    def file_name(self, url: str) -> str:
        """A name with the suffix that the file is to be kept under."""
        ...

    def looked_at(self, half: Path, clip_id: str) -> Probe | None:
        """What was seen of a fetched video; None for other goods.

        Raises `VideoUnusable` for junk or a cut file, which once stored would pass as good (reliability.md 0.6).
        """
        ...

    def bill(self, till: Till, charge: Charge) -> Bill:
        """What the stored goods cost."""
        ...


def goods_of(till: Till, charge: Charge) -> Goods:
    """What this charge brings."""
    if charge.kind == SPEECH:
        model = read_speech_models(till.settings.speech_models).at(charge.endpoint)
        return SpeechGoods(charge, model.answer if model else USUAL_SOUND)
    if charge.kind == TRANSCRIPT:
        ear = read_speech_models(till.settings.speech_models).at(charge.endpoint)
        return TranscriptGoods(charge, ear.input if ear else "audio_url")
    return VideoGoods(charge, till.audio_field(charge.endpoint))


@dataclass(frozen=True)
class VideoGoods:
    """A video. Its request is found by the upload of its speech, whose name is the charge's; ``field`` holds that."""

    charge: Charge
    field: str
    noun = "video"

    def found(self, till: Till) -> Found | None:
        return found_by_upload(till, self.charge, self.field)

    def url_in(self, answer: dict[str, Any]) -> str | None:
        return _text(at(answer, "video.url"))

    def content_in(self, answer: dict[str, Any]) -> bytes | None:
        return None

    def file_name(self, url: str) -> str:
        return "video.mp4"

    def looked_at(self, half: Path, clip_id: str) -> Probe | None:
        seen = probe(half)
        if seen.is_truncated or not seen.has_picture:
            raise VideoUnusable(_incomplete(self.noun, clip_id))
        return seen

    def bill(self, till: Till, charge: Charge) -> Bill:
        seconds = picture_of(till.store, charge.video_sha256 or "").seconds
        return video_bill(charge, seconds, unit_usd=till.unit_usd.get(charge.endpoint))


@dataclass(frozen=True)
class SpeechGoods:
    """Bought speech. Nothing of its request is unique, so it is found by all that was sent; see `found`."""

    charge: Charge
    path: str
    noun = "speech"

    def found(self, till: Till) -> Found | None:
        """The earliest request that was sent with the same arguments since, and that no charge has.

        To adopt another one of the account is safe: it says the same text in the same voice.
        """
        arguments = till.ledger.recovery(self.charge.charge_id).arguments or {}
        since = self.charge.sent_at or self.charge.planned_at
        alike = [Found(*one) for one in till.fal.platform.alike(self.charge.endpoint, arguments, since=since)]
        if self.charge.request_id is not None:
            return next((one for one in alike if one.request_id == self.charge.request_id), None)
        owned = _with_charges(till.ledger, [one.request_id for one in alike])
        free = [one for one in alike if one.request_id not in owned]
        if len(free) > 1:
            others = ", ".join(one.request_id for one in free[1:])
            return replace(free[0], note=f"The provider lists more requests for the same: {others}.")
        return free[0] if free else None

    def url_in(self, answer: dict[str, Any]) -> str | None:
        return _text(at(answer, self.path))

    def content_in(self, answer: dict[str, Any]) -> bytes | None:
        return None

    def file_name(self, url: str) -> str:
        suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
        return f"speech{suffix if suffix in SOUND_SUFFIXES else '.sound'}"

    def looked_at(self, half: Path, clip_id: str) -> Probe | None:
        sound = sound_in(half)
        if sound is None or sound.is_cut:
            raise VideoUnusable(_incomplete(self.noun, clip_id))
        if sound.is_silent:
            raise VideoUnusable(
                f"The speech of {clip_id} came back silent (request {self.charge.request_id}). It may be billed; run "
                "again to fetch it again, or tell fal. It is not bought again by itself."
            )
        return None

    def bill(self, till: Till, charge: Charge) -> Bill:
        return counted_bill(charge, unit_usd=till.unit_usd.get(charge.endpoint))


@dataclass(frozen=True)
class TranscriptGoods:
    """What a recogniser heard: the answer itself, kept as JSON. Found by its upload, as a video is."""

    charge: Charge
    field: str
    noun = "transcript"

    def found(self, till: Till) -> Found | None:
        return found_by_upload(till, self.charge, self.field)

    def url_in(self, answer: dict[str, Any]) -> str | None:
        return None

    def content_in(self, answer: dict[str, Any]) -> bytes | None:
        return json.dumps(answer, ensure_ascii=False, sort_keys=True).encode()

    def file_name(self, url: str) -> str:
        return "transcript.json"

    def looked_at(self, half: Path, clip_id: str) -> Probe | None:
        return None

    def bill(self, till: Till, charge: Charge) -> Bill:
        return counted_bill(charge, unit_usd=till.unit_usd.get(charge.endpoint))


def found_by_upload(till: Till, charge: Charge, field: str) -> Found | None:
    """The one request that was sent with the charge's upload in ``field``."""
    audio_url = till.ledger.recovery(charge.charge_id).audio_url or ""
    since = charge.sent_at or charge.planned_at
    found = till.fal.platform.find(charge.endpoint, audio_url, field=field, since=since)
    return Found(*found) if found is not None else None


def _with_charges(ledger: Ledger, request_ids: Sequence[str]) -> set[str]:
    """Those of the provider's requests that a charge of this ledger has, whatever became of it."""
    mine = [charges.c.request_id.in_(some) for some in in_parts(request_ids)]
    with ledger.reading() as db:
        return {found for where in mine for found in db.execute(sa.select(charges.c.request_id).where(where)).scalars()}


def _incomplete(noun: str, clip_id: str) -> str:
    return f"The {noun} of {clip_id} arrived incomplete; run again to fetch it again. It is not bought again."


def _text(found: Any) -> str | None:
    return found if isinstance(found, str) else None
