"""A clip's picture -> master, renditions, poster and what quality needs, in one ffmpeg process.

The source is decoded once and split; nine single passes cost four times as much (reference/media.md 4, variant d).
`build_graph` is a pure function of values. Pictures are cropped or padded, never stretched; every output says bt709,
which ffmpeg 9 writes only when the frames themselves carry it (setparams, not -color_primaries).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Any

from ..gear import ffmpeg
from ..gear.probe import Probe
from ..script_table.records import DeliverySettings

BT709 = {"range": "tv", "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
# A true High profile at a quarter of veryfast's time; VMAF 95.5 at crf 24 (reference/media.md 4, preset survey).
FAST_HIGH = {
    "preset": "ultrafast",
    "x264-params": "cabac=1:8x8dct=1:bframes=2:b-adapt=0:weightp=1",
    "profile:v": "high",
}
RENDITION_CRF = 24
MASTER_CRF = 18  # the file others will be cut from
KEYFRAME_EVERY = 50
DRAFT_COMMENT = "DRAFT: a free preview by the local studio. Not for publication."

QC_LONG_SIDE = 320  # the same findings as at full size, for a tenth of the time (reference/media.md 4, traps)
BLACK = {"d": 0.08, "pix_th": 0.10, "pic_th": 0.98}
# n: media.md's 0.001 accused drawn portraits of standing still for up to 0.44 s; at 0.0003 they pass (longest 0.2 s),
# and planted freezes of 1 s are found to 0.1 s, in drawn, noisy, crf 20 to 28 and 1.5 Mbit/s pictures (measured here).
FREEZE = {"n": 0.0003, "d": 0.4}
MOUTH_SIZE = (48, 32)

MARK_SHARE = 0.30  # width of the DRAFT mark, of the picture's shorter side
MARK_MARGIN = 0.04
HAIR_SHARE = 0.01  # of the shorter side: the studio's mark begins 1.5 % from the edges

POSTER_AT = 0.25  # of the clip's length: past a fade-in, before the end card
BLUR_AT = 8  # the padding's backdrop is blurred at an eighth of its size: 1.4 instead of 4.8 CPU s
BLUR_SIGMA = 20.0


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels of the source picture."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Shape:
    """One rendition: its name (``9x16``) and its size in pixels."""

    name: str
    width: int
    height: int


@dataclass(frozen=True)
class Plan:
    """All that `build_graph` needs to know. ``seconds`` is the source picture's length, ``face`` its face, if any."""

    width: int
    height: int
    rate: Fraction
    seconds: float
    is_full_range: bool
    is_bt601: bool
    face: Region | None
    shapes: tuple[Shape, ...]
    fit: str


def plan_for(source: Probe, *, delivery: DeliverySettings, face: Region | None) -> Plan:
    """The plan for one source picture."""
    return Plan(
        width=source.width,
        height=source.height,
        rate=source.rate,
        seconds=source.video_seconds,
        is_full_range=source.colour_range == 2 or source.pix_fmt.startswith("yuvj"),
        is_bt601=source.colour_matrix in {5, 6},
        face=face,
        shapes=tuple(shape_of(name, delivery.short_side) for name in delivery.renditions),
        fit=delivery.fit,
    )


def shape_of(name: str, short_side: int) -> Shape:
    """``9x16`` with a short side of 1080 is 1080x1920; sizes are even, as yuv420p needs."""
    across, down = (int(part) for part in name.split("x"))
    short = min(across, down)
    return Shape(name, _even(short_side * across / short), _even(short_side * down / short))


def crop_region(plan: Plan, shape: Shape) -> Region:
    """The largest part of the source in the rendition's shape, as near the face as the edges allow."""
    scale = min(plan.width / shape.width, plan.height / shape.height)
    width, height = _even(shape.width * scale), _even(shape.height * scale)
    centre_x, centre_y = plan.width / 2, plan.height / 2
    if plan.face is not None:
        centre_x = plan.face.x + plan.face.width / 2
        centre_y = plan.face.y + plan.face.height / 2
    return Region(
        x=_even(_between(0, centre_x - width / 2, plan.width - width)),
        y=_even(_between(0, centre_y - height / 2, plan.height - height)),
        width=width,
        height=height,
    )


