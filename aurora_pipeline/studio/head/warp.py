"""Pixels moved smoothly: the small tools that mouth, eyes and head share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Floats = NDArray[Any]  # numpy's arithmetic on float32 has no narrower static type
Box = tuple[int, int, int, int]  # left, top, right, bottom, in pixels


@dataclass(frozen=True)
class Frame:
    """A face-aligned frame: ``origin`` in pixels, ``right`` and ``down`` unit vectors along the face."""

    origin: Floats
    right: Floats
    down: Floats

    def of(self, pixels: Floats) -> Floats:
        """Picture coordinates (n x 2) -> face coordinates (n x 2)."""
        moved = pixels - self.origin
        return np.stack([moved @ self.right, moved @ self.down], axis=-1)

    def to_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Face coordinates -> picture x and y, of any shape."""
        return (
            self.origin[0] + x * self.right[0] + y * self.down[0],
            self.origin[1] + x * self.right[1] + y * self.down[1],
        )

    def grid(self, box: Box) -> tuple[Floats, Floats]:
        """Face coordinates of every pixel of ``box``."""
        left, top, right, bottom = box
        rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
        dx, dy = columns - self.origin[0], rows - self.origin[1]
        x = dx * self.right[0] + dy * self.right[1]
        y = dx * self.down[0] + dy * self.down[1]
        return x.astype(np.float32), y.astype(np.float32)


def planar(picture: Image.Image) -> NDArray[np.float32]:
    """An RGB picture as 3 x height x width, because numpy is quick where rows are long."""
    return np.ascontiguousarray(np.asarray(picture, np.float32).transpose(2, 0, 1))


def sample(picture: Floats, x: Floats, y: Floats) -> Floats:
    """Bilinear colours (3 x …) of ``picture`` (3 x height x width) at fractional pixels, clamped at its edges."""
    _, height, width = picture.shape
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    fx, fy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    index, flat = top.astype(np.intp) * width + left, picture.reshape(3, -1)
    upper, lower = (
        _between(flat.take(index + row, axis=1), flat.take(index + (row + 1), axis=1), fx) for row in (0, width)
    )
    return _between(upper, lower, fy)


def _between(a: Floats, b: Floats, share: Floats) -> Floats:
    b -= a
    b *= share
    b += a
    return b


def polygon_mask(width: int, height: int, points: Floats, *, blur: float) -> Floats:
    """Soft-edged mask (height x width, 0 to 1) of a polygon given in pixels; drawn four times as large."""
    large = Image.new("L", (width * 4, height * 4))
    ImageDraw.Draw(large).polygon([(x * 4 + 2, y * 4 + 2) for x, y in points], fill=255)
    mask = large.reduce(4)
    if blur:
        mask = mask.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(mask, np.float32) / np.float32(255)


def ease(distance: Floats) -> Floats:
    """1 at 0 falling smoothly to 0 at 1 (a squared cosine)."""
    eased: Floats = np.cos(np.clip(distance, 0, 1) * math.pi / 2) ** 2
    return eased


def mix(under: Floats, over: Floats, mask: Floats) -> Floats:
    """``over`` where ``mask`` is 1, ``under`` where it is 0."""
    mixed: Floats = over - under
    mixed *= mask
    mixed += under
    return mixed


def clipped(left: float, top: float, right: float, bottom: float, *, width: int, height: int) -> Box:
    """A box of whole pixels inside the picture, its sides even: video keeps one colour for two by two pixels."""
    return (
        max(0, math.floor(left / 2) * 2),
        max(0, math.floor(top / 2) * 2),
        min(width, math.ceil(right / 2) * 2),
        min(height, math.ceil(bottom / 2) * 2),
    )
