"""Media file -> Probe: what a file says of itself, and what is really in it.

No wheel carries ffprobe, so PyAV reads the header and every packet (without decoding), and a walk over the top-level
MP4 boxes tells a file cut short from a whole one: the header of a truncated file still promises its full length
(reference/media.md 2). Lengths are therefore counted from packets, never copied from the header.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import FfmpegFailed, VideoUnusable
from . import ffmpeg

SHORT_OF_HEADER_SECONDS = 0.1  # packets may end this much before the header's promise (edit lists, rounding)


@dataclass(frozen=True)
class Box:
    """One top-level MP4 box. ``is_whole`` is False when it claims more bytes than the file has."""

    kind: str
    start: int
    size: int
    is_whole: bool


@dataclass(frozen=True)
class Probe:
    """One media file. Seconds are measured from packets; ``rate`` is frames a second as a fraction (0 without picture).

    Colours are the ITU code points of the stream (1 is bt709, 2 is unset); ``colour_range`` 1 is tv, 2 is full.
    """

    width: int
    height: int
    rate: Fraction
    frames: int
    video_seconds: float
    audio_seconds: float
    video_start: float
    audio_start: float
    video_codec: str
    profile: str
    pix_fmt: str
    audio_codec: str
    sample_rate: int
    channels: int
    colour_range: int
    colour_matrix: int
    colour_primaries: int
    colour_transfer: int
    comment: str
    is_faststart: bool
    is_truncated: bool

    @property
    def fps(self) -> float:
        return float(self.rate)

    @property
    def has_picture(self) -> bool:
        return self.frames > 0

    @property
    def has_audio(self) -> bool:
        return self.audio_seconds > 0


@dataclass
class _Span:
    """What the packets of one stream cover, in seconds."""

    start: float = 0.0
    end: float = 0.0
    packets: int = 0

    def add(self, start: float, seconds: float) -> None:
        self.start = min(self.start, start) if self.packets else start
        self.end = max(self.end, start + seconds)
        self.packets += 1


def probe(path: Path) -> Probe:
    """Read an MP4's header, packets and boxes. Raises `VideoUnusable` when the file is no readable MP4."""
    import av

    boxes = tuple(walk_boxes(path))
    try:
        # The demuxer is fixed: a file that is really a playlist must not make us open what it names.
        with av.open(ffmpeg.target(path), format="mp4", options={"protocol_whitelist": "file"}) as container:
            video = next(iter(container.streams.video), None)
            audio = next(iter(container.streams.audio), None)
            spans, is_whole = _spans(container)
            return _read(container, video, audio, spans, boxes=boxes, is_whole=is_whole)
    except (av.FFmpegError, ValueError) as error:
        raise VideoUnusable(f"the file cannot be read as MP4 video: {_reason(boxes, error)}") from error


def walk_boxes(path: Path) -> Iterator[Box]:
    """The top-level boxes of an MP4 file, in order."""
    with path.open("rb") as file:
        end, start = file.seek(0, 2), 0
        while start + 8 <= end:
            file.seek(start)
            head = file.read(16)
            size = int.from_bytes(head[:4], "big")
            size = int.from_bytes(head[8:16], "big") if size == 1 else size or end - start
            yield Box(head[4:8].decode("latin-1"), start, size, start + size <= end)
            start += max(size, 8)


def decode_errors(path: Path, *, stop: threading.Event | None = None) -> tuple[str, ...]:
    """Decode every frame and sample strictly; what ffmpeg complained about, empty when the file is clean.

    Raises `Interrupted` when ``stop`` is set.
    """
    strict = ("-v", "error", "-xerror", "-err_detect", "explode", "-threads", "1")
    whole = ("-protocol_whitelist", "file,pipe", "-i", ffmpeg.target(path), "-map", "0:v?", "-map", "0:a?")
    try:
        ran = ffmpeg.run([*strict, *whole, "-f", "null", "-"], stop=stop)
    except FfmpegFailed as failure:
        return _complaints(str(failure))
    return tuple(line for line in ran.stderr.splitlines() if line.strip())


def _complaints(failure: str) -> tuple[str, ...]:
    said = failure.partition("Its last lines:\n")[2].partition("\n  The command was:")[0]
    return tuple(line.strip() for line in said.splitlines()) or (failure,)


def _reason(boxes: tuple[Box, ...], error: Exception) -> str:
    kinds = {box.kind for box in boxes}
    if "ftyp" in kinds and "moov" not in kinds:
        return "it is cut short before its index (no moov box)"
    if "ftyp" not in kinds:
        return "it does not begin like one (no ftyp box)"
    return str(error).partition(": '")[0]


def _spans(container: Any) -> tuple[dict[int, _Span], bool]:
    """What each stream's packets cover, and whether they could be read to the end."""
    import av

    spans: dict[int, _Span] = {stream.index: _Span() for stream in container.streams}
    try:
        for packet in container.demux():
            if packet.pts is None or packet.size == 0 or packet.is_discard:
                continue
            base = packet.time_base
            spans[packet.stream.index].add(float(packet.pts * base), float((packet.duration or 0) * base))
    except av.FFmpegError:
        return spans, False
    return spans, True


def _read(
    container: Any, video: Any, audio: Any, spans: dict[int, _Span], *, boxes: tuple[Box, ...], is_whole: bool
) -> Probe:
    seen = spans[video.index] if video else _Span()
    heard = spans[audio.index] if audio else _Span()
    picture = video.codec_context if video else None
    sound = audio.codec_context if audio else None
    is_short = any(_is_short(stream, span) for stream, span in ((video, seen), (audio, heard)) if stream)
    return Probe(
        width=picture.width if picture else 0,
        height=picture.height if picture else 0,
        rate=Fraction(video.guessed_rate or video.average_rate or 0) if video else Fraction(0),
        frames=seen.packets,
        video_seconds=round(seen.end - seen.start, 6),
        audio_seconds=round(heard.end - max(heard.start, 0.0), 6) if audio else 0.0,  # less the encoder's run-in
        video_start=round(seen.start, 6),
        audio_start=round(max(heard.start, 0.0), 6),
        video_codec=picture.name if picture else "",
        profile=str(picture.profile or "") if picture else "",
        pix_fmt=str(picture.pix_fmt or "") if picture else "",
        audio_codec=sound.name if sound else "",
        sample_rate=sound.sample_rate if sound else 0,
        channels=sound.layout.nb_channels if sound else 0,
        colour_range=int(picture.color_range) if picture else 0,
        colour_matrix=int(picture.colorspace) if picture else 2,
        colour_primaries=int(picture.color_primaries) if picture else 2,
        colour_transfer=int(picture.color_trc) if picture else 2,
        comment=str(container.metadata.get("comment", "")),
        is_faststart=_is_faststart(boxes),
        is_truncated=is_short or not is_whole or not all(box.is_whole for box in boxes),
    )


def _is_short(stream: Any, span: _Span) -> bool:
    promised = float(stream.duration * stream.time_base) if stream.duration else 0.0
    return span.end - span.start < promised - SHORT_OF_HEADER_SECONDS


def _is_faststart(boxes: tuple[Box, ...]) -> bool:
    """Whether a player may begin before the whole file has come: the index lies before the media."""
    kinds = [box.kind for box in boxes]
    return "moov" in kinds and "mdat" in kinds and kinds.index("moov") < kinds.index("mdat")
