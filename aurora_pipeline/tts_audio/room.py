"""Levels of short frames -> which of them hold sound: louder than silence, and than the noise of the room.

Synthetic speech stands in digital silence; a recording stands in a room, whose hiss and hum hide what is silent. Noise
is steady and there is nothing below it: that is how it is told from soft speech. Sources: the quietest frames of a
recording as its noise, Martin 2001, "Noise power spectral density estimation based on optimal smoothing".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Levels = NDArray[np.float64]

SMOOTHED_SECONDS = 0.05  # hum swings from frame to frame
FLOOR_PERCENTILE, LOWEST_PERCENTILE = 5.0, 1.0
# How far apart the two may lie in a steady noise. Measured: hiss, hum and rumble 0 to 1.4 dB; 109 clean clips of our
# voices, their ends cut off, from 4.7 dB on.
STEADY_DB = 3.0
ABOVE_NOISE_DB = 5.0  # what is heard above it
LOUDEST_FLOOR_DB = -12.0  # below the speech; a louder steady sound is a tone, or no speech
# Word ends sink into the noise before they end: so much is kept on both sides of what stands out of it.
GUARD_SECONDS = 0.1


def sounding(
    levels: Levels, *, loud: float, quiet: float, frame_seconds: float, loudest_floor_db: float = LOUDEST_FLOOR_DB
) -> NDArray[np.bool_]:
    """True for each frame (its RMS) with sound: above ``quiet``, or above the room's noise, where that is louder.

    ``loud`` is the level of the speech. Without noise, or in one louder than ``loudest_floor_db`` below the speech, the
    answer is ``levels > quiet``.
    """
    import numpy as np

    usual = levels > quiet
    width = max(1, round(SMOOTHED_SECONDS / frame_seconds))
    if len(levels) < 2 * width or loud <= 0.0:
        return usual
    smoothed = np.sqrt(np.convolve(np.square(levels), np.full(width, 1 / width), "valid"))
    floor, lowest = np.percentile(smoothed, [FLOOR_PERCENTILE, LOWEST_PERCENTILE])
    above = floor * 10 ** (ABOVE_NOISE_DB / 20)
    is_steady = floor < lowest * 10 ** (STEADY_DB / 20)
    if above <= quiet or not is_steady or floor > loud * 10 ** (loudest_floor_db / 20):
        return usual
    reach = width // 2 + round(GUARD_SECONDS / frame_seconds)
    around = np.convolve(np.pad(smoothed, (width // 2, width - 1 - width // 2), "edge") > above, np.ones(2 * reach + 1))
    return around[reach : reach + len(levels)] > 0
