"""Webhooks of the local studio, as a receiver sees them: signed, repeated, kept over restarts, sent to few places."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from aurora_pipeline.errors import StudioFailed
from aurora_pipeline.studio import webhooks
from aurora_pipeline_tests.studio_bench import ENDPOINT, EXAMPLE, KEY, Running, eventually, until_a_worker_is_at_it

SOON = ("--webhook-delays", "0.05,0.05,0.05")


@dataclass
class Receiver:
    """A developer's receiver on this machine; answers with ``codes`` in turn, then 200."""

    server: ThreadingHTTPServer
    codes: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?campaign=a"

    def bodies(self, many: int) -> list[dict[str, Any]]:
        """The bodies that came, once there are so many."""
        eventually(lambda: len(self.came) >= many)
        return [json.loads(body) for _, body in self.came]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = found.codes.pop(0) if found.codes else 200
            self.send_response(code)
            if 300 <= code < 400:
                self.send_header("Location", found.url)
            self.end_headers()
            found.came.append(({name.lower(): value for name, value in self.headers.items()}, body))

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        found = Receiver(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()


def _verify(studio: Running, headers: dict[str, str], body: bytes) -> None:
    """As fal's documentation tells receivers to. Raises InvalidSignature."""
    (key,) = httpx.get(f"{studio.url}/rest.fal.ai/.well-known/jwks.json", trust_env=False).json()["keys"]
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=="))
    named = [headers[f"x-fal-webhook-{name}"] for name in ("request-id", "user-id", "timestamp")]
    message = "\n".join([*named, hashlib.sha256(body).hexdigest()]).encode()
    public.verify(bytes.fromhex(headers["x-fal-webhook-signature"]), message)
    assert abs(datetime.now(UTC).timestamp() - int(headers["x-fal-webhook-timestamp"])) < 300


def test_a_completed_request_is_posted_signed_to_the_receiver_its_client_named(
    studio: Running, receiver: Receiver
) -> None:
    handle = studio.client().submit(ENDPOINT, EXAMPLE, webhook_url=receiver.url)

    (posted,) = receiver.bodies(1)

    ids = {"request_id": handle.request_id, "gateway_request_id": handle.request_id}
    assert posted == {**ids, "status": "OK", "payload": handle.get(interval=0.02)}
    ((headers, body),) = receiver.came
    assert headers["x-fal-webhook-request-id"] == handle.request_id
    assert headers["content-type"] == "application/json"
    _verify(studio, headers, body)
    with pytest.raises(InvalidSignature):
        _verify(studio, headers, body + b" ")


def test_a_failure_is_posted_with_its_reason_and_the_models_body(studio: Running, receiver: Receiver) -> None:
    handle = studio.client().submit(ENDPOINT, {}, webhook_url=receiver.url)

    (posted,) = receiver.bodies(1)

    assert (posted["status"], posted["error"]) == ("ERROR", "Field required")
    assert posted["payload"] == studio.http.get(handle.response_url).json()


def test_no_webhook_is_sent_where_none_was_asked_for_nor_for_a_run(studio: Running, receiver: Receiver) -> None:
    studio.http.post(f"/{ENDPOINT}", params={"fal_webhook": receiver.url}, json=EXAMPLE)
    studio.client().submit(ENDPOINT, EXAMPLE).get(interval=0.02)
    last = studio.client().submit(ENDPOINT, EXAMPLE, webhook_url=receiver.url)

    assert [each["request_id"] for each in receiver.bodies(1)] == [last.request_id]


def test_a_receiver_that_fails_is_tried_again_with_the_same_body_until_it_takes_it(
    launch: Callable[..., Running], receiver: Receiver, tmp_path: Path
) -> None:
    studio = launch(tmp_path, *SOON)
    receiver.codes += [500, 302]  # a redirect is not followed: it would be a way around the judged address

    studio.client().submit(ENDPOINT, EXAMPLE, webhook_url=receiver.url)

    first, *others = receiver.bodies(3)
    assert others == [first, first]
    for headers, body in receiver.came:
        _verify(studio, headers, body)


def test_a_receiver_that_never_takes_it_is_given_up_and_others_are_served(
    launch: Callable[..., Running], receiver: Receiver, tmp_path: Path
) -> None:
    studio = launch(tmp_path, *SOON)
    receiver.codes += [503] * 4
    studio.client().submit(ENDPOINT, {}, webhook_url=receiver.url)
    tried = receiver.bodies(4)

    last = studio.client().submit(ENDPOINT, EXAMPLE, webhook_url=receiver.url)

    assert len({each["request_id"] for each in tried}) == 1
    assert receiver.bodies(5)[4:] == [receiver.bodies(5)[4]]
    assert receiver.bodies(5)[4]["request_id"] == last.request_id


def test_a_webhook_that_is_still_due_survives_a_kill_and_is_signed_by_the_same_key(
    launch: Callable[..., Running], receiver: Receiver, tmp_path: Path
) -> None:
    studio = launch(tmp_path, "--webhook-delays", "1,1,1,1,1,1,1")
    receiver.codes += [503]
    handle = studio.client().submit(ENDPOINT, EXAMPLE, webhook_url=receiver.url)
    receiver.bodies(1)
    studio.stop(signal.SIGKILL)

    again = launch(tmp_path, "--webhook-delays", "1,1,1,1,1,1,1")

    assert [each["request_id"] for each in receiver.bodies(2)] == [handle.request_id] * 2
    for headers, body in receiver.came:
        _verify(again, headers, body)


def test_a_webhook_of_a_request_that_was_unfinished_comes_after_the_restart(
    held: Running, launch: Callable[..., Running], receiver: Receiver, tmp_path: Path
) -> None:
    handle = held.client().submit(ENDPOINT, EXAMPLE, webhook_url=receiver.url)
    until_a_worker_is_at_it(handle)
    held.stop(signal.SIGKILL)
    assert receiver.came == []
    (held.control / "hold").unlink()

    launch(tmp_path)

    assert [each["status"] for each in receiver.bodies(1)] == ["OK"]


def test_the_private_key_is_for_its_owner_only(studio: Running) -> None:
    (file,) = studio.control.parent.glob("webhook_key.pem")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"no key at all"])
