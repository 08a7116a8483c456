"""The queue of the local studio: order, deadlines, retries, cancels, retention, restarts."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fal_client
import httpx
import pytest

from aurora_pipeline.studio.terms import Retention
from aurora_pipeline_tests.studio_bench import (
    ENDPOINT,
    EXAMPLE,
    Running,
    eventually,
    until,
    until_a_worker_is_at_it,
    wav,
)


def test_jobs_wait_in_line_with_their_real_positions(held: Running) -> None:
    client = held.client()
    first = client.submit(ENDPOINT, EXAMPLE)
    until(first, fal_client.InProgress)
    second, third = client.submit(ENDPOINT, EXAMPLE), client.submit(ENDPOINT, EXAMPLE)

    assert (second.status(), third.status()) == (fal_client.Queued(position=0), fal_client.Queued(position=1))
    assert held.http.get(third.status_url).status_code == 202
    assert held.http.get(first.response_url).status_code == 400
    (held.control / "hold").unlink()
    for handle in (first, second, third):
        handle.get(interval=0.02)
    assert len(held.orders()) == 3


def test_a_cancel_has_four_answers(held: Running) -> None:
    client = held.client()
    running, waiting = client.submit(ENDPOINT, EXAMPLE), client.submit(ENDPOINT, EXAMPLE)
    until_a_worker_is_at_it(running)

    answers = [held.http.put(handle.cancel_url) for handle in (waiting, waiting, running)]
    answers.append(held.http.put(running.cancel_url.replace(running.request_id, "nobody")))

    told = [(answer.status_code, answer.json()["status"]) for answer in answers]
    assert told == [(200, "OK"), (400, "ALREADY_COMPLETED"), (202, "CANCELLATION_REQUESTED"), (404, "NOT_FOUND")]
    assert until(running, fal_client.Completed).error_type == "client_cancelled"
    assert held.http.get(running.response_url).status_code == 499
    (held.control / "hold").unlink()
    client.submit(ENDPOINT, EXAMPLE).get(interval=0.02)
    assert held.billing_events(running.request_id, waiting.request_id) == []


def test_the_status_stream_ends_when_the_request_is_completed(held: Running) -> None:
    handle = held.client().submit(ENDPOINT, EXAMPLE)
    states = []
    with held.http.stream("GET", f"{handle.status_url}/stream?logs=1") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                states.append(json.loads(line.removeprefix("data: "))["status"])
                (held.control / "hold").unlink(missing_ok=True)

    assert states[-1] == "COMPLETED"
    assert states.count("COMPLETED") == 1


def test_a_studio_killed_in_the_middle_finishes_the_job_after_a_restart_and_bills_it_once(
    held: Running, launch: Callable[..., Running], tmp_path: Path
) -> None:
    client = held.client()
    sound = client.upload(wav(tmp_path / "a.wav", 1).read_bytes(), "audio/wav", "a.wav", repository="fal")
    before = client.submit(ENDPOINT, EXAMPLE | {"audio_url": sound})
    until_a_worker_is_at_it(before)
    held.stop(signal.SIGKILL)
    (held.control / "hold").unlink()

    again = launch(tmp_path, "--workers", "1")
    after = again.client().get_handle(ENDPOINT, before.request_id)
    result = after.get(interval=0.02)

    assert httpx.get(result["video"]["url"], trust_env=False).status_code == 200
    assert result["video"]["url"].startswith(again.url)
    assert len(again.billing_events(before.request_id)) == 1
    assert sum(sound.rpartition("/files/")[2].split("/")[0] in order["audio"] for order in again.orders()) == 2


def test_results_and_bills_survive_an_orderly_stop_and_workers_do_not(
    held: Running, launch: Callable[..., Running], tmp_path: Path
) -> None:
    client = held.client()
    running = client.submit(ENDPOINT, EXAMPLE)
    until_a_worker_is_at_it(running)
    assert len(_fake_workers(held.control)) == 1

    assert held.stop() == 0
    assert _fake_workers(held.control) == []
    (held.control / "hold").unlink()
    again = launch(tmp_path, "--workers", "1")
    again.client().get_handle(ENDPOINT, running.request_id).get(interval=0.02)
    assert again.stop() == 0
    third = launch(tmp_path)
    assert isinstance(third.client().get_handle(ENDPOINT, running.request_id).status(), fal_client.Completed)
    assert len(third.billing_events(running.request_id)) == 1


def _fake_workers(control: Path) -> list[str]:
    """Processes that name this control folder on their command line: its fake workers."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(file.read_text().replace("\0", " "))
    return [line for line in lines if f"{control} " in line and "aurora_pipeline.studio" not in line]


