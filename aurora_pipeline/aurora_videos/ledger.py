"""The ledger: decides whether to pay, and remembers every purchase before it is made.

    planned -> reserved -> sending -> accepted -> completed -> stored -> settled
                   |          |           |
                   |          |           +-> refused   the job failed and is never billed; may be tried again
                   |          |           +-> rejected  the model said no (422): may be billed, so it is held
                   |          +-> refused | rejected | unknown (may have been accepted: held, looked up, never resent)
                   +-> voided  nothing was sent

SQLAlchemy Core on SQLite (WAL, synchronous=FULL, BEGIN IMMEDIATE); the statements are Postgres's too, untested yet.
Every transaction also holds a lock file: Python links SQLite 3.40, whose WAL-reset bug needs two overlapping
checkpoints (reference/duckdb.md 2b). Each arrow is one transaction, guarded by the state it starts from, so that two
workers following one request cannot settle it twice. Money is kept as whole micro-dollars.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout

from ..errors import AuroraError, OverBudget
from .ledger_tables import CLOSED, HOLDS_MONEY, TABLES, budgets, charges, events, open_engine, stage_runs, usd
from .owner import owner_is_gone, this_owner
from .records import Charge, StageRun

LEASE = timedelta(minutes=15)  # longer than an upload and a submit with all their time-outs
LOCK_SECONDS = 30
MOST_PARAMETERS = 500  # of one statement; older SQLite takes 999
_CHARGE_FIELDS = tuple(field.name for field in fields(Charge))
_RUN_FIELDS = tuple(field.name for field in fields(StageRun))


@dataclass(frozen=True)
class Plan:
    """What one purchase would be: everything the ledger must hold before a byte is sent."""

    charge_id: str
    provider: str
    fingerprint: str
    campaign: str
    clip_id: str
    run_id: str
    endpoint: str
    resolution: str
    audio_seconds: float
    usd_per_second: Decimal
    price_source: str
    reserved_usd: Decimal


@dataclass(frozen=True)
class Budget:
    """One campaign's money with one provider. ``limit_usd`` is None where nothing is paid (drafts)."""

    limit_usd: Decimal | None
    reserved_usd: Decimal
    settled_usd: Decimal


@dataclass(frozen=True)
class Recovery:
    """What a later worker needs to carry on with somebody's charge."""

    owner_is_gone: bool
    audio_url: str | None
    result: dict[str, Any] | None


@functools.lru_cache(maxsize=8)
def open_ledger(url: str) -> Ledger:
    """The ledger at a SQLAlchemy URL; tables are made on first use."""
    return Ledger(url)


