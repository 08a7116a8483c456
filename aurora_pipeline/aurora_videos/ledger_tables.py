"""The ledger's tables: SQLAlchemy Core, the same on SQLite and Postgres.

Money is kept as whole micro-dollars, a unit's price as whole pico-dollars (a character may cost 0.0000125) and time as
UTC text, because SQLite would round the ones and has no time zone for the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

import sqlalchemy as sa

# A fingerprint with a charge in one of these may be bought again: nothing was or will be billed for it.
CLOSED = ("refused", "voided")
# Not at its end: some worker has this in hand, or had it and is gone.
UNFINISHED = ("reserved", "sending", "unknown", "accepted", "completed", "stored")
HOLDS_MONEY = (*UNFINISHED, "rejected")
STATES = (*HOLDS_MONEY, "settled", *CLOSED)
IN_DOUBT = ("sending", "unknown")  # may have been accepted
HELD_FOR_A_PERSON = ("rejected", "unknown")  # only a person says that it was not billed
NEVER_FETCHED = "It was billed and its result was never fetched; each run asks for it again. It is not bought again."
WITHDRAWN = "Withdrawn from the provider's queue when the run was stopped; it never ran and is not billed."
MICRO, PICO = 10**6, 10**12


class Usd(sa.types.TypeDecorator[Decimal]):
    """Decimal dollars, stored as whole micro-dollars so that SQLite never rounds them."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int((Decimal(value) * MICRO).to_integral_value())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / MICRO


class UnitUsd(sa.types.TypeDecorator[Decimal]):
    """Decimal dollars of one unit, stored as whole pico-dollars; a finer price is kept that hair too high."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int((Decimal(value) * PICO).to_integral_value(ROUND_CEILING))

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / PICO


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime, stored as ISO text (SQLite has no time zone)."""

    impl = sa.String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat()

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


MOST_PARAMETERS = 500  # of one statement; older SQLite takes 999


def in_parts(names: Iterable[str]) -> list[list[str]]:
    """Each name once, in lists that one statement can hold."""
    once = list(dict.fromkeys(names))
    return [once[first : first + MOST_PARAMETERS] for first in range(0, len(once), MOST_PARAMETERS)]


TABLES = sa.MetaData()
charges = sa.Table(
    "charges",
    TABLES,
    sa.Column("charge_id", sa.String(32), primary_key=True),
    sa.Column("provider", sa.String(16), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("campaign", sa.String(64), nullable=False, index=True),
    sa.Column("clip_id", sa.String(64), nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("endpoint", sa.String(128), nullable=False),
    sa.Column("resolution", sa.String(8), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("request_id", sa.String(64), unique=True),
    sa.Column("audio_seconds", sa.Float, nullable=False),
    sa.Column("usd_per_unit", UnitUsd, nullable=False),  # of version 3, "usd_per_second" before; finer since 4
    sa.Column("price_source", sa.Text, nullable=False),
    sa.Column("reserved_usd", Usd, nullable=False),
    sa.Column("billed_seconds", sa.Integer),
    sa.Column("billable_units", Usd),
    sa.Column("billed_usd", Usd),
    sa.Column("video_sha256", sa.String(64)),
    sa.Column("sentence", sa.Text),
    sa.Column("planned_at", Instant, nullable=False),
    sa.Column("sent_at", Instant),
    sa.Column("accepted_at", Instant),
    sa.Column("settled_at", Instant),
    # what only recovery needs
    sa.Column("owner", sa.String(128), nullable=False),
    sa.Column("lease_until", Instant, nullable=False),
    sa.Column("audio_url", sa.Text),
    sa.Column("reply", sa.Text),
    sa.Column("result", sa.Text),
    sa.Column("missed_at", Instant),
    # of version 2
    sa.Column("inputs", sa.Text),
    sa.Column("reported_usd", Usd),
    sa.Column("bill_source", sa.String(16)),
    # of version 3
    sa.Column("kind", sa.String(16), nullable=False, server_default="video"),
    sa.Column("unit", sa.String(24), nullable=False, server_default="second"),
    sa.Column("wanted_units", Usd),
    sa.Column("arguments", sa.Text),  # only for recovery: of a request that no upload marks
)
sa.Index(
    "one_live_charge_per_fingerprint",
    charges.c.provider,
    charges.c.fingerprint,
    unique=True,
    sqlite_where=charges.c.state.not_in(CLOSED),
    postgresql_where=charges.c.state.not_in(CLOSED),
)
version = sa.Table("ledger_version", TABLES, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
spending = sa.Table(
    "spending",
    TABLES,
    sa.Column("provider", sa.String(16), primary_key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("reserved_usd", Usd, nullable=False),
    sa.Column("settled_usd", Usd, nullable=False),
    sa.CheckConstraint("reserved_usd >= 0", name="reserved_is_not_negative"),
)
breakers = sa.Table(
    "breakers",
    TABLES,
    sa.Column("trip_id", sa.String(32), primary_key=True),
    sa.Column("provider", sa.String(16), nullable=False),
    sa.Column("charge_id", sa.String(32), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("tripped_at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
    sa.Column("closed_by", sa.Text),
    sa.Column("reason", sa.Text),
)
approvals = sa.Table(
    "approvals",
    TABLES,
    sa.Column("approval_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("campaign", sa.String(64), nullable=False, index=True),
    sa.Column("clip_id", sa.String(64), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("approved_by", sa.Text, nullable=False),
    sa.Column("approved_at", Instant, nullable=False),
    sa.Column("withdrawn_by", sa.Text),
    sa.Column("withdrawn_at", Instant),
)
waivers = sa.Table(
    "waivers",
    TABLES,
    sa.Column("waiver_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("campaign", sa.String(64), nullable=False, index=True),
    sa.Column("clip_id", sa.String(64), nullable=False),
    sa.Column("speech_sha256", sa.String(64), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("waived_by", sa.Text, nullable=False),
    sa.Column("waived_at", Instant, nullable=False),
    sa.Column("withdrawn_by", sa.Text),
    sa.Column("withdrawn_at", Instant),
)
reconciliations = sa.Table(
    "reconciliations",
    TABLES,
    sa.Column("subject", sa.String(64), primary_key=True),  # a charge, or a request no charge knows
    sa.Column("provider", sa.String(16), nullable=False),
    sa.Column("campaign", sa.String(64), index=True),
    sa.Column("clip_id", sa.String(64)),
    sa.Column("request_id", sa.String(64)),
    sa.Column("state", sa.String(12)),
    sa.Column("expected_usd", Usd),
    sa.Column("reported_usd", Usd),
    sa.Column("event_usd", Usd),
    sa.Column("file_seconds", sa.Float),
    sa.Column("file_usd", Usd),
    sa.Column("verdict", sa.String(32), nullable=False),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("checked_at", Instant, nullable=False),
)
events = sa.Table(
    "events",
    TABLES,
    sa.Column("event_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("charge_id", sa.String(32), nullable=False, index=True),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
)
stage_runs = sa.Table(
    "stage_runs",
    TABLES,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("campaign", sa.String(64), primary_key=True),
    sa.Column("stage", sa.String(32), primary_key=True),
    sa.Column("started_at", Instant, primary_key=True),
    sa.Column("ended_at", Instant, nullable=False),
    sa.Column("door", sa.String(16), nullable=False),
    sa.Column("provider", sa.String(16), nullable=False),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("made", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("billed_usd", Usd, nullable=False),
    sa.Column("sentence", sa.Text),
)
