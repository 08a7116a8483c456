"""Which webhooks are still to be sent. A delivery is written in the transaction that completes its request."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .book_tables import as_moment, as_text, now


@dataclass(frozen=True)
class Delivery:
    """One webhook that is due; ``attempts`` is how often it was sent already."""

    request_id: str
    url: str
    attempts: int


class Deliveries:
    """Every method is one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def due(self) -> list[Delivery]:
        """What is to be sent now, longest due first."""
        rows = self._db.execute(
            "SELECT request_id, url, attempts FROM deliveries WHERE next_at <= ? ORDER BY next_at", (as_text(now()),)
        )
        return [Delivery(*row) for row in rows]

    def next_at(self) -> datetime | None:
        """When the next one falls due; None when none is left."""
        row = self._db.execute("SELECT min(next_at) AS next_at FROM deliveries").fetchone()
        return as_moment(row["next_at"])

    def delivered(self, delivery: Delivery) -> None:
        self._end(delivery, "delivered")

    def failed(self, delivery: Delivery, why: str, delays: Sequence[float]) -> None:
        """Due again after the delay of its next attempt; given up when there is none left."""
        if delivery.attempts >= len(delays):
            self._end(delivery, f"given up: {why}")
            return
        again = now() + timedelta(seconds=delays[delivery.attempts])
        self._db.execute(
            "UPDATE deliveries SET attempts = ?, next_at = ?, outcome = ? WHERE request_id = ?",
            (delivery.attempts + 1, as_text(again), why, delivery.request_id),
        )

    def _end(self, delivery: Delivery, outcome: str) -> None:
        self._db.execute(
            "UPDATE deliveries SET attempts = ?, next_at = NULL, outcome = ? WHERE request_id = ?",
            (delivery.attempts + 1, outcome, delivery.request_id),
        )