# ---- what a submit may ask for
def test_a_low_priority_waits_behind_every_normal_one_also_after_a_restart(
    held: Running, launch: Callable[..., Running], tmp_path: Path
) -> None:
    client = held.client()
    until_a_worker_is_at_it(client.submit(ENDPOINT, EXAMPLE))
    low = client.submit(ENDPOINT, EXAMPLE, priority="low")
    normal = client.submit(ENDPOINT, EXAMPLE, priority="normal")

    assert (normal.status(), low.status()) == (fal_client.Queued(position=0), fal_client.Queued(position=1))
    held.stop(signal.SIGKILL)
    again = launch(tmp_path, "--workers", "1")
    after = {name: again.client().get_handle(ENDPOINT, each.request_id) for name, each in _pair(low, normal).items()}
    assert after["low"].status() == fal_client.Queued(position=1)
    (again.control / "hold").unlink()
    for each in after.values():
        each.get(interval=0.02)
    started = {item["request_id"]: item["started_at"] for item in again.listed()}
    assert started[normal.request_id] < started[low.request_id]


def _pair(low: Any, normal: Any) -> dict[str, Any]:
    return {"low": low, "normal": normal}


def test_a_request_that_waited_longer_than_its_client_wanted_ends_as_the_users_own_timeout(held: Running) -> None:
    begun = held.handle(held.submit(x_fal_request_timeout="0.5"))
    until_a_worker_is_at_it(begun)
    late = held.handle(held.submit(x_fal_request_timeout="0.2"))

    completed = until(late, fal_client.Completed)
    answer = held.http.get(late.response_url)

    assert (completed.error, completed.error_type) == ("The request did not start within 0.2 s.", "request_timeout")
    assert (answer.status_code, answer.json()["error_type"]) == (504, "request_timeout")
    named = ("x-fal-error-type", "x-fal-retryable", "x-fal-request-timeout-type")
    assert [answer.headers[name] for name in named] == ["request_timeout", "false", "user"]
    assert held.http.put(late.cancel_url).json() == {"status": "ALREADY_COMPLETED"}
    (held.control / "hold").unlink()
    assert begun.get(interval=0.02)["video"]  # its deadline passed as well, but it had started
    assert held.billing_events(late.request_id) == []
    assert len(held.orders()) == 1


def test_a_deadline_survives_a_restart(held: Running, launch: Callable[..., Running], tmp_path: Path) -> None:
    until_a_worker_is_at_it(held.handle(held.submit()))
    late = held.submit(x_fal_request_start_timeout="0.3").json()["request_id"]
    held.stop(signal.SIGKILL)

    again = launch(tmp_path, "--workers", "1")

    assert until(again.client().get_handle(ENDPOINT, late), fal_client.Completed).error_type == "request_timeout"


@pytest.mark.parametrize(
    ("header", "value", "sentence"),
    [
        ("x_fal_queue_priority", "urgent", "X-Fal-Queue-Priority must be normal or low."),
        ("x_fal_request_timeout", "soon", "X-Fal-Request-Timeout must be seconds, more than 0.1."),
        ("x_fal_request_timeout", "0.1", "X-Fal-Request-Timeout must be seconds, more than 0.1."),
        ("x_fal_request_timeout", "nan", "X-Fal-Request-Timeout must be seconds, more than 0.1."),
        (
            "x_fal_object_lifecycle_preference",
            "1h",
            'X-Fal-Object-Lifecycle-Preference must be JSON such as {"expiration_duration_seconds": 3600}.',
        ),
        (
            "x_fal_object_lifecycle_preference",
            '{"expiration_duration_seconds": NaN}',
            'X-Fal-Object-Lifecycle-Preference must be JSON such as {"expiration_duration_seconds": 3600}.',
        ),
    ],
)
def test_a_header_that_cannot_be_honoured_is_refused(studio: Running, header: str, value: str, sentence: str) -> None:
    answer = studio.submit(**{header: value})

    assert (answer.status_code, answer.json()) == (400, {"detail": sentence})
    assert answer.headers["x-fal-error-type"] == "bad_request"


