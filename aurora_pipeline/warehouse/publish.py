"""The private file that is written -> a read-only version that is read.

    private.duckdb  -- copy, fsync, 0444 -->  warehouse-<ns>.duckdb  <-- symlink swapped atomically --  warehouse.duckdb

Readers open a version, so they never wait for a publisher and no publisher waits for them; a reader keeps its version
until it opens again. The name analysts open is a symlink because a rename over a fixed name would let a reader's
left-over .wal be replayed into new data (reference/duckdb.md 2c). DuckDB's locks are POSIX locks: opening, hashing or
copying a file that this process has open with DuckDB drops them, so the copy is made after the private file is closed
and a version is never opened again by the process that publishes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WarehouseFailed, WarehouseLost
from ..settings import Settings

if TYPE_CHECKING:
    import duckdb

LOCK_SECONDS = 60
VERSIONS_KEPT = 3
# Files that every DuckDB since 1.2 can read, 2.x included. Small blocks: a campaign of 7 clips is a file of 0.9 MB
# instead of 12 MB and is published in half the time; at 60,000 clips the files are equal and questions take 0.1-0.3 s.
STORAGE = "STORAGE_VERSION 'v1.2.0', BLOCK_SIZE 16384"
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
REBUILD_HINT = "The stage tables and the ledger hold the facts: rebuild the warehouse. Nothing was spent."


def private_file(settings: Settings) -> Path:
    """The file only a publisher opens, under the publish lock."""
    return settings.stage_folder("warehouse") / "private.duckdb"


@contextlib.contextmanager
def publish_lock(settings: Settings) -> Iterator[None]:
    """One publisher at a time, over all processes. Raises `WarehouseFailed` after a minute of waiting."""
    from filelock import FileLock, Timeout

    folder = settings.stage_folder("warehouse")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "publish.lock")
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        raise WarehouseFailed(
            f"{settings.inside_output(folder / 'publish.lock')} has been held by another publisher for "
            f"{LOCK_SECONDS} s, so the warehouse was left as it is. Run this stage again when the other run is done. "
            "Nothing was spent."
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def writing(settings: Settings, file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """One transaction on a private file: committed and checkpointed at the end, or rolled back; then closed."""
    import duckdb

    with duckdb.connect(config=OFFLINE) as connection:
        try:
            connection.execute(f"ATTACH '{quoted(file)}' AS private ({STORAGE})")
        except duckdb.Error as error:
            raise _unreadable(settings, file, error) from error
        try:
            connection.execute("USE private")
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT private")
        # A damaged block is often noticed only when it is read.
        except (duckdb.IOException, duckdb.InternalException, duckdb.FatalException) as error:
            raise _unreadable(settings, file, error) from error


def _unreadable(settings: Settings, file: Path, error: Exception) -> WarehouseFailed:
    name, reason = settings.inside_output(file), str(error).splitlines()[0]
    if "set lock" in reason:
        return WarehouseFailed(
            f"{name} is open in another program, which nobody but the pipeline should do; close it and open "
            f"{settings.warehouse.name} instead, then run again. Nothing was spent."
        )
    return WarehouseLost(f"{name} cannot be read or written ({reason}). {REBUILD_HINT}")


def publish(settings: Settings) -> Path:
    """Copy the closed private file to a new version and let the published name show it; the caller holds the lock."""
    folder = settings.stage_folder("warehouse")
    version = folder / f"warehouse-{_next_number(settings)}.duckdb"
    half = folder / f".{version.name}.half"
    _copy(private_file(settings), half)
    os.replace(half, version)
    _sync_folder(folder)
    _show(settings.warehouse, version)
    sweep(settings)
    return version


def versions(settings: Settings) -> list[Path]:
    """Published versions on disk, oldest first."""
    return sorted(settings.stage_folder("warehouse").glob("warehouse-*.duckdb"))


def sweep(settings: Settings) -> None:
    """Remove half files of publishers that were killed, and versions past the last three."""
    folder = settings.stage_folder("warehouse")
    for left in (*folder.glob(".warehouse-*.half"), *folder.glob(".rebuild.duckdb*")):
        left.unlink()
    for old in versions(settings)[:-VERSIONS_KEPT]:
        # A reader on Windows keeps its version from being removed; the next publisher tries again.
        with contextlib.suppress(PermissionError):
            old.unlink()
            old.with_name(f"{old.name}.wal").unlink(missing_ok=True)


def quoted(path: Path) -> str:
    """``path`` inside an SQL text literal: ATTACH takes no bound value."""
    return str(path).replace("'", "''")


def _next_number(settings: Settings) -> int:
    """Nanoseconds since 1970, but always above the newest version, even when the clock was set back."""
    newest = versions(settings)[-1:]
    return max(time.time_ns(), *(int(version.stem.removeprefix("warehouse-")) + 1 for version in newest), 0)


def _copy(source: Path, half: Path) -> None:
    shutil.copyfile(source, half)
    with half.open("rb+") as file:
        os.fsync(file.fileno())
    half.chmod(0o444)


def _show(link: Path, version: Path) -> None:
    """Swap ``link`` to ``version``: before, it is the old version, afterwards the new one, never neither."""
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    try:
        new.symlink_to(os.path.relpath(version, link.parent))
    except (OSError, NotImplementedError):  # a platform or disk without symlinks
        _copy(version, new)
        link.with_name(f"{link.name}.wal").unlink(missing_ok=True)
    os.replace(new, link)
    _sync_folder(link.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
