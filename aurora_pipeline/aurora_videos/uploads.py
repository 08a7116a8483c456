"""What this run has uploaded already, by content: many clips share one portrait, and it is sent once."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Uploads:
    """URLs of uploaded bytes. Safe for threads: whoever wants the same bytes waits for the first."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._urls: dict[str, str] = {}

    def url_of(self, sha256: str, upload: Callable[[], str]) -> str:
        """The URL of these bytes; ``upload()`` is called when this run has none yet, again after it failed."""
        with self._guard:
            lock = self._locks.setdefault(sha256, threading.Lock())
        with lock:
            if sha256 not in self._urls:
                self._urls[sha256] = upload()
            return self._urls[sha256]