def test_headers_the_studio_has_no_use_for_are_accepted(studio: Running) -> None:
    handle = studio.handle(studio.submit(x_fal_runner_hint="warm", x_fal_no_retry="1", x_fal_store_io="1"))

    assert handle.get(interval=0.02)["video"]


def test_a_request_without_stored_io_is_listed_without_its_payload(studio: Running) -> None:
    handle = studio.handle(studio.submit(x_fal_store_io="0"))
    result = handle.get(interval=0.02)

    (item,) = studio.listed(request_id=handle.request_id)

    assert (item["status_code"], item["json_input"], item["json_output"]) == (200, None, None)
    assert studio.http.get(handle.response_url).json() == result


def test_a_result_expires_sooner_when_its_payload_is_not_stored(launch: Callable[..., Running], tmp_path: Path) -> None:
    studio = launch(tmp_path, "--keep-results", "3600,0.1,0")
    stored, unstored = studio.handle(studio.submit()), studio.handle(studio.submit(x_fal_store_io="0"))
    for handle in (stored, unstored):
        until(handle, fal_client.Completed)

    gone = eventually(lambda: _if_gone(studio.http.get(unstored.response_url)))

    assert gone.json() == {"detail": f"The result of request {unstored.request_id} has expired"}
    assert isinstance(unstored.status(), fal_client.Completed)
    assert stored.get()["video"]


