"""Ctrl-C, SIGTERM and a closed terminal -> one orderly end, within 10 s, that says what was spent.

The first signal is raised as KeyboardInterrupt in the main thread, wherever it is: workers are told and waited for
(`parallel.for_each`), the studio's lease ends, the ledger is told how the stage ended. The second ends the program at
once, and so does the deadline: a lock or a disk that hangs must not keep it. Nothing is lost by either, since the
ledger is written before anything is sent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from ..parallel import left_behind

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DEADLINE_SECONDS = 9.5
STOPPED = "Stopped. What was finished is kept and nothing is bought twice; run again to go on."
SENT = "Requests that were sent may still run and be billed; run again to fetch them."
AT_ONCE = f"Ended at once. {SENT}"
TOO_LONG = f"Ended, for something was still at work {DEADLINE_SECONDS:g} s after the stop. {SENT}"
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it, and has no time to show it again


@dataclass
class Stop:
    """Whether this command was asked to stop, by which signal, and what to say then."""

    number: int = 0
    spent: Callable[[], str] = lambda: ""
    _asked: threading.Event = field(default_factory=threading.Event)

    @property
    def was_asked(self) -> bool:
        return self.number != 0

    @property
    def exit_code(self) -> int:
        """As a shell counts it: 130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self.number or signal.SIGINT)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Signals come here while the block runs. One that whoever started us had ignored stays ignored."""
        ours = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._first) for number in ours}
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()
        try:
            yield
        finally:
            if not self.was_asked:  # else a second signal must still find us while the program winds up
                for number, handler in before.items():
                    signal.signal(number, handler)

    def sentence(self) -> str:
        """What was kept and what was spent."""
        try:
            return f"{STOPPED} {self.spent()}".rstrip()
        except Exception as error:  # noqa: BLE001 - a ledger that cannot be read must not keep anybody from stopping
            return f"{STOPPED} What was spent is in the ledger, which could not be read now ({type(error).__name__})."

    def leave(self) -> NoReturn:
        """End with the signal's exit code. A worker that is left behind goes with the program, wherever it is."""
        if left_behind():  # inside a C++ library it would bring a closing interpreter down
            self._end()
        sys.exit(self.exit_code)

    def _first(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        for each in SIGNALS:
            if signal.getsignal(each) == self._first:
                signal.signal(each, self._second)
        self._asked.set()
        raise KeyboardInterrupt

    def _second(self, _number: int, _frame: FrameType | None) -> None:
        self._end(AT_ONCE)

    def _watch(self) -> None:
        self._asked.wait()
        threading.Event().wait(DEADLINE_SECONDS)
        self._end(TOO_LONG)

    def _end(self, last_words: str = "") -> NoReturn:
        if (ffmpeg := sys.modules.get("aurora_pipeline.gear.ffmpeg")) is not None:
            ffmpeg.end_all()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        if last_words:
            _say(last_words)
        os._exit(self.exit_code)


def _say(sentence: str) -> None:
    """Straight to stderr: the stream may be in the middle of a line of the thread that we interrupted."""
    cursor = SHOW_CURSOR if os.isatty(2) else b""
    with contextlib.suppress(OSError):
        os.write(2, cursor + f"\n{sentence}\n".encode())
