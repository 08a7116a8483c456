"""A still's mouth, opened and shaped: jaw and lips are displaced, and what lies between them is painted.

Two displacement fields in face coordinates, one for everything above the lip line and one for lip, chin and jaw below
it, are inverted and sampled; between the parted lips a cavity, tongue and upper teeth are painted in the still's own
colours. A still that shows its teeth keeps them: they stay with the upper jaw and the lips slide over them.
Mouths are quantised, so that `head` can keep them: a minute of speech needs about eighty (reference/studio.md 4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .warp import Box, Floats, Frame, clipped, ease, mix, polygon_mask, sample

OPENINGS, SPREADS = 20, 5  # steps of the quantised mouth

# FaceMesh numbers
UPPER_INNER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308]
LOWER_INNER = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308]
LEFT_CORNER, RIGHT_CORNER, UPPER_MIDDLE, LOWER_MIDDLE, CHIN, UNDER_NOSE = 61, 291, 13, 14, 152, 2
LIP_COLOUR = [17, 84, 314, 0, 37, 267]
SKIN_COLOUR = [50, 280, 205, 425, 199, 101, 330]
RIGHT_EYE, LEFT_EYE = [33, 133], [362, 263]

# (x, y, amount, stretch), in face pixels -> how far each point moves right and down
Field = Callable[[Floats, Floats, float, float], tuple[Floats, Floats]]

# colours are 3 x 1 x 1, to be mixed with 3 x height x width
DEEP, SHALLOW, TONGUE = np.array([[38, 14, 15], [70, 26, 28], [82, 24, 28]], np.float32)[..., None, None]


@dataclass(frozen=True)
class _Gap:
    """What lies between parted lips: its pixels (face x and y), the lips' edges over each, and its height."""

    x: Floats
    y: Floats
    roof: Floats
    floor: Floats
    height: float


