"""Steps whose result is kept by what went into it, so that the same work is never done twice, on any day.

What is kept is found by its inputs, not by its bytes: engines may answer the same text with other bytes on another
machine or version of onnxruntime, and new bytes would make a bought video look unbought.
"""

from __future__ import annotations

import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..gear.media_store import MediaStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

Facts = dict[str, Any]


class Kept:
    """The media store's memory of finished steps. Threads that ask for the same step wait for one of them."""

    def __init__(self, store: MediaStore) -> None:
        self.store = store
        self._guard = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def once(self, key: str, make: Callable[[], Facts]) -> tuple[Facts, bool]:
        """What ``make`` returned, and whether it was asked now. Facts with a ``sha256`` are kept while it is stored.

        Of two processes that make the same at once the first one's is kept, and both go on with that.
        """
        with self._turn(key):
            facts = self.store.recall(key)
            if facts is not None and self._stands(facts):
                return facts, False
            return self.store.remember_first(key, make(), stands=self._stands), True

    def _stands(self, facts: Facts) -> bool:
        return "sha256" not in facts or self.store.path(str(facts["sha256"])) is not None

    def put_wav(self, samples: Samples, sample_rate: int) -> str:
        """Keep ``samples`` as a WAV; returns its sha256."""
        from .wav import write_wav

        with self.store.workshop() as bench:
            write_wav(bench / "speech.wav", samples, sample_rate)
            return self.store.put(bench / "speech.wav")

    def samples(self, sha256: str) -> tuple[Samples, int]:
        """The samples of a kept WAV, and its rate."""
        return samples_of(self.store.require(sha256))

    def _turn(self, key: str) -> threading.Lock:
        with self._guard:
            return self._turns.setdefault(key, threading.Lock())


def samples_of(file: Path) -> tuple[Samples, int]:
    """The samples of one of our own WAVs (mono, 16 bit; full scale is 1.0), and its rate."""
    import numpy as np

    with wave.open(str(file), "rb") as wav:
        pcm = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
        return pcm.astype(np.float32) / np.float32(32768), wav.getframerate()
