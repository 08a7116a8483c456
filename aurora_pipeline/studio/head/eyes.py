"""A still's eyes, closed by any amount: the lid is stretched down with its lash line, and skin is painted on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .warp import Box, Floats, Frame, as_image, clipped, ease, mix, sample

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
        self._patches: dict[int, list[tuple[Image.Image, Box]]] = {}

    def patches(self, step: int) -> list[tuple[Image.Image, Box]]:
        """Pictures of both eyes ``step`` of `LIDS` closed, and where they belong."""
        if step not in self._patches:
            self._patches[step] = [(self._draw(eye, step / LIDS), eye.box) for eye in self._eyes]
        return self._patches[step]

    def _draw(self, eye: _Eye, closed: float) -> Image.Image:
        x, y = eye.frame.grid(eye.box)
        lash, under = 0.10 * eye.wide, 0.09 * eye.wide  # the lash line moves rigidly; the lid above it is stretched
        upper = np.interp(x, eye.upper[:, 0], eye.upper[:, 1])
        lower = np.interp(x, eye.lower[:, 0], eye.lower[:, 1]) + under
        inside = ease(np.maximum(0, np.abs(x) - 0.47 * eye.wide) / (0.10 * eye.wide))
        drop = closed * np.maximum(0, lower - upper) * inside
        lid_edge, lash_top = upper + drop, upper + drop - lash
        colours = self._stretched(eye, x, y, upper, drop, lash)
        colours = self._painted(colours, eye, x, y, upper - lash, lash_top, drop, inside, lash)
        left, top, right, bottom = eye.box
        covered = np.clip((lid_edge - y) / 1.5 + 0.5, 0, 1)[..., None]
        return as_image(mix(self.picture[top:bottom, left:right], colours, covered))

    def _stretched(self, eye: _Eye, x: Floats, y: Floats, upper: Floats, drop: Floats, lash: float) -> Floats:
        """Lashes moved down whole, the lid between them and the brow stretched after them."""
        brow = np.interp(x, eye.brow[:, 0], eye.brow[:, 1])
        fold = np.minimum(upper - lash - 0.5 * max(eye.tall, 0.22 * eye.wide), 0.45 * brow + 0.55 * upper)
        top, new_top = upper - lash, upper + drop - lash
        stretched = fold + (y - fold) * (top - fold) / np.maximum(1e-3, new_top - fold)
        source = np.where(y >= new_top, y - drop, stretched)
        source = np.where((y < fold) | (y > upper + drop), y, source)
        return sample(self.picture, *eye.frame.to_pixels(x, source))

    def _painted(
        self,
        colours: Floats,
        eye: _Eye,
        x: Floats,
        y: Floats,
        top: Floats,
        new_top: Floats,
        drop: Floats,
        inside: Floats,
        lash: float,
    ) -> Floats:
        """Skin over the stretched lid, because stretched shadow and lashes look like smears."""
        above = np.clip((y - (top - 0.1 * eye.wide)) / (0.16 * eye.wide), 0, 1)
        below = np.clip((new_top + 0.35 * lash - y) / (0.5 * lash) + 0.5, 0, 1)
        mask = above * below * inside * np.clip(drop / (0.08 * eye.wide), 0, 1) * 0.62
        rounding = np.clip((y - new_top) / (0.3 * eye.wide) + 1, 0, 1) * (np.abs(x) / (0.5 * eye.wide)) ** 2
        lid = self.skin * 0.93 * (1 - 0.16 * rounding)[..., None]
        return mix(colours, lid, mask[..., None])


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
    reach, (height, width) = 0.78 * wide, picture.shape[:2]
    box = clipped(
        middle[0] - reach, middle[1] - reach, middle[0] + reach, middle[1] + reach * 0.8, width=width, height=height
    )
    return _Eye(frame, wide, tall, lids[0], lids[1], frame.of(landmarks[brow]), box)