class Mouth:
    """The mouth of one still. ``eye_distance`` (pixels between the eyes) is the face's ruler."""

    def __init__(self, picture: NDArray[np.float32], landmarks: NDArray[np.float32]) -> None:
        self.picture = picture
        self.height, self.width = picture.shape[1:]
        self.frame = _mouth_frame(landmarks)
        face = self.frame.of(landmarks)
        self.wide = float(np.linalg.norm(landmarks[RIGHT_CORNER] - landmarks[LEFT_CORNER]))
        self.upper, self.lower = face[UPPER_INNER], face[LOWER_INNER]
        self.half_inner = float(min(-self.upper[0, 0], self.upper[-1, 0])) * 1.02
        self.chin, self.nose = float(face[CHIN, 1]), float(-face[UNDER_NOSE, 1])
        self.gap = float(max(0.0, (self.lower[5] - self.upper[5])[1]))  # lips already parted in the still
        eyes = landmarks[RIGHT_EYE].mean(0) - landmarks[LEFT_EYE].mean(0)
        self.eye_distance = float(np.linalg.norm(eyes))
        self.travel = min(0.41 * self.eye_distance, 0.46 * self.chin)  # how far the lower lip drops when fully open
        self.box = self._region()
        self.x, self.y = self.frame.grid(self.box)
        self._take_colours(face)
        self._edge = _feather(self.y.shape)

    @property
    def shows_teeth(self) -> bool:
        """True when the still's lips are parted enough to show what is between them."""
        return self.gap >= 0.10 * self.eye_distance

    def steps(self, opening: float, spread: float, voice: float) -> tuple[int, int]:
        """The quantised mouth for one frame; (0, 0) is the still itself, a negative opening closes parted lips."""
        closing = max(0.0, 1 - opening * 3.2) * voice if self.gap > 0.09 * self.eye_distance else 0.0
        if closing and opening <= 0.31:
            opened = -4 * round(closing * OPENINGS / 4)
        else:
            opened = round(opening * voice * OPENINGS)
        return opened, round(float(np.clip(spread, -1, 1)) * voice * SPREADS)

    def patch(self, steps: tuple[int, int]) -> Floats:
        """The colours of ``box`` with the mouth in this position."""
        opened, wide = steps[0], steps[1] / SPREADS
        drop = opened / OPENINGS * (self.travel if opened >= 0 else self.gap * 0.96)
        # A dropping jaw narrows the mouth; rounded lips come forward, which a flat picture shows as narrower still.
        stretch = (0.10 if wide > 0 else 0.26) * wide - 0.07 * max(0.0, drop) / self.travel
        lift = drop * 0.12 if opened < 0 else drop * 0.16 + max(0.0, -wide) * 0.03 * self.wide
        upper, lower = _moved(self.upper, self._above, lift, stretch), _moved(self.lower, self._below, drop, stretch)
        lower[:, 1] = np.maximum(lower[:, 1], upper[:, 1])
        colours = self._parted(lower, lift=lift, drop=drop, stretch=stretch)
        if float((lower[:, 1] - upper[:, 1]).max()) > 1.2:
            self._paint_inside(colours, upper, lower)
        return mix(self._still, colours, self._edge)

    @property
    def _still(self) -> Floats:
        left, top, right, bottom = self.box
        return self.picture[:, top:bottom, left:right]

    def _parted(self, lower: Floats, *, lift: float, drop: float, stretch: float) -> Floats:
        """The lips moved apart; each side is sampled only in the rows where it is seen."""
        below = self._mask(_everything_under(lower, 4 * self.wide), blur=1.0)
        colours = self._still.copy()
        rest, jaw = _span(below < 1, 0), _span(below > 0, 0)
        colours[:, rest] = sample(self.picture, *self._undone(self._above, lift, stretch, rest))
        moved = sample(self.picture, *self._undone(self._below, drop, stretch, jaw))
        colours[:, jaw] = mix(colours[:, jaw], moved, below[jaw])
        return colours

    # ---- displacement fields, in face pixels
    def _below(self, x: Floats, y: Floats, drop: float, stretch: float) -> tuple[Floats, Floats]:
        from_lip = y - self._lip_line(x)
        depth = np.maximum(0, from_lip / max(1.0, self.chin))
        near = np.minimum(depth, 1)
        reach = self.half_inner + (1.35 * self.wide - self.half_inner) * near
        # A parabola at the lip: any rounder, and the corners are torn until skin shows between the lips.
        across = np.clip(1 - (x / reach) ** 2, 0, 1) ** (1.0 + 0.52 * near)
        down = np.where(depth < 1, 1 - 0.22 * depth, 0.78 * ease((depth - 1) / 0.72))
        return self._sideways(x, from_lip, stretch), drop * across * down

    def _above(self, x: Floats, y: Floats, lift: float, stretch: float) -> tuple[Floats, Floats]:
        from_lip = self._lip_line(x) - y
        height = np.clip(from_lip / (0.92 * self.nose), 0, 1)
        up = -lift * ease(np.abs(x) / (0.56 * self.wide)) * (1 - height) ** 1.3
        return self._sideways(x, -from_lip, stretch), up

    def _sideways(self, x: Floats, from_lip: Floats, stretch: float) -> Floats:
        beyond = np.maximum(0, np.abs(x) - 0.5 * self.wide) / (0.30 * self.wide)
        moved: Floats = stretch * 0.5 * x * np.exp(-(beyond**2)) * np.exp(-((from_lip / (0.48 * self.wide)) ** 2))
        return moved

    def _lip_line(self, x: Floats) -> Floats:
        """Where the lips meet, by face x."""
        upper = np.interp(x, self.upper[:, 0], self.upper[:, 1])
        line: Floats = ((upper + np.interp(x, self.lower[:, 0], self.lower[:, 1])) / 2).astype(np.float32)
        return line

    def _undone(self, field: Field, amount: float, stretch: float, rows: slice) -> tuple[Floats, Floats]:
        """Where each pixel of these rows comes from: the field inverted by iteration, on every second pixel."""
        x, y = self.x[rows], self.y[rows]
        coarse_x, coarse_y = x[::2, ::2], y[::2, ::2]
        from_x, from_y = coarse_x, coarse_y
        for _ in range(3):
            moved_x, moved_y = field(from_x, from_y, amount, stretch)
            from_x, from_y = coarse_x - moved_x, coarse_y - moved_y
        return self.frame.to_pixels(
            x - _doubled(coarse_x - from_x, x.shape),
            y - _doubled(coarse_y - from_y, y.shape),
        )

    # ---- between the lips
    def _paint_inside(self, colours: Floats, upper: Floats, lower: Floats) -> None:
        mask = self._mask(np.concatenate([upper, lower[::-1]]), blur=0.7)
        seen = _span(mask > 0, 0), _span(mask > 0, 1)
        x, y = self.x[seen], self.y[seen]
        roof, floor = (np.interp(x, lip[:, 0], lip[:, 1]).astype(np.float32) for lip in (upper, lower))
        gap = _Gap(x, y, roof, floor, float((lower[:, 1] - upper[:, 1]).max()))
        part = colours[:, *seen]
        part[:] = mix(part, self._inside(gap, self._still[:, *seen], seen), mask[seen])

    def _inside(self, gap: _Gap, still: Floats, seen: tuple[slice, slice]) -> Floats:
        depth = np.clip((gap.y - gap.roof) / np.maximum(1, gap.floor - gap.roof), 0, 1)
        colours = (DEEP * (1 - depth) + SHALLOW * depth) * self.light
        if self.shows_teeth:
            between = self._mask(np.concatenate([self.upper, self.lower[::-1]]), blur=1.2)
            colours = mix(colours, still, between[seen])
        elif gap.height > 2:
            colours = self._with_teeth(self._with_tongue(colours, gap), gap)
        shadow = 1 - 0.34 * np.exp(-np.maximum(0, gap.y - gap.roof) / (0.03 * self.wide))
        shaded: Floats = colours * shadow
        return shaded

    def _with_tongue(self, colours: Floats, gap: _Gap) -> Floats:
        across = (gap.x / (0.34 * self.wide)) ** 2
        up = ((gap.y - gap.floor - 0.02 * self.wide) / (0.42 * gap.height + 0.02 * self.wide)) ** 2
        seen = np.clip((gap.height / self.eye_distance - 0.10) / 0.15, 0, 1)
        mask = np.clip(1 - across - up, 0, 1) ** 0.6 * seen
        return mix(colours, self.lip_colour * 0.55 + TONGUE * 0.6, mask)

    def _with_teeth(self, colours: Floats, gap: _Gap) -> Floats:
        tall = min(0.105 * self.eye_distance, 0.50 * gap.height)
        outward = np.abs(gap.x) / (0.40 * self.wide)
        edge = gap.roof + tall * np.clip(1 - outward**2, 0, 1) ** 0.5
        below_roof = np.clip((gap.y - gap.roof) / 1.5 + 0.2, 0, 1)
        above_edge = np.clip((edge - gap.y) / 1.6 + 0.5, 0, 1)
        sides = np.clip((0.41 * self.wide - np.abs(gap.x)) / (0.05 * self.wide), 0, 1)
        seen = np.clip(gap.height / (0.07 * self.eye_distance), 0, 1) * 0.94
        round_off = 1 - 0.38 * np.clip(outward, 0, 1) ** 2
        gum_shade = 0.84 + 0.16 * np.clip((gap.y - gap.roof) / max(1.0, tall), 0, 1)
        return mix(colours, self.tooth_colour * (round_off * gum_shade), below_roof * above_edge * sides * seen)

    # ---- set-up
    def _region(self) -> Box:
        half, up, down = self.wide + 0.12 * self.eye_distance, 0.95 * self.nose, 1.75 * self.chin
        xs, ys = np.array([-half, half, -half, half]), np.array([-up, -up, down, down])
        x, y = self.frame.to_pixels(xs, ys)
        return clipped(x.min(), y.min(), x.max(), y.max(), width=self.width, height=self.height)

    def _take_colours(self, face: Floats) -> None:
        """Lips, teeth and light from the still, so that a drawing gets a drawn mouth and a photo a real one."""
        self.lip_colour = np.median(self._colours_at(face[LIP_COLOUR]), axis=1).astype(np.float32)[:, None, None]
        skin = np.median(self._colours_at(face[SKIN_COLOUR]), axis=1)
        brightness = float(skin @ [0.299, 0.587, 0.114])
        self.skin = skin.astype(np.float32)
        self.light = float(np.clip(brightness / 185, 0.5, 1.05))
        tint = (skin / max(1.0, brightness)) ** 0.40
        teeth = np.clip(tint * np.clip(brightness * 1.34, 140, 234), 0, 244)
        self.tooth_colour = teeth.astype(np.float32)[:, None, None]

    def _colours_at(self, face: Floats) -> Floats:
        return sample(self.picture, *self.frame.to_pixels(face[:, 0], face[:, 1]))

    def _mask(self, face_polygon: Floats, *, blur: float) -> Floats:
        x, y = self.frame.to_pixels(face_polygon[:, 0], face_polygon[:, 1])
        points = np.stack([x - self.box[0], y - self.box[1]], axis=-1)
        rows, columns = self.y.shape
        return polygon_mask(columns, rows, points, blur=blur)


