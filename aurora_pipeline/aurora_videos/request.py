"""What is asked of Aurora: its six inputs, and the fingerprint that says when two requests are the same purchase.

Ranges and defaults: the model's API page (shared reference creatify_aurora_api.md). They are checked where the user
writes them (script_table); here they are only sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..gear.media_store import key_of
from ..script_table import Script
from ..tts_audio import Speech

ENDPOINT = "fal-ai/creatify/aurora"


@dataclass(frozen=True)
class SentImage:
    """A portrait made ready to send; many clips share one."""

    content: bytes
    suffix: str
    sha256: str


@dataclass(frozen=True)
class AuroraRequest:
    """One clip's request, before its media have URLs."""

    script: Script
    speech: Speech
    image: SentImage

    def arguments(self, *, image_url: str, audio_url: str) -> dict[str, Any]:
        """The JSON that is sent: all six inputs, said out loud, so that a default changed at fal changes nothing."""
        prompt = {"prompt": self.script.prompt} if self.script.prompt else {}
        return {
            "image_url": image_url,
            "audio_url": audio_url,
            **prompt,
            "guidance_scale": float(self.script.guidance_scale),
            "audio_guidance_scale": float(self.script.audio_guidance_scale),
            "resolution": self.script.resolution,
        }

    @property
    def fingerprint(self) -> str:
        """sha256 over the endpoint, every argument and the bytes of both media; never URLs, names or campaigns."""
        return key_of(
            endpoint=ENDPOINT,
            image=self.image.sha256,
            audio=self.speech.sha256,
            prompt=self.script.prompt or "",
            guidance_scale=_canonical(self.script.guidance_scale),
            audio_guidance_scale=_canonical(self.script.audio_guidance_scale),
            resolution=self.script.resolution,
        )


def sent_image(portrait: Path) -> SentImage:
    """The bytes that will be uploaded for a portrait file (gear/images.py says how they are made)."""
    import hashlib

    from ..gear.images import portrait_as_sent

    sent = portrait_as_sent(portrait)
    return SentImage(sent.content, sent.suffix, hashlib.sha256(sent.content).hexdigest())


def _canonical(number: Decimal) -> str:
    """1, 1.0 and 1.00 are one number and must be one purchase."""
    return format(number.normalize(), "f")
