"""Requests, logs, bills and files' names, in one SQLite file that survives a restart.

Used from the event loop's thread only, so one connection serves. WAL with synchronous=NORMAL: a killed process loses
nothing; a power cut may lose the last moments of free drafts.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from .aurora import Refusal
from .pricing import Bill

State = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL UNIQUE, endpoint TEXT NOT NULL,
    state TEXT NOT NULL, arguments TEXT NOT NULL, sent_at TEXT NOT NULL, started_at TEXT, ended_at TEXT,
    status_code INTEGER, video TEXT, refusal TEXT, error TEXT, error_type TEXT);
CREATE INDEX IF NOT EXISTS requests_by_state ON requests (state, seq);
CREATE TABLE IF NOT EXISTS logs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, at TEXT NOT NULL, level TEXT NOT NULL,
    message TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS logs_by_request ON logs (request_id, seq);
CREATE TABLE IF NOT EXISTS bills (
    request_id TEXT PRIMARY KEY, resolution TEXT NOT NULL, video_seconds REAL NOT NULL,
    billable_seconds INTEGER NOT NULL, usd_per_second TEXT NOT NULL, usd TEXT NOT NULL, price_source TEXT NOT NULL,
    at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    file_id TEXT PRIMARY KEY, name TEXT NOT NULL, content_type TEXT NOT NULL, signature TEXT NOT NULL,
    at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, expires_at TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Request:
    """One queue request. ``video`` is the file id of its result; ``refusal`` its answer when it failed."""

    seq: int
    request_id: str
    endpoint: str
    state: State
    arguments: Any
    sent_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    video: str | None
    refusal: Refusal | None

    @property
    def status_code(self) -> int | None:
        """What the result fetch answers, once there is a result."""
        if self.state != "COMPLETED":
            return None
        return self.refusal.status_code if self.refusal else 200

    @property
    def inference_seconds(self) -> float:
        if self.started_at is None or self.ended_at is None:
            return 0.0
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(frozen=True)
class StoredFile:
    """A file's public facts; its bytes are in `storage.Files`."""

    file_id: str
    name: str
    content_type: str
    signature: str


def now() -> datetime:
    return datetime.now(UTC)


