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
            if ordeal.kind == "ours" and not ordeal.account.is_clean:
                yield f"random kills: {_faults_of(ordeal.account)}"
            if ordeal.kind == "ours" and ordeal.account.delivered + ordeal.account.quarantined < ordeal.account.clips:
                yield f"random kills: only {ordeal.account.delivered} of {ordeal.account.clips} clips were delivered"
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
        ("  billed / charged", f"${books.billed_usd:.2f} / ${books.charged_usd:.2f}", ""),
        ("  in doubt while broken", f"{doubtful} clips", ""),
        ("  held at the end", f"{books.quarantined} clips, ${books.quarantined_usd}", ""),
    ]
    found += [
        (f"  the provider is wrong: {r.cell.name}", f"{_faults_of(r.account)}: {r.cell.differs}", "") for r in odd
    ]
    return found + [(f"  the test bites: {r.cell.name}", "", f"{r.account.double_billed} billed twice") for r in bites]


def _kill_summary(ordeals: Sequence[Ordeal]) -> list[tuple[str, str, str]]:
    said = {ordeal.kind: ordeal for ordeal in ordeals}
    if "ours" not in said:
        return []
    ours, naive = said["ours"], said.get("naive")
    beside = f"{_faults_of(naive.account)} in {naive.kills} kills" if naive else "not run"
    books = ours.account
    return [
        (f"{ours.kills} random kill -9 (seed {ours.seed})", _faults_of(books), beside),
        ("  beside the kills", f"{ours.injected} faults, {books.clips} clips, {ours.seconds:.0f} s", ""),
        ("  billed / charged", f"${books.billed_usd} / ${books.charged_usd}", ""),
        ("  held at the end", f"{books.quarantined} clips, ${books.quarantined_usd}", ""),
        (f"  0 of {ours.kills} kills", f"95 % upper bound 3/N = {ours.upper_bound_percent:.2f} % a kill", ""),
    ]


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
