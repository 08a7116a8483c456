"""The ledger: decides whether to pay, and remembers every purchase before it is made.

    reserved -> sending -> accepted -> completed -> stored -> settled
        |          |           |
        |          |           +-> refused   failed or withdrawn, never billed; may be tried again
        |          |           +-> rejected  the model said no (422), or what it made is gone: held
        |          |                   +-> settled   it was billed: spent, without a video
        |          +-> refused | rejected | unknown (may have been accepted: held, looked up, never resent)
        +-> voided  nothing was sent

SQLAlchemy Core on SQLite (WAL, synchronous=FULL, BEGIN IMMEDIATE) or Postgres, by the same statements and the same
tests. Each arrow is one transaction, guarded by the state it starts from, so that two workers following one request
cannot settle it twice. Money is kept as whole micro-dollars, the price of a unit finer.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from ..errors import AuroraError
from . import breaker, spending
from .ledger_engine import open_database
from .ledger_tables import (
    CLOSED,
    HELD_FOR_A_PERSON,
    HOLDS_MONEY,
    IN_DOUBT,
    MOST_PARAMETERS,
    NEVER_FETCHED,
    UNFINISHED,
    charges,
    events,
    in_parts,
    stage_runs,
)
from .ledger_versions import bring_up_to_date
from .owner import owner_is_gone, this_owner
from .records import Bill, Charge, Plan, Recovery, StageRun
from .spending import Limits, Spending, scopes_of

__all__ = ["LEASE", "MOST_PARAMETERS", "Bill", "Ledger", "Plan", "Recovery", "open_ledger"]
LEASE = timedelta(minutes=15)  # longer than an upload and a submit with all their time-outs
SUBMIT_LASTS = timedelta(minutes=10)  # a POST with all its time-outs (120 s each): it may be answered until then
_CHARGE_FIELDS = tuple(field.name for field in fields(Charge))
_CHARGE_COLUMNS = tuple(charges.c[name] for name in _CHARGE_FIELDS)
_RUN_FIELDS = tuple(field.name for field in fields(StageRun))


@functools.lru_cache(maxsize=8)
def open_ledger(url: str) -> Ledger:
    """The ledger at a SQLAlchemy URL; tables are made, or brought up to date, on first use."""
    return Ledger(url)


class Ledger:
    """Purchases, money and stage runs. Safe for many threads, processes and (on Postgres) machines."""

    def __init__(self, url: str) -> None:
        self._database = open_database(url)
        with self.transaction() as db:
            bring_up_to_date(db)

    def transaction(self, *, patience: float | None = None) -> AbstractContextManager[sa.Connection]:
        """A change of the ledger's database, for the modules beside this one too (approvals, breaker, ...).

        ``patience`` is how many seconds whoever else is at it is waited for; None is as long as usual.
        """
        return self._database.transaction(patience=patience)

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A look at the ledger's database; it waits for nobody."""
        return self._database.reading()

    def close(self) -> None:
        """Give back every connection."""
        self._database.close()

    # ---- deciding
    def claim(self, plan: Plan, *, limits: Limits) -> tuple[Charge, bool]:
        """The one live charge of this fingerprint, and whether it was made now (reserved, not yet sent).

        Raises `OverBudget` when the reservation does not fit one of ``limits`` and `BreakerTripped` while the breaker
        is open; then nothing is recorded.
        """
        with self.transaction() as db:
            if plan.fingerprint in (live := self._live(db, plan.provider, [plan.fingerprint])):
                return live[plan.fingerprint], False
            now = _now()
            breaker.assert_closed(db, plan.provider)
            scopes = scopes_of(plan.campaign, plan.run_id, now)
            spending.reserve(db, plan.provider, scopes, plan.reserved_usd, limits=limits, clip_id=plan.clip_id)
            values = {name: getattr(plan, name) for name in plan.__dataclass_fields__}
            values |= {"state": "reserved", "planned_at": now, "owner": this_owner(), "lease_until": now + LEASE}
            row = db.execute(_INSERT, values).one()
            _note(db, plan.charge_id, "reserved", fingerprint=plan.fingerprint, usd=plan.reserved_usd)
            return Charge(*row), True

    # ---- the arrows; each returns the charge as it now is, or None when somebody else already took the arrow
    def mark_sending(self, charge_id: str, *, audio_url: str | None) -> Charge | None:
        """The last act before the request's first byte. Raises `BreakerTripped` while the breaker is open."""
        with self.transaction() as db:
            charge = self._step(db, charge_id, ("reserved",), "sending", sent_at=_now(), audio_url=audio_url)
            if charge is not None:
                breaker.assert_closed(db, charge.provider)  # raising undoes the step
            return charge

    def mark_accepted(self, charge_id: str, *, request_id: str, reply: str = "", note: str = "") -> Charge | None:
        """The provider took the request: it will be billed when it succeeds. ``note`` says how it was found.

        A charge that was closed meanwhile, because it was taken for lost, is opened again and holds its money again,
        whatever the limits say: it is owed. None when that cannot be, because its fingerprint was claimed anew or it
        ended in another way; the request is then noted on it, so that its bill will be found.
        """
        values = {"accepted_at": _now(), "request_id": request_id, "reply": reply}
        values |= {"sentence": note} if note else {}
        with self.transaction() as db:
            charge = self._step(db, charge_id, IN_DOUBT, "accepted", **values)
            return charge or self._accepted_late(db, charge_id, values)

    def _accepted_late(self, db: sa.Connection, charge_id: str, values: dict[str, Any]) -> Charge | None:
        before = self._read(db, charge_id)
        if before.state not in CLOSED or before.request_id is not None:
            return None
        is_taken = before.fingerprint in self._live(db, before.provider, [before.fingerprint])
        if not is_taken:
            values = values | {"state": "accepted", "billed_usd": None, "bill_source": None}
            self._move(db, before, reserved=before.reserved_usd, settled=-(before.billed_usd or Decimal(0)))
        db.execute(charges.update().where(charges.c.charge_id == charge_id).values(values))
        _note(db, charge_id, before.state if is_taken else "accepted", request_id=values["request_id"], was_late=True)
        return None if is_taken else self._read(db, charge_id)

    def mark_completed(
        self, charge_id: str, *, result: dict[str, Any], billable_units: Decimal | None
    ) -> Charge | None:
        """The result is known; from here on only a download is needed."""
        values = {"result": json.dumps(result), "billable_units": billable_units}
        return self._advance(charge_id, ("accepted",), "completed", **values)

    def mark_stored(self, charge_id: str, *, video_sha256: str) -> Charge | None:
        """The video is in the media store."""
        return self._advance(charge_id, ("completed",), "stored", video_sha256=video_sha256)

    def settle(self, charge_id: str, bill: Bill, *, breaker_factor: Decimal | None = None) -> Charge | None:
        """The reservation becomes the bill. One above it is recorded, never refused; far above, the breaker trips."""
        values: dict[str, Any] = {"billed_seconds": bill.seconds, "billed_usd": bill.usd, "bill_source": bill.source}
        values |= {"reported_usd": bill.reported_usd, "settled_at": _now()}
        with self.transaction() as db:
            charge = self._step(db, charge_id, ("stored",), "settled", **values)
            if charge is not None:
                breaker.judge_bill(db, charge, factor=breaker_factor)
            return charge

    def correct_bill(self, charge_id: str, *, usd: Decimal, breaker_factor: Decimal | None = None) -> Charge | None:
        """The provider's own billing record replaces what was believed at the end; None when it agrees already.

        Also of what was taken for never billed (refused, voided): its money counts, and its state stays.
        """
        with self.transaction() as db:
            before = self._read(db, charge_id)
            if before.state not in ("settled", *CLOSED) or (before.billed_usd or Decimal(0)) == usd:
                return None
            values = {"billed_usd": usd, "bill_source": "event"}
            db.execute(charges.update().where(charges.c.charge_id == charge_id).values(values))
            _note(db, charge_id, before.state, **values)
            self._move(db, before, reserved=Decimal(0), settled=usd - (before.billed_usd or Decimal(0)))
            charge = self._read(db, charge_id)
            breaker.judge_bill(db, charge, factor=breaker_factor)
            return charge

    def settle_without_video(
        self, charge_id: str, *, usd: Decimal, breaker_factor: Decimal | None = None
    ) -> Charge | None:
        """The provider billed what its model refused, or what nobody could fetch: the reservation becomes that bill.

        The fingerprint stays taken: what was refused would be refused, and billed, again. What was made and never
        fetched keeps its request, so that a later run still asks for it.
        """
        values = {"billed_usd": usd, "bill_source": "event", "settled_at": _now()}
        with self.transaction() as db:
            charge = self._step(db, charge_id, ("rejected",), "settled", **values)
            unfetched = values | {"sentence": NEVER_FETCHED}
            charge = charge or self._step(db, charge_id, ("accepted", "completed"), "settled", **unfetched)
            if charge is not None:
                breaker.judge_bill(db, charge, factor=breaker_factor)
            return charge

    def refuse(self, charge_id: str, sentence: str) -> Charge | None:
        """Not accepted, withdrawn, or failed in a way never billed: the money and the fingerprint are free again."""
        return self._advance(charge_id, ("sending", "accepted"), "refused", sentence=sentence)

    def reject(self, charge_id: str, sentence: str) -> Charge | None:
        """The model said no to these inputs: may be billed, so the money stays held and it is not asked again."""
        return self._advance(charge_id, ("sending", "accepted"), "rejected", sentence=sentence)

    def give_up(self, charge_id: str, sentence: str) -> Charge | None:
        """Accepted, and the provider has nothing to show for it any more: held, as if rejected, for a person."""
        return self._advance(charge_id, ("accepted", "completed", "stored"), "rejected", sentence=sentence)

    def void(self, charge_id: str, sentence: str) -> Charge | None:
        """Nothing was sent."""
        return self._advance(charge_id, ("reserved",), "voided", sentence=sentence)

    def void_unknown(self, charge_id: str, sentence: str) -> Charge | None:
        """A readable list does not hold it after the safe horizon: it was never accepted."""
        return self._advance(charge_id, ("unknown",), "voided", sentence=sentence)

    def mark_unknown(self, charge_id: str, sentence: str) -> Charge | None:
        """May have been accepted: held until it is found at the provider, or a person decides."""
        return self._advance(charge_id, ("sending",), "unknown", sentence=sentence)

    def release(self, charge_id: str, sentence: str) -> Charge | None:
        """A person decided that a held charge (rejected or unknown) was not billed: its money is free again.

        Raises `AuroraError` while its request may still be answered: then nobody can know.
        """
        with self.transaction() as db:
            before = self._read(db, charge_id)
            until = (before.sent_at or before.planned_at) + SUBMIT_LASTS
            if before.state == "unknown" and _now() < until:
                raise AuroraError(
                    f"{before.campaign}/{before.clip_id} was sent only now and may still be answered; look at fal "
                    f"after {until:%H:%M} UTC, then release it. ${before.reserved_usd:.2f} stays held."
                )
            return self._step(db, charge_id, HELD_FOR_A_PERSON, "voided", sentence=sentence)

    def note_missed(self, charge_id: str, *, at: datetime) -> datetime:
        """The provider's list was read and does not hold it; returns when that was first seen."""
        with self.transaction() as db:
            where = (charges.c.charge_id == charge_id) & charges.c.missed_at.is_(None)
            if db.execute(charges.update().where(where).values(missed_at=at)).rowcount:
                _note(db, charge_id, "unknown", missed_at=at)
            found = sa.select(charges.c.missed_at).where(charges.c.charge_id == charge_id)
            first: datetime = db.execute(found).scalar_one()
            return first

    def note_result(self, charge_id: str, *, result: dict[str, Any]) -> None:
        """The provider handed out its answer again, and this one names the video."""
        with self.transaction() as db:
            db.execute(charges.update().where(charges.c.charge_id == charge_id).values(result=json.dumps(result)))

    def note_video(self, charge_id: str, *, video_sha256: str) -> Charge:
        """The provider handed out its file again, with these bytes: they are what was paid for."""
        with self.transaction() as db:
            where = (charges.c.charge_id == charge_id) & charges.c.state.in_(("stored", "settled"))
            db.execute(charges.update().where(where).values(video_sha256=video_sha256, sentence=None))
            _note(db, charge_id, "stored", video_sha256=video_sha256)
            return self._read(db, charge_id)

    def discard_draft(self, charge_id: str, sentence: str) -> Charge | None:
        """A free draft whose file the studio no longer has is made anew. Never true of a bought video."""
        with self.transaction() as db:
            before = self._read(db, charge_id)
            if before.provider != "studio" or before.state in CLOSED:
                return None
            values = {"state": "voided", "sentence": sentence, "billed_usd": None, "settled_at": None}
            db.execute(charges.update().where(charges.c.charge_id == charge_id).values(values))
            _note(db, charge_id, "voided", sentence=sentence)
            if before.state == "settled":
                self._move(db, before, reserved=Decimal(0), settled=-(before.billed_usd or Decimal(0)))
            else:
                self._move(db, before, reserved=-before.reserved_usd, settled=Decimal(0))
            return self._read(db, charge_id)

    def _advance(self, charge_id: str, before: tuple[str, ...], after: str, **values: Any) -> Charge | None:
        with self.transaction() as db:
            return self._step(db, charge_id, before, after, **values)

    def _step(
        self, db: sa.Connection, charge_id: str, before: tuple[str, ...], after: str, **values: Any
    ) -> Charge | None:
        arrow = _arrow(before, after, tuple(sorted(values)))
        row = db.execute(arrow, {"of": charge_id} | {f"new_{name}": value for name, value in values.items()}).first()
        if row is None:
            return None
        charge = Charge(*row)
        _note(db, charge_id, after, **{k: v for k, v in values.items() if k not in ("reply", "result")})
        if after not in HOLDS_MONEY:
            self._move(db, charge, reserved=-charge.reserved_usd, settled=charge.billed_usd or Decimal(0))
        return charge

    def _move(self, db: sa.Connection, charge: Charge, *, reserved: Decimal, settled: Decimal) -> None:
        scopes = scopes_of(charge.campaign, charge.run_id, charge.planned_at)
        spending.move(db, charge.provider, scopes, reserved=reserved, settled=settled)

    # ---- reading
    def live(self, provider: str, fingerprints: Sequence[str]) -> dict[str, Charge]:
        """The live charge of each fingerprint that has one: what makes a second purchase impossible."""
        with self.reading() as db:
            return self._live(db, provider, fingerprints)

    def charge(self, charge_id: str) -> Charge:
        """One charge as it is now."""
        with self.reading() as db:
            return self._read(db, charge_id)

    def recovery(self, charge_id: str) -> Recovery:
        """What is needed to resume a charge somebody else may have left behind."""
        with self.reading() as db:
            row = db.execute(_RECOVERY, {"of": charge_id}).one()
        return Recovery(
            row.lease_until < _now() or owner_is_gone(row.owner),
            row.audio_url,
            json.loads(row.result) if row.result else None,
            json.loads(row.arguments) if row.arguments else None,
        )

    def charges(
        self, *, campaign: str | None = None, run_id: str | None = None, charge_ids: Sequence[str] = ()
    ) -> list[Charge]:
        """Charges of a campaign or a run, plus those named; with none of these, all of them. Oldest first."""
        asked = [charges.c.campaign == campaign] if campaign is not None else []
        asked += [charges.c.run_id == run_id] if run_id is not None else []
        asked += [charges.c.charge_id.in_(some) for some in in_parts(charge_ids)]
        found: dict[str, Charge] = {}
        with self.reading() as db:
            for wanted in asked or [sa.true()]:
                found |= {row.charge_id: Charge(*row) for row in db.execute(sa.select(*_CHARGE_COLUMNS).where(wanted))}
        return sorted(found.values(), key=lambda charge: charge.planned_at)

    def left_behind(self, provider: str, *, wanted: Collection[str] = ()) -> list[Charge]:
        """Charges that are not at their end and that nobody works on any more, oldest first.

        Without those of the fingerprints ``wanted``: a run goes on with these by itself.
        """
        where = (charges.c.provider == provider) & charges.c.state.in_(UNFINISHED)
        columns = (charges.c.owner, charges.c.lease_until, *_CHARGE_COLUMNS)
        with self.reading() as db:
            rows = db.execute(sa.select(*columns).where(where).order_by(charges.c.planned_at)).all()
        now, is_gone = _now(), {owner: owner_is_gone(owner) for owner in {row.owner for row in rows}}
        left = [Charge(*row[2:]) for row in rows if row.lease_until < now or is_gone[row.owner]]
        return [charge for charge in left if charge.fingerprint not in wanted]

    def spending(self, provider: str, kind: str, name: str) -> Spending:
        """Reserved and settled money of one scope (see `spending.KINDS`); zeros before its first charge."""
        with self.reading() as db:
            return spending.read(db, provider, kind, name)

    def record_stage_run(self, run: StageRun, *, patience: float | None = None) -> None:
        """Remember that a stage ran, from either door."""
        with self.transaction(patience=patience) as db:
            db.execute(stage_runs.insert().values({name: getattr(run, name) for name in _RUN_FIELDS}))

    def stage_runs(self, *, campaign: str | None = None) -> list[StageRun]:
        """Stage runs, oldest first."""
        wanted = stage_runs.c.campaign == campaign if campaign is not None else sa.true()
        columns = [stage_runs.c[name] for name in _RUN_FIELDS]
        with self.reading() as db:
            rows = db.execute(sa.select(*columns).where(wanted).order_by(stage_runs.c.started_at))
            return [StageRun(*row) for row in rows]

    def _live(self, db: sa.Connection, provider: str, fingerprints: Sequence[str]) -> dict[str, Charge]:
        found = {}
        for some in in_parts(fingerprints):
            named = charges.c.fingerprint.in_(some)
            where = (charges.c.provider == provider) & named & charges.c.state.not_in(CLOSED)
            for row in db.execute(sa.select(*_CHARGE_COLUMNS).where(where)):
                found[row.fingerprint] = Charge(*row)
        return found

    def _read(self, db: sa.Connection, charge_id: str) -> Charge:
        return Charge(*db.execute(_READ, {"of": charge_id}).one())


