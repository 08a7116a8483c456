"""One long-lived render process: an order as a JSON line in, frame counts and the outcome as JSON lines out.

A worker that dies, stalls or is cancelled in the middle is killed with its children and started again for the next
order. If the studio itself is killed, the worker reads the end of its input, or fails on its next line, and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

STALL_SECONDS = 300  # without a line; models load and frames render far faster even on a loaded machine
STOP_SECONDS = 2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """One video to render. ``target`` is written whole or the order fails; ``started_at`` is when its job began."""

    portrait: Path
    audio: Path
    target: Path
    resolution: str
    started_at: datetime | None = None

    def line(self) -> bytes:
        facts = {"portrait": self.portrait, "audio": self.audio, "target": self.target, "resolution": self.resolution}
        return json.dumps({name: str(value) for name, value in facts.items()}).encode() + b"\n"


@dataclass
class RenderRefused(Exception):
    """The worker says why it cannot render this order."""

    error_type: str
    sentence: str


class WorkerDied(Exception):
    """The worker process ended, stalled or spoke gibberish; the order has no result."""


class Renderer(Protocol):
    """What makes videos, one order at a time."""

    async def render(self, order: Order, on_frame: Callable[[int, int], None]) -> float | None:
        """Write ``order.target``; seconds of its picture, None when they are to be measured. May be cancelled.

        Raises `RenderRefused` or `WorkerDied`.
        """

    async def stop(self) -> None:
        """End whatever it runs."""


class Worker:
    """A render process that is started at its first order and replaced when it dies."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None

    async def render(self, order: Order, on_frame: Callable[[int, int], None]) -> None:
        """Render one order. Raises `RenderRefused` or `WorkerDied`; when cancelled, the process is ended."""
        try:
            process = await self._running()
            assert process.stdin is not None  # noqa: S101 - opened as pipes below
            process.stdin.write(order.line())
            await process.stdin.drain()
            await self._listen(process, on_frame)
        except RenderRefused:
            raise
        except (OSError, ValueError, TypeError, KeyError, TimeoutError) as error:
            await self.stop()
            raise WorkerDied(str(error) or "it stalled") from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the process and its children; returns when it is gone."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            log.warning("render worker %s did not stop; it is killed", process.pid)
        finally:
            _signal(process, signal.SIGKILL)
        await process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            # a session of its own: Ctrl-C is for the studio, and ending the group ends its ffmpeg too
            self._process = await asyncio.create_subprocess_exec(
                *self.command, stdin=pipe, stdout=pipe, start_new_session=True
            )
            log.info("render worker %s started", self._process.pid)
        return self._process

    async def _listen(self, process: asyncio.subprocess.Process, on_frame: Callable[[int, int], None]) -> None:
        while True:
            said = await self._line(process)
            if "done" in said:
                return
            if "error" in said:
                raise RenderRefused(str(said["error"].get("type", "")), str(said["error"].get("message", "")))
            if "frame" in said:
                on_frame(int(said["frame"]), int(said["of"]))

    async def _line(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None  # noqa: S101 - opened as a pipe above
        line = await asyncio.wait_for(process.stdout.readline(), STALL_SECONDS)
        if not line:
            raise WorkerDied(f"its process ended with status {await process.wait()}")
        said = json.loads(line)
        if not isinstance(said, dict):
            raise TypeError(f"unexpected line {line[:80]!r}")
        return said


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
