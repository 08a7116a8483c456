"""`aurora up`: a home that lasts, runs that died, a page that answers only to itself, and a real backfill."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
from filelock import FileLock

from aurora_pipeline import pipeline
from aurora_pipeline.errors import BadInput, BadSetting, Problem
from aurora_pipeline.orchestration.home import WORKSPACE_YAML
from aurora_pipeline.orchestration.resources import Aurora
from aurora_pipeline.orchestration.up import environment_of, prepare_home, reap_dead_runs, register_campaigns, up
from aurora_pipeline.orchestration.webserver import is_from_here
from aurora_pipeline.pipeline import Job
from aurora_pipeline.settings import Settings, from_environment

CHECKOUT = Path(__file__).resolve().parent.parent
START_SECONDS = 180
BACKFILL_SECONDS = 420


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return a_home(tmp_path)


def a_home(folder: Path) -> Settings:
    (folder / "data" / "campaigns").mkdir(parents=True)
    return Settings(root=folder, output=folder / "out put", poll_seconds=0.2)


# ---------------------------------------------------------------- the home


def test_a_new_home_is_quiet_and_limits_what_runs_at_once(settings: Settings) -> None:
    home = prepare_home(settings)

    assert (home, home.is_absolute()) == (settings.dagster_home, True)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 2  # type: ignore[union-attr]
        assert instance.run_monitoring_enabled


def test_a_dagster_yaml_that_somebody_edited_is_kept(settings: Settings) -> None:
    edited = "telemetry: {enabled: false}\n# mine\n"
    settings.dagster_home.mkdir(parents=True)
    (settings.dagster_home / "dagster.yaml").write_text(edited)

    prepare_home(settings)
    home = prepare_home(settings)

    assert (home / "dagster.yaml").read_text() == edited
    assert (home / "dagster_version").read_text().strip() == dg.__version__


def test_the_workspace_of_the_home_is_the_workspace_of_the_checkout(settings: Settings) -> None:
    import yaml

    assert yaml.safe_load(WORKSPACE_YAML) == yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())


def test_settings_survive_the_way_through_the_environment(tmp_path: Path) -> None:
    asked = Settings(
        root=tmp_path,
        output=tmp_path / "elsewhere",
        provider="fal",
        ledger_url="postgresql://x/y",
        studio_url="http://127.0.0.1:9",
        tts_engine="pico",
        workers=3,
        requests_in_flight=7,
        poll_seconds=0.25,
    )

    assert from_environment(environment_of(asked), cwd=Path("/")) == asked


def test_valid_campaigns_are_partitions_from_the_first_start(settings: Settings) -> None:
    for name in ("spring", "broken", ".hidden"):
        (settings.campaigns / name).mkdir()

    def read(_settings: Settings, name: str) -> Any:
        if name == "broken":
            raise BadInput([Problem("scripts.csv", 2, "text", "is empty")])

    with dg.DagsterInstance.ephemeral() as instance:
        new = register_campaigns(settings, instance, Aurora(read_campaign=read))
        again = register_campaigns(settings, instance, Aurora(read_campaign=read))

        assert (new, again) == (["spring"], [])
        assert instance.get_dynamic_partitions("aurora_campaigns") == ["spring"]


# ---------------------------------------------------------------- runs that died


def a_run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, pid: int | None) -> str:
    """A run as the storage shows it after a power cut."""
    from dagster._core.events import EngineEventData
    from dagster._core.test_utils import create_run_for_test

    run = create_run_for_test(instance, job_name="run_campaign", status=status)
    if pid is not None:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    return run.run_id


def a_dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED),
    ],
)
def test_a_run_whose_process_is_gone_is_closed(status: dg.DagsterRunStatus, becomes: dg.DagsterRunStatus) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = a_run(instance, status, a_dead_pid())

        assert reap_dead_runs(instance) == [run_id]
        assert instance.get_run_by_id(run_id).status == becomes  # type: ignore[union-attr]


def test_a_run_that_never_had_a_process_is_closed() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run_id = a_run(instance, dg.DagsterRunStatus.STARTED, None)

        assert reap_dead_runs(instance) == [run_id]


def test_a_run_that_is_alive_or_has_not_started_is_left_alone() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        alive = a_run(instance, dg.DagsterRunStatus.STARTED, os.getpid())
        waiting = a_run(instance, dg.DagsterRunStatus.NOT_STARTED, None)

        assert reap_dead_runs(instance) == []
        assert instance.get_run_by_id(alive).status == dg.DagsterRunStatus.STARTED  # type: ignore[union-attr]
        assert instance.get_run_by_id(waiting).status == dg.DagsterRunStatus.NOT_STARTED  # type: ignore[union-attr]


@pytest.mark.skipif(sys.platform != "linux", reason="the start of a process is read from /proc")
def test_a_process_number_that_was_given_out_again_does_not_keep_a_run_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    from aurora_pipeline.orchestration import home

    with dg.DagsterInstance.ephemeral() as instance:
        run_id = a_run(instance, dg.DagsterRunStatus.STARTED, os.getpid())
        monkeypatch.setattr(home, "_process_started_at", lambda _pid: time.time() + 3600)

        assert reap_dead_runs(instance) == [run_id]


def test_the_start_of_a_process_is_known_to_the_second() -> None:
    from aurora_pipeline.orchestration.home import _process_started_at

    before = time.time()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        started_at = _process_started_at(process.pid)
    finally:
        process.kill()
        process.wait()

    assert started_at is None or before - 1 <= started_at <= time.time() + 1


# ---------------------------------------------------------------- who may ask


def asked(method: str = "GET", path: str = "/", kind: str = "http", **headers: str) -> dict[str, Any]:
    named = {"host": "127.0.0.1:3000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return {"type": kind, "method": method, "path": path, "headers": raw}


@pytest.mark.parametrize(
    "scope",
    [
        asked(),
        asked("POST", "/graphql"),  # curl, scripts: no browser, no Origin
        asked("POST", "/graphql", origin="http://127.0.0.1:3000", sec_fetch_site="same-origin"),
        asked("POST", "/graphql", host="localhost:3000", origin="http://localhost:3000"),
        asked("POST", "/graphql", host="[::1]:3000", origin="http://[::1]:3000"),
        asked(sec_fetch_site="cross-site"),  # a link in a mail that opens the page
    ],
)
def test_the_page_answers_to_itself_and_to_programs_here(scope: dict[str, Any]) -> None:
    assert is_from_here(scope)


@pytest.mark.parametrize(
    "scope",
    [
        asked(host="evil.example:3000"),  # DNS rebinding
        asked(host=""),
        asked("POST", "/graphql", origin="https://evil.example"),
        asked("POST", "/graphql", origin="http://127.0.0.1:8080"),  # another program's page on this machine
        asked("POST", "/graphql", origin="null"),
        asked("GET", "/graphql", sec_fetch_site="cross-site"),  # GraphQL runs mutations on GET
        asked("POST", "/report_asset_materialization/x", sec_fetch_site="same-site"),
        {
            key: value
            for key, value in asked(kind="websocket", origin="https://evil.example").items()
            if key != "method"
        },
    ],
)
def test_another_site_cannot_act_here(scope: dict[str, Any]) -> None:
    assert not is_from_here(scope)


# ---------------------------------------------------------------- refusals to start


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_taken_port_is_a_sentence(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(BadSetting, match=f"^Port {port} is taken by another program; choose another with --port.$"):
            up(settings, port=port)


def test_a_second_start_on_one_home_is_refused(settings: Settings) -> None:
    with FileLock(prepare_home(settings) / "up.lock"), pytest.raises(BadSetting, match="already running"):
        up(settings, port=a_free_port())


# ---------------------------------------------------------------- the real thing


@dataclass
class Page:
    """A started `aurora up`, asked over HTTP as a browser would."""

    url: str
    process: subprocess.Popen[str]
    settings: Settings

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        with httpx.Client(trust_env=False, timeout=60) as client:
            answer = client.post(f"{self.url}/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def logs(self) -> str:
        files = sorted((self.settings.dagster_home / "logs").glob("*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)


@contextlib.contextmanager
def started(settings: Settings) -> Iterator[Page]:
    """`up()` in a process of its own, the way the command line calls it."""
    port = a_free_port()
    code = f"import sys; from aurora_pipeline.orchestration.up import up; from aurora_pipeline.settings import " \
           f"from_environment; sys.exit(up(from_environment(), port={port}))"  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | environment_of(settings) | {"FAL_KEY": "fal-sentinel-in-a-real-run"},
        cwd=settings.root,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = first_line(process)
        assert line.startswith(f"Dagster is at http://127.0.0.1:{port} "), line
        yield Page(f"http://127.0.0.1:{port}", process, settings)
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(120)
        process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    """The first thing it prints, within a bounded time."""
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.append(process.stdout.readline()), daemon=True)  # type: ignore[union-attr]
    reader.start()
    reader.join(START_SECONDS + 60)
    return lines[0] if lines else "nothing"


def until(is_so: Callable[[], Any], *, seconds: float) -> Any:
    """What ``is_so`` answers once it is truthy, or its last answer."""
    deadline = time.monotonic() + seconds
    while not (answer := is_so()) and time.monotonic() < deadline:
        time.sleep(1)  # a poll of another process, not a wait for luck
    return answer


LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
    status runs(limit: 10) { id status } } } }"""
