"""Where the money stands: limit, reserved, settled and left of every scope, and which charges hold what.

Read from the ledger's own sums, which every claim is checked against; nothing here is counted a second way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from ..settings import Settings
from . import breaker
from .breaker import Trip
from .ledger import open_ledger
from .ledger_tables import HELD_FOR_A_PERSON, HOLDS_MONEY
from .records import Charge
from .spending import Spending, scopes_of


@dataclass(frozen=True)
class Budget:
    """One scope's money, US dollars. ``kind`` is ``campaign``, ``day`` or ``month``; no ``limit_usd`` is no limit."""

    kind: str
    name: str
    limit_usd: Decimal | None
    spending: Spending

    @property
    def left_usd(self) -> Decimal | None:
        """What may still be reserved, never below zero; None without a limit."""
        return None if self.limit_usd is None else max(self.limit_usd - self.spending.taken_usd, Decimal(0))


@dataclass(frozen=True)
class Standing:
    """All that was and may be bought from fal, now. ``run_usd`` is the cap of every single run.

    ``held`` are charges whose money only a person frees; ``under_way`` those that the next run finishes.
    """

    budgets: tuple[Budget, ...]
    run_usd: Decimal | None
    held: tuple[Charge, ...]
    under_way: tuple[Charge, ...]
    trips: tuple[Trip, ...]
    has_charges: bool


def standing_of(settings: Settings, limits: Mapping[str, Decimal | None], *, at: datetime | None = None) -> Standing:
    """The standing of these campaigns (name -> limit) with fal, of today and of this month, both UTC."""
    ledger = open_ledger(settings.ledger)
    names = scopes_of("", "", at or datetime.now(UTC))
    asked = [("campaign", name, limit) for name, limit in limits.items()]
    asked += [("day", names["day"], settings.max_usd_per_day), ("month", names["month"], settings.max_usd_per_month)]
    bought = [charge for charge in ledger.charges() if charge.provider == "fal"]
    mine = [charge for charge in bought if charge.campaign in limits]
    holding = [charge for charge in mine if charge.state in HOLDS_MONEY]
    return Standing(
        budgets=tuple(Budget(kind, name, limit, ledger.spending("fal", kind, name)) for kind, name, limit in asked),
        run_usd=settings.max_usd_per_run,
        held=tuple(charge for charge in holding if charge.state in HELD_FOR_A_PERSON),
        under_way=tuple(charge for charge in holding if charge.state not in HELD_FOR_A_PERSON),
        trips=tuple(breaker.open_trips(ledger, "fal")),
        has_charges=bool(bought),
    )


def campaigns_with_charges(settings: Settings) -> tuple[str, ...]:
    """Campaigns that ever had a charge with fal, also those whose folder is gone."""
    charges = open_ledger(settings.ledger).charges()
    return tuple(sorted({charge.campaign for charge in charges if charge.provider == "fal"}))
