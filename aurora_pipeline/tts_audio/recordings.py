"""Somebody's own recording -> samples, whatever it was recorded with.

Any sound or video file that ffmpeg reads is taken, but never one that names other files (playlists, lists to join): a
recording that somebody sent us must not make us open what it points to.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FfmpegFailed, SpeechFailed
from ..gear import ffmpeg
from ..gear.sound_probe import is_cut_wav
from ..gear.voices import Spoken
from ..gear.voices.word_times import estimated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

SAMPLE_RATE = 48_000  # what microphones and phones record at; slower recordings lose nothing by it
LONGEST_SECONDS = 900  # three times the longest speech any model takes
# Two channels of which one is upside down cancel each other where they are mixed to one. Ordinary stereo is louder in
# what its channels share than in what tells them apart (one channel alone: 1.4 times, as ffmpeg mixes; reversed: 0).
CANCELLED = 0.7
# ffmpeg's demuxers that read one file and open no other.
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,ogg,oma,rm,"
    "sox,tta,voc,w64,wav,wv"
)


def decoded(file: Path) -> Any:
    """The graph that turns a recording into mono floats, a little more of it than may be used."""
    return _floats(_source(file))


def differing(file: Path) -> Any:
    """The graph of what tells its two channels apart: silence in mono, all of it where one is upside down."""
    sides = _source(file).filter("aformat", channel_layouts="stereo").filter("pan", "mono|c0<c0-c1")
    return _floats(sides)


def _source(file: Path) -> Any:
    return ffmpeg.source(file, format_whitelist=FORMATS, t=LONGEST_SECONDS + 1)["a:0"]


def _floats(sound: Any) -> Any:
    return sound.output("pipe:1", format="f32le", acodec="pcm_f32le", ac=1, ar=SAMPLE_RATE)


def read_recording(file: Path, *, shown: str, text: str, stop: threading.Event) -> Spoken:
    """The recording's sound and, where its text is known, estimated word times.

    ``shown`` names it in messages. Raises `SpeechFailed` when it holds no sound that can be read, or too much of it.
    """
    try:
        samples = _uncancelled(_samples(decoded(file), stop), _samples(differing(file), stop))
    except FfmpegFailed as error:
        raise SpeechFailed(
            f"The recording '{shown}' cannot be read as sound ({_reason(str(error))}); save it as WAV, MP3 or M4A "
            "and run again. Nothing was spent."
        ) from None
    if is_cut_wav(file):
        raise SpeechFailed(
            f"The recording '{shown}' is cut short: its header tells of more sound than there is; save or copy it "
            "again and run again. Nothing was spent."
        )
    seconds = len(samples) / SAMPLE_RATE
    if seconds > LONGEST_SECONDS:
        raise SpeechFailed(
            f"The recording '{shown}' is longer than {LONGEST_SECONDS // 60} minutes; cut it into clips. "
            "Nothing was spent."
        )
    return Spoken(samples, SAMPLE_RATE, estimated(text, samples, SAMPLE_RATE), "estimated")


def _samples(graph: Any, stop: threading.Event) -> Samples:
    import numpy as np

    return np.nan_to_num(np.frombuffer(ffmpeg.run(graph, stop=stop).stdout, "<f4").astype(np.float32))


def _uncancelled(mixed: Samples, apart: Samples) -> Samples:
    """``mixed``, or ``apart`` where the channels cancel each other: of such channels that is the sound."""
    import numpy as np

    loudness = [float(np.sqrt(np.mean(np.square(each, dtype=np.float64)))) for each in (mixed, apart) if len(each)]
    return apart if len(loudness) == 2 and loudness[0] < CANCELLED * loudness[1] else mixed


def _reason(failure: str) -> str:
    """What ffmpeg said of the file, in words, and without paths of this machine."""
    said = {
        "matches no streams": "it has no sound",
        "not on whitelist": "its format names other files",
        "moov atom not found": "it is cut short, or no recording at all",
    }
    return next((words for reason, words in said.items() if reason in failure), "ffmpeg finds no sound in it")
