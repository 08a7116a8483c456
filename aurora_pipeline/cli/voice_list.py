"""Voices -> rows of `aurora voices`: each with its price today and whether it can speak on this machine."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import BadSetting, PriceUnknown
from ..gear import strict_csv
from ..gear.voices import ENGINES, Voice, Voices, how_to_install, is_installed
from ..price_book import PriceBook, read_price_book
from ..settings import Settings
from ..speech_models import SpeechModels, read_speech_models

FREE = "free"
PAID = "fal"
_UNITS = {"1000_characters": "1,000 characters", "character": "character"}


@dataclass(frozen=True)
class Row:
    """One voice; ``price`` and ``installed`` are sentences' ends: ``$0.10 per 1,000 characters``, ``yes``."""

    voice: Voice
    price: str
    installed: str

    @property
    def is_at_hand(self) -> bool:
        """Free, and better than robotic: what the short list shows."""
        return not self.voice.is_paid and self.voice.quality != "robotic"

    def cells(self) -> tuple[str, ...]:
        """As a person reads it."""
        voice = self.voice
        return (
            voice.name,
            voice.language,
            voice.quality,
            voice.engine,
            self.price,
            self.installed,
            voice.description,
        )

    def as_json(self) -> dict[str, Any]:
        """As a program reads it."""
        voice = self.voice
        return {
            "voice": voice.name,
            "language": voice.language,
            "quality": voice.quality,
            "engine": voice.engine,
            "engine_voice": voice.engine_voice,
            "scripts": list(voice.scripts),
            "is_paid": voice.is_paid,
            "price": self.price,
            "installed": self.installed,
            "description": voice.description,
        }


def listed(settings: Settings, known: Voices, *, language: str | None, engine: str | None) -> list[Row]:
    """The voices that were asked for, in the order of their files. `BadSetting` where there can be none."""
    if engine is not None:
        _assert_engine(engine, known)
    found = known.speaking(language) if language is not None else known.rows
    found = tuple(voice for voice in found if engine is None or engine in (voice.engine, _kind(voice)))
    if not found:
        of = f" of {engine}" if engine else ""
        raise BadSetting(
            f"No voice{of} speaks '{language}'; `aurora voices --all` lists every voice with its language, and a row "
            "in data/voices.csv adds one. Nothing was spent."
        )
    prices = _Prices(settings)
    return [Row(voice, prices.of(voice), _installed(voice)) for voice in found]


def _kind(voice: Voice) -> str:
    return PAID if voice.is_paid else voice.engine


def _assert_engine(asked: str, known: Voices) -> None:
    engines = (*ENGINES, PAID)
    if asked in ENGINES and not any(voice.engine == asked for voice in known.rows):
        raise BadSetting(
            f"The engine {asked} has no voice yet: it speaks files you bring. Put them under data/ and add a row to "
            "data/voices.csv. Nothing was spent."
        )
    if asked not in engines and not any(voice.engine == asked for voice in known.rows):
        near = strict_csv.nearest(asked, engines)
        raise BadSetting(f"There is no speech engine '{asked[:60]}'; {near} Nothing was spent.".replace("  ", " "))


def _installed(voice: Voice) -> str:
    if voice.is_paid:
        return "not needed"
    return "yes" if is_installed(voice.engine) else how_to_install(voice.engine)


class _Prices:
    """What paid voices cost today; each file is read once, and only when a paid voice is listed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def of(self, voice: Voice) -> str:
        """``free``, ``$0.02 per 1,000 characters``, or why there is no price."""
        if not voice.is_paid:
            return FREE
        try:
            model = self._models.named(voice.speech_model)
            price = self._book.price(model.endpoint, on=datetime.now(UTC).date(), unit=model.unit, allow_expired=False)
        except ValueError:
            return "no such model in speech_models.csv"
        except PriceUnknown:
            return "no price in price_book.csv"
        return f"${price.usd_per_unit:f} per {_UNITS.get(model.unit, model.unit)}"

    @functools.cached_property
    def _models(self) -> SpeechModels:
        return read_speech_models(self._settings.price_book.with_name("speech_models.csv"))

    @functools.cached_property
    def _book(self) -> PriceBook:
        return read_price_book(self._settings.price_book)
