"""The report: what is printed, what goes into the README, and whether every required 0 is 0."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .accounting import Account
from .budget_race import Race
from .cells import Cell
from .homes import VIDEO
from .kills import Ordeal
from .matrix import Row, totals
from .power_cut import PowerCut

CELL_HEADS = ("point", "fault", "happened", "requests", "billed $", "ledger $", "delivered", "twice", "lost", "over $",
              "in doubt", "held", "held $")  # fmt: skip


@dataclass(frozen=True)
class Canary:
    """Where the key was looked for and found; what a host that no setting names was sent, by us and by the loop."""

    files: int
    found_in: tuple[str, ...]
    foreign_requests: int
    foreign_keys: int
    keys_of_the_plain_loop: int

    @property
    def is_clean(self) -> bool:
        return not (self.found_in or self.foreign_requests or self.foreign_keys)


@dataclass(frozen=True)
class Report:
    """Everything one run of the command found."""

    rows: tuple[Row, ...]
    ordeals: tuple[Ordeal, ...]
    races: tuple[Race, ...]
    power_cut: PowerCut | None
    canary: Canary | None
    not_run: tuple[str, ...]
    seconds: float

    @property
    def problems(self) -> tuple[str, ...]:
        """Every broken promise, one sentence each; empty is what is required."""
        return tuple(self._problems())

    def _problems(self) -> Iterable[str]:
        for row in self.rows:
            yield from (f"{row.cell.point}: {row.cell.name}: {problem}" for problem in row.problems)
        for ordeal in self.ordeals:
            books = ordeal.account
            if ordeal.kind == "ours" and not books.is_clean:
                yield f"random kills ({ordeal.buys}): {_faults_of(books)}"
            if ordeal.kind == "ours" and books.delivered + books.quarantined < books.clips:
                yield f"random kills ({ordeal.buys}): only {books.delivered} of {books.clips} clips were delivered"
        for race in self.races:
            if race.must_hold and race.over_usd:
                yield f"{race.name}: ${race.over_usd} over budget"
        if self.power_cut and not self.power_cut.is_clean:
            yield f"power cut: {_power(self.power_cut)}"
        if self.canary and not self.canary.is_clean:
            yield f"canary: {_canary(self.canary)}"


def show(report: Report) -> None:
    """Print it to stdout, widest table first."""
    console = Console(width=max(Console().width, 150))
    if report.rows:
        console.print(_cells(report.rows))
    console.print(_summary(report))
    for problem in report.problems:
        console.print(f"[bold red]broken:[/] {problem}", highlight=False)
    console.print(f"{len(report.problems)} broken promises; {report.seconds:.0f} s.")


def _cells(rows: Sequence[Row]) -> Table:
    table = Table(*CELL_HEADS, title=f"{len(rows)} named cells")
    for row in rows:
        table.add_row(*cell_texts(row), style="red" if row.problems else "yellow" if row.cell.bites else "")
    return table


def cell_texts(row: Row) -> tuple[str, ...]:
    """One cell as text, in the order of `CELL_HEADS`."""
    books = row.account
    return (
        row.cell.point,
        row.cell.name,
        row.happened,
        str(books.accepted),
        str(books.billed_usd),
        str(books.charged_usd),
        f"{books.delivered}/{books.clips}",
        str(books.double_billed),
        str(books.lost),
        str(books.over_budget_usd),
        str(row.doubtful),
        str(books.quarantined),
        str(books.quarantined_usd),
    )


def summary_rows(report: Report) -> list[tuple[str, str, str]]:
    """Claim, ours, and what stands beside it."""
    rows: list[tuple[str, str, str]] = []
    if report.rows:
        rows += _cell_summary(report.rows)
    rows += _kill_summary(report.ordeals)
    for race in report.races:
        said = f"${race.over_usd} over (worst round ${race.worst_usd}) in {race.rounds} rounds of {race.processes}"
        rows.append((f"one budget: {race.name}", said if race.must_hold else "", "" if race.must_hold else said))
    if report.power_cut:
        rows.append(("power cut (strace)", _power(report.power_cut), ""))
    if report.canary:
        beside = f"{report.canary.keys_of_the_plain_loop} keys to foreign hosts"
        rows.append(("the key", _canary(report.canary), beside if any(row.naive for row in report.rows) else ""))
    return rows + [("not run", reason, "") for reason in report.not_run]


def _cell_summary(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    books = totals(rows)
    naive = [row.naive for row in rows if row.naive is not None]
    beside = _faults_of(sum(naive[1:], naive[0])) + f" in {len(naive)} cells" if naive else "not run"
    odd = [row for row in rows if row.cell.differs]
    doubtful = sum(row.doubtful for row in rows if not row.cell.bites)
    bites = [row for row in rows if row.cell.bites]
    found = [
        (f"{len(rows) - len(odd) - len(bites)} named cells", _faults_of(books), beside),
        *_speech_summary(rows),
        ("  billed / charged", f"${books.billed_usd:.2f} / ${books.charged_usd:.2f}", ""),
        ("  in doubt while broken", f"{doubtful} clips", ""),
        ("  held at the end", f"{books.quarantined} clips, ${books.quarantined_usd}", ""),
    ]
    for row in odd:
        said = f"{_faults_of(row.account)}: {row.cell.differs}"
        found.append((f"  the provider is wrong: {_full_name(row.cell)}", said, ""))
    return found + [
        (f"  the test bites: {_full_name(row.cell)}", "", f"{row.account.double_billed} billed twice") for row in bites
    ]


def _speech_summary(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Those of them that buy speech."""
    mine = [row for row in rows if row.cell.buys != VIDEO and not (row.cell.differs or row.cell.bites)]
    if not mine:
        return []
    books = totals(mine)
    return [
        (f"  of these {len(mine)} buy speech", _faults_of(books), ""),
        ("  billed / charged of these", f"${books.billed_usd:.4f} / ${books.charged_usd:.4f}", ""),
    ]


