"""Random kill -9: several workers on one ledger, each ended at a random moment and replaced at once.

Round after round, a campaign a round, the provider's faults on in every second one. The same seed gives the same
moments and faults; what they meet depends on the machine. The plain loop is put through the same. A campaign that buys
``both`` buys its speech, and then the videos that say it.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from multiprocessing.context import ForkServerProcess
from typing import Any

from .accounting import Account, account, account_naive
from .homes import VIDEO, Home, add_campaign
from .matrix import Lane
from .studio import now
from .workers import Order, finish, start, start_and_hear

EARLIEST_SECONDS, LATEST_SECONDS = 0.03, 0.8
STARTING = 0.1  # share of kills whose moment counts from the process's start instead of its first paid step
START_SECONDS = 30
CLIPS_A_ROUND = 24
KILLS_A_ROUND = 60  # then a round is left to the end, so that one stuck clip cannot eat all kills
FINISHING_RUNS = 6
FAULTS: tuple[dict[str, Any], ...] = (
    {"fault": "lose_answer", "at": "submit", "probability": 0.05},
    {"fault": "answer", "at": "submit", "status": 502, "after": True, "probability": 0.03},
    {"fault": "answer", "at": "submit", "status": 429, "probability": 0.02},
    {"fault": "late_answer", "at": "submit", "seconds": 4, "probability": 0.02},
    {"fault": "answer", "at": ["status", "result"], "status": 500, "probability": 0.03},
    {"fault": "truncate", "at": "download", "probability": 0.03},
    {"fault": "lose_answer", "at": ["upload", "requests"], "probability": 0.02},
)


@dataclass(frozen=True)
class Ordeal:
    """What became of everything after ``kills`` kill -9; ``rounds`` campaigns, ``injected`` faults beside the kills.

    ``buys`` is what the campaigns asked for.
    """

    kind: str
    seed: int
    kills: int
    rounds: int
    injected: int
    seconds: float
    account: Account
    buys: str = VIDEO

    @property
    def upper_bound_percent(self) -> float:
        """With 0 seen in N: at most 3/N, with 95 % confidence."""
        return 300 / self.kills if self.kills else 100.0


def random_kills(
    lane: Lane, *, kills: int, seed: int, workers: int = 3, kind: str = "ours", buys: str = VIDEO
) -> Ordeal:
    """Kill ``kills`` workers at random moments, let what is left finish in peace, and account for all of it."""
    started, since = time.monotonic(), now()
    crowd = _Crowd(lane, random.Random(seed), kind, workers, buys)
    while crowd.kills < kills:
        crowd.next_round(seed)
        crowd.kill_until_done(kills)
    crowd.finish_in_peace()
    if kind == "ours":
        books = account(crowd.homes, lane.studio, since=since)
    else:
        each = [account_naive(home, lane.studio, since=since) for home in crowd.homes]
        books = sum(each[1:], each[0])
    seconds = time.monotonic() - started
    return Ordeal(kind, seed, crowd.kills, len(crowd.homes), crowd.injected, seconds, books, buys)


class _Crowd:
    """The workers of one ordeal and the campaigns they work at."""

    def __init__(self, lane: Lane, dice: random.Random, kind: str, workers: int, buys: str) -> None:
        self.lane, self.dice, self.kind, self.workers, self.buys = lane, dice, kind, workers, buys
        self.root = lane.folder / f"kills-{kind}-{buys}"
        self.homes: list[Home] = []
        self.kills = self.injected = self._last = 0
        self._is_done, self._lock = False, threading.Lock()

    def next_round(self, seed: int) -> None:
        """Another campaign on the same ledger; every second one meets faults too."""
        number = len(self.homes)
        budget = Decimal(CLIPS_A_ROUND)
        if number == 0:
            home = self.lane.home(
                self.root.name, clips=CLIPS_A_ROUND, budget_usd=budget, campaign="round0", buys=self.buys
            )
        else:
            home = add_campaign(replace(self.homes[0], campaign=f"round{number}"), clips=CLIPS_A_ROUND)
        self.homes.append(home)
        self.lane.studio.break_by(FAULTS if number % 2 else (), seed=seed + number)

    def kill_until_done(self, most: int) -> None:
        """Until a worker comes to its end by itself, which it does when every clip is there."""
        self._last, self._is_done = min(most, self.kills + KILLS_A_ROUND), False
        dice = [random.Random(self.dice.random()) for _ in range(self.workers)]
        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(self._kill_one_after_another, dice))
        self.injected += len(self.lane.studio.injected())

    def _kill_one_after_another(self, dice: random.Random) -> None:
        while not self._is_done:
            worker, begun = start_and_hear(self._order(self.homes[-1]))
            with contextlib.closing(begun):
                # Most moments count from the first paid step, or a loaded machine would kill start-ups only.
                if dice.random() >= STARTING:
                    begun.poll(START_SECONDS)
                worker.join(dice.uniform(EARLIEST_SECONDS, LATEST_SECONDS))
            self._end(worker)

    def _end(self, worker: ForkServerProcess) -> None:
        """Only a worker that was at work counts as killed."""
        was_at_work = worker.is_alive()
        worker.kill()
        worker.join()
        with self._lock:
            self.kills += was_at_work and worker.exitcode == -9
            self._is_done |= worker.exitcode == 0 or self.kills >= self._last

    def _order(self, home: Home) -> Order:
        return Order(home, self.lane.studio.url, self.lane.key, self.root / "worker.log", kind=self.kind)

    def finish_in_peace(self) -> None:
        """No faults, no kills: whatever can still be delivered is."""
        self.lane.studio.heal()
        for home in self.homes:
            for _ in self._until_finished(home):
                pass

    def _until_finished(self, home: Home) -> Iterator[int]:
        for attempt in range(FINISHING_RUNS):
            if finish(start(self._order(home))) == 0:
                return
            yield attempt
