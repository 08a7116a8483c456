"""The studio is fal's speech endpoints: the same requests, answers, refusals, bills and faults, by local voices."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import wave
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from aurora_pipeline.errors import PriceUnknown
from aurora_pipeline.gear import recognisers
from aurora_pipeline.gear.voices import TimedWord
from aurora_pipeline.speech_models import SHIPPED, SpeechModel, read_speech_models
from aurora_pipeline.studio import hearing, speaking
from aurora_pipeline.studio.asked import AskedToHear, AskedToSpeak, read_asked
from aurora_pipeline.studio.pricing import Prices
from aurora_pipeline.studio.refusals import Refused
from aurora_pipeline_tests.conftest import REPOSITORY
from aurora_pipeline_tests.fal_proxy import FalProxy
from aurora_pipeline_tests.studio_bench import Running

BOOK = REPOSITORY / "data" / "price_book.csv"
TABLE = read_speech_models(SHIPPED)
KOKORO, TURBO = TABLE.named("kokoro-american-english"), TABLE.named("elevenlabs-turbo-v2.5")
MINIMAX, EAR = TABLE.named("minimax-speech-02-hd"), TABLE.recogniser("elevenlabs-speech-to-text")
DRAFT = "DRAFT: local studio speech, not a bought voice"
TEXT = "Our spring offer ends on Sunday."


@pytest.fixture(scope="module")
def talking(launch: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A studio with every shipped speech endpoint, whose voices really speak."""
    folder = tmp_path_factory.mktemp("talking")
    studio = launch(folder)
    shutil.copy(BOOK, folder)
    return studio


@pytest.fixture(scope="module")
def quick(launch: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    """The same at once, for load tests."""
    folder = tmp_path_factory.mktemp("quick")
    studio = launch(folder, "--instant", is_fake=False)
    shutil.copy(BOOK, folder)
    return studio


def asked(model: SpeechModel, **more: Any) -> dict[str, Any]:
    """What the product would send, and ``more``."""
    return model.arguments(TEXT, model.voices[0] if model.voices else "default", next(iter(model.languages))) | more


def answered(studio: Running, endpoint: str, arguments: dict[str, Any]) -> httpx.Response:
    """A request by fal.run: one connection from the request to its result."""
    return studio.http.post(f"/fal.run/{endpoint}", json=arguments)


def sound(studio: Running, answer: dict[str, Any]) -> bytes:
    """The bytes of the file an answer names."""
    address = answer["audio"]["url"].removeprefix(studio.url).removeprefix("https:/")
    return studio.http.get(address).content


def bill_of(studio: Running, response: httpx.Response) -> dict[str, Any] | None:
    events = studio.billing_events(response.headers["x-fal-request-id"])
    return events[0] if events else None


# ---- the untouched client
def test_the_untouched_fal_client_subscribes_to_every_speech_endpoint_and_is_billed_by_its_units(
    quick: Running, tmp_path: Path
) -> None:
    wanted = [[model.endpoint, asked(model)] for model in TABLE.speech]

    with FalProxy(quick.url, tmp_path) as proxy:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "FAL_KEY": "a:b", **proxy.environment}
        command = [sys.executable, str(Path(__file__).with_name("untouched_speech.py"))]
        spoken = _run(command, environment, wanted)
        heard = [[ear.endpoint, ear.arguments(spoken[0]["result"]["audio"]["url"], "en")] for ear in TABLE.recognisers]
        written = _run(command, environment, heard)
        assert proxy.refused == []

    for model, told in zip(TABLE.speech, spoken, strict=True):
        assert model.audio_url(told["result"]).startswith("https://v3.fal.media/files/")
        assert sound(quick, told["result"])[:4] == b"RIFF"
        (event,) = quick.billing_events(told["request_id"])
        assert event["output_units"] == float(model.units(TEXT))
    for ear, told in zip(TABLE.recognisers, written, strict=True):
        assert (ear.transcript(told["result"]).text, ear.transcript(told["result"]).language) == (TEXT, "en")
        assert [word.text for word in ear.transcript(told["result"]).words] == TEXT.split()
        (event,) = quick.billing_events(told["request_id"])
        assert event["cost_total"] > 0


