"""Engines that speak one text at a time -> one text a core, in processes of their own.

Measured (benchmarks/speech_engines.py): threads of hibari, Piper and Open JTalk keep every core busy, for their work is
done outside Python's lock. SVOX Pico holds that lock while it speaks, and eSpeak NG has one state a process. Such an
engine speaks here, until enough texts had to wait for one another, as a campaign's do; from then on each is spoken in a
process of its own, one a core.

A process is a fresh interpreter (never a fork, never the caller's own script run again), loads its engine once, and
ends when its pipe does: with this process, however that ends. One that died while it had nothing to do, or under its
text, is replaced once; a text that ends the second one too is refused. None is told this process's secrets: it is
given the few variables that a program needs to run, and no key.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

from ...errors import SpeechFailed
from . import engines, worker
from .registry import Voice

ONE_AT_A_TIME = ("nanotts", "espeak")
# Spoken while somebody waited. Starting a process costs as much as some fifteen short texts of SVOX Pico: a small
# campaign is done before it pays.
PAYS_AFTER_TEXTS = 15
# All that an engine's process is told of this one's environment, in capitals: names, and what names begin with.
TOLD = ("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TMP", "TEMP", "TMPDIR", "LANG", "TZ")
TOLD_FAMILIES = ("PYTHON", "LD_", "DYLD_", "LC_", "OMP_", "ESPEAK_", "COVERAGE_")


class Crew:
    """An `Engine` that speaks in this process, and, once many ask at once, in one process a core."""

    def __init__(self, here: engines.Engine, *, most: int | None = None, pays_after: int = PAYS_AFTER_TEXTS) -> None:
        self._here = here
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._idle: list[_Worker] = []
        self._most = cores() if most is None else most
        self._pays_after = pays_after
        self._begun = self._inside = self._contested = 0

    @property
    def name(self) -> str:
        return self._here.name

    @property
    def version(self) -> str:
        return self._here.version

    @property
    def takes_ipa(self) -> bool:
        return self._here.takes_ipa

    def speak(self, text: str, voice: Voice, ipa: Mapping[int, str] = engines.NO_IPA) -> engines.Spoken:
        """``text`` in ``voice``, here or in a process of its own. Raises `SpeechFailed`."""
        with self._changed:
            self._inside += 1
        try:
            if not self._pays():
                return self._speak_here(text, voice, ipa)
            try:
                return self._speak_there(text, voice, ipa)
            except _Ended:
                return self._speak_there(text, voice, ipa)
        finally:
            with self._changed:
                self._inside -= 1

    def _pays(self) -> bool:
        return self._most > 1 and self._contested >= self._pays_after

    def _speak_here(self, text: str, voice: Voice, ipa: Mapping[int, str]) -> engines.Spoken:
        with self._turn:
            spoken = self._here.speak(text, voice, ipa)
            self._contested += self._inside > 1
            return spoken

    def _speak_there(self, text: str, voice: Voice, ipa: Mapping[int, str]) -> engines.Spoken:
        helper = self._helper()
        try:
            return helper.speak(text, voice, dict(ipa)) if helper else self._speak_here(text, voice, ipa)
        finally:
            self._back(helper)

    def _helper(self) -> _Worker | None:
        """A process with nothing to do, or a new one, or the next that is done; None where none can be started."""
        with self._changed:
            while not self._idle and self._begun >= self._most:
                self._changed.wait()
            while self._idle:
                if (helper := self._idle.pop()).is_alive:
                    return helper
                helper.end()
                self._begun -= 1
            self._begun += 1
        try:
            return _Worker(self.name)
        except OSError:  # no more processes, or no memory for them: this one will do
            with self._changed:
                self._begun -= 1
                self._most = self._begun
                self._changed.notify_all()
            return None

    def _back(self, helper: _Worker | None) -> None:
        if helper is None:
            return
        with self._changed:
            if helper.is_alive:
                self._idle.append(helper)
            else:
                self._begun -= 1
            self._changed.notify()


class _Ended(SpeechFailed):
    """A process ended under its text."""


class _Worker:
    """One process with one engine."""

    def __init__(self, engine_name: str) -> None:
        self._engine_name = engine_name
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", worker.__name__, engine_name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**_told(), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        atexit.register(self.end)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def speak(self, text: str, voice: Voice, ipa: dict[int, str]) -> engines.Spoken:
        """What the process makes of it. Raises `SpeechFailed`, also when the process ends under it."""
        answer = self._answer((text, voice, ipa))
        if answer is None:
            self.end()
            raise _Ended(
                f"The process of the engine {self._engine_name} ended while it spoke (code "
                f"{self._process.returncode}); run again, and shorten this text if it ends again. Nothing was spent."
            )
        spoken, failure = answer
        if failure:
            raise SpeechFailed(failure)
        made: engines.Spoken = spoken
        return made

    def _answer(self, asked: tuple[str, Voice, dict[int, str]]) -> Any:
        """What comes back, or None from a process that is gone."""
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        try:
            worker.send(self._process.stdin, asked)
            return worker.received(self._process.stdout)
        except OSError:
            return None
        except BaseException:  # an answer left in the pipe would be taken for the next text's
            self.end()
            raise

    def end(self) -> None:
        """Stop it at once: it holds nothing that could be lost."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        atexit.unregister(self.end)


def _told() -> dict[str, str]:
    """This process's environment without what might be secret: what is not known to be needed is not told."""
    is_told = {name: name.upper() in TOLD or name.upper().startswith(TOLD_FAMILIES) for name in os.environ}
    return {name: value for name, value in os.environ.items() if is_told[name]}


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
