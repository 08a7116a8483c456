"""What came back from a voice is measured to its end: a cut file, a silent one and no sound at all are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.gear.sound_probe import sound_in

KINDS = {"wav": [], "mp3": ["-b:a", "64k"], "flac": [], "m4a": []}


def _file(folder: Path, kind: str, source: str = "sine=d=2:sample_rate=24000") -> Path:
    file = folder / f"speech.{kind}"
    ffmpeg.run(["-f", "lavfi", "-i", source, *KINDS[kind], ffmpeg.target(file)])
    return file


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_measured_whatever_its_format(tmp_path: Path, kind: str) -> None:
    sound = sound_in(_file(tmp_path, kind))

    assert sound is not None
    assert (sound.is_cut, sound.is_silent) == (False, False)
    assert sound.seconds == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_file_is_never_taken_for_whole(tmp_path: Path, kind: str, share: float) -> None:
    file = _file(tmp_path, kind)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])

    sound = sound_in(file)

    assert sound is None or sound.is_cut


def test_a_wav_that_was_streamed_names_no_size_and_is_whole(tmp_path: Path) -> None:
    file = _file(tmp_path, "wav")
    content = file.read_bytes()
    data = content.index(b"data")
    unknown = b"\xff\xff\xff\xff"
    file.write_bytes(content[:4] + unknown + content[8 : data + 4] + unknown + content[data + 8 :])

    sound = sound_in(file)

    assert sound is not None
    assert not sound.is_cut
    assert sound.seconds == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_told(tmp_path: Path, kind: str) -> None:
    sound = sound_in(_file(tmp_path, kind, "anullsrc=d=2:r=24000:cl=mono"))

    assert sound is not None
    assert sound.is_silent


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>", b"#EXTM3U\n/etc/passwd\n", b"RIFF"])
def test_what_is_no_sound_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "speech.mp3"
    file.write_bytes(content)

    assert sound_in(file) is None