LAUNCH_RUN = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
ADD_PARTITION = """mutation($repository: RepositorySelector!, $key: String!) { addDynamicPartition(
    repositorySelector: $repository, partitionsDefName: "aurora_campaigns", partitionKey: $key) {
    __typename ... on PythonError { message } } }"""
SENSORS = """{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } }
    workspaceOrError { ... on Workspace { locationEntries { name loadStatus } } } }"""
REPOSITORY = {"repositoryLocationName": "aurora_pipeline", "repositoryName": "__repository__"}
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
STAGES = ("script_table", "tts_audio", "aurora_videos", "deliverables", "warehouse")


def a_short_campaign(settings: Settings, name: str, text: str) -> None:
    """One clip of about a second at the lowest resolution, with one small rendition."""
    folder = settings.campaigns / name
    folder.mkdir(parents=True)
    portrait = CHECKOUT / "aurora_pipeline" / "studio" / "samples" / "portrait.png"
    shutil.copyfile(portrait, folder / "anna.png")
    shutil.copyfile(CHECKOUT / "data" / "price_book.csv", settings.price_book)
    (folder / "campaign.yaml").write_text(
        f"name: {name}\nbudget_usd: 5\n"
        "defaults: {portrait: anna, voice: heart, resolution: 480p}\n"
        "deliverables: {renditions: [1x1], short_side: 480}\n"
    )
    (folder / "scripts.csv").write_text(f"clip_id,text\nhello,{text}\n")


