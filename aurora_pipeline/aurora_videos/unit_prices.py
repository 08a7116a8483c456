"""What the provider itself says a unit costs, before anything is bought from it.

The price book decides what we reserve; this is how a price or unit that changed at the provider is noticed before the
first dollar, not on the bill. A price list that cannot be read changes nothing: the book is dated and trusted.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

from ..errors import PriceUnknown
from ..gear.fal_answers import Unreachable
from ..gear.fal_platform import Platform, UnitPrice
from .quoted import AnyQuote, Quoted

One = TypeVar("One", bound=Quoted[Any])

# As fal writes it, or may write it; a "GPU second" is another unit.
_UNIT = re.compile(r"(?:([0-9][0-9,]{0,11})(k?)[ _])?(second|minute|character)s?")


@dataclass(frozen=True)
class Counted:
    """So many of a second, a minute or a character."""

    base: str
    count: Decimal


_COUNTED = {
    "second": Counted("second", Decimal(1)),
    "minute": Counted("minute", Decimal(1)),
    "character": Counted("character", Decimal(1)),
    "1000_characters": Counted("character", Decimal(1000)),
}


@dataclass(frozen=True)
class UnitPrices:
    """What the provider asks for a unit, US dollars by endpoint, and why clips may not be bought, by fingerprint."""

    usd: dict[str, Decimal]
    refused: dict[str, str]

    def guarded(self, clip: One) -> One:
        """The clip, only followed when it is in doubt and must not be bought anew.

        Raises `PriceUnknown` for one that would be bought by another unit than the price book's, or for more a unit
        than it says. What is accepted already is fetched, whatever it costs now.
        """
        why = self.refused.get(clip.request.fingerprint)
        if why is None or not clip.may_be_bought:
            return clip
        if clip.standing == "in doubt":
            return replace(clip, only_followed=True)
        raise PriceUnknown(why)


def unit_prices(platform: Platform, quote: AnyQuote[Any]) -> UnitPrices:
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


def listed_usd(platform: Platform, endpoints: Iterable[str]) -> dict[str, Decimal]:
    """The provider's own price of one unit, by endpoint; one that cannot be read is absent (see `bills`)."""
    found = {}
    for endpoint in dict.fromkeys(endpoints):
        with contextlib.suppress(Unreachable):
            if (price := platform.unit_price(endpoint)) is not None:
                found[endpoint] = price.usd
    return found


def _why_not(price: UnitPrice, clip: Quoted[Any]) -> str | None:
    endpoint, book = clip.request.endpoint, clip.price
    if book is None:
        return None
    ours, theirs = _COUNTED[book.unit], counted_by(price.unit)
    by = book.unit.replace("_", " ")
    if theirs is None or theirs.base != ours.base or theirs.count > ours.count:  # a coarser unit rounds up to more
        return (
            f"fal now prices {endpoint} by the '{price.unit}', not by the {by}; find out what a clip costs and add a "
            "row to data/price_book.csv. Nothing was spent."
        )
    if price.usd * ours.count > book.usd_per_unit * theirs.count:
        said = f"a {by}" if ours.count == 1 else f"for {by}"
        return (
            f"fal now asks ${price.usd.normalize():f} a unit for {endpoint}, and data/price_book.csv says "
            f"${book.usd_per_unit.normalize():f} {said}; look it up and add a row. Nothing was spent."
        )
    return None


def counted_by(unit: str) -> Counted | None:
    """``1000 characters`` -> a thousand of the character; None for a unit that nobody here can count."""
    written = _UNIT.fullmatch(unit.strip().lower())
    if written is None:
        return None
    count, thousands, base = written.groups()
    number = Decimal(count.replace(",", "")) if count else Decimal(1)
    return Counted(base, number * (1000 if thousands else 1)) if number else None
