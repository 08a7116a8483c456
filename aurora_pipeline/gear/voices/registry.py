"""gear/voices.csv -> Voice.  Voices are data: a new one is a row, not code."""

from __future__ import annotations

import csv
import functools
import io
from dataclasses import dataclass
from importlib import resources

DEFAULT_VOICE = "heart"
ENGINES = ("hibari", "nanotts")


@dataclass(frozen=True)
class Voice:
    """A voice people choose by ``name``. ``pitch`` and ``formant`` multiply the engine voice's own (1 leaves it)."""

    name: str
    engine: str
    language: str
    engine_voice: str
    pitch: float
    formant: float
    description: str

    def speaks(self, language: str) -> bool:
        """True for the voice's own tag (``de-DE``, any case, ``_`` for ``-``) and for its bare language (``de``)."""
        asked = language.strip().replace("_", "-").lower()
        own = self.language.lower()
        return asked in (own, own.split("-")[0])


@functools.cache
def voices() -> tuple[Voice, ...]:
    """Every voice there is, in the order of the file."""
    text = resources.files("aurora_pipeline.gear").joinpath("voices.csv").read_text(encoding="utf-8")
    return tuple(
        Voice(
            name=row["voice"],
            engine=row["engine"],
            language=row["language"],
            engine_voice=row["engine_voice"],
            pitch=float(row["pitch"]),
            formant=float(row["formant"]),
            description=row["description"],
        )
        for row in csv.DictReader(io.StringIO(text, newline=""))
    )


def voice_named(name: str) -> Voice | None:
    """The voice of that name, or None."""
    return next((voice for voice in voices() if voice.name == name), None)


def voices_speaking(language: str) -> tuple[Voice, ...]:
    """The voices that speak ``language``; empty when none does."""
    return tuple(voice for voice in voices() if voice.speaks(language))
