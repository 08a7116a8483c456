"""Money by scope: what is reserved and what is settled for a campaign, a run, a day and a month.

A reservation must fit every scope that has a limit, in the transaction that writes the charge: two workers can then
never both take the last dollar (check-then-act overshot by $41 of $100: reference/reliability.md 3). A charge counts
in the day and month, UTC, in which it was reserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import sqlalchemy as sa

from ..errors import OverBudget
from .ledger_tables import Usd, spending

KINDS = ("campaign", "run", "day", "month")
_WHOSE = {"campaign": "the campaign's", "run": "this run's", "day": "today's", "month": "this month's"}
MEND = {
    "campaign": "raise budget_usd in campaign.yaml, or take rows out",
    "run": "raise it (--max-usd, in Dagster max_usd, for every run AURORA_MAX_USD_PER_RUN), or take rows out",
    "day": "raise AURORA_MAX_USD_PER_DAY, take rows out, or run again tomorrow (days are UTC)",
    "month": "raise AURORA_MAX_USD_PER_MONTH, take rows out, or run again next month",
}


@dataclass(frozen=True)
class Limits:
    """The most that may be reserved and settled together in each scope, US dollars; None is no limit."""

    campaign_usd: Decimal | None = None
    run_usd: Decimal | None = None
    day_usd: Decimal | None = None
    month_usd: Decimal | None = None

    def of(self, kind: str) -> Decimal | None:
        """The limit of one of `KINDS`."""
        limit: Decimal | None = getattr(self, f"{kind}_usd")
        return limit


@dataclass(frozen=True)
class Spending:
    """One scope's money with one provider: held for what is not settled, and settled to the bill."""

    reserved_usd: Decimal = Decimal(0)
    settled_usd: Decimal = Decimal(0)

    @property
    def taken_usd(self) -> Decimal:
        return self.reserved_usd + self.settled_usd


def scopes_of(campaign: str, run_id: str, at: datetime) -> dict[str, str]:
    """The name of each kind's scope, in the order in which a full one is told of."""
    day = at.astimezone(UTC).date().isoformat()
    return dict(zip(KINDS, (campaign, run_id, day, day[:7]), strict=True))


def reserve(
    db: sa.Connection, provider: str, scopes: dict[str, str], amount: Decimal, *, limits: Limits, clip_id: str
) -> None:
    """Hold ``amount`` in every scope, or raise `OverBudget` and hold nothing.

    Looking first and holding then is safe here only because changes of the ledger never interleave.
    """
    there = {
        row.kind: Spending(row.reserved_usd, row.settled_usd) for row in db.execute(_READ, _named(provider, scopes))
    }
    for kind in scopes:
        limit, taken = limits.of(kind), there.get(kind, Spending()).taken_usd
        if limit is not None and taken + amount > limit:
            left = max(limit - taken, Decimal(0))
            raise OverBudget(
                f"{clip_id} may cost ${amount:.2f} and ${left:.2f} of {_WHOSE[kind]} ${limit:.2f} budget is left; "
                f"{MEND[kind]}. Nothing was spent on this clip."
            )
    nothing = {"provider": provider, "reserved_usd": Decimal(0), "settled_usd": Decimal(0)}
    if missing := [{**nothing, "kind": kind, "name": name} for kind, name in scopes.items() if kind not in there]:
        db.execute(spending.insert(), missing)
    move(db, provider, scopes, reserved=amount, settled=Decimal(0))


def move(db: sa.Connection, provider: str, scopes: dict[str, str], *, reserved: Decimal, settled: Decimal) -> None:
    """Add to what is reserved and settled in every scope; amounts may be negative."""
    db.execute(_MOVE, {**_named(provider, scopes), "reserved": reserved, "settled": settled})


def read(db: sa.Connection, provider: str, kind: str, name: str) -> Spending:
    """One scope as it is now; zeros before its first charge."""
    rows = db.execute(_READ, _named(provider, {kind: name}))
    return next((Spending(row.reserved_usd, row.settled_usd) for row in rows), Spending())


def _named(provider: str, scopes: dict[str, str]) -> dict[str, str]:
    return {"of": provider} | {f"name_of_{kind}": scopes.get(kind, "") for kind in KINDS}


# Written once: putting a statement together costs several times what running it does.
_MINE = (spending.c.provider == sa.bindparam("of")) & sa.or_(
    *((spending.c.kind == kind) & (spending.c.name == sa.bindparam(f"name_of_{kind}")) for kind in KINDS)
)
_READ = sa.select(spending.c.kind, spending.c.reserved_usd, spending.c.settled_usd).where(_MINE)
_MOVE = (
    spending.update()
    .where(_MINE)
    .values(
        reserved_usd=spending.c.reserved_usd + sa.bindparam("reserved", type_=Usd),
        settled_usd=spending.c.settled_usd + sa.bindparam("settled", type_=Usd),
    )
)