def _run(command: list[str], environment: dict[str, str], requests: list[Any]) -> list[dict[str, Any]]:
    ended = subprocess.run(
        command, env=environment, input=json.dumps(requests), capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    told: list[dict[str, Any]] = json.loads(ended.stdout)
    return told


# ---- voices
def _seen(file: Path) -> tuple[str, str, float]:
    """Codec, comment and seconds of a sound."""
    with av.open(file) as container:
        stream = container.streams.audio[0]
        seconds = sum(frame.samples for frame in container.decode(stream)) / stream.rate
        return stream.codec_context.name, container.metadata.get("comment", ""), seconds


@pytest.mark.parametrize(("model", "kind"), [(KOKORO, "wav"), (TURBO, "mp3"), (MINIMAX, "mp3")])
def test_a_text_is_spoken_and_encoded_as_the_endpoint_does_and_marked_as_a_draft(
    talking: Running, tmp_path: Path, model: SpeechModel, kind: str
) -> None:
    response = answered(talking, model.endpoint, asked(model, language_code="en", language_boost="English"))

    answer, content = response.json(), sound(talking, response.json())
    file = tmp_path / f"sound.{kind}"
    file.write_bytes(content)
    codec, comment, seconds = _seen(file)
    assert response.status_code == 200
    assert answer["audio"]["file_name"] == f"output.{kind}"
    assert answer["audio"]["content_type"] == {"wav": "audio/wav", "mp3": "audio/mpeg"}[kind]
    assert answer["audio"]["file_size"] == len(content)
    assert (codec, comment) == ({"wav": "pcm_s16le", "mp3": "mp3float"}[kind], DRAFT)
    assert 1 < seconds < 5
    assert ("duration_ms" in answer) is (model is MINIMAX)


def test_times_of_words_are_told_when_they_are_asked_for_and_only_then(talking: Running) -> None:
    told = answered(talking, TURBO.endpoint, {"text": TEXT, "timestamps": True}).json()
    untold = answered(talking, TURBO.endpoint, {"text": TEXT}).json()

    words = TURBO.words(told, TEXT)
    assert words is not None
    assert [word.text for word in words] == TEXT.split()
    assert all(word.end_seconds > word.start_seconds for word in words)
    assert "timestamps" not in untold


@pytest.mark.skipif(importlib.util.find_spec("py_nanotts") is None, reason="the extra `languages` is not installed")
def test_another_language_is_spoken_by_a_voice_of_that_language(tmp_path: Path) -> None:
    model = TABLE.named("kokoro-french")

    made = speaking.speak(AskedToSpeak(model, "Bonjour à tous.", "ff_siwis", "fr", False), tmp_path, threading.Event())

    assert made.language == "fr-FR"


def test_a_region_and_a_low_voice_are_followed_where_there_are_such_voices() -> None:
    assert speaking._nearest("en-US", "am_adam")[0].pitch < 0.7
    assert speaking._nearest("en-US", "af_heart")[0].name == "heart"
    assert speaking._nearest("en-GB", "bf_alice")[0].language == "en-GB"


def test_a_language_that_no_installed_voice_speaks_is_refused_in_so_many_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaking, "_local", list)
    hindi = AskedToSpeak(TABLE.named("kokoro-hindi"), "नमस्ते", "hf_alpha", "hi", False)

    with pytest.raises(Refused) as caught:
        speaking.speak(hindi, tmp_path, threading.Event())

    refusal = caught.value.refusal
    assert (refusal.status_code, refusal.error_type) == (422, "unsupported_language")
    assert refusal.error == (
        "The local studio cannot speak this text. No voice of this machine speaks 'hi'. fal's own endpoint might."
    )


def test_every_character_has_its_time_and_words_are_whole_again_when_read() -> None:
    words = (TimedWord("Hi,", 0.0, 0.3), TimedWord("you", 0.4, 0.7))

    (stretch,) = speaking.timestamps(words)

    assert "".join(stretch["characters"]) == "Hi, you"
    assert TURBO.words({"timestamps": [stretch]}, "Hi, you") == words


# ---- refusals
@pytest.mark.parametrize(
    ("model", "arguments", "error_type", "where"),
    [
        (KOKORO, {}, "missing", ["body", "prompt"]),
        (KOKORO, {"prompt": ""}, "string_too_short", ["body", "prompt"]),
        (KOKORO, {"prompt": " \n"}, "string_pattern_mismatch", ["body", "prompt"]),
        (KOKORO, {"prompt": 5}, "string_type", ["body", "prompt"]),
        (KOKORO, {"prompt": TEXT, "voice": "bf_alice"}, "one_of", ["body", "voice"]),
        (MINIMAX, {"text": "x" * 5001, "output_format": "url"}, "string_too_long", ["body", "text"]),
        (KOKORO, {"prompt": "x" * 10_001}, "string_too_long", ["body", "prompt"]),
        (MINIMAX, {"text": TEXT, "language_boost": "Xx", "output_format": "url"}, "one_of", ["body", "language_boost"]),
        (TABLE.named("kokoro-french"), {"prompt": TEXT}, "missing", ["body", "voice"]),
        (TURBO, {"text": TEXT, "language_code": "xx"}, "one_of", ["body", "language_code"]),
        (EAR, {"language_code": "eng"}, "missing", ["body", "audio_url"]),
    ],
)  # fmt: skip
def test_what_fal_refuses_is_a_typed_422_and_not_billed(
    quick: Running, model: Any, arguments: dict[str, Any], error_type: str, where: list[str]
) -> None:
    response = answered(quick, model.endpoint, arguments)

    (item,) = response.json()["detail"]
    assert (response.status_code, item["type"], item["loc"]) == (422, error_type, where)
    assert bill_of(quick, response) is None


