"""The whole flow for real: speech, the real fal-client over HTTP against the studio, ffmpeg, a DuckDB file.

Nothing is faked here: each test runs the `aurora` command in a process of its own, with nothing on its PATH.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from decimal import Decimal

import duckdb
import httpx
import pytest

from aurora_pipeline.aurora_videos import Video
from aurora_pipeline.aurora_videos.ledger import Ledger
from aurora_pipeline.deliverables import Deliverable, Quality
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.gear.probe import decode_errors, probe
from aurora_pipeline.gear.studio_process import studio
from aurora_pipeline.pipeline import QUALITY
from aurora_pipeline.settings import from_environment
from aurora_pipeline.stage_tables import read_rows
from aurora_pipeline_tests.conftest import ALONE, REPOSITORY, write_campaign

ROWS = ['hello,"Good morning, and welcome aboard."', 'price,"Coffee is two dollars today."']
SECRET = "5f3a-sentinel:7c1d-never-to-be-seen"


@pytest.fixture(scope="module")
def finished(aurora, new_home):
    """One finished campaign of two clips; (its home, what the command said)."""
    home = new_home(small=ROWS)
    return home, aurora(home, "run", "small", FAL_KEY=SECRET)


@pytest.fixture
def home(finished):
    return finished[0]


@pytest.fixture
def settings(home):
    return from_environment({"AURORA_HOME": str(home)})


def _studio_requests(settings):
    """Every request the studio has ever accepted, with its bill: the provider's own word, over HTTP."""
    with (
        studio(settings.studio_folder, settings.price_book, workers=1) as url,
        httpx.Client(headers={"Authorization": "Key test"}, base_url=f"{url}/api.fal.ai/v1", trust_env=False) as api,
    ):
        query = {"endpoint_id": "fal-ai/creatify/aurora", "start": "2020-01-01T00:00:00+00:00", "limit": 100}
        items = api.get("/models/requests/by-endpoint", params=query).raise_for_status().json()["items"]
        ids = [item["request_id"] for item in items]
        bill = api.get("/models/billing-events", params={"request_id": ids}).raise_for_status().json()["billing_events"]
    return {event["request_id"]: Decimal(str(event["cost_total"])) for event in bill}, ids


def test_one_command_makes_the_campaign_and_says_where_everything_is(finished):
    home, said = finished

    assert said.returncode == 0, said.stderr
    assert "Small: 2 clips are finished." in said.stdout
    assert "$0.00 paid" in said.stdout
    for stage in ("script_table", "tts_audio", "aurora_videos", "deliverables", "warehouse"):
        assert stage in said.stderr
    assert (home / "data" / "output" / "warehouse.duckdb").exists()


def test_every_video_decodes_to_its_end_with_the_promised_form(settings):
    files = [row for row in read_rows(settings, "deliverables", "small", Deliverable) if row.rendition != "poster"]

    assert sorted({row.rendition for row in files}) == ["16x9", "1x1", "9x16", "master"]
    sizes = {"9x16": (360, 640), "1x1": (360, 360), "16x9": (640, 360)}
    for row in files:
        file = settings.output / row.file
        seen = probe(file)
        assert decode_errors(file) == ()
        assert (seen.video_codec, seen.audio_codec, seen.fps, seen.is_faststart) == ("h264", "aac", 25.0, True)
        assert (seen.width, seen.height) == sizes.get(row.rendition, (seen.width, seen.height))
        assert abs(row.loudness_lufs + 14) <= 1
        assert row.true_peak_dbtp < -1
        assert "DRAFT" in row.file


def test_the_mouth_moves_with_the_speech_and_the_verdict_is_good(settings):
    quality = read_rows(settings, QUALITY, "small", Quality)

    assert {row.clip_id for row in quality} == {"hello", "price"}
    for row in quality:
        assert row.verdict == "pass", row.reasons
        assert row.mouth_motion > 1.2  # grey levels; reference/media.md 5


def test_duckdb_the_ledger_and_the_studios_own_bill_agree_to_the_cent(settings):
    bill, _ids = _studio_requests(settings)

    ledger = {charge.request_id: charge.billed_usd for charge in Ledger(settings.ledger).charges()}
    with duckdb.connect(str(settings.warehouse), read_only=True) as facts:
        published = dict(facts.execute("SELECT request_id, billed_usd FROM charges").fetchall())

    assert bill
    assert ledger == published == bill