def launch_backfill(page: Page, *campaigns: str) -> str:
    params = {"assetSelection": [{"path": [stage]} for stage in STAGES], "partitionNames": list(campaigns)}
    answer = page.ask(LAUNCH, params=params)["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


@dataclass(frozen=True)
class Day:
    """One `aurora up` from its start to its Ctrl-C: what the page answered, and what was there before the last run."""

    settings: Settings
    health: dict[str, Any]
    foreign_status: int
    backfilled: dict[str, set[str]]
    charges: list[str]
    stopped_run: str
    stopping_seconds: float
    exit_code: int | None


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Two campaigns are made by a backfill; a third is added in the page, and all is stopped while its video is made.

    One start for every claim below: a page, a daemon and their code servers are half a minute of a machine.
    """
    settings = a_home(tmp_path_factory.mktemp("up"))
    a_short_campaign(settings, "autumn", "Hello.")
    a_short_campaign(settings, "spring", "Good day.")
    with started(settings) as page:
        health = page.ask(SENSORS)
        elsewhere = {"Origin": "https://evil.example"}
        foreign = httpx.post(f"{page.url}/graphql", headers=elsewhere, json={"query": "{version}"})
        backfill = launch_backfill(page, "autumn", "spring")
        states = until(lambda: ended_runs(page, backfill, count=2), seconds=BACKFILL_SECONDS)
        assert states == ["SUCCESS", "SUCCESS"], f"{why_not(settings)}\n{page.logs()}"
        backfilled, charges = materialized_partitions(settings), charges_of(settings, "autumn", "spring")

        a_short_campaign(settings, "winter", "This clip is long enough to be caught while it is being made. " * 5)
        add_partition(page, "winter")
        run_id = launch_run(page, "winter")
        assert until(lambda: charges_of(settings, "winter") == ["accepted"], seconds=120), why_not(settings)
        stopped_at = time.monotonic()
    took = time.monotonic() - stopped_at
    return Day(settings, health, foreign.status_code, backfilled, charges, run_id, took, page.process.returncode)


def add_partition(page: Page, campaign: str) -> None:
    answer = page.ask(ADD_PARTITION, repository=REPOSITORY, key=campaign)["addDynamicPartition"]
    assert answer["__typename"] == "AddDynamicPartitionSuccess", answer


def ended_runs(page: Page, backfill: str, *, count: int) -> list[str] | None:
    """How the backfill's runs ended; None while there are fewer or one goes on."""
    runs = page.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]["runs"]
    states = [run["status"] for run in runs]
    return states if len(states) == count and set(states) <= set(ENDED) else None


