"""Studios for tests: real processes whose renderer is a script, and the real fal-client routed to them.

The fixtures are made known by conftest.py.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shlex
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fal_client
import httpx
import pytest

ENDPOINT = "fal-ai/creatify/aurora"
EXAMPLES = "https://storage.googleapis.com/falserverless/example_inputs/creatify/aurora"
EXAMPLE = {"image_url": f"{EXAMPLES}/input_.png", "audio_url": f"{EXAMPLES}/input.wav"}
KEY = {"Authorization": "Key test"}
PRICE_BOOK = """endpoint,resolution,unit,usd_per_unit,valid_from,expires_on,source,note
fal-ai/creatify/aurora,480p,second,0.10,2020-01-01,2020-12-31,old page,
fal-ai/creatify/aurora,480p,second,0.07,2021-01-01,9999-12-31,new page,
fal-ai/creatify/aurora,720p,second,0.14,2021-01-01,2021-12-31,expired long ago,
"""
# Does what the files in its control folder say: hold (until it is gone), die (once), die_always, no_face.
FAKE_WORKER = """
import json, os, pathlib, shutil, sys, time
control, video = map(pathlib.Path, sys.argv[1:])
def say(said): print(json.dumps(said), flush=True)
for line in sys.stdin:
    with (control / "orders").open("a") as orders: orders.write(line)
    say({"frame": 25, "of": 55})
    while (control / "hold").exists(): time.sleep(0.01)
    if (control / "die").exists(): (control / "die").unlink(); sys.exit(3)
    if (control / "die_always").exists(): sys.exit(3)
    if (control / "no_face").exists():
        say({"error": {"type": "face_detection_error", "message": "No face was found."}}); continue
    shutil.copyfile(video, json.loads(line)["target"])
    say({"frame": 55, "of": 55})
    say({"done": {"width": 64, "height": 64, "frames": 55, "seconds": 2.2}})
"""


@dataclass
class Running:
    """A studio process and the folder that steers its fake workers."""

    process: subprocess.Popen[str]
    url: str
    control: Path
    http: httpx.Client = field(repr=False)

    def client(self) -> fal_client.SyncClient:
        """The real client, routed here by one public hook."""
        client = fal_client.SyncClient(key="test")
        client.get_handle("a/b", "x").client.event_hooks["request"].append(self._route)
        return client

    def _route(self, request: httpx.Request) -> None:
        if request.url.host != "127.0.0.1":
            request.url = httpx.URL(f"{self.url}/{request.url.host}{request.url.raw_path.decode()}")

    def orders(self) -> list[dict[str, str]]:
        file = self.control / "orders"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def billing_events(self, *request_ids: str) -> list[dict[str, Any]]:
        answer = self.http.get("/api.fal.ai/v1/models/billing-events", params={"request_id": list(request_ids)})
        events: list[dict[str, Any]] = answer.json()["billing_events"]
        return events

    def submit(self, arguments: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """A submit as it is on the wire; underscores of a header's name are hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(f"/queue.fal.run/{ENDPOINT}", json=EXAMPLE | (arguments or {}), headers=named)

    def handle(self, answer: httpx.Response) -> fal_client.SyncRequestHandle:
        """The real client's handle of a request that was submitted without it."""
        told = answer.json()
        links = {name: told[name] for name in ("request_id", "response_url", "status_url", "cancel_url")}
        return fal_client.SyncRequestHandle(**links, client=self.client().get_handle("a/b", "x").client)

    def listed(self, **query: Any) -> list[dict[str, Any]]:
        asked = {"endpoint_id": ENDPOINT, "expand": "payloads", **query}
        answer = self.http.get("/api.fal.ai/v1/models/requests/by-endpoint", params=asked)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """55 frames at 25 frames a second: 2.2 s, billed as 3."""
    import av
    import numpy as np

    file = tmp_path_factory.mktemp("video") / "video.mp4"
    with av.open(file, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for _ in range(55):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(stream.encode())
    return file


@pytest.fixture(scope="module")
def launch(tmp_path_factory: pytest.TempPathFactory, video: Path) -> Iterator[Callable[..., Running]]:
    """Start a studio; everything started is stopped when the module's tests are done."""
    script = tmp_path_factory.mktemp("worker") / "fake_worker.py"
    script.write_text(FAKE_WORKER)
    with contextlib.ExitStack() as stack:

        def start(folder: Path, *options: str, is_fake: bool = True) -> Running:
            control, book = folder / "control", folder / "price_book.csv"
            control.mkdir(parents=True, exist_ok=True)
            book.write_text(PRICE_BOOK)
            fake = [sys.executable, str(script), str(control), str(video)]
            command = [
                sys.executable,
                "-m",
                "aurora_pipeline.studio",
                "--folder",
                folder,
                "--price-book",
                book,
                *options,
            ]
            command += ["--worker-command", shlex.join(fake)] if is_fake else []
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            return Running(process, url, control, stack.enter_context(http(url)))

        yield start


def http(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers=KEY, trust_env=False, timeout=30)


@pytest.fixture(scope="module")
def studio(launch: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    """One studio for the tests that leave nothing behind."""
    return launch(tmp_path_factory.mktemp("studio"))


@pytest.fixture
def held(launch: Callable[..., Running], tmp_path: Path) -> Running:
    """A studio with one worker that begins each job and does not end it while the file `hold` is there."""
    running = launch(tmp_path, "--workers", "1")
    (running.control / "hold").touch()
    return running


def until(handle: Any, status: type) -> Any:
    return next(event for event in handle.iter_events(with_logs=True, interval=0.02) if isinstance(event, status))


def until_a_worker_is_at_it(handle: Any) -> None:
    """Wait for the first log entry about frames."""
    events = (until(handle, fal_client.InProgress) for _ in iter(int, 1))
    next(event for event in events if any("frames" in entry["message"] for entry in event.logs))


def eventually(look: Callable[[], Any], seconds: float = 20) -> Any:
    """What ``look`` returns once that is something; bounded, since it watches a real process."""
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert seen, f"nothing came within {seconds} s"
    return seen


def wav(file: Path, seconds: int, rate: int = 8000) -> Path:
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(rate)
        sound.writeframes(bytes(range(256)) * (seconds * rate // 256 + 1))
    return file


def data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
