"""The mark every draft carries in its picture, so that nobody takes it for bought video."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .planes import Planes, halves, planes
from .warp import planar

TITLE = "DRAFT"
SUBTITLE = "local studio preview - not an Aurora render"
COMMENT = "DRAFT: local studio preview, not an Aurora render"


def badge(width: int, height: int) -> tuple[Image.Image, tuple[int, int]]:
    """The badge (RGBA) for a picture of this size, and where its upper left corner goes: lower left of the picture.

    Two lines, so that it is narrower than what a square crop cuts off a 16:9 picture and leaves no half of itself.
    """
    size = max(12, round(min(width, height) * 0.034))
    big, small = ImageFont.load_default(size), ImageFont.load_default(max(9, round(size * 0.5)))
    pad = round(size * 0.45)
    wide = int(max(big.getlength(TITLE), small.getlength(SUBTITLE)) + pad * 2)
    high = int(size * 1.5 + pad * 1.6)
    image = Image.new("RGBA", (wide, high))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle([0, 0, wide - 1, high - 1], high // 6, fill=(12, 14, 18, 165))
    draw.text((pad, pad * 0.8 + size * 0.5), TITLE, font=big, fill=(255, 196, 64, 255), anchor="lm")
    draw.text((pad, pad * 0.8 + size * 1.25), SUBTITLE, font=small, fill=(255, 255, 255, 225), anchor="lm")
    return image.crop((0, 0, min(wide, width - pad), high)), (pad, height - high - pad)


class Stamp:
    """The badge on a ``canvas``. It is mixed with what lies under it, and taken off again for the next frame."""

    def __init__(self, canvas: Planes) -> None:
        height, width = canvas.luma.shape
        image, (left, top) = _even(*badge(width, height))
        colours, cover = planes(planar(image.convert("RGB"))), np.asarray(image.getchannel("A"), np.uint16)
        small = np.asarray(image.getchannel("A").reduce(2), np.uint16)[..., None]
        luma = canvas.luma[top : top + image.height, left : left + image.width]
        chroma = halves(canvas.chroma)[top // 2 : (top + image.height) // 2, left // 2 : (left + image.width) // 2]
        self._parts = [(luma, colours.luma * cover, 255 - cover), (chroma, halves(colours.chroma) * small, 255 - small)]

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """The canvas is stamped inside the block."""
        covered = [under.copy() for under, _, _ in self._parts]
        for under, colour, cover in self._parts:
            under[:] = (under * cover + colour) // 255
        try:
            yield
        finally:
            for (under, _, _), before in zip(self._parts, covered, strict=True):
                under[:] = before


def _even(image: Image.Image, corner: tuple[int, int]) -> tuple[Image.Image, tuple[int, int]]:
    """The same with even sides at an even place: video keeps one colour for two by two pixels."""
    left, top = (place // 2 * 2 for place in corner)
    return image.crop((0, 0, image.width + image.width % 2, image.height + image.height % 2)), (left, top)
