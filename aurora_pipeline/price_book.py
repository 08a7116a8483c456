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

from .errors import BadInput, PriceUnknown, Problem
from .gear import strict_csv

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
    file = "/".join(path.parts[-2:])
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput([Problem(file, 0, "", f"cannot be read ({error.strerror}); restore it")]) from error
    table = strict_csv.read_table(content, COLUMNS, file=file)
    problems = list(table.problems)
    rows = [row for row in (_row(found, file=file, problems=problems) for found in table.rows) if row is not None]
    problems.extend(_twice(rows, file=file))
    if problems:
        raise BadInput(problems)
    return PriceBook(file, tuple(sorted(rows, key=lambda row: row.price.valid_from)))


def _row(row: strict_csv.CsvRow, *, file: str, problems: list[Problem]) -> PriceRow | None:
    cells = {name: cell.strip() for name, cell in row.cells.items()}
    wrong = [Problem(file, row.line, name, "is empty") for name in COLUMNS.required if not cells[name]]
    usd = _usd(cells["usd_per_unit"])
    valid_from, expires_on = _day(cells["valid_from"]), _day(cells["expires_on"])
    if usd is None and cells["usd_per_unit"]:
        sentence = f"is '{cells['usd_per_unit']}'; write dollars as a positive number such as 0.14"
        wrong.append(Problem(file, row.line, "usd_per_unit", sentence))
    for name, day in (("valid_from", valid_from), ("expires_on", expires_on)):
        if day is None and cells[name]:
            wrong.append(Problem(file, row.line, name, f"is '{cells[name]}'; write a day as 2026-09-29"))
    if valid_from and expires_on and expires_on < valid_from:
        wrong.append(Problem(file, row.line, "expires_on", "is before valid_from; swap the two days"))
    problems.extend(wrong)
    if wrong or usd is None or valid_from is None or expires_on is None:
        return None
    price = Price(cells["endpoint"], cells["resolution"], usd, valid_from, expires_on, cells["source"], cells["unit"])
    return PriceRow(price, cells["unit"], row.line)


def _usd(text: str) -> Decimal | None:
    try:
        usd = Decimal(text)
    except InvalidOperation:
        return None
    return usd if usd.is_finite() and usd > 0 else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _twice(rows: Sequence[PriceRow], *, file: str) -> list[Problem]:
    seen: dict[tuple[str, str, date], int] = {}
    problems = []
    for row in rows:
        key = (row.price.endpoint, row.price.resolution, row.price.valid_from)
        if key in seen:
            sentence = f"line {seen[key]} already prices {key[0]} {key[1]} from {key[2]}; delete one of the two"
            problems.append(Problem(file, row.line, "valid_from", sentence))
        seen.setdefault(key, row.line)
    return problems
