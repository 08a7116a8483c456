"""Price book + measured length -> what fal would have billed. Nothing is paid here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from ..price_book import Price, billed_seconds, read_price_book
from .aurora import ENDPOINT, RESOLUTIONS


@dataclass(frozen=True)
class Bill:
    """What one completed request would have cost. Seconds are of the picture, as measured from the file."""

    resolution: str
    video_seconds: float
    billable_seconds: int
    usd_per_second: Decimal
    usd: Decimal
    price_source: str


class Prices:
    """Aurora's prices of one book, which is read again for every bill: a corrected book holds at once."""

    def __init__(self, file: Path) -> None:
        """Raises `BadInput` or `PriceUnknown` for a book that cannot price every resolution."""
        self.file = file
        for resolution in RESOLUTIONS:
            self.price(resolution)

    def price(self, resolution: str, on: date | None = None) -> Price:
        """The price of a day (today, UTC). An expired one still prices a draft; a missing one is never $0."""
        on = on or datetime.now(UTC).date()
        return read_price_book(self.file).price(ENDPOINT, resolution, on=on, allow_expired=True)

    def bill(self, resolution: str, video_seconds: float) -> Bill:
        """Whole seconds, rounded up, at today's price."""
        price = self.price(resolution)
        seconds = billed_seconds(video_seconds)
        usd = seconds * price.usd_per_second
        return Bill(resolution, video_seconds, seconds, price.usd_per_second, usd, price.source)
