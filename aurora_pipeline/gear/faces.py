"""Picture -> Faces: where faces are, and 478 landmarks of each.

Two small networks, MediaPipe BlazeFace and FaceMesh V2 (Google, Apache-2.0; see NOTICE), converted to ONNX and run by
onnxruntime, which the voice needs anyway. Their input sizes, anchors and landmark numbers are MediaPipe's. Limit: a
head turned by about 60 degrees, or seen strongly from the side, is not found (reference/studio.md 3).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .onnx import keep_quiet

MODELS = Path(__file__).parent / "models"
DETECTION, PRESENCE = 0.6, 0.5  # accept at or above both; measured on 28 pictures without portraits
_CANDIDATE = 0.5
_SAME_FACE = 0.3  # overlap (intersection over union) above which two detections are one face

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Face:
    """One face, in pixels of the picture it was found in.

    ``box`` is x, y, width, height; ``landmarks`` is 478 x 2 (MediaPipe FaceMesh V2 numbering). ``score`` is the
    detector's, ``presence`` the landmark network's belief that it looks at a face; both 0 to 1.
    """

    box: tuple[float, float, float, float]
    landmarks: Floats
    score: float
    presence: float

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the box, x and y."""
        x, y, width, height = self.box
        return x + width / 2, y + height / 2


@dataclass(frozen=True)
class _Detection:
    score: float
    box: Floats  # x, y, width, height
    eyes: Floats  # right eye, left eye: 2 x 2


def find_face(image: Image.Image) -> Face | None:
    """The largest face, or None when there is none that both networks believe in."""
    return next(iter(find_faces(image)), None)


def find_faces(image: Image.Image) -> tuple[Face, ...]:
    """The faces of the first square that shows any, largest first: the whole picture, then overlapping parts of it.

    Enough for whoever wants the main face; a smaller one beside it may be missed (see `every_face`).
    """
    picture = image.convert("RGB")
    for square in _squares(*picture.size):
        if believed := _believed(picture, square):
            return tuple(sorted(believed, key=_area, reverse=True))
    return ()


def every_face(image: Image.Image) -> tuple[Face, ...]:
    """Every face of every square, large and small, largest first: for counting. About 0.4 CPU s a picture.

    Measured: none too many or too few on 88 variations of four portraits; two people counted as two from a quarter of
    the other's size on; three small false alarms on 25 pictures without people (a cell, a motorcycle twice).
    """
    picture = image.convert("RGB")
    found = [face for square in dict.fromkeys(_squares(*picture.size)) for face in _believed(picture, square)]
    kept: list[Face] = []
    for face in sorted(found, key=lambda face: face.score, reverse=True):
        if not any(_is_same(face, other) for other in kept):
            kept.append(face)
    return tuple(sorted(kept, key=_area, reverse=True))


def _believed(picture: Image.Image, square: tuple[float, float, float]) -> list[Face]:
    faces = [_face(picture, found) for found in _detect(picture, square)]
    return [face for face in faces if face.score >= DETECTION and face.presence >= PRESENCE]


def _area(face: Face) -> float:
    return face.box[2] * face.box[3]


def _is_same(one: Face, other: Face) -> bool:
    """Whether two squares show one face: seen in part it comes out smaller and shifted, but stays inside itself."""
    small, large = sorted((one, other), key=_area)
    x, y, width, height = large.box
    return x <= small.centre[0] <= x + width and y <= small.centre[1] <= y + height


def _squares(width: int, height: int) -> Iterator[tuple[float, float, float]]:
    """x, y and side of the squares to look in."""
    whole, short = max(width, height), min(width, height)
    yield (width - whole) / 2, (height - whole) / 2, whole
    for across in (0.5, 0.0, 1.0):
        for down in (0.0, 0.5, 1.0):
            yield (width - short) * across, (height - short) * down, short
    small = short * 0.6
    for down in (0.0, 0.25, 0.5):
        for across in (0.5, 0.25, 0.75, 0.0, 1.0):
            yield (width - small) * across, (height - small) * down, small


def _detect(picture: Image.Image, square: tuple[float, float, float]) -> list[_Detection]:
    x, y, side = square
    outputs = _run("face_detector.onnx", (np.asarray(_cut(picture, x, y, side), np.float32) / 127.5 - 1)[None])
    boxes = next(output for output in outputs if output.shape[-1] == 16)[0]
    scores = _sigmoid(next(output for output in outputs if output.shape[-1] == 1)[0, :, 0])
    kept: list[_Detection] = []
    for index in np.argsort(-scores)[:40]:
        if scores[index] < _CANDIDATE:
            break
        found = _decoded(boxes[index], _anchors()[index], float(scores[index]), square)
        if all(_overlap(found.box, other.box) < _SAME_FACE for other in kept):
            kept.append(found)
    return kept