def test_a_request_that_would_be_answered_in_hex_is_not_answered_otherwise(quick: Running) -> None:
    response = answered(quick, MINIMAX.endpoint, {"text": TEXT})

    assert response.status_code == 500
    assert "answers fal-ai/minimax/speech-02-hd with output_format 'url' only" in response.text


def test_arguments_that_are_no_object_are_refused(quick: Running) -> None:
    for body in ("[]", '"text"', "null", "5"):
        assert quick.http.post(f"/fal.run/{KOKORO.endpoint}", content=body).status_code == 422


# ---- bills
def test_prices_bills_and_usage_are_told_by_the_endpoints_unit(quick: Running) -> None:
    listed = quick.http.get(
        "/api.fal.ai/v1/models/pricing", params={"endpoint_id": f"{KOKORO.endpoint},{EAR.endpoint}"}
    )
    response = answered(quick, TURBO.endpoint, {"text": "é" * 150})

    event = bill_of(quick, response)
    assert [(row["unit"], row["unit_price"]) for row in listed.json()["prices"]] == [
        ("1000 characters", 0.02),
        ("minute", 0.03),
    ]
    assert response.headers["x-fal-billable-units"] == "0.15"
    assert event is not None
    assert (event["output_units"], event["unit_price"], event["cost_total"]) == (0.15, 0.05, 0.0075)
    used = quick.http.get("/api.fal.ai/v1/models/usage", params={"endpoint_id": TURBO.endpoint, "expand": "summary"})
    assert {row["unit"] for row in used.json()["summary"]} == {"1000 characters"}


def test_a_speech_request_is_listed_with_what_was_asked_and_answered(quick: Running) -> None:
    response = answered(quick, KOKORO.endpoint, asked(KOKORO))

    (item,) = quick.listed(endpoint_id=KOKORO.endpoint, request_id=response.headers["x-fal-request-id"])

    assert item["json_input"] == asked(KOKORO)
    assert item["json_output"] == response.json()


def test_an_endpoint_the_book_does_not_price_is_not_served(studio: Running) -> None:
    assert studio.http.post(f"/queue.fal.run/{KOKORO.endpoint}", json=asked(KOKORO)).status_code == 404


def test_a_book_that_prices_a_voice_by_another_unit_is_refused(tmp_path: Path) -> None:
    book = tmp_path / "price_book.csv"
    book.write_text(BOOK.read_text().replace("hd,any,1000_characters", "hd,any,minute"))

    with pytest.raises(PriceUnknown, match="by the 'minute'; only prices by the '1000_characters' can be reserved"):
        Prices(book)


def test_the_documentation_shows_every_speech_endpoint_with_its_own_arguments(quick: Running) -> None:
    paths = quick.http.get("/openapi.json").json()["paths"]

    schema = paths[f"/queue.fal.run/{MINIMAX.endpoint}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"text", "voice_setting", "language_boost"}


# ---- recognisers
def test_the_studio_knows_what_it_spoke_itself_word_for_word(talking: Running) -> None:
    spoken = answered(talking, KOKORO.endpoint, asked(KOKORO)).json()

    response = answered(talking, EAR.endpoint, EAR.arguments(spoken["audio"]["url"], "en"))

    heard = EAR.transcript(response.json())
    assert (heard.text, heard.language) == (TEXT, "en")
    assert [word.text for word in heard.words] == TEXT.split()
    assert {entry["type"] for entry in response.json()["words"]} == {"word", "spacing"}


def test_a_recording_of_somebody_else_is_refused_where_no_recogniser_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognisers, "offline", lambda: None)
    asked_to_hear = read_asked(EAR, {"audio_url": "u", "language_code": "deu"})

    assert isinstance(asked_to_hear, AskedToHear)
    assert asked_to_hear.language == "de"
    with pytest.raises(Refused) as caught:
        hearing.hear(asked_to_hear, tmp_path / "x.wav")
    assert caught.value.refusal.error_type == "internal_server_error"
    assert caught.value.refusal.error.startswith(
        "The studio knows what it has spoken itself, and this is another recording; to hear it, install aurora-pipeline"
    )


def test_a_recogniser_is_not_sent_what_is_no_sound(quick: Running) -> None:
    response = answered(quick, EAR.endpoint, {"audio_url": "data:text/plain,hello"})

    assert (response.status_code, response.json()["detail"][0]["type"]) == (422, "unsupported_audio_format")


