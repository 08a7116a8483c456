"""One campaign, measured stage by stage: CPU seconds (ours and our children's) per second of finished video.

Wall times on a shared machine mean little; CPU seconds and their ratios can be compared. Each stage is run twice, so
that the second column shows what a run costs when there is nothing to do. `throughput`, `seconds`, `speech_engines` or
`speech_run` as an argument runs that benchmark of this folder instead.
"""

from __future__ import annotations

import importlib
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aurora_pipeline import pipeline
from aurora_pipeline.pipeline import Job
from aurora_pipeline.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
STAGES: tuple[Callable[[Job], object], ...] = (
    pipeline.script_table,
    pipeline.tts_audio,
    pipeline.aurora_videos,
    pipeline.deliverables,
    pipeline.warehouse,
)


def main() -> None:
    """Run the sample campaign twice in a temporary folder and print CPU and wall seconds per stage."""
    with tempfile.TemporaryDirectory() as home:
        shutil.copytree(REPOSITORY / "data", Path(home) / "data", ignore=shutil.ignore_patterns("output"))
        job = Job(Settings(root=Path(home), output=Path(home) / "output"), "demo", run_id="benchmark")
        table = Table("stage", "CPU s", "CPU s per clip s", "wall s", "CPU s, nothing to do", title="aurora demo")
        first = [_measured(stage, job) for stage in STAGES]
        second = [_measured(stage, job) for stage in STAGES]
        seconds = sum(row.seconds for row in pipeline.read_rows(job.settings, "aurora_videos", "demo", pipeline.Video))
    for stage, (cpu, wall), (again, _wall) in zip(STAGES, first, second, strict=True):
        table.add_row(stage.__name__, f"{cpu:.2f}", f"{cpu / seconds:.2f}", f"{wall:.1f}", f"{again:.2f}")
    total = sum(cpu for cpu, _wall in first)
    table.add_row("all", f"{total:.2f}", f"{total / seconds:.2f}", f"{sum(wall for _cpu, wall in first):.1f}", "")
    Console().print(table)


def _measured(stage: Callable[[Job], object], job: Job) -> tuple[float, float]:
    before, started = _cpu_seconds(), time.perf_counter()
    stage(job)
    return _cpu_seconds() - before, time.perf_counter() - started


def _cpu_seconds() -> float:
    # The studio and its renderers are our children once they have ended, which they do when their lease does.
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    if sys.argv[1:]:
        name, *arguments = sys.argv[1:]
        importlib.import_module(f".{name}", __package__).main(arguments)
    else:
        main()