def test_a_second_run_has_nothing_to_do_and_costs_nothing(aurora, home, settings):
    before = _studio_requests(settings)

    said = aurora(home, "run", "small")

    assert "Nothing to do: all 2 clips of Small are finished. $0.00." in said.stdout
    assert _studio_requests(settings) == before


def test_the_key_is_in_no_file_and_no_text(finished, settings):
    home, said = finished

    assert SECRET not in said.stdout + said.stderr
    for file in (path for path in home.rglob("*") if path.is_file()):
        assert SECRET.encode() not in file.read_bytes(), file.name


def test_no_table_names_a_place_on_this_machine(settings, home):
    with duckdb.connect(str(settings.warehouse), read_only=True) as facts:
        for (table,) in facts.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            assert str(home) not in str(facts.execute(f'SELECT * FROM "{table}"').fetchall()), table


def test_a_deliverable_is_traced_to_its_row_voice_portrait_and_request(settings):
    with duckdb.connect(str(settings.warehouse), read_only=True) as facts:
        rows = facts.execute(
            "SELECT script_line, text, portrait, voice, request_id FROM lineage_of_deliverables "
            "WHERE clip_id = 'price' AND rendition = 'master'"
        ).fetchall()
    videos = {row.clip_id: row for row in read_rows(settings, "aurora_videos", "small", Video)}

    assert rows == [(3, "Coffee is two dollars today.", "ana", "heart", videos["price"].request_id)]


def test_one_edited_word_remakes_exactly_one_clip(aurora, new_home, finished):
    home = new_home()
    shutil.copytree(finished[0] / "data", home / "data", dirs_exist_ok=True, symlinks=True)
    settings = from_environment({"AURORA_HOME": str(home)})
    before = {row.sha256 for row in read_rows(settings, "aurora_videos", "small", Video)}
    write_campaign(home, "small", [ROWS[1], ROWS[0].replace("welcome", "come")])  # and re-ordered

    said = aurora(home, "run", "small")

    assert said.returncode == 0, said.stderr
    after = {row.sha256 for row in read_rows(settings, "aurora_videos", "small", Video)}
    assert len(before & after) == 1
    assert len(Ledger(settings.ledger).charges()) == 3


def test_the_same_clip_in_another_campaign_is_not_bought_again(aurora, home, settings):
    write_campaign(home, "autumn", [ROWS[0].replace("hello", "greeting")])
    before = _studio_requests(settings)

    said = aurora(home, "run", "autumn")

    assert said.returncode == 0, said.stderr
    (video,) = read_rows(settings, "aurora_videos", "autumn", Video)
    assert (video.was_reused, video.usd) == (True, 0)
    assert _studio_requests(settings) == before


def test_killed_half_way_the_next_run_goes_on_and_nothing_is_asked_for_twice(aurora, new_home):
    home = new_home(killed=ROWS)
    settings = from_environment({"AURORA_HOME": str(home)})
    running = subprocess.Popen(
        [sys.executable, "-m", "aurora_pipeline", "run", "killed"],
        env=os.environ | ALONE | {"AURORA_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _until(lambda: "accepted" in [charge.state for charge in Ledger(settings.ledger).charges()], running)
    running.send_signal(signal.SIGKILL)
    running.wait()

    said = aurora(home, "run", "killed")

    assert said.returncode == 0, said.stderr
    bill, ids = _studio_requests(settings)
    assert len(ids) == len(bill) == 2
    states = [charge.state for charge in Ledger(settings.ledger).charges()]
    assert states.count("settled") == 2
    assert set(states) <= {"settled", "voided"}  # voided: reserved when the worker died, and never sent


def _until(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)  # waits for another process's state, not for a moment in time


MISTAKES = """\
clip_id,text,portrait,voice,language,resolution,guidance_scale,audio_guidance_scale
,No id.,,,,,,
empty,,,,,,,
twice,One.,,,,,,
twice,Two.,,,,,,
face,Nobody.,nobody,,,,,
voice,Hm.,,tenor,,,,
tongue,Hm.,,,tlh,,,
size,Hm.,,,,1080p,,
guide,Hm.,,,,,7,
audio,Hm.,,,,,,"1,5"
left,Hello {{ name }}.,,,,,,
"""


def test_ten_mistakes_are_ten_sentences_and_nothing_is_spent(aurora, new_home):
    home = new_home()
    folder = write_campaign(home, "wrong", [])
    (folder / "scripts.csv").write_text(MISTAKES, encoding="utf-8")

    said = aurora(home, "run", "wrong")

    assert said.returncode == 1
    assert "has 10 problems" in said.stderr
    assert said.stderr.count("\n    line ") == 10
    assert "Nothing was spent." in said.stderr
    assert "Traceback" not in said.stderr
    assert Ledger(from_environment({"AURORA_HOME": str(home)}).ledger).charges() == []


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"AURORA_PROVIDER": "fal"}, "FAL_KEY is not set"),
        ({"AURORA_PROVIDER": "fal", "FAL_KEY": SECRET}, "nobody is here to agree; add --yes. Nothing was spent."),
        ({"AURORA_PROVIDER": "fale"}, "use 'studio' (free, local) or 'fal' (paid)"),
    ],
)
def test_paid_video_is_refused_until_it_is_meant(aurora, new_home, environment, sentence):
    home = new_home(spring=ROWS[:1])

    said = aurora(home, "run", "spring", **environment)

    assert said.returncode == 1
    assert sentence in said.stderr
    assert SECRET not in said.stdout + said.stderr


