"""Which version of the ledger a database holds, and how an older one becomes today's.

    1   one table of budgets, by campaign
    2   money by campaign, run, day and month; the breaker, approvals and reconciliations; inputs and reported bills

A ledger of a newer version is refused: an older program might not see what was bought.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import sqlalchemy as sa

from ..errors import AuroraError
from .ledger_tables import HOLDS_MONEY, TABLES, charges, version
from .spending import Limits, move, reserve, scopes_of

NEWEST = 2


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
    there = {column["name"] for column in sa.inspect(db).get_columns(charges.name)}
    for column in charges.columns:
        if column.name not in there:
            kind = column.type.compile(db.dialect)
            db.exec_driver_sql(f"ALTER TABLE charges ADD COLUMN {column.name} {kind}")
    TABLES.create_all(db)
    for charge in db.execute(sa.select(charges)).all():
        scopes = scopes_of(charge.campaign, charge.run_id, charge.planned_at)
        reserve(db, charge.provider, scopes, Decimal(0), limits=Limits(), clip_id=charge.clip_id)
        held = charge.reserved_usd if charge.state in HOLDS_MONEY else Decimal(0)
        settled = (charge.billed_usd or Decimal(0)) if charge.state == "settled" else Decimal(0)
        move(db, charge.provider, scopes, reserved=held, settled=settled)
    db.exec_driver_sql("DROP TABLE budgets")


# From a version to the next.
_STEPS: dict[int, Callable[[sa.Connection], None]] = {1: _money_by_scope}
