"""A finished charge -> its `Bill`: what the budget believes until fal's own record says more."""

from __future__ import annotations

from decimal import Decimal

from ..price_book import billed_seconds
from .ledger import Bill
from .records import Charge

VIDEO_STEP = Decimal("0.0001")  # a second's units come with few decimals; below a hundredth of a cent they are dust
TEXT_STEP = Decimal("0.000001")  # a word of speech costs less than that: down to what the ledger can hold


def video_bill(charge: Charge, seconds: float, *, unit_usd: Decimal | None) -> Bill:
    """What a finished video costs: measured seconds at our price, or the provider's own count when that is more.

    The provider's units are not seconds (fal_contract.md, finding 5), so they are worth its own unit price; where that
    could not be read, ours, which is the dearer guess.
    """
    billed = billed_seconds(seconds)
    return _dearer(charge, billed * charge.usd_per_unit, unit_usd=unit_usd, step=VIDEO_STEP, seconds=billed)


def counted_bill(charge: Charge, *, unit_usd: Decimal | None) -> Bill:
    """What speech or a transcript costs: the units counted before it was sent, or the provider's when more."""
    expected = (charge.wanted_units or Decimal(0)) * charge.usd_per_unit
    return _dearer(charge, expected.quantize(TEXT_STEP), unit_usd=unit_usd, step=TEXT_STEP, seconds=None)


def _dearer(charge: Charge, measured: Decimal, *, unit_usd: Decimal | None, step: Decimal, seconds: int | None) -> Bill:
    """The budget must never believe less than the bill."""
    if charge.billable_units is None:
        return Bill(seconds, measured, "measured")
    unit = charge.usd_per_unit if unit_usd is None else unit_usd
    reported = (charge.billable_units * unit).quantize(step)
    if reported > measured:
        return Bill(seconds, reported, "reported", reported)
    return Bill(seconds, measured, "measured", reported)
