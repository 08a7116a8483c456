"""data/price_book.csv -> Price.  Dated prices with their sources; a missing or stale price is a refusal, never $0.

Prices of a model change and pages disagree (reference/fal_contract.md, finding 4), so a price is a row with the day it
starts, the day we stop trusting it, and where it was read. A model is billed by one unit (`UNITS`); who asks says by
which it reckons, and a row by any other unit is refused. Limit: what cannot be bounded before it is bought, such as a
``compute_second``, is no unit here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from .errors import PriceUnknown
from .gear import strict_csv, table_rows

COLUMNS = strict_csv.Columns(
    ("endpoint", "resolution", "unit", "usd_per_unit", "valid_from", "expires_on", "source"), ("note",)
)
SECOND = "second"
# What we can count before we buy: of a video, of a text (in code points), of a recording.
UNITS = (SECOND, "minute", "character", "1000_characters")
ANY_RESOLUTION = "any"  # what the book says of a model that has no resolution


def billed_seconds(seconds: float) -> int:
    """Whole seconds a provider bills for: rounded up, so 9.4 is billed as 10. ValueError below zero or for NaN."""
    if not 0 <= seconds < math.inf:
        raise ValueError(f"a length of {seconds} s cannot be billed")
    # Probed lengths carry float dust: 10.0000001 s is ten seconds, not eleven.
    return math.ceil(round(seconds, 3))


@dataclass(frozen=True)
class Price:
    """What one ``unit`` of one resolution costs at one endpoint from ``valid_from``, trusted until ``expires_on``.

    ``usd_per_second`` is US dollars of one unit, whatever the unit is: it bears the name of the first there was.
    """

    endpoint: str
    resolution: str
    usd_per_second: Decimal
    valid_from: date
    expires_on: date
    source: str
    unit: str = SECOND

    @property
    def usd_per_unit(self) -> Decimal:
        """US dollars of one ``unit``."""
        return self.usd_per_second

    def usd(self, units: Decimal | int) -> Decimal:
        """US dollars of so many units, exactly. ValueError for what is no number of units."""
        count = Decimal(units)
        if not count.is_finite() or count < 0:
            raise ValueError(f"{units} units cannot be billed")
        return count * self.usd_per_unit

    def is_expired(self, on: date) -> bool:
        """True after ``expires_on``, whose own day still counts."""
        return on > self.expires_on


@dataclass(frozen=True)
class PriceRow:
    """One row of the book as written: the price of one ``unit``."""

    price: Price
    unit: str
    line: int


@dataclass(frozen=True)
class PriceBook:
    """Every row of the file, oldest first."""

    file: str
    rows: tuple[PriceRow, ...]

    def price(
        self,
        endpoint: str,
        resolution: str = ANY_RESOLUTION,
        *,
        on: date,
        unit: str = SECOND,
        allow_expired: bool = False,
    ) -> Price:
        """The price in force on a day. Where sources we still trust disagree, the dearest: only a bill can decide.

        Raises `PriceUnknown` when there is none, it is by another unit than ``unit`` (one of `UNITS`), or all have
        expired (``allow_expired`` is for free drafts, which only say what they would have cost: then the newest
        counts).
        """
        rows = self._begun(endpoint, resolution, on)
        newest = max(rows, key=_valid_from)
        is_expired = newest.price.is_expired(on)  # no older row comes back when the newest is no longer trusted
        trusted = [newest] if is_expired else [row for row in rows if not row.price.is_expired(on)]
        for row in trusted:
            self._assert_unit(row, unit)
        row = max(trusted, key=_usd_per_unit)
        if is_expired and not allow_expired:
            raise PriceUnknown(
                f"The price of {endpoint} {resolution} ({self.file} line {row.line}) was trusted until "
                f"{row.price.expires_on}; look it up again and add a row with a later expires_on. Nothing was spent."
            )
        return row.price

    def _assert_unit(self, row: PriceRow, unit: str) -> None:
        """Dollars of different units cannot be compared, and what is not counted cannot be reserved."""
        if row.unit == unit and unit in UNITS:
            return
        wanted = unit if unit in UNITS else "' or '".join(UNITS)
        raise PriceUnknown(
            f"{self.file} line {row.line} prices {row.price.endpoint} {row.price.resolution} by the '{row.unit}'; only "
            f"prices by the '{wanted}' can be reserved safely. Add a row with unit '{wanted}'. Nothing was spent."
        )

    def _begun(self, endpoint: str, resolution: str, on: date) -> list[PriceRow]:
        rows = [row for row in self.rows if (row.price.endpoint, row.price.resolution) == (endpoint, resolution)]
        begun = [row for row in rows if row.price.valid_from <= on]
        if not begun:
            since = f" before {min(row.price.valid_from for row in rows)}" if rows else ""
            raise PriceUnknown(
                f"{self.file} has no price for {endpoint} {resolution}{since}; add a row with its source. "
                "Nothing was spent."
            )
        return begun


def _usd_per_unit(row: PriceRow) -> Decimal:
    return row.price.usd_per_unit


def _valid_from(row: PriceRow) -> date:
    return row.price.valid_from


def read_price_book(path: Path) -> PriceBook:
    """The price book in ``path``. Raises `BadInput` with every problem of the file."""
    table = table_rows.read_rows(path, COLUMNS)
    rows = [row for row in (_row(table, found) for found in table.rows) if row is not None]
    _find_twins(table, rows)
    table.assert_good()
    return PriceBook(table.file, tuple(sorted(rows, key=_valid_from)))


def _row(table: table_rows.TableRows, row: strict_csv.CsvRow) -> PriceRow | None:
    """The row's price; None, and problems, when it has any."""
    before = len(table.problems)
    price: dict[str, Any] = {name: table.cell(row, name, str) for name in ("endpoint", "resolution", "unit", "source")}
    price["usd_per_second"] = table.cell(row, "usd_per_unit", _usd)
    price |= {name: table.cell(row, name, _day) for name in ("valid_from", "expires_on")}
    if price["valid_from"] and price["expires_on"] and price["expires_on"] < price["valid_from"]:
        table.add(row.line, "expires_on", "is before valid_from; swap the two days")
    return PriceRow(Price(**price), price["unit"], row.line) if len(table.problems) == before else None


def _usd(text: str) -> Decimal:
    try:
        usd = Decimal(text)
    except InvalidOperation:
        usd = Decimal(0)
    if not (usd.is_finite() and usd > 0):
        raise ValueError(f"is '{text}'; write dollars as a positive number such as 0.14")
    return usd


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"is '{text}'; write a day as 2026-09-29") from None


def _find_twins(table: table_rows.TableRows, rows: Sequence[PriceRow]) -> None:
    """One price of a resolution a day."""
    seen: dict[tuple[str, str, date], int] = {}
    for row in rows:
        key = (row.price.endpoint, row.price.resolution, row.price.valid_from)
        if (first := seen.setdefault(key, row.line)) != row.line:
            sentence = f"line {first} already prices {key[0]} {key[1]} from {key[2]}; delete one of the two"
            table.add(row.line, "valid_from", sentence)
