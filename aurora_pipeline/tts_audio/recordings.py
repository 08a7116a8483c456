"""Somebody's own recording -> samples, whatever it was recorded with.

Any sound or video file that ffmpeg reads is taken, but never one that names other files (playlists, lists to join): a
recording that somebody sent us must not make us open what it points to.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from ..errors import FfmpegFailed, SpeechFailed
from ..gear import ffmpeg
from ..gear.voices import Spoken
from ..gear.voices.word_times import estimated

SAMPLE_RATE = 48_000  # what microphones and phones record at; slower recordings lose nothing by it
LONGEST_SECONDS = 900  # three times the longest speech any model takes
# ffmpeg's demuxers that read one file and open no other.
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,ogg,oma,rm,"
    "sox,tta,voc,w64,wav,wv"
)


def decoded(file: Path) -> Any:
    """The graph that turns a recording into mono floats, a little more of it than may be used."""
    sound = ffmpeg.source(file, format_whitelist=FORMATS, t=LONGEST_SECONDS + 1)
    return sound["a:0"].output("pipe:1", format="f32le", acodec="pcm_f32le", ac=1, ar=SAMPLE_RATE)


def read_recording(file: Path, *, shown: str, text: str, stop: threading.Event) -> Spoken:
    """The recording's sound and, where its text is known, estimated word times.

    ``shown`` names it in messages. Raises `SpeechFailed` when it holds no sound that can be read, or too much of it.
    """
    import numpy as np

    try:
        samples = np.frombuffer(ffmpeg.run(decoded(file), stop=stop).stdout, "<f4").astype(np.float32)
    except FfmpegFailed as error:
        raise SpeechFailed(
            f"The recording '{shown}' cannot be read as sound ({_reason(str(error))}); save it as WAV, MP3 or M4A "
            "and run again. Nothing was spent."
        ) from None
    seconds = len(samples) / SAMPLE_RATE
    if seconds > LONGEST_SECONDS:
        raise SpeechFailed(
            f"The recording '{shown}' is longer than {LONGEST_SECONDS // 60} minutes; cut it into clips. "
            "Nothing was spent."
        )
    return Spoken(np.nan_to_num(samples), SAMPLE_RATE, estimated(text, samples, SAMPLE_RATE), "estimated")


def _reason(failure: str) -> str:
    """What ffmpeg said of the file, in words, and without paths of this machine."""
    said = {
        "matches no streams": "it has no sound",
        "not on whitelist": "its format names other files",
        "moov atom not found": "it is cut short, or no recording at all",
    }
    return next((words for reason, words in said.items() if reason in failure), "ffmpeg finds no sound in it")
