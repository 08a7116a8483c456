"""RGB colours -> the two planes of an NV12 video frame (BT.709, tv range), the form x264 itself works in.

Converted here, only what changes is converted, and each frame that goes through the pipe is a third as large as in
32-bit RGB. Luma is one byte a pixel. Chroma is one 16-bit number (blue difference, red difference) for two by two
pixels, so that moving a pixel moves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .warp import Floats

Plane = NDArray[Any]  # uint8 luma or uint16 chroma

RED, GREEN, BLUE = 0.2126, 0.7152, 0.0722  # BT.709's shares of luma
_TO_LUMA = np.array([RED, GREEN, BLUE], np.float32) * np.float32(219 / 255)
_TO_CHROMA = np.array(
    [
        np.array([-RED, -GREEN, 1 - BLUE]) / (2 * (1 - BLUE)),
        np.array([1 - RED, -GREEN, -BLUE]) / (2 * (1 - RED)),
    ],
    np.float32,
) * np.float32(224 / 255)


@dataclass(frozen=True)
class Planes:
    """One picture: ``luma`` is height x width, ``chroma`` half of both; ``data`` is both as ffmpeg reads them."""

    data: NDArray[np.uint8]
    luma: NDArray[np.uint8]
    chroma: NDArray[np.uint16]

    def __iter__(self) -> Any:
        return iter((self.luma, self.chroma))


def planes(colours: Floats) -> Planes:
    """The planes of RGB ``colours`` (3 x height x width, 0 to 255); both sides must be even."""
    _, height, width = colours.shape
    data = np.empty(height * width * 3 // 2, np.uint8)
    luma = data[: height * width].reshape(height, width)
    pairs = data[height * width :].reshape(height // 2, width // 2, 2)
    luma[:] = _bytes(_weighted(colours, _TO_LUMA) + 16)
    rows = colours[:, ::2] + colours[:, 1::2]
    small = (rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25)
    for i in range(2):
        pairs[..., i] = _bytes(_weighted(small, _TO_CHROMA[i]) + 128)
    return Planes(data, luma, pairs.view(np.uint16)[..., 0])


def halves(chroma: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Chroma as height x width x 2 bytes; a view, so that it can be written to."""
    return chroma[..., None].view(np.uint8)


def _weighted(colours: Floats, weights: Floats) -> Floats:
    # Not a matrix product: BLAS would start threads for three numbers a pixel.
    weighted: Floats = colours[0] * weights[0] + colours[1] * weights[1] + colours[2] * weights[2]
    return weighted


def _bytes(values: Floats) -> NDArray[np.uint8]:
    return np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)
