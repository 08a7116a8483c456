"""The studio's SQLite file: its tables, and what an older studio's file lacks.

Used from the event loop's thread only, so one connection serves. WAL with synchronous=NORMAL: a killed process loses
nothing; a power cut may lose the last moments of free drafts.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL UNIQUE, endpoint TEXT NOT NULL,
    state TEXT NOT NULL, arguments TEXT NOT NULL, sent_at TEXT NOT NULL, started_at TEXT, ended_at TEXT,
    status_code INTEGER, video TEXT, refusal TEXT, error TEXT, error_type TEXT);
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
CREATE TABLE IF NOT EXISTS multiparts (
    upload_id TEXT PRIMARY KEY, file_id TEXT NOT NULL, completed_at TEXT, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS spoken (
    sha256 TEXT PRIMARY KEY, text TEXT NOT NULL, language TEXT NOT NULL, words TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    request_id TEXT PRIMARY KEY, url TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, next_at TEXT, outcome TEXT);
"""
# What later versions of the studio added; an older file gets it when it is opened.
ADDED_COLUMNS = {
    "bills": ("unit_price TEXT", "billable_units TEXT", "unit TEXT"),
    "requests": (
        "rank INTEGER NOT NULL DEFAULT 0",
        "start_before TEXT",
        "webhook TEXT NOT NULL DEFAULT ''",
        "terms TEXT NOT NULL DEFAULT '{}'",
        "attempts INTEGER NOT NULL DEFAULT 0",
        "expires_at TEXT",
        "answer TEXT",
    ),
    "files": ("expires_at TEXT",),
}
INDEXES = """
DROP INDEX IF EXISTS requests_by_state;
CREATE INDEX IF NOT EXISTS requests_in_line ON requests (state, rank, seq);
CREATE INDEX IF NOT EXISTS requests_by_start ON requests (start_before) WHERE state = 'IN_QUEUE';
CREATE INDEX IF NOT EXISTS deliveries_by_next ON deliveries (next_at);
"""


def open_tables(file: Path) -> sqlite3.Connection:
    """The file's connection, with every table and column of this version."""
    db = sqlite3.connect(file, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.executescript(SCHEMA)
    for table, columns in ADDED_COLUMNS.items():
        there = {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}
        for column in columns:
            if column.split()[0] not in there:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    db.executescript(INDEXES)
    return db


def now() -> datetime:
    return datetime.now(UTC)


def as_text(moment: datetime) -> str:
    """A moment in one fixed width, so that the text sorts as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def as_moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
