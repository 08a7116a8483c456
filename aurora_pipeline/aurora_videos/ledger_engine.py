"""A ledger URL -> the database behind it, and the lock that keeps its writers apart.

SQLite: one connection a process for writing, kept open, and every change inside a lock file beside the database.
Python links SQLite 3.40, whose WAL-reset bug needs two overlapping checkpoints (reference/duckdb.md 2b); the lock makes
checkpoints of two processes impossible, and one kept connection costs a third of one opened each time (0.84 ms against
2.40 ms a commit, measured). Postgres: a pool, and one advisory lock, so that changes never interleave there either.

A change has reached the disk when its transaction ends: an intent that a power cut may undo would be paid twice. So
that sixty workers do not wait for sixty disks, changes of one process that come at the same time share a commit, each
inside a savepoint of its own, and every one of them ends only when the commit has.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout

from ..errors import AuroraError, BadSetting

LOCK_SECONDS = 30
CLOSE_SECONDS = 2
MOST_CHANGES = 32  # of one commit: other processes wait for the lock meanwhile
COMMIT_SECONDS = 0.05
CONNECTIONS = 20
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(0x41555241))  # "AURA": any fixed number that nobody else uses


def open_database(url: str) -> Database:
    """The database of a SQLAlchemy URL. Raises `BadSetting` without ever showing the URL: it may hold a password."""
    try:
        parsed = sa.make_url(url)
        return _KINDS[parsed.get_backend_name()](parsed)
    except ImportError:
        raise BadSetting(
            "AURORA_LEDGER_URL names a Postgres, whose driver is not installed; "
            "`pip install 'aurora-pipeline[postgres]'`. Nothing was spent."
        ) from None
    except (sa.exc.ArgumentError, KeyError):
        raise BadSetting(
            "AURORA_LEDGER_URL is no ledger's address; use sqlite:////absolute/file or postgresql://user@host/name. "
            "Nothing was spent."
        ) from None


class Database:
    """Transactions on one database. Safe for threads, and after a fork."""

    def transaction(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """A change, on the disk when the block ends; no two of them interleave, on any machine."""
        raise NotImplementedError

    def reading(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """A look at what is committed; it waits for nobody."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back every connection."""
        raise NotImplementedError


@dataclass
class _Batch:
    """Changes that share a transaction: its connection, the lock and all that ``opened`` closes, and how it ended."""

    db: sa.Connection
    begun: sa.Transaction
    opened: contextlib.ExitStack
    changes: int = 0
    error: BaseException | None = None
    is_over: threading.Event = field(default_factory=threading.Event)


