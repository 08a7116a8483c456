"""The storage of the local studio: every way in which clients upload, and how long files live."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import fal_client
import httpx

from aurora_pipeline.studio import storage
from aurora_pipeline_tests.studio_bench import ENDPOINT, EXAMPLE, Running, eventually


def test_files_go_up_by_cdn_token_and_come_down_by_range(studio: Running) -> None:
    token = studio.http.post("/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3", json={}).json()
    headers = {"Authorization": f"{token['token_type']} {token['token']}", "Content-Type": "audio/wav"}

    first, second = (
        studio.http.post(f"{token['base_url']}/files/upload", content=b"0123456789", headers=headers) for _ in "ab"
    )
    url = first.json()["access_url"]
    part = httpx.get(url, headers={"Range": "bytes=2-4"}, trust_env=False)

    assert datetime.fromisoformat(token["expires_at"]).tzinfo is not None
    assert url != second.json()["access_url"]
    assert (part.status_code, part.content, part.headers["Content-Length"]) == (206, b"234", "3")
    assert httpx.head(url, trust_env=False).headers["Content-Length"] == "10"


def test_an_upload_url_holds_only_with_its_signature(studio: Running) -> None:
    asked = {"file_name": "a.png", "content_type": "image/png"}
    upload = studio.http.post("/rest.fal.ai/storage/upload/initiate?storage_type=gcs", json=asked).json()

    assert httpx.put(f"{upload['file_url']}?signature=guess", content=b"x", trust_env=False).status_code == 403
    assert httpx.get(upload["file_url"], trust_env=False).status_code == 404
    assert httpx.put(upload["upload_url"], content=b"x", trust_env=False).status_code == 200
    assert httpx.get(upload["file_url"], trust_env=False).content == b"x"


# ---- in parts
def _begin(studio: Running) -> tuple[str, str]:
    """A begun upload: the file's URL, and the URL of its parts."""
    token = studio.http.post("/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3", json={}).json()
    headers = {"Authorization": f"Bearer {token['token']}", "X-Fal-File-Name": "big.bin", "Content-Type": "video/mp4"}
    begun = studio.http.post(f"{token['base_url']}/files/upload/multipart", headers=headers).json()
    return begun["access_url"], f"{begun['access_url']}/multipart/{begun['uploadId']}"


def _send(upload: str, number: int, content: bytes) -> dict[str, Any]:
    answer = httpx.put(f"{upload}/{number}", content=content, trust_env=False)
    assert answer.headers["etag"] == answer.json()["etag"]
    part: dict[str, Any] = answer.json()
    return part


def _complete(upload: str, parts: list[dict[str, Any]]) -> httpx.Response:
    return httpx.post(f"{upload}/complete", json={"parts": parts}, trust_env=False)


def test_parts_in_any_order_become_one_file_across_a_kill(launch: Callable[..., Running], tmp_path: Path) -> None:
    first = launch(tmp_path)
    url, upload = _begin(first)
    parts = [_send(upload, 2, b"world"), _send(upload, 1, b"wrong")]
    first.stop(signal.SIGKILL)
    again = launch(tmp_path)
    url, upload = (each.replace(first.url, again.url) for each in (url, upload))
    parts[1] = _send(upload, 1, b"hello ")
    assert httpx.get(url, trust_env=False).status_code == 404

    completed = [_complete(upload, parts).status_code for _ in range(2)]  # a lost answer makes a client ask again

    assert completed == [200, 200]
    assert httpx.get(url, trust_env=False).content == b"hello world"
    assert list((tmp_path / "files").glob(".parts*")) == []
    assert httpx.put(f"{upload}/3", content=b"late", trust_env=False).status_code == 404


def test_parts_that_are_not_those_that_arrived_are_refused(studio: Running) -> None:
    url, upload = _begin(studio)
    part = _send(upload, 1, b"hello")

    answers = [_complete(upload, parts) for parts in ([part | {"etag": '"x"'}], [part | {"partNumber": 2}], [])]
    answers.append(httpx.post(f"{upload}/complete", json={"parts": [{}]}, trust_env=False))

    assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [
        (400, "Part 1 did not arrive, or arrived with other bytes."),
        (400, "Part 2 did not arrive, or arrived with other bytes."),
        (400, "An upload has at least one part."),
        (422, "Send {parts: [{partNumber, etag}]}."),
    ]
    assert httpx.get(url, trust_env=False).status_code == 404


def test_the_upload_id_is_the_permission_to_send_parts(studio: Running) -> None:
    (url, _), (_, other) = _begin(studio), _begin(studio)
    borrowed = f"{url}/multipart/{other.rpartition('/')[2]}"

    for guess in (f"{url}/multipart/guess", borrowed):
        assert httpx.put(f"{guess}/1", content=b"x", trust_env=False).json() == {"detail": "The upload is not known."}
        assert _complete(guess, [{"partNumber": 1, "etag": "x"}]).status_code == 404
    assert httpx.put(f"{other}/0", content=b"x", trust_env=False).status_code == 422


def test_the_npm_clients_parts_go_to_the_upload_url_without_a_key(studio: Running) -> None:
    asked = {"file_name": "big.wav", "content_type": "audio/wav"}
    begun = studio.http.post(
        "/rest.fal.ai/storage/upload/initiate-multipart?storage_type=fal-cdn-v3", json=asked
    ).json()

    parts = [_send(begun["upload_url"], number, b"%d" % number) for number in (1, 2)]

    assert _complete(begun["upload_url"], parts).status_code == 200
    assert httpx.get(begun["file_url"], trust_env=False).content == b"12"


# ---- lives
def test_an_upload_lives_as_long_as_its_client_asked_and_no_job_can_use_it_afterwards(studio: Running) -> None:
    asked = {"expires_in": 1, "initial_acl": None}
    picture = (Path(storage.__file__).parent / "samples" / "portrait.png").read_bytes()
    url = studio.client().upload(
        picture, "image/png", repository="fal", lifecycle=fal_client.client.StorageSettings(**asked)
    )
    assert httpx.get(url, trust_env=False).status_code == 200

    eventually(lambda: httpx.get(url, trust_env=False).status_code == 404)

    (item,) = studio.http.post(f"/{ENDPOINT}", json=EXAMPLE | {"image_url": url}).json()["detail"]
    assert item["type"] == "file_download_error"
    assert item["msg"] == "Failed to download the file: it has expired, or was never uploaded."


def test_an_expired_file_leaves_the_disk_at_the_next_start(launch: Callable[..., Running], tmp_path: Path) -> None:
    first = launch(tmp_path)
    lifecycle = {"X-Fal-Object-Lifecycle": '{"expiration_duration_seconds": 0.1}'}
    token = first.http.post("/rest.fal.ai/storage/auth/token", json={}).json()["token"]
    headers = {"Authorization": f"Bearer {token}", **lifecycle}
    first.http.post("/v3.fal.media/files/upload", content=b"x", headers=headers)
    assert len(_kept(tmp_path)) == 1
    first.stop()

    launch(tmp_path)

    assert _kept(tmp_path) == []


def _kept(folder: Path) -> list[Path]:
    return [file for file in (folder / "files").iterdir() if file.is_file()]
