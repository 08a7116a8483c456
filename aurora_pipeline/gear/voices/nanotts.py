"""SVOX Pico through py-nanotts (optional extra ``languages``): German, Spanish, French, Italian, British English.

The engine reads ``<tags>`` in the text as commands, so angle brackets are taken out first. It holds Python's lock while
it speaks, and its bytes differ by a few units between calls: the media store keeps the first (reference/studio.md, 5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata

from ...errors import SpeechFailed
from . import word_times
from .engines import NO_IPA, Spoken, assert_no_ipa
from .registry import Voice

SAMPLE_RATE = 16_000
# Pico clips its loudest syllables at its own full volume (peaks of 32768); measured: none clip at this one.
VOLUME = 0.6


class NanottsEngine:
    """The ``nanotts`` engine. Raises ImportError when py-nanotts is not installed."""

    name = "nanotts"
    takes_ipa = False

    def __init__(self) -> None:
        from py_nanotts import NanoTTS

        self.version = metadata.version("py-nanotts")
        self._speaker = NanoTTS()

    def speak(self, text: str, voice: Voice, ipa: Mapping[int, str] = NO_IPA) -> Spoken:
        """``text`` at 16 kHz, with estimated word times. Raises `SpeechFailed`."""
        import numpy as np

        assert_no_ipa(self.name, text, ipa)
        plain = re.sub(r"[<>]", " ", text)
        try:
            pcm = self._speaker.speak(plain, voice=voice.engine_voice, pitch=voice.pitch, volume=VOLUME)
        except (RuntimeError, ValueError) as error:
            raise SpeechFailed(f"The engine nanotts could not speak this text ({error}). Nothing was spent.") from error
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
        return Spoken(samples, SAMPLE_RATE, word_times.estimated(text, samples, SAMPLE_RATE), "estimated")
