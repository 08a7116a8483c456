"""A studio of still cards that tests break by scenarios, and the untouched fal-client that talks to it.

The fixtures are made known by conftest.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fal_client
import httpx
import pytest

from aurora_pipeline.price_book import read_price_book

REPOSITORY = Path(__file__).resolve().parent.parent
ENDPOINT = "fal-ai/creatify/aurora"
QUEUE = f"/queue.fal.run/{ENDPOINT}"
REQUESTS = "/queue.fal.run/fal-ai/creatify/requests"
V1 = "/api.fal.ai/v1"
KEY = {"Authorization": "Key test"}
RATE = 16_000


@dataclass
class Broken:
    """A studio of still cards, and the client that talks to it untouched but for where."""

    url: str
    process: subprocess.Popen[str]
    http: httpx.Client = field(repr=False)
    inputs: dict[str, str] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)

    def by(self, *faults: dict[str, Any], seed: int = 7) -> None:
        answer = self.http.put("/_studio/scenario", json={"seed": seed, "faults": list(faults)})
        assert answer.status_code == 200, answer.text

    def client(self, seconds: float = 30) -> fal_client.SyncClient:
        client = fal_client.SyncClient(key="test", default_timeout=seconds)
        client.get_handle("a/b", "x").client.event_hooks["request"].append(self._route)
        return client

    def _route(self, request: httpx.Request) -> None:
        if request.url.host != "127.0.0.1":
            request.url = httpx.URL(f"{self.url}/{request.url.host}{request.url.raw_path.decode()}")

    def submit(self, **changes: Any) -> Any:
        return self.client().submit(ENDPOINT, self.inputs | changes)

    def made(self, **changes: Any) -> str:
        """Submit and wait; the request id."""
        handle = self.submit(**changes)
        return waited(handle)

    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = self.http.get("/_studio/faults").json()
        return told

    def injected(self) -> list[str]:
        return [entry["fault"] for entry in self.told()["injected"]]

    def queued(self) -> int:
        """How many requests were really taken since the test began."""
        return len(self.listed() - self.before)

    def listed(self) -> set[str]:
        """The newest hundred requests."""
        query = {"endpoint_id": ENDPOINT, "limit": 100}
        items = self.http.get(f"{V1}/models/requests/by-endpoint", params=query).json()["items"]
        return {item["request_id"] for item in items}

    def item(self, request_id: str) -> dict[str, Any]:
        query = {"endpoint_id": ENDPOINT, "expand": "payloads", "limit": 100}
        items = self.http.get(f"{V1}/models/requests/by-endpoint", params=query).json()["items"]
        found: dict[str, Any] = next(item for item in items if item["request_id"] == request_id)
        return found

    def usd(self, request_id: str) -> Decimal | None:
        """What was billed for a request; None without a bill."""
        events = self.http.get(f"{V1}/models/billing-events", params={"request_id": request_id}).json()
        return next((Decimal(str(event["cost_total"])) for event in events["billing_events"]), None)

    def result(self, request_id: str) -> httpx.Response:
        return self.http.get(f"/queue.fal.run/fal-ai/creatify/requests/{request_id}")

    def file(self, request_id: str, folder: Path) -> Path:
        target = folder / "video.mp4"
        target.write_bytes(httpx.get(self.result(request_id).json()["video"]["url"], trust_env=False).content)
        return target


def waited(handle: Any) -> str:
    for _ in handle.iter_events(interval=0.02):
        pass
    return str(handle.request_id)


def wav(seconds: float) -> bytes:
    import numpy as np

    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        times = np.arange(round(seconds * RATE)) / RATE
        file.writeframes((np.sin(2 * np.pi * 440 * times) * 9000).astype("<i2").tobytes())
    return sound.getvalue()


def command(folder: Path, *options: str) -> list[str]:
    book = str(REPOSITORY / "data" / "price_book.csv")
    start = [sys.executable, "-m", "aurora_pipeline.studio", "--folder", str(folder), "--price-book", book]
    return [*start, "--instant", "--concurrency", "4", *options]


@contextlib.contextmanager
def running(folder: Path, *options: str) -> Iterator[Broken]:
    process = subprocess.Popen(command(folder, *options), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        url = json.loads(process.stdout.readline())["url"]
        http = stack.enter_context(httpx.Client(base_url=url, headers=KEY, trust_env=False, timeout=30))
        yield Broken(url, process, http)


@pytest.fixture(scope="module")
def one_broken_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    """One studio for all tests; each gives it another scenario."""
    with running(tmp_path_factory.mktemp("studio")) as studio:
        client = studio.client()
        image = client.upload((REPOSITORY / "data/avatars/ana.png").read_bytes(), "image/png", repository="fal")
        speech = client.upload(wav(1.2), "audio/wav", "a.wav", repository="fal")
        studio.inputs |= {"image_url": image, "audio_url": speech, "resolution": "480p"}
        yield studio


@pytest.fixture
def broken(one_broken_studio: Broken) -> Broken:
    one_broken_studio.by()
    one_broken_studio.before = one_broken_studio.listed()
    return one_broken_studio


def at(place: str, fault: str, **options: Any) -> dict[str, Any]:
    return {"fault": fault, "at": place, "on": 1} | options


def render(fault: str, **options: Any) -> dict[str, Any]:
    return {"fault": fault, "at": "render"} | options


def usd_of(seconds: int) -> Decimal:
    book = read_price_book(REPOSITORY / "data" / "price_book.csv")
    return seconds * book.price(ENDPOINT, "480p", on=datetime.now(UTC).date(), allow_expired=True).usd_per_second


def until_struck(studio: Broken, count: int = 1) -> None:
    tries = (len(studio.injected()) >= count for _ in range(5000))
    assert any(tries)