def test_a_key_file_that_is_no_key_is_told_with_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "webhook_key.pem"
    file.write_bytes(content)

    with pytest.raises(StudioFailed, match=r"webhook_key\.pem is not an Ed25519 key; remove it and start the studio"):
        webhooks.SigningKey.of(file)


def test_fals_schedule_is_ten_repetitions_over_two_hours() -> None:
    assert len(webhooks.DELAYS) == 10
    assert 7000 < sum(webhooks.DELAYS) <= 7200
    assert list(webhooks.DELAYS) == sorted(webhooks.DELAYS)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://10.0.0.1/hook", "the host '10.0.0.1' is not on the open internet"),
        ("http://169.254.169.254/latest/meta-data", "the host '169.254.169.254' is not on the open internet"),
        ("http://[::ffff:192.168.1.1]/hook", "the host '::ffff:192.168.1.1' is not on the open internet"),
        ("http://0.0.0.0/hook", "the host '0.0.0.0' is not on the open internet"),
        ("http://no-such-host.invalid/", "the host 'no-such-host.invalid' is not known"),
        ("http://127.0.0.1:1/hook", "All connection attempts failed"),
    ],
)
def test_a_webhook_goes_to_this_machine_or_the_open_internet_and_never_to_the_neighbourhood(url: str, why: str) -> None:
    assert asyncio.run(webhooks.post(url, b"{}", {})) == why


@pytest.mark.parametrize("url", ["file:///etc/passwd", "hook", "ftp://example.com/"])
def test_a_webhook_that_is_no_http_url_is_refused_at_once(studio: Running, url: str) -> None:
    answer = httpx.post(
        f"{studio.url}/queue.fal.run/{ENDPOINT}",
        params={"fal_webhook": url},
        json=EXAMPLE,
        headers=KEY,
        trust_env=False,
    )

    assert (answer.status_code, answer.json()) == (400, {"detail": "fal_webhook must be an http or https URL."})
