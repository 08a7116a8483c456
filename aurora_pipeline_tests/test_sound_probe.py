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


@pytest.mark.parametrize(
    "size", [0, 0x7FFFF000, 0x7FFFF024, 0x7FFFFFFF, 0x80000024, 0xFFFFFFDB, 0xFFFFFFF7, 0xFFFFFFFF], ids=hex
)
def test_a_wav_that_was_streamed_names_no_size_and_is_whole(tmp_path: Path, size: int) -> None:
    file = _file(tmp_path, "wav")
    content = file.read_bytes()
    data = content.index(b"data")
    riff, unknown = size.to_bytes(4, "little"), max(0, size - data).to_bytes(4, "little")
    file.write_bytes(content[:4] + riff + content[8 : data + 4] + unknown + content[data + 8 :])

    sound = sound_in(file)

    assert sound is not None
    assert not sound.is_cut
    assert sound.seconds == pytest.approx(2.0, abs=0.06)


def test_a_wav_whose_data_are_all_there_is_whole_whatever_its_file_is_said_to_hold(tmp_path: Path) -> None:
    file = _file(tmp_path, "wav")
    content = file.read_bytes()
    file.write_bytes(content[:4] + (len(content) + 26).to_bytes(4, "little") + content[8:])

    sound = sound_in(file)

    assert sound is not None
    assert not sound.is_cut


# FFmpeg guesses the length of these from their first frames, and quiet ones promise hours of sound.
WITHOUT_A_LENGTH = {
    "mp3 of variable rate": ("speech.mp3", ["-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0"]),
    "mp3 of one rate": ("speech.mp3", ["-c:a", "libmp3lame", "-b:a", "64k", "-write_xing", "0"]),
    "adts aac": ("speech.aac", ["-c:a", "aac", "-b:a", "64k"]),
}
QUIET_START = "aevalsrc='if(lt(t,1.5),0,0.4*sin(2000*t)+0.2*random(0))':s=24000:d=3"


@pytest.mark.parametrize("kind", WITHOUT_A_LENGTH)
def test_a_whole_file_that_states_no_length_is_whole_however_quietly_it_begins(tmp_path: Path, kind: str) -> None:
    name, options = WITHOUT_A_LENGTH[kind]
    file = tmp_path / name
    ffmpeg.run(["-f", "lavfi", "-i", QUIET_START, *options, ffmpeg.target(file)])

    sound = sound_in(file)

    assert sound is not None
    assert not sound.is_cut
    assert sound.seconds == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("options", [["-q:a", "2"], ["-b:a", "64k"]], ids=["Xing", "Info"])
def test_an_mp3_that_states_its_frames_behind_its_tags_is_cut_when_they_are_missing(
    tmp_path: Path, options: list[str], share: float
) -> None:
    file = tmp_path / "speech.mp3"
    tags = ["-id3v2_version", "3", "-metadata", f"title={'A long title ' * 500}"]
    ffmpeg.run(["-f", "lavfi", "-i", QUIET_START, "-c:a", "libmp3lame", *options, *tags, ffmpeg.target(file)])
    whole = sound_in(file)
    content = file.read_bytes()
    sound = max(content.find(b"Xing"), content.find(b"Info"))
    file.write_bytes(content[: sound + int((len(content) - sound) * share)])

    cut = sound_in(file)

    assert whole is not None
    assert not whole.is_cut
    assert cut is None or cut.is_cut


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
