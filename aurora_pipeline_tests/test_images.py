"""A portrait's file -> the bytes to upload: plain pictures untouched, oddities mended and noted, the rest refused."""

import io
import struct
import zlib

import pytest
from PIL import Image, ImageCms

from aurora_pipeline.errors import BadInput
from aurora_pipeline.gear.images import portrait_as_sent

RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture
def file(tmp_path):
    """Writes bytes, or a picture with Pillow's own options, and returns the path."""

    def file(content, name="ana.png", **options):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path, **options)
        return path

    return file


def _picture(mode="RGB", size=(300, 400), colour=RED):
    """A red picture with a blue upper left corner, so that turning it shows."""
    picture = Image.new("RGB", size, colour)
    picture.paste(BLUE, (0, 0, 100, 100))
    return picture.convert(mode)


def _sent(path):
    sent = portrait_as_sent(path)
    picture = Image.open(io.BytesIO(sent.content))
    picture.load()
    return sent, picture


def _refusal(path):
    with pytest.raises(BadInput) as caught:
        portrait_as_sent(path)
    (problem,) = caught.value.problems
    return problem.sentence


@pytest.mark.parametrize(("name", "suffix"), [("ana.png", ".png"), ("ana.jpg", ".jpg"), ("wrong.txt", ".png")])
def test_a_plain_picture_is_sent_byte_for_byte(file, name, suffix):
    path = file(_picture(), name, **({"format": "PNG"} if name == "wrong.txt" else {}))

    sent = portrait_as_sent(path)

    assert sent.content == path.read_bytes()
    assert (sent.suffix, sent.width, sent.height, sent.notes) == (suffix, 300, 400, ())


def test_a_phones_rotation_is_baked_in_and_its_position_taken_out(file):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture must be turned a quarter clockwise
    exif.get_ifd(0x8825)[1] = "N"
    sent, picture = _sent(file(_picture(), "ana.jpg", exif=exif, quality=95))

    assert (sent.suffix, sent.width, sent.height) == (".png", 400, 300)
    assert sent.notes == ("EXIF and position data were taken out", "the camera's rotation was applied")
    assert not picture.getexif()
    assert picture.getpixel((390, 10))[2] > 150  # the blue corner is now the upper right


def test_metadata_without_rotation_is_taken_out_too(file):
    sent, picture = _sent(file(_picture(), "ana.jpg", comment=b"harbour 53.54 N"))

    assert b"53.54" not in sent.content
    assert (sent.suffix, picture.size) == (".png", (300, 400))


def test_transparent_parts_are_put_on_white_and_noted(file):
    picture = _picture("RGBA")
    picture.paste((0, 0, 0, 0), (200, 300, 300, 400))
    sent, shown = _sent(file(picture))

    assert sent.notes == ("transparent parts were put on white",)
    assert (shown.mode, shown.getpixel((250, 350)), shown.getpixel((150, 200))) == ("RGB", (255, 255, 255), RED)


@pytest.mark.parametrize("mode", ["P", "L", "1", "LA", "PA"])
def test_other_kinds_of_picture_become_plain_rgb(file, mode):
    picture = _picture("P").convert("PA") if mode == "PA" else _picture(mode)
    sent, shown = _sent(file(picture, "ana.tif" if mode == "PA" else "ana.png"))

    assert (sent.suffix, shown.mode, shown.size) == (".png", "RGB", (300, 400))


def test_cmyk_becomes_rgb_and_is_noted(file):
    sent, shown = _sent(file(_picture("CMYK"), "ana.jpg", quality=95))

    assert sent.notes == ("CMYK colours became RGB",)
    assert all(abs(a - b) < 12 for a, b in zip(shown.getpixel((200, 300)), RED, strict=True))