# ---- instant
def test_an_instant_voice_is_a_real_wav_marked_as_a_draft_and_costs_the_same(quick: Running, tmp_path: Path) -> None:
    response = answered(quick, TURBO.endpoint, asked(TURBO))

    content = sound(quick, response.json())
    file = tmp_path / "sound.wav"
    file.write_bytes(content)
    with wave.open(io.BytesIO(content)) as made:
        samples = np.frombuffer(made.readframes(made.getnframes()), "<i2")
        assert made.getnframes() / made.getframerate() == pytest.approx(1.8)
    assert np.abs(samples).max() > 1000
    assert _seen(file)[:2] == ("pcm_s16le", DRAFT)
    assert response.headers["x-fal-billable-units"] == f"{TURBO.units(TEXT):f}"
    assert TURBO.words(response.json(), TEXT) is not None


def test_two_texts_of_an_instant_voice_are_two_sounds_of_which_each_is_always_the_same(quick: Running) -> None:
    one, two, again = (
        sound(quick, answered(quick, TURBO.endpoint, {**asked(TURBO), TURBO.input: text}).json())
        for text in ("Ten past two.", "Two past ten.", "Ten past two.")
    )

    assert len(one) == len(two)
    assert one == again != two


# ---- faults
@pytest.fixture
def broken(quick: Running) -> Any:
    """Puts one fault on the next rendering; healed afterwards."""

    def by(**fault: Any) -> None:
        scenario = {"faults": [{"at": "render", "on": 1, **fault}]}
        assert quick.http.put("/_studio/scenario", json=scenario).status_code == 200

    yield by
    quick.http.put("/_studio/scenario", content="{}")


@pytest.mark.parametrize(
    ("fault", "looks"),
    [
        ({"fault": "shorter", "seconds": 1}, lambda content: 0.7 < _seconds(content) < 0.9),
        ({"fault": "longer", "seconds": 2}, lambda content: 3.7 < _seconds(content) < 3.9),
        ({"fault": "silent"}, lambda content: not _samples(content).any()),
        ({"fault": "truncated"}, lambda content: len(content) < 32_000),
        ({"fault": "zero_bytes"}, lambda content: content == b""),
        ({"fault": "html"}, lambda content: b"<html" in content),
        ({"fault": "odd_size"}, lambda content: _seconds(content) == pytest.approx(1.8)),
    ],
)
def test_a_voices_file_breaks_as_far_as_it_makes_sense_and_its_bill_stays(
    quick: Running, broken: Any, fault: dict[str, Any], looks: Callable[[bytes], bool]
) -> None:
    broken(**fault)

    response = answered(quick, TURBO.endpoint, asked(TURBO))

    assert looks(sound(quick, response.json()))
    event = bill_of(quick, response)
    assert event is not None
    assert Decimal(str(event["cost_total"])) == TURBO.units(TEXT) * Decimal("0.05")


def _samples(content: bytes) -> Any:
    with wave.open(io.BytesIO(content)) as made:
        return np.frombuffer(made.readframes(made.getnframes()), "<i2")


def _seconds(content: bytes) -> float:
    return len(_samples(content)) / 16_000


def test_a_voices_job_fails_is_lost_and_is_billed_absurdly_as_a_videos_is(quick: Running, broken: Any) -> None:
    broken(fault="error", type="content_policy_violation", billed=True)
    refused = answered(quick, TURBO.endpoint, asked(TURBO))
    broken(fault="restart")
    again = answered(quick, TURBO.endpoint, asked(TURBO))
    broken(fault="bill", factor=100)
    absurd = answered(quick, TURBO.endpoint, asked(TURBO))
    broken(fault="not_billed")
    free = answered(quick, TURBO.endpoint, asked(TURBO))

    assert (refused.status_code, again.status_code, absurd.status_code, free.status_code) == (422, 200, 200, 200)
    bills = [bill_of(quick, each) for each in (refused, again, absurd, free)]
    assert [bill and bill["cost_total"] for bill in bills] == [0.0016, 0.0016, 0.16, None]


def test_bytes_of_a_voice_are_remembered_across_a_restart(launch: Callable[..., Running], tmp_path: Path) -> None:
    first = launch(tmp_path, "--instant", is_fake=False)
    shutil.copy(BOOK, tmp_path)
    content = sound(first, answered(first, KOKORO.endpoint, asked(KOKORO)).json())
    assert first.stop() == 0

    second = launch(tmp_path, "--instant", is_fake=False)
    shutil.copy(BOOK, tmp_path)
    (path,) = [file for file in (tmp_path / "files").iterdir() if file.read_bytes() == content]
    heard = answered(second, EAR.endpoint, {"audio_url": f"https://v3.fal.media/files/{path.name}/output.wav"})

    assert EAR.transcript(heard.json()).text == TEXT
