"""The nouns of the script table: a `Campaign` and its `Script` rows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from ..models import DEFAULT_MODEL


@dataclass(frozen=True)
class Script:
    """One clip to make: a row of scripts.csv with the campaign's defaults filled in.

    ``guidance_scale`` and ``audio_guidance_scale`` are Aurora's, 0 to 5. ``portrait`` is as written by the user;
    ``portrait_sha256`` is the portrait's bytes as they lie on disk. ``line`` is the row's line in scripts.csv.
    ``model`` is a name of the model table; ``resolution`` is ``any`` and ``prompt`` None where the model has none.
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

    ``sha256`` covers campaign.yaml, scripts.csv, every portrait and every other model than Aurora used: equal hashes
    mean equal work. ``approval`` is ``required`` when a person must approve each row before it is bought, else ``no``;
    ``portrait_check`` is ``hold`` when a portrait the face finder doubts is not bought, or ``warn``.
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
