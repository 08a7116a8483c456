"""The ledger's tables and how they are opened: SQLAlchemy Core, the same on SQLite and Postgres.

Money is kept as whole micro-dollars and time as UTC text, because SQLite would round the one and has no time zone for
the other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ..errors import BadSetting

STATES = (
    "planned",
    "reserved",
    "sending",
    "accepted",
    "completed",
    "stored",
    "settled",
    "refused",
    "rejected",
    "voided",
    "unknown",
)
# A fingerprint with a charge in one of these may be bought again: nothing was or will be billed for it.
CLOSED = ("refused", "voided")
HOLDS_MONEY = ("planned", "reserved", "sending", "accepted", "completed", "stored", "rejected", "unknown")


class Usd(sa.types.TypeDecorator[Decimal]):
    """Decimal dollars, stored as whole micro-dollars so that SQLite never rounds them."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int((Decimal(value) * 1_000_000).to_integral_value())

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / 1_000_000


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime, stored as ISO text (SQLite has no time zone)."""

    impl = sa.String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat()

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


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
    sa.Column("usd_per_second", Usd, nullable=False),
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
)
sa.Index(
    "one_live_charge_per_fingerprint",
    charges.c.provider,
    charges.c.fingerprint,
    unique=True,
    sqlite_where=charges.c.state.not_in(CLOSED),
    postgresql_where=charges.c.state.not_in(CLOSED),
)
budgets = sa.Table(
    "budgets",
    TABLES,
    sa.Column("provider", sa.String(16), primary_key=True),
    sa.Column("campaign", sa.String(64), primary_key=True),
    sa.Column("limit_usd", Usd),
    sa.Column("reserved_usd", Usd, nullable=False),
    sa.Column("settled_usd", Usd, nullable=False),
    sa.CheckConstraint("reserved_usd >= 0", name="reserved_is_not_negative"),
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


def open_engine(url: str, *, lock_seconds: float) -> tuple[sa.Engine, Path | None]:
    """An engine, and for SQLite the lock file that every transaction must hold (reference/duckdb.md 2b)."""
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return sa.create_engine(parsed, pool_pre_ping=True), None
    except (sa.exc.ArgumentError, ImportError) as error:  # the URL may hold a password: it is not shown
        raise BadSetting(
            f"AURORA_LEDGER_URL cannot be used ({type(error).__name__}); use sqlite:////absolute/file or "
            "postgresql+psycopg://... with its driver installed. Nothing was spent."
        ) from None
    if parsed.database in (None, "", ":memory:"):
        raise BadSetting("AURORA_LEDGER_URL names no file; a ledger must outlive its process. Nothing was spent.")
    file = Path(parsed.database)
    file.parent.mkdir(parents=True, exist_ok=True)
    # NullPool: a connection is opened, used and closed inside the lock, so no checkpoint ever runs outside it.
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args={"timeout": lock_seconds})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", lambda db: db.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine, file.with_name(f"{file.name}.lock")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN IMMEDIATE ourselves: a deferred read-then-write deadlocks
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose the intent in a power cut, and then we pay twice


def usd(amount: Decimal) -> sa.ColumnElement[Decimal]:
    """An amount as a bound value of the ledger's money type."""
    # Typed by hand: SQLAlchemy would bind a bare Decimal beside a sum as dollars, not micro-dollars.
    return sa.literal(amount, Usd)
