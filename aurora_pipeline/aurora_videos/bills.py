"""A finished charge and its video's length -> its `Bill`: what the budget believes until fal's own record says more."""

from __future__ import annotations

from decimal import Decimal

from ..price_book import billed_seconds
from .ledger import Bill
from .records import Charge

REPORTED_STEP = Decimal("0.0001")  # units come with few decimals; below a hundredth of a cent they are dust


def bill_of(charge: Charge, seconds: float, *, unit_usd: Decimal | None) -> Bill:
    """What a finished charge costs: measured seconds at our price, or the provider's own count when that is more.

    The budget must never believe less than the bill. The provider's units are not seconds (fal_contract.md, finding 5),
    so they are worth its own unit price; where that could not be read, ours, which is the dearer guess.
    """
    billed = billed_seconds(seconds)
    measured = billed * charge.usd_per_second
    if charge.billable_units is None:
        return Bill(billed, measured, "measured")
    unit = charge.usd_per_second if unit_usd is None else unit_usd
    reported = (charge.billable_units * unit).quantize(REPORTED_STEP)
    if reported > measured:
        return Bill(billed, reported, "reported", reported)
    return Bill(billed, measured, "measured", reported)
