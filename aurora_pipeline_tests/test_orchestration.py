"""Dagster's door: what loads, what runs, what is refused, and what a page shows. The stages here are cheap ones."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from aurora_pipeline.aurora_videos import Charge, Video, approvals
from aurora_pipeline.aurora_videos.ledger import Bill, Plan, open_ledger
from aurora_pipeline.aurora_videos.quoted import Quote, QuotedClip
from aurora_pipeline.aurora_videos.request import AuroraRequest, SentImage
from aurora_pipeline.aurora_videos.speech_quote import SpeechQuote
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.aurora_videos.waivers import waive
from aurora_pipeline.definitions import build_defs
from aurora_pipeline.deliverables import Deliverable, Delivered, Quality
from aurora_pipeline.errors import (
    AuroraError,
    BadInput,
    BadSetting,
    Interrupted,
    Problem,
    SpendRefused,
    WarehouseFailed,
)
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.orchestration.contact_sheet import BYTES_AT_MOST, contact_sheet
from aurora_pipeline.orchestration.inbox import _is_settled, campaign_inbox
from aurora_pipeline.orchestration.nightly import nightly_campaigns
from aurora_pipeline.orchestration.progress import DagsterProgress
from aurora_pipeline.orchestration.refusals import failure_of as failure_from
from aurora_pipeline.orchestration.resources import Aurora
from aurora_pipeline.parallel import for_each
from aurora_pipeline.pipeline import QUALITY, Job, Published
from aurora_pipeline.price_book import Price
from aurora_pipeline.said import dollars
from aurora_pipeline.script_table import Campaign, DeliverySettings, Script
from aurora_pipeline.settings import Settings
from aurora_pipeline.stage_tables import Failure, StageTable, read_rows, write_rows, write_table
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline.tts_audio.records import Finding

CHECKOUT = Path(__file__).resolve().parent.parent
STAGES = ("script_table", "tts_audio", "aurora_videos", "deliverables", "warehouse")
RATE = Decimal("0.14")
PRICE = Price("fal-ai/creatify/aurora", "480p", RATE, date(2026, 1, 1), date(2027, 1, 1), "page")
SECRET = "fal-sentinel-0f9e8d7c6b5a"


# ---------------------------------------------------------------- the cheap stages


def a_clip(speech: Speech, standing: str) -> QuotedClip:
    """Two seconds to buy, three at most: every clip may cost $0.28, and $0.42 is reserved for it."""
    script = a_script(speech.campaign, speech.clip_id, speech.text, 2)
    request = AuroraRequest(script, replace(speech, seconds=1.6), SentImage(b"png", ".png", "i" * 64))
    return QuotedClip(request, PRICE, None, standing)


def a_script(campaign: str, clip_id: str, text: str, line: int) -> Script:
    return Script(campaign, clip_id, text, "anna.png", "p", "anna", "en", "480p", None, Decimal(1), Decimal(2), line)


@dataclass
class CheapStages:
    """Five stages that write real tables and tiny media. ``fails`` says which clips fail at which stage."""

    fails: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_usd: Decimal | None = None
    verdict: str = "pass"
    loudness_lufs: float = -14.1
    heard: tuple[Finding, ...] = ()
    overbilled: Decimal = Decimal(0)
    raises: dict[str, BaseException] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    true_peak_dbtp: float = -1.6
    quotes: list[Any] = field(default_factory=list)
    approved: list[Any] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    said_yes: tuple[str, ...] = ()
    approval: str = "no"
    charges: dict[str, Charge] = field(default_factory=dict)

    def _begin(self, job: Job, stage: str) -> list[Script]:
        self.ran.append(stage)
        if stage in self.raises:
            raise self.raises[stage]
        scripts = read_campaign(job.settings, job.campaign).scripts
        return [script for script in scripts if script.clip_id not in self.fails.get(stage, ())]

    def _table(self, job: Job, stage: str, kind: type, rows: list[Any]) -> StageTable[Any]:
        failed = [Failure(job.campaign, clip, stage, f"{clip} was unlucky.") for clip in self.fails.get(stage, ())]
        table = StageTable(tuple(rows), tuple(failed), made=len(rows))
        write_table(job.settings, stage, job.campaign, kind, table)
        job.progress.advance(stage, len(rows), len(rows))
        return table

    def script_table(self, job: Job) -> Campaign:
        self._begin(job, "script_table")
        campaign = read_campaign(job.settings, job.campaign)
        write_table(job.settings, "script_table", job.campaign, Script, StageTable(campaign.scripts))
        return campaign

    def quote_speech(self, job: Job) -> SpeechQuote:
        return SpeechQuote(job.campaign, job.settings.provider, (), {})

    def tts_audio(self, job: Job, *, approved: SpeechQuote | None = None) -> StageTable[Speech]:
        scripts = self._begin(job, "tts_audio")
        store = MediaStore(job.settings.media)
        rows = [a_speech(script, a_wav(store, script.clip_id), self.heard) for script in scripts]
        return self._table(job, "tts_audio", Speech, rows)

    def quote_campaign(self, job: Job) -> Any:
        speeches = read_rows(job.settings, "tts_audio", job.campaign, Speech)
        waits = job.needs_approval or self.approval == "required"
        clips = tuple(
            a_clip(speech, "not approved" if waits and speech.clip_id not in self.said_yes else "new")
            for speech in speeches
        )
        clips = tuple(
            replace(clip, standing="under way", charge=self.charges[clip.clip_id])
            if clip.clip_id in self.charges
            else clip
            for clip in clips
        )
        left = {} if self.left_usd is None else {"campaign": self.left_usd}
        if job.settings.provider == "fal" and job.settings.max_usd_per_run is not None:
            left["run"] = job.settings.max_usd_per_run
        self.quotes.append(Quote(job.campaign, job.settings.provider, clips, left))
        return self.quotes[-1]

    def aurora_videos(self, job: Job, *, approved: Any = None) -> StageTable[Video]:
        self._begin(job, "aurora_videos")
        self.approved.append(approved)
        self.jobs.append(job)
        is_draft, speeches = (
            job.settings.provider == "studio",
            read_rows(job.settings, "tts_audio", job.campaign, Speech),
        )
        held = tuple(clip.clip_id for clip in approved.held) if approved is not None else ()
        self.fails = (
            self.fails | {"aurora_videos": (*self.fails.get("aurora_videos", ()), *held)} if held else self.fails
        )
        spoken = [row for row in speeches if row.clip_id not in self.fails.get("aurora_videos", ())]
        rows = [a_video(row, is_draft=is_draft, usd=2 * RATE + self.overbilled) for row in spoken]
        return self._table(job, "aurora_videos", Video, rows)

    def deliverables(self, job: Job) -> Delivered:
        self._begin(job, "deliverables")
        videos = read_rows(job.settings, "aurora_videos", job.campaign, Video)
        good = [video for video in videos if video.clip_id not in self.fails.get("deliverables", ())]
        rows = [a_deliverable(job, video, rendition, self.loudness_lufs, self.true_peak_dbtp)
                for video in good for rendition in ("master", "9x16", "poster")]  # fmt: skip
        quality = StageTable(tuple(a_quality(video, self.verdict) for video in good))
        write_rows(job.settings, QUALITY, job.campaign, Quality, quality.rows)
        return Delivered(self._table(job, "deliverables", Deliverable, rows), quality)

    def warehouse(self, job: Job) -> Published:
        self._begin(job, "warehouse")
        report = job.settings.stage_folder("warehouse") / f"{job.campaign}.html"
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text("report")
        return Published(job.settings.warehouse, report, job.campaign)


def a_wav(store: MediaStore, clip_id: str) -> str:
    """A second and a half of a square wave; every clip's is different."""
    pitch = 40 + int(hashlib.sha256(clip_id.encode()).hexdigest()[:2], 16)
    level = 9830
    samples = [level if (index // pitch) % 2 else -level for index in range(24_000)]
    with store.workshop() as bench:
        with wave.open(str(bench / "speech.wav"), "wb") as wav:
            wav.setparams((1, 2, 16_000, 0, "NONE", ""))
            wav.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
        return store.put(bench / "speech.wav")


def a_speech(script: Script, sha256: str, heard: tuple[Finding, ...] = ()) -> Speech:
    speech = Speech(
        script.campaign, script.clip_id, sha256, 1.5, 16_000, "cheap", "1", "anna", "en", script.text, "engine", ()
    )
    return replace(speech, findings=heard, verdict=heard[0].verdict if heard else "pass", recogniser="ear 1")


def a_video(speech: Speech, *, is_draft: bool, usd: Decimal) -> Video:
    provider = "studio" if is_draft else "fal"
    return Video(speech.campaign, speech.clip_id, provider, is_draft, "aurora", f"fp-{speech.sha256}", "c1", "r1",
                 f"v-{speech.sha256}", speech.sha256, "p", "480p", 480, 480, 25, 1.5, 2, RATE, usd, False)  # fmt: skip


def a_deliverable(job: Job, video: Video, rendition: str, loudness: float, peak: float) -> Deliverable:
    from PIL import Image

    is_poster = rendition == "poster"
    file = (
        job.settings.stage_folder("deliverables")
        / job.campaign
        / f"{video.clip_id}.{'jpg' if is_poster else rendition}"
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    if is_poster:
        Image.effect_noise((640, 640), 90).convert("RGB").save(file, "JPEG")
    sound = (None, None, None, None) if is_poster else ("h264", "aac", loudness, peak)
    return Deliverable(job.campaign, video.clip_id, rendition, video.is_draft, f"d-{video.clip_id}-{rendition}",
                       job.settings.inside_output(file), 1000, 640, 640, 25.0, 1.5, *sound, video.sha256)  # fmt: skip


def a_quality(video: Video, verdict: str) -> Quality:
    reasons = "" if verdict == "pass" else "the mouth does not move"
    return Quality(video.campaign, video.clip_id, verdict, reasons, 1.5, 1.5, 1.5, 0, 0, 0, 480, 480, 25.0, "h264",
                   -14.0, -1.6, 0.5, video.sha256)  # fmt: skip


def read_campaign(settings: Settings, name: str) -> Campaign:
    file = settings.campaigns / name / "scripts.csv"
    with file.open(encoding="utf-8") as lines:
        cells = list(csv.reader(lines))
    problems = [Problem(f"data/campaigns/{name}/scripts.csv", line, "text", "is empty; write what is to be said")
                for line, (_clip, text) in enumerate(cells, 2) if not text]  # fmt: skip
    if problems:
        raise BadInput(problems)
    scripts = [a_script(name, clip, text, line) for line, (clip, text) in enumerate(cells, 2)]
    delivery = DeliverySettings(renditions=("9x16",))
    return Campaign(
        name, name.title(), Decimal("1.00"), file.parent, delivery, tuple(scripts), campaign_sha256(settings, name)
    )


def campaign_sha256(settings: Settings, name: str) -> str:
    return hashlib.sha256((settings.campaigns / name / "scripts.csv").read_bytes()).hexdigest()


@dataclass
class World:
    """One folder, one Dagster instance, one code location."""

    settings: Settings
    stages: CheapStages
    instance: dg.DagsterInstance
    true_peak_dbtp: Decimal = Decimal("-1.5")

    @property
    def overrides(self) -> dict[str, Any]:
        return {"stages": self.stages, "read_settings": lambda: self.settings, "read_campaign": self.read_campaign,
                "campaign_sha256": campaign_sha256}  # fmt: skip

    def read_campaign(self, settings: Settings, name: str) -> Campaign:
        campaign = read_campaign(settings, name)
        delivery = replace(campaign.delivery, true_peak_dbtp=self.true_peak_dbtp)
        return replace(campaign, delivery=delivery, approval=self.stages.approval)

    @property
    def aurora(self) -> Aurora:
        return Aurora(**self.overrides)

    def add_campaign(self, name: str, text: str = "Hello there.", *, clips: int = 2, age: float = 60) -> None:
        folder = self.settings.campaigns / name
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"clip-{number:02d},{text}\n" for number in range(1, clips + 1)]
        (folder / "scripts.csv").write_text("".join(lines), encoding="utf-8")
        os.utime(folder / "scripts.csv", (time.time() - age, time.time() - age))

    def run(self, job: str = "run_campaign", campaign: str = "spring", **config: Any) -> dg.ExecuteInProcessResult:
        self.instance.add_dynamic_partitions("aurora_campaigns", [campaign])
        run_config = {"ops": {"aurora_videos": {"config": config}}} if config else None
        return (
            build_defs(**self.overrides)
            .resolve_job_def(job)
            .execute_in_process(
                partition_key=campaign, instance=self.instance, raise_on_error=False, run_config=run_config
            )
        )

    def status(self, asset: str, campaign: str = "spring") -> str:
        from aurora_pipeline.orchestration.partitions import campaigns

        found = self.instance.get_status_by_partition(dg.AssetKey(asset), [campaign], campaigns)
        status = (found or {}).get(campaign)
        return status.name if status else "MISSING"

    def tick(self, cursor: str | None = None) -> dg.SensorResult:
        repository = build_defs(**self.overrides).get_repository_def()
        with dg.build_sensor_context(self.instance, cursor, repository_def=repository) as context:
            result = campaign_inbox(context, aurora=self.aurora)
        assert isinstance(result, dg.SensorResult)
        return result


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = Settings(root=tmp_path, output=tmp_path / "data" / "output")
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(settings, CheapStages(), instance)
        world.add_campaign("spring")
        yield world


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    found = [
        event.event_specific_data for event in result.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    return {check.check_name: check for check in found}  # type: ignore[union-attr]


def recorded_check(world: World, asset: str, check: str) -> dg.AssetCheckEvaluation:
    """What the asset's page shows of a check: also when the step failed before the check could run."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    record = world.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    evaluation = record.evaluation
    assert evaluation is not None
    return evaluation


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    found = [event.materialization for event in result.all_events if event.is_step_materialization]
    return {event.asset_key.to_user_string(): event for event in found}


def failure_of(result: dg.ExecuteInProcessResult, step: str) -> Any:
    return next(event.step_failure_data for event in result.all_events
                if event.is_step_failure and event.step_key == step).user_failure_data  # fmt: skip


# ---------------------------------------------------------------- what loads


def test_the_five_stages_are_the_assets_and_their_groups() -> None:
    specs = {spec.key.to_user_string(): spec for spec in build_defs().resolve_all_asset_specs()}
    assert specs.pop("bill_reconciliation").group_name == "aurora_videos"  # looks after the stage that spends

    assert set(specs) == set(STAGES)
    assert {name: spec.group_name for name, spec in specs.items()} == {name: name for name in STAGES}
    chain = {name: [dep.asset_key.to_user_string() for dep in spec.deps] for name, spec in specs.items()}
    assert chain == dict(zip(STAGES, [[], *([name] for name in STAGES[:-1])], strict=True))
    assert {name: spec.kinds for name, spec in specs.items()} == {
        "script_table": {"csv"}, "tts_audio": {"hibari", "audio"}, "aurora_videos": {"fal", "mp4"},
        "deliverables": {"ffmpeg"}, "warehouse": {"duckdb"}}  # fmt: skip
    assert all(spec.owners == ["team:aurora"] and spec.code_version == "1" for spec in specs.values())
    assert all(spec.partitions_def.name == "aurora_campaigns" for spec in specs.values())  # type: ignore[union-attr]
    assert all(
        spec.description.endswith((".", "again.")) and "\n\n\n" not in spec.description for spec in specs.values()
    )


def test_only_the_stages_that_share_a_scarce_thing_wait_for_a_pool() -> None:
    assets = build_defs().resolve_asset_graph().asset_nodes

    assert {node.key.to_user_string(): set(node.pools or ()) for node in assets if node.pools} == {
        "aurora_videos": {"fal"}, "deliverables": {"ffmpeg"}}  # fmt: skip


def test_every_check_is_per_campaign_and_the_gates_block() -> None:
    specs = [spec for checks in build_defs().asset_checks or () for spec in checks.check_specs]  # type: ignore[union-attr]

    assert {(spec.asset_key.to_user_string(), spec.name, spec.blocking) for spec in specs} == {
        ("script_table", "scripts_valid", True), ("tts_audio", "speech_audible", False),
        ("tts_audio", "within_budget", True), ("aurora_videos", "all_videos_made", False),
        ("aurora_videos", "bill_matches_quote", False), ("deliverables", "deliverables_complete", False),
        ("deliverables", "quality_verdicts", False), ("deliverables", "loudness_on_target", False)}  # fmt: skip
    assert all(spec.partitions_def is not None and spec.description for spec in specs)


def test_the_free_job_cannot_reach_the_stage_that_spends() -> None:
    defs = build_defs()

    def assets_of(job: str) -> set[str]:
        return {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys}

    assert assets_of("prepare_campaign") == {"script_table", "tts_audio"}
    assert assets_of("run_campaign") == set(STAGES)


def test_stage_tables_show_their_columns_with_their_types() -> None:
    spec = next(spec for spec in build_defs().resolve_all_asset_specs() if spec.key.to_user_string() == "aurora_videos")

    columns = {column.name: column.type for column in spec.metadata["dagster/column_schema"].columns}

    assert (columns["clip_id"], columns["usd"], columns["seconds"], columns["is_draft"]) == (
        "string",
        "decimal",
        "float",
        "bool",
    )


def test_loading_reads_no_environment_and_warns_of_nothing() -> None:
    code = "import aurora_pipeline.definitions as d, dagster as dg; dg.Definitions.validate_loadable(d.build_defs())"
    environment = os.environ | {"AURORA_PROVIDER": "nonsense", "AURORA_WORKERS": "none"}

    command = [sys.executable, "-W", "always", "-c", code]
    loaded = subprocess.run(command, env=environment, cwd="/", timeout=120, capture_output=True, text=True, check=False)

    assert loaded.returncode == 0, loaded.stderr
    assert "aurora_pipeline" not in loaded.stderr
    assert "PreviewWarning" not in loaded.stderr
    assert "BetaWarning" not in loaded.stderr


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (["dagster", "definitions", "validate", "-w", "workspace.yaml"], "code location aurora_pipeline"),
        (["dg", "check", "defs"], "All definitions loaded successfully"),
    ],
    ids=["dagster", "dg"],
)
def test_both_doors_of_dagster_load_without_a_warning(command: list[str], answer: str) -> None:
    program = str(Path(sys.executable).parent / command[0])
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}

    said = subprocess.run([program, *command[1:]], cwd=CHECKOUT, env=environment, timeout=240, capture_output=True,
                          text=True, check=False)  # fmt: skip

    everything = said.stdout + said.stderr
    assert said.returncode == 0, everything
    assert answer in everything
    assert "BetaWarning" not in everything
    assert "PreviewWarning" not in everything


def test_dg_and_the_workspace_give_the_location_one_name() -> None:
    import tomllib

    import yaml

    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    module = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())["load_from"][0]["python_module"]

    assert module == {
        "module_name": project["code_location_target_module"],
        "location_name": project["code_location_name"],
    }


# ---------------------------------------------------------------- a run


def test_a_whole_campaign_materializes_with_every_check_green(world: World) -> None:
    result = world.run()

    assert result.success
    assert list(materialized(result)) == list(STAGES)
    assert {name: check.passed for name, check in checks_of(result).items()} == dict.fromkeys(checks_of(result), True)
    assert len(checks_of(result)) == 8
    assert {check.partition for check in checks_of(result).values()} == {"spring"}
    assert all(check.description for check in checks_of(result).values())


def test_a_materialization_says_how_many_how_long_and_how_much(world: World) -> None:
    facts = materialized(world.run())["aurora_videos"].metadata

    assert (facts["clips"].value, facts["made"].value, facts["kept"].value, facts["failed"].value) == (2, 2, 0, 0)
    assert (facts["seconds"].value, facts["billed_seconds"].value, facts["drafts"].value) == (3.0, 4, 2)
    assert (facts["usd_paid"].value, facts["usd_drafts_would_cost"].value) == (0.0, 0.56)
    assert facts["usd_drafts_would_cost_exact"].value == "0.56"
    assert facts["bill"].value == "$0.00 paid; the drafts would have cost $0.56."
    assert [record.data["clip_id"] for record in facts["preview"].records] == ["clip-01", "clip-02"]


def test_no_preview_is_longer_than_twenty_rows(world: World) -> None:
    world.add_campaign("spring", clips=45)

    facts = materialized(world.run("prepare_campaign"))["tts_audio"].metadata

    assert facts["clips"].value == 45
    assert len(facts["preview"].records) == 20


def test_nothing_a_page_shows_names_a_folder_of_this_machine(world: World) -> None:
    result = world.run()

    shown = [value for event in materialized(result).values() for value in event.metadata.values()]
    shown += [value for check in checks_of(result).values() for value in check.metadata.values()]
    assert str(world.settings.root) not in repr(shown)
    warehouse = materialized(result)["warehouse"].metadata
    assert (warehouse["warehouse"].value, warehouse["report"].value) == ("warehouse.duckdb", "warehouse/spring.html")


def test_the_contact_sheet_is_a_small_picture_inside_the_page(world: World) -> None:
    world.add_campaign("spring", clips=30)

    sheet = materialized(world.run())["deliverables"].metadata["contact_sheet"].value

    assert sheet.startswith("![contact sheet](data:image/jpeg;base64,/9j/")
    assert len(sheet) <= BYTES_AT_MOST + 500
    assert sheet.endswith("clip-24 and 6 more")


def test_there_is_no_contact_sheet_without_posters(world: World) -> None:
    assert contact_sheet(world.settings, []) is None


def test_the_same_work_keeps_its_data_version(world: World) -> None:
    def versions() -> dict[str, str]:
        return {name: event.tags["dagster/data_version"] for name, event in materialized(world.run()).items()}

    first, second = versions(), versions()
    world.add_campaign("spring", "Something else.", clips=3)

    assert first == second
    assert all(first[stage] != version for stage, version in versions().items())


# ---------------------------------------------------------------- what fails


def test_a_clip_that_fails_turns_a_check_red_and_its_neighbours_go_on(world: World) -> None:
    world.stages.fails = {"aurora_videos": ("clip-02",)}

    result = world.run()

    assert result.success
    red = checks_of(result)["all_videos_made"]
    assert (red.passed, red.description) == (False, "clip-02 clip-02 was unlucky.")
    assert [record.data for record in red.metadata["clips"].records] == [
        {"clip_id": "clip-02", "sentence": "clip-02 was unlucky."}]  # fmt: skip
    assert materialized(result)["aurora_videos"].metadata["failed"].value == 1
    assert world.status("deliverables") == "MATERIALIZED"


def test_a_script_that_could_not_be_spoken_is_missed_by_name_downstream(world: World) -> None:
    world.stages.fails = {"tts_audio": ("clip-01",)}

    checks = checks_of(world.run())

    assert not checks["speech_audible"].passed
    assert checks["all_videos_made"].description == "clip-01 clip-01 was unlucky."


@pytest.mark.parametrize(
    ("stage", "check"),
    [("tts_audio", "speech_audible"), ("aurora_videos", "all_videos_made"), ("deliverables", "deliverables_complete")],
)
def test_a_stage_that_no_clip_passes_is_failed_not_empty(world: World, stage: str, check: str) -> None:
    world.stages.fails = {stage: ("clip-01", "clip-02")}

    result = world.run()

    assert not result.success
    assert world.status(stage) == "FAILED"
    assert stage not in materialized(result)
    told = failure_of(result, stage)
    assert told.description.startswith(f"No clip passed {stage}: 2 failed. clip-01: clip-01 was unlucky.")
    assert recorded_check(world, stage, check).passed is False
    assert world.stages.ran[-1] == "warehouse"  # which is told why, though the run ends here


def test_a_warehouse_that_cannot_be_told_does_not_hide_why_every_clip_failed(world: World) -> None:
    world.stages.fails = {"aurora_videos": ("clip-01", "clip-02")}
    world.stages.raises = {"warehouse": WarehouseFailed("The warehouse is busy.")}

    result = world.run()

    assert failure_of(result, "aurora_videos").description.startswith("No clip passed aurora_videos: 2 failed.")
    logged = [entry.user_message for entry in world.instance.all_logs(result.run_id)]
    assert "The warehouse could not be told of it: The warehouse is busy." in logged


def test_a_stage_run_alone_too_early_says_what_to_materialize_first(world: World) -> None:
    world.instance.add_dynamic_partitions("aurora_campaigns", ["spring"])
    defs = build_defs(**world.overrides)

    result = defs.resolve_job_def("run_campaign").execute_in_process(
        partition_key="spring",
        instance=world.instance,
        raise_on_error=False,
        asset_selection=[dg.AssetKey("aurora_videos")],
    )

    told = failure_of(result, "aurora_videos").description
    assert told == "aurora_videos has nothing to work on yet; materialize tts_audio first. Nothing was spent."
    assert "warehouse" not in world.stages.ran


def test_mistakes_in_the_files_are_told_in_sentences_and_a_table(world: World) -> None:
    world.add_campaign("spring", text="")

    result = world.run()

    told = failure_of(result, "script_table")
    assert told.description == (
        "data/campaigns/spring/scripts.csv has 2 problems:\n"
        "    line 2, text: is empty; write what is to be said\n"
        "    line 3, text: is empty; write what is to be said\n"
        "  Mend this and run again. Nothing was spent."
    )
    assert [record.data["line"] for record in told.metadata["problems"].records] == [2, 3]
    assert world.status("script_table") == "FAILED"
    red = recorded_check(world, "script_table", "scripts_valid")
    assert (red.passed, red.partition, red.description) == (False, "spring", told.description)


@pytest.mark.parametrize(
    "error",
    [SpendRefused("No. Nothing was spent."), Interrupted("Stopped. Run again to go on."), BadSetting("X is 'y'.")],
)
def test_a_refusal_is_told_in_its_own_words_and_not_retried(world: World, error: AuroraError) -> None:
    world.stages.raises = {"aurora_videos": error}

    told = failure_of(world.run(), "aurora_videos")

    assert told.description == str(error)
    assert not failure_from(error).allow_retries


def test_an_error_nobody_foresaw_keeps_its_stack_trace(world: World) -> None:
    world.stages.raises = {"warehouse": ZeroDivisionError("division by zero")}

    result = world.run()

    failed = next(event.step_failure_data for event in result.all_events if event.is_step_failure)
    assert failed.user_failure_data is None
    assert "ZeroDivisionError" in failed.error.to_string()


def test_a_key_never_reaches_a_page_a_log_or_the_run_database(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAL_KEY", SECRET)
    leaky = f"401 for Key {SECRET} at https://s3.example/x?X-Amz-Signature=abc{SECRET}"
    world.stages.raises = {"aurora_videos": RuntimeError(leaky), "warehouse": SpendRefused(leaky)}

    first = world.run()
    world.stages.raises.pop("aurora_videos")
    second = world.run()

    told = failure_of(first, "aurora_videos").description
    assert told == "RuntimeError: 401 for Key *** at https://s3.example/x"
    events = [repr(entry) for result in (first, second) for entry in world.instance.all_logs(result.run_id)]
    assert len(events) > 40
    assert SECRET not in "".join(events)
    assert SECRET not in "".join(capfd.readouterr())


# ---------------------------------------------------------------- the gates before money


def for_fal(world: World, *, left: str, **settings: Any) -> None:
    """Provider fal, a cap that a person set (unless given otherwise), and so much of the budget left."""
    settings = {"max_usd_per_day": Decimal(1000)} | settings
    world.settings = replace(world.settings, provider="fal", fal_key_is_set=True, **settings)
    world.stages.left_usd = Decimal(left)


def without_a_cap(world: World) -> None:
    for_fal(world, left="100", max_usd_per_day=None)


def test_a_campaign_over_its_budget_stops_before_the_stage_that_spends(world: World) -> None:
    for_fal(world, left="0.83")

    result = world.run()

    assert not result.success
    assert "aurora_videos" not in world.stages.ran
    assert checks_of(result)["within_budget"].description == (
        "spring: 2 clips to buy may cost up to $0.84, but $0.83 of the campaign's budget is left. "
        "Raise budget_usd in campaign.yaml, or take rows out. Nothing was spent."
    )


def only_videos(world: World, **config: Any) -> dg.ExecuteInProcessResult:
    return (
        build_defs(**world.overrides)
        .resolve_job_def("run_campaign")
        .execute_in_process(
            partition_key="spring",
            instance=world.instance,
            raise_on_error=False,
            asset_selection=[dg.AssetKey("aurora_videos")],
            run_config={"ops": {"aurora_videos": {"config": config}}} if config else None,
        )
    )


def test_the_gate_also_stands_inside_the_stage_since_a_check_does_not_stop_the_next_run(world: World) -> None:
    world.run("prepare_campaign")
    for_fal(world, left="0.55")

    result = only_videos(world)

    assert "aurora_videos" not in world.stages.ran
    assert "$0.55 of the campaign's budget is left" in failure_of(result, "aurora_videos").description


def test_a_worst_case_that_just_fits_is_bought(world: World) -> None:
    for_fal(world, left="0.84")

    result = world.run()

    assert result.success
    facts = materialized(result)["aurora_videos"].metadata
    assert (facts["usd_paid"].value, facts["usd_drafts_would_cost"].value) == (0.56, 0.0)
    assert (facts["usd_quoted"].value, facts["usd_at_most"].value) == (0.56, 0.84)
    assert checks_of(result)["within_budget"].description == (
        "2 clips to buy for $0.56, $0.84 at most; left are $0.84 of the campaign's budget."
    )


def test_a_run_may_lower_its_cap_and_then_nothing_is_sent(world: World) -> None:
    world.run("prepare_campaign")
    without_a_cap(world)

    result = only_videos(world, max_usd=0.83)  # the expected bill is $0.56

    assert "aurora_videos" not in world.stages.ran
    assert failure_of(result, "aurora_videos").description == (
        "spring: 2 clips to buy may cost up to $0.84, but $0.83 of this run's cap is left. Raise it (--max-usd, in "
        "Dagster max_usd, for every run AURORA_MAX_USD_PER_RUN), or take rows out. Nothing was spent."
    )
    assert world.status("aurora_videos") == "FAILED"


def test_the_check_knows_the_cap_of_the_run_that_it_belongs_to(world: World) -> None:
    without_a_cap(world)

    result = world.run(max_usd=0.83)

    assert "$0.83 of this run's cap is left" in (checks_of(result)["within_budget"].description or "")
    assert "aurora_videos" not in world.stages.ran


def test_what_is_bought_is_what_the_cap_was_compared_with(world: World) -> None:
    without_a_cap(world)

    result = world.run(max_usd=0.84)

    assert result.success
    assert world.stages.approved[0] is world.stages.quotes[-1]


def test_a_runs_cap_is_in_its_settings_so_that_the_ledger_keeps_it_with_every_claim(world: World) -> None:
    for_fal(world, left="100", max_usd_per_run=Decimal(3))

    world.run(max_usd=2)
    world.run(max_usd=50)

    assert [job.settings.max_usd_per_run for job in world.stages.jobs] == [Decimal(2), Decimal(3)]


def test_a_cap_never_raises_the_budget(world: World) -> None:
    world.run("prepare_campaign")
    for_fal(world, left="0.10")

    world.run(max_usd=1000)

    assert "aurora_videos" not in world.stages.ran


def test_a_cap_says_nothing_of_drafts_which_are_free(world: World) -> None:
    assert world.run(max_usd=0.01).success


def test_a_cap_that_is_no_amount_is_refused_with_a_sentence(world: World) -> None:
    world.run("prepare_campaign")

    told = failure_of(only_videos(world, max_usd=-1.0), "aurora_videos").description

    assert told == "max_usd is -1.0; use dollars, such as 25 or 25.50. Nothing was spent."


def test_without_a_cap_or_a_yes_nothing_is_bought_and_the_failure_says_how_to_let_it(world: World) -> None:
    without_a_cap(world)

    result = world.run()

    sentence = (
        "2 clips wait for approval ($0.56): run `aurora approve spring --all`, or set max_usd in the run's config."
    )
    assert failure_of(result, "aurora_videos").description == f"{sentence} Nothing was spent."
    warned = checks_of(result)["within_budget"]
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert sentence in (warned.description or "")
    assert world.status("aurora_videos") == "FAILED"
    assert recorded_check(world, "aurora_videos", "all_videos_made").passed is False


def test_what_was_approved_is_bought_and_what_was_not_is_held_by_name(world: World) -> None:
    without_a_cap(world)
    world.stages.said_yes = ("clip-01",)

    result = world.run()

    assert result.success
    facts = materialized(result)["aurora_videos"].metadata
    assert (facts["clips"].value, facts["clips_to_buy"].value, facts["usd_at_most"].value) == (1, 1, 0.42)
    assert [(row.data["clip_id"], row.data["standing"]) for row in facts["held"].records] == [
        ("clip-02", "not approved")]  # fmt: skip
    assert "1 clip waits for approval ($0.28)" in (checks_of(result)["within_budget"].description or "")
    assert not checks_of(result)["all_videos_made"].passed


def test_a_campaign_that_requires_approval_is_not_told_that_a_cap_would_do(world: World) -> None:
    for_fal(world, left="100")
    world.stages.approval = "required"

    told = failure_of(world.run(max_usd=50), "aurora_videos").description

    assert told == "2 clips wait for approval ($0.56): run `aurora approve spring --all`. Nothing was spent."


def test_while_buying_is_stopped_the_check_is_red_and_nothing_is_sent(world: World) -> None:
    for_fal(world, left="100")
    trip_the_breaker(world.settings)

    result = world.run()

    told = checks_of(result)["within_budget"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert (told.description or "").startswith("Buying is stopped: fal billed $40500.00 for autumn/a")
    assert "`aurora budget --close-breaker REASON`. Nothing more was spent." in (told.description or "")
    assert "aurora_videos" not in world.stages.ran


@pytest.mark.parametrize("is_stopped", [False, True])
def test_what_is_paid_already_is_fetched_although_nothing_more_may_be_bought(world: World, is_stopped: bool) -> None:
    for_fal(world, left="100" if is_stopped else "0.10")
    world.stages.charges["clip-01"] = an_accepted_charge(world.settings, "clip-01")
    if is_stopped:
        trip_the_breaker(world.settings)

    result = world.run()

    (agreed,) = world.stages.approved
    assert {clip.clip_id: clip.standing for clip in agreed.clips} == {"clip-01": "under way", "clip-02": "held back"}
    told = checks_of(result)["within_budget"]
    why = "Buying is stopped: fal billed" if is_stopped else "$0.10 of the campaign's budget is left"
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "clip-02 is not bought: " in (told.description or "")
    assert why in (told.description or "")


def an_accepted_charge(settings: Settings, clip: str) -> Charge:
    ledger = open_ledger(settings.ledger)
    plan = Plan("c2", "fal", clip, "spring", clip, "r", "aurora", "720p", 1.0, RATE, "page", RATE)
    ledger.claim(plan, limits=Limits())
    ledger.mark_sending("c2", audio_url="https://x/2.wav")
    charge = ledger.mark_accepted("c2", request_id="r-2")
    assert charge is not None
    return charge


def test_while_buying_is_stopped_the_check_says_so_also_when_every_clip_waits(world: World) -> None:
    without_a_cap(world)
    trip_the_breaker(world.settings)

    told = checks_of(world.run())["within_budget"]

    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "Buying is stopped: fal billed $40500.00 for autumn/a" in (told.description or "")
    assert "2 clips wait for approval ($0.56)" in (told.description or "")


def trip_the_breaker(settings: Settings) -> None:
    ledger = open_ledger(settings.ledger)
    plan = Plan("c1", "fal", "f" * 64, "autumn", "a", "r", "aurora", "720p", 1.0, RATE, "page", RATE)
    ledger.claim(plan, limits=Limits())
    ledger.mark_sending("c1", audio_url="https://x/1.wav")
    ledger.mark_accepted("c1", request_id="r1")
    ledger.mark_completed("c1", result={}, billable_units=None)
    ledger.mark_stored("c1", video_sha256="v")
    ledger.settle("c1", Bill(1, Decimal(40500), "event"), breaker_factor=Decimal("1.5"))


def test_drafts_dearer_than_the_budget_are_made_with_a_warning(world: World) -> None:
    world.add_campaign("spring", clips=4)

    result = world.run()

    warned = checks_of(result)["within_budget"]
    assert result.success
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert warned.description == "Drafts are free; buying all of them would cost $1.12, above the budget of $1.00."


def test_dollars_show_a_fraction_of_a_cent() -> None:
    assert [dollars(Decimal(text)) for text in ("1.4", "0", "0.0015", "28")] == ["$1.40", "$0.00", "$0.0015", "$28.00"]


# ---------------------------------------------------------------- the other checks


WRONG_WORD = Finding("words", "fail", "'Friday' instead of 'Tuesday' at 0.8 s. Nothing was spent.")


def test_speech_that_does_not_say_its_text_is_named_with_its_words(world: World) -> None:
    world.stages.heard = (WRONG_WORD,)

    red = checks_of(world.run())["speech_audible"]

    assert (red.passed, red.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "clip-01 (fail): 'Friday' instead of 'Tuesday' at 0.8 s." in (red.description or "")
    assert red.metadata["words_compared_by"].value == "ear 1"


def test_speech_that_a_person_waived_only_warns(world: World) -> None:
    world.stages.heard = (WRONG_WORD,)
    world.run()
    speeches = read_rows(world.settings, "tts_audio", "spring", Speech)
    pairs = [(speech.clip_id, speech.sha256) for speech in speeches]
    waive(open_ledger(world.settings.ledger), "spring", pairs, reason="it is a pun", by="Ada")

    result = world.run()

    told = checks_of(result)["speech_audible"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "clip-01 (fail): 'Friday' instead of 'Tuesday' at 0.8 s." in (told.description or "")
    assert "Waived by Ada: it is a pun" in (told.description or "")
    for facts in (told.metadata, materialized(result)["tts_audio"].metadata):
        waived = [(row.data["clip_id"], row.data["waived_by"], row.data["reason"]) for row in facts["waived"].records]
        assert waived == [(clip_id, "Ada", "it is a pun") for clip_id, _ in pairs]


def test_a_waiver_of_audio_that_was_made_anew_since_is_told_nowhere(world: World) -> None:
    world.stages.heard = (WRONG_WORD,)
    waive(open_ledger(world.settings.ledger), "spring", [("clip-01", "0" * 64)], reason="it is a pun", by="Ada")

    result = world.run()

    red = checks_of(result)["speech_audible"]
    assert (red.passed, red.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "Waived" not in (red.description or "")
    assert "waived" not in {**red.metadata, **materialized(result)["tts_audio"].metadata}


def test_a_doubt_of_the_ear_is_a_warning(world: World) -> None:
    world.stages.heard = (Finding("pace", "warn", "It is spoken fast, 210 words a minute."),)

    told = checks_of(world.run())["speech_audible"]

    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "clip-01 (warn): It is spoken fast, 210 words a minute." in (told.description or "")


def test_a_bill_that_differs_from_the_quote_warns_with_both_numbers(world: World) -> None:
    world.stages.overbilled = RATE

    result = world.run()

    warned = checks_of(result)["bill_matches_quote"]
    assert result.success
    assert (warned.passed, warned.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (warned.description or "").startswith("clip-01 was billed $0.42, quoted $0.28")


@pytest.mark.parametrize(
    ("verdict", "severity"), [("warn", dg.AssetCheckSeverity.WARN), ("fail", dg.AssetCheckSeverity.ERROR)]
)
def test_a_clip_of_poor_quality_is_named_with_its_reason(world: World, verdict: str, severity: Any) -> None:
    world.stages.verdict = verdict

    red = checks_of(world.run())["quality_verdicts"]

    assert (red.passed, red.severity) == (False, severity)
    assert (red.description or "").startswith(f"clip-01 {verdict}: the mouth does not move")


@pytest.mark.parametrize(("lufs", "passes"), [(-14.9, True), (-15.1, False), (-12.9, False)])
def test_loudness_is_asked_of_every_finished_file(world: World, lufs: float, *, passes: bool) -> None:
    world.stages.loudness_lufs = lufs

    assert checks_of(world.run())["loudness_on_target"].passed is passes


@pytest.mark.parametrize(("asked", "peak"), [("0", 0.5), ("0", -1.0), ("-1.5", -1.0), ("-3", -2.4)])
def test_a_true_peak_over_what_was_promised_is_red(world: World, asked: str, peak: float) -> None:
    world.stages.true_peak_dbtp = peak
    world.true_peak_dbtp = Decimal(asked)

    red = checks_of(world.run())["loudness_on_target"]

    assert (red.passed, f"peak {peak:.1f} dBTP" in (red.description or "")) == (False, True)


def test_a_rendition_that_is_missing_is_named(world: World) -> None:
    world.run()
    rows = read_rows(world.settings, "deliverables", "spring", Deliverable)
    fewer = tuple(row for row in rows if (row.clip_id, row.rendition) != ("clip-01", "9x16"))
    write_table(world.settings, "deliverables", "spring", Deliverable, StageTable(fewer))

    assert only_check(world, "deliverables", "deliverables_complete").description == "clip-01 has no 9x16"


def test_scripts_edited_after_they_were_read_are_noticed(world: World) -> None:
    world.run()
    world.add_campaign("spring", "Edited.")

    red = only_check(world, "script_table", "scripts_valid")

    assert red.description == "The files were changed since script_table read them; materialize it again."


def only_check(world: World, asset: str, check: str) -> dg.AssetCheckEvaluation:
    """The check run by itself, as the page's "Execute" button does."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), check)
    job = build_defs(**world.overrides).resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection={key})
    result = alone.execute_in_process(partition_key="spring", instance=world.instance, raise_on_error=False)
    return checks_of(result)[check]


# ---------------------------------------------------------------- progress and stopping


class Recorder:
    """The part of an asset's context that progress uses."""

    asset_key, partition_key = dg.AssetKey("aurora_videos"), "spring"

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[dg.AssetObservation] = []
        self.log = self

    def info(self, line: str) -> None:
        self.lines.append(line)

    def log_event(self, event: dg.AssetObservation) -> None:
        self.events.append(event)


def test_progress_is_a_line_a_clip_and_about_ten_observations() -> None:
    recorder = Recorder()
    progress = DagsterProgress(recorder, now=lambda: 0.0)  # type: ignore[arg-type]

    for done in range(101):
        progress.advance("aurora_videos", done, 100, f"clip-{done} is here" if done else "")

    assert recorder.lines[0] == "aurora_videos: 0 of 100"
    assert recorder.lines[-1] == "aurora_videos: 100 of 100, clip-100 is here"
    assert [event.metadata["done"].value for event in recorder.events] == list(range(10, 100, 10))
    assert recorder.events[0].metadata["total"].value == 100
    assert recorder.events[0].partition == "spring"


def test_a_slow_stage_is_observed_every_ten_seconds() -> None:
    clock = iter(range(0, 1000, 4))
    recorder = Recorder()
    progress = DagsterProgress(recorder, now=lambda: float(next(clock)))  # type: ignore[arg-type]

    for done in range(1, 20):
        progress.advance("aurora_videos", done, 5000)

    assert 3 <= len(recorder.events) <= 10


def test_five_thousand_clips_do_not_write_five_thousand_lines() -> None:
    recorder = Recorder()
    progress = DagsterProgress(recorder, now=lambda: 0.0)  # type: ignore[arg-type]

    for done in range(1, 5001):
        progress.advance("tts_audio", done, 5000)

    assert 150 <= len(recorder.lines) <= 201


def test_a_stopped_run_ends_within_seconds_and_the_next_one_makes_only_what_is_missing(world: World) -> None:
    world.add_campaign("spring", clips=12)
    stages = world.stages = StoppableStages(stop_after=3)

    started = time.monotonic()
    interrupted = world.run()
    took = time.monotonic() - started
    finished, stages.stop_after = set(stages.finished), None
    result = world.run()

    assert not interrupted.success
    assert took < 60  # the last nine clips alone would have waited ten minutes each
    assert 3 <= len(finished) < 12
    assert stages.workers_left() == 0
    assert result.success
    assert len(stages.finished) == 12  # a list: no clip was made twice


class StoppableStages(CheapStages):
    """Its speech stage waits at every clip, as a poll does; ``finished`` is its ledger."""

    def __init__(self, stop_after: int | None) -> None:
        super().__init__()
        self.stop_after, self.finished = stop_after, []
        self.threads: set[threading.Thread] = set()

    def tts_audio(self, job: Job, *, approved: SpeechQuote | None = None) -> StageTable[Speech]:
        missing = [
            script
            for script in read_campaign(job.settings, job.campaign).scripts
            if script.clip_id not in self.finished
        ]

        def work(script: Script, stop: threading.Event) -> str:
            self.threads.add(threading.current_thread())
            if self.stop_after is not None and len(self.finished) >= self.stop_after and stop.wait(600):
                raise Interrupted("Stopped.")
            self.finished.append(script.clip_id)
            return script.clip_id

        def tell(outcome: object, done: int) -> None:
            job.progress.advance("tts_audio", done, len(missing))
            if done == self.stop_after:
                os.kill(os.getpid(), signal.SIGINT)  # what Dagster's "Terminate" sends to a run's process

        for_each(missing, work, workers=2, on_outcome=tell)
        return super().tts_audio(job)

    def workers_left(self) -> int:
        return sum(thread.is_alive() for thread in self.threads)


# ---------------------------------------------------------------- the inbox and the nights


def test_a_new_campaign_is_registered_and_drafted(world: World) -> None:
    tick = world.tick()

    sha256 = campaign_sha256(world.settings, "spring")
    assert [request.partition_keys for request in tick.dynamic_partitions_requests or ()] == [["spring"]]
    assert [(r.job_name, r.partition_key, r.run_key) for r in tick.run_requests or ()] == [
        ("run_campaign", "spring", f"spring:{sha256[:12]}:1")]  # fmt: skip
    assert json.loads(tick.cursor or "") == {"spring": [sha256, 1]}


def test_with_fal_a_new_campaign_is_only_prepared(world: World) -> None:
    for_fal(world, left="100")

    assert [request.job_name for request in world.tick().run_requests or ()] == ["prepare_campaign"]


def test_an_unchanged_campaign_starts_nothing(world: World) -> None:
    cursor = world.tick().cursor

    again = world.tick(cursor)

    assert (again.run_requests, again.dynamic_partitions_requests, again.cursor) == ([], [], cursor)
    assert again.skip_reason is not None
    assert again.skip_reason.skip_message == "No campaign is new or changed."


def test_a_changed_campaign_starts_again_under_another_run_key(world: World) -> None:
    first = world.tick()
    world.instance.add_dynamic_partitions("aurora_campaigns", ["spring"])
    world.add_campaign("spring", "Edited.")

    second = world.tick(first.cursor)

    assert (second.run_requests or ())[0].run_key != (first.run_requests or ())[0].run_key
    assert second.dynamic_partitions_requests == []


def test_going_back_to_an_earlier_text_starts_again(world: World) -> None:
    first = world.tick()
    world.add_campaign("spring", "Edited.")
    second = world.tick(first.cursor)
    world.add_campaign("spring")

    third = world.tick(second.cursor)

    assert len({(tick.run_requests or ())[0].run_key for tick in (first, second, third)}) == 3


def test_a_campaign_that_was_removed_and_brought_back_starts_again(world: World) -> None:
    scripts = world.settings.campaigns / "spring"
    first = world.tick()
    scripts.rename(world.settings.root / "elsewhere")
    second = world.tick(first.cursor)
    (world.settings.root / "elsewhere").rename(scripts)

    third = world.tick(second.cursor)

    assert second.run_requests == []
    assert (third.run_requests or ())[0].run_key != (first.run_requests or ())[0].run_key
    assert world.tick(third.cursor).run_requests == []


def test_a_cursor_of_the_first_version_is_understood(world: World) -> None:
    sha256 = campaign_sha256(world.settings, "spring")

    unchanged = world.tick(json.dumps({"spring": sha256}))
    world.add_campaign("spring", "Edited.")
    changed = world.tick(unchanged.cursor)

    assert unchanged.run_requests == []
    assert json.loads(unchanged.cursor or "") == {"spring": [sha256, 1]}
    assert (changed.run_requests or ())[0].run_key.endswith(":2")


def test_a_file_that_goes_while_it_is_looked_at_means_that_somebody_is_writing(tmp_path: Path) -> None:
    assert _is_settled(tmp_path)
    assert not _is_settled(FolderBeingWritten(tmp_path))


class FolderBeingWritten(type(Path())):  # type: ignore[misc]
    """It lists a file that an editor has removed by the time it is asked about."""

    def rglob(self, *_pattern: object, **_options: object) -> list[Any]:
        return [GoneFile()]


class GoneFile:
    def is_file(self) -> bool:
        return True

    def stat(self) -> os.stat_result:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")


def test_a_tick_that_is_repeated_asks_for_the_same_run(world: World) -> None:
    assert (world.tick().run_requests or ())[0].run_key == (world.tick().run_requests or ())[0].run_key


def test_a_campaign_that_is_being_written_is_left_alone(world: World) -> None:
    world.add_campaign("spring", age=1)

    assert world.tick().run_requests == []


def test_a_file_from_the_future_is_not_waited_for(world: World) -> None:
    world.add_campaign("spring", age=-86_400)

    assert len(world.tick().run_requests or ()) == 1


def test_a_bad_campaign_registers_nothing_and_says_why(world: World) -> None:
    world.add_campaign("spring", text="")

    tick = world.tick()

    assert (tick.run_requests, tick.dynamic_partitions_requests) == ([], [])
    assert tick.skip_reason is not None
    assert "line 2, text: is empty; write what is to be said" in (tick.skip_reason.skip_message or "")
    assert json.loads(tick.cursor or "") == {}


def test_a_bad_campaign_does_not_hold_a_good_one_back(world: World) -> None:
    world.add_campaign("autumn", text="")

    assert [request.partition_key for request in world.tick().run_requests or ()] == ["spring"]


def test_a_broken_setting_is_a_sentence_in_the_tick(world: World) -> None:
    def broken() -> Settings:
        raise BadSetting("AURORA_PROVIDER is 'x'; use 'studio' or 'fal'. Nothing was spent.")

    aurora = Aurora(**(world.overrides | {"read_settings": broken}))
    with dg.build_sensor_context(world.instance, repository_def=build_defs().get_repository_def()) as context:
        tick = campaign_inbox(context, aurora=aurora)

    assert isinstance(tick, dg.SensorResult)
    assert tick.skip_reason is not None
    assert "AURORA_PROVIDER is 'x'" in (tick.skip_reason.skip_message or "")


def nights_of(world: World, *registered: str) -> list[dg.RunRequest]:
    two_at_night = datetime(2026, 11, 22, 2, tzinfo=UTC)
    with dg.instance_for_test() as instance:  # a schedule's context wants an instance that has a reference
        instance.add_dynamic_partitions("aurora_campaigns", list(registered))
        with dg.build_schedule_context(instance, two_at_night, resources={"aurora": world.aurora}) as context:
            return list(nightly_campaigns(context))  # type: ignore[call-overload]


def test_at_night_every_registered_campaign_that_is_still_there_runs(world: World) -> None:
    requests = nights_of(world, "deleted", "spring")

    assert [(r.partition_key, r.run_key, r.asset_selection) for r in requests] == [
        ("spring", "spring:2026-11-22", None)]  # fmt: skip


def test_at_night_without_a_cap_or_a_yes_campaigns_are_only_prepared(world: World) -> None:
    without_a_cap(world)

    selection = nights_of(world, "spring")[0].asset_selection or ()

    assert [key.to_user_string() for key in selection] == ["script_table", "tts_audio"]


def test_at_night_what_a_person_approved_may_be_bought(world: World) -> None:
    without_a_cap(world)
    world.add_campaign("autumn")
    approvals.approve(open_ledger(world.settings.ledger), "spring", [("clip-01", "f" * 64)], by="Ana")

    night = {request.partition_key: request.asset_selection for request in nights_of(world, "autumn", "spring")}

    assert night["spring"] is None
    assert night["autumn"] is not None


def test_at_night_a_cap_that_a_person_set_is_enough(world: World) -> None:
    for_fal(world, left="100", max_usd_per_day=None, max_usd_per_run=Decimal(5))

    assert nights_of(world, "spring")[0].asset_selection is None


def test_automation_starts_as_people_expect() -> None:
    repository = build_defs().get_repository_def()

    assert repository.get_sensor_def("campaign_inbox").default_status is dg.DefaultSensorStatus.RUNNING
    assert repository.get_sensor_def("campaign_inbox").minimum_interval_seconds == 30
    nightly = repository.get_schedule_def("nightly_campaigns")
    assert (nightly.default_status, nightly.cron_schedule) == (dg.DefaultScheduleStatus.STOPPED, "0 2 * * *")
    assert nightly.execution_timezone == "UTC"
