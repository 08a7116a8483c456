"""1,000 clips at fal's concurrency: wall time beside the ideal, CPU seconds a clip, and memory of our own process.

    python -m aurora_pipeline_tests.benchmarks throughput

The studio renders nothing here (instant mode): a request takes ``LATENCY`` seconds, ``CONCURRENCY`` at a time, so that
what is left to measure is the client. Ideal = clips x latency / concurrency. Beside it a thread pool of plain
`fal_client.subscribe` calls, and Dagster's dynamic mapping with one op (one process) a clip, at a smaller count.
CPU and wall are counted from the first request, imports done; on a shared machine trust the CPU column.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aurora_pipeline_tests.faults.homes import REPOSITORY, Home, new_home
from aurora_pipeline_tests.faults.studio import StudioProcess
from aurora_pipeline_tests.faults.workers import Order

LATENCY_SECONDS, CONCURRENCY = 2.0, 40
COUNTS = (10, 100, 1000)
MAPPED = 24  # one process a clip: more would only take longer
POLL_SECONDS = 1.0
KEY = "throughput:not-a-secret"


@dataclass(frozen=True)
class Measured:
    """One way of making ``clips`` videos. Seconds of wall and CPU (user and system), peak memory in MiB."""

    way: str
    clips: int
    made: int
    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    studio_cpu_seconds: float

    @property
    def ideal_seconds(self) -> float:
        """The provider never idle; a last, partly filled wave takes as long as a full one."""
        return -(-self.clips // CONCURRENCY) * LATENCY_SECONDS


def main(arguments: Sequence[str] = ()) -> None:
    """Measure each way at each count (``arguments``, or 10, 100 and 1,000) and print the table."""
    counts = tuple(map(int, arguments)) or COUNTS
    rows = []
    with tempfile.TemporaryDirectory(prefix="aurora-throughput-") as folder:
        for count in counts:
            rows += [_measured(Path(folder), "aurora-pipeline", "measured", count)]
        rows += [_measured(Path(folder), "thread pool of subscribe()", "measured naive", counts[-1])]
        rows += [_measured(Path(folder), "dynamic mapping, one op a clip", "mapped", min(MAPPED, counts[-1]))]
    Console(width=130).print(_table(rows))


def _measured(folder: Path, way: str, kind: str, clips: int) -> Measured:
    """One way, with a studio and a home of its own."""
    sys.stderr.write(f"{way}: {clips} clips\n")
    base = folder / f"{kind.replace(' ', '-')}-{clips}"
    studio = StudioProcess(base / "studio", latency=LATENCY_SECONDS, concurrency=CONCURRENCY)
    try:
        # the portrait was looked at before: once a portrait, not once a clip
        seen = new_home(base / "seen", clips=1)
        _run(Order(seen, studio.url, KEY, base / "worker.log", kind="measured"))
        home = new_home(base / "home", clips=clips, budget_usd=Decimal(10 * clips), like=seen)
        before = _cpu_seconds(studio.pid)
        facts = json.loads(_run(Order(home, studio.url, KEY, base / "worker.log", kind=kind, settings=_fast())))
        return Measured(way, clips, _made(home, kind), **facts, studio_cpu_seconds=_cpu_seconds(studio.pid) - before)
    finally:
        studio.stop()


def _fast() -> dict[str, float]:
    return {"requests_in_flight": CONCURRENCY, "poll_seconds": POLL_SECONDS}


def _run(order: Order) -> bytes:
    """The order done by a new process; what it measured of itself, as JSON."""
    command = [sys.executable, "-m", "aurora_pipeline_tests.benchmarks.one_process"]
    done = subprocess.run(command, input=pickle.dumps(order), cwd=REPOSITORY, stdout=subprocess.PIPE, check=True)
    return done.stdout.splitlines()[-1]


def _made(home: Home, kind: str) -> int:
    if kind == "measured":
        from aurora_pipeline.aurora_videos.ledger import Ledger

        return sum(charge.state == "settled" for charge in Ledger(home.settings().ledger).charges())
    return sum(file.stat().st_size > 0 for file in (home.output / "naive").rglob("*.mp4"))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _table(rows: Sequence[Measured]) -> Table:
    title = f"instant studio: {LATENCY_SECONDS:g} s a request, {CONCURRENCY} at a time"
    table = Table("way", "clips", "made", "wall s", "ideal s", "wall / ideal", "CPU ms a clip", "peak MiB",
                  "studio CPU ms a clip", title=title)  # fmt: skip
    for row in rows:
        table.add_row(
            row.way,
            str(row.clips),
            str(row.made),
            f"{row.wall_seconds:.1f}",
            f"{row.ideal_seconds:.0f}",
            f"{row.wall_seconds / row.ideal_seconds:.2f}",
            f"{1000 * row.cpu_seconds / row.clips:.0f}",
            f"{row.peak_mib:.0f}",
            f"{1000 * row.studio_cpu_seconds / row.clips:.0f}",
        )
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
