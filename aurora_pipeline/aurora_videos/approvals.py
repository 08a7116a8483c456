"""Approvals: which exact purchases a person said yes to.

An approval is of a fingerprint, not of a row: edit one word afterwards and it no longer applies. It says who gave it
and when, and is never deleted, only withdrawn. A yes in scripts.csv is one too, given by the file: it is of what the
row was when it was first seen, since whoever edits the row later leaves the yes where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from .ledger_tables import approvals, in_parts

if TYPE_CHECKING:
    from .ledger import Ledger


@dataclass(frozen=True)
class Approval:
    """One person's yes to one purchase of one campaign."""

    campaign: str
    clip_id: str
    fingerprint: str
    approved_by: str
    approved_at: datetime


# Who said yes to a row whose cell says so: to its video, and to its speech and hearing that where they are bought too.
BY_THE_TABLE, SPEECH_BY_THE_TABLE, HEARING_BY_THE_TABLE = "scripts.csv", "scripts.csv (speech)", "scripts.csv (hearing)"
_FIELDS = tuple(field.name for field in fields(Approval))


def approve(ledger: Ledger, campaign: str, clips: Iterable[tuple[str, str]], *, by: str) -> int:
    """Approve ``(clip_id, fingerprint)`` pairs; returns how many were not approved before."""
    now, new = datetime.now(UTC), 0
    with ledger.transaction() as db:
        standing = {(row.clip_id, row.fingerprint) for row in _standing(db, campaign)}
        for clip_id, fingerprint in dict.fromkeys(clips):
            if (clip_id, fingerprint) not in standing:
                new += 1
                values = {"campaign": campaign, "clip_id": clip_id, "fingerprint": fingerprint}
                db.execute(approvals.insert().values(**values, approved_by=by, approved_at=now))
    return new


def approved_fingerprints(
    ledger: Ledger, campaign: str, written: Iterable[tuple[str, str]], *, by: str = BY_THE_TABLE
) -> set[str]:
    """What a person said yes to, by command or, for the pairs ``written``, in scripts.csv."""
    approve_as_written(ledger, campaign, written, by=by)
    return {each.fingerprint for each in standing_approvals(ledger, campaign)}


def approve_as_written(
    ledger: Ledger, campaign: str, clips: Iterable[tuple[str, str]], *, by: str = BY_THE_TABLE
) -> None:
    """Keep the yes that scripts.csv says of ``(clip_id, fingerprint)`` pairs, once for each clip.

    A clip that was seen before with another fingerprint was edited since, and is left to a person.
    """
    where = (approvals.c.campaign == campaign) & (approvals.c.approved_by == by)
    with ledger.reading() as db:
        seen = set(db.execute(sa.select(approvals.c.clip_id).where(where)).scalars())
    if new := [(clip_id, fingerprint) for clip_id, fingerprint in clips if clip_id not in seen]:
        approve(ledger, campaign, new, by=by)


def withdraw(ledger: Ledger, campaign: str, clip_ids: Iterable[str], *, by: str) -> int:
    """Take back what was approved for these clips; returns how many approvals that ended."""
    where = (approvals.c.campaign == campaign) & approvals.c.withdrawn_at.is_(None)
    with ledger.transaction() as db:
        values = {"withdrawn_at": datetime.now(UTC), "withdrawn_by": by}
        named = [approvals.c.clip_id.in_(some) for some in in_parts(clip_ids)]
        return sum(db.execute(approvals.update().where(where & some).values(values)).rowcount for some in named)


def standing_approvals(ledger: Ledger, campaign: str) -> list[Approval]:
    """The campaign's approvals that hold, oldest first."""
    with ledger.reading() as db:
        return _standing(db, campaign)


def _standing(db: sa.Connection, campaign: str) -> list[Approval]:
    columns = [approvals.c[name] for name in _FIELDS]
    where = (approvals.c.campaign == campaign) & approvals.c.withdrawn_at.is_(None)
    rows = db.execute(sa.select(*columns).where(where).order_by(approvals.c.approved_at, approvals.c.approval_id))
    return [Approval(*row) for row in rows]
