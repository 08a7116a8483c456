"""Packets of one H.264 and one AAC stream -> the bytes of an MP4 file, its index first. Pure.

Written by hand because a file of the instant renderer must cost next to nothing: ffmpeg's muxer needs a file to write
and read again, and an opened encoder for each stream. Boxes as in ISO/IEC 14496-12, -14 and -15.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

MOVIE_SCALE = 1000
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
UND = 0x55C4  # the language "undetermined"


@dataclass(frozen=True)
class Picture:
    """An H.264 stream of ``fps`` frames a second; ``avcc`` is its avcC record, the first frame a key frame."""

    width: int
    height: int
    fps: int
    avcc: bytes
    key_frames: tuple[int, ...]
    frames: Sequence[bytes]


@dataclass(frozen=True)
class Sound:
    """A mono AAC stream; ``run_in`` samples at its start are not to be heard, ``samples`` after them are."""

    rate: int
    config: bytes
    run_in: int
    samples: int
    frames: Sequence[bytes]


def file_of(picture: Picture, sound: Sound, *, comment: str) -> bytes:
    """The whole file: each stream in one piece, the picture first."""
    head = _box("ftyp", b"isom", _u32(512), b"isomiso2avc1mp41")
    index = _index(picture, sound, comment, (0, 0))  # offsets have one width: a first go tells where the media begin
    start = len(head) + len(index) + 8
    shown = sum(map(len, picture.frames))
    index = _index(picture, sound, comment, (start, start + shown))
    return b"".join([head, index, _box("mdat", *picture.frames, *sound.frames)])


def avcc_of(annex_b: bytes) -> bytes:
    """The avcC record of an encoder's global header."""
    units = nal_units(annex_b)
    sps = next(unit for unit in units if unit[0] & 31 == 7)
    pps = next(unit for unit in units if unit[0] & 31 == 8)
    high = b"\xfd\xf8\xf8\x00" if sps[1] == 100 else b""  # 4:2:0, 8 bits, no extensions
    return b"".join(
        [b"\x01", sps[1:4], b"\xff\xe1", _u16(len(sps)), sps, b"\x01", _u16(len(pps)), pps, high],
    )


def framed(annex_b: bytes) -> bytes:
    """One encoded frame with lengths in place of start codes."""
    return b"".join(_u32(len(unit)) + unit for unit in nal_units(annex_b))


def nal_units(annex_b: bytes) -> list[bytes]:
    """The units between start codes."""
    pieces = annex_b.split(b"\x00\x00\x01")[1:]
    return [piece.rstrip(b"\x00") if i < len(pieces) - 1 else piece for i, piece in enumerate(pieces)]


def _index(picture: Picture, sound: Sound, comment: str, offsets: tuple[int, int]) -> bytes:
    shown = len(picture.frames) * MOVIE_SCALE // picture.fps
    heard = sound.samples * MOVIE_SCALE // sound.rate
    rest = _u32(0x10000) + _u16(0x100) + bytes(10) + MATRIX + bytes(24) + _u32(3)
    header = _full("mvhd", 0, _u32(0), _u32(0), _u32(MOVIE_SCALE), _u32(max(shown, heard)), rest)
    return _box("moov", header, _shown(picture, shown, offsets[0]), _heard(sound, heard, offsets[1]), _tags(comment))


def _shown(picture: Picture, seconds: int, offset: int) -> bytes:
    count = len(picture.frames)
    track = _track_header(1, seconds, 0, picture.width, picture.height)
    entry = _box(
        "avc1",
        bytes(6) + _u16(1) + bytes(16) + _u16(picture.width) + _u16(picture.height),
        _u32(0x480000) * 2 + bytes(4) + _u16(1) + bytes(32) + _u16(24) + b"\xff\xff",
        _box("avcC", picture.avcc),
    )
    keys = [key for key in picture.key_frames if key < count]
    sync = _full("stss", 0, _u32(len(keys)), b"".join(_u32(key + 1) for key in keys))
    table = _table(entry, [(count, 1)], picture.frames, offset, sync)
    media = _media(picture.fps, count, b"vide", _full("vmhd", 1, bytes(8)), table)
    return _box("trak", track, _edit(seconds, 0), media)


