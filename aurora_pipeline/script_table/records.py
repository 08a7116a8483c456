"""The nouns of the script table: a `Campaign` and its `Script` rows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from ..models import DEFAULT_MODEL


@dataclass(frozen=True)
class Pause:
    """A silence of so many seconds after that many words of the text."""

    after_words: int
    seconds: float


@dataclass(frozen=True)
class Pronunciation:
    """How a word (or a phrase of words) is said: respelled, or with ``is_ipa`` as sounds. Case does not matter."""

    word: str
    said: str
    is_ipa: bool = False


@dataclass(frozen=True)
class SpeechSettings:
    """How a campaign's speech is made.

    ``seconds`` says what may be taken away to save billed seconds: nothing (``off``), silence at the ends (``trim``),
    or as much as brings a clip under its last second (``fit``). ``listen`` says what happens to a clip that does not
    say its script: it is not bought (``hold``), it is bought with a warning (``warn``), or nobody listens (``off``).
    """

    seconds: Literal["off", "trim", "fit"] = "fit"
    listen: Literal["hold", "warn", "off"] = "hold"
    lexicon: tuple[Pronunciation, ...] = ()


@dataclass(frozen=True)
class Script:
    """One clip to make: a row of scripts.csv with the campaign's defaults filled in.

    ``text`` is what the audience hears and reads: filled in, without its ``pauses``. ``audio`` is somebody's own
    recording of it, as written by the user; then ``text`` may be empty and there is no voice.

    ``guidance_scale`` and ``audio_guidance_scale`` are Aurora's, 0 to 5. ``portrait`` is as written by the user;
    ``portrait_sha256`` is the portrait's bytes as they lie on disk. ``line`` is the row's line in scripts.csv.
    ``model`` is a name of the model table; ``resolution`` is ``any`` and ``prompt`` None where the model has none.
    ``voice_sha256`` is what a voice of the home's own table is made of, empty for those that are shipped.
    ``approved`` is the row's own word on buying it: yes, no, or None where it says nothing.
    """

    campaign: str
    clip_id: str
    text: str
    portrait: str
    portrait_sha256: str
    voice: str
    language: str
    resolution: str
    prompt: str | None
    guidance_scale: Decimal
    audio_guidance_scale: Decimal
    line: int
    model: str = DEFAULT_MODEL
    approved: bool | None = None
    pauses: tuple[Pause, ...] = ()
    audio: str = ""
    audio_sha256: str = ""
    voice_sha256: str = ""


@dataclass(frozen=True)
class DeliverySettings:
    """What finished files look like. ``short_side`` is the renditions' shorter edge in pixels.

    ``fit`` says how a picture is put into another shape: ``crop`` around the face, or ``pad`` on a blurred copy.
    """

    renditions: tuple[str, ...] = ("9x16", "1x1", "16x9")
    short_side: int = 1080
    fit: str = "crop"
    loudness_lufs: Decimal = Decimal(-14)
    true_peak_dbtp: Decimal = Decimal("-1.5")


@dataclass(frozen=True)
class Campaign:
    """A folder of ``data/campaigns``. ``name`` is the folder's name: the partition key and the key everywhere.

    ``sha256`` covers campaign.yaml, scripts.csv, the audience's table, every portrait and recording and every other
    model than Aurora used: equal hashes mean equal work. ``approval`` is ``required`` when a person must approve each
    row before it is bought, else ``no``; ``portrait_check`` is ``hold`` when a portrait the face finder doubts is not
    bought, or ``warn``.
    """

    name: str
    title: str
    budget_usd: Decimal | None
    folder: Path
    delivery: DeliverySettings
    scripts: tuple[Script, ...]
    sha256: str
    approval: str = "no"
    portrait_check: str = "hold"
    speech: SpeechSettings = SpeechSettings()
