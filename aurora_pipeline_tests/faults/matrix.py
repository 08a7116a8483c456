"""Runs one cell: workers against a broken studio, then against a healed one, until nothing more can be delivered.

A fault counts only when it was seen to happen: the studio's own list of what it injected, its death, or the worker's
exit status. Several lanes (a studio each) run side by side, since most of a cell is waiting.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from .accounting import Account, account, account_naive, named_differences, states
from .canary import Listener
from .cells import Cell
from .homes import BOTH, VIDEO, Home, add_campaign, new_home
from .studio import StudioProcess, now
from .workers import INTERRUPTED, Order, finish, start

RUNS_WHILE_BROKEN = 3
RUNS_WHEN_HEALED = 6
EXITS = {"kill": -9, "interrupt": INTERRUPTED}
STOPPED_SECONDS = 10


@dataclass(frozen=True)
class Row:
    """What came of one cell. ``doubtful`` clips were held while the fault lasted; ``named`` differences were found by
    reconciliation for a person to look at; ``problems`` are broken promises.
    """

    cell: Cell
    account: Account
    doubtful: int
    named: int
    runs: int
    happened: str
    seconds: float
    problems: tuple[str, ...] = ()
    naive: Account | None = None


@dataclass
class Lane:
    """One studio and the folder its cells live in. The plain loop has a foreign host of its own: the ``decoy``."""

    folder: Path
    studio: StudioProcess
    key: str
    listener: Listener
    decoy: Listener
    template: Home
    homes: list[Home] = field(default_factory=list)

    def home(
        self,
        name: str,
        *,
        clips: int,
        budget_usd: Decimal = Decimal(100),
        campaign: str = "spring",
        buys: str = VIDEO,
    ) -> Home:
        """A new home in this lane's folder."""
        return new_home(
            self.folder / name, clips=clips, budget_usd=budget_usd, name=campaign, like=self.template, buys=buys
        )


@contextmanager
def lanes(folder: Path, count: int, key: str, listener: Listener, decoy: Listener) -> Iterator[list[Lane]]:
    """``count`` studios, all started at once; stopped at the end."""
    with ThreadPoolExecutor(count) as pool:
        studios = list(pool.map(lambda n: StudioProcess(folder / f"studio{n}"), range(count)))
    template = new_home(folder / "template", clips=1)
    finish(start(Order(template, studios[0].url, key, template.root / "worker.log")))
    try:
        yield [Lane(folder / f"lane{n}", studio, key, listener, decoy, template) for n, studio in enumerate(studios)]
    finally:
        for studio in studios:
            studio.stop()


def run_cells(
    cells: Sequence[Cell], ways: Sequence[Lane], *, naive: bool, tell: Callable[[Row], None] = lambda row: None
) -> list[Row]:
    """Every cell once, in the order given; ``naive`` puts the plain loop beside those it can be put beside."""
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in ways:
        free.put(lane)

    def one(cell: Cell) -> Row:
        lane = free.get()
        try:
            row = run_cell(cell, lane)
            row = replace(row, naive=run_naive(cell, lane)) if naive and _suits_the_naive(cell) else row
        finally:
            free.put(lane)
        tell(row)
        return row

    with ThreadPoolExecutor(len(ways)) as pool:
        return list(pool.map(one, cells))


def run_cell(cell: Cell, lane: Lane) -> Row:
    """Break, buy, heal, buy the rest, account."""
    started = time.monotonic()
    run = _Run(cell, lane, _homes(cell, lane))
    run.while_broken()
    doubtful = _held(run.homes[0])
    happened, missing = run.what_happened()
    lane.studio.heal()
    run.when_healed()
    run.reconcile()
    books, named = account(run.homes, lane.studio, since=run.since), named_differences(run.homes[0])
    problems = (*missing, *judged(cell, books, named))
    return Row(cell, books, doubtful, named, run.runs, happened, time.monotonic() - started, problems)