class Ledger:
    """Purchases, budgets and stage runs. Safe for many threads, processes and (on Postgres) machines."""

    def __init__(self, url: str) -> None:
        self._engine, self._lock_file = open_engine(url, lock_seconds=LOCK_SECONDS)
        with self._transaction() as db:
            TABLES.create_all(db)

    # ---- deciding
    def claim(self, plan: Plan, *, limit_usd: Decimal | None) -> tuple[Charge, bool]:
        """The one live charge of this fingerprint, and whether it was made now (planned and reserved, not yet sent).

        Raises `OverBudget` when the reservation does not fit ``limit_usd``; then nothing is recorded.
        """
        with self._transaction() as db:
            if plan.fingerprint in (live := self._live(db, plan.provider, [plan.fingerprint])):
                return live[plan.fingerprint], False
            self._reserve(db, plan, limit_usd)
            now = _now()
            values = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
            db.execute(
                charges.insert().values(
                    **values, state="reserved", planned_at=now, owner=this_owner(), lease_until=now + LEASE
                )
            )
            _note(db, plan.charge_id, "planned", fingerprint=plan.fingerprint)
            _note(db, plan.charge_id, "reserved", usd=plan.reserved_usd)
            return self._read(db, plan.charge_id), True

    def _reserve(self, db: sa.Connection, plan: Plan, limit_usd: Decimal | None) -> None:
        where = (budgets.c.provider == plan.provider) & (budgets.c.campaign == plan.campaign)
        if db.execute(sa.select(budgets.c.provider).where(where)).first() is None:
            db.execute(
                budgets.insert().values(
                    provider=plan.provider,
                    campaign=plan.campaign,
                    limit_usd=limit_usd,
                    reserved_usd=Decimal(0),
                    settled_usd=Decimal(0),
                )
            )
        wanted = budgets.c.reserved_usd + usd(plan.reserved_usd)
        fits = sa.true() if limit_usd is None else budgets.c.settled_usd + wanted <= usd(limit_usd)
        taken = db.execute(budgets.update().where(where & fits).values(reserved_usd=wanted, limit_usd=limit_usd))
        if not taken.rowcount:
            budget = self._budget(db, plan.provider, plan.campaign)
            left = (limit_usd or Decimal(0)) - budget.reserved_usd - budget.settled_usd
            raise OverBudget(
                f"{plan.clip_id} may cost ${plan.reserved_usd:.2f} and ${max(left, Decimal(0)):.2f} of the campaign's "
                f"${limit_usd:.2f} budget is left; raise budget_usd in campaign.yaml or shorten the campaign. "
                "Nothing was spent on this clip."
            )

    # ---- the arrows; each returns False when somebody else already took it
    def mark_sending(self, charge_id: str, *, audio_url: str) -> bool:
        """The last act before the request's first byte."""
        return self._advance(charge_id, ("reserved",), "sending", sent_at=_now(), audio_url=audio_url)

    def mark_accepted(self, charge_id: str, *, request_id: str, reply: str = "") -> bool:
        """The provider took the request: it will be billed when it succeeds."""
        return self._advance(
            charge_id, ("sending", "unknown"), "accepted", accepted_at=_now(), request_id=request_id, reply=reply
        )

    def mark_completed(self, charge_id: str, *, result: dict[str, Any], billable_units: Decimal | None) -> bool:
        """The result is known; from here on only a download is needed."""
        return self._advance(
            charge_id, ("accepted",), "completed", result=json.dumps(result), billable_units=billable_units
        )

    def mark_stored(self, charge_id: str, *, video_sha256: str) -> bool:
        """The video is in the media store."""
        return self._advance(charge_id, ("completed",), "stored", video_sha256=video_sha256)

    def settle(self, charge_id: str, *, billed_seconds: int, billed_usd: Decimal) -> bool:
        """The reservation becomes the bill. A bill above the reservation is recorded, never refused."""
        return self._advance(
            charge_id, ("stored",), "settled", settled_at=_now(), billed_seconds=billed_seconds, billed_usd=billed_usd
        )

    def refuse(self, charge_id: str, sentence: str) -> bool:
        """Not accepted, or failed in a way that is never billed: the money is free again and so is the fingerprint."""
        return self._advance(charge_id, ("sending", "accepted"), "refused", sentence=sentence)

    def reject(self, charge_id: str, sentence: str) -> bool:
        """The model said no to these inputs: may be billed, so the money stays held and it is not asked again."""
        return self._advance(charge_id, ("sending", "accepted"), "rejected", sentence=sentence)

    def void(self, charge_id: str, sentence: str) -> bool:
        """Nothing was sent."""
        return self._advance(charge_id, ("reserved",), "voided", sentence=sentence)

    def void_unknown(self, charge_id: str, sentence: str) -> bool:
        """A readable list does not hold it after the safe horizon: it was never accepted."""
        return self._advance(charge_id, ("unknown",), "voided", sentence=sentence)

    def note_missed(self, charge_id: str, *, at: datetime) -> datetime:
        """The provider's list was read and does not hold it; returns when that was first seen."""
        with self._transaction() as db:
            where = (charges.c.charge_id == charge_id) & charges.c.missed_at.is_(None)
            if db.execute(charges.update().where(where).values(missed_at=at)).rowcount:
                _note(db, charge_id, "unknown", missed_at=at)
            found = sa.select(charges.c.missed_at).where(charges.c.charge_id == charge_id)
            first: datetime = db.execute(found).scalar_one()
            return first

    def note_video(self, charge_id: str, *, video_sha256: str) -> None:
        """The provider handed out its file again, with these bytes: they are what was paid for."""
        with self._transaction() as db:
            where = (charges.c.charge_id == charge_id) & charges.c.state.in_(("stored", "settled"))
            db.execute(charges.update().where(where).values(video_sha256=video_sha256))
            _note(db, charge_id, "stored", video_sha256=video_sha256)

    def discard_draft(self, charge_id: str, sentence: str) -> bool:
        """A free draft whose file the studio no longer has is made anew. Never true of a bought video."""
        with self._transaction() as db:
            charge = self._read(db, charge_id)
            if charge.provider != "studio" or charge.state in CLOSED:
                return False
            was_settled = charge.state == "settled"
            values = {"state": "voided", "sentence": sentence, "billed_usd": None, "settled_at": None}
            db.execute(charges.update().where(charges.c.charge_id == charge_id).values(values))
            _note(db, charge_id, "voided", sentence=sentence)
            self._release(db, charge, was_settled=was_settled)
            return True

    def release(self, charge_id: str, sentence: str) -> bool:
        """A person decided that a held charge (rejected or unknown) was not billed: its money is free again."""
        return self._advance(charge_id, ("rejected", "unknown"), "voided", sentence=sentence)

    def mark_unknown(self, charge_id: str, sentence: str) -> bool:
        """May have been accepted: held until it is found at the provider, or a person decides."""
        return self._advance(charge_id, ("sending",), "unknown", sentence=sentence)

    def _advance(self, charge_id: str, before: Sequence[str], after: str, **values: Any) -> bool:
        with self._transaction() as db:
            where = (charges.c.charge_id == charge_id) & charges.c.state.in_(before)
            if not db.execute(charges.update().where(where).values(state=after, **values)).rowcount:
                return False
            _note(db, charge_id, after, **{k: v for k, v in values.items() if k not in ("reply", "result")})
            if after not in HOLDS_MONEY:
                self._release(db, self._read(db, charge_id))
            return True

    def _release(self, db: sa.Connection, charge: Charge, *, was_settled: bool = False) -> None:
        where = (budgets.c.provider == charge.provider) & (budgets.c.campaign == charge.campaign)
        if was_settled:
            bill = usd(charge.billed_usd or Decimal(0))
            db.execute(budgets.update().where(where).values(settled_usd=budgets.c.settled_usd - bill))
            return
        db.execute(
            budgets.update()
            .where(where)
            .values(
                reserved_usd=budgets.c.reserved_usd - usd(charge.reserved_usd),
                settled_usd=budgets.c.settled_usd + usd(charge.billed_usd or Decimal(0)),
            )
        )

    # ---- reading
    def live(self, provider: str, fingerprints: Sequence[str]) -> dict[str, Charge]:
        """The live charge of each fingerprint that has one: what makes a second purchase impossible."""
        with self._transaction() as db:
            return self._live(db, provider, fingerprints)

    def charge(self, charge_id: str) -> Charge:
        """One charge as it is now."""
        with self._transaction() as db:
            return self._read(db, charge_id)

    def recovery(self, charge_id: str) -> Recovery:
        """What is needed to resume a charge somebody else may have left behind."""
        with self._transaction() as db:
            columns = (charges.c.owner, charges.c.lease_until, charges.c.audio_url, charges.c.result)
            row = db.execute(sa.select(*columns).where(charges.c.charge_id == charge_id)).one()
        return Recovery(
            row.lease_until < _now() or owner_is_gone(row.owner),
            row.audio_url,
            json.loads(row.result) if row.result else None,
        )

    def charges(self, *, campaign: str | None = None, charge_ids: Sequence[str] = ()) -> list[Charge]:
        """Charges of a campaign, plus those named; with neither, all of them. Oldest first."""
        mine = charges.c.campaign == campaign if campaign is not None else sa.false()
        wanted = mine | charges.c.charge_id.in_(charge_ids) if campaign is not None or charge_ids else sa.true()
        with self._transaction() as db:
            rows = db.execute(_select(charges, _CHARGE_FIELDS).where(wanted).order_by(charges.c.planned_at))
            return [Charge(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it

    def budget(self, provider: str, campaign: str) -> Budget:
        """Reserved and settled money of one campaign with one provider (zeros before the first charge)."""
        with self._transaction() as db:
            return self._budget(db, provider, campaign)

    def record_stage_run(self, run: StageRun) -> None:
        """Remember that a stage ran, from either door."""
        with self._transaction() as db:
            db.execute(stage_runs.insert().values({name: getattr(run, name) for name in _RUN_FIELDS}))

    def stage_runs(self, *, campaign: str | None = None) -> list[StageRun]:
        """Stage runs, oldest first."""
        wanted = stage_runs.c.campaign == campaign if campaign is not None else sa.true()
        with self._transaction() as db:
            rows = db.execute(_select(stage_runs, _RUN_FIELDS).where(wanted).order_by(stage_runs.c.started_at))
            return [StageRun(**row._mapping) for row in rows]  # noqa: SLF001

    def _live(self, db: sa.Connection, provider: str, fingerprints: Sequence[str]) -> dict[str, Charge]:
        wanted, found = list(dict.fromkeys(fingerprints)), {}
        for first in range(0, len(wanted), MOST_PARAMETERS):
            some = charges.c.fingerprint.in_(wanted[first : first + MOST_PARAMETERS])
            where = (charges.c.provider == provider) & some & charges.c.state.not_in(CLOSED)
            for row in db.execute(_select(charges, _CHARGE_FIELDS).where(where)):
                found[row.fingerprint] = Charge(**row._mapping)  # noqa: SLF001
        return found

    def _read(self, db: sa.Connection, charge_id: str) -> Charge:
        row = db.execute(_select(charges, _CHARGE_FIELDS).where(charges.c.charge_id == charge_id)).one()
        return Charge(**row._mapping)  # noqa: SLF001

    def _budget(self, db: sa.Connection, provider: str, campaign: str) -> Budget:
        where = (budgets.c.provider == provider) & (budgets.c.campaign == campaign)
        columns = (budgets.c.limit_usd, budgets.c.reserved_usd, budgets.c.settled_usd)
        row = db.execute(sa.select(*columns).where(where)).first()
        return Budget(None, Decimal(0), Decimal(0)) if row is None else Budget(*row)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with self._locked(), self._engine.begin() as db:
            yield db

    def _locked(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if self._lock_file is None else _held(self._lock_file)


@contextlib.contextmanager
def _held(lock_file: Path) -> Iterator[None]:
    lock = FileLock(lock_file, timeout=LOCK_SECONDS, poll_interval=0.005)
    try:
        lock.acquire()
    except Timeout:
        raise AuroraError(
            f"The cost ledger {lock_file.stem} has been held by another process for {LOCK_SECONDS} s. Nothing was "
            "sent and nothing was charged; run again, and if it stays, end the process that holds it."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _note(db: sa.Connection, charge_id: str, state: str, **facts: Any) -> None:
    db.execute(
        events.insert().values(charge_id=charge_id, state=state, at=_now(), facts=json.dumps(facts, default=str))
    )


def _select(table: sa.Table, names: Sequence[str]) -> sa.Select[Any]:
    return sa.select(*(table.c[name] for name in names))


def _now() -> datetime:
    return datetime.now(UTC)
