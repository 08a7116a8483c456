"""The mark every draft carries in its picture, so that nobody takes it for bought video."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

TITLE = "DRAFT"
SUBTITLE = "local studio preview - not an Aurora render"
COMMENT = "DRAFT: local studio preview, not an Aurora render"


def badge(width: int, height: int) -> tuple[Image.Image, tuple[int, int]]:
    """The badge (RGBA) for a picture of this size, and where its upper left corner goes: lower left of the picture."""
    size = max(12, round(min(width, height) * 0.034))
    big, small = ImageFont.load_default(size), ImageFont.load_default(max(10, round(size * 0.58)))
    pad = round(size * 0.45)
    title, subtitle = big.getlength(TITLE), small.getlength(SUBTITLE)
    wide, high = int(title + subtitle + pad * 3.2), int(size + pad * 1.6)
    image = Image.new("RGBA", (wide, high))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle([0, 0, wide - 1, high - 1], high // 4, fill=(12, 14, 18, 165))
    draw.text((pad, high / 2), TITLE, font=big, fill=(255, 196, 64, 255), anchor="lm")
    draw.text((pad * 2 + title, high / 2), SUBTITLE, font=small, fill=(255, 255, 255, 225), anchor="lm")
    return image.crop((0, 0, min(wide, width - pad), high)), (pad, height - high - pad)