def _kill_summary(ordeals: Sequence[Ordeal]) -> list[tuple[str, str, str]]:
    naive = next((ordeal for ordeal in ordeals if ordeal.kind == "naive"), None)
    beside = f"{_faults_of(naive.account)} in {naive.kills} kills" if naive else "not run"
    return [row for ours in ordeals if ours.kind == "ours" for row in _ordeal_rows(ours, beside)]


def _ordeal_rows(ours: Ordeal, beside: str) -> list[tuple[str, str, str]]:
    books, of = ours.account, "" if ours.buys == VIDEO else ", speech and video"
    return [
        (f"{ours.kills} random kill -9{of} (seed {ours.seed})", _faults_of(books), "" if of else beside),
        ("  beside the kills", f"{ours.injected} faults, {books.clips} clips, {ours.seconds:.0f} s", ""),
        ("  billed / charged", f"${books.billed_usd} / ${books.charged_usd}", ""),
        ("  held at the end", f"{books.quarantined} clips, ${books.quarantined_usd}", ""),
        (f"  0 of {ours.kills} kills", f"95 % upper bound 3/N = {ours.upper_bound_percent:.2f} % a kill", ""),
    ]


def _full_name(cell: Cell) -> str:
    return cell.name if cell.buys == VIDEO else f"speech: {cell.name}"


def _summary(report: Report) -> Table:
    table = Table("claim", "aurora-pipeline", "beside it", title="Nothing is bought twice")
    for row in summary_rows(report):
        table.add_row(*row)
    return table


def _faults_of(books: Account) -> str:
    held = f", {books.corrupt} corrupt" if books.corrupt else ""
    apart = f", ledger ${books.apart_usd} apart" if books.apart_usd else ""
    return (
        f"{books.double_billed} billed twice, {books.lost} lost, ${books.over_budget_usd} over, "
        f"{books.delivered}/{books.clips} delivered{held}{apart}"
    )


def _power(seen: PowerCut) -> str:
    if seen.not_run:
        return f"not run: {seen.not_run}"
    return (
        f"intent on disk before {seen.posts_after_sync} of {seen.posts} POSTs, request id before "
        f"{seen.first_polls_after_sync} of {seen.first_polls} first polls"
    )


def _canary(seen: Canary) -> str:
    where = f"found in {', '.join(seen.found_in)}" if seen.found_in else f"found in 0 of {seen.files} files"
    return f"{where}; {seen.foreign_requests} requests and {seen.foreign_keys} keys to foreign hosts"


def write_markdown(report: Report, file: Path) -> None:
    """The summary for the README, then every cell."""
    lines = ["| claim | aurora-pipeline | beside it |", "|---|---|---|"]
    lines += [f"| {' | '.join(part.strip() for part in row)} |" for row in summary_rows(report)]
    lines += ["", f"| {' | '.join(CELL_HEADS)} |", "|---" * len(CELL_HEADS) + "|"]
    lines += [f"| {' | '.join(cell_texts(row))} |" for row in report.rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_json(report: Report, file: Path) -> None:
    """Everything, for a test or another program."""
    facts: dict[str, Any] = asdict(report) | {"problems": report.problems}
    file.write_text(json.dumps(facts, default=_text, indent=1), encoding="utf-8")


def _text(value: object) -> str:
    return str(value) if isinstance(value, Decimal | Path) else repr(value)
