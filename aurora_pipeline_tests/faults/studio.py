"""The studio as a process of its own: started, broken on purpose, healed, restarted, and asked for its bills.

It listens on one port for its whole life, restarts included, and is started again whenever a fault made it die.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from .homes import ENDPOINT, REPOSITORY, SPEECH_ENDPOINT, subject_of

START_SECONDS = 60
IDLE_SECONDS = 30
MAX_IDS = 50  # of one billing-events question
# Not the canary: what this key touches is not under test.
KEY = {"Authorization": "Key accountant"}

Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Listed:
    """One request as the studio lists and bills it. ``subject`` says what it was for (`homes.subject_of`)."""

    request_id: str
    subject: str
    file_url: str
    has_ended: bool
    billed_usd: Decimal | None


class StudioProcess:
    """A studio in instant mode; each video takes ``latency`` seconds, ``concurrency`` at a time."""

    def __init__(self, folder: Path, *, latency: float = 0.15, concurrency: int = 8) -> None:
        self.folder, self.deaths, self._is_wanted = folder, 0, True
        folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        self._options = ["--latency", str(latency), "--concurrency", str(concurrency)]
        self.url = f"http://127.0.0.1:{self.port}"
        self._http = httpx.Client(base_url=self.url, headers=KEY, trust_env=False, timeout=30)
        self._process = self._start()
        self._supervisor = threading.Thread(target=self._supervise, daemon=True)
        self._supervisor.start()

    # ---- its life
    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "aurora_pipeline.studio", "--folder", str(self.folder), "--price-book",
                   str(REPOSITORY / "data" / "price_book.csv"), "--port", str(self.port), "--instant",
                   *self._options]  # fmt: skip
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log)
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError(f"The studio did not start; {self.log} says why.")
        return process

    def _supervise(self) -> None:
        """Start it again whenever it ends unasked, as an init system would."""
        while self._is_wanted:
            self._process.wait()
            if self._is_wanted:
                self.deaths += 1
                self._process = self._start()

    def restart(self) -> None:
        """End it in order; it is back, with everything it knew, when this returns."""
        deaths = self.deaths
        self._process.terminate()
        self._wait_for(lambda: self.deaths > deaths)
        self._wait_for(self._answers)

    def stop(self) -> None:
        self._is_wanted = False
        self._process.terminate()
        self._process.wait(START_SECONDS)
        self._http.close()

    @property
    def log(self) -> Path:
        return self.folder / "studio.log"

    @property
    def pid(self) -> int:
        return self._process.pid

    def _answers(self) -> bool:
        try:
            return self._http.get("/_studio/health").status_code == 200
        except httpx.HTTPError:
            return False

    def _wait_for(self, condition: Any) -> None:
        ticks = threading.Event()
        for _ in range(START_SECONDS * 20):
            if condition():
                return
            ticks.wait(0.05)
        raise RuntimeError(f"The studio did not come back; {self.log} says why.")

    # ---- broken and healed
    def break_by(self, faults: Sequence[Rule], *, seed: int = 7) -> None:
        """From now on, these faults; counters begin at 1."""
        scenario = {"seed": seed, "faults": [dict(fault) for fault in faults]}
        self._wait_for(self._answers)
        answer = self._http.put("/_studio/scenario", content=json.dumps(scenario))
        if answer.status_code >= 400:
            raise RuntimeError(f"The studio refused the scenario: {answer.text}")

    def heal(self) -> None:
        """No faults from now on; what hung goes on."""
        self.break_by(())

    def injected(self) -> list[dict[str, Any]]:
        """The faults that really happened since the scenario was set."""
        self._wait_for(self._answers)
        answer: list[dict[str, Any]] = self._http.get("/_studio/faults").json()["injected"]
        return answer

    # ---- its own account
    def requests(self, *, since: datetime) -> list[Listed]:
        """Every request sent since, each with its bill."""
        items = self._items(since)
        bills = self._bills([item["request_id"] for item in items])
        return [_listed(item, bills.get(item["request_id"]), self._subject(item)) for item in items]

    def wait_until_idle(self, *, since: datetime) -> None:
        """Until everything sent since has ended: an orphan is billed even when nobody waits for it."""
        ticks = threading.Event()
        for _ in range(IDLE_SECONDS * 10):
            if all(item["ended_at"] for item in self._items(since)):
                return
            ticks.wait(0.1)

    def file(self, url: str) -> bytes | None:
        """The bytes behind one of the studio's public URLs; None when it has none."""
        path = url.partition("/v3.fal.media/")[2]
        answer = self._http.get(f"/v3.fal.media/{path}")
        return answer.content if path and answer.status_code == 200 else None

    def _subject(self, item: dict[str, Any]) -> str:
        asked = item["json_input"]
        return subject_of(asked["text"].encode() if "text" in asked else self.file(asked["audio_url"]) or b"")

    def _items(self, since: datetime) -> list[dict[str, Any]]:
        return [item for endpoint in (ENDPOINT, SPEECH_ENDPOINT) for item in self._items_of(endpoint, since)]

    def _items_of(self, endpoint: str, since: datetime) -> list[dict[str, Any]]:
        query = {"endpoint_id": endpoint, "start": since.isoformat(), "expand": "payloads", "limit": "100"}
        items, cursor = [], None
        while True:
            page = self._get("models/requests/by-endpoint", query | ({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return items

    def _bills(self, request_ids: Sequence[str]) -> dict[str, Decimal]:
        bills: dict[str, Decimal] = {}
        for first in range(0, len(request_ids), MAX_IDS):
            asked = list(request_ids[first : first + MAX_IDS])
            for event in self._get("models/billing-events", {"request_id": asked})["billing_events"]:
                bills[event["request_id"]] = Decimal(str(event["cost_total"]))
        return bills

    def _get(self, path: str, query: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.get(f"/api.fal.ai/v1/{path}", params=query)
        page: dict[str, Any] = json.loads(answer.raise_for_status().text, parse_float=Decimal)
        return page


def _listed(item: dict[str, Any], billed_usd: Decimal | None, subject: str) -> Listed:
    answer = item["json_output"] or {}
    file = answer.get("video") or answer.get("audio") or {}
    return Listed(item["request_id"], subject, str(file.get("url", "")), bool(item["ended_at"]), billed_usd)


def now() -> datetime:
    """This moment, as a bound for `StudioProcess.requests`."""
    return datetime.now(UTC)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
