"""Jobs, videos, bills and webhooks broken on purpose."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from aurora_pipeline.gear.probe import probe
from aurora_pipeline.studio.fault_kinds import ERROR_TYPES
from aurora_pipeline_tests.broken_studio import (
    ENDPOINT,
    QUEUE,
    REQUESTS,
    V1,
    Broken,
    at,
    render,
    running,
    until_struck,
    usd_of,
    waited,
)


# ---- jobs
@pytest.mark.parametrize("error_type", sorted(ERROR_TYPES))
def test_a_job_ends_with_any_error_of_the_contract_and_is_not_billed(broken: Broken, error_type: str) -> None:
    broken.by(render("error", type=error_type, argument="audio_url"))
    request_id = broken.made()

    result, status = (
        broken.result(request_id),
        broken.http.get(f"{REQUESTS}/{request_id}/status"),
    )

    assert result.status_code == ERROR_TYPES[error_type]
    assert error_type in result.text
    assert (status.json()["status"], status.json()["error_type"]) == ("COMPLETED", error_type)
    assert broken.usd(request_id) is None


def test_a_refusal_may_be_billed_all_the_same(broken: Broken) -> None:
    broken.by(render("error", type="content_policy_violation", billed=True))
    request_id = broken.made()

    assert (broken.result(request_id).status_code, broken.usd(request_id)) == (422, usd_of(2))


def test_completed_with_an_error_is_a_200_without_a_video(broken: Broken) -> None:
    broken.by(render("completed_with_error", billed=True, message="It broke."))
    request_id = broken.made()

    result = broken.result(request_id)

    assert (result.status_code, result.json()) == (200, {"error": "It broke.", "error_type": "internal_server_error"})
    assert broken.item(request_id)["status_code"] == 200
    assert broken.usd(request_id) == usd_of(2)


def test_a_job_that_never_ends_is_ended_by_a_cancel(broken: Broken) -> None:
    broken.by(render("never_ends"))
    handle = broken.submit()
    until_struck(broken)

    cancelled = broken.http.put(handle.cancel_url)

    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "CANCELLATION_REQUESTED")
    assert broken.usd(waited(handle)) is None
    assert broken.result(handle.request_id).status_code == 499


def test_a_job_that_never_ends_goes_on_when_the_studio_is_healed(broken: Broken) -> None:
    broken.by(render("never_ends"))
    handle = broken.submit()
    until_struck(broken)

    broken.by()

    assert broken.usd(waited(handle)) == usd_of(2)


def test_a_cancel_that_is_ignored_ends_in_a_bill(broken: Broken) -> None:
    broken.by(render("ignores_cancel"), render("never_ends"))
    handle = broken.submit()
    until_struck(broken, 2)

    assert broken.http.put(handle.cancel_url).status_code == 202
    broken.by()

    assert broken.usd(waited(handle)) == usd_of(2)


def test_a_lost_rendering_is_made_again_and_billed_once(broken: Broken) -> None:
    broken.by(render("restart", on=[1, 2]))
    handle = broken.submit()

    assert broken.usd(waited(handle)) == usd_of(2)
    assert broken.told()["seen"]["render"] == 3


def test_a_slow_job_is_in_progress_longer(broken: Broken) -> None:
    broken.by(render("slow", seconds=0.3))
    item = broken.item(broken.made())

    assert item["duration"] >= 0.3


def test_a_studio_that_dies_after_it_took_a_submit_has_it_when_it_is_back(tmp_path: Path) -> None:
    with running(tmp_path) as broken:
        broken.by(at("submit", "die", after=True))
        with pytest.raises(httpx.RemoteProtocolError):
            broken.http.post(QUEUE, json={})
        assert broken.process.wait(20) == -9

    with running(tmp_path) as again:
        query = {"endpoint_id": ENDPOINT}
        assert len(again.http.get(f"{V1}/models/requests/by-endpoint", params=query).json()["items"]) == 1


# ---- videos
VIDEOS = {
    "shorter": ({"seconds": 0.5}, lambda seen: 0.6 < seen.video_seconds < 0.8, 1),
    "longer": ({"seconds": 2}, lambda seen: 3.1 < seen.video_seconds < 3.3, 4),
    "silent": ({}, lambda seen: seen.has_picture and not seen.has_audio, 2),
    "no_picture": ({}, lambda seen: seen.has_audio and not seen.has_picture, 2),
    "odd_size": ({"size": "448x832"}, lambda seen: (seen.width, seen.height) == (448, 832), 2),
    "fps": ({"fps": 30}, lambda seen: seen.fps == 30, 2),
    "truncated": ({"bytes": 15_000}, lambda seen: seen.is_truncated, 2),
}


@pytest.mark.parametrize("fault", VIDEOS)
def test_videos_break_in_every_way_a_client_must_notice(broken: Broken, tmp_path: Path, fault: str) -> None:
    options, is_so, seconds = VIDEOS[fault]
    broken.by(render(fault, **options))
    request_id = broken.made()

    assert is_so(probe(broken.file(request_id, tmp_path)))
    assert broken.usd(request_id) == usd_of(seconds)


@pytest.mark.parametrize(("fault", "content"), [("zero_bytes", b""), ("html", b"<!DOCTYPE html>")])
def test_a_video_may_be_no_video_at_all_and_is_billed(
    broken: Broken, tmp_path: Path, fault: str, content: bytes
) -> None:
    broken.by(render(fault))
    request_id = broken.made()

    assert broken.file(request_id, tmp_path).read_bytes()[:15] == content
    assert broken.usd(request_id) == usd_of(2)


# ---- money
def test_an_absurd_bill_is_one_in_header_and_events_alike(broken: Broken) -> None:
    broken.by(render("bill", usd="40500"), render("bill", factor=100, on=2))
    first = broken.made()
    units = Decimal(broken.result(first).headers["x-fal-billable-units"])
    prices = broken.http.get(f"{V1}/models/pricing", params={"endpoint_id": ENDPOINT}).json()["prices"]

    assert broken.usd(first) == 40500
    assert round(units * Decimal(str(prices[0]["unit_price"]))) == 40500
    assert broken.usd(broken.made()) == 4_050_000


def test_bills_and_results_come_without_each_other(broken: Broken) -> None:
    broken.by(render("not_billed", on=1), render("billed_without_result", on=2))
    free, lost = broken.made(), broken.made()

    assert broken.usd(free) is None
    assert "x-fal-billable-units" not in broken.result(free).headers
    assert "url" in broken.result(free).json()["video"]
    assert (broken.usd(lost), broken.result(lost).status_code) == (usd_of(2), 500)


def test_units_can_be_missing_or_wrong(broken: Broken) -> None:
    broken.by(at("result", "units", **{"is": "missing"}), at("result", "units", on=2, **{"is": "12.5"}))
    request_id = broken.made()

    missing, wrong = (broken.result(request_id).headers.get("x-fal-billable-units") for _ in range(2))

    assert (missing, wrong) == (None, "12.5")


def test_prices_change_and_vanish(broken: Broken) -> None:
    broken.by(at("pricing", "price", unit_price="0.50", unit="minute"), at("pricing", "unpriced", on=2))

    changed, gone = (broken.http.get(f"{V1}/models/pricing", params={"endpoint_id": ENDPOINT}).json() for _ in range(2))

    assert (changed["prices"][0]["unit_price"], changed["prices"][0]["unit"]) == (0.5, "minute")
    assert gone["prices"] == []


def test_records_are_late_repeated_and_without_payloads(broken: Broken) -> None:
    request_id = broken.made()
    listed = {"endpoint_id": ENDPOINT, "expand": "payloads", "limit": 1}

    broken.by({"fault": "late_records", "at": ["requests", "billing"], "seconds": 3600})
    assert broken.http.get(f"{V1}/models/requests/by-endpoint", params=listed).json()["items"] == []
    assert broken.usd(request_id) is None

    broken.by({"fault": "repeated", "at": ["requests", "billing"]})
    events = broken.http.get(f"{V1}/models/billing-events", params={"request_id": request_id}).json()["billing_events"]
    assert [event["request_id"] for event in events] == [request_id] * 2

    broken.by({"fault": "without", "at": "requests", "keys": ["items.*.json_input", "items.*.json_output"]})
    (item,) = broken.http.get(f"{V1}/models/requests/by-endpoint", params=listed).json()["items"]
    assert item["request_id"] == request_id
    assert "json_input" not in item


def test_the_balance_can_be_gone(broken: Broken) -> None:
    broken.by({"fault": "replace", "at": "account", "keys": {"credits.current_balance": 0}})

    assert broken.http.get(f"{V1}/account/billing?expand=credits").json()["credits"]["current_balance"] == 0


# ---- webhooks
class Receiver(ThreadingHTTPServer):
    """Keeps the headers of whatever is posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.posts: queue.SimpleQueue[dict[str, str]] = queue.SimpleQueue()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _Post(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        assert isinstance(self.server, Receiver)
        self.server.posts.put(dict(self.headers))

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_webhook_comes_twice_wrongly_signed_or_not_at_all(broken: Broken, receiver: Receiver) -> None:
    broken.by(
        at("webhook", "duplicate"),
        at("webhook", "bad_signature", on=2),
        at("webhook", "none", on=3),
        at("webhook", "late", on=3, seconds=0),
    )

    def posted() -> str:
        submit = broken.http.post(QUEUE, params={"fal_webhook": receiver.url}, json=broken.inputs)
        return str(submit.json()["request_id"])

    twice = posted()
    first, second = (receiver.posts.get(timeout=30) for _ in range(2))
    wrong = posted()
    forged = receiver.posts.get(timeout=30)
    posted()
    until_struck(broken, 4)

    assert first["X-Fal-Webhook-Request-Id"] == second["X-Fal-Webhook-Request-Id"] == twice
    assert forged["X-Fal-Webhook-Request-Id"] == wrong
    assert forged["X-Fal-Webhook-Signature"] == "00" * 64
    assert receiver.posts.empty()
