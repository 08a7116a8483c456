"""ffmpeg graph (a value) -> finished files.  The one place that runs ffmpeg.

Graphs are ffmpeg-python values, so that building one can be tested without running anything. Files are always named
``file:/absolute/path``, never bare: a name can then be neither an option (``-attack.mp4``) nor a protocol
(``http:...``), and an input may open nothing but files. The executable comes out of the imageio-ffmpeg wheel.
"""

from __future__ import annotations

import atexit
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FfmpegFailed, Interrupted

GLOBAL_FLAGS = ("-hide_banner", "-nostdin", "-nostats", "-y")
NICENESS = 10  # a machine that encodes still answers its people
LOOK_SECONDS = 0.1  # how often `stop` and the time limit are looked at
LAST_LINES = 12

_running: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Ran:
    """What a successful ffmpeg left: bytes written to ``pipe:1`` and its log."""

    stdout: bytes
    stderr: str


def executable() -> str:
    """Path of the ffmpeg inside the imageio-ffmpeg wheel (or of IMAGEIO_FFMPEG_EXE, which imageio honours)."""
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def source(path: Path, **options: Any) -> Any:
    """An ffmpeg-python input that opens this file and nothing else. ``format`` names the demuxer, where it is known."""
    import ffmpeg

    return ffmpeg.input(target(path), protocol_whitelist="file,pipe", **options)


def target(path: Path) -> str:
    """``path`` as ffmpeg may be given it, for reading or for writing."""
    return f"file:{path.absolute()}"


def run(
    graph: Any,
    *,
    stop: threading.Event | None = None,
    timeout_seconds: float = 600,
    nice: bool = True,
) -> Ran:
    """Run an ffmpeg-python output stream, or a list of ffmpeg's arguments, to its end.

    Raises `FfmpegFailed` with the exact command and ffmpeg's last lines when it fails or takes longer than
    ``timeout_seconds``, and `Interrupted` when ``stop`` is set. The process never outlives this call.
    """
    if stop is not None and stop.is_set():
        raise Interrupted("ffmpeg was not started because the run was asked to stop.")
    command = [executable(), *GLOBAL_FLAGS, *_arguments(graph)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,  # a Ctrl-C at the terminal reaches us; we end ffmpeg
    )
    _running.add(process)
    try:
        if nice:
            _be_nice(process.pid)
        stdout, stderr = _wait(process, command, stop=stop, timeout_seconds=timeout_seconds)
    finally:
        _end(process)
    log = stderr.decode(errors="replace")
    if process.returncode != 0:
        raise FfmpegFailed(_failure(f"ffmpeg ended with code {process.returncode}", command, log))
    return Ran(stdout, log)


def end_all() -> None:
    """End every ffmpeg of this process: for an exit that does not wait for the threads that run them."""
    for process in list(_running):
        process.kill()


# A program that ends while a left-behind thread still has an ffmpeg takes it along; a fork has none of its parent's.
atexit.register(end_all)
os.register_at_fork(after_in_child=_running.clear)


def _arguments(graph: Any) -> list[str]:
    if isinstance(graph, Sequence):
        return [str(argument) for argument in graph]
    import ffmpeg

    return [str(argument) for argument in ffmpeg.get_args(graph)]


def _be_nice(pid: int) -> None:
    try:  # not by preexec_fn, which may deadlock in a program with threads
        os.setpriority(os.PRIO_PROCESS, pid, NICENESS)
    except ProcessLookupError:
        return  # it has already ended


def _wait(
    process: subprocess.Popen[bytes], command: list[str], *, stop: threading.Event | None, timeout_seconds: float
) -> tuple[bytes, bytes]:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            return process.communicate(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired as waiting:
            if stop is not None and stop.is_set():
                raise Interrupted("ffmpeg was stopped because the run was asked to stop.") from None
            if time.monotonic() > deadline:
                log = (waiting.stderr or b"").decode(errors="replace")
                sentence = f"ffmpeg was still working after {timeout_seconds:g} s and was ended"
                raise FfmpegFailed(_failure(sentence, command, log)) from None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    _running.discard(process)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _failure(sentence: str, command: list[str], log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip()][-LAST_LINES:]
    said = "\n".join(f"    {line}" for line in lines) or "    (nothing)"
    return f"{sentence}. Its last lines:\n{said}\n  The command was:\n    {shlex.join(command)}"
