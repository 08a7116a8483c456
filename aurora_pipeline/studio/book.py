"""Requests, logs and bills, in one SQLite file that survives a restart (`book_tables` says what of it).

``files`` and ``deliveries`` are the same file's other chapters.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from ..price_book import SECOND
from .book_tables import as_moment, as_text, now, open_tables
from .deliveries import Deliveries
from .file_book import FileBook
from .pricing import Bill
from .refusals import Refusal
from .spoken_book import SpokenBook
from .terms import Retention, Terms

State = Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]

REQUEST = (
    "INSERT INTO requests (request_id, endpoint, state, arguments, sent_at, rank, start_before, webhook, terms) VALUES "
    "(:request_id, :endpoint, 'IN_QUEUE', :arguments, :sent_at, :rank, :start_before, :webhook, :terms)"
)
BILL = (
    "INSERT INTO bills (request_id, resolution, video_seconds, billable_seconds, usd_per_second, usd, price_source, "
    "at, unit_price, billable_units, unit) VALUES (:request_id, :resolution, :video_seconds, :billable_seconds, "
    ":usd_per_second, :usd, :price_source, :at, :unit_price, :billable_units, :unit)"
)


@dataclass(frozen=True)
class Answer:
    """A result as its model words it. ``file_path`` is the dotted path its file's URL is put at; empty without one."""

    file_path: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One queue request. ``video`` is the file id of its result (a video, or a voice); ``refusal`` its answer when it
    failed. ``answer`` is what its result says beside the file, where that is no video: see `Answer`.

    ``attempts`` counts the runners that it was given to; ``expires_at`` is when its result is gone.
    """

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
    terms: Terms
    attempts: int
    expires_at: datetime | None
    answer: Answer | None = None

    @property
    def has_expired(self) -> bool:
        """Whether its result can no longer be fetched."""
        return self.expires_at is not None and self.expires_at <= now()

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
class Listing:
    """Which requests are asked for: sent from ``start`` to before ``end``; an empty text asks for every one.

    ``status`` is success, user_error (4xx) or error (5xx).
    """

    endpoints: Sequence[str]
    start: datetime
    end: datetime
    status: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class Billed:
    """A request's bill, and when it was written."""

    request_id: str
    endpoint: str
    bill: Bill
    at: datetime


