"""A video's picture -> where its face is, and how much its mouth moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..gear import ffmpeg
from .picture import MOUTH_SIZE, Region

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

KEY_FRAMES_LOOKED_AT = 4  # the first may be black; a talking head does not leave the picture


def find_face_region(video: Path) -> Region | None:
    """Where the face is in the first key frame that shows one, or None."""
    from ..gear.faces import find_face

    for picture in key_frames(video, at_most=KEY_FRAMES_LOOKED_AT):
        face = find_face(picture)
        if face is not None:
            return region_inside(face.box, width=picture.width, height=picture.height)
    return None


def key_frames(video: Path, *, at_most: int) -> Iterator[Picture]:
    """The video's first key frames as pictures (nothing else is decoded)."""
    import av
    from PIL import Image

    with av.open(ffmpeg.target(video), format="mp4", options={"protocol_whitelist": "file"}) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        for count, frame in enumerate(container.decode(stream), start=1):
            yield Image.fromarray(frame.to_ndarray(format="rgb24"))
            if count == at_most:
                return


def region_inside(box: tuple[float, float, float, float], *, width: int, height: int) -> Region | None:
    """A face box (x, y, width, height) cut to the picture; None when hardly anything of it is inside."""
    left, top = max(0, round(box[0])), max(0, round(box[1]))
    right, bottom = min(width, round(box[0] + box[2])), min(height, round(box[1] + box[3]))
    if right - left < 8 or bottom - top < 8:
        return None
    return Region(left, top, right - left, bottom - top)


def mouth_motion(pixels: bytes) -> float | None:
    """90th percentile of the mean change between frames, in grey levels of 255, of the mouth's 48x32 pixels.

    Not the mean: between its words a talking mouth is still too. None when there are not two frames to compare.
    """
    across, down = MOUTH_SIZE
    frames = np.frombuffer(pixels, np.uint8).reshape(-1, down, across).astype(np.int16)
    if len(frames) < 2:
        return None
    return round(float(np.percentile(np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2)), 90)), 2)
