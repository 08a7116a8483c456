"""Price book + measured length -> what fal would have billed. Nothing is paid here.

fal bills in units of one price an endpoint, so a dearer resolution is told as more units, not as a dearer unit
(reference/fal_contract.md, finding 5): at $0.10 (480p) and $0.14 (720p) a second, ten seconds of 720p are 14 units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from ..errors import PriceUnknown
from ..models import Model, read_models
from ..price_book import Price, billed_seconds, read_price_book
from .fresh import Fresh

UNIT_PLACES = Decimal("0.0001")  # billable units are told with four decimals


@dataclass(frozen=True)
class Bill:
    """What one completed request would have cost. Seconds are of the picture, as measured from the file.

    ``usd`` is the truth to the cent; ``billable_units`` times ``unit_price`` is it rounded to `UNIT_PLACES`.
    """

    resolution: str
    video_seconds: float
    billable_seconds: int
    usd_per_second: Decimal
    usd: Decimal
    price_source: str
    unit_price: Decimal
    billable_units: Decimal

    def of(self, usd: Decimal) -> Bill:
        """The same at another amount; the units follow."""
        return replace(self, usd=usd, billable_units=(usd / self.unit_price).quantize(UNIT_PLACES))


class Prices:
    """The models of one table and their prices of one book; both are read again when they change.

    The table is ``models.csv`` beside the book, else the shipped one. A model the book does not price at all is not
    served; one that it prices in part is a mistake.
    """

    def __init__(self, file: Path) -> None:
        """Raises `BadInput` or `PriceUnknown` for a book that cannot price every resolution of what it serves."""
        self._book = Fresh(file, read_price_book)
        self._models = Fresh(file.with_name("models.csv"), read_models)
        if not self.served():
            raise PriceUnknown(
                f"{file.name} prices no model of {self._models.value.file}; add rows. Nothing was spent."
            )
        for model in self.served():
            for resolution in model.priced_resolutions:
                self.price(model.endpoint, resolution)

    def served(self) -> tuple[Model, ...]:
        """The models this studio has: those of the table with a price."""
        priced = {row.price.endpoint for row in self._book.value.rows}
        return tuple(model for model in self._models.value.rows if model.endpoint in priced)

    def model(self, endpoint: str) -> Model | None:
        """The served model of an endpoint, or None."""
        return next((model for model in self.served() if model.endpoint == endpoint), None)

    def price(self, endpoint: str, resolution: str, on: date | None = None) -> Price:
        """The price of a day (today, UTC). An expired one still prices a draft; a missing one is never $0."""
        return self._book.value.price(endpoint, resolution, on=on or datetime.now(UTC).date(), allow_expired=True)

    def unit_price(self, model: Model, on: date | None = None) -> Decimal:
        """US dollars of the endpoint's one unit: a second of its cheapest resolution."""
        return min(self.price(model.endpoint, each, on).usd_per_second for each in model.priced_resolutions)

    def bill(self, model: Model, resolution: str, video_seconds: float) -> Bill:
        """Whole seconds, rounded up (the table's only unit rule), at today's price."""
        price, unit_price = self.price(model.endpoint, resolution), self.unit_price(model)
        seconds = billed_seconds(video_seconds)
        usd = seconds * price.usd_per_second
        units = (usd / unit_price).quantize(UNIT_PLACES)
        return Bill(resolution, video_seconds, seconds, price.usd_per_second, usd, price.source, unit_price, units)
