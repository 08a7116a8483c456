"""What a head does besides speaking: it blinks, drifts and nods with the voice. Deterministic from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .lips import FPS

Floats = NDArray[np.float64]
BLINK = (0.45, 1.0, 0.9, 0.4)  # how far the lids are down in the four frames of a blink (0.16 s)


@dataclass(frozen=True)
class HeadMotion:
    """One value a frame: ``lids`` 0 (open) to 1; shifts in pixels; ``turn`` in radians; ``scale`` about 1."""

    lids: Floats
    shift_x: Floats
    shift_y: Floats
    turn: Floats
    scale: Floats


def head_motion(frames: int, energy: NDArray[np.float32], *, seed: int, face_size: float) -> HeadMotion:
    """Motion for ``frames`` frames of a face ``face_size`` pixels across, speaking with ``energy`` (0 to 1)."""
    random = np.random.default_rng(seed)
    seconds = np.arange(frames) / FPS
    lids = _blinks(frames, random)
    phase = random.uniform(0, 2 * math.pi, 7)

    def wave(hertz: float, index: int) -> Floats:
        swing: Floats = np.sin(2 * math.pi * hertz * seconds + phase[index])
        return swing

    # Starts and ends where the still is, so that clips can be cut against each other.
    ramp = np.clip(seconds / 0.6, 0, 1) * np.clip((frames / FPS - seconds) / 0.5, 0, 1)
    voice = np.convolve(energy, np.hanning(9) / np.hanning(9).sum(), "same")[:frames]
    nod = (voice - 0.45) * np.clip(voice * 2, 0, 1)
    return HeadMotion(
        lids=lids,
        shift_x=face_size * (0.0065 * wave(0.23, 0) + 0.003 * wave(0.61, 1)) * ramp,
        shift_y=face_size * (0.004 * wave(0.31, 2) + 0.007 * nod) * ramp,
        turn=math.radians(1) * (0.9 * wave(0.19, 3) + 0.45 * wave(0.43, 4) + 0.25 * wave(0.9, 5) * voice) * ramp,
        scale=1 + 0.004 * wave(0.13, 6) * ramp,
    )


def _blinks(frames: int, random: np.random.Generator) -> Floats:
    """A blink every 2.2 to 4.8 seconds, now and then a double one; the first within 0.8 to 2.2 seconds."""
    lids, at = np.zeros(frames), random.uniform(0.8, 2.2)
    while at < frames / FPS:
        first = int(at * FPS)
        for i, down in enumerate(BLINK[: frames - first]):
            lids[first + i] = max(lids[first + i], down)
        at += random.uniform(2.2, 4.8) if random.random() > 0.12 else 0.35
    return lids