def run_naive(cell: Cell, lane: Lane) -> Account:
    """The same faults met by the plain loop, which is started as often as ours was allowed to be."""
    home = lane.home(f"{_slug(cell)}-naive", clips=cell.clips, budget_usd=cell.budget_usd)
    since = now()
    lane.studio.break_by(_aimed(cell, lane.decoy))
    for attempt in range(RUNS_WHILE_BROKEN):
        if attempt:
            lane.studio.heal()
        order = Order(home, lane.studio.url, lane.key, home.root / "worker.log", kind="naive")
        if finish(start(order), seconds=min(cell.patience_seconds, 12)) == 0:
            break
    lane.studio.heal()
    return account_naive(home, lane.studio, since=since)


def _suits_the_naive(cell: Cell) -> bool:
    """Faults of the provider alone: kills are named by our own steps (the random ones are met by both)."""
    return bool(cell.faults) and not (cell.kills or cell.bites) and cell.workers == 1 and cell.buys == VIDEO


class _Run:
    """The workers of one cell."""

    def __init__(self, cell: Cell, lane: Lane, homes: Sequence[Home]) -> None:
        self.cell, self.lane, self.homes = cell, lane, homes
        self.since, self.runs = now(), 0
        self.exits: list[int] = []
        self.deaths = lane.studio.deaths
        lane.studio.break_by(_aimed(cell, lane.listener))

    def while_broken(self) -> None:
        """One worker a kill, then whole ones until a run changes nothing."""
        if self.cell.how == "freeze":
            return self._freeze()
        for boundary in self.cell.kills:
            self.exits += self._workers(boundary)
        self._until_unchanged(RUNS_WHILE_BROKEN - bool(self.cell.kills))
        return None

    def when_healed(self) -> None:
        """Whole workers, without faults, until everything is there or nothing changes."""
        if self.cell.buys != VIDEO and self.cell.kills:  # all may be settled, and a killed worker's table not written
            self._workers()
        self._until_unchanged(RUNS_WHEN_HEALED)

    def reconcile(self) -> None:
        """As every night: the ledger follows the provider's bill, and what a person must look at is named."""
        self.lane.studio.wait_until_idle(since=self.since)
        home = self.homes[0]
        finish(start(Order(home, self.lane.studio.url, self.lane.key, home.root / "worker.log", kind="reconcile")))

    def _until_unchanged(self, most: int) -> None:
        for _ in range(most):
            before = self._states()
            if self.runs and set(before) == {"settled"} and before.total() >= self._wanted:
                return
            self._workers()
            if self._states() == before:
                return

    @property
    def _wanted(self) -> int:
        return self.cell.clips * (2 if self.cell.buys == BOTH else 1)

    def _states(self) -> Counter[str]:
        return sum((states(home) for home in self.homes), Counter())

    def _workers(self, boundary: str = "") -> list[int]:
        """As many workers at once as the cell wants; their exit statuses."""
        self.runs += 1
        wanted = [home for home in self.homes for _ in range(self.cell.workers)]
        started = [self._start(home, boundary, machine="") for home in wanted]
        return [finish(worker, seconds=self.cell.patience_seconds) for worker in started]

    def _start(self, home: Home, boundary: str, *, machine: str) -> ForkServerProcess:
        cell = self.cell
        changes: dict[str, Any] = {}
        if cell.horizon_seconds is not None:
            changes["horizon_seconds"] = cell.horizon_seconds
        return start(
            Order(
                home,
                self.lane.studio.url,
                self.lane.key,
                home.root / "worker.log",
                run_id=f"run-{self.runs}",
                boundary=boundary,
                nth=cell.nth,
                how=cell.how,
                machine=machine,
                lease_seconds=cell.lease_seconds,
                environment=_environment(cell, self.lane),
                guards=cell.guards,
                settings=changes,
            )
        )

    def _freeze(self) -> None:
        """A worker of another machine stops in the middle, others do its work, and then it wakes up."""
        frozen = self._start(self.homes[0], self.cell.kills[0], machine="another-machine")
        self.exits.append(-19 if _has_stopped(frozen) else 0)
        self._workers()
        self._workers()
        _wake(frozen)
        finish(frozen, seconds=self.cell.patience_seconds)

    def what_happened(self) -> tuple[str, tuple[str, ...]]:
        """In words, what was seen to happen; and what should have happened and did not."""
        cell, died = self.cell, self.lane.studio.deaths - self.deaths
        injected = [] if died else self.lane.studio.injected()
        rules = {entry["rule"] for entry in injected}
        missing = [] if died else [n for n in range(1, len(cell.faults) + 1) if n not in rules]
        wanted = {"freeze": -19}.get(cell.how, EXITS.get(cell.how, 0))
        survived = sum(status != wanted for status in self.exits)
        words = [f"{len(injected)} injected"] * bool(injected) + [f"studio died {died}x"] * bool(died)
        words += [f"{len(self.exits)} {cell.how}"] * bool(self.exits)
        problems = [f"fault {n} never happened" for n in missing]
        problems += [f"{survived} of {len(self.exits)} workers did not meet '{cell.how}'"] * bool(survived)
        return ", ".join(words) or "-", tuple(problems)


