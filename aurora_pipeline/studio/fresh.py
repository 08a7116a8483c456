"""A file that people may edit while the studio runs: read again when it changes, kept as it was while it is broken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import BadInput

Value = TypeVar("Value")

log = logging.getLogger(__name__)


class Fresh(Generic[Value]):
    """What one file says now."""

    def __init__(self, file: Path, read: Callable[[Path], Value]) -> None:
        """Raises whatever ``read`` raises for a file that cannot be used."""
        self._file, self._read = file, read
        self._stamp = self._stamp_now()
        self._value = read(file)

    @property
    def value(self) -> Value:
        stamp = self._stamp_now()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._value = self._read(self._file)
            except BadInput as error:
                log.warning("what it said before still counts: %s", error)
        return self._value

    def _stamp_now(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
