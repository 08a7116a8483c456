"""A real studio whose renderer waits for a file to go, so that a test knows what is queued and what runs.

With it come the films it answers with, and a look at which processes a command in a home has left.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from aurora_pipeline.gear import ffmpeg

ENDPOINT = "fal-ai/creatify/aurora"

# Answers every order with one film, but not while the file `hold` is in its folder.
PATIENT_WORKER = """
import json, os, pathlib, shutil, sys, time
folder, film = map(pathlib.Path, sys.argv[1:])
for line in sys.stdin:
    print(json.dumps({"frame": 1, "of": 2}), flush=True)
    while (folder / "hold").exists() and os.getppid() != 1: time.sleep(0.02)
    shutil.copyfile(film, json.loads(line)["target"])
    print(json.dumps({"done": {}}), flush=True)
"""


@dataclass
class PatientStudio:
    """A studio that renders one request at a time, and none while it is held."""

    process: subprocess.Popen[str]
    folder: Path
    url: str
    http: httpx.Client = field(repr=False)

    @property
    def _hold(self) -> Path:
        return self.folder / "hold"

    def hold(self) -> None:
        self._hold.touch()

    def release(self) -> None:
        self._hold.unlink()

    def freeze(self) -> None:
        """From now on no call is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def owes_an_answer(self) -> bool:
        """Whether bytes of a request lie unread at its port."""
        mine = f":{urlsplit(self.url).port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(row[1].endswith(mine) and int(row[4].partition(":")[2], 16) for row in rows if row[3] == "01")

    def requests(self) -> dict[str, str]:
        """request id -> IN_QUEUE, IN_PROGRESS, COMPLETED or CANCELLED (completed with that error)."""
        return {request_id: self._state(request_id) for request_id in self._request_ids()}

    def bills(self) -> dict[str, float]:
        """request id -> dollars, by the studio's own billing events."""
        query = {"request_id": self._request_ids()}
        events = self.http.get("/api.fal.ai/v1/models/billing-events", params=query).json()["billing_events"]
        return {event["request_id"]: event["cost_total"] for event in events}

    def _request_ids(self) -> list[str]:
        query = {"endpoint_id": ENDPOINT, "start": "2020-01-01T00:00:00+00:00", "limit": 100}
        items = self.http.get("/api.fal.ai/v1/models/requests/by-endpoint", params=query).json()["items"]
        return [item["request_id"] for item in items]

    def _state(self, request_id: str) -> str:
        status = self.http.get(f"/queue.fal.run/fal-ai/creatify/requests/{request_id}/status").json()
        return "CANCELLED" if status.get("error_type") == "client_cancelled" else str(status["status"])


def asking(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": "Key test"}, trust_env=False, timeout=30)


@contextlib.contextmanager
def patient_studio(folder: Path, film: Path) -> Iterator[PatientStudio]:
    folder.mkdir()
    (folder / "worker.py").write_text(PATIENT_WORKER)
    worker = shlex.join([sys.executable, str(folder / "worker.py"), str(folder), str(film)])
    book = Path(__file__).parent.parent / "data" / "price_book.csv"
    options = ["--folder", folder, "--price-book", book, "--workers", "1", "--worker-command", worker]
    command = [sys.executable, "-m", "aurora_pipeline.studio", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            with asking(url) as http:
                yield PatientStudio(process, folder, url, http)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()


def make_film(file: Path, *, seconds: int, size: str) -> Path:
    sources = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000"]
    codecs = [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-pix_fmt",
        "yuv420p",
        "-c:a",
        "aac",
        "-movflags",
        "+faststart",
    ]
    ffmpeg.run([*sources, "-t", str(seconds), *codecs, ffmpeg.target(file)])
    return file


def until(is_so: Callable[[], Any], *, seconds: float) -> Any:
    """What ``is_so`` answers once it is truthy, or its last answer: a bounded poll of another process."""
    deadline = time.monotonic() + seconds
    while not (answer := is_so()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


def processes_of(home: Path) -> list[str]:
    """Command lines of the live processes that a command in ``home`` started, down to the last grandchild."""
    mark, found = f"AURORA_HOME={home}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked
            is_zombie = b"\nState:\tZ" in (process / "status").read_bytes()
            if mark in (process / "environ").read_bytes() and not is_zombie:
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def ffmpegs_of(home: Path) -> list[str]:
    return [command for command in processes_of(home) if "ffmpeg" in command.partition(" ")[0]]


def tell(measured: str) -> None:
    """Print a measurement, for `pytest -s`."""
    sys.stdout.write(f"{measured}\n")