class Book:
    """The studio's memory. Every method is one transaction."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    # ---- requests
    def add(self, request_id: str, endpoint: str, arguments: Any, refusal: Refusal | None) -> Request:
        """Take a request in; one that is refused at once is COMPLETED from the start, as at fal."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(
                "INSERT INTO requests (request_id, endpoint, state, arguments, sent_at) "
                "VALUES (?, ?, 'IN_QUEUE', ?, ?)",
                (request_id, endpoint, json.dumps(arguments), _text(now())),
            )
            if refusal:
                self._end(request_id, refusal=refusal)
        return self.require(request_id)

    def get(self, request_id: str) -> Request | None:
        row = self._db.execute("SELECT * FROM requests WHERE request_id = ?", (request_id,)).fetchone()
        return _request(row) if row else None

    def require(self, request_id: str) -> Request:
        request = self.get(request_id)
        if request is None:
            raise KeyError(request_id)
        return request

    def take_next(self) -> Request | None:
        """The longest-waiting request, now IN_PROGRESS; None when nothing waits."""
        rows = self._db.execute(
            "UPDATE requests SET state = 'IN_PROGRESS', started_at = ? WHERE seq = "
            "(SELECT seq FROM requests WHERE state = 'IN_QUEUE' ORDER BY seq LIMIT 1) RETURNING *",
            (_text(now()),),
        ).fetchall()  # to the end: a RETURNING statement commits when it is exhausted
        return _request(rows[0]) if rows else None

    def put_back_unfinished(self) -> int:
        """What a dead process was rendering waits again, at its old place; returns how many."""
        return self._db.execute(
            "UPDATE requests SET state = 'IN_QUEUE', started_at = NULL WHERE state = 'IN_PROGRESS'"
        ).rowcount

    def position(self, request: Request) -> int:
        """How many requests wait before this one."""
        found = self._db.execute(
            "SELECT count(*) FROM requests WHERE state = 'IN_QUEUE' AND seq < ?", (request.seq,)
        ).fetchone()
        return int(found[0])

    def complete(self, request_id: str, video: str, bill: Bill) -> None:
        """Result and bill in one transaction: neither without the other, and never two bills."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._end(request_id, video=video)
            facts = (
                bill.resolution,
                bill.video_seconds,
                bill.billable_seconds,
                str(bill.usd_per_second),
                str(bill.usd),
            )
            self._db.execute(
                "INSERT INTO bills VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (request_id, *facts, bill.price_source, _text(now())),
            )

    def fail(self, request_id: str, refusal: Refusal) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._end(request_id, refusal=refusal)

    def _end(self, request_id: str, *, video: str | None = None, refusal: Refusal | None = None) -> None:
        told = (refusal.status_code, json.dumps(refusal.body), refusal.error, refusal.error_type) if refusal else None
        self._db.execute(
            "UPDATE requests SET state = 'COMPLETED', ended_at = ?, video = ?, status_code = ?, refusal = ?, "
            "error = ?, error_type = ? WHERE request_id = ? AND state <> 'COMPLETED'",
            (_text(now()), video, *(told or (200, None, None, None)), request_id),
        )

    def listing(self, endpoint: str, *, since: datetime, status: str, limit: int, offset: int) -> list[Request]:
        """Requests sent to ``endpoint``, newest first; ``status`` is '', 'success', 'user_error' or 'error'."""
        rows = self._db.execute(
            "SELECT * FROM requests WHERE endpoint = ? AND sent_at >= ? AND (? = '' OR ? = CASE "
            "WHEN status_code < 400 THEN 'success' WHEN status_code < 500 THEN 'user_error' "
            "WHEN status_code >= 500 THEN 'error' END) ORDER BY seq DESC LIMIT ? OFFSET ?",
            (endpoint, _text(since), status, status, limit, offset),
        )
        return [_request(row) for row in rows]

    # ---- logs
    def log(self, request_id: str, message: str, level: str = "INFO") -> None:
        self._db.execute(
            "INSERT INTO logs (request_id, at, level, message) VALUES (?, ?, ?, ?)",
            (request_id, _text(now()), level, message),
        )

    def logs(self, request_id: str) -> list[dict[str, Any]]:
        """Log entries in fal's shape."""
        rows = self._db.execute("SELECT * FROM logs WHERE request_id = ? ORDER BY seq", (request_id,))
        return [
            {"timestamp": row["at"], "message": row["message"], "level": row["level"], "source": "studio", "labels": {}}
            for row in rows
        ]

    # ---- bills
    def bill(self, request_id: str) -> Bill | None:
        return next((bill for _, bill, _ in self.bills([request_id])), None)

    def bills(self, request_ids: Sequence[str]) -> Iterable[tuple[str, Bill, datetime]]:
        """Bills of the named requests that have one: request id, bill, when."""
        marks = ", ".join("?" * len(request_ids))
        rows = self._db.execute(
            f"SELECT * FROM bills WHERE request_id IN ({marks}) ORDER BY at",  # noqa: S608 - question marks only
            list(request_ids),
        )
        return [(row["request_id"], _bill(row), datetime.fromisoformat(row["at"])) for row in rows]

    def billed_usd(self) -> Decimal:
        """Everything this studio would have billed so far."""
        return sum((Decimal(row["usd"]) for row in self._db.execute("SELECT usd FROM bills")), Decimal(0))

    # ---- files and upload tokens
    def add_file(self, file: StoredFile) -> None:
        self._db.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?)",
            (file.file_id, file.name, file.content_type, file.signature, _text(now())),
        )

    def file(self, file_id: str) -> StoredFile | None:
        row = self._db.execute(
            "SELECT file_id, name, content_type, signature FROM files WHERE file_id = ?", (file_id,)
        ).fetchone()
        return StoredFile(*row) if row else None

    def add_token(self, token: str, expires_at: datetime) -> None:
        self._db.execute("DELETE FROM tokens WHERE expires_at < ?", (_text(now()),))
        self._db.execute("INSERT INTO tokens VALUES (?, ?)", (token, _text(expires_at)))

    def is_token(self, token: str) -> bool:
        """Whether an upload token was issued here and still holds."""
        found = self._db.execute("SELECT 1 FROM tokens WHERE token = ? AND expires_at > ?", (token, _text(now())))
        return found.fetchone() is not None


def _text(moment: datetime) -> str:
    # one fixed width, so that the text sorts as the moments do
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _request(row: sqlite3.Row) -> Request:
    refusal = None
    if row["refusal"]:
        refusal = Refusal(row["status_code"], json.loads(row["refusal"]), row["error"], row["error_type"])
    return Request(
        seq=row["seq"],
        request_id=row["request_id"],
        endpoint=row["endpoint"],
        state=row["state"],
        arguments=json.loads(row["arguments"]),
        sent_at=datetime.fromisoformat(row["sent_at"]),
        started_at=_moment(row["started_at"]),
        ended_at=_moment(row["ended_at"]),
        video=row["video"],
        refusal=refusal,
    )


def _bill(row: sqlite3.Row) -> Bill:
    return Bill(
        resolution=row["resolution"],
        video_seconds=row["video_seconds"],
        billable_seconds=row["billable_seconds"],
        usd_per_second=Decimal(row["usd_per_second"]),
        usd=Decimal(row["usd"]),
        price_source=row["price_source"],
    )
