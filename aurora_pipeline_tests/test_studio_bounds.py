"""What a studio is told or sent is bounded and said plainly; and faults that need the whole of a job."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import fal_client
import pytest

from aurora_pipeline.errors import BadInput
from aurora_pipeline.studio.__main__ import main
from aurora_pipeline.studio.broken_answers import Answer, changed, redirected
from aurora_pipeline.studio.faults import Faults
from aurora_pipeline.studio.parts import MAX_JSON_BYTES
from aurora_pipeline.studio.scenario import read_scenario
from aurora_pipeline.studio.scenario_file import MAX_DEPTH
from aurora_pipeline_tests.broken_studio import (
    QUEUE,
    REPOSITORY,
    Broken,
    at,
    render,
    running,
    until_struck,
    usd_of,
    waited,
)

PORTRAIT = REPOSITORY / "data" / "avatars" / "ana.png"
SPEECH = "https://storage.googleapis.com/falserverless/example_inputs/creatify/aurora/input.wav"
ENDPOINT = "fal-ai/creatify/aurora"


# ---- cancels that are billed
def test_a_cancel_may_end_a_job_and_be_billed_all_the_same(broken: Broken) -> None:
    broken.by(render("billed_cancel"), render("slow", seconds=600))
    handle = broken.submit()
    until_struck(broken, 2)

    handle.cancel()

    request_id = waited(handle)
    assert broken.result(request_id).json()["error_type"] == "client_cancelled"
    assert broken.usd(request_id) == usd_of(2)


def test_a_cancel_without_that_fault_is_not_billed(broken: Broken) -> None:
    broken.by(render("slow", seconds=600))
    handle = broken.submit()
    until_struck(broken)

    handle.cancel()

    assert broken.usd(waited(handle)) is None


# ---- draws
def _struck(seed: int, jobs: list[str]) -> list[bool]:
    text = f"{{seed: {seed}, faults: [{{fault: answer, at: status, status: 500, probability: 0.5, per: job}}]}}"
    faults = Faults(read_scenario(text.encode(), file="x"))
    return [bool(faults.strikes("status", job)) for job in jobs]


def test_jobs_draw_each_for_themselves_by_their_order_of_arrival_whatever_their_names() -> None:
    first, second = _struck(7, [f"a{n}" for n in range(40)]), _struck(7, [f"b{n}" for n in range(40)])

    assert first == second
    assert 8 < sum(first) < 32
    assert _struck(8, [f"a{n}" for n in range(40)]) != first


def test_a_jobs_later_requests_draw_again() -> None:
    assert len(set(_struck(7, ["a"] * 20))) == 2


# ---- scenario values
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("{fault: units, at: result, is: zwölf}", "is 'zwölf'; write plain ASCII text in quotes, as HTTP headers hold"),
        ("{fault: redirect, at: submit, to: 'http://127.0.0.1/é'}", "is 'http://127.0.0.1/é'; write plain ASCII text"),
        ("{fault: longer, at: render, seconds: 601}", "is '601'; write seconds, such as 1.5 (from 0 to 600)"),
    ],
)
def test_a_value_that_no_answer_could_carry_is_refused_in_the_scenario(fault: str, problem: str) -> None:
    with pytest.raises(BadInput, match=re.escape(problem)):
        read_scenario(f"faults: [{fault}]".encode(), file="x")


def test_a_redirect_of_a_path_beyond_ascii_can_be_sent() -> None:
    told = redirected({"to": None, "status": 307}, path="https://queue.fal.run/fal-ai/日本/requests", query="")

    assert told.header("location") == "https://queue.fal.run/fal-ai/%E6%97%A5%E6%9C%AC/requests?redirected=1"


@pytest.mark.parametrize("rows", [[{"request_id": "r"}], [{"sent_at": 5}], [5], [{"sent_at": "2020-01-01"}], "text"])
def test_records_that_an_earlier_fault_left_without_a_moment_are_listed_and_break_nothing(rows: Any) -> None:
    answer = Answer(200, (), json.dumps({"items": rows}).encode())

    assert json.loads(changed(answer, "late_records", {"seconds": 60.0}).body) == {"items": rows}


def test_late_records_after_the_moment_was_taken_out_is_answered(broken: Broken) -> None:
    broken.made()
    broken.by(at("requests", "without", keys=["items.*.sent_at"]), at("requests", "late_records", seconds=60))

    listed = broken.http.get(
        "/api.fal.ai/v1/models/requests/by-endpoint", params={"endpoint_id": "fal-ai/creatify/aurora"}
    )

    assert listed.status_code == 200
    assert listed.json()["items"]


def test_a_scenario_nested_too_deep_is_refused_with_its_line(broken: Broken) -> None:
    deep = b"faults:\n  - " + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)

    answer = broken.http.put("/_studio/scenario", content=deep)

    assert answer.status_code == 422
    assert "line 2: is nested more than 20 deep; a scenario is a list of faults" in answer.json()["detail"]


# ---- bodies
def test_a_body_above_the_limit_is_413_at_once_whatever_it_announces(broken: Broken) -> None:
    def chunks() -> Any:
        yield b'{"image_url": "'
        for _ in range(MAX_JSON_BYTES // 1_000_000 + 1):
            yield b"x" * 1_000_000

    answer = broken.http.post(QUEUE, content=chunks())

    assert answer.status_code == 413
    assert answer.json()["detail"] == "The request is larger than 32,000 KB; upload its files and send their URLs."
    assert broken.queued() == 0


def test_a_scenario_above_its_limit_is_413(broken: Broken) -> None:
    answer = broken.http.put("/_studio/scenario", content=b"#" * 300_000)

    assert (answer.status_code, answer.json()["detail"]) == (
        413,
        "The request is larger than 256 KB; a scenario is a list of faults.",
    )


# ---- options
@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--latency", "nan", "'nan' are no seconds; write a number that is not negative"),
        ("--latency", "inf", "'inf' are no seconds"),
        ("--latency=-1", "", "'-1' are no seconds"),
        ("--webhook-delays", "1,inf", "'inf' are no seconds"),
        ("--webhook-delays", "1,x", "'x' are no seconds"),
        ("--keep-results", "60,30", "'60,30' are not three numbers of seconds; write them as 60,30,10"),
        ("--keep-results", "60,30,nan", "'nan' are no seconds"),
    ],
)
def test_an_option_that_is_no_number_of_seconds_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, sentence: str
) -> None:
    wrong = [option, value] if value else [option]

    with pytest.raises(SystemExit) as ended:
        main(["--folder", str(tmp_path), "--price-book", "none.csv", *wrong])

    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


# ---- an end that waits for nobody
def test_sigterm_does_not_wait_for_the_ffmpeg_of_a_spoiled_video(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("faults: [{fault: longer, at: render, seconds: 600}, {fault: fps, at: render, fps: 120}]")
    with running(tmp_path / "studio", "--scenario", str(scenario)) as studio:
        image = studio.client().upload(PORTRAIT.read_bytes(), "image/png", repository="fal")
        handle = studio.client().submit(ENDPOINT, {"image_url": image, "audio_url": SPEECH})
        next(event for event in handle.iter_events(interval=0.02) if isinstance(event, fal_client.InProgress))
        until_struck(studio, 2)
        assert _until_encoding(studio.process.pid)

        studio.process.send_signal(signal.SIGTERM)

        assert studio.process.wait(10) == 0
        assert not _encoders_of(studio.process.pid)


def _encoders_of(pid: int) -> list[str]:
    listed = subprocess.run(["ps", "--ppid", str(pid), "-o", "comm="], capture_output=True, text=True, check=False)
    return [name for name in listed.stdout.split() if "ffmpeg" in name]


def _until_encoding(pid: int) -> bool:
    return any(_encoders_of(pid) for _ in range(1000))
