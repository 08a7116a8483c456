"""CampaignFacts -> one HTML file that opens from disk, plays every clip and needs nothing from the network.

Videos are embedded while the smallest playable file of every clip fits into 40 MB together; beyond that the page links
to the files beside it. Whatever people wrote is escaped by the template, and the page forbids itself scripts.
"""

from __future__ import annotations

import base64
import html
import io
import mimetypes
import os
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..aurora_videos.records import Video, Waiver
from ..deliverables.records import Deliverable, Quality
from ..script_table.records import Script
from ..settings import Settings
from ..stage_tables import by_clip
from ..tts_audio.records import Speech, Word
from .records import CampaignFacts
from .rows import charge_rows, clip_statuses

EMBED_AT_MOST_BYTES = 40 * 1024 * 1024
POSTER_PIXELS = 640
WORDS_PER_CAPTION = 7


@dataclass(frozen=True)
class Rendition:
    """One finished file as the page shows it; ``href`` is relative to the page, None when the file is gone."""

    made: Deliverable
    path: Path
    href: str | None

    @property
    def is_playable(self) -> bool:
        return self.made.rendition != "poster" and self.href is not None

    @property
    def media_type(self) -> str:
        return mimetypes.guess_type(self.path.name)[0] or "video/mp4"


@dataclass(frozen=True)
class ClipCard:
    """One clip on the page. ``src`` is a data URI or a relative link, None when nothing can be played."""

    script: Script
    status: str
    failed_stage: str | None
    why: str | None
    video: Video | None
    quality: Quality | None
    seconds: float | None
    renditions: tuple[Rendition, ...]
    player: Rendition | None
    src: str | None
    poster: str | None
    captions: str | None
    speech: Speech | None
    waiver: Waiver | None

    @property
    def heard(self) -> str:
        """What listening held against the speech, in sentences; empty when nothing."""
        return " ".join(finding.sentence for finding in self.speech.findings) if self.speech else ""

    @property
    def heard_by(self) -> str:
        """Who compared what is heard with the script: a pass is worth less where nobody did."""
        recogniser = self.speech.recogniser if self.speech else ""
        name, _, why = recogniser.partition(": ")
        return f"words compared by {f'nobody ({why})' if name == 'none' else recogniser or 'nobody'}"

    @property
    def is_of_its_video(self) -> bool:
        """True where a bought video was made of the very speech that is told of; False before one is."""
        video, speech = self.video, self.speech
        return video is not None and speech is not None and not video.is_draft and video.speech_sha256 == speech.sha256

    @property
    def badge(self) -> str:
        """The one word on the card: the verdict of a delivered clip, else its status."""
        return self.quality.verdict if self.status == "delivered" and self.quality else self.status


def write_report(settings: Settings, facts: CampaignFacts) -> Path:
    """Write ``warehouse/reports/<campaign>.html`` atomically."""
    page = settings.stage_folder("warehouse") / "reports" / f"{facts.campaign.name}.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    half = page.with_name(f".{page.name}.{os.getpid()}")
    try:
        half.write_text(_render(settings, facts, page.parent), encoding="utf-8")
        os.replace(half, page)
    finally:
        half.unlink(missing_ok=True)
    return page


