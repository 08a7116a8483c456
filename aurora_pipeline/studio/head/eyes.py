"""A still's eyes, closed by any amount: the lid is stretched down with its lash line, and skin is painted on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .warp import Box, Floats, Frame, clipped, ease, mix, sample

LIDS = 6  # steps of a blink

# FaceMesh numbers: upper lid, lower lid (corner to corner), brow
RIGHT = ([33, 246, 161, 160, 159, 158, 157, 173, 133], [33, 7, 163, 144, 145, 153, 154, 155, 133], [46, 53, 52, 65, 55])
LEFT = (
    [362, 398, 384, 385, 386, 387, 388, 466, 263],
    [362, 382, 381, 380, 374, 373, 390, 249, 263],
    [285, 295, 282, 283, 276],
)


@dataclass(frozen=True)
class _Eye:
    frame: Frame
    wide: float
    tall: float
    upper: Floats
    lower: Floats
    brow: Floats
    box: Box


class Eyes:
    """Both eyes of one still."""

    def __init__(
        self, picture: NDArray[np.float32], landmarks: NDArray[np.float32], mouth: Floats, skin: Floats
    ) -> None:
        self.picture, self.skin = picture, skin
        self._eyes = [_eye(picture, landmarks, mouth, *points) for points in (RIGHT, LEFT)]

    def patches(self, step: int) -> list[tuple[Floats, Box]]:
        """Colours of both eyes ``step`` of `LIDS` closed, and where they belong."""
        return [(self._draw(eye, step / LIDS), eye.box) for eye in self._eyes]

    def _draw(self, eye: _Eye, closed: float) -> Floats:
        x, y = eye.frame.grid(eye.box)
        lid = _Lid(eye, x, closed)
        source = eye.frame.to_pixels(x, lid.source(y))
        skin = self.skin[:, None, None] * 0.93 * lid.rounding(x, y)
        # Skin over the stretched lid, because stretched shadow and lashes look like smears.
        colours = mix(sample(self.picture, *source), skin, lid.skin_mask(y))
        left, top, right, bottom = eye.box
        covered = np.clip((lid.edge - y) / 1.5 + 0.5, 0, 1)
        return mix(self.picture[:, top:bottom, left:right], colours, covered)


class _Lid:
    """An upper lid ``closed`` by 0 to 1; every length is in pixels down from the eye's middle, by face x."""

    def __init__(self, eye: _Eye, x: Floats, closed: float) -> None:
        self.wide = eye.wide
        self.lash = 0.10 * eye.wide  # the lash line moves rigidly; the lid above it is stretched
        self.open_edge = np.interp(x, eye.upper[:, 0], eye.upper[:, 1])
        lower = np.interp(x, eye.lower[:, 0], eye.lower[:, 1]) + 0.09 * eye.wide
        self.inside = ease(np.maximum(0, np.abs(x) - 0.47 * eye.wide) / (0.10 * eye.wide))
        self.drop = closed * np.maximum(0, lower - self.open_edge) * self.inside
        self.edge = self.open_edge + self.drop
        self.lash_top = self.edge - self.lash
        brow = np.interp(x, eye.brow[:, 0], eye.brow[:, 1])
        height = 0.5 * max(eye.tall, 0.22 * eye.wide)
        self.fold = np.minimum(self.open_edge - self.lash - height, 0.45 * brow + 0.55 * self.open_edge)

    def source(self, y: Floats) -> Floats:
        """Where each pixel's picture comes from: lashes moved down whole, the lid stretched after them."""
        open_top = self.open_edge - self.lash
        reach = np.maximum(1e-3, self.lash_top - self.fold)
        stretched = self.fold + (y - self.fold) * (open_top - self.fold) / reach
        moved = np.where(y >= self.lash_top, y - self.drop, stretched)
        return np.where((y < self.fold) | (y > self.edge), y, moved)

    def skin_mask(self, y: Floats) -> Floats:
        above = np.clip((y - (self.open_edge - self.lash - 0.1 * self.wide)) / (0.16 * self.wide), 0, 1)
        below = np.clip((self.lash_top + 0.35 * self.lash - y) / (0.5 * self.lash) + 0.5, 0, 1)
        mask: Floats = above * below * self.inside * np.clip(self.drop / (0.08 * self.wide), 0, 1) * 0.62
        return mask

    def rounding(self, x: Floats, y: Floats) -> Floats:
        """The lid darkens towards its ends, because it is round."""
        low = np.clip((y - self.lash_top) / (0.3 * self.wide) + 1, 0, 1)
        shade: Floats = 1 - 0.16 * low * (np.abs(x) / (0.5 * self.wide)) ** 2
        return shade


def _eye(
    picture: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    mouth: Floats,
    upper: list[int],
    lower: list[int],
    brow: list[int],
) -> _Eye:
    outer, inner = landmarks[upper[0]], landmarks[upper[-1]]
    wide = float(np.linalg.norm(inner - outer))
    right, middle = (inner - outer) / wide, (outer + inner) / 2
    down = np.array([-right[1], right[0]])
    frame = Frame(middle, right, down if (mouth - middle) @ down > 0 else -down)
    lids = frame.of(landmarks[upper]), frame.of(landmarks[lower])
    tall = float(np.median((lids[1] - lids[0])[2:-2, 1]))
    reach, (height, width) = 0.78 * wide, picture.shape[1:]
    box = clipped(
        middle[0] - reach, middle[1] - reach, middle[0] + reach, middle[1] + reach * 0.8, width=width, height=height
    )
    return _Eye(frame, wide, tall, lids[0], lids[1], frame.of(landmarks[brow]), box)