class Book:
    """The studio's memory. Every method is one transaction."""

    def __init__(self, file: Path, retention: Retention | None = None) -> None:
        self._db = open_tables(file)
        self.retention = retention or Retention()
        self._unwritten_logs: list[tuple[str, str, str, str]] = []
        self.files = FileBook(self._db)
        self.deliveries = Deliveries(self._db)
        self.spoken = SpokenBook(self._db)

    def close(self) -> None:
        self._write_logs()
        self._db.close()

    # ---- requests
    def add(
        self, request_id: str, endpoint: str, arguments: Any, refusal: Refusal | None, terms: Terms | None = None
    ) -> Request:
        """Take a request in; one that is refused at once is COMPLETED from the start, as at fal."""
        terms, sent_at = terms or Terms(), now()
        start_before = terms.start_before(sent_at)
        facts = {
            "request_id": request_id,
            "endpoint": endpoint,
            "arguments": json.dumps(arguments),
            "sent_at": as_text(sent_at),
            "rank": terms.rank,
            "start_before": as_text(start_before) if start_before else None,
            "webhook": terms.webhook,
            "terms": json.dumps(asdict(terms)),
        }
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(REQUEST, facts)
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
        """The request that is next in line, now IN_PROGRESS; None when nothing waits that may still start."""
        rows = self._db.execute(
            "UPDATE requests SET state = 'IN_PROGRESS', started_at = :now, attempts = attempts + 1, "
            "start_before = NULL WHERE seq = (SELECT seq FROM requests WHERE state = 'IN_QUEUE' "
            "AND (start_before IS NULL OR start_before > :now) ORDER BY rank, seq LIMIT 1) RETURNING *",
            {"now": as_text(now())},
        ).fetchall()  # to the end: a RETURNING statement commits when it is exhausted
        return _request(rows[0]) if rows else None

    def waited_too_long(self) -> list[Request]:
        """What still waits although it had to start before now."""
        rows = self._db.execute(
            "SELECT * FROM requests WHERE state = 'IN_QUEUE' AND start_before <= ?", (as_text(now()),)
        )
        return [_request(row) for row in rows]

    def next_deadline(self) -> datetime | None:
        """When the next waiting request has waited too long; None when none of them has a deadline."""
        row = self._db.execute("SELECT min(start_before) AS at FROM requests WHERE state = 'IN_QUEUE'").fetchone()
        return as_moment(row["at"])

    def put_back_unfinished(self) -> int:
        """What a dead process was rendering waits again, at its old place; returns how many."""
        return self._db.execute(
            "UPDATE requests SET state = 'IN_QUEUE', started_at = NULL, attempts = attempts - 1 "
            "WHERE state = 'IN_PROGRESS'"  # the attempt was cut off, not lost by its worker
        ).rowcount

    def put_back(self, request_id: str) -> None:
        """A rendering that was lost waits again, at its old place."""
        self._db.execute(
            "UPDATE requests SET state = 'IN_QUEUE', started_at = NULL WHERE request_id = ? AND state = 'IN_PROGRESS'",
            (request_id,),
        )

    def position(self, request: Request) -> int:
        """How many requests wait before this one."""
        found = self._db.execute(
            "SELECT count(*) FROM requests WHERE state = 'IN_QUEUE' AND (rank, seq) < (?, ?)",
            (request.terms.rank, request.seq),
        ).fetchone()
        return int(found[0])

    def complete(self, request_id: str, video: str | None, bill: Bill | None, answer: Answer | None = None) -> None:
        """Result and bill in one transaction: neither without the other, and never two bills.

        Without a bill only when a scenario says so. ``video`` is the file of the result, where there is one.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._end(request_id, video=video, answer=answer)
            self._charge(request_id, bill)

    def fail(self, request_id: str, refusal: Refusal, bill: Bill | None = None) -> None:
        """A failure, and what it costs all the same: nothing, unless a scenario says so."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._end(request_id, refusal=refusal)
            self._charge(request_id, bill)

    def _charge(self, request_id: str, bill: Bill | None) -> None:
        if bill is None:
            return
        facts = {**vars(bill), "request_id": request_id, "at": as_text(now())}
        facts |= {name: str(facts[name]) for name in ("usd_per_second", "usd", "unit_price", "billable_units")}
        self._db.execute(BILL, facts)

    def _end(
        self,
        request_id: str,
        *,
        video: str | None = None,
        refusal: Refusal | None = None,
        answer: Answer | None = None,
    ) -> None:
        self._write_logs()
        said = json.dumps(asdict(answer)) if answer else None
        body = json.dumps(refusal.body) if refusal else None
        told = (refusal.status_code, body, refusal.error, refusal.error_type) if refusal else (200, None, None, None)
        at = now()
        expires_at = self._expires_at(request_id, at, len(body or said or ""))
        ended = self._db.execute(
            "UPDATE requests SET state = 'COMPLETED', ended_at = ?, video = ?, answer = ?, expires_at = ?, "
            "status_code = ?, refusal = ?, error = ?, error_type = ? WHERE request_id = ? AND state <> 'COMPLETED'",
            (as_text(at), video, said, as_text(expires_at), *told, request_id),
        )
        if ended.rowcount:
            self._db.execute(
                "INSERT INTO deliveries (request_id, url, next_at) "
                "SELECT request_id, webhook, ended_at FROM requests WHERE request_id = ? AND webhook <> ''",
                (request_id,),
            )

    def _expires_at(self, request_id: str, ended_at: datetime, result_bytes: int) -> datetime:
        # a video's result names one file and is small; what a refusal echoes, or words and their times, can be large
        is_stored = self.require(request_id).terms.stores_io
        return self.retention.expires_at(ended_at, is_stored=is_stored, result_bytes=result_bytes)

    def listing(self, query: Listing, *, limit: int, offset: int) -> list[Request]:
        """Requests, newest first."""
        marks = ", ".join("?" * len(query.endpoints))
        rows = self._db.execute(
            f"SELECT * FROM requests WHERE endpoint IN ({marks}) AND sent_at >= ? AND sent_at < ? "  # noqa: S608 - question marks only
            "AND (? = '' OR request_id = ?) AND (? = '' OR ? = CASE WHEN status_code < 400 THEN 'success' "
            "WHEN status_code < 500 THEN 'user_error' WHEN status_code >= 500 THEN 'error' END) "
            "ORDER BY seq DESC LIMIT ? OFFSET ?",
            (
                *query.endpoints,
                *(as_text(query.start), as_text(query.end)),
                *(query.request_id, query.request_id, query.status, query.status),
                *(limit, offset),
            ),
        )
        return [_request(row) for row in rows]

    # ---- logs
    def log(self, request_id: str, message: str, level: str = "INFO") -> None:
        """Written with the request's end, or when asked for: a studio that is killed may lose an entry, no more."""
        self._unwritten_logs.append((request_id, as_text(now()), level, message))

    def _write_logs(self) -> None:
        entries, self._unwritten_logs = self._unwritten_logs, []
        if entries:
            self._db.executemany("INSERT INTO logs (request_id, at, level, message) VALUES (?, ?, ?, ?)", entries)

    def logs(self, request_id: str) -> list[dict[str, Any]]:
        """Log entries in fal's shape."""
        self._write_logs()
        rows = self._db.execute("SELECT * FROM logs WHERE request_id = ? ORDER BY seq", (request_id,))
        return [
            {"timestamp": row["at"], "message": row["message"], "level": row["level"], "source": "studio", "labels": {}}
            for row in rows
        ]

    # ---- bills
    def bill(self, request_id: str) -> Bill | None:
        return next((billed.bill for billed in self.bills([request_id])), None)

    def bills(self, request_ids: Sequence[str]) -> list[Billed]:
        """The bills of the named requests; one that was not billed has none."""
        marks = ", ".join("?" * len(request_ids))
        return self._billed(f"request_id IN ({marks})", request_ids)

    def bills_between(self, start: datetime, end: datetime) -> list[Billed]:
        """Every bill from ``start`` to before ``end``."""
        return self._billed("at >= ? AND at < ?", (as_text(start), as_text(end)))

    def _billed(self, condition: str, values: Sequence[str]) -> list[Billed]:
        rows = self._db.execute(
            f"SELECT bills.*, endpoint FROM bills JOIN requests USING (request_id) WHERE {condition} ORDER BY at",  # noqa: S608 - our own words
            list(values),
        )
        return [
            Billed(row["request_id"], row["endpoint"], _bill(row), datetime.fromisoformat(row["at"])) for row in rows
        ]

    def billed_usd(self) -> Decimal:
        """Everything this studio would have billed so far."""
        return sum((Decimal(row["usd"]) for row in self._db.execute("SELECT usd FROM bills")), Decimal(0))


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
        started_at=as_moment(row["started_at"]),
        ended_at=as_moment(row["ended_at"]),
        video=row["video"],
        refusal=refusal,
        terms=Terms(**json.loads(row["terms"])),
        attempts=row["attempts"],
        expires_at=as_moment(row["expires_at"]),
        answer=Answer(**json.loads(row["answer"])) if row["answer"] else None,
    )


def _bill(row: sqlite3.Row) -> Bill:
    return Bill(
        resolution=row["resolution"],
        video_seconds=row["video_seconds"],
        billable_seconds=row["billable_seconds"],
        usd_per_second=Decimal(row["usd_per_second"]),
        usd=Decimal(row["usd"]),
        price_source=row["price_source"],
        # bills of the studio's first version knew seconds only
        unit_price=Decimal(row["unit_price"] or row["usd_per_second"]),
        billable_units=Decimal(row["billable_units"] or row["billable_seconds"]),
        unit=row["unit"] or SECOND,
    )