# Statements are written once: putting one together costs several times what running it does.
_INSERT = charges.insert().returning(*_CHARGE_COLUMNS)
_READ = sa.select(*_CHARGE_COLUMNS).where(charges.c.charge_id == sa.bindparam("of"))
_FOR_RECOVERY = ("owner", "lease_until", "audio_url", "result", "arguments")
_RECOVERY = sa.select(*(charges.c[name] for name in _FOR_RECOVERY)).where(charges.c.charge_id == sa.bindparam("of"))
_NOTE = events.insert()


@functools.cache
def _arrow(before: tuple[str, ...], after: str, changed: tuple[str, ...]) -> Any:
    """The statement of one arrow: it changes a charge only where it still is in one of the states ``before``."""
    where = (charges.c.charge_id == sa.bindparam("of")) & charges.c.state.in_(before)
    values = {name: sa.bindparam(f"new_{name}", type_=charges.c[name].type) for name in changed}
    return charges.update().where(where).values(state=after, **values).returning(*_CHARGE_COLUMNS)


def _note(db: sa.Connection, charge_id: str, state: str, **facts: Any) -> None:
    text = json.dumps(facts, default=str)
    db.execute(_NOTE, {"charge_id": charge_id, "state": state, "at": _now(), "facts": text})


def _now() -> datetime:
    return datetime.now(UTC)