def _mouth_frame(landmarks: NDArray[np.float32]) -> Frame:
    right = landmarks[RIGHT_CORNER] - landmarks[LEFT_CORNER]
    right = right / np.linalg.norm(right)
    origin = (landmarks[UPPER_MIDDLE] + landmarks[LOWER_MIDDLE]) / 2
    down = np.array([-right[1], right[0]])
    return Frame(origin, right, down if (landmarks[CHIN] - origin) @ down > 0 else -down)


def _moved(points: Floats, field: Field, amount: float, stretch: float) -> Floats:
    right, down = field(points[:, 0], points[:, 1], amount, stretch)
    moved: Floats = points + np.stack([right, down], axis=-1)
    return moved


def _everything_under(lower: Floats, far: float) -> Floats:
    ends = [[far, lower[-1, 1]], [far, far], [-far, far]]
    return np.concatenate([[[-far, lower[0, 1]]], lower, ends])


def _span(seen: NDArray[np.bool_], along: int) -> slice:
    """The rows (``along`` 0) or columns (1) from the first that is seen to the last; the first two when none is."""
    at = np.flatnonzero(seen.any(1 - along))
    return slice(int(at[0]), int(at[-1]) + 2) if len(at) else slice(0, 2)


def _doubled(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Twice as large, smoothly, and cut to ``shape``."""
    small = Image.fromarray(np.ascontiguousarray(values, np.float32))
    large = small.resize((small.width * 2, small.height * 2), Image.Resampling.BILINEAR)
    return np.asarray(large)[: shape[0], : shape[1]]


def _feather(shape: tuple[int, ...]) -> Floats:
    """1 inside, falling to 0 over the six pixels at the patch's border, so that it has no seam."""
    rows, columns = shape
    y, x = np.minimum(np.arange(rows), np.arange(rows)[::-1]), np.minimum(np.arange(columns), np.arange(columns)[::-1])
    feather: Floats = np.clip(np.minimum(y[:, None], x[None, :]) / 6, 0, 1).astype(np.float32)
    return feather
