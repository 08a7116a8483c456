"""A thousand rows spoken and listened to, killed half way, and gone on with: `... speech_run [ROWS]`.

The real command in a home of its own, with whatever is installed: half of the rows in the neural voice (threads), half
in one that needs a process a core, where that extra is there. What matters is that no clip is made twice, that nothing
of the killed run stays behind, and how much of the machine's cores the run uses.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aurora_pipeline.gear import recognisers, voices
from aurora_pipeline.gear.media_store import sha256_of

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS, KILLED_AT = 1000, 0.4
STAYS_SECONDS = 10  # how long a dead run's children are looked for
THINGS = ("kettle", "shoe", "lamp", "bicycle", "coffee", "umbrella", "piano", "garden", "window", "ticket")


@dataclass(frozen=True)
class Run:
    """One start of the command: wall and CPU seconds (its children's included), and the clips that are there after."""

    wall: float
    cpu: float
    clips: int

    @property
    def cores(self) -> float:
        return self.cpu / self.wall


def main(arguments: Sequence[str]) -> None:
    """Print the table; exits 1 when a clip was made twice, is missing, or a process stayed behind."""
    rows = int(arguments[0]) if arguments else ROWS
    with tempfile.TemporaryDirectory() as folder:
        home = _home(Path(folder), rows)
        killed, left = _run(home, until=round(rows * KILLED_AT))
        before = _sounds(home)
        resumed, _ = _run(home)
        after = _sounds(home)
        again, _ = _run(home)
    changed = sum(after.get(name) != sha256 for name, sha256 in before.items())
    _show(rows, {"killed (kill -9)": killed, "gone on with": resumed, "nothing to do": again})
    Console().print(
        f"{changed} of {len(before)} finished clips changed, {rows - len(after)} missing, {left} processes left behind"
    )
    if changed or left or len(after) != rows:
        sys.exit(1)


def _home(home: Path, rows: int) -> Path:
    for name in ("price_book.csv", "avatars/ana.png"):
        (home / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "data" / name, home / "data" / name)
    campaign = home / "data" / "campaigns" / "big"
    campaign.mkdir(parents=True)
    (campaign / "campaign.yaml").write_text("name: Big\nbudget_usd: 1\ndefaults: {portrait: ana, resolution: 480p}\n")
    second = "pico-en-gb" if voices.is_installed("nanotts") else "low"
    told = [f"c{n:04},Take the {THINGS[n % 10]} to room {n} today.,{('heart', second)[n % 2]}" for n in range(rows)]
    (campaign / "scripts.csv").write_text("\n".join(["clip_id,text,voice", *told]) + "\n")
    return home


def _run(home: Path, *, until: int | None = None) -> tuple[Run, int]:
    """The command to its end, or killed once so many clips are there; and how many of its processes were left."""
    command = [sys.executable, "-m", "aurora_pipeline", "quote", "big"]
    environment = {**os.environ, "AURORA_LISTENER": "auto", "AURORA_PROVIDER": "studio"}
    started, before = time.perf_counter(), _cpu_of_children()
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log, start_new_session=True)
        while process.poll() is None:
            if until is not None and len(_files(home)) >= until:
                process.send_signal(signal.SIGKILL)
            time.sleep(0.2)
    if until is None and process.returncode:
        sys.exit((home / "log").read_text()[-2000:])
    run = Run(time.perf_counter() - started, _cpu_of_children() - before, len(_files(home)))
    return run, _left(process.pid)


def _left(session: int) -> int:
    """Processes of the run's session that are still there after a while."""
    deadline = time.monotonic() + STAYS_SECONDS
    while (found := _of_session(session)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _of_session(session: int) -> int:
    told = subprocess.run(["ps", "-o", "stat=", "-g", str(session)], capture_output=True, text=True, check=False)
    return sum(not line.startswith("Z") for line in told.stdout.split("\n") if line.strip())


def _files(home: Path) -> list[Path]:
    return list((home / "data" / "output" / "tts_audio" / "big").glob("*.wav"))


def _sounds(home: Path) -> dict[str, str]:
    return {file.name: sha256_of(file) for file in _files(home)}


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _show(rows: int, runs: dict[str, Run]) -> None:
    ear = recognisers.offline()
    title = f"{rows} rows, {os.cpu_count()} cores, heard by {ear.name if ear else 'nobody'}"
    table = Table("run", "clips there", "wall s", "CPU s", "cores used", title=title)
    for name, run in runs.items():
        table.add_row(name, str(run.clips), f"{run.wall:.1f}", f"{run.cpu:.1f}", f"{run.cores:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
