"""Draws the sample presenters with Pillow alone: no photo of a real person, no asset, no licence.

    python -m aurora_pipeline.studio.draw_portraits data/avatars

Eyes and lips keep human proportions, because the landmark network learned faces, not cartoons. Everything is drawn
twice as large as it is saved; lengths are in units of 1/720 of the picture's height at scale 1.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

SIZE = (1280, 720)
TWICE = 2
CLOSER = 1.14  # a medium close-up: the head takes two thirds of the height


@dataclass(frozen=True)
class Presenter:
    """One presenter's colours and cut. ``hair`` is ``bob``, ``short`` or ``bun``."""

    name: str
    cut: str
    wall: tuple[Colour, Colour]
    skin: Colour
    shade: Colour
    hair: Colour
    shirt: Colour
    lip: Colour
    iris: Colour


PRESENTERS = (
    Presenter("ana", "bob", ((238, 241, 247), (198, 209, 226)), (243, 204, 176), (222, 170, 141), (74, 46, 36),
              (38, 84, 136), (190, 84, 86), (84, 58, 40)),
    Presenter("kofi", "short", ((247, 240, 228), (221, 200, 171)), (146, 96, 66), (115, 72, 47), (30, 24, 22),
              (170, 70, 47), (124, 62, 58), (46, 30, 22)),
    Presenter("mei", "bun", ((233, 244, 239), (185, 215, 202)), (250, 219, 192), (232, 189, 160), (33, 29, 37),
              (52, 118, 100), (200, 92, 100), (52, 36, 28)),
)  # fmt: skip


def draw(presenter: Presenter, size: tuple[int, int] = SIZE) -> Image.Image:
    """The presenter, from the waist up, facing the lens."""
    easel = _Easel((size[0] * TWICE, size[1] * TWICE))
    _wall(easel, presenter)
    _hair_behind(easel, presenter)
    _body(easel, presenter)
    _face(easel, presenter)
    _hair_before(easel, presenter)
    for side in (-1, 1):
        _eye(easel, presenter, side)
    _nose(easel, presenter)
    _mouth(easel, presenter)
    return easel.image.resize(size, Image.Resampling.LANCZOS)