def test_the_page_has_loaded_the_code_and_refuses_another_site(day: Day) -> None:
    assert day.health["workspaceOrError"]["locationEntries"] == [{"name": "aurora_pipeline", "loadStatus": "LOADED"}]
    assert day.foreign_status == 403


def test_a_backfill_of_two_campaigns_makes_both_and_pays_for_nothing_twice(day: Day) -> None:
    assert day.backfilled == {stage: {"autumn", "spring"} for stage in STAGES}
    assert day.charges == ["settled", "settled"]
    assert charges_of(day.settings, "autumn", "spring") == ["settled", "settled"]
    assert (day.settings.output / "warehouse.duckdb").is_file()


def test_a_key_of_the_environment_is_in_no_file_that_a_day_leaves(day: Day) -> None:
    assert everything_written(day.settings).count("fal-sentinel") == 0


def test_stopping_while_a_video_is_made_ends_in_seconds_and_the_next_run_finishes_the_same_purchase(day: Day) -> None:
    assert day.exit_code == 0
    assert day.stopping_seconds < 60
    assert run_status(day.settings, day.stopped_run) == dg.DagsterRunStatus.CANCELED
    assert charges_of(day.settings, "winter") == ["accepted"]

    finished = pipeline.aurora_videos(Job(day.settings, "winter", "again"))

    assert (len(finished.rows), finished.failures) == (1, ())
    assert charges_of(day.settings, "winter") == ["settled"]


def launch_run(page: Page, campaign: str) -> str:
    job = REPOSITORY | {"jobName": "run_campaign"}
    tags = [{"key": "dagster/partition", "value": campaign}]
    answer = page.ask(LAUNCH_RUN, params={"selector": job, "mode": "default", "executionMetadata": {"tags": tags}})
    assert answer["launchRun"]["__typename"] == "LaunchRunSuccess", answer
    return str(answer["launchRun"]["run"]["runId"])


def run_status(settings: Settings, run_id: str) -> dg.DagsterRunStatus:
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def materialized_partitions(settings: Settings) -> dict[str, set[str]]:
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        return {stage: set(instance.get_materialized_partitions(dg.AssetKey(stage))) for stage in STAGES}


def charges_of(settings: Settings, *campaigns: str) -> list[str]:
    """States of every charge the ledger holds; the sensor and the backfill asked for the same clips."""
    from aurora_pipeline.aurora_videos.ledger import open_ledger

    ledger = open_ledger(settings.ledger)
    return [charge.state for name in campaigns for charge in ledger.charges(campaign=name)]


def why_not(settings: Settings) -> str:
    """What the failed runs said, for whoever reads a red test."""
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        events = [entry.dagster_event for run in runs for entry in instance.all_logs(run.run_id)]
        return "\n".join(event.step_failure_data.error.message for event in events
                         if event and event.is_step_failure and event.step_failure_data.error)  # fmt: skip


def everything_written(settings: Settings) -> str:
    """Databases, logs and tables of the whole output folder, as text."""
    files = [file for file in settings.output.rglob("*") if file.is_file() and not file.is_symlink()]
    return "".join(file.read_bytes().decode("latin-1") for file in files)
