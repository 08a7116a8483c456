"""The key is a canary: found in nothing that a run leaves behind, and sent to no host that the settings do not name.

A `Listener` plays every foreign host: the one that faulty answers name, and the proxies of the environment.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHUNK = 1024 * 1024


def new_key() -> str:
    """A key that can be searched for: it occurs nowhere by chance."""
    return f"canary-{secrets.token_hex(8)}:{secrets.token_hex(16)}"


def found_in(folders: Iterable[Path], key: str) -> list[Path]:
    """Files under ``folders`` that hold the key, or the secret part of it."""
    needles = [key.encode(), key.partition(":")[2].encode()]
    files = (file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file())
    return [file for file in files if _holds(file, needles)]


def _holds(file: Path, needles: list[bytes]) -> bool:
    longest = max(map(len, needles))
    with file.open("rb") as opened:
        tail = b""
        while chunk := opened.read(CHUNK):
            seen = tail + chunk
            if any(needle in seen for needle in needles):
                return True
            tail = seen[-longest:]
    return False


class Listener:
    """A web server on 127.0.0.2, which no setting names. Counts what it is sent, and how much of it holds the key."""

    def __init__(self, key: str) -> None:
        self.requests, self.keys, self._key = 0, 0, key
        self._server = ThreadingHTTPServer(("127.0.0.2", 0), self._handler())
        self.url = f"http://127.0.0.2:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def _count(self) -> None:
                listener.requests += 1
                listener.keys += listener._key in str(self.headers) or listener._key in self.path
                self.send_response(404)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Nothing is said: it is counted."""

            do_GET = do_POST = do_PUT = do_HEAD = do_CONNECT = _count  # noqa: N815 - the standard library's names

        return Handler
