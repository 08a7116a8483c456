"""gear/probe.py: what a file says of itself, and what is really in it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from aurora_pipeline.errors import VideoUnusable
from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.gear.probe import decode_errors, probe, walk_boxes

PICTURE = ("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2")
SOUND = ("-f", "lavfi", "-i", "anoisesrc=sample_rate=24000:duration=2:seed=1")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('it\'s a "probe"')


@pytest.fixture(scope="module")
def good(folder: Path) -> Path:
    """2 s, 320x240, 25 fps, mono AAC, faststart, tagged bt709."""
    tags = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    file = folder / "good.mp4"
    encoded = [*PICTURE, *SOUND, "-vf", tags, *H264, "-c:a", "aac", "-metadata", "comment=hello"]
    ffmpeg.run([*encoded, "-movflags", "+faststart", ffmpeg.target(file)])
    return file


def remuxed(good: Path, name: str, *arguments: str) -> Path:
    file = good.with_name(name)
    ffmpeg.run(["-i", ffmpeg.target(good), *arguments, ffmpeg.target(file)])
    return file


def test_a_good_file_is_read_as_it_was_made(good: Path) -> None:
    found = probe(good)

    assert (found.width, found.height, found.rate, found.frames) == (320, 240, Fraction(25), 50)
    assert (found.video_seconds, found.video_start, found.audio_start) == (2.0, 0.0, 0.0)
    assert found.audio_seconds == pytest.approx(2.0, abs=0.05)
    assert (found.video_codec, found.pix_fmt, found.audio_codec) == ("h264", "yuv420p", "aac")
    assert (found.sample_rate, found.channels, found.has_audio, found.has_picture) == (24000, 1, True, True)
    assert (found.colour_range, found.colour_matrix, found.colour_primaries, found.colour_transfer) == (1, 1, 1, 1)
    assert found.comment == "hello"
    assert (found.is_faststart, found.is_truncated) == (True, False)
    assert decode_errors(good) == ()


def test_sound_that_begins_late_is_seen(good: Path) -> None:
    late = remuxed(good, "late.mp4", "-itsoffset", "0.3", "-i", ffmpeg.target(good), "-map", "0:v", "-map", "1:a",
                   "-c", "copy")  # fmt: skip

    # The encoder's run-in (1024 samples at 24 kHz) begins earlier than the first sound that is heard.
    assert probe(late).audio_start == pytest.approx(0.3, abs=0.05)


def test_a_file_without_sound_says_so(good: Path) -> None:
    found = probe(remuxed(good, "mute.mp4", "-an", "-c", "copy"))

    assert (found.has_audio, found.audio_seconds, found.audio_codec) == (False, 0.0, "")


def test_a_file_without_picture_says_so(good: Path) -> None:
    found = probe(remuxed(good, "audio.mp4", "-vn", "-c", "copy"))

    assert (found.has_picture, found.frames, found.width) == (False, 0, 0)


def test_an_index_behind_the_media_is_not_faststart(good: Path) -> None:
    assert not probe(remuxed(good, "slow.mp4", "-c", "copy")).is_faststart


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.999])
def test_a_file_cut_short_is_truncated_whatever_its_header_promises(good: Path, share: float) -> None:
    whole = good.read_bytes()
    cut = good.with_name(f"cut{share}.mp4")
    cut.write_bytes(whole[: int(len(whole) * share)])

    found = probe(cut)

    assert found.is_truncated
    assert not list(walk_boxes(cut))[-1].is_whole
    assert decode_errors(cut)


def test_a_file_cut_before_its_index_is_unusable(good: Path) -> None:
    whole = remuxed(good, "moov_last.mp4", "-c", "copy").read_bytes()
    cut = good.with_name("no_moov.mp4")
    cut.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(VideoUnusable, match=r"cut short before its index \(no moov box\)"):
        probe(cut)


@pytest.mark.parametrize("junk", [b"", b"<html>502 Bad Gateway</html>", bytes(5000), b"ffconcat version 1.0\nfile x\n"])
def test_a_file_that_is_no_video_is_unusable(tmp_path: Path, junk: bytes) -> None:
    file = tmp_path / "junk.mp4"
    file.write_bytes(junk)

    with pytest.raises(VideoUnusable, match="cannot be read as MP4 video: it does not begin like one"):
        probe(file)
    assert decode_errors(file)


def test_damage_inside_the_media_is_found_only_by_decoding(good: Path) -> None:
    damaged = bytearray(good.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 400] = bytes(400)
    file = good.with_name("damaged.mp4")
    file.write_bytes(damaged)

    assert not probe(file).is_truncated
    assert decode_errors(file)
