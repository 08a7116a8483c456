"""The name of a file -> that file, which never lies outside the folders it was looked for in.

Names come from people's spreadsheets: no absolute path, no ``..``, no address, no symbolic link to elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

MAX_NAME_BYTES = 255
Candidates = Callable[[Path, str], list[Path]]


def file_inside(folders: Iterable[Path], name: str, candidates: Candidates) -> Path | None:
    """The first of ``candidates`` in the first folder that has any; None where there is none.

    Raises ValueError, with the sentence people read, for a link that leads outside its folder.
    """
    for folder in folders:
        for file in candidates(folder, name):
            if not file.resolve().is_relative_to(folder.resolve()):
                raise ValueError(f"'{name}' is a link that leads outside its folder; copy the file itself there")
            return file
    return None


def assert_stays_inside(name: str, *, what: str, where: str) -> None:
    """Raise ValueError for what is an address or a path to elsewhere. ``what`` is the thing (a picture)."""
    if "://" in name:
        raise ValueError(f"'{name[:80]}' is an address; download the {what} into the campaign's folder")
    if len(name.encode(errors="replace")) > MAX_NAME_BYTES:  # no file system takes it, and asking one is an error
        raise ValueError(f"'{name[:40]}...' is too long for a file's name; write just the file's name")
    path = PurePosixPath(name)
    is_outside = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name
    if is_outside or not path.name or name.startswith("~"):
        raise ValueError(f"'{name[:80]}' is not a name inside {where}; write just the file's name")