def test_sixteen_bits_become_eight_without_clipping(file):
    grey = Image.new("I;16", (300, 400), 65535 // 2)
    sent, shown = _sent(file(grey))

    assert sent.notes == ("16 bits a colour became 8",)
    assert shown.getpixel((5, 5)) == (127, 127, 127) or shown.getpixel((5, 5)) == (128, 128, 128)


def test_a_foreign_colour_profile_is_converted_and_noted(file):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    camera = srgb.replace("sRGB".encode("utf-16-be"), "Cam1".encode("utf-16-be"))  # the same colours, another name
    sent, shown = _sent(file(_picture(), icc_profile=camera))

    assert sent.notes == ("colours were converted from Cam1 built-in to sRGB",)
    assert all(abs(a - b) < 3 for a, b in zip(shown.getpixel((200, 300)), RED, strict=True))


@pytest.mark.parametrize("kind", ["garbage", "LAB"])
def test_a_broken_colour_profile_is_ignored_and_noted(file, kind):
    profile = (
        b"not a profile" if kind == "garbage" else ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()
    )
    sent, shown = _sent(file(_picture(), icc_profile=profile))

    assert sent.notes == ("its colour profile is broken and was ignored",)
    assert shown.getpixel((200, 300)) == RED


def test_an_srgb_profile_changes_no_pixel(file):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sent, shown = _sent(file(_picture(), icc_profile=profile))

    assert sent.notes == ()
    assert (shown.getpixel((200, 300)), shown.info.get("icc_profile")) == (RED, None)


def test_the_same_file_gives_the_same_bytes(file):
    path = file(_picture("RGBA"))

    assert portrait_as_sent(path) == portrait_as_sent(path)


# refusals


def _huge_png():
    """A PNG of 900 megapixels by its header, in a few bytes."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is an empty file (0 bytes); copy the portrait again"),
        (b"hello", "is not an image we can read; save the portrait as PNG or JPEG"),
        (b"<!DOCTYPE html><html>", "is a web page, not an image; download the picture itself"),
        (b"\n<svg xmlns='x'><image href='file:///etc/passwd'/></svg>", "is an SVG drawing; export it as PNG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC photo; export it as JPEG or PNG"),
        (b"%PDF-1.7", "is a PDF; save the portrait as PNG or JPEG"),
        (b"8BPS\0\1", "is a Photoshop file; save the portrait as PNG or JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is a PostScript file; save the portrait as PNG or JPEG"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is damaged or cut short; copy or save the portrait again"),
        (_huge_png(), "is larger than 25 megapixels; save it smaller"),
    ],
)
def test_what_is_no_portrait_is_named_for_what_it_is(file, content, said):
    assert _refusal(file(content)) == said


@pytest.mark.parametrize("name", ["ana.png", "ana.jpg", "ana.webp"])
def test_a_picture_cut_short_is_refused(file, name):
    noise = Image.effect_noise((300, 300), 90).convert("RGB")
    path = file(noise, name)
    path.write_bytes(path.read_bytes()[:-4000])

    assert _refusal(path) == "is damaged or cut short; copy or save the portrait again"


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((255, 400), "is 255x400 pixels; use a portrait of at least 256 pixels on its short side"),
        ((1, 1), "is 1x1 pixels; use a portrait of at least 256 pixels on its short side"),
        ((901, 300), "is 901x300 pixels; crop it, one side may be at most 3 times the other"),
        ((5001, 5000), "is 5001x5000 pixels; save it with at most 25 megapixels"),
    ],
)
def test_sizes_aurora_cannot_use_are_refused(file, size, said):
    assert _refusal(file(Image.new("L", size))) == said


@pytest.mark.parametrize("name", ["ana.gif", "ana.png", "ana.webp", "ana.tif"])
def test_an_animation_is_refused(file, name):
    path = file(_picture(), name, save_all=True, append_images=[_picture(colour=BLUE)])

    assert _refusal(path) == "is animated or has several pages; save the one picture you mean as PNG or JPEG"


def test_a_missing_file_and_a_folder_are_told(tmp_path):
    assert _refusal(tmp_path / "nobody.png") == "does not exist; add the file or correct the name"
    assert _refusal(tmp_path) == "cannot be read (Is a directory); check the file"
