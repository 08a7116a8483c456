"""The breaker: a bill far above what was reserved stops all buying until a person has looked.

A price, a unit or a bug at the provider may make one clip cost hundreds of times its reservation (a public report
shows $40,500 for 80 s). The bill is recorded, never argued with; but nothing more is bought at that provider. What was
bought before is still fetched.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..errors import AuroraError, BreakerTripped
from .ledger_tables import breakers
from .records import Charge

if TYPE_CHECKING:
    from .ledger import Ledger


@dataclass(frozen=True)
class Trip:
    """One time that the breaker tripped. ``closed_by`` and ``reason`` are the person's who let buying go on."""

    trip_id: str
    provider: str
    charge_id: str
    sentence: str
    tripped_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None


_FIELDS = tuple(field.name for field in fields(Trip))
_OPEN = sa.select(breakers.c.sentence).where(breakers.c.provider == sa.bindparam("of"), breakers.c.closed_at.is_(None))


def judge_bill(db: sa.Connection, charge: Charge, *, factor: Decimal | None) -> None:
    """Trip when the charge's bill is more than ``factor`` times its reservation. Free drafts never trip."""
    bill = charge.billed_usd or Decimal(0)
    if factor is None or charge.provider == "studio" or bill <= charge.reserved_usd * factor:
        return
    sentence = (
        f"{charge.provider} billed ${bill:.2f} for {charge.campaign}/{charge.clip_id} (request {charge.request_id}), "
        f"of which ${charge.reserved_usd:.2f} was the worst case expected."
    )
    db.execute(
        breakers.insert().values(
            trip_id=uuid.uuid4().hex,
            provider=charge.provider,
            charge_id=charge.charge_id,
            sentence=sentence,
            tripped_at=datetime.now(UTC),
        )
    )


def assert_closed(db: sa.Connection, provider: str) -> None:
    """Raise `BreakerTripped` while a trip of this provider is open."""
    found = db.execute(_OPEN, {"of": provider}).first()
    if found is not None:
        raise BreakerTripped(
            f"Buying is stopped: {found.sentence} Ask {provider} about it, correct data/price_book.csv if the price "
            "changed, then `aurora budget --close-breaker REASON`. Nothing more was spent."
        )


def open_trips(ledger: Ledger, provider: str) -> list[Trip]:
    """The trips nobody has closed yet, oldest first."""
    columns = [breakers.c[name] for name in _FIELDS]
    where = (breakers.c.provider == provider) & breakers.c.closed_at.is_(None)
    with ledger.reading() as db:
        rows = db.execute(sa.select(*columns).where(where).order_by(breakers.c.tripped_at))
        return [Trip(*row) for row in rows]


def close(ledger: Ledger, provider: str, *, by: str, reason: str) -> int:
    """A person lets buying go on; returns how many trips that closed. Raises `AuroraError` without a reason."""
    if not reason.strip():
        raise AuroraError("Say why buying may go on; the reason is kept with the breaker. Nothing was changed.")
    with ledger.transaction() as db:
        where = (breakers.c.provider == provider) & breakers.c.closed_at.is_(None)
        values = {"closed_at": datetime.now(UTC), "closed_by": by, "reason": reason.strip()}
        return db.execute(breakers.update().where(where).values(values)).rowcount
