"""Samples -> a mono 16-bit WAV at their own rate. The level is left alone, but never clipped."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Louder samples are scaled down to this; 0.98 leaves room for the peaks between samples that a decoder rebuilds.
LOUDEST_PEAK = 0.98
FULL_SCALE = 32767


def write_wav(file: Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Write ``samples`` (full scale is 1.0) to ``file``."""
    import numpy as np

    peak = float(np.abs(samples).max(initial=0.0))
    gain = min(1.0, LOUDEST_PEAK / peak) if peak else 1.0
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(np.round(samples * (gain * FULL_SCALE)).astype("<i2").tobytes())
