"""Portrait + audio -> a draft talking-head video: 25 fps H.264 and AAC, marked DRAFT in every frame.

Frames go raw into ffmpeg's standard input, exactly ceil(seconds * 25) of them: `-shortest` would buffer half a gigabyte
and cut frames (reference/studio.md 4). If this process dies, its end of the pipe closes and ffmpeg ends by itself.
The same portrait and audio give the same bytes on one machine: one encoder thread, no dates, a seed from both files.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ...gear import ffmpeg
from ...gear.faces import find_face
from .badge import COMMENT, Stamp
from .head import Head
from .lips import FPS, LipTrack, lip_track
from .motion import HeadMotion, head_motion

SAMPLE_RATE = 16_000  # what the lips listen to; the sound in the video keeps its own
# True High profile at about a third of veryfast's CPU seconds (reference/media.md 4).
X264 = "cabac=1:8x8dct=1:bframes=2:b-adapt=0:weightp=1"
BT709 = {"range": "tv", "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}


class NoFace(ValueError):
    """There is no face in the picture that could speak."""


class NotAPicture(ValueError):
    """The file is not a picture that can be read."""


class NotSound(ValueError):
    """The file holds no sound that can be read."""


@dataclass(frozen=True)
class Rendered:
    """What was made: size in pixels, number of frames, and ``seconds`` of picture."""

    width: int
    height: int
    frames: int
    seconds: float


def render(
    portrait: Path,
    audio: Path,
    target: Path,
    *,
    resolution: str,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> Rendered:
    """Render the draft to ``target`` (written beside it first, then renamed).

    ``resolution`` is the shorter side in pixels, as models name it: ``480p``, ``720p``. ``on_frame(done, total)``
    follows every frame.
    Raises `NotAPicture`, `NotSound` or `NoFace`.
    """
    head = _head(portrait.read_bytes(), resolution)
    lips = lip_track(_heard(audio), SAMPLE_RATE)
    size = head.size
    motion = head_motion(len(lips), lips.energy, seed=_seed(portrait, audio), face_size=head.face_size)
    half = target.with_name(f".{target.name}.{os.getpid()}.mp4")
    try:
        _encode(head, lips, motion, audio, half, on_frame)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)
    return Rendered(*size, len(lips), len(lips) / FPS)


def _encode(
    head: Head,
    lips: LipTrack,
    motion: HeadMotion,
    audio: Path,
    half: Path,
    on_frame: Callable[[int, int], None],
) -> None:
    stamp = Stamp(head.canvas)
    command = [ffmpeg.executable(), *_arguments(head.size, audio, half)]
    # Its log goes to a file: a broken sound can fill a pipe that nobody reads before the last frame.
    with tempfile.TemporaryFile() as log, _running(command, log) as encoder:
        frames = cast("IO[bytes]", encoder.stdin)
        for i in range(len(lips)):
            _draw(head, lips, motion, i)
            try:
                with stamp.on():
                    frames.write(head.canvas.data.data)
            except BrokenPipeError:
                break  # it has ended; its log says why
            on_frame(i + 1, len(lips))
        _close(frames)
        if encoder.wait() != 0:
            log.seek(0)
            raise RuntimeError(f"ffmpeg could not encode the draft: {log.read().decode(errors='replace')[-500:]}")


@contextlib.contextmanager
def _running(command: list[str], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process fed through its standard input; it never outlives the block."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, pipesize=1 << 20)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        _close(cast("IO[bytes]", process.stdin))


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(BrokenPipeError):  # what nobody reads any more need not be flushed
        pipe.close()


def _draw(head: Head, lips: LipTrack, motion: HeadMotion, i: int) -> None:
    """Frame ``i`` into the head's canvas."""
    head.show(
        opening=float(lips.opening[i]),
        spread=float(lips.spread[i]),
        voice=float(lips.voice[i]),
        lids=float(motion.lids[i]),
    )
    head.move(
        shift_x=float(motion.shift_x[i]),
        shift_y=float(motion.shift_y[i]),
        turn=float(motion.turn[i]),
        scale=float(motion.scale[i]),
    )


def _arguments(size: tuple[int, int], audio: Path, half: Path) -> list[str]:
    """ffmpeg's arguments: raw frames from standard input, the sound from its file."""
    import ffmpeg as graph

    frames = graph.input("pipe:0", format="rawvideo", pix_fmt="nv12", s=f"{size[0]}x{size[1]}", r=FPS)
    video = frames.video.filter("setparams", **BT709)
    options: dict[str, Any] = {
        "c:v": "libx264",
        "preset": "ultrafast",
        "crf": 20,
        "profile:v": "high",
        "x264-params": X264,
        "g": 50,
        "threads": 1,
        "c:a": "aac",
        "b:a": "128k",
        "ar": 48000,
        "ac": 2,
        "map_metadata": -1,
        "fflags": "+bitexact",
        "flags:v": "+bitexact",
        "flags:a": "+bitexact",
        "metadata": f"comment={COMMENT}",
        "movflags": "+faststart",
    }
    output = graph.output(video, ffmpeg.source(audio)["a:0"], ffmpeg.target(half), **options)
    return ["-hide_banner", "-nostats", "-v", "error", "-y", *graph.get_args(output)]


@functools.lru_cache(maxsize=4)
def _head(portrait: bytes, resolution: str) -> Head:
    """A campaign shows the same few faces again and again: their mouths are drawn once."""
    picture = _fitted(_opened(portrait), int(resolution.removesuffix("p")))
    face = find_face(picture)
    if face is None:
        raise NoFace("no face was found in the picture")
    return Head(picture, face)


def _opened(portrait: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(portrait)) as file:
            return ImageOps.exif_transpose(file).convert("RGB")
    # Pillow's readers raise these for files that are broken inside.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NotAPicture(f"the picture could not be read ({type(error).__name__})") from None


def _fitted(picture: Image.Image, short_side: int) -> Image.Image:
    """The picture with its shorter side at ``short_side``, both sides even."""
    factor = short_side / min(picture.size)
    width, height = (round(side * factor / 2) * 2 for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _heard(audio: Path) -> NDArray[np.float32]:
    """Mono samples of any sound ffmpeg reads, -1 to 1."""
    from ...errors import FfmpegFailed

    arguments = ["-protocol_whitelist", "file,pipe", "-i", ffmpeg.target(audio), "-vn", "-map", "0:a:0", "-ac", "1"]
    try:
        ran = ffmpeg.run([*arguments, "-ar", str(SAMPLE_RATE), "-f", "f32le", "pipe:1"])
    except FfmpegFailed:
        raise NotSound("the audio could not be read") from None
    samples = np.frombuffer(ran.stdout, np.float32)
    if len(samples) == 0:
        raise NotSound("the audio is empty")
    return samples


def _seed(*files: Path) -> int:
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()
    return int.from_bytes(digest[:4], "big")
