"""All stages + charges -> DuckDB: every number here was computed by hand."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import pickle
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner
from filelock import FileLock

from aurora_pipeline import pipeline
from aurora_pipeline.aurora_videos.ledger import Bill, Plan, open_ledger
from aurora_pipeline.aurora_videos.ledger_tables import STATES
from aurora_pipeline.aurora_videos.reconcile import Reconciliation
from aurora_pipeline.aurora_videos.records import Charge, StageRun, Video, Waiver
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.cli import aurora
from aurora_pipeline.deliverables.records import Deliverable, Quality
from aurora_pipeline.errors import WarehouseFailed, WarehouseLost
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.script_table.records import Campaign, DeliverySettings, Script
from aurora_pipeline.settings import Settings
from aurora_pipeline.stage_tables import Failure, write_rows
from aurora_pipeline.tts_audio.records import Finding, Speech, Word
from aurora_pipeline.warehouse import load, publish, rows, statements
from aurora_pipeline.warehouse.load import load_campaign, load_reconciliations, rebuild
from aurora_pipeline.warehouse.questions import ask, frame, questions
from aurora_pipeline.warehouse.records import CampaignFacts
from aurora_pipeline_tests.conftest import REPOSITORY

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
PRICE = Decimal("0.14")


# ---- two small campaigns
def a_script(campaign: str, clip_id: str, line: int, **changed: Any) -> Script:
    plain = Script(campaign, clip_id, f"Hello from {clip_id}.", "anna.png", "portrait-anna", "amy", "en", "720p", None,
                   Decimal("1.0"), Decimal("2.5"), line)  # fmt: skip
    return replace(plain, **changed)


def a_speech(campaign: str, clip_id: str, seconds: float, sha256: str | None = None) -> Speech:
    return Speech(campaign, clip_id, sha256 or f"speech-{campaign}-{clip_id}", seconds, 24000, "hibari", "0.2.1", "amy",
                  "en", f"Hello from {clip_id}.", "engine", (Word("Hello", 0.0, 0.4),))  # fmt: skip


def a_charge(charge_id: str, clip_id: str, seconds: float, **changed: Any) -> Charge:
    billed = changed.pop("billed_seconds", None)
    plain = Charge(
        charge_id=charge_id, provider="fal", fingerprint=f"print-{charge_id}", campaign="spring", clip_id=clip_id,
        run_id="run-1", endpoint="fal-ai/creatify/aurora", resolution="720p", state="settled" if billed else "unknown",
        request_id=f"request-{charge_id}", audio_seconds=seconds, usd_per_unit=PRICE, price_source="fal.ai",
        reserved_usd=Decimal("1.54"), billed_seconds=billed, billable_units=None,
        billed_usd=billed * PRICE if billed else None, video_sha256=f"video-{charge_id}" if billed else None,
        sentence=None, planned_at=NOON, sent_at=NOON, accepted_at=NOON, settled_at=NOON if billed else None,
    )  # fmt: skip
    return replace(plain, **changed)


def a_video(charge: Charge, *, campaign: str = "", clip_id: str = "", seconds: float) -> Video:
    campaign, clip_id = campaign or charge.campaign, clip_id or charge.clip_id
    was_reused = (campaign, clip_id) != (charge.campaign, charge.clip_id)
    return Video(
        campaign=campaign, clip_id=clip_id, provider=charge.provider, is_draft=charge.provider == "studio",
        endpoint=charge.endpoint, fingerprint=charge.fingerprint, charge_id=charge.charge_id,
        request_id=charge.request_id or "", sha256=charge.video_sha256 or "",
        speech_sha256=f"speech-{charge.campaign}-{charge.clip_id}", portrait_sha256="portrait-anna", resolution="720p",
        width=720, height=1280, fps=25.0, seconds=seconds, billed_seconds=charge.billed_seconds or 0,
        usd_per_second=PRICE, usd=Decimal(0) if was_reused else charge.billed_usd or Decimal(0), was_reused=was_reused,
    )  # fmt: skip


def files_of(video: Video) -> list[Deliverable]:
    name = f"deliverables/{video.campaign}/{video.clip_id}"
    clip = f"{video.campaign}-{video.clip_id}"
    master = Deliverable(video.campaign, video.clip_id, "master", video.is_draft, f"master-{clip}",
                         f"{name}.master.mp4",
                         900, 1080, 1920, 25.0, video.seconds, "h264", "aac", -14.0, -1.6, video.sha256)  # fmt: skip
    poster = replace(master, rendition="poster", sha256=f"poster-{clip}",
                     file=f"{name}.poster.jpg", fps=None, seconds=None, video_codec=None, audio_codec=None,
                     loudness_lufs=None, true_peak_dbtp=None)  # fmt: skip
    return [master, poster]


def a_quality(video: Video, verdict: str, reasons: str = "") -> Quality:
    seconds = video.seconds
    return Quality(video.campaign, video.clip_id, verdict, reasons, seconds - 0.1, seconds, seconds, 0.0, 0.0, 0.0, 720,
                   1280, 25.0, "h264", -14.0, -1.6, 0.5, video.sha256)  # fmt: skip


def a_run(stage: str, campaign: str, seconds: float, made: int, **changed: Any) -> StageRun:
    plain = StageRun("run-1", campaign, stage, "cli", "fal", "0.1.0", NOON, NOON + timedelta(seconds=seconds), 5, made,
                     0, Decimal(0), None)  # fmt: skip
    return replace(plain, **changed)


BOUGHT_C1 = a_charge("c1", "c1", 9.4, billed_seconds=10)
BOUGHT_C2 = a_charge("c2", "c2", 10.0, billed_seconds=10)
BOUGHT_C5 = a_charge("c5", "c5", 4.2, billed_seconds=5)
IN_DOUBT_C6 = a_charge("c6", "c6", 5.3, reserved_usd=Decimal("0.84"), sentence="nginx said 502; it may be billed.")
REFUSED_C6 = a_charge("c6-first", "c6", 5.3, state="refused", request_id=None, sentence="The queue was full.")
DRAFT_C1 = a_charge("c1-draft", "c1", 9.4, billed_seconds=10, provider="studio", planned_at=NOON - timedelta(days=7))
DRAFT_S1 = a_charge("s1", "s1", 3.25, billed_seconds=4, provider="studio", campaign="summer")


def spring(**changed: Any) -> CampaignFacts:
    """c1, c2 are bought and delivered; c3 reuses c1; c4 and c7 failed; c5 is unfinished; c6 in doubt."""
    scripts = tuple(a_script("spring", f"c{n}", n + 1) for n in range(1, 8))
    c1, c2, c5 = a_video(BOUGHT_C1, seconds=9.4), a_video(BOUGHT_C2, seconds=10.0), a_video(BOUGHT_C5, seconds=4.2)
    c3 = a_video(BOUGHT_C1, clip_id="c3", seconds=9.4)
    facts = CampaignFacts(
        campaign=Campaign("spring", "Spring sale", Decimal(50), Path("spring"), DeliverySettings(), scripts, "sha"),
        speeches=[
            a_speech("spring", "c1", 9.4), a_speech("spring", "c2", 10.0),
            a_speech("spring", "c3", 9.4, c1.speech_sha256), a_speech("spring", "c5", 4.2),
            a_speech("spring", "c6", 5.3),
        ],
        videos=[c1, c2, c3, c5],
        deliverables=[*files_of(c1), *files_of(c2), *files_of(c3)],
        quality=[a_quality(c1, "pass"), a_quality(c2, "warn", "The mouth hardly moves."),
                 a_quality(c3, "fail", "The picture is black for 3 s.")],
        failures=[
            Failure("spring", "c4", "aurora_videos", "c4 may cost $1.40 and $0.66 is left."),
            Failure("spring", "c7", "aurora_videos", "c7 may cost $2.10 and $0.66 is left."),
            Failure("spring", "c5", "deliverables", "ffmpeg stopped with code 1."),
        ],
        charges=[BOUGHT_C1, BOUGHT_C2, BOUGHT_C5, IN_DOUBT_C6, REFUSED_C6, DRAFT_C1],
        stage_runs=[a_run("tts_audio", "spring", 3.0, 5), a_run("aurora_videos", "spring", 90.5, 3,
                                                                billed_usd=Decimal("3.50"))],
    )  # fmt: skip
    return replace(facts, **changed)


def summer(**changed: Any) -> CampaignFacts:
    """s1 is a free draft; s2 reuses the video spring bought for c1. No budget."""
    s1, s2 = a_video(DRAFT_S1, seconds=3.25), a_video(BOUGHT_C1, campaign="summer", clip_id="s2", seconds=9.4)
    scripts = (a_script("summer", "s1", 2, voice="bo", portrait="ben.png"), a_script("summer", "s2", 3))
    facts = CampaignFacts(
        campaign=Campaign("summer", "Summer", None, Path("summer"), DeliverySettings(), scripts, "hash-2"),
        speeches=[replace(a_speech("summer", "s1", 3.25), voice="bo"), a_speech("summer", "s2", 9.4, s2.speech_sha256)],
        videos=[s1, s2],
        deliverables=[*files_of(s1), *files_of(s2)],
        quality=[a_quality(s1, "pass"), a_quality(s2, "pass")],
        charges=[BOUGHT_C1, DRAFT_S1],
        stage_runs=[a_run("tts_audio", "summer", 1.0, 0, provider="studio"), a_run("tts_audio", "spring", 99.0, 9)],
    )
    return replace(facts, **changed)


def settings_in(folder: Path) -> Settings:
    return Settings(root=folder, output=folder / "data" / "output")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture(scope="module")
def spring_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spring")
    load_campaign(settings_in(folder), spring())
    return folder


@pytest.fixture
def loaded(settings: Settings, spring_folder: Path) -> Settings:
    """A published warehouse of its own with spring: a copy, which is much faster than loading it again."""
    shutil.copytree(spring_folder, settings.root, symlinks=True, dirs_exist_ok=True)
    return settings


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A published warehouse with spring and summer, for tests that only read."""
    settings = settings_in(tmp_path_factory.mktemp("both"))
    load_campaign(settings, spring())
    load_campaign(settings, summer())
    return settings


