"""Some hundred languages through eSpeak NG (optional extra ``espeak``, GPL-3): robotic, fast, exact word times.

The library comes in the wheel espeakng-loader and is called through ctypes: no compiler, no program on PATH. What it
needs to be handled with care (reference/studio.md, 1):

- It keeps one state for the whole process, so one text is spoken at a time. It costs 0.003 CPU seconds a second.
- That state outlives a call: the same text gives other bytes the second time (never other words or times to speak of),
  and nothing resets it. The media store keeps the first.
- Given a folder of data that it cannot open, it ends the process, unless told not to (`DONT_EXIT`); and it cannot open
  one whose path is longer than 158 bytes (espeak_data.py).
- It reads ``[[...]]`` as its own phonemes, so such brackets are parted; it takes no IPA.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import SpeechFailed
from . import word_times
from .engines import NO_IPA, Spoken, assert_no_ipa
from .espeak_data import near_enough
from .registry import Voice

WORDS_A_MINUTE = 160
NORMAL_PITCH = 50  # of 0 to 99
# espeak_ng.h and speak_lib.h
SYNCHRONOUS, DONT_EXIT = 2, 0x8000
RATE, PITCH = 1, 3
BY_CHARACTER, UTF8 = 1, 1
NOTHING_MORE, WORD, CLAUSE_END = 0, 1, 5


class _Event(ctypes.Structure):
    """One entry of the list a callback is given; ``position`` counts characters of the text from 1."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("identifier", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass
class _Take:
    """What one call of the library gave: pieces of 16-bit sound, (character, sample) of words, samples of ends."""

    pieces: list[bytes] = field(default_factory=list)
    words: list[tuple[int, int]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


class EspeakEngine:
    """The ``espeak`` engine. Raises ImportError when espeakng-loader is not installed."""

    name = "espeak"
    takes_ipa = False

    def __init__(self) -> None:
        import espeakng_loader

        self._turn = threading.Lock()
        self._take = _Take()
        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = near_enough(espeakng_loader.get_data_path())
        self._rate = int(self._library.espeak_Initialize(SYNCHRONOUS, 0, data, DONT_EXIT))
        if self._rate <= 0:
            raise SpeechFailed(
                f"The engine espeak cannot read its data in {data.decode(errors='replace')}; reinstall it with "
                "pip install --force-reinstall espeakng-loader. Nothing was spent."
            )
        self._library.espeak_Info.restype = ctypes.c_char_p
        self.version = self._library.espeak_Info(None).decode()
        self._callback = _Callback(self._heard)  # kept, or it is freed under the library's feet
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str, voice: Voice, ipa: Mapping[int, str] = NO_IPA) -> Spoken:
        """``text`` at 22.05 kHz with the engine's own word times. Raises `SpeechFailed`."""
        import numpy as np

        assert_no_ipa(self.name, text, ipa)
        with self._turn:
            take = self._spoken(_plain(text), voice)
        samples = np.frombuffer(b"".join(take.pieces), np.int16).astype(np.float32) / np.float32(32768)
        marks = word_times.Marks(take.words, take.ends)
        return Spoken(samples, self._rate, word_times.marked(text, marks, samples, self._rate), "engine")

    def _spoken(self, text: str, voice: Voice) -> _Take:
        self._take = _Take()
        if self._library.espeak_SetVoiceByName(voice.engine_voice.encode()) != 0:
            raise SpeechFailed(
                f"The engine espeak {self.version} has no voice '{voice.engine_voice}' (voice '{voice.name}'); choose "
                "another of `aurora voices --engine espeak`. Nothing was spent."
            )
        self._library.espeak_SetParameter(RATE, WORDS_A_MINUTE, 0)
        self._library.espeak_SetParameter(PITCH, round(NORMAL_PITCH * voice.pitch), 0)
        encoded = text.encode() + b"\0"
        failed = self._library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded)), 0, BY_CHARACTER, 0, UTF8, None, None
        )
        if failed:
            raise SpeechFailed(f"The engine espeak could not speak this text (error {failed}). Nothing was spent.")
        self._library.espeak_Synchronize()
        return self._take

    def _heard(self, wave: Any, count: int, events: Any) -> int:
        """Called by the library, in the thread that speaks; an exception could not leave it."""
        if wave and count > 0:
            self._take.pieces.append(ctypes.string_at(wave, count * 2))
        number = 0
        while events[number].type != NOTHING_MORE:
            event = events[number]
            if event.type == WORD:
                self._take.words.append((event.position - 1, event.sample))
            elif event.type == CLAUSE_END:
                self._take.ends.append(event.sample)
            number += 1
        return 0


def _plain(text: str) -> str:
    """``text``, as long, without what the library would take for a command."""
    return re.sub(r"\[\[|\]\]|\0", lambda found: " " * len(found[0]), text)