def _cut(picture: Image.Image, x: float, y: float, side: float) -> Image.Image:
    """128 x 128 pixels of a square that may reach beyond the picture (black there)."""
    size = 128 if side <= 512 else 512
    step = side / size
    cut = picture.transform((size, size), Image.Transform.AFFINE, (step, 0, x, 0, step, y), Image.Resampling.BILINEAR)
    return cut if size == 128 else cut.resize((128, 128), Image.Resampling.BOX)


def _decoded(raw: Floats, anchor: Floats, score: float, square: tuple[float, float, float]) -> _Detection:
    x, y, side = square
    centre, size = raw[:2] / 128 + anchor, raw[2:4] / 128
    corner = (centre - size / 2) * side + (x, y)
    eyes = (raw[4:8].reshape(2, 2) / 128 + anchor) * side + (x, y)
    return _Detection(score, np.concatenate([corner, size * side]).astype(np.float32), eyes.astype(np.float32))


def _overlap(a: Floats, b: Floats) -> float:
    width = max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
    shared = width * height
    return float(shared / (a[2] * a[3] + b[2] * b[3] - shared))


def _face(picture: Image.Image, found: _Detection) -> Face:
    points, presence = _mesh(picture, found.eyes, found.box, margin=1.5)
    # Once more, from the face the first pass found: the crop the landmark network was trained on is tight and upright.
    oval = points[:468]
    box = np.concatenate([oval.min(0), np.ptp(oval, axis=0)])
    eyes = np.stack([points[[33, 133]].mean(0), points[[362, 263]].mean(0)])
    points, presence = _mesh(picture, eyes, box, margin=1.25)
    x, y, width, height = (float(value) for value in found.box)
    return Face((x, y, width, height), points, found.score, presence)


def _mesh(picture: Image.Image, eyes: Floats, box: Floats, *, margin: float) -> tuple[Floats, float]:
    """Landmarks (478 x 2, pixels) and presence, from a square around ``box`` turned so that the eyes lie level."""
    angle = math.atan2(eyes[1][1] - eyes[0][1], eyes[1][0] - eyes[0][0])
    middle_x, middle_y, side = box[0] + box[2] / 2, box[1] + box[3] / 2, max(box[2], box[3]) * margin
    cos, sin = math.cos(angle) * side / 256, math.sin(angle) * side / 256
    x0, y0 = middle_x - 128 * cos + 128 * sin, middle_y - 128 * sin - 128 * cos
    cut = picture.transform(
        (256, 256), Image.Transform.AFFINE, (cos, -sin, x0, sin, cos, y0), Image.Resampling.BILINEAR
    )
    outputs = _run("face_landmarks_detector.onnx", (np.asarray(cut, np.float32) / np.float32(255))[None])
    points = next(output for output in outputs if output.size == 478 * 3).reshape(-1, 3)
    presence = next(float(output.ravel()[0]) for output in outputs if output.size == 1)
    x, y = points[:, 0], points[:, 1]
    placed = np.stack([cos * x - sin * y + x0, sin * x + cos * y + y0], axis=1)
    return placed.astype(np.float32), float(_sigmoid(np.float32(presence)))


@functools.cache
def _anchors() -> Floats:
    """Centres of BlazeFace's 896 anchors, 0 to 1: two a cell of 16 x 16, six a cell of 8 x 8."""
    cells = ((side, count) for side, count in ((16, 2), (8, 6)))
    return np.array(
        [
            ((x + 0.5) / side, (y + 0.5) / side)
            for side, count in cells
            for y in range(side)
            for x in range(side)
            for _ in range(count)
        ],
        np.float32,
    )


@functools.cache
def _session(model: str) -> Any:
    keep_quiet()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # 0.06 CPU s a picture; threads only cost here
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(MODELS / model), options, providers=["CPUExecutionProvider"])


def _run(model: str, batch: Floats) -> list[Any]:
    session = _session(model)
    outputs: list[Any] = session.run(None, {session.get_inputs()[0].name: batch})
    return outputs


def _sigmoid(value: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(value, -80, 80)))
