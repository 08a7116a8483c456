"""Samples -> the log-mel spectrum Whisper was trained on: 80 bands of 25 ms, every 10 ms, of 16 kHz sound.

Written out in numpy (it is 30 lines) so that no package that knows how to download has to be installed for it; equal
to OpenAI's own to float precision.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

RATE = 16_000
WINDOW_SECONDS = 30  # the most the model hears at once
# The silence that follows the sound. The model was trained with sound filled up to 30 s, but its time grows with what
# it is given: on 20 clips, 4 s cost 0.7 CPU s a clip instead of 2.4 and move hardly a likelihood; with 1 s it repeats
# whole sentences.
PADDING_SECONDS = 4
FRAME, HOP, BANDS = 400, 160, 80
FRAMES_A_SECOND = RATE // HOP


def at_16_khz(samples: Samples, rate: int) -> Samples:
    """``samples`` at 16 kHz: what is above 8 kHz is cut in the spectrum of the whole sound."""
    import numpy as np

    if rate == RATE or not len(samples):
        return samples.astype(np.float32, copy=False)
    count = max(1, round(len(samples) * RATE / rate))
    bins = np.zeros(count // 2 + 1, np.complex128)
    found = np.fft.rfft(samples.astype(np.float64))
    kept = min(len(bins), len(found))
    bins[:kept] = found[:kept]
    return (np.fft.irfft(bins, count) * (count / len(samples))).astype(np.float32)


def log_mel(samples: Samples, padding_seconds: int = PADDING_SECONDS) -> NDArray[np.float32]:
    """(80, frames) of at most 30 s of 16 kHz sound and the silence after it; an even number of frames."""
    import numpy as np

    count = min(WINDOW_SECONDS * FRAMES_A_SECOND, len(samples) // (2 * HOP) * 2 + padding_seconds * FRAMES_A_SECOND)
    whole = np.zeros(count * HOP, np.float32)
    whole[: len(samples)] = samples[: len(whole)]
    padded = np.pad(whole, FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:count]
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1)).astype(np.float32) ** 2
    levels = np.log10(np.maximum(_filters() @ power.T, 1e-10))
    return np.ascontiguousarray((np.maximum(levels, levels.max() - 8.0) + 4.0) / 4.0, np.float32)


@functools.cache
def _filters() -> NDArray[np.float32]:
    """Slaney's mel triangles: linear to 1 kHz, logarithmic above, each of equal area."""
    import numpy as np

    mels = np.linspace(0.0, 45.245640471924965, BANDS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))
    ramps = edges[:, None] - np.fft.rfftfreq(FRAME, 1 / RATE)[None, :]
    widths = np.diff(edges)[:, None]
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    filters: NDArray[np.float32] = (triangles * (2 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)
    return filters
