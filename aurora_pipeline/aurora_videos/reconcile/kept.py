"""The latest reconciliation of each subject, kept in the ledger: what the warehouse shows and a later run goes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields

import sqlalchemy as sa

from ..ledger import MOST_PARAMETERS, Ledger
from ..ledger_tables import charges
from ..ledger_tables import reconciliations as table
from .records import Reconciliation

_COLUMNS = tuple(table.c[field.name] for field in fields(Reconciliation))


def keep(ledger: Ledger, rows: Sequence[Reconciliation]) -> None:
    """Replace what was kept of these subjects, and of requests that a charge has been found for since."""
    with ledger.transaction() as db:
        for row in rows:
            is_its_own = table.c.subject == row.subject
            is_its_request = (table.c.provider == row.provider) & (table.c.subject == (row.request_id or ""))
            db.execute(table.delete().where(is_its_own | is_its_request))
            db.execute(table.insert().values(asdict(row)))


def kept(ledger: Ledger, *, campaign: str | None = None) -> list[Reconciliation]:
    """The latest row of every subject; with ``campaign`` its own, and requests that belong to no campaign."""
    wanted = sa.true() if campaign is None else (table.c.campaign == campaign) | table.c.campaign.is_(None)
    with ledger.reading() as db:
        rows = db.execute(sa.select(*_COLUMNS).where(wanted).order_by(table.c.subject))
        return [Reconciliation(*row) for row in rows]


def audio_urls(ledger: Ledger, charge_ids: Sequence[str]) -> dict[str, str]:
    """Charge by the URL its speech was uploaded to: how a request on the list is known to be a charge's."""
    found: dict[str, str] = {}
    columns = (charges.c.audio_url, charges.c.charge_id)
    with ledger.reading() as db:
        for first in range(0, len(charge_ids), MOST_PARAMETERS):
            some = charges.c.charge_id.in_(charge_ids[first : first + MOST_PARAMETERS])
            where = some & charges.c.audio_url.is_not(None)
            found |= {row.audio_url: row.charge_id for row in db.execute(sa.select(*columns).where(where))}
    return found
