"""What this studio has spoken, by the SHA-256 of its files: so that its recognisers know it when they hear it again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from ..gear.voices import TimedWord


@dataclass(frozen=True)
class SpokenFile:
    """The text of one spoken file, its language (a tag; empty when nobody said) and when its words are heard."""

    text: str
    language: str
    words: tuple[TimedWord, ...]


class SpokenBook:
    """Every method is one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, sha256: str, spoken: SpokenFile) -> None:
        """Remember a file. Spoken again, the same bytes say the same."""
        words = json.dumps([[word.text, word.start_seconds, word.end_seconds] for word in spoken.words])
        self._db.execute(
            "INSERT OR REPLACE INTO spoken (sha256, text, language, words) VALUES (?, ?, ?, ?)",
            (sha256, spoken.text, spoken.language, words),
        )

    def get(self, sha256: str) -> SpokenFile | None:
        """What a file says; None when it was not spoken here."""
        row = self._db.execute("SELECT * FROM spoken WHERE sha256 = ?", (sha256,)).fetchone()
        return SpokenFile(row["text"], row["language"], _words(json.loads(row["words"]))) if row else None


def _words(rows: Sequence[Sequence[object]]) -> tuple[TimedWord, ...]:
    return tuple(TimedWord(str(text), float(str(start)), float(str(end))) for text, start, end in rows)
