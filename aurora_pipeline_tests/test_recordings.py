"""Somebody's own recording: whatever it was recorded with, and never a door to other files."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from aurora_pipeline.errors import Interrupted, SpeechFailed
from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.tts_audio import recordings
from aurora_pipeline.tts_audio.recordings import SAMPLE_RATE, read_recording


def tone(file, *, seconds=1.0, rate=44_100, channels=2, **options):
    import ffmpeg as graph

    sound = graph.input(f"sine=frequency=330:duration={seconds}:sample_rate={rate}", f="lavfi")
    ffmpeg.run(sound.output(ffmpeg.target(file), ac=channels, **options))
    return file


def read(file, *, text="", stop=None):
    return read_recording(file, shown=file.name, text=text, stop=stop or threading.Event())


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.ogg", "a.flac", "a.mov", "a.aiff", "a.mkv"])
def test_any_format_becomes_mono_samples_of_the_same_length(tmp_path, name):
    spoken = read(tone(tmp_path / name), text="hello you")

    assert spoken.sample_rate == SAMPLE_RATE
    assert len(spoken.samples) / SAMPLE_RATE == pytest.approx(1.0, abs=0.06)
    assert 0.05 < np.abs(spoken.samples).max() <= 1.0
    assert [word.text for word in spoken.words] == ["hello", "you"]


def test_a_recording_with_a_video_gives_its_sound(tmp_path):
    import ffmpeg as graph

    picture = graph.input("testsrc=duration=1:size=64x64", f="lavfi")
    sound = graph.input("sine=frequency=330:duration=1", f="lavfi")
    ffmpeg.run(graph.output(picture, sound, ffmpeg.target(tmp_path / "phone.mp4")))

    assert len(read(tmp_path / "phone.mp4").samples) > 0.9 * SAMPLE_RATE


def stereo(file, left, right):
    """A tone in both channels, each turned up as asked; below 0 it is upside down."""
    import ffmpeg as graph

    both = graph.input(f"aevalsrc={left}*sin(2000*t)|{right}*sin(2000*t):s=48000:d=1", f="lavfi")
    ffmpeg.run(both.output(ffmpeg.target(file)))
    return file


@pytest.mark.parametrize(("left", "right", "peak"), [(0.4, -0.4, 0.4), (0.4, -0.2, 0.3), (-0.2, 0.4, 0.3)])
def test_a_channel_that_is_upside_down_does_not_cancel_the_other(tmp_path, left, right, peak):
    assert np.abs(read(stereo(tmp_path / "a.wav", left, right)).samples).max() == pytest.approx(peak, abs=0.02)


@pytest.mark.parametrize(("left", "right"), [(0.4, 0.4), (0.4, 0.0), (0.0, 0.4), (0.4, 0.2)])
def test_ordinary_stereo_is_mixed_as_ffmpeg_mixes_it(tmp_path, left, right):
    file = stereo(tmp_path / "a.wav", left, right)

    mixed = np.frombuffer(ffmpeg.run(recordings.decoded(file)).stdout, "<f4")

    assert np.array_equal(read(file).samples, mixed)


def test_a_wav_that_is_cut_short_says_so(tmp_path):
    whole = tone(tmp_path / "whole.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 3])

    with pytest.raises(SpeechFailed, match=r"The recording 'cut.wav' is cut short: its header tells of more sound"):
        read(tmp_path / "cut.wav")


def silent_video(file):
    import ffmpeg as graph

    ffmpeg.run(graph.input("testsrc=duration=1:size=64x64", f="lavfi").output(ffmpeg.target(file)))


def truncated(file):
    file.write_bytes(tone(file.with_name("whole.m4a")).read_bytes()[:3000])


def a_list_of_others(file):
    tone(file.with_name("other.wav"))
    file.write_text(f"ffconcat version 1.0\nfile {file.with_name('other.wav')}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (silent_video, "it has no sound"),
        (truncated, "it is cut short, or no recording at all"),
        (a_list_of_others, "its format names other files"),
        (lambda file: file.write_text("<html>not found</html>"), "it is cut short, or no recording at all"),
        (lambda file: file.write_bytes(bytes(5000)), "it is cut short, or no recording at all"),
    ],
)
def test_what_holds_no_sound_is_told_in_one_sentence(tmp_path, make, reason):
    make(tmp_path / "take1.mp4")

    with pytest.raises(SpeechFailed) as failed:
        read(tmp_path / "take1.mp4")

    assert str(failed.value) == (
        f"The recording 'take1.mp4' cannot be read as sound ({reason}); save it as WAV, MP3 or M4A and run again. "
        "Nothing was spent."
    )
    assert str(tmp_path) not in str(failed.value)


def test_an_endless_recording_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(recordings, "LONGEST_SECONDS", 1)

    with pytest.raises(SpeechFailed, match="is longer than 0 minutes; cut it into clips"):
        read(tone(tmp_path / "a.wav", seconds=3))


def test_a_stopped_run_reads_no_further(tmp_path):
    stop = threading.Event()
    stop.set()

    with pytest.raises(Interrupted):
        read(tone(tmp_path / "a.wav"), stop=stop)


def test_a_name_that_looks_like_an_option_is_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tone(tmp_path / "-y.wav")

    assert len(read(tmp_path / "-y.wav").samples) > 0