class _Easel:
    """A picture with its origin between the cheeks and lengths in units."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.image = Image.new("RGB", size)
        self.unit = size[1] / 720 * CLOSER
        self.x, self.y = size[0] / 2, size[1] * 0.47

    def at(self, x: float, y: float) -> tuple[float, float]:
        return self.x + x * self.unit, self.y + y * self.unit

    def box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        return (*self.at(x - rx, y - ry), *self.at(x + rx, y + ry))

    @property
    def pen(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        self.pen.ellipse(self.box(x, y, rx, ry), fill=colour)

    def shape(self, points: Points, colour: Colour) -> None:
        self.pen.polygon([self.at(*point) for point in points], fill=colour)

    def stroke(self, points: Points, colour: Colour, width: float) -> None:
        self.pen.line([self.at(*p) for p in points], fill=colour, width=round(width * self.unit), joint="curve")

    def mask(self) -> Image.Image:
        return Image.new("L", self.image.size)

    def glow(self, mask: Image.Image, colour: Colour, strength: float) -> None:
        """Lay ``colour`` where ``mask`` is white."""
        faint = mask.point([min(255, int(value * strength)) for value in range(256)])
        self.image.paste(Image.new("RGB", self.image.size, colour), mask=faint)

    def soft_oval(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        colour: Colour,
        strength: float,
        blur: float,
        *,
        inside: Image.Image | None = None,
    ) -> None:
        """A spot of light or shade, kept ``inside`` a mask if there is one."""
        mask = self.mask()
        ImageDraw.Draw(mask).ellipse(self.box(x, y, rx, ry), fill=255)
        soft = mask.filter(ImageFilter.GaussianBlur(blur * self.unit))
        self.glow(soft if inside is None else ImageChops.multiply(soft, inside), colour, strength)

    def polygon_mask(self, points: Points) -> Image.Image:
        mask = self.mask()
        ImageDraw.Draw(mask).polygon([self.at(*point) for point in points], fill=255)
        return mask


def _wall(easel: _Easel, presenter: Presenter) -> None:
    light, dark = presenter.wall
    width, height = easel.image.size
    column = Image.new("RGB", (1, height))
    for y in range(height):
        column.putpixel((0, y), _between(light, dark, y / height))
    easel.image.paste(column.resize((width, height)))
    easel.soft_oval(0, -40, 430, 330, _between(light, (255, 255, 255), 0.7), 0.75, 90)  # the key light behind the head
    for x, y, radius, strength in (
        (-470, -190, 46, 0.16),
        (-400, 60, 30, 0.14),
        (455, -120, 58, 0.15),
        (395, 120, 26, 0.14),
    ):
        easel.soft_oval(x, y, radius, radius, (255, 255, 255), strength * 3, 9)  # lights out of focus


def _hair_behind(easel: _Easel, presenter: Presenter) -> None:
    if presenter.cut == "bob":
        easel.oval(0, 8, 186, 226, presenter.hair)
        easel.pen.rounded_rectangle((*easel.at(-186, 0), *easel.at(186, 226)), 70 * easel.unit, fill=presenter.hair)
        easel.soft_oval(-95, 120, 40, 110, _darker(presenter.hair, 0.75), 0.7, 22)
        easel.soft_oval(95, 120, 40, 110, _darker(presenter.hair, 0.75), 0.7, 22)
    elif presenter.cut == "bun":
        easel.oval(0, -216, 62, 50, presenter.hair)
        easel.soft_oval(-16, -236, 26, 12, _lighter(presenter.hair, 0.25), 0.5, 10)
        easel.oval(0, -34, 168, 182, presenter.hair)


def _body(easel: _Easel, presenter: Presenter) -> None:
    shirt, torso = presenter.shirt, easel.mask()
    corners = (*easel.at(-318, 268), *easel.at(318, 760))
    easel.pen.rounded_rectangle(corners, 150 * easel.unit, fill=shirt)
    ImageDraw.Draw(torso).rounded_rectangle(corners, 150 * easel.unit, fill=255)
    for side in (-1, 1):
        easel.soft_oval(side * 250, 420, 70, 150, _darker(shirt, 0.7), 0.55, 40, inside=torso)
    neck = [(-60, 150), (60, 150), (72, 292), (0, 352), (-72, 292)]
    easel.shape(neck, presenter.shade)
    chin_shadow = _darker(presenter.shade, 0.78)
    easel.soft_oval(0, 196, 74, 30, chin_shadow, 0.75, 14, inside=easel.polygon_mask(neck))
    collar = _lighter(shirt, 0.22)
    easel.shape([(-76, 262), (-118, 292), (-64, 372), (0, 344), (-40, 318)], collar)
    easel.shape([(76, 262), (118, 292), (64, 372), (0, 344), (40, 318)], collar)
    easel.stroke([(-64, 372), (0, 344), (64, 372)], _darker(shirt, 0.7), 3)


def _face(easel: _Easel, presenter: Presenter) -> None:
    skin, shade = presenter.skin, presenter.shade
    for side in (-1, 1):
        easel.oval(side * 149, 20, 23, 38, shade)
        easel.oval(side * 151, 20, 12, 24, _darker(shade, 0.88))
    outline = [(-_half_width(y), y) for y in range(-188, 197, 2)]
    outline += [(-x, y) for x, y in reversed(outline)]
    easel.shape(outline, skin)
    inside = easel.polygon_mask(outline)
    for x, y, rx, ry, colour, strength, blur in (
        (-130, 60, 34, 130, shade, 0.75, 26), (130, 60, 34, 130, shade, 0.75, 26),  # the sides turn away
        (0, 205, 90, 34, shade, 0.7, 18),
        (-36, -60, 70, 40, _lighter(skin, 0.45), 0.45, 26),  # light on the brow
        (-90, 66, 36, 26, (226, 92, 82), 0.20, 15), (90, 66, 36, 26, (226, 92, 82), 0.20, 15),
    ):  # fmt: skip
        easel.soft_oval(x, y, rx, ry, colour, strength, blur, inside=inside)


def _hair_before(easel: _Easel, presenter: Presenter) -> None:
    hair, shine = presenter.hair, _lighter(presenter.hair, 0.22)
    if presenter.cut == "short":
        crown, cap = easel.mask(), easel.box(0, -52, 148, 146)
        easel.pen.pieslice(cap, 190, 350, fill=hair)
        ImageDraw.Draw(crown).pieslice(cap, 190, 350, fill=255)
        easel.oval(0, -40, 133, 66, presenter.skin)
        easel.soft_oval(-30, -168, 70, 16, shine, 0.6, 14, inside=crown)
        return
    easel.pen.pieslice(easel.box(0, -44, 156, 164), 180, 360, fill=hair)
    easel.oval(0, -14, 129, 76, presenter.skin)
    if presenter.cut == "bob":
        easel.shape([(-152, -36), (-120, -128), (36, -152), (-52, -62), (-126, -4)], hair)
        easel.shape([(152, -36), (120, -128), (28, -152), (92, -70), (126, -4)], hair)
        easel.stroke([(30, -150), (-20, -104), (-74, -64)], shine, 3)
        easel.stroke([(44, -148), (82, -96), (112, -44)], shine, 3)
    else:
        easel.shape([(-152, -30), (-126, -120), (0, -168), (-70, -96), (-124, -22)], hair)
        easel.shape([(152, -30), (126, -120), (0, -168), (70, -96), (124, -22)], hair)
    easel.soft_oval(-44, -170, 74, 17, shine, 0.65, 13)


def _eye(easel: _Easel, presenter: Presenter, side: int) -> None:
    x = side * 60
    upper, lower = easel.mask(), easel.mask()
    ImageDraw.Draw(upper).ellipse(easel.box(x, 27, 40, 40), fill=255)
    ImageDraw.Draw(lower).ellipse(easel.box(x, -28, 41, 41), fill=255)
    almond = ImageChops.darker(upper, lower)
    layer = _Easel(easel.image.size)
    layer.image.paste((250, 249, 247), (0, 0, *easel.image.size))
    layer.oval(x, 0, 15.5, 15.5, presenter.iris)
    layer.oval(x, 0, 12, 12, _lighter(presenter.iris, 0.18))
    layer.oval(x, 0, 7.5, 7.5, (14, 11, 10))
    layer.oval(x + 5, -5.5, 4, 4, (255, 255, 255))
    layer.soft_oval(x, -15, 34, 8, (120, 110, 110), 0.5, 4)  # the lid's shadow
    easel.image.paste(layer.image, mask=almond)
    lash = _darker(presenter.shade, 0.4)
    easel.pen.arc(easel.box(x, 27, 41, 41), 221, 319, fill=lash, width=round(5.5 * easel.unit))
    easel.pen.arc(
        easel.box(x, 15, 44, 44), 228, 312, fill=_darker(presenter.shade, 0.82), width=round(2.5 * easel.unit)
    )
    easel.pen.arc(easel.box(x, -18, 42, 30), 205, 335, fill=presenter.hair, width=round(9 * easel.unit))


def _nose(easel: _Easel, presenter: Presenter) -> None:
    dark = _darker(presenter.shade, 0.92)
    easel.stroke([(-7, 4), (-12, 30), (-14, 44)], presenter.shade, 4)
    easel.pen.arc(easel.box(0, 45, 20, 21), 22, 158, fill=dark, width=round(5 * easel.unit))
    easel.soft_oval(4, 34, 6, 12, _lighter(presenter.skin, 0.5), 0.5, 5)


def _mouth(easel: _Easel, presenter: Presenter) -> None:
    lip = presenter.lip
    upper = [(-46, 112), (-34, 105), (-20, 99), (-9, 97), (0, 101), (9, 97), (20, 99), (34, 105), (46, 112)]
    lower = [(36, 121), (20, 129), (0, 132), (-20, 129), (-36, 121)]
    easel.shape([*upper, *lower], lip)
    easel.shape([*upper, (22, 113), (0, 114), (-22, 113)], _darker(lip, 0.88))
    line = [(-43, 112), (-22, 113.5), (-8, 112.5), (0, 114), (8, 112.5), (22, 113.5), (43, 112)]
    easel.stroke(line, _darker(lip, 0.6), 4)
    easel.soft_oval(0, 122, 17, 3.5, (255, 255, 255), 0.3, 3)
    easel.soft_oval(0, 146, 26, 6, presenter.shade, 0.6, 6)


def _half_width(y: float) -> float:
    """Half the face's width at height ``y``: an ellipse above the cheekbones, a softer jaw below."""
    if y < -10:
        return 148 * math.sqrt(max(0.0, 1 - ((y + 10) / 178) ** 2))
    return float(148 * max(0.0, 1 - ((y + 10) / 206) ** 2.6) ** 0.62)


def _between(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def _darker(colour: Colour, factor: float) -> Colour:
    return _between((0, 0, 0), colour, factor)


def _lighter(colour: Colour, share: float) -> Colour:
    return _between(colour, (255, 255, 255), share)


def main(folder: Path) -> None:
    """Write every presenter's portrait into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for presenter in PRESENTERS:
        draw(presenter).save(folder / f"{presenter.name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