def shows_all(plan: Plan, shape: Shape) -> bool:
    """True when the rendition loses no more than a hair's breadth of the source: the studio's own mark is whole in it.

    854x480 is a hair wider than 16:9; its 16x9 must not be marked twice.
    """
    part = crop_region(plan, shape)
    lost = (part.x, part.y, plan.width - part.x - part.width, plan.height - part.y - part.height)
    return plan.fit == "pad" or max(lost) <= HAIR_SHARE * min(plan.width, plan.height)


def mouth_region(face: Region, *, width: int, height: int) -> Region:
    """The lower middle of the face box, where a mouth is, inside the picture."""
    x = _even(_between(0, face.x + 0.25 * face.width, width - 2))
    y = _even(_between(0, face.y + 0.60 * face.height, height - 2))
    return Region(x, y, _even(min(0.5 * face.width, width - x)), _even(min(0.4 * face.height, height - y)))


def draw_mark(file: Path) -> None:
    """Write the DRAFT mark as a picture. Pillow carries its font; ffmpeg's drawtext would need one on the machine."""
    from PIL import Image, ImageDraw, ImageFont

    mark = Image.new("RGBA", (600, 180), (20, 20, 20, 170))
    pen = ImageDraw.Draw(mark)
    pen.text((300, 90), "DRAFT", font=ImageFont.load_default(size=150), anchor="mm", fill=(255, 190, 40, 255))
    mark.save(file)


def build_graph(video: Path, sound: Path, folder: Path, plan: Plan, *, mark: Path | None = None) -> Any:
    """One ffmpeg-python output stream that writes every file of the clip into ``folder``.

    ``mark`` is the DRAFT mark: with it, every film's comment says that it is a draft, and every picture that is only a
    part of the source shows it. The whole source shows the studio's own, in a corner that a crop may cut off.

    The sound (already AAC) is copied. The quality branch logs black and frozen stretches (see `read_spans`); with a
    face, the mouth's grey pixels go to ``pipe:1``, 48x32 bytes a frame.
    """
    import ffmpeg as graph

    clip = ffmpeg.source(video, format="mp4", err_detect="explode", threads=1)
    track = ffmpeg.source(sound, format="mp4")
    films = {"master": (MASTER_CRF, None), **{shape.name: (RENDITION_CRF, shape) for shape in plan.shapes}}
    branches = _split(_steady(clip.video, plan), len(films) + (3 if plan.face else 2))
    partial = [shape for shape in plan.shapes if not shows_all(plan, shape)]
    marks = _split(ffmpeg.source(mark, format="png_pipe").video, len(partial)) if mark and partial else repeat(None)
    outputs = []
    for name, (crf, shape) in films.items():
        picture = _shaped(next(branches), plan, shape) if shape else next(branches)
        if shape in partial:
            picture = _marked(picture, next(marks), short_side=min(shape.width, shape.height))
        outputs.append(_mp4(picture, track, folder / f"{name}.mp4", crf=crf, is_draft=mark is not None))
    outputs += [_poster(next(branches), folder / "poster.jpg", plan), _inspected(next(branches), plan)]
    if plan.face:
        outputs.append(_mouth(next(branches), plan.face, plan))
    return graph.merge_outputs(*outputs).global_args("-xerror", "-filter_complex_threads", "1")


def _split(picture: Any, copies: int) -> Iterator[Any]:
    branches = picture.filter_multi_output("split", copies)
    return iter([branches[index] for index in range(copies)])


def _marked(picture: Any, mark: Any, *, short_side: int) -> Any:
    if mark is None:
        return picture
    import ffmpeg as graph

    small = mark.filter("scale", _even(MARK_SHARE * short_side), -1, flags="area")
    margin = round(MARK_MARGIN * short_side)
    return graph.overlay(picture, small, x=margin, y=margin, eof_action="repeat", format="yuv420")