class _Sqlite(Database):
    def __init__(self, url: sa.URL) -> None:
        if url.database in (None, "", ":memory:"):
            raise BadSetting("AURORA_LEDGER_URL names no file; a ledger must outlive its process. Nothing was spent.")
        self._file = Path(str(url.database))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._url = url
        self._open()
        _close_at_exit(self)

    def _open(self) -> None:
        self._pid = os.getpid()
        lock_file = self._file.with_name(f"{self._file.name}.lock")
        self._lock = FileLock(lock_file, timeout=LOCK_SECONDS, poll_interval=0.002, thread_local=False)
        # Taken before the file's lock: threads of one process need not poll for it. Readers have a connection, and so
        # a lock, of their own: they never wait for a writer's disk.
        self._writers, self._readers, self._guard = threading.Lock(), threading.Lock(), threading.Lock()
        self._waiting = 0
        self._batch: _Batch | None = None
        self._engine, self._reader = self._one_connection(), self._one_connection()
        sa.event.listen(self._engine, "begin", lambda db: db.exec_driver_sql("BEGIN IMMEDIATE"))
        sa.event.listen(self._reader, "begin", lambda db: db.exec_driver_sql("BEGIN"))

    def _one_connection(self) -> sa.Engine:
        engine = sa.create_engine(
            self._url,
            poolclass=sa.pool.StaticPool,
            connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False},
        )
        sa.event.listen(engine, "connect", _prepare_sqlite)
        return engine

    def _after_a_fork(self) -> None:
        if self._pid != os.getpid():  # a connection must not be shared with the process that forked this one
            self._open()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        self._after_a_fork()
        with self._turn() as batch:
            try:
                batch.db.exec_driver_sql("SAVEPOINT change")
                yield batch.db
            except BaseException:
                batch.db.exec_driver_sql("ROLLBACK TO change")
                raise
            finally:
                batch.db.exec_driver_sql("RELEASE change")
                batch.changes += 1
        self._await(batch)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[_Batch]:
        """This thread's turn in the open transaction. Whoever finds nobody waiting behind it commits for all."""
        with self._guard:
            self._waiting += 1
        try:
            if not self._writers.acquire(timeout=LOCK_SECONDS):  # sixty threads must not wait one after the other
                raise self._held_too_long()
        finally:
            with self._guard:
                self._waiting -= 1
        try:
            batch = self._batch = self._batch or self._begun()
            try:
                yield batch
            finally:
                if not self._waiting or batch.changes >= MOST_CHANGES:
                    self._commit(batch)
        finally:
            self._writers.release()

    def _begun(self) -> _Batch:
        with contextlib.ExitStack() as opened:
            opened.enter_context(self._held())
            db = opened.enter_context(self._engine.connect())
            return _Batch(db, db.begin(), opened.pop_all())

    def _commit(self, batch: _Batch) -> None:
        """End the batch, for better or worse; everybody in it is told."""
        self._batch = None
        try:
            batch.begun.commit()
        except BaseException as error:
            batch.error = error
            raise
        finally:
            batch.opened.close()
            batch.is_over.set()

    def _await(self, batch: _Batch) -> None:
        """Until the commit. Whoever was to make it may have been interrupted while it waited: then we do."""
        while not batch.is_over.wait(COMMIT_SECONDS):
            if self._writers.acquire(blocking=False):
                try:
                    if not batch.is_over.is_set():
                        self._commit(batch)
                finally:
                    self._writers.release()
        if batch.error is not None:
            sentence = (
                "The cost ledger could not be written; what was to be changed is as it was. Nothing was sent for it."
            )
            raise AuroraError(sentence) from batch.error

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        self._after_a_fork()
        with self._readers, self._reader.begin() as db:
            yield db

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        try:
            self._lock.acquire()
        except Timeout:
            raise self._held_too_long() from None
        try:
            yield
        finally:
            self._lock.release()

    def _held_too_long(self) -> AuroraError:
        return AuroraError(
            f"The cost ledger {self._file.name} has been held by another process for {LOCK_SECONDS} s. Nothing was "
            "sent and nothing was charged; run again, and if it stays, end the process that holds it."
        )

    def close(self) -> None:
        """Inside the lock: the last connection's end is a checkpoint. Left open when a thread will not let go."""
        if self._pid == os.getpid() and self._writers.acquire(timeout=CLOSE_SECONDS):
            try:
                if self._batch is not None:
                    self._commit(self._batch)
                with self._held():
                    self._reader.dispose()
                    self._engine.dispose()
            finally:
                self._writers.release()


class _Postgres(Database):
    def __init__(self, url: sa.URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._open()

    def _open(self) -> None:
        self._pid = os.getpid()
        self._engine = sa.create_engine(
            self._url,
            isolation_level="READ COMMITTED",
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=LOCK_SECONDS,
            pool_pre_ping=True,
        )
        sa.event.listen(self._engine, "connect", _prepare_postgres)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        with self.reading() as db:
            db.execute(_LOCK)
            yield db

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        if self._pid != os.getpid():
            self._engine.dispose(close=False)
            self._open()
        try:
            with self._engine.begin() as db:
                yield db
        except sa.exc.OperationalError as error:  # its text names the host and user
            raise AuroraError(
                "The cost ledger's Postgres cannot be reached or ended the connection "
                f"({type(error.orig).__name__}). What was bought before is kept; mend that and run again."
            ) from None

    def close(self) -> None:
        self._engine.dispose()


_KINDS: dict[str, Callable[[sa.URL], Database]] = {"sqlite": _Sqlite, "postgresql": _Postgres}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN IMMEDIATE ourselves: a deferred read-then-write deadlocks
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose the intent in a power cut, and then we pay twice


def _prepare_postgres(connection: Any, _record: object) -> None:
    # Whatever the server's default: an intent that a power cut may undo would be paid twice.
    connection.execute("SET synchronous_commit = on")
    connection.commit()


def _close_at_exit(database: Database) -> None:
    alive = weakref.ref(database)

    def close() -> None:
        with contextlib.suppress(Exception):  # the process ends anyway, and what was committed is safe
            if (still := alive()) is not None:
                still.close()

    atexit.register(close)
