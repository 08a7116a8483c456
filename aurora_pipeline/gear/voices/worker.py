"""A process that speaks: texts come in on stdin, sound goes out on what was stdout, and it ends with its parent.

Run as ``python -m aurora_pipeline.gear.voices.worker ENGINE`` by workers.py, and by nobody else: it unpickles what it
reads, from the one process that holds the other end of its pipe.
"""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
from typing import IO, Any

from ...errors import SpeechFailed
from .engines import Spoken, load_here

HEADER = struct.Struct("<Q")


def main() -> None:
    """Speak until stdin ends. Ctrl-C is the parent's to answer: it closes the pipe when it leaves."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between two answers
    engine = load_here(sys.argv[1])
    while (asked := received(sys.stdin.buffer)) is not None:
        answer: tuple[Spoken | None, str]
        try:
            answer = (engine.speak(*asked), "")
        except SpeechFailed as failed:
            answer = (None, str(failed))
        send(out, answer)


def send(pipe: IO[bytes], content: Any) -> None:
    """One object, with its length before it."""
    packed = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    pipe.write(HEADER.pack(len(packed)) + packed)
    pipe.flush()


def received(pipe: IO[bytes]) -> Any:
    """The next object, or None when the other end is gone."""
    header = pipe.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    (length,) = HEADER.unpack(header)
    packed = pipe.read(length)
    return pickle.loads(packed) if len(packed) == length else None  # noqa: S301 - from our own other half


if __name__ == "__main__":
    main()
