"""Japanese through pyopenjtalk-plus (optional extra ``japanese``, MIT; its voice Mei is CC BY 3.0).

A dictionary reads the kanji and a statistical voice of 2010s quality speaks them, at 48 kHz. Words of Japanese are not
spaced: a "word" of the text here is what stands between two spaces, often a sentence. Times are estimated.

The package lends its one synthesiser to one caller at a time, so each thread has its own here: measured, two threads
then keep two cores busy.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from ...errors import SpeechFailed
from . import word_times
from .engines import NO_IPA, Spoken, assert_no_ipa
from .registry import Voice

FULL_SCALE = 32768.0
SEMITONES_AN_OCTAVE = 12


class OpenjtalkEngine:
    """The ``openjtalk`` engine. Raises ImportError when pyopenjtalk-plus is not installed."""

    name = "openjtalk"
    takes_ipa = False

    def __init__(self) -> None:
        import pyopenjtalk

        self.version = metadata.version("pyopenjtalk-plus")
        self._library = pyopenjtalk
        self._of_thread = threading.local()

    def speak(self, text: str, voice: Voice, ipa: Mapping[int, str] = NO_IPA) -> Spoken:
        """``text`` at 48 kHz, with estimated word times. Raises `SpeechFailed`."""
        import numpy as np

        assert_no_ipa(self.name, text, ipa)
        try:
            synthesiser = self._synthesiser()
            synthesiser.set_speed(1.0)
            synthesiser.add_half_tone(SEMITONES_AN_OCTAVE * math.log2(voice.pitch))
            wave = synthesiser.synthesize(self._library.extract_fullcontext(text, normalize_mode="NFKC"))
        except (RuntimeError, ValueError, UnicodeError) as error:
            raise SpeechFailed(
                f"The engine openjtalk could not speak this text ({error}). Nothing was spent."
            ) from error
        rate = synthesiser.get_sampling_frequency()
        samples = (np.asarray(wave, np.float64) / FULL_SCALE).astype(np.float32)
        return Spoken(samples, int(rate), word_times.estimated(text, samples, int(rate)), "estimated")

    def _synthesiser(self) -> Any:
        """This thread's own; made in a few milliseconds."""
        if not hasattr(self._of_thread, "synthesiser"):
            from pyopenjtalk.htsengine import HTSEngine

            self._of_thread.synthesiser = HTSEngine(self._library.DEFAULT_HTS_VOICE)
        return self._of_thread.synthesiser