def answer(settings: Settings, name: str, *columns: str, **parameters: Any) -> list[tuple[Any, ...]]:
    found = ask(settings, name, **parameters)
    return tuples(found[list(columns) or list(found.columns)])


def tuples(found: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Rows as plain values; what pandas calls NaN is None."""
    return [tuple(None if pd.isna(value) else value for value in row) for row in found.astype(object).to_numpy()]


def content(settings: Settings) -> dict[str, list[Any]]:
    """Every row of every table but `published`."""
    tables = [table for table in statements.TABLES if table != "published"]
    return {table: tuples(frame(settings, f"FROM {table} ORDER BY ALL")) for table in tables}


def usd(text: str) -> Decimal:
    return Decimal(text)


# ---- the questions
def test_spend_by_campaign_tells_paid_drafted_held_and_left_apart(both: Settings) -> None:
    assert answer(both, "spend_by_campaign") == [
        ("spring", "Spring sale", *map(usd, ("3.50", "3.50", "0", "1.40", "0.84", "50", "45.66")), 3, 1),
        ("summer", "Summer", usd("0"), usd("0"), usd("0"), usd("0.56"), usd("0"), None, None, 0, 0),
    ]


def test_spend_by_week_counts_weeks_from_monday(both: Settings) -> None:
    assert answer(both, "spend_by_week") == [
        (date(2026, 11, 16), "spring", 5, usd("3.50"), usd("3.50"), usd("0"), usd("0")),
        (date(2026, 11, 16), "summer", 1, usd("0"), usd("0"), usd("0"), usd("0.56")),
        (date(2026, 11, 9), "spring", 1, usd("0"), usd("0"), usd("0"), usd("1.40")),
    ]


def test_speech_is_told_beside_video_and_is_billed_by_no_second(settings: Settings) -> None:
    facts = spring()
    speech = a_charge("s1", "c1", 0.0, kind="speech", unit="1000_characters", usd_per_unit=Decimal("0.05"),
                      wanted_units=Decimal("0.026"), state="settled", billed_usd=Decimal("0.0013"),
                      resolution="any")  # fmt: skip
    load_campaign(settings, replace(facts, charges=(*facts.charges, speech)))

    ((video, spoken),) = answer(settings, "spend_by_campaign", "paid_video_usd", "paid_speech_usd")
    columns = "kind, unit, usd_per_unit, wanted_units"
    not_of_speech = "usd_per_second IS NULL AND audio_seconds IS NULL AND billed_seconds IS NULL"
    told = frame(settings, f"SELECT {columns} FROM charges WHERE charge_id = 's1'").iloc[0].tolist()

    assert (video, spoken) == (usd("3.50"), usd("0.0013"))
    assert told[:2] == ["speech", "1000_characters"]
    assert [float(told[2]), float(told[3])] == [0.05, 0.026]
    assert frame(settings, f"SELECT charge_id FROM charges WHERE {not_of_speech}")["charge_id"].tolist() == ["s1"]
    assert {row[2] for row in answer(settings, "rounding_waste") if not row[1]} == {3}


PARTS = [
    a_charge(each, clip_id, 0.0, kind=kind, state="settled", billed_usd=Decimal(paid), resolution="any")
    for each, clip_id, kind, paid in [
        ("p1", "c1", "speech", "0.0013"), ("p2", "c1", "speech", "0.0007"), ("h1", "c1", "transcript", "0.0004"),
    ]
]  # fmt: skip


def with_bought_speech(facts: CampaignFacts) -> CampaignFacts:
    """c1 is said in two parts that were bought, and heard for money; c3 reuses all of it."""
    bought = {"charge_ids": ("p1", "p2"), "transcript_charge_id": "h1"}
    speeches = [replace(each, **bought) if each.clip_id in ("c1", "c3") else each for each in facts.speeches]
    return replace(facts, speeches=speeches, charges=(*facts.charges, *PARTS))


def test_a_finished_file_leads_to_what_speaking_and_hearing_it_cost_and_only_one_clip_paid(settings: Settings) -> None:
    load_campaign(settings, with_bought_speech(spring()))

    columns = ("clip_id", "speech_charge_ids", "speech_billed_usd", "speech_paid_usd")
    told = set(answer(settings, "lineage_of_deliverables", *columns))
    ((spoken,),) = set(answer(settings, "spend_by_campaign", "paid_speech_usd"))

    assert told == {
        ("c1", '["p1","p2","h1"]', usd("0.0024"), usd("0.0024")),
        ("c2", None, usd("0"), usd("0")),
        ("c3", '["p1","p2","h1"]', usd("0"), usd("0")),
    }
    assert spoken == usd("0.0024")
    ((requests,),) = {
        tuple(row)
        for row in frame(
            settings,
            "SELECT parameters ->> 'request_ids' FROM derivations WHERE clip_id = 'c1' AND output_kind = 'speech'",
        ).itertuples(index=False)
    }
    assert requests == '["request-p1","request-p2","request-h1"]'


def test_speech_of_a_studio_is_a_draft_wherever_it_is_told_of(settings: Settings) -> None:
    facts = summer()
    drafted = replace(facts.speeches[0], is_draft=True)
    load_campaign(settings, replace(facts, speeches=[drafted, facts.speeches[1]]))

    drafts = frame(settings, "SELECT sha256 FROM artifacts WHERE kind = 'speech' AND is_draft")["sha256"].tolist()

    assert drafts == [drafted.sha256]


def test_seconds_saved_are_worth_each_clips_own_price_and_reused_clips_saved_nothing(settings: Settings) -> None:
    facts, fitted = spring(), {"seconds_mode": "fit", "trimmed_seconds": 0.25, "shaved_seconds": 0.5, "tempo": 1.02}
    spoken = {"c1": 10.3, "c2": 10.2, "c3": 10.3, "c5": 4.3}  # billed 11, 11, (reused) and 5 as spoken
    speeches = [
        replace(each, spoken_seconds=spoken[each.clip_id], **fitted) if each.clip_id in spoken else each
        for each in facts.speeches
    ]
    load_campaign(settings, replace(facts, speeches=speeches))

    columns = ("seconds_mode", "is_draft", "clips", "clips_that_gained", "saved_seconds", "saved_usd", "largest_tempo")
    ((*told, spoken_seconds, fitted_seconds, trimmed, shaved),) = answer(
        settings, "seconds_saved", *columns, "spoken_seconds", "fitted_seconds", "trimmed_seconds", "shaved_seconds"
    )

    assert told == ["fit", False, 3, 2, 2, usd("0.28"), 1.02]  # 9.4 is billed 10, 10.0 is billed 10, 4.2 is billed 5
    assert [float(each) for each in (spoken_seconds, fitted_seconds, trimmed, shaved)] == [24.8, 23.6, 0.75, 1.5]


def test_seconds_saved_tells_drafts_apart_and_counts_no_video_of_other_audio(settings: Settings) -> None:
    facts = summer()
    s1 = replace(facts.speeches[0], seconds=2.9, spoken_seconds=3.1, seconds_mode="fit")  # billed 3, as spoken 4
    load_campaign(settings, replace(facts, speeches=[s1, facts.speeches[1]]))
    columns = ("campaign", "is_draft", "clips", "saved_seconds", "saved_usd")

    drafted = answer(settings, "seconds_saved", *columns)
    load_campaign(settings, replace(facts, speeches=[replace(s1, sha256="said anew"), facts.speeches[1]]))

    assert drafted == [("summer", True, 1, 1, usd("0.14"))]  # the draft's own $0.14 a second; s2 is spring's video
    assert answer(settings, "seconds_saved", *columns) == []


def test_speech_to_listen_to_names_who_accepted_this_very_audio_and_not_an_older_one(settings: Settings) -> None:
    heard = {
        "c1": ("pass", ""), "c2": ("fail", "It says 'fourteen'."), "c3": ("warn", "It is fast."),
        "c5": ("fail", "It stops for 4 s."),
    }  # fmt: skip
    facts = spring()
    speeches = [
        replace(each, verdict=heard[each.clip_id][0], findings=(Finding("text", *heard[each.clip_id]),))
        if each.clip_id in heard
        else each
        for each in facts.speeches
    ]
    waivers = [
        Waiver("spring", "c2", "speech-spring-c2", "our own joke", "Ada", NOON),
        Waiver("spring", "c5", "what c5 said before", "fine then", "Bob", NOON),
    ]
    load_campaign(settings, replace(facts, speeches=speeches, waivers=waivers))

    columns = ("clip_id", "verdict", "reasons", "waived_by", "waived_reason")

    assert answer(settings, "speech_to_listen_to", *columns) == [
        ("c2", "fail", "It says 'fourteen'.", "Ada", "our own joke"),
        ("c5", "fail", "It stops for 4 s.", None, None),
        ("c3", "warn", "It is fast.", None, None),
    ]


def test_cost_per_delivered_second_counts_failures_in_and_drafts_apart(both: Settings) -> None:
    columns = ("campaign", "is_draft", "delivered_clips", "accepted_seconds", "billed_usd", "paid_usd",
               "billed_usd_per_delivered_second", "billed_usd_per_accepted_second")  # fmt: skip

    rows = answer(both, "cost_per_delivered_second", *columns)

    assert rows == [
        ("summer", True, 1, 3.25, usd("0.56"), usd("0"), usd("0.172308"), usd("0.172308")),  # 0.56 / 3.25
        ("spring", False, 3, 19.4, usd("3.50"), usd("3.50"), usd("0.121528"), usd("0.180412")),  # / 28.8, / 19.4
        ("summer", False, 1, 9.4, usd("0"), usd("0"), usd("0"), usd("0")),
        ("spring", True, 0, 0.0, usd("1.40"), usd("0"), None, None),
    ]


def test_rounding_waste_is_billed_minus_measured_seconds_in_dollars(both: Settings) -> None:
    assert answer(both, "rounding_waste") == [
        ("spring", False, 3, 25, usd("23.6"), usd("1.4"), usd("0.196")),  # (0.6 + 0 + 0.8) x 0.14
        ("summer", True, 1, 4, usd("3.25"), usd("0.75"), usd("0.105")),
        ("spring", True, 1, 10, usd("9.4"), usd("0.6"), usd("0.084")),
    ]


def test_failures_by_cause_puts_equal_causes_together(both: Settings) -> None:
    columns = ("campaign", "stage", "cause", "clips", "billed_usd", "paid_usd", "clip_ids")

    assert answer(both, "failures_by_cause", *columns) == [
        ("spring", "aurora_videos", "… may cost $# and $# is left.", 2, usd("0"), usd("0"), "c4, c7"),
        ("spring", "deliverables", "ffmpeg stopped with code #.", 1, usd("0.70"), usd("0.70"), "c5"),
    ]


def test_reuse_savings_are_the_list_price_of_what_was_not_bought_again(both: Settings) -> None:
    assert answer(both, "reuse_savings") == [
        ("spring", False, 4, 1, 10, usd("1.40")),
        ("summer", False, 1, 1, 10, usd("1.40")),
        ("summer", True, 1, 0, 0, usd("0")),
    ]


def test_a_renamed_clip_saves_nothing(settings: Settings) -> None:
    renamed = a_video(DRAFT_S1, campaign="summer", clip_id="s-eins", seconds=3.25)
    campaign = replace(summer().campaign, scripts=(a_script("summer", "s-eins", 2), a_script("summer", "s2", 3)))
    load_campaign(settings, spring())

    load_campaign(settings, summer(campaign=campaign, videos=[renamed, summer().videos[1]]))

    assert answer(settings, "reuse_savings")[1:] == [
        ("summer", False, 1, 1, 10, usd("1.40")),  # bought for spring's c1, which is still there
        ("summer", True, 1, 0, 0, usd("0")),
    ]


def test_quality_by_voice_and_portrait_counts_verdicts(both: Settings) -> None:
    columns = ("language", "voice", "portrait", "measured_clips", "pass", "warn", "fail")

    assert answer(both, "quality_by_voice_and_portrait", *columns) == [
        ("en", "amy", "anna.png", 4, 2, 1, 1),
        ("en", "bo", "ben.png", 1, 1, 0, 0),
    ]


def test_slowest_stages_counts_only_the_campaigns_own_runs(both: Settings) -> None:
    assert answer(both, "slowest_stages") == [
        ("aurora_videos", 1, 90.5, 90.5, 90.5, "spring", 3, pytest.approx(90.5 / 3)),
        ("tts_audio", 2, 4.0, 2.0, 3.0, "spring", 5, pytest.approx(0.6)),
    ]


def test_clips_to_look_at_shows_failures_then_fails_with_reason_and_cost(both: Settings) -> None:
    columns = ("clip_id", "script_line", "verdict", "reasons", "billed_usd", "file")

    assert answer(both, "clips_to_look_at", *columns) == [
        ("c5", 6, "failed", "ffmpeg stopped with code 1.", usd("0.70"), None),
        ("c4", 5, "failed", "c4 may cost $1.40 and $0.66 is left.", None, None),
        ("c7", 8, "failed", "c7 may cost $2.10 and $0.66 is left.", None, None),
        ("c3", 4, "fail", "The picture is black for 3 s.", usd("0"), "deliverables/spring/c3.master.mp4"),
        ("c2", 3, "warn", "The mouth hardly moves.", usd("1.40"), "deliverables/spring/c2.master.mp4"),
    ]


def test_clip_status_says_what_became_of_each_row(both: Settings) -> None:
    found = frame(
        both, "SELECT clip_id, status, failed_stage, why FROM clips WHERE campaign = $c ORDER BY line", c="spring"
    )

    assert tuples(found)[2:] == [
        ("c3", "delivered", None, None),
        ("c4", "failed", "aurora_videos", "c4 may cost $1.40 and $0.66 is left."),
        ("c5", "failed", "deliverables", "ffmpeg stopped with code 1."),
        ("c6", "pending", None, "Its video is not made yet."),
        ("c7", "failed", "aurora_videos", "c7 may cost $2.10 and $0.66 is left."),
    ]


def test_lineage_leads_from_a_finished_file_to_its_row_voice_portrait_and_request(both: Settings) -> None:
    columns = ("depth", "kind", "sha256", "activity", "script_line", "voice", "portrait", "request_id", "charge_id")

    rows = answer(both, "lineage", *columns, file_sha256="master-spring-c2")

    text = "17c5e1ed"
    rest = (3, "amy", "anna.png", "request-c2", "c2")
    assert [(row[0], row[1], row[2] if row[1] != "script" else text, *row[3:]) for row in rows] == [
        (0, "master", "master-spring-c2", "deliverables", *rest),
        (1, "video", "video-c2", "aurora_videos", *rest),
        (2, "portrait", "portrait-anna", None, *rest),
        (2, "speech", "speech-spring-c2", "tts_audio", *rest),
        (3, "script", text, None, *rest),
    ]


def test_lineage_of_a_reused_video_shows_every_clip_it_went_into(both: Settings) -> None:
    rows = answer(both, "lineage", "campaign", "clip_id", "depth", file_sha256="video-c1")

    assert {row[:2] for row in rows} == {("spring", "c1"), ("spring", "c3"), ("summer", "s2")}
    assert [row for row in rows if row[2] == 0] == [("spring", "c1", 0), ("spring", "c3", 0), ("summer", "s2", 0)]


def test_lineage_ends_when_a_finished_file_is_byte_for_byte_its_video(settings: Settings) -> None:
    facts = summer()
    same = replace(facts.deliverables[0], sha256=facts.videos[0].sha256)
    load_campaign(settings, replace(facts, deliverables=[same]))

    rows = answer(settings, "lineage", "depth", "kind", file_sha256=facts.videos[0].sha256)

    assert rows == [(0, "master"), (0, "video"), (1, "portrait"), (1, "speech"), (2, "script")]


def edited(facts: CampaignFacts) -> CampaignFacts:
    """s1 with another text, voice and portrait, spoken, rendered and delivered anew."""
    script, s2 = facts.campaign.scripts
    new = replace(script, text="Bye now.", voice="zoe", portrait="eve.png", portrait_sha256="portrait-eve", line=9)
    speech = replace(facts.speeches[0], text="Bye now.", voice="zoe", sha256="speech-bye")
    video = replace(facts.videos[0], sha256="video-bye", speech_sha256="speech-bye", portrait_sha256="portrait-eve",
                    request_id="request-bye", charge_id="s1-bye")  # fmt: skip
    files = [replace(made, sha256=f"{made.sha256}-bye") for made in files_of(video)]
    charges = [*facts.charges, replace(DRAFT_S1, charge_id="s1-bye", video_sha256="video-bye")]
    return replace(
        facts,
        campaign=replace(facts.campaign, scripts=(new, s2)),
        speeches=[speech, facts.speeches[1]],
        videos=[video, facts.videos[1]],
        deliverables=[*files, *facts.deliverables[2:]],
        charges=charges,
    )


OF_A_FILE = ("text", "voice", "portrait", "request_id", "charge_id")


def test_lineage_of_last_weeks_file_leads_to_what_it_says_although_the_clip_was_edited_since(
    settings: Settings,
) -> None:
    load_campaign(settings, summer())
    before = answer(settings, "lineage", *OF_A_FILE, "kind", "sha256", file_sha256="master-summer-s1")

    load_campaign(settings, edited(summer()))

    old = answer(settings, "lineage", *OF_A_FILE, "kind", "sha256", file_sha256="master-summer-s1")
    new = answer(settings, "lineage", *OF_A_FILE, file_sha256="master-summer-s1-bye")
    assert old == before
    assert len(old) == 5
    assert {row[:5] for row in old} == {("Hello from s1.", "bo", "ben.png", "request-s1", "s1")}
    assert set(new) == {("Bye now.", "zoe", "eve.png", "request-bye", "s1-bye")}


def test_lineage_tells_the_spoken_text_and_not_the_row_that_was_edited_before_the_video_was_made(
    settings: Settings,
) -> None:
    facts = summer()
    script, s2 = facts.campaign.scripts
    ahead = replace(facts.campaign, scripts=(replace(script, text="Bye now.", voice="zoe"), s2))

    load_campaign(settings, replace(facts, campaign=ahead))

    said = answer(settings, "lineage", "text", "voice", file_sha256="master-summer-s1")
    files = answer(settings, "lineage_of_deliverables", "rendition", "text", "voice", "language", "portrait")
    assert set(said) == {("Hello from s1.", "bo")}
    assert files[:2] == [("master", "Hello from s1.", "bo", "en", "ben.png"),
                         ("poster", "Hello from s1.", "bo", "en", "ben.png")]  # fmt: skip


def test_a_finished_file_keeps_its_request_when_a_newer_video_waits_for_its_files(settings: Settings) -> None:
    facts, later = summer(), edited(summer())
    load_campaign(settings, facts)

    load_campaign(settings, replace(later, deliverables=facts.deliverables))

    files = answer(settings, "lineage_of_deliverables", "rendition", "text", "provider", "request_id", "charge_id")
    assert files[0] == ("master", "Hello from s1.", "studio", "request-s1", "s1")


def test_a_removed_clips_files_keep_their_lineage(settings: Settings) -> None:
    facts = summer()
    load_campaign(settings, facts)

    load_campaign(settings, CampaignFacts(replace(facts.campaign, scripts=facts.campaign.scripts[1:])))

    rows = answer(settings, "lineage", "text", "request_id", "script_line", file_sha256="master-summer-s1")
    assert set(rows) == {("Hello from s1.", "request-s1", None)}
    assert len(rows) == 5


def test_a_draft_is_not_said_to_be_made_with_a_prompt_written_since(settings: Settings) -> None:
    load_campaign(settings, summer())
    script, s2 = summer().campaign.scripts
    now = replace(summer().campaign, scripts=(replace(script, prompt="Smile."), s2))

    load_campaign(settings, summer(campaign=now))

    told = answer(settings, "lineage", "parameters", file_sha256="video-s1")[0]
    assert "Smile." not in told[0]


def test_lineage_of_an_unknown_file_is_empty(both: Settings) -> None:
    assert answer(both, "lineage", file_sha256="nobody") == []


def test_every_deliverable_has_one_line_of_lineage_with_its_charge(both: Settings) -> None:
    columns = ("file", "script_line", "voice", "speech_sha256", "request_id", "charge_id",
               "charged_to_campaign", "billed_usd", "paid_usd")  # fmt: skip

    rows = answer(both, "lineage_of_deliverables", *columns)

    assert len(rows) == 10
    assert rows[-4:-3] + rows[-1:] == [
        ("deliverables/summer/s1.master.mp4", 2, "bo", "speech-summer-s1", "request-s1", "s1", "summer", usd("0.56"),
         usd("0")),
        ("deliverables/summer/s2.poster.jpg", 3, "amy", "speech-spring-c1", "request-c1", "c1", "spring", usd("0"),
         usd("0")),
    ]  # fmt: skip


def test_money_is_exact_to_the_micro_dollar(settings: Settings) -> None:
    amounts = [Decimal("0.000001"), Decimal("0.1"), Decimal("0.2"), Decimal("123456789.99")]
    charges = [replace(BOUGHT_C1, charge_id=f"x{i}", billed_usd=amount) for i, amount in enumerate(amounts)]

    load_campaign(settings, spring(charges=charges))

    assert answer(settings, "spend_by_campaign", "paid_usd")[0] == (Decimal("123456790.290001"),)


# ---- the bill
def a_reconciliation(charge: Charge, verdict: str, event: str | None, **changed: Any) -> Reconciliation:
    expected = charge.billed_usd
    plain = Reconciliation(charge.charge_id, charge.provider, charge.campaign, charge.clip_id, charge.request_id,
                           charge.state, expected, expected, Decimal(event) if event else None, 9.4, expected, verdict,
                           f"{charge.clip_id}: {verdict}.", NOON)  # fmt: skip
    return replace(plain, **changed)


UNKNOWN_REQUEST = Reconciliation("x-1", "fal", None, None, "x-1", None, None, None, Decimal("2.50"), None, None,
                                 "no charge", "Who sent x-1?", NOON)  # fmt: skip
SPRING_BILL = (
    a_reconciliation(BOUGHT_C1, "agrees", "1.40"),
    a_reconciliation(BOUGHT_C2, "billed more", "1.60"),
    a_reconciliation(BOUGHT_C5, "not billed yet", None),
    UNKNOWN_REQUEST,
)


@pytest.fixture
def billed(settings: Settings) -> Settings:
    """Spring and summer after a reconciliation: c2 was billed $0.20 more, which the ledger took over."""
    corrected = replace(BOUGHT_C2, billed_usd=usd("1.60"), bill_source="event")
    charges = [BOUGHT_C1, corrected, BOUGHT_C5, IN_DOUBT_C6, DRAFT_C1]
    load_campaign(settings, spring(charges=charges, reconciliations=SPRING_BILL))
    draft = a_reconciliation(DRAFT_S1, "agrees", "0.56")
    load_campaign(settings, summer(reconciliations=[draft, UNKNOWN_REQUEST]))
    return settings


def test_ledger_against_bill_puts_four_amounts_side_by_side(billed: Settings) -> None:
    day = date(2026, 11, 18)

    assert answer(billed, "ledger_against_bill") == [
        (None, day, False, 1, 0, 0, 0, 0, usd("2.50"), 0, 0, usd("2.50"), usd("2.50")),
        ("spring", day, False, 3, 1, 1, usd("3.50"), usd("3.50"), usd("3.00"), usd("3.50"), usd("3.70"), 0,
         usd("0.20")),
        ("summer", day, True, 1, 1, 0, usd("0.56"), usd("0.56"), usd("0.56"), usd("0.56"), usd("0.56"), 0, 0),
    ]  # fmt: skip


def test_bill_differences_come_with_their_sentences_those_for_a_person_first(billed: Settings) -> None:
    columns = ("verdict", "needs_a_person", "campaign", "clip_id", "expected_usd", "event_usd", "sentence", "subject")

    assert answer(billed, "bill_differences", *columns) == [
        ("billed more", True, "spring", "c2", usd("1.40"), usd("1.60"), "c2: billed more.", "c2"),
        ("no charge", False, None, None, None, usd("2.50"), "Who sent x-1?", "x-1"),
        ("not billed yet", False, "spring", "c5", usd("0.70"), None, "c5: not billed yet.", "c5"),
    ]


def test_the_budget_burns_down_day_by_day_and_drafts_burn_nothing(settings: Settings) -> None:
    day_before = replace(BOUGHT_C2, planned_at=NOON - timedelta(days=1))
    load_campaign(settings, spring(charges=[BOUGHT_C1, day_before, BOUGHT_C5, IN_DOUBT_C6, DRAFT_C1]))

    assert answer(settings, "budget_burn_down") == [
        ("spring", date(2026, 11, 18), 3, usd("2.10"), usd("0.84"), usd("3.50"), usd("50"), usd("45.66")),
        ("spring", date(2026, 11, 17), 1, usd("1.40"), usd("0"), usd("1.40"), usd("50"), usd("48.60")),
    ]


def test_a_charge_says_what_it_was_made_from_and_whose_word_its_bill_is(settings: Settings) -> None:
    told = replace(BOUGHT_C1, inputs='{"voice": "amy"}', reported_usd=usd("1.40"), bill_source="reported")
    load_campaign(settings, spring(charges=[told]))

    found = frame(settings, "SELECT inputs ->> 'voice' AS voice, reported_usd, bill_source FROM charges")

    assert tuples(found) == [("amy", usd("1.40"), "reported")]


def test_a_request_that_got_its_charge_is_gone_with_the_next_load(billed: Settings) -> None:
    load_campaign(billed, spring(reconciliations=SPRING_BILL[:1]))

    assert list(frame(billed, "SELECT subject FROM reconciliations ORDER BY ALL")["subject"]) == ["c1", "s1"]


def test_reconciliations_are_replaced_as_a_whole_and_their_charges_brought_up_to_date(billed: Settings) -> None:
    released = replace(IN_DOUBT_C6, state="voided")

    load_reconciliations(billed, [a_reconciliation(BOUGHT_C1, "agrees", "1.40")], [released])

    assert list(frame(billed, "SELECT subject FROM reconciliations")["subject"]) == ["c1"]
    assert tuples(frame(billed, "SELECT state, held_usd FROM charges WHERE charge_id = 'c6'")) == [("voided", 0)]
    assert len(answer(billed, "spend_by_campaign")) == 2


# ---- loading
def test_a_campaign_is_replaced_exactly_and_its_neighbour_is_left_alone(loaded: Settings) -> None:
    load_campaign(loaded, summer())
    before = content(loaded)
    smaller = replace(spring().campaign, scripts=spring().campaign.scripts[:1], title="Spring, shorter")

    load_campaign(loaded, CampaignFacts(smaller))

    after = content(loaded)
    assert answer(loaded, "spend_by_campaign", "title")[0] == ("Spring, shorter",)
    assert frame(loaded, "SELECT count(*) AS n FROM clips WHERE campaign = 'spring'")["n"][0] == 1
    assert frame(loaded, "SELECT count(*) AS n FROM videos WHERE campaign = 'spring'")["n"][0] == 0
    assert after["charges"] == before["charges"]
    for table in ("clips", "videos", "artifacts", "derivations", "deliverables", "quality", "runs", "speech"):
        theirs = [row for row in before[table] if "summer" in row]
        assert theirs
        assert [row for row in after[table] if "summer" in row] == theirs


def test_loading_the_same_facts_twice_changes_nothing(settings: Settings) -> None:
    first = load_campaign(settings, spring())
    once = content(settings)

    second = load_campaign(settings, spring())

    assert content(settings) == once
    assert first.rows == second.rows == {
        "campaigns": 1, "clips": 7, "charges": 6, "artifacts": 21, "derivations": 19, "speech": 5, "videos": 4,
        "deliverables": 6, "quality": 3, "runs": 2, "reconciliations": 0,
    }  # fmt: skip


def test_a_charge_is_brought_up_to_date_and_never_set_back(settings: Settings) -> None:
    in_flight = replace(BOUGHT_C1, state="accepted", billed_seconds=None, billed_usd=None, settled_at=None)
    load_campaign(settings, spring(charges=[in_flight]))
    assert answer(settings, "spend_by_campaign", "paid_usd", "held_usd")[0] == (usd("0"), usd("1.54"))

    load_campaign(settings, spring(charges=[BOUGHT_C1]))
    load_campaign(settings, summer(charges=[in_flight]))  # read before it was settled, loaded after

    assert answer(settings, "spend_by_campaign", "paid_usd", "held_usd")[0] == (usd("1.40"), usd("0"))


def test_a_charge_settles_although_the_clock_was_set_back(settings: Settings) -> None:
    in_flight = replace(BOUGHT_C1, state="accepted", billed_seconds=None, billed_usd=None, settled_at=None)
    load_campaign(settings, spring(charges=[in_flight]))

    load_campaign(settings, spring(charges=[replace(BOUGHT_C1, settled_at=NOON - timedelta(hours=2))]))

    assert answer(settings, "spend_by_campaign", "paid_usd", "held_usd")[0] == (usd("1.40"), usd("0"))


LATER_STATES = [
    ("reserved", "sending"), ("reserved", "voided"), ("sending", "unknown"),
    ("sending", "accepted"), ("sending", "refused"), ("sending", "rejected"), ("unknown", "accepted"),
    ("unknown", "voided"), ("accepted", "completed"), ("accepted", "refused"), ("accepted", "rejected"),
    ("completed", "stored"), ("stored", "settled"), ("rejected", "voided"), ("rejected", "settled"),
    ("settled", "voided"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), LATER_STATES)
def test_the_later_state_of_a_charge_wins_whoever_comes_last(before: str, after: str) -> None:
    with duckdb.connect() as memory:
        memory.execute(statements.statement("schema", "charges").sql)
        for states in ((before, after), (after, before)):
            memory.execute("DELETE FROM charges")
            for state in states:
                facts = spring(charges=[replace(BOUGHT_C1, state=state)])
                load._insert(memory, "charges", rows.charge_rows(facts.charges))

            assert memory.execute("SELECT state FROM charges").fetchall() == [(after,)]


def test_every_state_of_the_ledger_has_its_rank() -> None:
    assert {state for pair in LATER_STATES for state in pair} == set(STATES)


def test_sizes_of_stored_media_come_from_the_store_with_relative_names(settings: Settings) -> None:
    store, facts = MediaStore(settings.media), summer()
    with store.workshop() as bench:
        (bench / "s1.mp4").write_bytes(b"1234567")
        sha256 = store.put(bench / "s1.mp4")

    load_campaign(settings, replace(facts, videos=[replace(facts.videos[0], sha256=sha256)]))

    found = frame(settings, "SELECT bytes, file FROM artifacts WHERE kind = 'video'")
    assert tuples(found) == [(7, f"media/{sha256[:2]}/{sha256}.mp4")]


def test_an_empty_campaign_can_be_loaded_and_asked(settings: Settings) -> None:
    empty = Campaign("empty", "Empty", None, Path("empty"), DeliverySettings(), (), "hash")

    load_campaign(settings, CampaignFacts(empty))

    for question in questions():
        ask(settings, question.name, **dict.fromkeys(question.parameters, "x"))


def test_a_campaign_whose_every_clip_failed_shows_its_charges_and_why(settings: Settings) -> None:
    failures = [Failure("spring", script.clip_id, "aurora_videos", "The queue is full.") for script in
                spring().campaign.scripts]  # fmt: skip
    charges = [IN_DOUBT_C6, REFUSED_C6]

    load_campaign(
        settings, spring(videos=[], deliverables=[], quality=[], failures=failures, charges=charges, stage_runs=[])
    )

    assert answer(settings, "spend_by_campaign", "campaign", "paid_usd", "held_usd") == [("spring", 0, usd("0.84"))]
    assert answer(settings, "failures_by_cause", "clips", "cause") == [(7, "The queue is full.")]
    for question in questions():
        ask(settings, question.name, **dict.fromkeys(question.parameters, "x"))


def test_the_status_of_many_clips_is_found_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted(tuple[Any, ...]):
        passes = 0

        def __iter__(self) -> Iterator[Any]:
            Counted.passes += 1
            return super().__iter__()

    scripts = tuple(a_script("spring", f"c{n}", n) for n in range(50))
    speeches = Counted(a_speech("spring", f"c{n}", 1.0) for n in range(50))
    facts = CampaignFacts(replace(spring().campaign, scripts=scripts), speeches=speeches)

    statuses = rows.clip_statuses(facts)

    assert Counted.passes == 1
    assert {status["why"] for status in statuses.values()} == {"Its video is not made yet."}


def test_only_the_last_three_versions_stay_and_the_link_is_relative(settings: Settings) -> None:
    for _ in range(5):
        published = load_campaign(settings, summer())

    assert len(publish.versions(settings)) == 3
    assert settings.warehouse.readlink() == Path("warehouse") / published.file.name
    assert published.file.stat().st_mode & 0o777 == 0o444


def test_without_symlinks_the_published_name_is_a_copy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("a required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)

    load_campaign(settings, spring())
    load_campaign(settings, summer())

    assert not settings.warehouse.is_symlink()
    assert len(answer(settings, "spend_by_campaign")) == 2


# ---- rebuilding
def test_rebuilding_gives_equal_content(settings: Settings, tmp_path: Path) -> None:
    load_campaign(settings, summer())
    load_campaign(settings, spring(charges=[]))
    load_campaign(settings, spring())
    other = settings_in(tmp_path / "other")

    rebuild(other, [spring(), summer()])

    assert content(other) == content(settings)


def test_rebuilding_keeps_what_was_reconciled(billed: Settings) -> None:
    before = content(billed)["reconciliations"]
    draft = a_reconciliation(DRAFT_S1, "agrees", "0.56")

    rebuild(billed, [spring(reconciliations=SPRING_BILL), summer(reconciliations=[draft, UNKNOWN_REQUEST])])

    assert content(billed)["reconciliations"] == before


@pytest.mark.parametrize("is_lost", [False, True], ids=["from the private file", "from the published one"])
def test_a_rebuild_keeps_the_lineage_of_older_files(settings: Settings, *, is_lost: bool) -> None:
    load_campaign(settings, summer())
    load_campaign(settings, edited(summer()))
    before = content(settings)
    if is_lost:
        damage(publish.private_file(settings))

    rebuild(settings, [edited(summer())])

    assert content(settings) == before
    assert len(answer(settings, "lineage", file_sha256="master-summer-s1")) == 5


def test_a_rebuild_keeps_the_title_and_budget_of_a_campaign_whose_files_are_gone(loaded: Settings) -> None:
    before = content(loaded)
    gone = Campaign("spring", "spring", None, Path("spring"), DeliverySettings(), spring().campaign.scripts, "")

    rebuild(loaded, [spring(campaign=gone)])

    assert content(loaded) == before


def damage(file: Path) -> None:
    file.write_bytes(b"\x00not a database\x00" * 9000)


def empty(file: Path) -> None:
    file.unlink()
    with duckdb.connect() as memory:
        memory.execute(f"ATTACH '{file}' AS private ({publish.STORAGE})")


def made_elsewhere(file: Path) -> None:
    file.unlink()
    duckdb.connect(str(file)).close()


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [
        (damage, "cannot be read"),
        (Path.unlink, "is missing"),
        (empty, "has lost its tables"),
        (made_elsewhere, "cannot be read"),
    ],
)
def test_a_lost_private_file_is_named_and_rebuilt(loaded: Settings, harm: Any, sentence: str) -> None:
    harm(publish.private_file(loaded))

    with pytest.raises(WarehouseLost, match=rf"warehouse/private.duckdb {sentence}.*rebuild the warehouse"):
        load_campaign(loaded, summer())
    assert len(answer(loaded, "spend_by_campaign")) == 1  # the last good file stays
    rebuild(loaded, [spring(), summer()])

    assert len(answer(loaded, "spend_by_campaign")) == 2
    load_campaign(loaded, summer())


def test_a_private_file_of_another_version_is_not_written_to(loaded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "schema_sha256", lambda: "another")

    with pytest.raises(WarehouseLost, match="was made by another version of aurora_pipeline"):
        load_campaign(loaded, spring())


# ---- through the pipeline: the ledger and the stage tables on disk
def a_folder(settings: Settings, name: str, rows: str = "hello,Hi there.\ntwo,Yes.\n") -> Path:
    folder = settings.campaigns / name
    folder.mkdir(parents=True)
    settings.avatars.mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "data" / "avatars" / "ana.png", settings.avatars)
    yaml = f"name: {name.title()}\nbudget_usd: 5\ndefaults: {{portrait: ana, resolution: 480p}}\n"
    (folder / "campaign.yaml").write_text(yaml, encoding="utf-8")
    (folder / "scripts.csv").write_text(f"clip_id,text\n{rows}", encoding="utf-8")
    return folder


def was_run(settings: Settings, name: str, *, paid: Sequence[str]) -> pipeline.Job:
    """A campaign through all its stages; ``paid`` are the clips that have a video, each with a settled charge."""
    job = pipeline.Job(settings, name, f"run-{name}")
    scripts = pipeline.script_table(job).scripts
    speeches = [replace(a_speech(name, script.clip_id, 1.0), text=script.text) for script in scripts]
    videos = [a_video(in_the_ledger(settings, name, clip_id), seconds=0.9) for clip_id in paid]
    made = [made for video in videos for made in files_of(video)]
    write_rows(settings, "tts_audio", name, Speech, speeches)
    write_rows(settings, "aurora_videos", name, Video, videos)
    write_rows(settings, "deliverables", name, Deliverable, made)
    write_rows(settings, pipeline.QUALITY, name, Quality, [a_quality(video, "pass") for video in videos])
    return job


def in_the_ledger(settings: Settings, campaign: str, clip_id: str, text: str = "first") -> Charge:
    ledger, charge_id = open_ledger(settings.ledger), f"{campaign}-{clip_id}-{text}"
    plan = Plan(charge_id, "fal", f"print-{charge_id}", campaign, clip_id, "run-1", "aurora", "480p", 1.0,
                Decimal("0.07"), "fal.ai", Decimal("0.07"))  # fmt: skip
    ledger.claim(plan, limits=Limits(campaign_usd=Decimal(5)))
    ledger.mark_sending(charge_id, audio_url="https://v3.fal.media/a.wav")
    ledger.mark_accepted(charge_id, request_id=f"request-{charge_id}")
    ledger.mark_completed(charge_id, result={}, billable_units=None)
    ledger.mark_stored(charge_id, video_sha256=f"video-{charge_id}")
    ledger.settle(charge_id, Bill(1, Decimal("0.07"), "measured"))
    return ledger.charge(charge_id)


def charged(settings: Settings) -> list[tuple[Any, ...]]:
    return tuples(frame(settings, "SELECT campaign, clip_id, paid_usd FROM charges ORDER BY ALL"))


def in_ledger(settings: Settings) -> list[tuple[Any, ...]]:
    charges = open_ledger(settings.ledger).charges()
    return sorted((charge.campaign, charge.clip_id, charge.billed_usd) for charge in charges)


def remove(folder: Path) -> None:
    shutil.rmtree(folder)


def break_csv(folder: Path) -> None:
    (folder / "scripts.csv").write_text("clip_id,text\n,broken\n", encoding="utf-8")


def break_yaml(folder: Path) -> None:
    (folder / "campaign.yaml").write_bytes(b"\xff\x00: [")


@pytest.mark.parametrize("harm", [remove, break_csv, break_yaml])
def test_a_rebuild_shows_all_spending_also_of_a_campaign_that_cannot_be_read(settings: Settings, harm: Any) -> None:
    small, other = a_folder(settings, "small"), a_folder(settings, "other")
    for name in ("small", "other"):
        job = was_run(settings, name, paid=["hello", "two"])
        in_the_ledger(settings, name, "hello", text="an older text")
        pipeline.warehouse(job)
    before = content(settings)
    harm(small)
    assert other.exists()

    pipeline.rebuild_warehouse(settings)

    assert charged(settings) == in_ledger(settings)
    assert len(in_ledger(settings)) == 6
    after = content(settings)
    assert {table: after[table] for table in after if table != "runs"} == {
        table: before[table] for table in before if table != "runs"
    }
    assert set(before["runs"]) < set(after["runs"])  # the last warehouse stage of each was recorded after its load


def test_spending_of_a_campaign_that_left_nothing_but_its_charges_is_shown(settings: Settings) -> None:
    in_the_ledger(settings, "long_gone", "hello")
    pipeline.warehouse(was_run_in(settings, "small"))

    pipeline.rebuild_warehouse(settings)

    assert ("long_gone", None, usd("0.07")) in answer(settings, "spend_by_campaign", "campaign", "title", "paid_usd")


def was_run_in(settings: Settings, name: str) -> pipeline.Job:
    a_folder(settings, name)
    return was_run(settings, name, paid=["hello"])


def test_a_rebuild_goes_on_where_a_stage_table_is_damaged(settings: Settings) -> None:
    was_run_in(settings, "small")
    damage(settings.stage_folder("aurora_videos") / "small.parquet")

    pipeline.rebuild_warehouse(settings)

    assert charged(settings) == in_ledger(settings) == [("small", "hello", usd("0.07"))]
    assert frame(settings, "SELECT count(*) AS n FROM speech")["n"][0] == 2


def test_a_load_shows_every_charge_of_its_campaign_also_of_older_texts_and_removed_clips(settings: Settings) -> None:
    job = was_run_in(settings, "small")
    in_the_ledger(settings, "small", "hello", text="an older text")
    in_the_ledger(settings, "small", "removed")

    pipeline.warehouse(job)

    assert charged(settings) == in_ledger(settings)
    assert len(in_ledger(settings)) == 3


def test_a_file_of_the_previous_schema_is_rebuilt_by_the_warehouse_stage(settings: Settings) -> None:
    job = was_run_in(settings, "small")
    pipeline.warehouse(job)
    write_rows(settings, "deliverables", "small", Deliverable, [])
    with duckdb.connect(str(publish.private_file(settings))) as private:
        private.execute("ALTER TABLE artifacts DROP COLUMN written")  # as it was before
        private.execute("UPDATE published SET schema_sha256 = 'the previous one'")

    pipeline.warehouse(job)

    (told,) = frame(settings, "SELECT schema_sha256 FROM published")["schema_sha256"]
    assert told == statements.schema_sha256()
    rows = answer(settings, "lineage", "kind", "text", file_sha256="master-small-hello")
    assert rows[-1] == ("script", "Hi there.")


# ---- the command
@pytest.fixture
def asking(both: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`aurora ask` with these words, in this process: (exit code, what it said)."""
    monkeypatch.setenv("AURORA_HOME", str(both.root))

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(aurora, ["ask", *words])
        return done.exit_code, done.output

    return run


@pytest.fixture
def delivered(both: Settings, tmp_path: Path) -> Path:
    """A finished file on disk whose lineage is known, in an output folder of its own."""
    folder = settings_in(tmp_path / "delivered")
    file = folder.output / "deliverables" / "summer" / "s1.master.mp4"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a finished video")
    sha256 = hashlib.sha256(b"a finished video").hexdigest()
    facts = summer()
    load_campaign(folder, summer(deliverables=[replace(facts.deliverables[0], sha256=sha256)]))
    return file


def test_ask_lineage_takes_a_hash_a_path_or_the_name_the_warehouse_shows(
    asking: Any, delivered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURORA_HOME", str(delivered.parents[4]))
    sha256 = hashlib.sha256(b"a finished video").hexdigest()

    by_hash = asking("lineage", "--file-sha256", sha256.upper())

    assert by_hash[0] == 0
    assert "Hello from s1." in by_hash[1]
    assert asking("lineage", f"--file-sha256={delivered}") == by_hash
    assert asking("lineage", "--file-sha256", "deliverables/summer/s1.master.mp4") == by_hash
    assert asking("lineage", "--csv", "--file-sha256", sha256)[1].startswith("depth,kind,sha256,")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("lineage",), "The question 'lineage' needs --file-sha256 VALUE. Give a file's sha256 (64 hex digits) or its"),
        (("lineage", "--file-sha256"), "--file-sha256 needs a value. Give a file's sha256"),
        (("lineage", "--file-sha256", "no.mp4"), "is 'no.mp4', which is neither a sha256 (64 hex digits) nor a file"),
        (("lineage", "--clip", "c1"), "does not take '--clip'; it takes --file-sha256."),
        (("spend_by_campaign", "--file-sha256", "x"), "does not take '--file-sha256'; it takes no value."),
    ],
)
def test_ask_says_what_a_question_needs(asking: Any, words: tuple[str, ...], sentence: str) -> None:
    code, said = asking(*words)

    assert code == 2
    assert sentence in said


