"""Requests and answers broken on purpose, as the untouched fal-client sees them."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import Any

import fal_client
import httpx
import pytest

from aurora_pipeline_tests.broken_studio import (
    ENDPOINT,
    KEY,
    QUEUE,
    V1,
    Broken,
    at,
    waited,
)


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (at("submit", "lose_request"), 1),
        (at("submit", "lose_answer"), 2),
        (at("submit", "truncate"), 2),
        (at("submit", "hang", after=True), 2),
        (at("submit", "hang"), 1),
        (at("submit", "answer", status=429), 1),
        (at("submit", "answer", status=408, after=True), 2),
        (at("submit", "answer", status=409), 1),
        (at("submit", "answer", status=502), 1),
        (at("submit", "answer", status=503, after=True), 2),
        (at("submit", "answer", status=504, after=True), 2),
        (at("submit", "redirect", after=True), 2),
        (at("submit", "redirect"), 1),
    ],
    ids=lambda value: f"{value['fault']}-{value.get('status', '')}" if isinstance(value, dict) else None,
)
def test_a_plain_client_repeats_its_submit_and_buys_as_often_as_it_was_done(
    broken: Broken, fault: dict[str, Any], taken: int
) -> None:
    broken.by(fault)

    broken.client(seconds=1).submit(ENDPOINT, broken.inputs)

    assert broken.injected() == [fault["fault"]]
    assert broken.queued() == taken


@pytest.mark.parametrize(
    ("options", "header"), [({}, "1"), ({"headers": {"Retry-After": "7"}}, "7"), ({"body": "empty"}, "1")]
)
def test_a_busy_answer_says_when_to_come_again(broken: Broken, options: dict[str, Any], header: str) -> None:
    broken.by(at("submit", "answer", status=429, **options))

    answer = broken.http.post(QUEUE, json=broken.inputs)

    assert (answer.status_code, answer.headers.get_list("retry-after")) == (429, [header])


def test_gateway_errors_look_like_nginx_and_others_like_json(broken: Broken) -> None:
    broken.by(*(at("submit", "answer", status=status, on=number) for number, status in ((1, 502), (2, 401), (3, 500))))

    nginx, key, broken = (broken.http.post(QUEUE, json={}) for _ in range(3))

    assert "<center>nginx</center>" in nginx.text
    assert "x-fal-request-id" not in nginx.headers
    assert key.json() == {"detail": "Authentication is required to access this application."}
    assert broken.json() == {"detail": "Internal Server Error"}


def test_a_locked_account_refuses_submits_while_statuses_go_on(broken: Broken) -> None:
    broken.by({"fault": "locked", "at": "submit", "on": "2-"})
    first = broken.submit()

    with pytest.raises(fal_client.FalClientHTTPError, match=r"User is locked\. Reason: Exhausted balance\."):
        broken.submit()

    assert waited(first)
    assert broken.injected() == ["locked"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (at("submit", "not_json"), ValueError),
        (at("submit", "without", keys=["status_url"]), KeyError),
        (at("submit", "answer", status=200, body="empty", after=True), ValueError),
        (at("submit", "answer", status=401), fal_client.FalClientHTTPError),
        (at("submit", "answer", status=402), fal_client.FalClientHTTPError),
        (at("submit", "answer", status=500, after=True), fal_client.FalClientHTTPError),
    ],
    ids=["not_json", "without", "empty", "401", "402", "500"],
)
def test_a_submit_without_a_usable_answer_raises_in_the_client(
    broken: Broken, fault: dict[str, Any], error: type[Exception]
) -> None:
    broken.by(fault)

    with pytest.raises(error):
        broken.submit()

    (entry,) = broken.told()["injected"]
    assert (entry["at"], entry["number"], entry["method"], entry["path"]) == ("submit", 1, "POST", QUEUE)
    assert bool(entry["request_id"]) == (broken.queued() == 1)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (at("status", "answer", status=500), fal_client.FalClientHTTPError),
        (at("status", "answer", status=404), fal_client.FalClientHTTPError),
        (at("status", "not_json"), ValueError),
        (at("status", "replace", keys={"status": "PAUSED"}), ValueError),
        (at("status", "without", keys=["status"]), KeyError),
        (at("status", "without", keys=["status"], per="job"), KeyError),
    ],
    ids=["500", "404", "html", "unknown_state", "no_state", "per_job"],
)
def test_one_bad_poll_raises_in_a_plain_client_though_the_paid_job_runs_on(
    broken: Broken, fault: dict[str, Any], error: type[Exception]
) -> None:
    broken.by(fault)
    handle = broken.submit()

    with pytest.raises(error):
        handle.status()

    assert broken.usd(waited(handle)) is not None
    assert broken.told()["injected"][0]["request_id"] == handle.request_id


def test_faults_per_job_count_each_jobs_own_requests(broken: Broken) -> None:
    broken.by(at("status", "answer", status=418, per="job"))
    handles = [broken.submit() for _ in range(3)]

    answers = [broken.http.get(handle.status_url).status_code for handle in handles for _ in range(2)]

    assert [code == 418 for code in answers] == [True, False] * 3


def test_a_long_queue_is_told_for_as_long_as_it_lasts(broken: Broken) -> None:
    broken.by(at("status", "replace", on="1-5", keys={"status": "IN_QUEUE", "queue_position": 4711}))
    handle = broken.submit()

    positions = [event.position for event in handle.iter_events(interval=0.01) if isinstance(event, fal_client.Queued)]

    assert positions[:5] == [4711] * 5
    assert broken.injected() == ["replace"] * 5


def test_urls_of_another_host_are_named_where_a_scenario_says(broken: Broken) -> None:
    broken.by(
        at("submit", "elsewhere", keys=["status_url"], base="http://127.0.0.1:9"),
        at("result", "elsewhere", keys=["video.url"], base="https://evil.example"),
    )
    handle = broken.submit()
    for _ in broken.client().get_handle(ENDPOINT, handle.request_id).iter_events(interval=0.02):
        pass

    assert handle.status_url.startswith("http://127.0.0.1:9/queue.fal.run/fal-ai/creatify/requests/")
    assert broken.result(handle.request_id).json()["video"]["url"].startswith("https://evil.example/v3.fal.media/")


def test_the_date_header_is_there_once_and_can_be_off(broken: Broken) -> None:
    right = broken.http.get("/_studio/health").headers.get_list("date")
    broken.by({"fault": "clock", "at": "any", "seconds": -7200})
    behind = broken.http.get(f"{V1}/account/billing").headers.get_list("date")

    assert len(right) == len(behind) == 1
    skew = parsedate_to_datetime(right[0]) - parsedate_to_datetime(behind[0])
    assert 7100 < skew.total_seconds() <= 7200


def test_an_expired_result_is_gone_while_the_list_keeps_its_answer(broken: Broken) -> None:
    broken.by({"fault": "expired", "at": "result"})
    request_id = broken.made()

    assert broken.result(request_id).status_code == 404
    assert broken.item(request_id)["json_output"]["video"]["url"].startswith(broken.url)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (at("download", "file_gone"), 404),
        (at("download", "file_gone", status=410), 410),
        (at("download", "answer", status=403), 403),
        (at("download", "answer", status=200, body="html"), 200),
        (at("download", "answer", status=200, body="empty"), 200),
    ],
    ids=["404", "410", "403", "html", "empty"],
)
def test_a_download_can_fail_once(broken: Broken, fault: dict[str, Any], code: int) -> None:
    broken.by(fault)
    url = broken.result(broken.made()).json()["video"]["url"]

    first, second = (httpx.get(url, trust_env=False) for _ in range(2))

    assert first.status_code == code
    assert b"ftyp" not in first.content[:16]
    assert second.content[4:8] == b"ftyp"


def test_a_truncated_download_promises_more_than_comes(broken: Broken) -> None:
    broken.by(at("download", "truncate", bytes=100))
    url = broken.result(broken.made()).json()["video"]["url"]

    with pytest.raises(httpx.RemoteProtocolError, match="received 100 bytes"):
        httpx.get(url, trust_env=False)


def test_uploads_fail_at_the_token_the_naming_and_the_bytes(broken: Broken) -> None:
    client = broken.client()
    broken.by(
        at("token", "answer", status=500), at("initiate", "answer", status=500), at("upload", "answer", status=403)
    )

    token = broken.http.post("/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3", json={})
    for _ in range(2):
        with pytest.raises((fal_client.FalClientHTTPError, httpx.HTTPStatusError)):
            client.upload(b"x", "audio/wav", "a.wav", repository="fal")

    assert token.status_code == 500
    assert [entry["at"] for entry in broken.told()["injected"]] == ["token", "initiate", "upload"]


def test_a_late_answer_was_done_in_time(broken: Broken) -> None:
    broken.by(at("submit", "late_answer", seconds=600))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{broken.url}{QUEUE}", json=broken.inputs, headers=KEY, trust_env=False, timeout=0.5)

    assert broken.queued() == 1


def test_events_break_on_an_open_stream(broken: Broken) -> None:
    broken.by(
        at("stream", "replace", keys={"status": "PAUSED"}),
        at("stream", "not_json", on=2),
        at("stream", "lose_answer", on=3),
        at("stream", "answer", on=4, status=502),
    )
    url = f"/queue.fal.run/fal-ai/creatify/requests/{broken.made()}/status/stream"

    paused, page = (broken.http.get(url).text for _ in range(2))
    with pytest.raises(httpx.RemoteProtocolError):
        broken.http.get(url)

    assert json.loads(paused.removeprefix("data: "))["status"] == "PAUSED"
    assert page.startswith("data: <!DOCTYPE html>")
    assert broken.http.get(url).status_code == 502
