"""What a power cut would leave: read off strace, thread by thread, in the order the kernel was asked.

The ledger's fdatasync must lie between a clip's uploads and the first byte of its POST (else the intent can vanish and
the clip be bought again), and between the POST and the first poll (else the request id can).
"""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .homes import REPOSITORY
from .workers import Order

TRACE_SECONDS = 120
_LINE = re.compile(r"^(\d+)\s+(\w+)\(\d+<([^>]*)>(?:, \"([^\"]*))?")
_CHILD = (
    "import pickle, sys; from aurora_pipeline_tests.faults.workers import work; work(pickle.load(sys.stdin.buffer))"
)


@dataclass(frozen=True)
class PowerCut:
    """``posts`` and ``first_polls`` seen, and how many had the ledger on the disk before them."""

    posts: int
    posts_after_sync: int
    first_polls: int
    first_polls_after_sync: int
    not_run: str = ""

    @property
    def is_clean(self) -> bool:
        return bool(self.not_run) or (
            self.posts > 0 and self.posts == self.posts_after_sync and self.first_polls == self.first_polls_after_sync
        )


def watch(order: Order) -> PowerCut:
    """Run one worker under strace and read the order of its writes."""
    if shutil.which("strace") is None:
        return PowerCut(0, 0, 0, 0, not_run="no strace on this machine")
    trace = order.home.root / "strace.txt"
    command = ["strace", "-f", "-y", "-s", "96", "-e", "trace=fdatasync,fsync,sendto", "-o", str(trace), sys.executable,
               "-c", _CHILD]  # fmt: skip
    subprocess.run(command, input=pickle.dumps(order), cwd=REPOSITORY, timeout=TRACE_SECONDS, check=False)
    if not trace.exists() or not trace.stat().st_size:
        return PowerCut(0, 0, 0, 0, not_run="strace may not trace here")
    return read(trace)


def read(trace: Path) -> PowerCut:
    """Count, in each thread, the POSTs and first polls before which the ledger was synced."""
    seen: dict[str, list[str]] = defaultdict(list)
    with trace.open(encoding="utf-8", errors="replace") as lines:
        for thread, event in _events(lines):
            seen[thread].append(event)
    pairs = [pair for events in seen.values() for pair in _judged(events)]
    posts = [was_synced for event, was_synced in pairs if event == "post"]
    polls = [was_synced for event, was_synced in pairs if event == "poll"]
    return PowerCut(len(posts), sum(posts), len(polls), sum(polls))


def _events(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        if found := _LINE.match(line):
            thread, call, file, sent = found.groups()
            if event := _event(call, file, sent or ""):
                yield thread, event


def _event(call: str, file: str, sent: str) -> str:
    if call in ("fdatasync", "fsync"):
        return "sync" if "ledger.sqlite" in file else ""
    if sent.startswith("POST /queue.fal.run/"):
        return "post"
    if sent.startswith("PUT /v3.fal.media/"):
        return "upload"
    return "poll" if sent.startswith("GET /queue.fal.run/") and "/status" in sent else ""


def _judged(events: list[str]) -> Iterable[tuple[str, bool]]:
    """Each POST, and the first poll after it, with whether a sync came since the upload (or the POST)."""
    is_synced, was_polled = False, True
    for event in events:
        if event == "sync":
            is_synced = True
        elif event == "upload":
            is_synced = False
        elif event == "post":
            yield "post", is_synced
            is_synced, was_polled = False, False
        elif not was_polled:
            yield "poll", is_synced
            was_polled = True
