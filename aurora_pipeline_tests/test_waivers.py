"""A clip that fails listening is drafted, never bought, unless a person waives that very audio."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from aurora_pipeline.aurora_videos.ledger import open_ledger
from aurora_pipeline.aurora_videos.waivers import standing_waivers, waive, waived, withdraw_waivers
from aurora_pipeline.gear import voices
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline.tts_audio.wav import write_wav
from aurora_pipeline_tests.conftest import write_campaign

WAIVED_ALREADY = (
    "stuck is waived already by Ada: a [31mdramatic pause. To say it anew, take that back: aurora waive spring stuck "
    "--withdraw. Nothing was waived."
)
FAL = {"AURORA_PROVIDER": "fal", "FAL_KEY": "waivers:not-a-secret"}


@pytest.fixture
def home(aurora, new_home):
    """A campaign whose one recording stops for four seconds in the middle."""
    home = new_home()
    folder = write_campaign(home, "spring", ["stuck,Hello there. How are you?,take.wav"], head="clip_id,text,audio")
    record(folder / "take.wav", silence_seconds=4.0)
    return home


def record(file, *, silence_seconds):
    engine, heart = voices.engine("hibari"), voices.shipped().named("heart")
    first, second = (engine.speak(text, heart) for text in ("Hello there.", "How are you?"))
    silence = np.zeros(round(silence_seconds * first.sample_rate), np.float32)
    write_wav(file, np.concatenate((first.samples, silence, second.samples)), first.sample_rate)


def test_waivers_are_of_one_audio_and_are_withdrawn_never_deleted(ledger_url):
    ledger = open_ledger(ledger_url)

    assert waive(ledger, "spring", [("a", "1" * 64)], reason="a pun", by="Ada") == 1
    assert waive(ledger, "spring", [("a", "1" * 64)], reason="again", by="Bob") == 0
    (one,) = standing_waivers(ledger, "spring")
    assert (one.clip_id, one.speech_sha256, one.reason, one.waived_by) == ("a", "1" * 64, "a pun", "Ada")
    assert standing_waivers(ledger, "summer") == []
    assert withdraw_waivers(ledger, "spring", ["a"], by="Eve") == 1
    assert standing_waivers(ledger, "spring") == []
    assert withdraw_waivers(ledger, "spring", ["a"], by="Eve") == 0


def test_a_recordings_waiver_ends_with_the_text_that_it_was_given_for():
    speech = Speech("spring", "a", "5" * 64, 2.0, 24_000, "recording", "2", "", "en", "Hello.", "estimated", ())
    recorded = replace(speech, recording_sha256="7" * 64)

    assert speech.waived_as == replace(speech, text="Goodbye.").waived_as == "5" * 64
    assert recorded.waived_as != replace(recorded, text="Goodbye.").waived_as


def test_a_second_waiver_ends_no_earlier_one_and_audio_that_comes_back_is_waived_still(ledger_url):
    ledger = open_ledger(ledger_url)
    waive(ledger, "spring", [("a", "1" * 64)], reason="a pun", by="Ada")
    waive(ledger, "spring", [("a", "2" * 64)], reason="another pun", by="Ada")

    assert {key: each.reason for key, each in waived(ledger, "spring").items()} == {
        ("a", "1" * 64): "a pun",
        ("a", "2" * 64): "another pun",
    }


def test_what_fails_listening_is_held_back_until_it_is_waived_and_new_audio_is_held_anew(aurora, home):
    held = aurora(home, "quote", "spring", **FAL)
    assert "x stuck" in held.stdout, held.stdout + held.stderr
    assert "or, if it is right: aurora waive spring stuck --reason TEXT" in held.stdout

    drafted = aurora(home, "run", "spring")
    assert drafted.returncode == 0, drafted.stdout + drafted.stderr
    assert "stuck (speech: fail): " in drafted.stdout
    assert "Not bought as it is: edit it or, if it is right: aurora waive spring stuck --reason TEXT" in drafted.stdout
    assert "Nobody compared what is heard of 1 clip with what is written: AURORA_LISTENER is off." in drafted.stdout
    assert "stuck: Would not be bought as it is: " in aurora(home, "quote", "spring").stdout

    said = aurora(home, "waive", "spring", "stuck", "--reason", "a \x1b[31mdramatic\n pause", "--by", "Ada")
    said.stdout = said.stdout.replace("[31m", "")  # what was an escape is only text now
    assert "Ada waived 1 clip of spring: a dramatic pause" in said.stdout, said.stdout + said.stderr
    assert "a [31mdramatic pause (holds)" in aurora(home, "waive", "spring", "--list").stdout
    agreed = aurora(home, "quote", "spring", **FAL)
    assert "+ stuck" in agreed.stdout, agreed.stdout + agreed.stderr
    assert "Waived by Ada: a [31mdramatic pause" in agreed.stdout
    (clip,) = json.loads(aurora(home, "quote", "spring", "--json", **FAL).stdout)["clips"]
    assert (clip["speech_verdict"], clip["waived_by"], clip["waived_reason"]) == ("fail", "Ada", "a [31mdramatic pause")
    assert "Waived by Ada: a [31mdramatic pause" in aurora(home, "run", "spring").stdout
    asked = aurora(home, "ask", "speech_to_listen_to", "--csv").stdout
    assert ",Ada,a [31mdramatic pause," in asked, asked
    again = aurora(home, "waive", "spring", "stuck", "--reason", "another", "--by", "Bob")
    assert (again.returncode, again.stderr.strip()) == (1, WAIVED_ALREADY)

    record(home / "data" / "campaigns" / "spring" / "take.wav", silence_seconds=5.0)
    anew = aurora(home, "quote", "spring", **FAL)
    assert "x stuck" in anew.stdout, anew.stdout + anew.stderr
    (clip,) = json.loads(aurora(home, "quote", "spring", "--json", **FAL).stdout)["clips"]
    assert (clip["speech_verdict"], clip["waived_by"], clip["waived_reason"]) == ("fail", None, None)
    assert "no longer holds, it is spoken anew" in aurora(home, "waive", "spring", "--list").stdout


def test_a_campaign_may_ask_for_warnings_only(aurora, home):
    file = home / "data" / "campaigns" / "spring" / "campaign.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "speech: {listen: warn}\n", encoding="utf-8")

    told = aurora(home, "quote", "spring", **FAL)

    assert "+ stuck" in told.stdout, told.stdout + told.stderr
    assert "aurora waive" not in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("stuck",), 2, "Say why: add --reason TEXT."),
        (("stuck", "--reason", " \x1b \n"), 2, "Say why: add --reason TEXT."),
        (("stuck", "--reason", "y" * 501), 2, "The reason has 501 letters; 500 are kept. Say it shorter."),
        (("--reason", "x"), 2, "Name the clips."),
        (("nobody", "--reason", "x"), 1, "spring has no clip 'nobody' that was spoken"),
        (("stuck", "--withdraw"), 1, "stuck of spring is not waived"),
    ],
)
def test_mistakes_are_sentences(aurora, home, arguments, code, sentence):
    aurora(home, "quote", "spring")

    said = aurora(home, "waive", "spring", *arguments)

    assert (said.returncode, sentence in said.stderr) == (code, True), said.stderr


def test_what_is_not_spoken_yet_is_spoken_first(aurora, new_home):
    home = new_home(spring=["hello,Hello there."])

    said = aurora(home, "waive", "spring", "hello", "--reason", "x")

    assert said.stderr.strip() == "Nothing of spring is spoken yet; run: aurora quote spring. Nothing was waived."
    assert "nowhere" in aurora(home, "waive", "nowhere", "hello", "--reason", "x").stderr


def test_what_stands_in_the_ledger_reaches_no_terminal_as_an_escape(ledger_url):
    ledger = open_ledger(ledger_url)

    waive(ledger, "spring", [("a", "1" * 64)], reason="a\x1b[2J pun\r\nof ours", by="A\x07da")

    (one,) = standing_waivers(ledger, "spring")
    assert one.said == "Waived by A da: a [2J pun of ours"


def test_a_good_clip_needs_no_waiver(aurora, new_home):
    home = new_home(spring=["hello,Hello there."])
    aurora(home, "quote", "spring")

    said = aurora(home, "waive", "spring", "hello", "--reason", "x")

    assert said.stderr.strip() == "Nothing holds hello back: listening says pass. Nothing was waived."
