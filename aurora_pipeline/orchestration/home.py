"""Settings -> DAGSTER_HOME, ready to start on: where Dagster remembers partitions, runs and schedules.

Without it Dagster keeps everything in a folder that it deletes on exit. Three things are put right before each start:
the configuration is there, the storage has this version's shape, and runs that died with the machine are not shown as
running for ever (Dagster's own monitoring does not notice them: reference/dagster.md 3.2).
"""

import contextlib
import io
import os
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from ..errors import AuroraError
from ..settings import Settings
from .inbox import campaign_folders
from .partitions import registered
from .resources import Aurora

DAGSTER_YAML = """\
telemetry: {enabled: false}
nux: {enabled: false}
concurrency:
  runs:
    max_concurrent_runs: 2
    tag_concurrency_limits: [{key: dagster/backfill, limit: 1}]   # leave a slot for people
  pools: {granularity: op, default_limit: 1}
run_monitoring:
  enabled: true
  poll_interval_seconds: 15
  cancel_timeout_seconds: 60
  max_runtime_seconds: 21600
  free_slots_after_run_end_seconds: 30      # without it a killed run holds its pool slot for ever
# a job opts in by the tag dagster/max_retries
run_retries: {enabled: true, max_retries: 0, retry_on_asset_or_op_failure: false}
retention: {sensor: {purge_after_days: {skipped: 1, success: 7}}, schedule: {purge_after_days: 90}}
"""

WORKSPACE_YAML = """\
load_from:
  - python_module:
      module_name: aurora_pipeline.definitions
      location_name: aurora_pipeline
"""

RUNNING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


def prepare_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME ready and return it, absolute. A dagster.yaml that is there is somebody's, and is kept."""
    home = settings.dagster_home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    (home / "workspace.yaml").write_text(WORKSPACE_YAML, encoding="utf-8")
    _migrate(home)
    return home


def _migrate(home: Path) -> None:
    """`dagster instance migrate`, once for each Dagster version that this home has seen."""
    mark = home / "dagster_version"
    if mark.exists() and mark.read_text(encoding="utf-8").strip() == dg.__version__:
        return
    # Dagster's storage prints to stdout, which is ours for the answer.
    with contextlib.redirect_stdout(io.StringIO()), dg.DagsterInstance.from_config(str(home)) as instance:
        instance.upgrade()
        instance.reindex()
    mark.write_text(f"{dg.__version__}\n", encoding="utf-8")


def reap_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Close the runs whose worker process is gone; returns their ids. What they bought is in the ledger and is kept."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(RUNNING)))
    dead = [record.dagster_run for record in records if not _is_alive(instance, record.dagster_run.run_id)]
    for run in dead:
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "Its process is gone.")
        else:
            instance.report_run_failed(
                run, "Its process is gone (power cut or kill). Run again: finished work is kept."
            )
    return [run.run_id for run in dead]


def _is_alive(instance: dg.DagsterInstance, run_id: str) -> bool:
    worker = _worker_of(instance, run_id)
    if worker is None:
        return False
    pid, seen_at = worker
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # somebody else's process: the number was given out again
    started_at = _process_started_at(pid)
    return started_at is None or started_at <= seen_at + 2


def _worker_of(instance: dg.DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """The run's process id, and when it reported it (seconds since 1970); None when no process ever did."""
    worker = None
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        pid = event.engine_event_data.metadata.get("pid") if event is not None else None
        if isinstance(pid, dg.TextMetadataValue) and pid.text and pid.text.isdecimal():
            worker = (int(pid.text), entry.timestamp)
    return worker


def _process_started_at(pid: int) -> float | None:
    """Seconds since 1970, from Linux's /proc; None elsewhere."""
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return datetime.now(UTC).timestamp() - uptime + ticks / os.sysconf("SC_CLK_TCK")


def register_campaigns(settings: Settings, instance: dg.DagsterInstance, aurora: Aurora | None = None) -> list[str]:
    """Make every valid campaign a partition, so that the first page is not empty; returns those that are new."""
    read, known = (aurora or Aurora()).read_campaign, set(registered(instance))
    new = []
    for name in campaign_folders(settings):
        try:
            read(settings, name)
        except AuroraError:
            continue  # the sensor's tick says what is wrong with it
        if name not in known:
            new.append(name)
    if new:
        instance.add_dynamic_partitions("aurora_campaigns", new)
    return new
