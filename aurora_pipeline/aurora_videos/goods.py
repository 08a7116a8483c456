"""What a charge brings, by its kind: a video, speech, or a transcript.

`Following` takes every charge through the same steps; here is what differs: by what a lost request is found again,
where the answer names the file, when a fetched file is whole, and what is billed. None of it needs today's script
table: the model tables tell, and fal's usual names where a row has gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import urlsplit

import sqlalchemy as sa

from ..errors import VideoUnusable
from ..gear.fal_answers import CLOCK_SKEW_SECONDS, Unreachable, plain
from ..gear.fal_platform import Listed
from ..gear.probe import Probe, probe
from ..gear.sound_probe import sound_in
from ..gear.word_answers import at
from ..speech_models import read_speech_models
from .bills import counted_bill, video_bill
from .ledger import Ledger
from .ledger_tables import IN_DOUBT, Instant, charges, in_parts
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

    def misplaced_in(self, answer: dict[str, Any], may_fetch: Callable[[str], bool]) -> str:
        """Why an answer that holds a file seems to hold none, and how to mend that; empty when it holds none."""
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

    def misplaced_in(self, answer: dict[str, Any], may_fetch: Callable[[str], bool]) -> str:
        return ""

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
        """The earliest request that was sent with exactly the charge's arguments since, and that no charge has.

        Such a one says the same text in the same voice, whoever sent it. One that holds more than was sent (another
        voice, speed or recording to imitate; or, for all that is documented, a default that fal fills in) is neither
        taken for this charge's nor for somebody else's: then nothing is certain, and `Unreachable` names it.
        """
        since, platform = self.charge.sent_at or self.charge.planned_at, till.fal.platform
        if self.charge.request_id is not None:
            listed = platform.listed(self.charge.endpoint, self.charge.request_id, since=since)
            return Found(*listed) if listed is not None else None
        arguments = till.ledger.recovery(self.charge.charge_id).arguments or {}
        free = without_owners(till.ledger, platform.alike(self.charge.endpoint, arguments, since=since))
        mine = [one for one in free if one.was_sent_with(arguments)]
        if not mine and (unsure := not_of_others(till.ledger, self.charge, free)):
            raise Unreachable(_not_certain(unsure[0], arguments))
        others = ", ".join(one.request_id for one in mine[1:])
        note = f"The provider lists more requests for the same: {others}." if others else ""
        return Found(mine[0].request_id, mine[0].answer, note) if mine else None

    def url_in(self, answer: dict[str, Any]) -> str | None:
        return _text(at(answer, self.path))

    def misplaced_in(self, answer: dict[str, Any], may_fetch: Callable[[str], bool]) -> str:
        elsewhere = next((path for path, text in _texts_in(answer) if may_fetch(text)), None)
        if elsewhere is None:
            return ""
        return (
            f"names no speech under '{self.path}' but a file under '{elsewhere}'; write that in the column answer of "
            f"data/speech_models.csv for {self.charge.endpoint}, then run again"
        )

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

    def misplaced_in(self, answer: dict[str, Any], may_fetch: Callable[[str], bool]) -> str:
        return ""

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


def without_owners(ledger: Ledger, listed: Sequence[Listed]) -> list[Listed]:
    """Those of the provider's requests that no charge of this ledger has, whatever became of it."""
    mine = [charges.c.request_id.in_(some) for some in in_parts(one.request_id for one in listed)]
    with ledger.reading() as db:
        owned = {one for where in mine for one in db.execute(sa.select(charges.c.request_id).where(where)).scalars()}
    return [one for one in listed if one.request_id not in owned]


def not_of_others(ledger: Ledger, charge: Charge, listed: Sequence[Listed]) -> list[Listed]:
    """What is left when every other charge in doubt has the earliest request that is exactly its own."""
    left = list(listed)
    columns = (charges.c.arguments, sa.func.coalesce(charges.c.sent_at, charges.c.planned_at, type_=Instant))
    rivals = (charges.c.provider == charge.provider) & (charges.c.endpoint == charge.endpoint)
    rivals &= charges.c.state.in_(IN_DOUBT) & (charges.c.charge_id != charge.charge_id)
    with ledger.reading() as db:
        asked = [(json.loads(sent or "{}"), since) for sent, since in db.execute(sa.select(*columns).where(rivals))]
    for arguments, since in asked:
        first = since - timedelta(seconds=CLOCK_SKEW_SECONDS)
        own = (one for one in left if one.sent_at >= first and one.was_sent_with(arguments))
        if (theirs := next(own, None)) is not None:
            left.remove(theirs)
    return left


def _not_certain(near: Listed, arguments: dict[str, Any]) -> str:
    more = plain(", ".join(near.beyond(arguments))) or "in other types"
    return (
        f"fal lists request {near.request_id}, sent with the same and more ({more}): it may be this one or somebody "
        "else's."
    )


def _incomplete(noun: str, clip_id: str) -> str:
    return f"The {noun} of {clip_id} arrived incomplete; run again to fetch it again. It is not bought again."


def _texts_in(answer: dict[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    """Every text of an answer under the dotted path that a table's cell could name it by."""
    for name, value in answer.items():
        if isinstance(value, str):
            yield f"{within}{name}", value
        elif isinstance(value, dict):
            yield from _texts_in(value, f"{within}{name}.")


def _text(found: Any) -> str | None:
    return found if isinstance(found, str) else None
