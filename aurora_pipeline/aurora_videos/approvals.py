"""Approvals: which exact purchases a person said yes to.

An approval is of a fingerprint, not of a row: edit one word afterwards and it no longer applies. It says who gave it
and when, and is never deleted, only withdrawn.

A yes in scripts.csv is one too, given by the file: it is of what the row was when it was first seen, since whoever
edits the row later leaves the yes where it stands. One row may become several purchases, of which some can be quoted
only later: its speech, hearing that, and the video of that very sound. So the row itself is remembered, and each kind
of purchase is approved as first quoted, once, while the row is still what it was. A row that was edited before its
video was quoted, or whose voice was switched to a paid one, is left to a person; so is one whose yes was withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..gear.media_store import key_of
from .ledger_tables import approvals, in_parts

if TYPE_CHECKING:
    from ..script_table.records import Script
    from .ledger import Ledger


@dataclass(frozen=True)
class Approval:
    """One person's yes to one purchase of one campaign."""

    campaign: str
    clip_id: str
    fingerprint: str
    approved_by: str
    approved_at: datetime


@dataclass(frozen=True)
class Written:
    """A yes in scripts.csv: to one purchase of a clip, by a row whose content is ``row`` (see `written_in`)."""

    clip_id: str
    fingerprint: str
    row: str


# Who said yes to a row whose cell says so: to its video, and to its speech and hearing that where they are bought too.
BY_THE_TABLE, SPEECH_BY_THE_TABLE, HEARING_BY_THE_TABLE = "scripts.csv", "scripts.csv (speech)", "scripts.csv (hearing)"
ROW_OF_THE_TABLE = "scripts.csv (row)"  # the row that said so, when it was first seen; nothing is bought by it
_OF_THE_TABLE = (BY_THE_TABLE, SPEECH_BY_THE_TABLE, HEARING_BY_THE_TABLE, ROW_OF_THE_TABLE)
# What a row says of its clip, whatever of it is bought: a cell that shapes no purchase may be edited.
_SHAPES = (
    *("text", "pauses", "voice", "voice_sha256", "audio_sha256", "language"),
    *("model", "portrait_sha256", "resolution", "prompt", "guidance_scale", "audio_guidance_scale"),
)
_FIELDS = tuple(field.name for field in fields(Approval))


def written_in(script: Script, fingerprint: str) -> Written:
    """The yes of ``script``'s row to the purchase ``fingerprint``."""
    row = key_of(**{name: getattr(script, name) for name in _SHAPES})
    return Written(script.clip_id, fingerprint, row)


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
    ledger: Ledger, campaign: str, written: Iterable[Written], *, by: str = BY_THE_TABLE
) -> set[str]:
    """What a person said yes to, by command or, where it is ``written``, in scripts.csv."""
    approve_as_written(ledger, campaign, written, by=by)
    return {each.fingerprint for each in standing_approvals(ledger, campaign)}


def approve_as_written(ledger: Ledger, campaign: str, written: Iterable[Written], *, by: str = BY_THE_TABLE) -> None:
    """Keep the yes that scripts.csv says: once for each clip and kind of purchase, while its row is the first seen.

    What was seen before with another fingerprint, or by another row, was edited since and is left to a person.
    """
    seen = _seen(ledger, campaign)
    new = [each for each in written if by not in seen.get(each.clip_id, {}) and _is_first(seen, each)]
    first = [each for each in new if each.clip_id not in seen]
    if new:
        approve(ledger, campaign, [(each.clip_id, each.row) for each in first], by=ROW_OF_THE_TABLE)
        approve(ledger, campaign, [(each.clip_id, each.fingerprint) for each in new], by=by)


def _seen(ledger: Ledger, campaign: str) -> dict[str, dict[str, str]]:
    """By clip: what scripts.csv said yes to before, by kind; empty for a row whose yes was withdrawn."""
    where = (approvals.c.campaign == campaign) & approvals.c.approved_by.in_(_OF_THE_TABLE)
    columns = (approvals.c.clip_id, approvals.c.approved_by, approvals.c.fingerprint, approvals.c.withdrawn_at)
    found: dict[str, dict[str, str]] = {}
    with ledger.reading() as db:
        for clip_id, by, fingerprint, withdrawn_at in db.execute(sa.select(*columns).where(where)):
            found.setdefault(clip_id, {})[by] = fingerprint if withdrawn_at is None else ""
    return found


def _is_first(seen: dict[str, dict[str, str]], each: Written) -> bool:
    """Whether nothing of the clip was seen before, or by this very row. Ledgers before version 4 remember no row."""
    return each.clip_id not in seen or seen[each.clip_id].get(ROW_OF_THE_TABLE) == each.row


def withdraw(ledger: Ledger, campaign: str, clip_ids: Iterable[str], *, by: str) -> int:
    """Take back what was approved for these clips; returns how many approvals that ended."""
    where = (approvals.c.campaign == campaign) & approvals.c.withdrawn_at.is_(None)
    with ledger.transaction() as db:
        values = {"withdrawn_at": datetime.now(UTC), "withdrawn_by": by}
        named = [approvals.c.clip_id.in_(some) for some in in_parts(clip_ids)]
        for some in named:  # the table's yes ends with what it approved: nothing is approved by it later either
            row = where & some & (approvals.c.approved_by == ROW_OF_THE_TABLE)
            db.execute(approvals.update().where(row).values(values))
        return sum(db.execute(approvals.update().where(where & some).values(values)).rowcount for some in named)


def standing_approvals(ledger: Ledger, campaign: str) -> list[Approval]:
    """The campaign's approvals that hold, oldest first."""
    with ledger.reading() as db:
        return _standing(db, campaign)


def _standing(db: sa.Connection, campaign: str) -> list[Approval]:
    columns = [approvals.c[name] for name in _FIELDS]
    where = (approvals.c.campaign == campaign) & approvals.c.withdrawn_at.is_(None)
    where &= approvals.c.approved_by != ROW_OF_THE_TABLE
    rows = db.execute(sa.select(*columns).where(where).order_by(approvals.c.approved_at, approvals.c.approval_id))
    return [Approval(*row) for row in rows]
