"""A portrait's file -> the bytes to upload.  Deterministic: the same file gives the same bytes everywhere.

A plain RGB PNG or JPEG is sent as it is. Anything else (EXIF rotation, GPS, alpha, CMYK, palette, 16 bit, a foreign
colour profile) becomes a plain RGB PNG, and every change that can be seen is a note. Limits are checked by the header,
before anything is decoded: 109 KB of PNG can hold 900 megapixels (reference/reliability.md, case 55).
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, Problem

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 30_000_000
MAX_PIXELS = 25_000_000
MIN_SIDE = 256
MAX_ASPECT = 3
# Only these decoders are ever started; Pillow's others (EPS starts a program) stay shut.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")
# What a header may hold and still be sent untouched; anything else (EXIF, XMP, IPTC, comments) is taken out.
_HARMLESS = frozenset(
    {"jfif", "jfif_version", "jfif_unit", "jfif_density", "progressive", "progression", "adobe", "adobe_transform"}
    | {"dpi", "gamma", "srgb", "interlace"}
)
_FOREIGN = (
    (b"%PDF", "is a PDF; save the portrait as PNG or JPEG"),
    (b"8BPS", "is a Photoshop file; save the portrait as PNG or JPEG"),
    (b"%!PS", "is a PostScript file; save the portrait as PNG or JPEG"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


@dataclass(frozen=True)
class PortraitAsSent:
    """The bytes to upload, their suffix (``.png`` or ``.jpg``), the picture's size in pixels, and what was changed."""

    content: bytes
    suffix: str
    width: int
    height: int
    notes: tuple[str, ...]


class _Unfit(ValueError):
    """Why a file cannot be a portrait; becomes a located `BadInput`."""


def portrait_as_sent(path: Path) -> PortraitAsSent:
    """The portrait in ``path`` as the provider gets it. Raises `BadInput` whose one problem says how to mend it."""
    try:
        return _as_sent(_content(path))
    except _Unfit as unfit:
        raise BadInput([Problem(path.name, 0, "portrait", str(unfit))]) from unfit


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _Unfit(f"is larger than {MAX_BYTES // 1_000_000} MB; save it smaller")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise _Unfit("does not exist; add the file or correct the name") from error
    except OSError as error:
        raise _Unfit(f"cannot be read ({error.strerror}); check the file") from error
    if not content:
        raise _Unfit("is an empty file (0 bytes); copy the portrait again")
    return content


def _as_sent(content: bytes) -> PortraitAsSent:
    picture = _opened(content)
    _assert_fits(picture)
    is_plain = _is_plain(picture, content)
    try:
        picture.load()  # reads every byte: a file cut short fails here and not at the provider
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, EOFError and more
        raise _Unfit("is damaged or cut short; copy or save the portrait again") from error
    if is_plain:
        suffix = ".png" if picture.format == "PNG" else ".jpg"
        return PortraitAsSent(content, suffix, picture.width, picture.height, ())
    notes: list[str] = []
    plain = _plain(picture, content, notes)
    written = io.BytesIO()
    plain.save(written, "PNG", compress_level=6)
    return PortraitAsSent(written.getvalue(), ".png", plain.width, plain.height, tuple(notes))


def _opened(content: bytes) -> Image.Image:
    """The file's header as a picture; nothing is decoded yet."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower and says more
            return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _Unfit(f"is larger than {MAX_PIXELS // 1_000_000} megapixels; save it smaller") from error
    except Exception as error:  # as above; what cannot be opened is named by its first bytes
        raise _Unfit(_what_it_is(content)) from error


def _what_it_is(content: bytes) -> str:
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
        return "is a HEIC photo; export it as JPEG or PNG"
    if start.startswith((b"<svg", b"<?xml")) or b"<svg" in start:
        return "is an SVG drawing; export it as PNG"
    if start.startswith((b"<!doctype", b"<html")):
        return "is a web page, not an image; download the picture itself"
    for magic, sentence in _FOREIGN:
        if content.startswith(magic):
            return sentence
    if content.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or content[8:12] == b"WEBP":
        return "is damaged or cut short; copy or save the portrait again"
    return "is not an image we can read; save the portrait as PNG or JPEG"


def _assert_fits(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise _Unfit(f"is {width}x{height} pixels; save it with at most {MAX_PIXELS // 1_000_000} megapixels")
    if min(width, height) < MIN_SIDE:
        raise _Unfit(f"is {width}x{height} pixels; use a portrait of at least {MIN_SIDE} pixels on its short side")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise _Unfit(f"is {width}x{height} pixels; crop it, one side may be at most {MAX_ASPECT} times the other")
    # A phone's JPEG may carry a second picture (MPO: depth, preview); its first is the photo.
    if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":
        raise _Unfit("is animated or has several pages; save the one picture you mean as PNG or JPEG")


def _is_plain(picture: Image.Image, content: bytes) -> bool:
    is_deep = picture.format == "PNG" and content[24:25] == b"\x10"
    return (
        picture.format in ("PNG", "JPEG") and picture.mode == "RGB" and not is_deep and set(picture.info) <= _HARMLESS
    )


def _plain(picture: Image.Image, content: bytes, notes: list[str]) -> Image.Image:
    """The picture as upright 8-bit sRGB without alpha or metadata."""
    from PIL import ImageOps

    if picture.getexif() or "xmp" in picture.info:
        notes.append("EXIF and position data were taken out")
    upright = ImageOps.exif_transpose(picture)
    if upright.size != picture.size or upright.tobytes() != picture.tobytes():
        notes.append("the camera's rotation was applied")
    if picture.format == "PNG" and content[24:25] == b"\x10" and not upright.mode.startswith("I"):
        notes.append("16 bits a colour became 8")
    colour = _rgb(_without_alpha(_eight_bit(upright, notes), notes), notes)
    colour.info.clear()
    return colour


def _eight_bit(picture: Image.Image, notes: list[str]) -> Image.Image:
    from PIL import Image

    if not picture.mode.startswith(("I", "F")):
        return picture
    notes.append("16 bits a colour became 8")
    levels = picture.convert("I").point(lambda level: level * (1 / 257) + 0.5)
    return Image.frombytes("L", levels.size, levels.convert("L").tobytes())


def _without_alpha(picture: Image.Image, notes: list[str]) -> Image.Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    layer = picture.convert("RGBA")
    if layer.getchannel("A").getextrema() != (255, 255):
        notes.append("transparent parts were put on white")
    ground = Image.new("RGBA", layer.size, "white")
    flat = Image.alpha_composite(ground, layer).convert("RGB")
    flat.info = dict(picture.info)
    return flat


def _rgb(picture: Image.Image, notes: list[str]) -> Image.Image:
    from PIL import ImageCms

    profile = picture.info.get("icc_profile")
    if profile and picture.mode in ("RGB", "CMYK", "L"):
        try:
            return _in_srgb(picture, profile, notes)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append("its colour profile is broken and was ignored")
    if picture.mode == "CMYK":
        notes.append("CMYK colours became RGB")
    return picture.convert("RGB")


def _in_srgb(picture: Image.Image, profile: bytes, notes: list[str]) -> Image.Image:
    from PIL import ImageCms

    source: Any = ImageCms.getOpenProfile(io.BytesIO(profile))
    name = ImageCms.getProfileDescription(source).strip()
    if "srgb" in name.lower() and picture.mode == "RGB":
        return picture.convert("RGB")
    converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:
        raise ValueError("no conversion")
    notes.append(f"colours were converted from {name or 'its own profile'} to sRGB")
    return converted
