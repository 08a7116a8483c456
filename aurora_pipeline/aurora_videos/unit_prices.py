"""What the provider itself says a unit costs, before anything is bought from it.

The price book decides what we reserve; this is how a price or unit that changed at the provider is noticed before the
first dollar, not on the bill. A price list that cannot be read changes nothing: the book is dated and trusted.
"""

from __future__ import annotations

from decimal import Decimal

from ..errors import PriceUnknown
from ..gear.fal_answers import Unreachable
from ..gear.fal_platform import Platform, UnitPrice
from .quote import Quote, QuotedClip


def unit_prices(platform: Platform, quote: Quote) -> dict[str, Decimal]:
    """The unit price of every endpoint of the quote that the provider prices, US dollars.

    Raises `PriceUnknown` when something would be bought whose unit is no longer the second, or whose unit now costs
    more than the price book says a second does.
    """
    found: dict[str, Decimal] = {}
    for endpoint in dict.fromkeys(clip.request.endpoint for clip in quote.clips):
        try:
            price = platform.unit_price(endpoint)
        except Unreachable:
            continue
        if price is None:
            continue
        if quote.provider == "fal":
            for clip in quote.to_buy:
                if clip.request.endpoint == endpoint:
                    _assert_expected(price, clip)
        found[endpoint] = price.usd
    return found


def _assert_expected(price: UnitPrice, clip: QuotedClip) -> None:
    endpoint, book = clip.request.endpoint, clip.price.usd_per_second
    if "second" not in price.unit.lower():
        raise PriceUnknown(
            f"fal now prices {endpoint} by the '{price.unit}', not by the second; find out what a clip costs and add a "
            "row to data/price_book.csv. Nothing was spent."
        )
    if price.usd > book:
        raise PriceUnknown(
            f"fal now asks ${price.usd.normalize():f} a unit for {endpoint}, and data/price_book.csv says "
            f"${book.normalize():f} a second; look it up and add a row. Nothing was spent."
        )
