"""What goes wrong next: counts requests by place, decides which faults strike, and remembers which did.

Counters live in memory: a studio that is started again, or is given another scenario, counts from 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .fault_kinds import KINDS
from .scenario import Fault, Scenario

KEPT = 100_000  # injected faults that are remembered; the oldest go first

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Strike:
    """One fault that fits one request: the ``number``-th at ``place``."""

    fault: Fault
    place: str
    number: int


@dataclass(frozen=True)
class Injected:
    """One fault that was injected."""

    fault: str
    at: str
    number: int
    rule: int
    request_id: str | None
    method: str
    path: str
    when: datetime


class Faults:
    """The scenario at work. Used from the event loop's thread only."""

    def __init__(self, scenario: Scenario | None = None) -> None:
        self.switch(scenario or Scenario(), is_first=True)

    def switch(self, scenario: Scenario, *, is_first: bool = False) -> None:
        """Begin another scenario: counters start again, and whatever waits for this one goes on at once."""
        self.scenario = scenario
        self.seen: Counter[str] = Counter()
        self.injected: deque[Injected] = deque(maxlen=KEPT)
        self._by_job: Counter[tuple[str, str]] = Counter()
        self._arrived: dict[str, dict[str, int]] = defaultdict(dict)  # the jobs of a place, by when they first came
        self._struck: Counter[int] = Counter()
        if not is_first:
            self.release()
            log.info("scenario: %d faults, seed %d", len(scenario.faults), scenario.seed)
        self._over = asyncio.Event()

    def release(self) -> None:
        """Let everything go on that hangs, waits or never ends."""
        self._over.set()

    async def pause(self, seconds: float | None) -> None:
        """Wait so long (None: until the scenario is over)."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    def strikes(self, place: str, job: str | None = None) -> list[Strike]:
        """Count one request of ``place``; the faults that fit it, up to the first that drops or answers it itself."""
        self.seen[place] += 1
        if job is not None:
            self._by_job[place, job] += 1
            self._arrived[place].setdefault(job, len(self._arrived[place]) + 1)
        is_wire = place not in ("render", "webhook")
        if is_wire:
            self.seen["any"] += 1
        if not self.scenario.faults:
            return []
        return list(self._fitting(place, job, is_wire=is_wire))

    def _fitting(self, place: str, job: str | None, *, is_wire: bool) -> Iterator[Strike]:
        for fault in self.scenario.faults:
            counted = place if place in fault.at else "any" if is_wire and "any" in fault.at else ""
            if not counted or (fault.times is not None and self._struck[fault.rule] >= fault.times):
                continue
            whose = job if fault.per_job else None
            number = self._by_job[place, whose] if whose else self.seen[counted]
            # jobs' names are random: what they are counted by is the order in which they came
            line = self._arrived[place][whose] if whose else None
            if fault.strikes(number, counted, seed=self.scenario.seed, job=line):
                self._struck[fault.rule] += 1
                yield Strike(fault, place, number)
                if KINDS[fault.name].ends:
                    return

    def record(self, strike: Strike, *, request_id: str | None, method: str = "", path: str = "") -> None:
        """Remember a fault that is injected now."""
        fault = strike.fault
        self.injected.append(
            Injected(fault.name, strike.place, strike.number, fault.rule, request_id, method, path, datetime.now(UTC))
        )
        log.info(
            "fault %s at %s %d (rule %d) %s", fault.name, strike.place, strike.number, fault.rule, request_id or ""
        )

    def told(self) -> dict[str, Any]:
        """What `GET /_studio/faults` answers."""
        injected = [{**vars(entry), "when": entry.when.isoformat()} for entry in self.injected]
        return {"seed": self.scenario.seed, "seen": dict(self.seen), "injected": injected}


def die() -> None:
    """End this process as a power cut would."""
    log.warning("fault die: the studio kills itself")
    os.kill(os.getpid(), signal.SIGKILL)
