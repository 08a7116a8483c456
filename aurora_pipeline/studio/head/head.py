"""A still with a face -> frames: mouth and eye patches laid on it, and the whole head moved softly.

The head's neighbourhood is kept three times as large, so that moving it is one integer gather a plane and frame. The
displacement is smooth, so it is worked out once for two by two pixels. It fades out towards the background, so that
nothing is cut out and no edge is seen. Limit: hair or background close to the head bends with it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...gear.faces import Face
from .eyes import LIDS, Eyes
from .mouth import Mouth
from .planes import Plane, halves, planes
from .warp import Box, Floats, clipped, ease, planar

OVERSAMPLING = 3
OVAL = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip

Region = tuple[slice, slice]  # rows, columns
Laid = tuple[Plane, Region]


class Head:
    """One portrait, ready to speak. ``canvas`` holds the current frame and is used again for the next."""

    def __init__(self, portrait: Image.Image, face: Face) -> None:
        picture = planar(portrait)
        landmarks = face.landmarks
        self.mouth = Mouth(picture, landmarks)
        self.eyes = Eyes(picture, landmarks, self.mouth.frame.origin, self.mouth.skin)
        self.canvas = planes(picture)
        self.size = portrait.size
        self.box, weight = _softly(landmarks, portrait.size)
        self._pull_by(weight)
        self._moving = [_Moving(plane, self.box, cell) for cell, plane in enumerate(self.canvas, 1)]
        self._patches: dict[tuple[str, int, int], list[list[Laid]]] = {}

    @property
    def face_size(self) -> float:
        """The face's width in pixels, roughly: four times the distance between the eyes."""
        return self.mouth.eye_distance * 4

    def show(self, *, opening: float, spread: float, voice: float, lids: float) -> None:
        """Lay this frame's mouth and eyes on the still (before `move`)."""
        for moving in self._moving:
            moving.restore()
        steps = self.mouth.steps(opening, spread, voice)
        if steps != (0, 0):
            self._lay("mouth", *steps)
        if step := round(lids * LIDS):
            self._lay("eyes", step)

    def move(self, *, shift_x: float, shift_y: float, turn: float, scale: float) -> None:
        """Draw the frame into ``canvas`` with the head shifted (pixels), turned (radians) and scaled."""
        along, across, one = math.cos(turn) * scale - 1, math.sin(turn) * scale, np.float32
        right = one(along) * self._pull_x - one(across) * self._pull_y + one(shift_x) * self._pull
        down = one(across) * self._pull_x + one(along) * self._pull_y + one(shift_y) * self._pull
        for moving in self._moving:
            moving.draw(right, down)

    def _lay(self, part: str, step: int, wide: int = 0) -> None:
        key = part, step, wide
        if key not in self._patches:
            drawn = [(self.mouth.patch((step, wide)), self.mouth.box)] if part == "mouth" else self.eyes.patches(step)
            self._patches[key] = [self._enlarged(colours, box) for colours, box in drawn]
        for patch in self._patches[key]:
            for moving, laid in zip(self._moving, patch, strict=True):
                moving.lay(laid)

    def _enlarged(self, colours: Floats, box: Box) -> list[Laid]:
        """A patch as each plane lays it, cut to the part that moves."""
        left, top = max(box[0], self.box[0]), max(box[1], self.box[1])
        right, bottom = min(box[2], self.box[2]), min(box[3], self.box[3])
        part = planes(colours[:, top - box[1] : bottom - box[1], left - box[0] : right - box[0]])
        return [moving.enlarged(plane, left, top) for moving, plane in zip(self._moving, part, strict=True)]

    def _pull_by(self, weight: NDArray[np.float32]) -> None:
        """How far a shift by one pixel, and a growth by one time about the neck, would take each block of pixels."""
        rows, columns = _blocks(self.box)
        neck = self.mouth.frame.origin + self.mouth.frame.down * self.mouth.chin * 2.1
        self._pull = weight
        self._pull_x = weight * (columns - np.float32(neck[0]))
        self._pull_y = weight * (rows - np.float32(neck[1]))


