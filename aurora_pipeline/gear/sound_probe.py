"""Sound file -> Sound: how long it really is, and whether all of it is there and anything is heard.

Every sample is decoded, and a file is cut when that ends before the length its container states (an MP3's Xing, Info
or VBRI, mov/mp4, FLAC, Ogg, a WAV's data). Raw MP3 and ADTS AAC state none: what FFmpeg names for them is guessed from
their first frames' bit rate, and a whole file that begins quietly would look cut for ever. Limit: one of these that is
cut at a frame looks whole; a download is therefore also held against its Content-Length.
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
STATES_ITS_LENGTH = ("flac", "mov", "ogg")
# What writers put for the size of a WAV whose end they do not know is 0, or about 2 or 4 GiB: 0x7FFFF000 (SoX),
# 0x7FFFFFFF, 0x80000024, 0xFFFFFFFF (FFmpeg). No speech is that long, and no download (`fal.MAX_VIDEO_BYTES`).
LEAST_PLACEHOLDER = 0x7FFF0000
_FIRST_FRAME = 4096  # bytes that surely hold an MP3's first, where Xing, Info or VBRI stands
_FRAMES_ARE_TOLD = 1  # the lowest bit of what stands behind Xing or Info


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
            return None if stream is None else _measured(container, stream, path)
    except (av.FFmpegError, ValueError):
        return None


def _measured(container: Any, stream: Any, path: Path) -> Sound:
    """Decoded to its end, or to where it breaks."""
    import av
    import numpy as np

    seconds, peak, is_cut = 0.0, 0.0, is_cut_wav(path)
    try:
        for samples, rate in _decoded(container, stream):
            seconds += samples.shape[-1] / rate
            peak = max(peak, float(np.abs(samples).max(initial=0.0)))
    except av.FFmpegError:
        is_cut = True
    promised = _stated_seconds(container, stream, path)
    return Sound(seconds, peak, is_cut or seconds < promised - SHORT_OF_HEADER_SECONDS)


def _stated_seconds(container: Any, stream: Any, path: Path) -> float:
    """The length that the container itself states; 0 where FFmpeg's is only a guess."""
    kinds = container.format.name.split(",")
    is_stated = any(kind in STATES_ITS_LENGTH for kind in kinds) or ("mp3" in kinds and _tells_its_frames(path))
    return float(stream.duration * stream.time_base) if is_stated and stream.duration else 0.0


def _decoded(container: Any, stream: Any) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Blocks of samples, one row a channel, and their rate."""
    import av
    import numpy as np

    plain = av.AudioResampler(format="fltp")
    for frame in container.decode(stream):
        for block in plain.resample(frame):
            yield block.to_ndarray().astype(np.float32, copy=False), block.sample_rate


def is_cut_wav(path: Path) -> bool:
    """Whether a WAV's data end before the size they are said to have; its demuxer believes the file's."""
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return False
        file.seek(12)
        while len(head := file.read(8)) == 8:
            size, begin = int.from_bytes(head[4:], "little"), file.tell()
            if head[:4] == b"data":
                return 0 < size < LEAST_PLACEHOLDER and begin + size > path.stat().st_size
            file.seek(begin + size + size % 2)
    return True


def _tells_its_frames(path: Path) -> bool:
    """Whether an MP3 begins with a frame (Xing, Info or VBRI) that says how many frames follow, and means it."""
    with path.open("rb") as file:
        tag = file.read(10)
        if tag[:3] == b"ID3":
            file.seek(10 + sum((byte & 0x7F) << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True)))
        else:
            file.seek(0)
        first = file.read(_FIRST_FRAME)
    if (at := first.find(b"VBRI")) >= 0:
        return any(first[at + 14 : at + 18])
    at = max(first.find(b"Xing"), first.find(b"Info"))
    flags, frames = first[at + 7 : at + 8], first[at + 8 : at + 12]
    return at >= 0 and bool(flags) and bool(flags[0] & _FRAMES_ARE_TOLD) and any(frames)