def _if_gone(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 404 else None


@pytest.mark.parametrize(
    ("is_stored", "size", "kept"),
    [(True, 10**6, timedelta(days=30)), (False, 9_999, timedelta(hours=1)), (False, 10_000, timedelta(minutes=6))],
)
def test_results_are_kept_as_long_as_at_fal(is_stored: bool, size: int, kept: timedelta) -> None:
    ended = datetime(2026, 11, 22, tzinfo=UTC)

    assert Retention().expires_at(ended, is_stored=is_stored, result_bytes=size) - ended == kept


def test_the_video_lives_as_long_as_its_submit_asked(studio: Running) -> None:
    handle = studio.handle(studio.submit(x_fal_object_lifecycle_preference='{"expiration_duration_seconds": 1}'))
    url = handle.get(interval=0.02)["video"]["url"]
    assert httpx.get(url, trust_env=False).status_code == 200

    eventually(lambda: _if_gone(httpx.get(url, trust_env=False)))

    assert handle.get(interval=0.02)["video"]["url"] == url


# ---- what fal does when a runner fails
def test_a_dead_worker_is_tried_again_and_billed_once(held: Running) -> None:
    (held.control / "hold").unlink()
    (held.control / "die").touch()

    handle = held.handle(held.submit())

    assert handle.get(interval=0.02)["video"]
    assert (len(held.orders()), len(held.billing_events(handle.request_id))) == (2, 1)


@pytest.mark.parametrize(
    ("headers", "tries", "sentence"),
    [
        ({}, 3, "The render worker failed 3 times: its process ended with status 3."),
        ({"x_fal_no_retry": "1"}, 1, "The render worker failed: its process ended with status 3."),
    ],
)
def test_a_worker_that_always_dies_fails_the_request_unbilled(
    held: Running, headers: dict[str, str], tries: int, sentence: str
) -> None:
    (held.control / "hold").unlink()
    (held.control / "die_always").touch()
    handle = held.handle(held.submit(**headers))

    assert until(handle, fal_client.Completed).error == sentence

    answer = held.http.get(handle.response_url)
    assert (answer.status_code, answer.json()) == (503, {"detail": sentence, "error_type": "runner_disconnected"})
    assert answer.headers["x-fal-retryable"] == "true"
    assert len(held.orders()) == tries
    assert held.billing_events(handle.request_id) == []


# ---- following
def test_the_status_stream_sends_each_log_entry_once(held: Running) -> None:
    (held.control / "hold").unlink()
    handle = held.handle(held.submit())
    entries = []
    with held.http.stream("GET", f"{handle.status_url}/stream?logs=1") as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                entries += json.loads(line.removeprefix("data: ")).get("logs") or []

    assert stream.headers["x-fal-request-id"] == handle.request_id
    assert entries == held.http.get(handle.status_url, params={"logs": "true"}).json()["logs"]


@pytest.mark.parametrize(("asked", "has_logs"), [("1", True), ("true", True), ("0", False), ("false", False)])
def test_logs_are_told_when_they_are_asked_for(studio: Running, asked: str, has_logs: bool) -> None:
    handle = studio.handle(studio.submit())
    until(handle, fal_client.Completed)

    logs = studio.http.get(handle.status_url, params={"logs": asked}).json()["logs"]

    assert bool(logs) is has_logs


def test_a_request_is_known_under_its_own_app_only(studio: Running) -> None:
    here = studio.submit().json()["response_url"]
    elsewhere = here.replace("fal-ai/creatify", "fal-ai/flux")

    assert [studio.http.get(f"{elsewhere}{path}").status_code for path in ("", "/status", "/status/stream")] == [
        404
    ] * 3
    assert studio.http.put(f"{elsewhere}/cancel").json() == {"status": "NOT_FOUND"}


# ---- what an older studio left
OLD_TABLES = """
CREATE TABLE requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL UNIQUE, endpoint TEXT NOT NULL,
    state TEXT NOT NULL, arguments TEXT NOT NULL, sent_at TEXT NOT NULL, started_at TEXT, ended_at TEXT,
    status_code INTEGER, video TEXT, refusal TEXT, error TEXT, error_type TEXT);
CREATE INDEX requests_by_state ON requests (state, seq);
CREATE TABLE bills (
    request_id TEXT PRIMARY KEY, resolution TEXT NOT NULL, video_seconds REAL NOT NULL,
    billable_seconds INTEGER NOT NULL, usd_per_second TEXT NOT NULL, usd TEXT NOT NULL, price_source TEXT NOT NULL,
    at TEXT NOT NULL);
CREATE TABLE files (
    file_id TEXT PRIMARY KEY, name TEXT NOT NULL, content_type TEXT NOT NULL, signature TEXT NOT NULL,
    at TEXT NOT NULL);
INSERT INTO files VALUES ('f', 'output.mp4', 'video/mp4', 's', '2026-11-01T00:00:00.000000+00:00');
INSERT INTO requests (request_id, endpoint, state, arguments, sent_at, started_at, ended_at, status_code, video) VALUES
    ('done', 'fal-ai/creatify/aurora', 'COMPLETED', '{}', '2026-11-01T00:00:00.000000+00:00',
     '2026-11-01T00:00:01.000000+00:00', '2026-11-01T00:00:02.000000+00:00', 200, 'f'),
    ('waiting', 'fal-ai/creatify/aurora', 'IN_QUEUE', '{}', '2026-11-01T00:00:00.000000+00:00', NULL, NULL, NULL, NULL);
INSERT INTO bills VALUES ('done', '720p', 2.2, 3, '0.14', '0.42', 'old page', '2026-11-01T00:00:02.000000+00:00');
"""


def test_the_folder_of_an_older_studio_opens_with_all_it_holds(launch: Callable[..., Running], tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "studio.sqlite")) as old:
        old.executescript(OLD_TABLES)

    studio = launch(tmp_path)

    done = studio.http.get("/queue.fal.run/fal-ai/creatify/requests/done")
    (event,) = studio.billing_events("done")
    assert (done.status_code, done.headers["x-fal-billable-units"]) == (200, "3")
    assert (event["output_units"], event["unit_price"], event["cost_total"]) == (3, 0.14, 0.42)
    waiting = studio.client().get_handle(ENDPOINT, "waiting")
    assert until(waiting, fal_client.Completed).error_type == "missing"
