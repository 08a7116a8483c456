"""Run one function over many clips: bounded, interruptible, with progress on the calling thread.

Dagster ends a step by raising in the main thread wherever it is (reference/dagster.md 3.1), and Ctrl-C does the
same. So workers never own the exit: the main thread pumps their results and, on any exception, sets `stop`, drops
what has not started, and waits a bounded time, in total, for what has. Work must look at `stop` between its own waits.

What cannot look at it is a transfer (bounded by its own time-outs) and one clip's synthesis (some seconds). A worker in
the middle of one is left behind: a daemon thread, which keeps no process alive and ends with it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .errors import AuroraError

Item = TypeVar("Item")
Result = TypeVar("Result")

DRAIN_SECONDS = 7.0  # for all workers together: a stopped run has 10 s to be gone, and a ledger row to write first
_WORKER = "aurora worker"


@dataclass(frozen=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, or the error that is its own (never a neighbour's)."""

    item: Item
    result: Result | None = None
    error: AuroraError | None = None


def for_each(
    items: Sequence[Item],
    work: Callable[[Item, threading.Event], Result],
    *,
    workers: int,
    on_outcome: Callable[[Outcome[Item, Result], int], None] = lambda outcome, done: None,
    drain_seconds: float = DRAIN_SECONDS,
    stops_all: Callable[[AuroraError], bool] = lambda error: False,
) -> list[Outcome[Item, Result]]:
    """Outcomes of ``work(item, stop)`` in the order of ``items``; at most ``workers`` at a time.

    ``on_outcome(outcome, done)`` runs on the calling thread. An `AuroraError` belongs to its item and neighbours go
    on, unless ``stops_all(error)``: then nothing further is started and the rest carry that same error. Any other
    exception, from a worker or raised in the calling thread by a signal, stops everything and is raised within
    ``drain_seconds``; what ends in that time is kept by whoever made it, and ``on_outcome`` is not told of it.
    """
    crew = _Crew(items, work, workers, stops_all)
    try:
        crew.begin()
        return crew.pump(on_outcome)
    finally:
        crew.dismiss(drain_seconds)


class _Crew(Generic[Item, Result]):
    def __init__(
        self,
        items: Sequence[Item],
        work: Callable[[Item, threading.Event], Result],
        workers: int,
        stops_all: Callable[[AuroraError], bool],
    ) -> None:
        self.items, self.work, self.stops_all = items, work, stops_all
        self.stop = threading.Event()
        self.fatal: AuroraError | None = None
        self.todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[int, Result | None, BaseException | None]] = queue.SimpleQueue()
        for index in range(len(items)):
            self.todo.put(index)
        crew = range(1, min(workers, len(items)) + 1)
        self.threads = [threading.Thread(target=self._labour, name=f"{_WORKER} {n}", daemon=True) for n in crew]

    def begin(self) -> None:
        for thread in self.threads:
            thread.start()

    def _labour(self) -> None:
        while not self.stop.is_set():
            try:
                index = self.todo.get_nowait()
            except queue.Empty:
                return
            if self.stop.is_set():  # asked while this one was being taken
                return
            try:
                self.done.put((index, self.work(self.items[index], self.stop), None))
            except BaseException as error:  # noqa: BLE001 - carried to the calling thread, which raises it
                # Decided here, not by the calling thread: the next item must not start in between.
                if isinstance(error, AuroraError) and self.stops_all(error):
                    self.fatal = error
                    self.stop.set()
                self.done.put((index, None, error))

    def pump(self, on_outcome: Callable[[Outcome[Item, Result], int], None]) -> list[Outcome[Item, Result]]:
        outcomes: dict[int, Outcome[Item, Result]] = {}
        while len(outcomes) < len(self.items):
            is_over = not any(thread.is_alive() for thread in self.threads)
            try:  # a bounded wait, so that an interrupt raised by the host is noticed at once
                index, result, error = self.done.get(block=not is_over, timeout=0.2)
            except queue.Empty:
                if is_over:
                    break
                continue
            if error is not None and not isinstance(error, AuroraError):
                raise error
            outcomes[index] = Outcome(self.items[index], result, error)
            on_outcome(outcomes[index], len(outcomes))
        return [outcomes.get(i, Outcome(item, None, self.fatal)) for i, item in enumerate(self.items)]

    def dismiss(self, drain_seconds: float) -> None:
        self.stop.set()
        deadline = time.monotonic() + drain_seconds
        for thread in self.threads:
            if thread.ident is not None:  # a signal may come before the last of them was started
                thread.join(max(0.0, deadline - time.monotonic()))


def left_behind() -> int:
    """How many workers of this process are still at work: after a stop, those that could not end in time."""
    return sum(thread.name.startswith(_WORKER) for thread in threading.enumerate())


def pause(stop: threading.Event, seconds: float) -> bool:
    """Wait ``seconds`` or until asked to stop; True when asked to stop."""
    return stop.wait(seconds)


def gather(outcomes: Iterable[Outcome[Item, Result]]) -> tuple[list[Result], list[Outcome[Item, Result]]]:
    """Good results, and the outcomes that failed."""
    good, bad = [], []
    for outcome in outcomes:
        if outcome.error is None and outcome.result is not None:
            good.append(outcome.result)
        else:
            bad.append(outcome)
    return good, bad