def _steady(picture: Any, plan: Plan) -> Any:
    """Constant frame rate from time zero, even size, bt709 in tv range."""
    picture = picture.filter("fps", fps=str(plan.rate), start_time=0)
    if plan.width % 2 or plan.height % 2:
        picture = picture.filter("crop", plan.width // 2 * 2, plan.height // 2 * 2, 0, 0)
    if plan.is_full_range or plan.is_bt601:
        told = {
            "in_range": "pc" if plan.is_full_range else "tv",
            "in_color_matrix": "bt601" if plan.is_bt601 else "bt709",
        }
        picture = picture.filter("scale", out_range="tv", out_color_matrix="bt709", **told)
    return picture.filter("format", "yuv420p").filter("setsar", 1).filter("setparams", **BT709)


def _shaped(picture: Any, plan: Plan, shape: Shape) -> Any:
    if plan.fit == "pad":
        return _padded(picture, plan, shape)
    return _filled(picture, plan, shape).filter("scale", shape.width, shape.height, flags="bicubic")


def _filled(picture: Any, plan: Plan, shape: Shape) -> Any:
    """The part of the picture that has the rendition's shape, in source pixels."""
    part = crop_region(plan, shape)
    if (part.width, part.height) == (_even(plan.width), _even(plan.height)):
        return picture
    return picture.filter("crop", part.width, part.height, part.x, part.y)


def _padded(picture: Any, plan: Plan, shape: Shape) -> Any:
    """The whole picture on a blurred copy of itself."""
    import ffmpeg as graph

    scale = min(shape.width / plan.width, shape.height / plan.height)
    width, height = _even(plan.width * scale), _even(plan.height * scale)
    whole = picture.filter_multi_output("split", 2)
    small = (_even(shape.width / BLUR_AT), _even(shape.height / BLUR_AT))
    backdrop = (
        _filled(whole[0], plan, shape)
        .filter("scale", *small, flags="area")
        .filter("gblur", sigma=BLUR_SIGMA / BLUR_AT, steps=2)
        .filter("scale", shape.width, shape.height, flags="bilinear")
    )
    front = whole[1].filter("scale", width, height, flags="bicubic")
    return graph.overlay(backdrop, front, x="(W-w)/2", y="(H-h)/2", format="yuv420")


def _mp4(picture: Any, track: Any, file: Path, *, crf: int, is_draft: bool) -> Any:
    import ffmpeg as graph

    picture = picture.filter("setsar", 1).filter("setparams", **BT709).filter("format", "yuv420p")
    options: dict[str, Any] = {
        "vcodec": "libx264", "crf": crf, "g": KEYFRAME_EVERY, "threads": 1, **FAST_HIGH,
        "acodec": "copy", "movflags": "+faststart", "map_metadata": -1,
        "fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact",
    }  # fmt: skip
    if is_draft:
        options["metadata"] = f"comment={DRAFT_COMMENT}"
    return graph.output(picture, track.audio, ffmpeg.target(file), format="mp4", **options)


def _poster(picture: Any, file: Path, plan: Plan) -> Any:
    chosen = picture.filter("select", f"gte(t,{plan.seconds * POSTER_AT:.3f})").filter("format", "yuvj420p")
    options = {"vframes": 1, "update": 1, "q:v": 3, "threads": 1, "flags:v": "+bitexact", "fflags": "+bitexact"}
    return chosen.output(ffmpeg.target(file), format="image2", **options)


def _inspected(picture: Any, plan: Plan) -> Any:
    size = (QC_LONG_SIDE, -2) if plan.width >= plan.height else (-2, QC_LONG_SIDE)
    small = picture.filter("scale", *size, flags="area")
    return small.filter("blackdetect", **BLACK).filter("freezedetect", **FREEZE).output("-", format="null")


def _mouth(picture: Any, face: Region, plan: Plan) -> Any:
    part = mouth_region(face, width=plan.width, height=plan.height)
    grey = picture.filter("crop", part.width, part.height, part.x, part.y)
    grey = grey.filter("scale", *MOUTH_SIZE, flags="area").filter("format", "gray")
    return grey.output("pipe:1", format="rawvideo", pix_fmt="gray")


@dataclass(frozen=True)
class Spans:
    """Stretches of the picture, as (start, end) in seconds."""

    black: tuple[tuple[float, float], ...]
    frozen: tuple[tuple[float, float], ...]


def read_spans(log: str, *, seconds: float) -> Spans:
    """Black and frozen stretches from ffmpeg's log. A freeze that never ends lasts to the end of the clip."""
    black = re.findall(r"black_start:\s*([\d.]+) black_end:\s*([\d.]+)", log)
    starts = [float(at) for at in re.findall(r"freeze_start: ([\d.]+)", log)]
    ends = [float(at) for at in re.findall(r"freeze_end: ([\d.]+)", log)]
    ends += [max(seconds, *starts, 0.0)] * (len(starts) - len(ends))
    return Spans(tuple((float(start), float(end)) for start, end in black), tuple(zip(starts, ends, strict=True)))


def _even(pixels: float) -> int:
    return round(pixels) // 2 * 2


def _between(low: float, value: float, high: float) -> float:
    return max(low, min(value, max(low, high)))
