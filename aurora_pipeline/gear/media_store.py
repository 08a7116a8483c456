"""Media by content: every file is kept once under its sha256, and readable names are laid out beside it.

``recall``/``remember`` keep what a pure step made from which inputs, so that the same work is never done twice, in any
campaign. Both are only hints: `MediaStore.path` is asked whether the bytes are really there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_of(**facts: Any) -> str:
    """Hex sha256 of a canonical JSON of ``facts``: the same facts give the same key on every machine."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _fsync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # a folder cannot be opened there, and a rename is written down by the journal
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class MediaStore:
    """A folder of content-addressed media. Safe for many writers: files appear whole, under their final name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path | None:
        """Where the bytes are, or None when this store does not hold them."""
        try:
            with os.scandir(self.folder / sha256[:2]) as kept:
                return next((Path(entry.path) for entry in kept if entry.name.startswith(f"{sha256}.")), None)
        except FileNotFoundError:
            return None

    def require(self, sha256: str) -> Path:
        """Like `path`, for bytes an earlier step has stored. Raises FileNotFoundError naming the sha256."""
        path = self.path(sha256)
        if path is None:
            raise FileNotFoundError(f"the media store {self.folder.name} no longer holds {sha256}")
        return path

    def put(self, source: Path, suffix: str = "") -> str:
        """Move a finished file into the store (it must be on the same disk: see `workshop`); returns its sha256.

        When it returns the file is on the disk, under its name. A kept copy whose bytes went bad gives way.
        """
        sha256 = sha256_of(source)
        kept = self.path(sha256)
        if kept is not None and sha256_of(kept) == sha256:
            source.unlink()
            return sha256
        home = kept or self.folder / sha256[:2] / f"{sha256}{suffix or source.suffix}"
        home.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb+") as file:
            os.fsync(file.fileno())
        source.chmod(0o444)  # its readable names are links to it: an editor must not write through them
        os.replace(source, home)
        _fsync_folder(home.parent)  # the new name is written down by the folder, not by the file
        _fsync_folder(self.folder)  # and a new folder's by the one above
        return sha256

    @contextlib.contextmanager
    def workshop(self) -> Iterator[Path]:
        """A temporary folder on the store's disk for half-made files; removed afterwards."""
        bench = self.folder / ".workshop"
        bench.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=bench) as folder:
            yield Path(folder)

    def lay_out(self, sha256: str, name: Path) -> None:
        """Show stored bytes under a name people read (a hard link where the disk can, else a copy), atomically."""
        source = self.require(sha256)
        if name.exists() and name.samefile(source):
            return
        name.parent.mkdir(parents=True, exist_ok=True)
        half = name.with_name(f".{name.name}.{os.getpid()}")
        half.unlink(missing_ok=True)
        try:
            os.link(source, half)
        except OSError:
            shutil.copyfile(source, half)
        os.replace(half, name)

    def recall(self, key: str) -> dict[str, Any] | None:
        """What was remembered under ``key``, or None."""
        try:
            found: dict[str, Any] = json.loads(self._note(key).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return found

    def remember(self, key: str, facts: Mapping[str, Any]) -> None:
        """Keep JSON ``facts`` under ``key``, atomically: what was remembered before gives way."""
        note = self._note(key)
        note.parent.mkdir(parents=True, exist_ok=True)
        half = note.with_name(f".{note.name}.{os.getpid()}.{id(facts)}")
        with half.open("w", encoding="utf-8") as file:
            file.write(json.dumps(dict(facts), ensure_ascii=False, default=str))
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, note)
        _fsync_folder(note.parent)

    def remember_first(
        self, key: str, facts: Mapping[str, Any], *, stands: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """Keep ``facts`` under ``key``, unless somebody, in any process, remembered others that ``stands`` accepts.

        Returns what is kept, which everybody must go on with: two who make the same thing at once may make it of
        different bytes, and what was bought for one of them must be found by both for ever.
        """
        folder = self._note(key).parent
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            before = self.recall(key)
            if before is not None and stands(before):
                return before
            self.remember(key, facts)
        return dict(facts)

    def _note(self, key: str) -> Path:
        return self.folder / "remembered" / key[:2] / f"{key}.json"