def test_ask_lists_the_questions_with_what_they_need(asking: Any) -> None:
    code, said = asking()

    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == [question.name for question in questions()]
    assert "voice, portrait and request? Needs --file-sha256." in said


def test_ask_prints_money_with_two_decimals_and_rates_with_four(asking: Any) -> None:
    spent = asking("spend_by_campaign")[1].splitlines()
    rates = asking("cost_per_delivered_second")[1].splitlines()

    paid = ["3.50", "3.50", "0.00"]  # in all, for video, for speech
    assert spent[1].split() == ["spring", "Spring", "sale", *paid, "1.40", "0.84", "50.00", "45.66", "3", "1"]
    assert spent[2].split() == ["summer", "Summer", "0.00", "0.00", "0.00", "0.56", "0.00", "0", "0"]
    assert rates[1].split()[5:] == ["0.56", "0.00", "0.1723", "0.1723", "0.0000"]


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-5 degrees", "@SUM(A1)", "\t=1", "\r=1"])
def test_ask_csv_keeps_a_spreadsheet_from_running_what_people_wrote(
    asking: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    scripts = tuple(replace(script, text=text) for script in spring().campaign.scripts)
    load_campaign(settings, spring(campaign=replace(spring().campaign, scripts=scripts, budget_usd=Decimal(1))))
    monkeypatch.setenv("AURORA_HOME", str(settings.root))

    clips = list(csv.DictReader(io.StringIO(asking("clips_to_look_at", "--csv")[1], newline="")))
    spent = list(csv.DictReader(io.StringIO(asking("spend_by_campaign", "--csv")[1])))

    assert {clip["text"] for clip in clips} == {f"'{text}".replace("\r", " ")}
    assert spent[0]["left_usd"] == "-3.340000"  # a number stays a number


def test_an_answer_without_rows_says_so(asking: Any) -> None:
    assert asking("lineage", "--file-sha256", "0" * 64) == (0, "No rows.\n")


def test_a_publisher_that_waits_too_long_says_so(loaded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "LOCK_SECONDS", 0)

    with (
        FileLock(loaded.stage_folder("warehouse") / "publish.lock"),
        pytest.raises(WarehouseFailed, match=r"warehouse/publish.lock has been held by another publisher for 0 s"),
    ):
        load_campaign(loaded, summer())


# ---- other processes
PREAMBLE = """
import os, pickle, signal, sys
from pathlib import Path
import duckdb
from aurora_pipeline.warehouse import load, publish
settings, facts, point = pickle.loads(Path(sys.argv[1]).read_bytes())
"""

PUBLISHER = f"""{PREAMBLE}
for _ in range(2):
    load.load_campaign(settings, facts)
"""

KILLED = f"""{PREAMBLE}
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

class Dying:
    def __init__(self, connection): self.connection = connection
    def __enter__(self): return self
    def __exit__(self, *_): self.connection.close()
    def execute(self, sql, *values):
        if sql.startswith(point): die()
        return self.connection.execute(sql, *values)

def half_a_copy(source, copy):
    whole = Path(source).read_bytes()
    Path(copy).write_bytes(whole[: len(whole) // 2])
    die()

connect, rename = duckdb.connect, os.replace
if point in ("COMMIT", "CHECKPOINT"): duckdb.connect = lambda **given: Dying(connect(**given))
if point == "views": load._sign = die
if point == "committed": load.publish = die
if point == "copy": publish.shutil.copyfile = half_a_copy
if point == "show": publish._show = die
if point == "swap": os.replace = lambda a, b: die() if Path(b) == settings.warehouse else rename(a, b)
if point == "sweep": publish.sweep = die
load.load_campaign(settings, facts)
"""

READER = """
import sys
from pathlib import Path
import duckdb
name, mode = sys.argv[1:]
if mode != "read-only":
    Path(name).chmod(0o644)  # root needs no permission, others could give it to themselves
reader = duckdb.connect(name, read_only=mode == "read-only")
if mode == "uncommitted":
    reader.execute("BEGIN")
if mode != "read-only":
    reader.execute("DELETE FROM clips WHERE clip_id <> 'c1'")
count = lambda: print(reader.execute("SELECT count(*) FROM clips").fetchone()[0], flush=True)
count()
sys.stdin.readline()
count()
"""


@contextlib.contextmanager
def child(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def handed_over(folder: Path, settings: Settings, facts: CampaignFacts, point: str = "") -> str:
    file = folder / f"{facts.campaign.name}.pickle"
    file.write_bytes(pickle.dumps((settings, facts, point)))
    return str(file)


@pytest.mark.parametrize(
    ("point", "is_shown"),
    [("COMMIT", False), ("CHECKPOINT", False), ("views", False), ("committed", False), ("copy", False), ("show", False),
     ("swap", False), ("sweep", True)],
)  # fmt: skip
def test_a_killed_publisher_leaves_a_good_file(
    loaded: Settings, both: Settings, tmp_path: Path, point: str, is_shown: bool
) -> None:
    before = content(loaded)

    with child(KILLED, handed_over(tmp_path, loaded, summer(), point)) as publisher:
        assert publisher.wait() == -signal.SIGKILL

    assert (content(loaded) == before) is not is_shown
    load_campaign(loaded, summer())
    assert content(loaded) == content(both)
    folder = loaded.stage_folder("warehouse")
    assert {file.name for file in folder.iterdir()} - {version.name for version in publish.versions(loaded)} == {
        "private.duckdb",
        "publish.lock",
    }


def test_two_publishers_at_once_both_end_up_in_the_published_file(
    settings: Settings, both: Settings, tmp_path: Path
) -> None:
    with (
        child(PUBLISHER, handed_over(tmp_path, settings, spring())) as one,
        child(PUBLISHER, handed_over(tmp_path, settings, summer())) as two,
    ):
        assert [one.wait(), two.wait()] == [0, 0]

    assert content(settings) == content(both)


@pytest.mark.parametrize(("mode", "sees"), [("read-only", 7), ("uncommitted", 1), ("committed", 1)])
def test_a_reader_neither_blocks_nor_corrupts_and_keeps_its_snapshot(loaded: Settings, mode: str, sees: int) -> None:
    held = loaded.warehouse.resolve()

    with child(READER, str(loaded.warehouse), mode) as reader:
        assert reader.stdout is not None
        assert int(reader.stdout.readline()) == sees
        load_campaign(loaded, summer())
        assert frame(loaded, "SELECT count(*) AS n FROM clips")["n"][0] == 9
        assert held.with_name(f"{held.name}.wal").exists() is (mode == "committed")
        assert reader.stdin is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert int(reader.stdout.readline()) == sees

    load_campaign(loaded, summer())
    assert frame(loaded, "SELECT count(*) AS n FROM clips")["n"][0] == 9


def test_a_left_over_wal_of_a_killed_reader_is_not_replayed_into_the_next_version(loaded: Settings) -> None:
    held = loaded.warehouse.resolve()
    with child(READER, str(loaded.warehouse), "committed") as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        reader.kill()
        reader.wait()
    assert held.with_name(f"{held.name}.wal").exists()

    for _ in range(3):
        load_campaign(loaded, spring())

    assert frame(loaded, "SELECT count(*) AS n FROM clips")["n"][0] == 7
    assert not list(loaded.stage_folder("warehouse").glob("*.wal"))


def test_a_published_file_open_for_writing_elsewhere_is_explained(loaded: Settings) -> None:
    with child(READER, str(loaded.warehouse), "uncommitted") as reader:
        assert reader.stdout is not None
        reader.stdout.readline()

        with pytest.raises(WarehouseFailed, match=r"Another program has warehouse.duckdb open for writing"):
            ask(loaded, "spend_by_campaign")


# ---- what is shipped
def test_every_table_column_view_and_macro_has_a_comment(both: Settings) -> None:
    silent = frame(
        both,
        """
        SELECT table_name || '.' || column_name AS name FROM duckdb_columns()
        WHERE database_name = 'warehouse' AND comment IS NULL AND table_name IN (SELECT table_name FROM duckdb_tables())
        UNION ALL SELECT table_name FROM duckdb_tables() WHERE database_name = 'warehouse' AND comment IS NULL
        UNION ALL SELECT view_name FROM duckdb_views() WHERE database_name = 'warehouse' AND comment IS NULL
        UNION ALL SELECT function_name FROM duckdb_functions() WHERE database_name = 'warehouse' AND comment IS NULL
        """,
    )
    tables = frame(both, "SELECT table_name AS t FROM duckdb_tables() WHERE database_name = 'warehouse'")["t"]

    assert list(silent["name"]) == []
    assert set(tables) == set(statements.TABLES)


def test_money_is_decimal_everywhere(both: Settings) -> None:
    columns = frame(
        both,
        "SELECT table_name || '.' || column_name AS name, data_type AS type FROM duckdb_columns() "
        "WHERE database_name = 'warehouse' AND (column_name LIKE '%usd%')",
    )

    assert len(columns) > 25
    finer = columns[columns["type"] != "DECIMAL(18,6)"]
    assert set(finer["type"]) == {"DECIMAL(18,12)"}  # a price of one character or token has more digits than any bill
    assert all(name.endswith(("usd_per_unit", "usd_per_second")) for name in finer["name"]), list(finer["name"])


def test_every_question_says_what_it_asks_and_what_a_row_is(both: Settings) -> None:
    for question in questions():
        assert question.asks.endswith("?"), question.name
        assert re.match(r"One row .*\.$", question.row), question.name
        if not question.parameters:
            view = frame(both, f"FROM {question.name}")
            assert list(view.columns) == list(ask(both, question.name).columns)
    assert {"spend_by_campaign", "lineage", "clips_to_look_at"} <= {question.name for question in questions()}


def test_every_statement_is_one_statement_with_two_lines_of_purpose() -> None:
    files = sorted((Path(statements.__file__).parent / "sql").rglob("*.sql"))

    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("-- "), file
        assert lines[1].startswith("-- One row"), file
        assert len(duckdb.extract_statements(file.read_text(encoding="utf-8"))) == 1, file


def test_analysts_open_the_published_file_with_plain_duckdb(both: Settings) -> None:
    with duckdb.connect(str(both.warehouse), read_only=True) as plain:
        assert len(plain.execute("FROM spend_by_campaign").fetchall()) == 2
        assert len(plain.execute("FROM lineage('master-spring-c2')").fetchall()) == 5
        stored = plain.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal").fetchone()

    assert stored is not None
    assert stored[0].startswith("v1.2.0")


def test_asking_before_anything_is_published_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(WarehouseFailed, match=r"No warehouse has been published yet .*run a campaign"):
        ask(settings, "spend_by_campaign")


def test_an_unknown_question_names_the_nearest(both: Settings) -> None:
    with pytest.raises(WarehouseFailed, match=r"There is no question 'spend'. Did you mean 'spend_by_"):
        ask(both, "spend")


def test_a_question_without_its_parameter_says_which(both: Settings) -> None:
    with pytest.raises(WarehouseFailed, match="The question 'lineage' must be given file_sha256; it was given nothing"):
        ask(both, "lineage")


def test_a_mistake_in_sql_is_our_error_with_duckdbs_words(both: Settings) -> None:
    with pytest.raises(WarehouseFailed, match=r"DuckDB cannot answer this: .*clipz"):
        frame(both, "SELECT * FROM clipz")


def test_scratch_tables_land_in_memory(both: Settings) -> None:
    frame(both, "CREATE TABLE scratch AS FROM clips")

    with pytest.raises(WarehouseFailed, match="scratch"):
        frame(both, "FROM scratch")


def test_importing_the_warehouse_loads_nothing_heavy() -> None:
    code = (
        "import sys; from aurora_pipeline.warehouse import load, questions, report; "
        "print({'duckdb', 'pandas', 'PIL', 'jinja2', 'sqlalchemy'} & set(sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
