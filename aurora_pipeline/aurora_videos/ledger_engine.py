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
IDLE_SECONDS = 15  # of a Postgres transaction between two statements: nothing here waits that long on purpose
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
    except (sa.exc.ArgumentError, KeyError, ValueError):  # a ValueError quotes what stands where the port should
        raise BadSetting(
            "AURORA_LEDGER_URL is no ledger's address; use sqlite:////absolute/file or postgresql://user@host/name. "
            "Nothing was spent."
        ) from None


class Database:
    """Transactions on one database. Safe for threads, and after a fork.

    What the database itself says is raised as an `AuroraError`: it belongs to the clip it struck, and may name hosts.
    """

    def transaction(self, *, patience: float | None = None) -> contextlib.AbstractContextManager[sa.Connection]:
        """A change, on the disk when the block ends; no two of them interleave, on any machine.

        Whoever else is at it is waited for ``patience`` seconds (`LOCK_SECONDS` when None), then it is an error.
        """
        raise NotImplementedError

    def reading(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """A look at what is committed; it waits for nobody."""
        raise NotImplementedError

    def open(self) -> None:
        """Make the connections and locks, of this process alone."""
        raise NotImplementedError

    def stand_still(self) -> contextlib.AbstractContextManager[None]:
        """While the process forks: no change and no look is under way, where the child would take it for its own."""
        return contextlib.nullcontext()

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

    def assert_whole(self) -> None:
        """Raise when SQLite has undone the transaction by itself: then nobody's change of it is there any more."""
        if not self.db.connection.driver_connection.in_transaction:  # type: ignore[union-attr] # sqlite3's own
            raise _Undone("SQLite has rolled back the whole transaction")


class _Undone(Exception):
    """A full or broken disk, or no memory: SQLite ends the transaction by itself, and COMMIT says that all is well."""


class _Sqlite(Database):
    def __init__(self, url: sa.URL) -> None:
        if url.database in (None, "", ":memory:"):
            raise BadSetting("AURORA_LEDGER_URL names no file; a ledger must outlive its process. Nothing was spent.")
        self._file = Path(str(url.database))
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._url = url
        self.open()
        _open_again_after_a_fork(self)
        _close_at_exit(self)

    def open(self) -> None:
        lock_file = self._file.with_name(f"{self._file.name}.lock")
        self._lock = FileLock(lock_file, poll_interval=0.002, thread_local=False)
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

    @contextlib.contextmanager
    def transaction(self, *, patience: float | None = None) -> Iterator[sa.Connection]:
        wait = LOCK_SECONDS if patience is None else patience
        with self._said(), self._turn(wait) as batch, self._savepoint(batch):
            yield batch.db
        self._await(batch)

    @contextlib.contextmanager
    def _savepoint(self, batch: _Batch) -> Iterator[None]:
        """One change of the batch, undone alone when it raises. When that cannot be, the whole batch has failed."""
        batch.changes += 1
        batch.db.exec_driver_sql("SAVEPOINT change")
        try:
            yield
        except BaseException:
            self._end(batch, "ROLLBACK TO change", "RELEASE change")
            raise
        self._end(batch, "RELEASE change")

    def _end(self, batch: _Batch, *statements: str) -> None:
        """Keep or undo one change. A batch in which that fails is told to have failed as a whole, and so it ends."""
        try:
            batch.assert_whole()
            for statement in statements:
                batch.db.exec_driver_sql(statement)
        except (_Undone, sa.exc.DBAPIError) as error:
            batch.error = error

    @contextlib.contextmanager
    def _turn(self, patience: float) -> Iterator[_Batch]:
        """This thread's turn in the open transaction. Whoever finds nobody waiting behind it commits for all."""
        with self._guard:
            self._waiting += 1
        try:
            if not self._writers.acquire(timeout=patience):  # sixty threads must not wait one after the other
                raise self._held_too_long(patience)
        finally:
            with self._guard:
                self._waiting -= 1
        try:
            batch = self._batch = self._batch or self._begun(patience)
            try:
                yield batch
            finally:
                if not self._waiting or batch.changes >= MOST_CHANGES or batch.error is not None:
                    self._commit(batch)
        finally:
            self._writers.release()

    def _begun(self, patience: float) -> _Batch:
        with contextlib.ExitStack() as opened:
            opened.enter_context(self._held(patience))
            db = opened.enter_context(self._engine.connect())
            return _Batch(db, db.begin(), opened.pop_all())

    def _commit(self, batch: _Batch) -> None:
        """End the batch, for better or worse. Everybody in it, this thread too, is told by `_await`."""
        self._batch = None
        try:
            if batch.error is None:
                batch.assert_whole()
                batch.begun.commit()
        except BaseException as error:
            batch.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            with contextlib.suppress(sa.exc.DBAPIError):  # it rolls back what is left, if anything is
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
            raise self._not_written(batch.error) from batch.error

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        with self._said(), self._readers, self._reader.begin() as db:
            yield db

    @contextlib.contextmanager
    def stand_still(self) -> Iterator[None]:
        """A thread that forks inside a change of its own is not waited for: nothing here does so."""
        with contextlib.ExitStack() as stopped:
            if self._writers.acquire(timeout=CLOSE_SECONDS):
                stopped.callback(self._writers.release)
                if self._batch is not None:
                    self._commit(self._batch)
            if self._readers.acquire(timeout=CLOSE_SECONDS):
                stopped.callback(self._readers.release)
            yield

    @contextlib.contextmanager
    def _held(self, patience: float) -> Iterator[None]:
        try:
            self._lock.acquire(timeout=patience)
        except Timeout:
            raise self._held_too_long(patience) from None
        try:
            yield
        finally:
            self._lock.release()

    def _held_too_long(self, patience: float) -> AuroraError:
        return AuroraError(
            f"The cost ledger {self._file.name} has been held by another process for {patience:g} s, so nothing could "
            "be written down; what was bought before is kept. Run again, and if it stays, end the process that holds "
            "it."
        )

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """What SQLite says, as a sentence."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self._not_written(error) from error

    def _not_written(self, error: BaseException) -> AuroraError:
        why = getattr(error, "orig", None) or error
        return AuroraError(
            f"The cost ledger {self._file.name} could not be read or written ({why}), so it stays as it was. See that "
            "its disk has room and is whole, then run again: it goes on from there, and nothing is bought twice."
        )

    def close(self) -> None:
        """Inside the lock: the last connection's end is a checkpoint. Left open when a thread will not let go."""
        if self._writers.acquire(timeout=CLOSE_SECONDS):
            try:
                if self._batch is not None:
                    self._commit(self._batch)
                with self._held(LOCK_SECONDS):
                    self._reader.dispose()
                    self._engine.dispose()
            finally:
                self._writers.release()


class _Postgres(Database):
    def __init__(self, url: sa.URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self.open()
        _open_again_after_a_fork(self)

    def open(self) -> None:
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
    def transaction(self, *, patience: float | None = None) -> Iterator[sa.Connection]:
        with self.reading() as db:
            if patience is not None:
                db.exec_driver_sql(f"SET LOCAL lock_timeout = {_milliseconds(patience)}")
            db.execute(_LOCK)
            yield db

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as db:
                yield db
        except sa.exc.DBAPIError as error:  # its text names the host and user, or quotes what was to be written
            raise _postgres_says(error) from None

    def close(self) -> None:
        self._engine.dispose()


_INHERITED: list[object] = []
_KINDS: dict[str, Callable[[sa.URL], Database]] = {"sqlite": _Sqlite, "postgresql": _Postgres}


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN IMMEDIATE ourselves: a deferred read-then-write deadlocks
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose the intent in a power cut, and then we pay twice


def _prepare_postgres(connection: Any, _record: object) -> None:
    # Whatever the server's default: an intent that a power cut may undo would be paid twice.
    connection.execute("SET synchronous_commit = on")
    # Nor must a machine that fell asleep inside a change keep all the others waiting for ever.
    connection.execute(f"SET lock_timeout = {_milliseconds(LOCK_SECONDS)}")
    connection.execute(f"SET idle_in_transaction_session_timeout = {_milliseconds(IDLE_SECONDS)}")
    connection.commit()


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _postgres_says(error: sa.exc.DBAPIError) -> AuroraError:
    name = type(error.orig).__name__
    if name == "LockNotAvailable":
        return AuroraError(
            "The cost ledger's Postgres has been held by another process for too long, so nothing could be written "
            "down; what was bought before is kept. Run again, and if it stays, end the session that holds it."
        )
    if isinstance(error, sa.exc.OperationalError) or error.connection_invalidated:
        return AuroraError(
            f"The cost ledger's Postgres cannot be reached or ended the connection ({name}). What was bought before is "
            "kept; mend that and run again."
        )
    return AuroraError(
        f"The cost ledger's Postgres refused what was to be written ({name}), so it stays as it was. What was bought "
        "before is kept and is not bought twice; please report this."
    )


def _open_again_after_a_fork(database: Database) -> None:
    """A child gets connections and locks of its own before any of its threads runs; a parent's are never touched."""
    alive, forking = weakref.ref(database), threading.local()

    def before() -> None:
        forking.still = contextlib.ExitStack()
        if (living := alive()) is not None:
            forking.still.enter_context(living.stand_still())

    def in_parent() -> None:
        forking.still.close()

    def in_child() -> None:
        if (living := alive()) is not None:
            _INHERITED.append((forking.still, dict(vars(living))))  # to close them would act on the parent's files
            living.open()

    if hasattr(os, "register_at_fork"):  # Windows cannot fork
        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


def _close_at_exit(database: Database) -> None:
    alive = weakref.ref(database)

    def close() -> None:
        with contextlib.suppress(Exception):  # the process ends anyway, and what was committed is safe
            if (still := alive()) is not None:
                still.close()

    atexit.register(close)