def test_a_campaign_written_from_the_readme_alone_runs(aurora, new_home):
    home = new_home()
    assert aurora(home, "new", "spring").returncode == 0
    folder = home / "data" / "campaigns" / "spring"
    shutil.copy(REPOSITORY / "data" / "avatars" / "kofi.png", folder / "my_portrait.png")
    write_campaign(home, "spring", ["hi;Hello you.;my_portrait.png;low"], head="﻿clip_id; Text ;portrait;voice")

    assert aurora(home, "check", "spring").returncode == 0
    said = aurora(home, "run", "spring")

    assert said.returncode == 0, said.stderr
    settings = from_environment({"AURORA_HOME": str(home)})
    (video,) = read_rows(settings, "aurora_videos", "spring", Video)
    assert MediaStore(settings.media).path(video.sha256) is not None


def test_a_failing_clip_leaves_its_neighbour_alone_and_says_what_it_cost(aurora, new_home):
    from PIL import Image

    home = new_home()
    folder = write_campaign(home, "half", ["good,Fine.,ana", "bad,Nobody there.,wall"], head="clip_id,text,portrait")
    Image.new("RGB", (640, 480), "grey").save(folder / "wall.png")

    said = aurora(home, "run", "half")

    assert said.returncode == 1
    assert "1 of 2 clips of Half failed." in said.stdout
    assert "face_detection_error" in said.stdout
    settings = from_environment({"AURORA_HOME": str(home)})
    assert {row.clip_id for row in read_rows(settings, "deliverables", "half", Deliverable)} == {"good"}


def test_a_folder_that_cannot_be_written_is_a_sentence_not_a_stack_trace(aurora, new_home):
    home = new_home(spring=ROWS[:1])
    (home / "file").write_text("in the way", encoding="utf-8")

    said = aurora(home, "run", "spring", AURORA_OUTPUT=str(home / "file"))

    assert said.returncode == 1
    assert "set AURORA_OUTPUT to a folder that can be written" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_quote_of_drafts_says_what_buying_would_cost(aurora, home):
    said = aurora(home, "quote", "small")

    assert "drafted" in said.stdout
    assert "These are free drafts, $0.00. Buying all 2 clips from fal would cost $" in said.stdout


def test_a_budget_that_is_too_small_is_refused_at_the_quote(aurora, new_home):
    home = new_home(spring=ROWS)
    settings = home / "data" / "campaigns" / "spring" / "campaign.yaml"
    settings.write_text(settings.read_text().replace("budget_usd: 5", "budget_usd: 0.05"), encoding="utf-8")

    said = aurora(home, "run", "spring", "--yes", AURORA_PROVIDER="fal", FAL_KEY=SECRET)

    assert said.returncode == 1
    assert "but $0.05 of the campaign's budget is left. Raise budget_usd in campaign.yaml" in said.stderr
    assert Ledger(from_environment({"AURORA_HOME": str(home)}).ledger).charges() == []