def _heard(sound: Sound, seconds: int, offset: int) -> bytes:
    count, whole = len(sound.frames), sound.run_in + sound.samples
    last = whole - 1024 * (count - 1)
    entry = _box(
        "mp4a",
        bytes(6) + _u16(1) + bytes(8) + _u16(1) + _u16(16) + bytes(4) + _u32(sound.rate << 16),
        _full("esds", 0, _elementary(sound.config)),
    )
    runs = [(count - 1, 1024), (1, last)] if count > 1 else [(1, last)]
    table = _table(entry, runs, sound.frames, offset, b"")
    media = _media(sound.rate, whole, b"soun", _full("smhd", 0, bytes(4)), table)
    return _box("trak", _track_header(2, seconds, 0x100, 0, 0), _edit(seconds, sound.run_in), media)


def _track_header(number: int, seconds: int, volume: int, width: int, height: int) -> bytes:
    times = _u32(0) + _u32(0) + _u32(number) + bytes(4) + _u32(seconds) + bytes(12)
    return _full("tkhd", 3, times, _u16(volume) + bytes(2) + MATRIX, _u32(width << 16) + _u32(height << 16))


def _edit(seconds: int, start: int) -> bytes:
    return _box("edts", _full("elst", 0, _u32(1), _u32(seconds), _u32(start), _u32(0x10000)))


def _media(scale: int, length: int, kind: bytes, header: bytes, table: bytes) -> bytes:
    times = _full("mdhd", 0, _u32(0), _u32(0), _u32(scale), _u32(length), _u16(UND), _u16(0))
    handler = _full("hdlr", 0, bytes(4), kind, bytes(12), b"\0")
    here = _box("dinf", _full("dref", 0, _u32(1), _full("url ", 1)))
    return _box("mdia", times, handler, _box("minf", header, here, table))


def _table(entry: bytes, runs: Sequence[tuple[int, int]], frames: Sequence[bytes], offset: int, sync: bytes) -> bytes:
    """Where every frame is and how long it lasts; all of a stream's frames are one chunk."""
    times = b"".join(_u32(count) + _u32(length) for count, length in runs)
    sizes = struct.pack(f">{len(frames)}I", *map(len, frames))
    return _box(
        "stbl",
        _full("stsd", 0, _u32(1), entry),
        _full("stts", 0, _u32(len(runs)), times),
        sync,
        _full("stsc", 0, _u32(1), _u32(1), _u32(len(frames)), _u32(1)),
        _full("stsz", 0, _u32(0), _u32(len(frames)), sizes),
        _full("stco", 0, _u32(1), _u32(offset)),
    )


def _elementary(config: bytes) -> bytes:
    """The MPEG-4 descriptors of an AAC stream."""
    told = _descriptor(4, b"\x40\x15" + bytes(11), _descriptor(5, config))
    return _descriptor(3, _u16(0) + b"\0", told, _descriptor(6, b"\x02"))


def _descriptor(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return bytes([tag, len(body)]) + body


def _tags(comment: str) -> bytes:
    text = _box("data", _u32(1), _u32(0), comment.encode())
    handler = _full("hdlr", 0, bytes(4), b"mdir", b"appl", bytes(8), b"\0")
    return _box("udta", _full("meta", 0, handler, _box("ilst", _box("\xa9cmt", text))))


def _box(kind: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _u32(len(body) + 8) + kind.encode("latin-1") + body


def _full(kind: str, flags: int, *parts: bytes) -> bytes:
    return _box(kind, _u32(flags), *parts)


def _u16(number: int) -> bytes:
    return struct.pack(">H", number)


def _u32(number: int) -> bytes:
    return struct.pack(">I", number)
