"""Samples -> loudness by ITU-R BS.1770, in process: a thousand clips are heard without a thousand ffmpegs.

The deliverables are metered by ffmpeg on the file that is delivered; this meter asks only whether a voice is too quiet
or too loud to be worth a video. Agrees with ffmpeg and pyloudnorm to 0.1 LU (tested). The two filters of the standard
are applied in the spectrum, where an energy needs no phase.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]
    Spectrum = NDArray[np.complex128]

SILENT_LUFS = -70.0
_BLOCK_SECONDS, _STEP_SECONDS = 0.4, 0.1
_RELATIVE_GATE_LU = 10.0


def loudness_lufs(samples: Samples, rate: int) -> float:
    """Integrated loudness of mono sound; -70 for silence. Sound shorter than the meter's 0.4 s is repeated."""
    import numpy as np

    if not len(samples):
        return SILENT_LUFS
    sound = np.resize(samples, max(len(samples), round(_BLOCK_SECONDS * rate))).astype(np.float64)
    weighted = np.fft.irfft(np.fft.rfft(sound) * _weights(len(sound), rate), len(sound))
    energies = _block_energies(weighted, rate)
    loud = energies[energies > _energy(SILENT_LUFS)]
    if len(loud):
        loud = loud[loud > loud.mean() * 10 ** (-_RELATIVE_GATE_LU / 10)]
    return round(max(SILENT_LUFS, _lufs(float(loud.mean()))), 2) if len(loud) else SILENT_LUFS


def _block_energies(sound: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    import numpy as np

    block, step = round(_BLOCK_SECONDS * rate), round(_STEP_SECONDS * rate)
    sums = np.concatenate([[0.0], np.cumsum(sound**2)])
    starts = np.arange(0, len(sound) - block + 1, step)
    energies: NDArray[np.float64] = (sums[starts + block] - sums[starts]) / block
    return energies


def _lufs(energy: float) -> float:
    return -0.691 + 10 * math.log10(energy) if energy > 0 else SILENT_LUFS


def _energy(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def _weights(count: int, rate: int) -> Spectrum:
    """The standard's head filter (a high shelf) and its high pass, as one response for ``count`` samples."""
    import numpy as np

    turn = np.exp(-2j * np.pi * np.arange(count // 2 + 1) / count)
    return _shelf(turn, rate) * _high_pass(turn, rate)


def _shelf(turn: Spectrum, rate: int) -> Spectrum:
    gain, q, k = 3.999843853973347, 0.7071752369554196, math.tan(math.pi * 1681.974450955533 / rate)
    high = 10 ** (gain / 20)
    band = high**0.4996667741545416
    above = high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k
    return _polynomial(turn, above) / _polynomial(turn, _poles(q, k))


def _high_pass(turn: Spectrum, rate: int) -> Spectrum:
    q, k = 0.5003270373238773, math.tan(math.pi * 38.13547087602444 / rate)
    # The standard's numerator is 1, -2, 1 over a denominator that begins with 1.
    return _polynomial(turn, (1.0, -2.0, 1.0)) * (1 + k / q + k * k) / _polynomial(turn, _poles(q, k))


def _poles(q: float, k: float) -> tuple[float, float, float]:
    return 1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k


def _polynomial(turn: Spectrum, terms: tuple[float, float, float]) -> Spectrum:
    return terms[0] + terms[1] * turn + terms[2] * turn**2
