"""Which version of the ledger a database holds, and how an older one becomes today's.

    1   one table of budgets, by campaign
    2   money by campaign, run, day and month; the breaker, approvals and reconciliations; inputs and reported bills
    3   a charge has a kind (video, speech, transcript) and a unit, whose price is no longer always a second's
    4   that price is kept in pico-dollars, no longer in micro-dollars: a character costs less than one of these

A ledger of a newer version is refused: an older program might not see what was bought.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from ..errors import AuroraError
from ..price_book import billed_seconds
from .ledger_tables import HOLDS_MONEY, MICRO, PICO, TABLES, charges, version
from .spending import Limits, move, reserve, scopes_of

NEWEST = 4
_OF_VERSION_2 = ("inputs", "reported_usd", "bill_source")
_OF_VERSION_3 = ("kind", "unit", "wanted_units", "arguments")
_MONEY_OF_A_CHARGE = (
    "campaign",
    "run_id",
    "planned_at",
    "provider",
    "clip_id",
    "reserved_usd",
    "state",
    "billed_usd",
)


def bring_up_to_date(db: sa.Connection) -> None:
    """Make the tables, or turn an older ledger into today's, in the caller's one transaction."""
    found = _version(db)
    if found > NEWEST:
        raise AuroraError(
            f"This ledger is of version {found} and this program knows {NEWEST}; update aurora-pipeline. "
            "Nothing was spent."
        )
    if found == 0:
        TABLES.create_all(db)
    for step in range(found, NEWEST) if found else ():
        _STEPS[step](db)
    if found < NEWEST:
        db.execute(version.delete())
        db.execute(version.insert().values(version=NEWEST))


def _version(db: sa.Connection) -> int:
    tables = set(sa.inspect(db).get_table_names())
    if version.name in tables:
        return int(db.execute(sa.select(version.c.version)).scalar_one())
    return 1 if charges.name in tables else 0


def _money_by_scope(db: sa.Connection) -> None:
    _add_columns(db, _OF_VERSION_2)
    TABLES.create_all(db)
    for charge in db.execute(sa.select(*(charges.c[name] for name in _MONEY_OF_A_CHARGE))).all():
        scopes = scopes_of(charge.campaign, charge.run_id, charge.planned_at)
        reserve(db, charge.provider, scopes, Decimal(0), limits=Limits(), clip_id=charge.clip_id)
        held = charge.reserved_usd if charge.state in HOLDS_MONEY else Decimal(0)
        settled = (charge.billed_usd or Decimal(0)) if charge.state == "settled" else Decimal(0)
        move(db, charge.provider, scopes, reserved=held, settled=settled)
    db.exec_driver_sql("DROP TABLE budgets")


def _price_by_unit(db: sa.Connection) -> None:
    db.exec_driver_sql("ALTER TABLE charges RENAME COLUMN usd_per_second TO usd_per_unit")
    _add_columns(db, _OF_VERSION_3)
    TABLES.create_all(db)
    for charge_id, seconds in db.execute(sa.select(charges.c.charge_id, charges.c.audio_seconds)).all():
        wanted = charges.update().where(charges.c.charge_id == charge_id)
        db.execute(wanted.values(wanted_units=Decimal(billed_seconds(seconds))))


def _finer_price(db: sa.Connection) -> None:
    # Not through `UnitUsd`: it takes what is kept for pico-dollars already.
    kept = sa.type_coerce(charges.c.usd_per_unit, sa.BigInteger)
    db.execute(charges.update().values(usd_per_unit=kept * (PICO // MICRO)))


def _add_columns(db: sa.Connection, names: Sequence[str]) -> None:
    """Those of a version that the table has not yet; what is required has a default for the rows that are there."""
    there = {column["name"] for column in sa.inspect(db).get_columns(charges.name)}
    for name in names:
        if name not in there:
            made = CreateColumn(charges.c[name]).compile(dialect=db.dialect)
            db.exec_driver_sql(f"ALTER TABLE charges ADD COLUMN {made}")


# From a version to the next.
_STEPS: dict[int, Callable[[sa.Connection], None]] = {1: _money_by_scope, 2: _price_by_unit, 3: _finer_price}
