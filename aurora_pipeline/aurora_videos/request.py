"""What is asked of a model: its inputs, and the fingerprint that says when two requests are the same purchase.

The model table says which inputs there are and how the provider calls them. Ranges and defaults are checked where the
user writes them (script_table); here they are only sent.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..gear.media_store import key_of
from ..models import ANY_RESOLUTION, DEFAULT_MODEL, INPUTS, SHIPPED, Model, read_models
from ..script_table import Script
from ..tts_audio import Speech


@functools.cache
def _aurora() -> Model:
    return read_models(SHIPPED).named(DEFAULT_MODEL)


@dataclass(frozen=True)
class SentImage:
    """A portrait made ready to send; many clips share one."""

    content: bytes
    suffix: str
    sha256: str


@dataclass(frozen=True)
class AuroraRequest:
    """One clip's request, before its media have URLs. ``model`` is the row of ``script.model``; ValueError if not."""

    script: Script
    speech: Speech
    image: SentImage
    model: Model = field(default_factory=_aurora)

    def __post_init__(self) -> None:
        if self.model.name != self.script.model:
            raise ValueError(f"{self.script.clip_id} asks for {self.script.model}, not {self.model.name}")

    def arguments(self, *, image_url: str, audio_url: str) -> dict[str, Any]:
        """The JSON that is sent: every input, said out loud, so that a default changed at fal changes nothing."""
        names = self.model.fields
        media = {names["image"]: image_url, names["audio"]: audio_url}
        said = {names[ours]: _sent(value) for ours, value in self._inputs().items() if value not in (None, "")}
        return {**self.model.extra, **media, **said}

    @property
    def endpoint(self) -> str:
        """The provider's name of the model."""
        return self.model.endpoint

    @property
    def price_resolution(self) -> str:
        """What the price book prices this request by: ``any`` for a model without resolutions."""
        return price_resolution(self.model, self.script)

    @property
    def fingerprint(self) -> str:
        """sha256 over the endpoint, every argument (by our names) and both media's bytes; never URLs or campaigns."""
        inputs = {ours: _canonical(value) for ours, value in self._inputs().items()}
        always = {"extra": self.model.extra} if self.model.extra else {}
        return key_of(endpoint=self.endpoint, image=self.image.sha256, audio=self.speech.sha256, **inputs, **always)

    def _inputs(self) -> dict[str, str | Decimal | None]:
        """The values of the inputs this model has, by our names."""
        return {ours: getattr(self.script, ours) for ours in INPUTS if self.model.takes(ours)}


def price_resolution(model: Model, script: Script) -> str:
    """What the price book prices a script's video by: ``any`` for a model without resolutions."""
    return script.resolution if model.takes("resolution") else ANY_RESOLUTION


def sent_image(portrait: Path) -> SentImage:
    """The bytes that will be uploaded for a portrait file (gear/images.py says how they are made)."""
    import hashlib

    from ..gear.images import portrait_as_sent

    sent = portrait_as_sent(portrait)
    return SentImage(sent.content, sent.suffix, hashlib.sha256(sent.content).hexdigest())


def _canonical(value: str | Decimal | None) -> str:
    """1, 1.0 and 1.00 are one number and must be one purchase; no prompt is an empty one."""
    return format(value.normalize(), "f") if isinstance(value, Decimal) else value or ""


def _sent(value: str | Decimal) -> str | float:
    return float(value) if isinstance(value, Decimal) else value
