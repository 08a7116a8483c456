"""The local studio, asked over HTTP by the real fal-client; its renderer is a script unless a test says otherwise."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import fal_client
import httpx
import pytest

from aurora_pipeline.errors import PriceUnknown, StudioFailed
from aurora_pipeline.gear import studio_process
from aurora_pipeline.studio import leases
from aurora_pipeline.studio.pricing import Prices
from aurora_pipeline.studio.storage import safe_name
from aurora_pipeline_tests.studio_bench import (
    ENDPOINT,
    EXAMPLE,
    EXAMPLES,
    PRICE_BOOK,
    Running,
    data_uri,
    until,
    wav,
)


# ---- the protocol, as the real client sees it
def test_the_real_client_uploads_submits_waits_and_gets_its_bill(studio: Running, tmp_path: Path) -> None:
    client = studio.client()
    picture = (Path(studio_process.__file__).parent.parent / "studio" / "samples" / "portrait.png").read_bytes()
    image = client.upload(picture, "image/png", "../../My portrait.png", repository="fal")
    speech = client.upload(wav(tmp_path / "a.wav", 2).read_bytes(), "audio/wav", "a.wav", repository="fal")

    handle = client.submit(ENDPOINT, {"image_url": image, "audio_url": speech, "resolution": "480p"})
    completed = until(handle, fal_client.Completed)
    response = handle.client.get(handle.response_url)

    assert image.startswith(f"{studio.url}/v3.fal.media/files/")
    assert image.endswith("/My_portrait.png")
    assert handle.status_url == f"{studio.url}/queue.fal.run/fal-ai/creatify/requests/{handle.request_id}/status"
    assert "rendered 55 of 55 frames" in [entry["message"] for entry in completed.logs]
    assert set(completed.logs[0]) == {"timestamp", "message", "level", "source", "labels"}
    assert completed.metrics["inference_time"] > 0
    assert response.headers["x-fal-billable-units"] == "3"
    assert handle.get() == response.json()
    (event,) = studio.billing_events(handle.request_id)
    assert (event["output_units"], event["unit_price"], event["cost_total"]) == (3, 0.07, 0.21)
    assert event["cost_estimate_nano_usd"] == 210_000_000
    too_many = {"request_id": [handle.request_id] * 51}
    assert studio.http.get("/api.fal.ai/v1/models/billing-events", params=too_many).status_code == 422


def test_the_pages_curl_line_answers_with_the_video_and_nothing_else(studio: Running, video: Path) -> None:
    answer = studio.http.post("/fal-ai/creatify/aurora", json=EXAMPLE)

    url = answer.json()["video"]["url"]
    assert answer.status_code == 200
    assert answer.json() == {"video": {"file_name": "output.mp4", "content_type": "video/mp4", "url": url}}
    assert httpx.get(url, trust_env=False).content == video.read_bytes()


def test_data_uris_are_read(studio: Running, tmp_path: Path) -> None:
    sound = data_uri(wav(tmp_path / "a.wav", 1).read_bytes(), "audio/wav")

    assert studio.http.post("/fal-ai/creatify/aurora", json={**EXAMPLE, "audio_url": sound}).status_code == 200


def test_an_untouched_client_behind_a_proxy_gets_fals_own_urls(studio: Running) -> None:
    answer = studio.http.post("/fal-ai/creatify/aurora", json=EXAMPLE, headers={"Host": "queue.fal.run"}).json()

    assert answer["response_url"] == f"https://queue.fal.run/fal-ai/creatify/requests/{answer['request_id']}"


# ---- who may come in
@pytest.mark.parametrize("authorization", ["", "Key", "Bearer test", "test"])
def test_a_request_without_a_key_is_refused_as_fal_refuses_it(studio: Running, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    for path in (f"/queue.fal.run/{ENDPOINT}", f"/{ENDPOINT}", "/v3.fal.media/files/upload"):
        assert httpx.post(studio.url + path, json=EXAMPLE, headers=headers, trust_env=False).status_code == 401
    assert httpx.get(f"{studio.url}/_studio/lease", headers=headers, trust_env=False).status_code == 401


def test_health_and_documentation_are_open(studio: Running) -> None:
    health = httpx.get(f"{studio.url}/_studio/health", trust_env=False).json()

    assert health == {"ok": True, "pid": studio.process.pid, "version": health["version"]}
    assert "Aurora studio" in httpx.get(f"{studio.url}/docs", trust_env=False).text
    assert "/queue.fal.run/fal-ai/creatify/aurora" in httpx.get(f"{studio.url}/openapi.json").json()["paths"]


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_web_pages_of_others_cannot_drive_it(studio: Running, headers: dict[str, str]) -> None:
    assert studio.http.post(f"/queue.fal.run/{ENDPOINT}", json=EXAMPLE, headers=headers).status_code == 403


def test_it_listens_on_one_loopback_address_only(studio: Running) -> None:
    port = int(studio.url.rpartition(":")[2])

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


# ---- refusals
@pytest.mark.parametrize(
    ("change", "where", "error_type"),
    [
        ({"image_url": None}, "image_url", "string_type"),
        ({"guidance_scale": 5.1}, "guidance_scale", "less_than_equal"),
        ({"guidance_scale": -1}, "guidance_scale", "greater_than_equal"),
        ({"audio_guidance_scale": 6}, "audio_guidance_scale", "less_than_equal"),
        ({"audio_guidance_scale": -0.1}, "audio_guidance_scale", "greater_than_equal"),
        ({"resolution": "1080p"}, "resolution", "one_of"),
    ],
)
def test_a_bad_argument_is_accepted_by_the_queue_and_refused_at_the_result(
    studio: Running, change: dict[str, Any], where: str, error_type: str
) -> None:
    handle = studio.client().submit(ENDPOINT, EXAMPLE | change)

    status = handle.status()
    answer = handle.client.get(handle.response_url)

    assert isinstance(status, fal_client.Completed)
    assert (status.error_type, answer.status_code) == (error_type, 422)
    assert [(item["loc"], item["type"]) for item in answer.json()["detail"]] == [(["body", where], error_type)]
    assert studio.billing_events(handle.request_id) == []


def test_missing_arguments_are_all_named_at_once(studio: Running) -> None:
    detail = studio.http.post(f"/{ENDPOINT}", json={}).json()["detail"]

    assert [(item["loc"][1], item["type"], item["msg"]) for item in detail] == [
        ("image_url", "missing", "Field required"),
        ("audio_url", "missing", "Field required"),
    ]


@pytest.mark.parametrize(
    ("argument", "url", "error_type"),
    [
        ("image_url", data_uri(b"no picture", "image/png"), "image_load_error"),
        ("image_url", "data:image/png;base64", "file_download_error"),
        ("image_url", "ftp://example.com/a.png", "file_download_error"),
        ("audio_url", "http://127.0.0.1:1/a.wav", "file_download_error"),
        ("audio_url", "http://[::ffff:10.0.0.1]/a.wav", "file_download_error"),
        ("audio_url", f"http://localhost/v3.fal.media/files/{'0' * 32}/gone.wav", "file_download_error"),
        ("audio_url", data_uri(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "audio/wav"), "unsupported_audio_format"),
        ("audio_url", f"{EXAMPLES}/input_.png", "unsupported_audio_format"),
    ],
)
def test_inputs_that_cannot_be_used_are_refused_by_type(
    studio: Running, argument: str, url: str, error_type: str
) -> None:
    answer = studio.http.post(f"/{ENDPOINT}", json=EXAMPLE | {argument: url})

    assert answer.status_code == 422
    assert [(item["loc"], item["type"]) for item in answer.json()["detail"]] == [(["body", argument], error_type)]


def test_audio_beyond_five_minutes_is_refused_with_both_lengths(studio: Running, tmp_path: Path) -> None:
    sound = studio.client().upload(wav(tmp_path / "a.wav", 301, 1000).read_bytes(), "audio/wav", repository="fal")

    (item,) = studio.http.post(f"/{ENDPOINT}", json=EXAMPLE | {"audio_url": sound}).json()["detail"]

    assert item["type"] == "audio_duration_too_long"
    assert item["ctx"] == {"max_duration": 300, "provided_duration": pytest.approx(301, abs=0.5)}


def test_what_is_not_json_or_not_aurora_is_refused_at_once(studio: Running) -> None:
    for body in (b"{", b'{"guidance_scale": NaN}', b'{"guidance_scale": 1e999}', b'{"prompt": "\\ud800"}'):
        assert studio.http.post(f"/queue.fal.run/{ENDPOINT}", content=body).status_code == 422
    assert studio.http.post("/queue.fal.run/fal-ai/flux/dev", json={}).status_code == 404
    assert studio.http.post("/fal-ai/flux/dev", json={}).status_code == 404
    assert studio.http.get("/queue.fal.run/fal-ai/creatify/requests/nobody/status").status_code == 404


def test_a_portrait_without_a_face_is_refused_and_a_dead_worker_is_fals_fault_and_neither_is_billed(
    launch: Callable[..., Running], tmp_path: Path
) -> None:
    studio = launch(tmp_path, "--workers", "1")
    (studio.control / "no_face").touch()
    faceless = studio.http.post(f"/{ENDPOINT}", json=EXAMPLE)
    (studio.control / "no_face").unlink()
    (studio.control / "die").touch()
    died = studio.http.post(f"/{ENDPOINT}", json=EXAMPLE)
    again = studio.http.post(f"/{ENDPOINT}", json=EXAMPLE)

    assert (faceless.status_code, faceless.json()["detail"][0]["type"]) == (422, "face_detection_error")
    assert (died.status_code, died.json()["error_type"]) == (503, "runner_disconnected")
    assert again.status_code == 200
    ids = [answer.headers["x-fal-request-id"] for answer in (faceless, died, again)]
    assert [event["request_id"] for event in studio.billing_events(*ids)] == ids[2:]


def test_a_studio_without_a_price_book_does_not_start(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "aurora_pipeline.studio",
        "--folder",
        tmp_path,
        "--price-book",
        tmp_path / "none.csv",
    ]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "none.csv has 1 problem:\n    cannot be read" in ended.stderr
    assert "Nothing was spent." in ended.stderr


# ---- bills
@pytest.mark.parametrize(
    ("seconds", "billed"), [(9.4, 10), (10.0, 10), (10.0000001, 10), (10.001, 11), (9.9999999, 10), (0.04, 1)]
)
def test_seconds_are_billed_rounded_up_but_float_dust_is_not(tmp_path: Path, seconds: float, billed: int) -> None:
    (tmp_path / "book.csv").write_text(PRICE_BOOK)

    prices = Prices(tmp_path / "book.csv")

    bill = prices.bill(prices.served()[0], "720p", seconds)

    assert (bill.billable_seconds, bill.usd) == (billed, billed * Decimal("0.14"))


def test_the_price_is_the_days_and_the_latest_when_all_have_expired(tmp_path: Path) -> None:
    (tmp_path / "book.csv").write_text(PRICE_BOOK)
    prices = Prices(tmp_path / "book.csv")

    assert prices.price(ENDPOINT, "480p", date(2020, 6, 1)).usd_per_second == Decimal("0.10")
    assert prices.price(ENDPOINT, "480p", date(2026, 6, 1)).usd_per_second == Decimal("0.07")
    assert prices.price(ENDPOINT, "720p", date(2026, 6, 1)).usd_per_second == Decimal("0.14")


def test_a_book_without_a_resolution_is_refused(tmp_path: Path) -> None:
    (tmp_path / "book.csv").write_text(PRICE_BOOK.partition("fal-ai/creatify/aurora,720p")[0])

    with pytest.raises(PriceUnknown, match=r"has no price for fal-ai/creatify/aurora 720p"):
        Prices(tmp_path / "book.csv")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b c.wav", "b_c.wav"),
        ("..", "upload.bin"),
        ("é?&.png", "png"),
        ("", "upload.bin"),
    ],
)
def test_file_names_are_made_harmless(given: str, kept: str) -> None:
    assert safe_name(given) == kept


# ---- sharing
def test_a_studio_ends_when_its_last_lease_is_released(launch: Callable[..., Running], tmp_path: Path) -> None:
    running = launch(tmp_path, "--exit-when-unused")
    with running.http.stream("GET", "/_studio/lease") as lease:
        next(lease.iter_raw())
        assert running.process.poll() is None

    assert running.process.wait(20) == 0


def test_a_studio_that_nobody_ever_uses_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "FIRST_LEASE_SECONDS", 0.0)
    unused, closed = leases.Leases(), threading.Event()

    asyncio.run(unused.close_when_unused(closed.set))

    assert closed.is_set()
    assert unused.is_closing


def test_users_of_one_folder_share_one_studio_and_a_killed_user_lets_go(tmp_path: Path) -> None:
    (tmp_path / "book.csv").write_text(PRICE_BOOK)
    arrived = threading.Barrier(3)

    def use() -> tuple[str, int]:
        with studio_process.studio(tmp_path / "studio", tmp_path / "book.csv", workers=1) as url:
            arrived.wait(60)  # all three are inside at the same time
            return url, httpx.get(f"{url}/_studio/health", trust_env=False).json()["pid"]

    user = (
        "import pathlib, sys\nfrom aurora_pipeline.gear.studio_process import studio\n"
        "here = pathlib.Path(sys.argv[1])\n"
        "with studio(here / 'studio', here / 'book.csv', workers=1) as url: print(url, flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with (
        subprocess.Popen([sys.executable, "-c", user, tmp_path], stdin=pipe, stdout=pipe, text=True) as other,
        ThreadPoolExecutor(2) as threads,
    ):
        assert other.stdout is not None
        seen = [threads.submit(use) for _ in "ab"]
        url = other.stdout.readline().strip()
        arrived.wait(60)
        found = {done.result() for done in seen}
        other.kill()

    (_, pid), *others = found
    assert others == []
    assert (url, pid) in found
    assert _is_gone_within(pid, 20)


def _is_gone_within(pid: int, seconds: float) -> bool:
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    import select

    with os.fdopen(watch) as process:
        return bool(select.select([process], [], [], seconds)[0])


def test_a_given_url_is_used_and_a_dead_one_is_told(
    studio: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # proxies of the environment do not matter on loopback
    with studio_process.studio(tmp_path, tmp_path, workers=1, url=f"{studio.url}/") as url:
        assert url == studio.url

    with (
        pytest.raises(StudioFailed, match=r"No studio answers at http://127.0.0.1:1; .*Nothing was spent"),
        studio_process.studio(tmp_path, tmp_path, workers=1, url="http://127.0.0.1:1"),
    ):
        pass


def test_a_studio_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(
            StudioFailed, match=r"(?s)did not start.*none\.csv has 1 problem.*cannot be read.*Nothing was spent"
        ),
        studio_process.studio(tmp_path / "studio", tmp_path / "none.csv", workers=1),
    ):
        pass


# ---- the real renderer
def test_the_real_renderer_draws_the_example(launch: Callable[..., Running], tmp_path: Path) -> None:
    pytest.importorskip("aurora_pipeline.studio.head.worker")
    from aurora_pipeline.gear.probe import probe

    running = launch(tmp_path, "--workers", "1", is_fake=False)
    handle = running.client().submit(ENDPOINT, {**EXAMPLE, "resolution": "480p"})
    result = handle.get(interval=0.1)
    (tmp_path / "output.mp4").write_bytes(httpx.get(result["video"]["url"], trust_env=False).content)

    made = probe(tmp_path / "output.mp4")
    assert made.has_audio
    assert min(made.width, made.height) == 480
    (event,) = running.billing_events(handle.request_id)
    assert event["output_units"] == -(-round(made.video_seconds, 3) // 1)
