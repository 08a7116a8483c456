"""A still with a face -> frames: mouth and eye patches laid on it, and the whole head moved softly.

The head's neighbourhood is kept three times as large, with every pixel packed into one 32-bit number; moving it is then
one integer gather a frame, about four times as fast as Pillow's mesh transform. The motion fades out towards the
background, so that nothing is cut out and no edge is seen. Limit: hair or background close to the head bends with it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...gear.faces import Face
from .eyes import LIDS, Eyes
from .mouth import Mouth
from .warp import Box, clipped, ease

OVERSAMPLING = 3
OVAL = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip

Pixels = NDArray[np.uint32]  # red, green, blue and an unused byte of each pixel in one number


class Head:
    """One portrait, ready to speak. ``canvas`` is the current frame: height x width packed pixels, reused."""

    def __init__(self, portrait: Image.Image, face: Face) -> None:
        picture = np.asarray(portrait, np.float32)
        landmarks = face.landmarks
        self.mouth = Mouth(picture, landmarks)
        self.eyes = Eyes(picture, landmarks, self.mouth.frame.origin, self.mouth.skin)
        self.canvas = packed(portrait)
        self.box, weight = _softly(landmarks, portrait.size)
        self._prepare_motion(portrait, weight)
        self._large: dict[tuple[object, ...], tuple[Pixels, tuple[slice, slice]]] = {}
        self._touched: list[tuple[slice, slice]] = []

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames, in pixels."""
        height, width = self.canvas.shape
        return width, height

    @property
    def face_size(self) -> float:
        """The face's width in pixels, roughly: four times the distance between the eyes."""
        return self.mouth.eye_distance * 4

    def show(self, *, opening: float, spread: float, voice: float, lids: float) -> None:
        """Lay this frame's mouth and eyes on the still (before `move`)."""
        for region in self._touched:
            self._work[region] = self._still[region]
        self._touched.clear()
        steps = self.mouth.steps(opening, spread, voice)
        if steps != (0, 0):
            self._lay(("mouth", *steps), self.mouth.patch(steps), self.mouth.box)
        if step := round(lids * LIDS):
            for side, (patch, box) in enumerate(self.eyes.patches(step)):
                self._lay(("eye", side, step), patch, box)

    def move(self, *, shift_x: float, shift_y: float, turn: float, scale: float) -> None:
        """Draw the frame into ``canvas`` with the head shifted (pixels), turned (radians) and scaled."""
        cos, sin, one = math.cos(turn) * scale, math.sin(turn) * scale, np.float32
        x = self._from_x - (one(cos - 1) * self._pull_x - one(sin) * self._pull_y + one(shift_x) * self._pull)
        y = self._from_y - (one(sin) * self._pull_x + one(cos - 1) * self._pull_y + one(shift_y) * self._pull)
        rows, columns = self._work.shape
        np.clip(x, 0, columns - 1, out=x)
        np.clip(y, 0, rows - 1, out=y)
        index = y.astype(np.int32)
        index *= columns
        index += x.astype(np.int32)
        left, top, right, bottom = self.box
        self.canvas[top:bottom, left:right] = self._work.ravel().take(index)

    def _lay(self, key: tuple[object, ...], patch: Image.Image, box: Box) -> None:
        if key not in self._large:
            self._large[key] = self._enlarged(patch, box)
        pixels, region = self._large[key]
        self._work[region] = pixels
        self._touched.append(region)

    def _enlarged(self, patch: Image.Image, box: Box) -> tuple[Pixels, tuple[slice, slice]]:
        """The patch as large as the working copy, cut to the part that moves."""
        times, (left, top, right, bottom) = OVERSAMPLING, self.box
        x, y = max(box[0], left), max(box[1], top)
        part = patch.crop((x - box[0], y - box[1], min(box[2], right) - box[0], min(box[3], bottom) - box[1]))
        size = part.width * times, part.height * times
        rows = slice((y - top) * times, (y - top) * times + size[1])
        columns = slice((x - left) * times, (x - left) * times + size[0])
        return packed(part.resize(size, Image.Resampling.BILINEAR)), (rows, columns)

    def _prepare_motion(self, portrait: Image.Image, weight: NDArray[np.float32]) -> None:
        left, top, right, bottom = self.box
        times, middle = OVERSAMPLING, (OVERSAMPLING - 1) / 2 + 0.5
        rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
        pivot = self.mouth.frame.origin + self.mouth.frame.down * self.mouth.chin * 2.1  # the neck
        self._pull = (weight * times).astype(np.float32)
        self._pull_x = (weight * (columns - pivot[0]) * times).astype(np.float32)
        self._pull_y = (weight * (rows - pivot[1]) * times).astype(np.float32)
        self._from_x = ((columns - left) * times + middle).astype(np.float32)
        self._from_y = ((rows - top) * times + middle).astype(np.float32)
        size = (right - left) * times, (bottom - top) * times
        self._still = packed(portrait.crop(self.box).resize(size, Image.Resampling.BICUBIC))
        self._work = self._still.copy()


def packed(image: Image.Image) -> Pixels:
    """A picture as height x width 32-bit pixels, in the byte order ffmpeg calls rgb0."""
    pixels: Pixels = np.ascontiguousarray(np.asarray(image.convert("RGBX"))).view(np.uint32)[..., 0].copy()
    return pixels


def _softly(landmarks: NDArray[np.float32], size: tuple[int, int]) -> tuple[Box, NDArray[np.float32]]:
    """The box that moves, and how much each of its pixels does: 1 on the face, 0 at the border."""
    width, height = size
    oval = landmarks[OVAL]
    middle, radius = oval.mean(0), np.ptp(oval, axis=0) / 2
    reach_x, reach_y, middle_y = radius[0] * 2.05, radius[1] * 2.2, middle[1] - 0.18 * radius[1]
    box = clipped(
        middle[0] - reach_x, middle_y - reach_y, middle[0] + reach_x, middle_y + reach_y, width=width, height=height
    )
    left, top, right, bottom = box
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    distance = np.sqrt(((columns - middle[0]) / reach_x) ** 2 + ((rows - middle_y) / reach_y) ** 2)
    weight = ease((distance - 0.50) / 0.48)
    # A head that touches the picture's edge must not pull the edge in: it is held still there.
    hold = 0.35 * float(min(radius))
    for touches, inward in (
        (left == 0, columns),
        (top == 0, rows),
        (right == width, width - 1 - columns),
        (bottom == height, height - 1 - rows),
    ):
        if touches:
            weight = weight * np.clip(inward / hold, 0, 1)
    return box, weight.astype(np.float32)
