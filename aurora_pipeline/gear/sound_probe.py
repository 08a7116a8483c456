"""Sound file -> Sound: how long it really is, and whether all of it is there and anything is heard.

Every sample is decoded, for a header of a cut file still promises its whole length. A WAV is measured by its own size
too: its demuxer believes the file's. Limit: an MP3 of one bit rate without a Xing header tells no length, so one that
is cut at a frame looks whole; a download is therefore also held against its Content-Length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import ffmpeg

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHORT_OF_HEADER_SECONDS = 0.1  # an encoder's run-in and rounding
QUIETEST_PEAK = 0.001  # -60 dBFS: what is below it nobody hears
# Demuxers that read one file and open no other.
FORMATS = "aac,flac,mov,mp3,ogg,wav"
STREAMED = (0, 0xFFFFFFFF)  # the size in the header of a WAV that was written before its end was known


@dataclass(frozen=True)
class Sound:
    """One file of sound: measured seconds, the highest sample (full scale is 1.0), and whether its end is missing."""

    seconds: float
    peak: float
    is_cut: bool

    @property
    def is_silent(self) -> bool:
        return self.peak < QUIETEST_PEAK


def sound_in(path: Path) -> Sound | None:
    """What is heard in ``path``; None when it holds no sound at all."""
    import av

    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    try:
        with av.open(ffmpeg.target(path), options=options) as container:
            stream = next(iter(container.streams.audio), None)
            return None if stream is None else _measured(container, stream, is_cut=_is_cut_wav(path))
    except (av.FFmpegError, ValueError):
        return None


def _measured(container: Any, stream: Any, *, is_cut: bool) -> Sound:
    """Decoded to its end, or to where it breaks."""
    import av
    import numpy as np

    seconds, peak = 0.0, 0.0
    try:
        for samples, rate in _decoded(container, stream):
            seconds += samples.shape[-1] / rate
            peak = max(peak, float(np.abs(samples).max(initial=0.0)))
    except av.FFmpegError:
        is_cut = True
    promised = float(stream.duration * stream.time_base) if stream.duration else 0.0
    return Sound(seconds, peak, is_cut or seconds < promised - SHORT_OF_HEADER_SECONDS)


def _decoded(container: Any, stream: Any) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Blocks of samples, one row a channel, and their rate."""
    import av
    import numpy as np

    plain = av.AudioResampler(format="fltp")
    for frame in container.decode(stream):
        for block in plain.resample(frame):
            yield block.to_ndarray().astype(np.float32, copy=False), block.sample_rate


def _is_cut_wav(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(8)
    promised = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and promised not in STREAMED and promised + 8 > path.stat().st_size
