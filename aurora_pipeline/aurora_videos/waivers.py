"""Waivers: which speech a person accepts although listening held something against it.

A waiver is of the very audio, not of a row: say one word differently and it no longer applies. It says who gave it, why
and when, and is never deleted, only withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..gear.fal_answers import plain
from ..gear.secrets import scrub
from .ledger_tables import waivers
from .records import Waiver

if TYPE_CHECKING:
    from .ledger import Ledger


Waived = dict[tuple[str, str], Waiver]  # by clip and by its audio's SHA-256
_FIELDS = tuple(field.name for field in fields(Waiver))


def waive(ledger: Ledger, campaign: str, clips: Iterable[tuple[str, str]], *, reason: str, by: str) -> int:
    """Waive ``(clip_id, speech_sha256)`` pairs; returns how many were not waived before."""
    now, new = datetime.now(UTC), 0
    with ledger.transaction() as db:
        standing = {(row.clip_id, row.speech_sha256) for row in _standing(db, campaign)}
        for clip_id, sha256 in dict.fromkeys(clips):
            if (clip_id, sha256) not in standing:
                new += 1
                values = {"campaign": campaign, "clip_id": clip_id, "speech_sha256": sha256, "reason": reason}
                db.execute(waivers.insert().values(**values, waived_by=by, waived_at=now))
    return new


def withdraw_waivers(ledger: Ledger, campaign: str, clip_ids: Iterable[str], *, by: str) -> int:
    """Take back what was waived for these clips; returns how many waivers that ended."""
    names = set(clip_ids)
    with ledger.transaction() as db:
        ended = [row for row in _standing(db, campaign) if row.clip_id in names]
        for row in ended:
            mine = (waivers.c.campaign == campaign) & (waivers.c.clip_id == row.clip_id)
            open_ones = waivers.update().where(mine & waivers.c.withdrawn_at.is_(None))
            db.execute(open_ones.values(withdrawn_at=datetime.now(UTC), withdrawn_by=by))
    return len(ended)


def standing_waivers(ledger: Ledger, campaign: str) -> list[Waiver]:
    """The campaign's waivers that hold, oldest first."""
    with ledger.reading() as db:
        return _standing(db, campaign)


def waived(ledger: Ledger, campaign: str) -> Waived:
    """The same by clip and audio: speech that changes back to what was waived before is waived still."""
    return {(each.clip_id, each.speech_sha256): each for each in standing_waivers(ledger, campaign)}


def _standing(db: sa.Connection, campaign: str) -> list[Waiver]:
    columns = [waivers.c[name] for name in _FIELDS]
    where = (waivers.c.campaign == campaign) & waivers.c.withdrawn_at.is_(None)
    rows = db.execute(sa.select(*columns).where(where).order_by(waivers.c.waiver_id))
    return [_readable(Waiver(*row)) for row in rows]


def _readable(waiver: Waiver) -> Waiver:
    """Its words are shown on terminals and pages, whoever wrote them into the ledger."""
    return replace(waiver, reason=scrub(plain(waiver.reason)), waived_by=scrub(plain(waiver.waived_by)))