def judged(cell: Cell, books: Account, named: int) -> tuple[str, ...]:
    """The promises that were broken; empty when the cell is as it must be."""
    if cell.bites:
        return () if books.double_billed else ("nothing was billed twice: the test does not bite",)
    return tuple(_promises(cell, books, named))


def _promises(cell: Cell, books: Account, named: int) -> Iterable[str]:
    if books.double_billed > cell.twice:
        yield f"{books.double_billed} billed twice"
    if cell.differs and not named:
        yield "reconciliation names nothing"
    if books.lost:
        yield f"{books.lost} lost"
    if books.corrupt:
        yield f"{books.corrupt} corrupt"
    if books.over_budget_usd and not cell.differs:
        yield f"${books.over_budget_usd} over budget"
    if books.apart_usd and not cell.differs:
        yield f"ledger and bill are ${books.apart_usd} apart"
    if cell.stops and books.accepted >= books.clips:
        yield "buying was not stopped"
    if cell.quarantined is not None and books.quarantined != cell.quarantined:
        yield f"{books.quarantined} quarantined, {cell.quarantined} expected"
    if not cell.stops and books.delivered + books.quarantined < books.clips:
        yield f"only {books.delivered} of {books.clips} delivered"


def _homes(cell: Cell, lane: Lane) -> list[Home]:
    first = lane.home(_slug(cell), clips=cell.clips, budget_usd=cell.budget_usd, buys=cell.buys)
    lane.homes.append(first)
    others = [replace(first, campaign=f"spring{n}") for n in range(1, cell.campaigns)]
    return [first, *(add_campaign(home, clips=cell.clips, copy_of=first) for home in others)]


def _slug(cell: Cell) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in f"{cell.point}-{cell.name}").strip("-")


def _aimed(cell: Cell, foreign: Listener) -> list[dict[str, Any]]:
    """The cell's faults, with the foreign host filled in."""
    filled = {"base": foreign.url}
    return [{name: filled.get(name, value) for name, value in fault.items()} for fault in cell.faults]


def _environment(cell: Cell, lane: Lane) -> dict[str, str]:
    return dict.fromkeys(cell.environment or {}, lane.listener.url)


def _held(home: Home) -> int:
    found = states(home)
    return sum(found[state] for state in ("unknown", "rejected", "sending", "accepted", "completed"))


def _has_stopped(worker: ForkServerProcess) -> bool:
    """Whether the process has come to its SIGSTOP."""
    ticks = threading.Event()
    for _ in range(STOPPED_SECONDS * 20):
        try:
            if Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                return True
        except FileNotFoundError:
            return False
        ticks.wait(0.05)
    return False


def _wake(worker: ForkServerProcess) -> None:
    import os
    import signal

    if worker.pid is not None:
        os.kill(worker.pid, signal.SIGCONT)


def totals(rows: Sequence[Row]) -> Account:
    """The sum of the cells that must be clean: not those whose guard is off, nor those whose bill itself is wrong."""
    zero = Account(0, 0, Decimal(0), Decimal(0), 0, 0, 0, 0, Decimal(0), 0, Decimal(0), Decimal(0))
    return sum((row.account for row in rows if not (row.cell.bites or row.cell.differs)), zero)
