"""Price book + what was made -> what fal would have billed. Nothing is paid here.

fal bills in units of one price an endpoint, so a dearer resolution is told as more units, not as a dearer unit
(reference/fal_contract.md, finding 5): at $0.10 (480p) and $0.14 (720p) a second, ten seconds of 720p are 14 units.
Voices are billed by the characters of their text, recognisers by the length of what they hear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from ..errors import PriceUnknown
from ..models import Model, Models, read_models
from ..price_book import ANY_RESOLUTION, SECOND, Price, billed_seconds, read_price_book
from ..speech_models import RecogniserModel, SpeechModel, SpeechModels, read_speech_models
from .fresh import Fresh

Served = Model | SpeechModel | RecogniserModel
UNIT_PLACES = Decimal("0.0001")  # billable units are told with four decimals


@dataclass(frozen=True)
class Bill:
    """What one completed request would have cost. Seconds are of the picture (or sound), as measured from the file.

    ``usd`` is the truth to the cent; ``billable_units`` times ``unit_price`` is it rounded to `UNIT_PLACES`. What is
    not billed by the second has no ``billable_seconds``.
    """

    resolution: str
    video_seconds: float
    billable_seconds: int
    usd_per_second: Decimal
    usd: Decimal
    price_source: str
    unit_price: Decimal
    billable_units: Decimal
    unit: str = SECOND

    def of(self, usd: Decimal) -> Bill:
        """The same at another amount; the units follow."""
        return replace(self, usd=usd, billable_units=(usd / self.unit_price).quantize(UNIT_PLACES))


def unit_of(model: Served) -> str:
    """What a model is billed by, as the price book names it."""
    return SECOND if isinstance(model, Model) else model.unit


def told(unit: str) -> str:
    """A unit as people read it: 1000 characters."""
    return unit.replace("_", " ")


class Prices:
    """The models of two tables and their prices of one book; all are read again when they change.

    The tables are ``models.csv`` and ``speech_models.csv`` beside the book, else the shipped ones. A model the book
    does not price at all is not served; one that it prices in part, or by another unit, is a mistake.
    """

    def __init__(self, file: Path) -> None:
        """Raises `BadInput` or `PriceUnknown` for a book that cannot price every resolution of what it serves."""
        self._book = Fresh(file, read_price_book)
        self._models = Fresh(file.with_name("models.csv"), read_models)
        self._speech = Fresh(file.with_name("speech_models.csv"), read_speech_models)
        if not self.served():
            raise PriceUnknown(
                f"{file.name} prices no model of {self._models.value.file}; add rows. Nothing was spent."
            )
        for model in self.served():
            for resolution in model.priced_resolutions:
                self.price(model.endpoint, resolution)
        for sound in self.served_sound():
            self.price(sound.endpoint, unit=sound.unit)

    def served(self) -> tuple[Model, ...]:
        """The models this studio has: those of the table with a price."""
        priced = self._priced()
        return tuple(model for model in self._models.value.rows if model.endpoint in priced)

    def served_sound(self) -> tuple[SpeechModel | RecogniserModel, ...]:
        """The voices and recognisers this studio has: those of the table with a price."""
        priced = self._priced()
        return tuple(row for row in self._speech.value.rows if row.endpoint in priced)

    def everything(self) -> tuple[Served, ...]:
        """Whatever this studio has."""
        return (*self.served(), *self.served_sound())

    def _priced(self) -> set[str]:
        return {row.price.endpoint for row in self._book.value.rows}

    def model(self, endpoint: str) -> Served | None:
        """The served model of an endpoint, or None."""
        if endpoint not in self._priced():
            return None
        tables: tuple[Models | SpeechModels, ...] = (self._models.value, self._speech.value)
        return next((model for table in tables for model in table.rows if model.endpoint == endpoint), None)

    def price(
        self, endpoint: str, resolution: str = ANY_RESOLUTION, on: date | None = None, *, unit: str = SECOND
    ) -> Price:
        """The price of a day (today, UTC). An expired one still prices a draft; a missing one is never $0."""
        day = on or datetime.now(UTC).date()
        return self._book.value.price(endpoint, resolution, on=day, unit=unit, allow_expired=True)

    def unit_price(self, model: Served, on: date | None = None) -> Decimal:
        """US dollars of the endpoint's one unit: of a video model, a second of its cheapest resolution."""
        if not isinstance(model, Model):
            return self.price(model.endpoint, on=on, unit=model.unit).usd_per_unit
        return min(self.price(model.endpoint, each, on).usd_per_second for each in model.priced_resolutions)

    def bill(self, model: Model, resolution: str, video_seconds: float) -> Bill:
        """Whole seconds, rounded up (the table's only unit rule), at today's price."""
        price, unit_price = self.price(model.endpoint, resolution), self.unit_price(model)
        seconds = billed_seconds(video_seconds)
        usd = seconds * price.usd_per_second
        units = (usd / unit_price).quantize(UNIT_PLACES)
        return Bill(resolution, video_seconds, seconds, price.usd_per_second, usd, price.source, unit_price, units)

    def sound_bill(self, model: SpeechModel | RecogniserModel, units: Decimal, seconds: float) -> Bill:
        """So many units, made of ``seconds`` of sound, at today's price."""
        price = self.price(model.endpoint, unit=model.unit)
        told = units.quantize(UNIT_PLACES)
        usd, each = price.usd(units), price.usd_per_unit
        return Bill(ANY_RESOLUTION, seconds, 0, each, usd, price.source, each, told, model.unit)