def _render(settings: Settings, facts: CampaignFacts, folder: Path) -> str:
    import jinja2

    renditions = _renditions(settings, facts.deliverables, folder)
    playable_bytes = sum(found.path.stat().st_size for found in map(_smallest, renditions.values()) if found)
    is_embedded = playable_bytes <= EMBED_AT_MOST_BYTES
    cards = list(_cards(facts, renditions, is_embedded=is_embedded))
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(usd=_usd, seconds=_seconds, size=_size)
    template = environment.from_string((files(__package__) / "report.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        campaign=facts.campaign,
        cards=cards,
        totals=_totals(facts, cards),
        is_embedded=is_embedded,
        playable_bytes=playable_bytes,
        written_at=datetime.now(UTC),
        draft_count=sum(1 for card in cards if card.video is not None and card.video.is_draft),
    )


def _totals(facts: CampaignFacts, cards: Sequence[ClipCard]) -> dict[str, Any]:
    charges = [row for row in charge_rows(facts.charges) if row["campaign"] == facts.campaign.name]
    paid = _sum(row["paid_usd"] for row in charges)
    held = _sum(row["held_usd"] for row in charges if not row["is_draft"])
    budget = facts.campaign.budget_usd
    return {
        "delivered": sum(1 for card in cards if card.status == "delivered"),
        "seconds": sum(card.seconds or 0 for card in cards if card.status == "delivered"),
        "paid_usd": paid,
        "held_usd": held,
        "draft_usd": _sum(row["billed_usd"] or Decimal(0) for row in charges if row["is_draft"]),
        "left_usd": None if budget is None else budget - paid - held,
        "warn": sum(1 for card in cards if card.badge == "warn"),
        "fail": sum(1 for card in cards if card.badge in ("fail", "failed")),
    }


def _sum(amounts: Iterator[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


# ---- the clips
def _renditions(settings: Settings, made: Sequence[Deliverable], folder: Path) -> dict[str, list[Rendition]]:
    found: dict[str, list[Rendition]] = {}
    for deliverable in made:
        path = settings.output / deliverable.file
        beside = Path(os.path.relpath(path, folder)).as_posix()
        href = urllib.parse.quote(beside) if path.is_file() else None
        found.setdefault(deliverable.clip_id, []).append(Rendition(deliverable, path, href))
    return found


def _smallest(renditions: Sequence[Rendition]) -> Rendition | None:
    playable = [rendition for rendition in renditions if rendition.is_playable]
    return min(playable, key=lambda rendition: rendition.path.stat().st_size, default=None)


def _cards(facts: CampaignFacts, renditions: dict[str, list[Rendition]], *, is_embedded: bool) -> Iterator[ClipCard]:
    videos, quality, spoken = by_clip(facts.videos), by_clip(facts.quality), by_clip(facts.speeches)
    statuses = clip_statuses(facts)
    for script in facts.campaign.scripts:
        mine = renditions.get(script.clip_id, [])
        player, speech = _smallest(mine), spoken.get(script.clip_id)
        yield ClipCard(
            script=script,
            **statuses[script.clip_id],
            video=videos.get(script.clip_id),
            quality=quality.get(script.clip_id),
            seconds=_clip_seconds(mine, speech),
            renditions=tuple(mine),
            player=player,
            src=_source(player, is_embedded=is_embedded),
            poster=_poster(mine),
            captions=_captions(speech),
            speech=speech,
            waiver=facts.waiver_of(speech) if speech else None,
        )


def _clip_seconds(mine: Sequence[Rendition], speech: Speech | None) -> float | None:
    measured = [rendition.made.seconds for rendition in mine if rendition.made.seconds is not None]
    return max(measured) if measured else (speech.seconds if speech else None)


def _source(player: Rendition | None, *, is_embedded: bool) -> str | None:
    if player is None or not is_embedded:
        return player.href if player else None
    return _data_uri(player.media_type, player.path.read_bytes())


def _poster(mine: Sequence[Rendition]) -> str | None:
    """The poster, made small enough to embed; None when there is none that can be read."""
    from PIL import Image, UnidentifiedImageError

    poster = next((r for r in mine if r.made.rendition == "poster" and r.href is not None), None)
    if poster is None:
        return None
    small = io.BytesIO()
    try:
        with Image.open(poster.path) as image:
            image.thumbnail((POSTER_PIXELS, POSTER_PIXELS))
            image.convert("RGB").save(small, "JPEG", quality=82)
    except (UnidentifiedImageError, OSError):  # the page is still useful without this picture
        return None
    return _data_uri("image/jpeg", small.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


# ---- captions
def _captions(speech: Speech | None) -> str | None:
    """WebVTT of the words' own times, as a data URI."""
    if speech is None or not speech.words:
        return None
    cues = [
        f"{_clock(cue[0].start_seconds)} --> {_clock(cue[-1].end_seconds)}\n"
        + html.escape(" ".join(word.text for word in cue), quote=False)
        for cue in _cues(speech.words)
    ]
    return _data_uri("text/vtt", "\n\n".join(["WEBVTT", *cues, ""]).encode())


def _cues(words: Sequence[Word]) -> Iterator[list[Word]]:
    cue: list[Word] = []
    for word in words:
        cue.append(word)
        if len(cue) == WORDS_PER_CAPTION or word.text.endswith((".", "!", "?")):
            yield cue
            cue = []
    if cue:
        yield cue


def _clock(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


# ---- how numbers are written
def _usd(amount: Decimal) -> str:
    return f"${amount:,.2f}" if amount >= 0 else f"-${-amount:,.2f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s"


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.1f} MB" if count >= 100_000 else f"{max(count / 1000, 0.1):,.1f} kB"
