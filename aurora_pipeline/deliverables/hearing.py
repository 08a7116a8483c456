"""Bought sound + the speech that was sent -> is it the same speech, at the same time?

Everything here compares, because absolute limits mislead: a pause of 0.9 s is good when the speech has it. Cross
correlation with what we sent finds wrong, shifted, stretched and half-silent sound that no meter sees: re-encoded good
clips score 0.99, wrong words 0.04 (reference/media.md 5). Works at 8 kHz mono, about 0.01 CPU s a clip.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..gear import ffmpeg

Samples = NDArray[np.float32]
Interval = tuple[float, float]

RATE = 8_000
LARGEST_LAG_SECONDS = 2.0
SILENCE_LEVEL = 10 ** (-45 / 20)  # as silencedetect -45 dB, for the speech as sent
SILENCE_SECONDS = 0.3  # a shorter quiet is a stop consonant or a breath


@dataclass(frozen=True)
class Heard:
    """The bought sound against the speech. ``identity`` is 0 to 1; ``lag_seconds`` is positive when it comes late.

    ``silent_seconds`` is silence where the speech sounds; ``sounding`` is where the speech sounds, on the clip's clock.
    """

    identity: float
    lag_seconds: float
    silent_seconds: float
    sounding: tuple[Interval, ...]


def listen(bought: Path, speech: Path, *, stop: threading.Event | None = None) -> Heard:
    """Compare a bought clip's (aligned) sound with the WAV that was sent."""
    return compare(samples_of(bought, stop=stop), samples_of(speech, stop=stop))


def samples_of(path: Path, *, stop: threading.Event | None = None) -> Samples:
    """A file's sound as 8 kHz mono."""
    mono = ffmpeg.source(path).audio.output("pipe:1", format="f32le", acodec="pcm_f32le", ac=1, ar=RATE)
    return np.frombuffer(ffmpeg.run(mono, stop=stop).stdout, np.float32)


def compare(bought: Samples, speech: Samples) -> Heard:
    """Identity, lag and lost sound of ``bought`` against ``speech``."""
    identity, lag = correlate(bought, speech)
    placed = lag if identity >= 0.5 else 0.0  # the lag of two different sounds means nothing
    speaking = sounding(speech, SILENCE_LEVEL)
    # A provider may change the level: silence is judged as far below this sound as it is below the speech.
    level = SILENCE_LEVEL * _rms(bought) / _rms(speech) if _rms(speech) > 0 else SILENCE_LEVEL
    speaking = [(start + placed, end + placed) for start, end in speaking]
    seconds = len(bought) / RATE
    within = [(max(start, 0.0), min(end, seconds)) for start, end in speaking if start < seconds and end > 0]
    return Heard(identity, lag, overlap(silent(bought, level), within, at_least=SILENCE_SECONDS), tuple(within))


def correlate(bought: Samples, speech: Samples) -> tuple[float, float]:
    """Peak of the normalised cross-correlation within 2 s, and how late ``bought`` is there (seconds)."""
    if not len(bought) or not len(speech):
        return 0.0, 0.0
    one, other = bought - bought.mean(), speech - speech.mean()
    energy = float(np.sqrt(np.sum(one.astype(float) ** 2) * np.sum(other.astype(float) ** 2)))
    if not energy:
        return 0.0, 0.0
    size = 1 << (len(one) + len(other)).bit_length()
    products = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
    reach = min(int(LARGEST_LAG_SECONDS * RATE), size // 2 - 1)
    near = np.concatenate([products[-reach:], products[: reach + 1]])
    best = int(np.argmax(near))
    return round(float(near[best]) / energy, 4), round((best - reach) / RATE, 4)


def silent(samples: Samples, level: float) -> list[Interval]:
    """Stretches of at least 0.3 s in which no sample passes ``level``, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > level)
    edges = np.concatenate([[-1], loud, [len(samples)]])
    gaps = np.flatnonzero(np.diff(edges) - 1 >= SILENCE_SECONDS * RATE)
    return [(float(edges[gap] + 1) / RATE, float(edges[gap + 1]) / RATE) for gap in gaps]


def sounding(samples: Samples, level: float) -> list[Interval]:
    """What `silent` leaves."""
    edges = [0.0, *(moment for quiet in silent(samples, level) for moment in quiet), len(samples) / RATE]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, end) for start, end in pairs if end > start]


def overlap(some: list[Interval], others: list[Interval], *, at_least: float = 0.0) -> float:
    """Seconds in which both happen, of stretches that last ``at_least`` so long."""
    shared = (min(end, until) - max(start, since) for start, end in some for since, until in others)
    return round(math.fsum(seconds for seconds in shared if seconds > 0 and seconds >= at_least), 3)


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2))) if len(samples) else 0.0
