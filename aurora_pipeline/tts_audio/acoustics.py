"""Samples -> what can be said of a sound without knowing a word of it: level, clipping, silences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from .loudness import loudness_lufs
from .room import sounding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

Interval = tuple[float, float]

NO_PEAK_DBFS = -120.0  # digital silence has no peak; a number travels better than -inf
FRAME_SECONDS = 0.02
QUIET_DB = -38.0  # below the loud frames is silence: see gear/voices/word_times.py, where it was measured
LOUD_PERCENTILE = 95.0  # not the loudest frame: one knock on a microphone would make the rest of the speech silence
SHORTEST_PAUSE_SECONDS = 0.3  # a shorter quiet is a stop consonant or a breath
# A clipped wave stays where it was cut. Tops of good speech are round: of 60 clips of our voices one has such runs
# (SVOX Pico cuts a top or two itself). What was clipped before it was resampled or encoded is wavy again: then its
# waves crowd below the top.
FLAT_RUN_SAMPLES = 4
FLAT_TOLERANCE = 0.6 / 32768  # of full scale: half a step of 16 bits
FULL_SCALE, ABOVE_FULL_SCALE = 0.995, 1.001  # samples above are floats that were never cut; they are turned down
FULL_SCALE_RUN_SAMPLES = 3
# Of the top, and of the peak. The top is not the highest sample: what cuts waves and rounds them again overshoots.
CROWDED, SOUNDING, TOP_PERCENTILE = 0.8, 0.01, 99.9


@dataclass(frozen=True)
class Acoustics:
    """Levels in LUFS and dBFS; ``clipped`` are the moments (seconds) of cut wave tops, ``clipped_share`` of samples.

    ``crowded_share`` is that of the sounding samples above 0.8 of the top (their 99.9th percentile).
    ``leading_seconds`` and ``trailing_seconds`` are the silences at the ends, ``pauses`` the ones inside, from 0.3 s.
    """

    seconds: float
    peak_dbfs: float
    rms: float
    loudness_lufs: float
    clipped: tuple[float, ...]
    clipped_share: float
    leading_seconds: float
    trailing_seconds: float
    pauses: tuple[Interval, ...]
    crowded_share: float = 0.0

    @property
    def longest_pause_seconds(self) -> float:
        return round(max((end - start for start, end in self.pauses), default=0.0), 3)

    @property
    def speaking_seconds(self) -> float:
        """Without the silences at the ends and the pauses."""
        return max(
            0.0,
            self.seconds
            - self.leading_seconds
            - self.trailing_seconds
            - math.fsum(end - start for start, end in self.pauses),
        )


def measure(samples: Samples, rate: int) -> Acoustics:
    """The acoustics of finite mono samples (full scale is 1.0)."""
    import numpy as np

    seconds = len(samples) / rate
    peak = float(np.abs(samples).max(initial=0.0))
    (start, end), pauses = _silences(samples, rate)
    runs = _clipped_runs(samples, peak)
    return Acoustics(
        seconds=seconds,
        peak_dbfs=round(20 * math.log10(peak), 2) if peak > 10 ** (NO_PEAK_DBFS / 20) else NO_PEAK_DBFS,
        rms=float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0,
        loudness_lufs=loudness_lufs(samples, rate),
        clipped=tuple(round(first / rate, 3) for first, _ in runs),
        clipped_share=sum(length for _, length in runs) / len(samples) if len(samples) else 0.0,
        leading_seconds=round(start, 3),
        trailing_seconds=round(max(0.0, seconds - end), 3),
        pauses=pauses,
        crowded_share=_crowded_share(samples, peak),
    )


def _crowded_share(samples: Samples, peak: float) -> float:
    import numpy as np

    levels = np.abs(samples)
    heard = levels[levels > SOUNDING * peak]
    return float(np.mean(heard > CROWDED * np.percentile(heard, TOP_PERCENTILE))) if len(heard) else 0.0


def _silences(samples: Samples, rate: int) -> tuple[Interval, tuple[Interval, ...]]:
    """(where sound begins and ends, the pauses inside), in seconds; silence has no sound from 0 to 0."""
    import numpy as np

    frame = max(1, round(rate * FRAME_SECONDS))
    blocks = np.zeros(math.ceil(len(samples) / frame) * frame, np.float64)
    blocks[: len(samples)] = samples
    levels = np.sqrt((blocks.reshape(-1, frame) ** 2).mean(axis=1))
    if not levels.any():
        return (0.0, 0.0), ()
    speech, step = float(np.percentile(levels[levels > 0], LOUD_PERCENTILE)), frame / rate
    loud = np.flatnonzero(sounding(levels, loud=speech, quiet=speech * 10 ** (QUIET_DB / 20), frame_seconds=step))
    gaps = tuple(
        (round(float(before + 1) * step, 3), round(float(after) * step, 3))
        for before, after in pairwise(loud)
        if (after - before - 1) * step >= SHORTEST_PAUSE_SECONDS
    )
    return (float(loud[0]) * step, min(float(loud[-1] + 1) * step, len(samples) / rate)), gaps


def _clipped_runs(samples: Samples, peak: float) -> list[tuple[int, int]]:
    """(first sample, length) of every cut top: at full scale, or flat at the sound's own peak where it was turned down.

    Both signs may be cut at their own level, so each is asked for its own peak.
    """
    import numpy as np

    if peak <= 0.0:
        return []
    runs = []
    for sign in (1.0, -1.0):
        wave = samples * np.float32(sign)
        top = float(wave.max())
        if FULL_SCALE <= top <= ABOVE_FULL_SCALE:
            runs += _runs(wave >= FULL_SCALE, FULL_SCALE_RUN_SAMPLES)
        elif top > peak / 2:
            runs += _runs(wave >= top - FLAT_TOLERANCE, FLAT_RUN_SAMPLES)
    return sorted(runs)


def _runs(is_on: NDArray[np.bool_], shortest: int) -> list[tuple[int, int]]:
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_on, [False])).astype(np.int8))).reshape(-1, 2)
    return [(int(start), int(end - start)) for start, end in edges if end - start >= shortest]
