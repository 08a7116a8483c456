"""`aurora check`: what would stop clips that are written well, beside the mistakes in their files."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from aurora_pipeline.cli.campaigns import check
from aurora_pipeline_tests.conftest import write_campaign

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def home(new_home, monkeypatch):
    """A home with one good campaign; `aurora check` looks at it."""
    home = new_home(spring=["a,Hello there."])
    monkeypatch.setenv("AURORA_HOME", str(home))
    return home


@pytest.fixture
def checked():
    """The exit code of `aurora check spring` and the lines it prints."""

    def checked():
        result = CliRunner().invoke(check, ["spring"])
        return result.exit_code, result.stdout.splitlines()

    return checked


def test_a_campaign_that_can_be_made_has_no_problems(home, checked):
    assert checked() == (0, ["spring: 1 script, no problems."])


def test_a_missing_price_is_told_with_the_clips_it_stops(home, checked):
    book = home / "data" / "price_book.csv"
    kept = [line for line in book.read_text(encoding="utf-8").splitlines() if ",480p," not in line]
    book.write_text("\n".join(kept) + "\n", encoding="utf-8")

    assert checked() == (
        1,
        [
            "spring: 1 script, 1 problem:",
            "x fal-ai/creatify/aurora 480p (a): data/price_book.csv has no price for fal-ai/creatify/aurora 480p; "
            "add a row with its source. Nothing was spent.",
        ],
    )


def test_a_price_past_its_day_stops_buying_and_no_draft(home, checked, monkeypatch):
    book = home / "data" / "price_book.csv"
    book.write_text(book.read_text(encoding="utf-8").replace("2027-06-30", "2026-10-01"), encoding="utf-8")
    assert checked()[0] == 0

    monkeypatch.setenv("AURORA_PROVIDER", "fal")

    code, (_, line) = checked()
    assert code == 1
    assert line.startswith("x fal-ai/creatify/aurora 480p (a): The price of fal-ai/creatify/aurora 480p")


def test_a_broken_price_book_is_told_together_with_the_campaigns_own_mistakes(home, aurora):
    (home / "data" / "price_book.csv").write_text("endpoint,unit\n", encoding="utf-8")
    write_campaign(home, "spring", ["a,"])

    said = aurora(home, "check", "spring")

    assert said.returncode == 1
    assert said.stdout == ""
    assert "data/price_book.csv has 5 problems:\n" in said.stderr
    assert "data/campaigns/spring/scripts.csv has 1 problem:\n    line 2, text: is empty;" in said.stderr


def test_a_voice_whose_package_is_missing_is_told_with_what_to_install(home, checked, monkeypatch):
    write_campaign(home, "spring", ["a,Guten Tag.,pico-de", "b,Hello.,"], head="clip_id,text,voice")
    monkeypatch.setattr("aurora_pipeline.gear.voices.is_installed", lambda engine: engine != "nanotts")

    assert checked() == (
        1,
        [
            "spring: 2 scripts, 1 problem:",
            "x pico-de (a): the engine nanotts is not installed; run: pip install 'aurora-pipeline[languages]'",
        ],
    )


def test_sounds_for_a_voice_that_takes_none_are_told(home, checked):
    pytest.importorskip("py_nanotts", reason="no wheel for this platform")
    lexicon = "lexicon: {Aurora: /auˈʁoːʁa/}\n"
    rows = ["a,Das ist Aurora.,pico-de", "b,This is Aurora.,"]
    write_campaign(home, "spring", rows, head="clip_id,text,voice", extra=lexicon)

    assert checked() == (
        1,
        [
            "spring: 2 scripts, 1 problem:",
            "x pico-de (a): the engine nanotts takes no sounds, and the lexicon gives them for 'Aurora.'; "
            "write a respelling",
        ],
    )


def test_a_bought_voice_without_a_price_is_told(home, checked):
    write_campaign(home, "spring", ["a,Guten Tag.,eleven-rachel-de"], head="clip_id,text,voice")
    assert checked()[0] == 0

    book = home / "data" / "price_book.csv"
    kept = [line for line in book.read_text(encoding="utf-8").splitlines() if "elevenlabs/tts/multilingual" not in line]
    book.write_text("\n".join(kept) + "\n", encoding="utf-8")

    code, (_, line) = checked()
    assert code == 1
    assert line.startswith("x eleven-rachel-de (a): data/price_book.csv has no price for fal-ai/elevenlabs/tts/")


def test_a_recording_that_is_no_sound_is_told_before_anything_is_made(home, checked):
    write_campaign(home, "spring", ["a,Hello.,words.wav"], head="clip_id,text,audio")
    (home / "data" / "campaigns" / "spring" / "words.wav").write_text("Hello, I am only text.", encoding="utf-8")

    code, (_, line) = checked()

    assert code == 1
    assert line == (
        "x words.wav (a): The recording 'words.wav' cannot be read as sound (ffmpeg finds no sound in it); save it as "
        "WAV, MP3 or M4A and run again. Nothing was spent."
    )


def test_a_paid_listener_without_a_price_is_told_where_it_is_asked(home, checked, monkeypatch):
    write_campaign(home, "spring", ["a,Hello."])
    monkeypatch.setenv("AURORA_LISTENER", "elevenlabs-scribe-v2")
    monkeypatch.setenv("AURORA_PROVIDER", "fal")
    assert checked()[0] == 0

    book = home / "data" / "price_book.csv"
    kept = [line for line in book.read_text(encoding="utf-8").splitlines() if "scribe-v2" not in line]
    book.write_text("\n".join(kept) + "\n", encoding="utf-8")

    code, (_, line) = checked()
    assert code == 1
    assert line.startswith("x elevenlabs-scribe-v2, which listens to the speech: data/price_book.csv has no price for ")


def test_what_is_only_doubted_is_no_problem(home, checked):
    from PIL import Image

    Image.new("RGB", (512, 512), "tan").save(home / "data" / "avatars" / "plain.png")
    write_campaign(home, "spring", ["a,Hello.,plain"], head="clip_id,text,portrait", extra="portrait_check: warn\n")

    code, lines = checked()

    assert code == 0
    assert lines[0] == "spring: 1 script, no problems."
    assert lines[1].startswith("! plain (a): ")


def test_the_shipped_samples_have_no_problems(home, checked, aurora):
    for name in ("kofi", "mei"):
        shutil.copy(REPOSITORY / "data" / "avatars" / f"{name}.png", home / "data" / "avatars")
    shutil.copytree(REPOSITORY / "data" / "campaigns" / "invitations", home / "data" / "campaigns" / "invitations")

    assert aurora(home, "check", "invitations").stdout == "invitations: 5 scripts, no problems.\n"
