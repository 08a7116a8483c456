"""What the provider itself says a unit costs, before anything is bought from it.

The price book decides what we reserve; this is how a price or unit that changed at the provider is noticed before the
first dollar, not on the bill. A price list that cannot be read changes nothing: the book is dated and trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from ..errors import PriceUnknown
from ..gear.fal_answers import Unreachable
from ..gear.fal_platform import Platform, UnitPrice
from .quote import Quote, QuotedClip

SECONDS = ("second", "seconds")  # as fal writes it; a "GPU second" is another unit


@dataclass(frozen=True)
class UnitPrices:
    """What the provider asks for a unit, US dollars by endpoint, and why clips may not be bought, by fingerprint."""

    usd: dict[str, Decimal]
    refused: dict[str, str]

    def guarded(self, clip: QuotedClip) -> QuotedClip:
        """The clip, only followed when it is in doubt and must not be bought anew.

        Raises `PriceUnknown` for one that would be bought by another unit than the second, or for more a unit than
        the price book says. What is accepted already is fetched, whatever it costs now.
        """
        why = self.refused.get(clip.request.fingerprint)
        if why is None or not clip.may_be_bought:
            return clip
        if clip.standing == "in doubt":
            return replace(clip, only_followed=True)
        raise PriceUnknown(why)


def unit_prices(platform: Platform, quote: Quote) -> UnitPrices:
    """The unit price of every endpoint of the quote that the provider prices, and what is not as the book says."""
    found: dict[str, Decimal] = {}
    refused: dict[str, str] = {}
    for endpoint in dict.fromkeys(clip.request.endpoint for clip in quote.clips):
        try:
            price = platform.unit_price(endpoint)
        except Unreachable:
            continue
        if price is None:
            continue
        found[endpoint] = price.usd
        mine = [clip for clip in quote.to_buy if clip.request.endpoint == endpoint and quote.provider == "fal"]
        refused |= {clip.request.fingerprint: why for clip in mine if (why := _why_not(price, clip)) is not None}
    return UnitPrices(found, refused)


def _why_not(price: UnitPrice, clip: QuotedClip) -> str | None:
    endpoint, book = clip.request.endpoint, clip.usd_per_second
    if price.unit.strip().lower() not in SECONDS:
        return (
            f"fal now prices {endpoint} by the '{price.unit}', not by the second; find out what a clip costs and add a "
            "row to data/price_book.csv. Nothing was spent."
        )
    if price.usd > book:
        return (
            f"fal now asks ${price.usd.normalize():f} a unit for {endpoint}, and data/price_book.csv says "
            f"${book.normalize():f} a second; look it up and add a row. Nothing was spent."
        )
    return None