class _Moving:
    """The part of one plane that moves. ``cell`` is the width, in pixels of the picture, of one number of the plane."""

    def __init__(self, plane: Plane, box: Box, cell: int) -> None:
        left, top, right, bottom = (side // cell for side in box)
        self.box, self.cell = box, cell
        self._target = plane[top:bottom, left:right]
        self._still = _enlarged(self._target, Image.Resampling.BICUBIC)
        self._work = self._still.copy()
        self._touched: list[Region] = []
        self._flat = self._work.ravel()
        # The middle one of the samples that the first number of each block of two by two pixels has become.
        rows, columns = np.mgrid[0 : bottom - top : 2 // cell, 0 : right - left : 2 // cell].astype(np.intp)
        middle = OVERSAMPLING // 2
        self._middle = (rows * OVERSAMPLING + middle) * self._work.shape[1] + columns * OVERSAMPLING + middle

    def restore(self) -> None:
        """Take the patches off."""
        for region in self._touched:
            self._work[region] = self._still[region]
        self._touched.clear()

    def lay(self, laid: Laid) -> None:
        pixels, region = laid
        self._work[region] = pixels
        self._touched.append(region)

    def enlarged(self, plane: Plane, left: int, top: int) -> Laid:
        """A patch whose upper left corner is at these pixels of the picture, ready to `lay`."""
        large = _enlarged(plane, Image.Resampling.BILINEAR)
        row, column = (top - self.box[1]) // self.cell * OVERSAMPLING, (left - self.box[0]) // self.cell * OVERSAMPLING
        return large, (slice(row, row + large.shape[0]), slice(column, column + large.shape[1]))

    def draw(self, right: Floats, down: Floats) -> None:
        """Draw the plane with each block of two by two pixels moved right and down (pixels)."""
        times, width, each = np.float32(OVERSAMPLING / self.cell), self._work.shape[1], 2 // self.cell
        index = self._middle - np.rint(right * times).astype(np.int32) - np.rint(down * times).astype(np.int32) * width
        for row in range(each):
            for column in range(each):
                samples = self._flat[(row * width + column) * OVERSAMPLING :]
                # `clip` guards nothing, for nothing moves at the box's border; it is quicker than the check that raises
                self._target[row::each, column::each] = samples.take(index, mode="clip")


def _softly(landmarks: NDArray[np.float32], size: tuple[int, int]) -> tuple[Box, NDArray[np.float32]]:
    """The box that moves, and how much each two by two pixels of it do: 1 on the face, 0 at the border."""
    width, height = size
    oval = landmarks[OVAL]
    middle, radius = oval.mean(0), np.ptp(oval, axis=0) / 2
    reach_x, reach_y, middle_y = radius[0] * 2.05, radius[1] * 2.2, middle[1] - 0.18 * radius[1]
    box = clipped(
        middle[0] - reach_x, middle_y - reach_y, middle[0] + reach_x, middle_y + reach_y, width=width, height=height
    )
    left, top, right, bottom = box
    rows, columns = _blocks(box)
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


def _blocks(box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The middles (row, column) of the blocks of two by two pixels in ``box``."""
    left, top, right, bottom = box
    rows, columns = np.mgrid[top:bottom:2, left:right:2].astype(np.float32) + np.float32(0.5)
    return rows, columns


def _enlarged(plane: Plane, filter_: Image.Resampling) -> Plane:
    """The plane `OVERSAMPLING` times as large."""
    size = plane.shape[1] * OVERSAMPLING, plane.shape[0] * OVERSAMPLING
    if plane.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, filter_))
    large = np.empty((size[1], size[0]), np.uint16)
    for i in range(2):
        part = Image.fromarray(np.ascontiguousarray(halves(plane)[..., i]))
        halves(large)[..., i] = np.asarray(part.resize(size, filter_))
    return large
