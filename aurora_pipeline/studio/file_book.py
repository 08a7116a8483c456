"""Names, permissions and lives of files; their bytes are in `storage.Files`."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from .book_tables import as_moment, as_text, now


@dataclass(frozen=True)
class StoredFile:
    """A file's public facts. ``expires_at`` is the moment it is gone; None: as long as the studio's folder."""

    file_id: str
    name: str
    content_type: str
    signature: str
    expires_at: datetime | None = None

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()


@dataclass(frozen=True)
class Multipart:
    """An upload in parts: ``upload_id`` is the permission to send them, ``file`` what they become."""

    upload_id: str
    file: StoredFile
    is_completed: bool


class FileBook:
    """Every method is one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add_file(self, file: StoredFile) -> None:
        self._db.execute(
            "INSERT INTO files (file_id, name, content_type, signature, at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
            (file.file_id, file.name, file.content_type, file.signature, as_text(now()), _text(file.expires_at)),
        )

    def file(self, file_id: str) -> StoredFile | None:
        row = self._db.execute("SELECT * FROM files WHERE file_id = ?", (file_id,)).fetchone()
        return _file(row) if row else None

    def expired(self) -> list[str]:
        """Ids of the files whose life is over."""
        rows = self._db.execute("SELECT file_id FROM files WHERE expires_at <= ?", (as_text(now()),))
        return [row["file_id"] for row in rows]

    # ---- upload tokens
    def add_token(self, token: str, expires_at: datetime) -> None:
        self._db.execute("DELETE FROM tokens WHERE expires_at < ?", (as_text(now()),))
        self._db.execute("INSERT INTO tokens VALUES (?, ?)", (token, as_text(expires_at)))

    def is_token(self, token: str) -> bool:
        """Whether an upload token was issued here and still holds."""
        found = self._db.execute("SELECT 1 FROM tokens WHERE token = ? AND expires_at > ?", (token, as_text(now())))
        return found.fetchone() is not None

    # ---- uploads in parts
    def add_multipart(self, upload_id: str, file: StoredFile) -> None:
        self._db.execute(
            "INSERT INTO multiparts (upload_id, file_id, at) VALUES (?, ?, ?)",
            (upload_id, file.file_id, as_text(now())),
        )

    def multipart(self, upload_id: str) -> Multipart | None:
        row = self._db.execute(
            "SELECT files.*, completed_at FROM multiparts JOIN files USING (file_id) WHERE upload_id = ?", (upload_id,)
        ).fetchone()
        return Multipart(upload_id, _file(row), row["completed_at"] is not None) if row else None

    def complete_multipart(self, upload_id: str) -> None:
        self._db.execute("UPDATE multiparts SET completed_at = ? WHERE upload_id = ?", (as_text(now()), upload_id))

    def abandoned_multiparts(self, before: datetime) -> list[str]:
        """Upload ids that were begun before a moment and never completed."""
        rows = self._db.execute(
            "SELECT upload_id FROM multiparts WHERE completed_at IS NULL AND at < ?", (as_text(before),)
        )
        return [row["upload_id"] for row in rows]


def _file(row: sqlite3.Row) -> StoredFile:
    facts = (row["file_id"], row["name"], row["content_type"], row["signature"])
    return StoredFile(*facts, as_moment(row["expires_at"]))


def _text(moment: datetime | None) -> str | None:
    return as_text(moment) if moment else None
