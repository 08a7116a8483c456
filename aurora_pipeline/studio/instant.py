"""Order -> a still DRAFT card with the order's speech, for next to no CPU: for load tests and fault tables.

The card is the same for every portrait of a size. Its picture is encoded once a size, as long as the longest speech so
far; a clip takes the frames it needs. The sound is the speech itself, as mono AAC of at most 16 kHz: encoding it is
nearly the whole cost, so a whole file is kept and handed out again for the same speech at the same size. Faces are not
looked for; lengths, and so bills, are those of the talking head: the speech's, in whole frames.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import math
import threading
import wave
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar

from . import mp4
from .renderer import Order, RenderRefused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Key = TypeVar("Key")
Value = TypeVar("Value")

FPS = 25
AAC_RATES = (16_000, 12_000, 11_025, 8_000)
KEY_EVERY = 250  # frames
KEPT_FILES = 256
KEPT_SIZES = 1024
X264 = {
    "preset": "ultrafast",
    "tune": "zerolatency",  # a frame in, a packet out: a stream can be cut anywhere
    "crf": "24",
    "x264-params": f"keyint={KEY_EVERY}:scenecut=0:colorprim=bt709:transfer=bt709:colormatrix=bt709",
}


class InstantWorker:
    """Completes an order ``seconds`` after its request was started, whatever its length."""

    def __init__(self, cards: Cards, seconds: float) -> None:
        self.cards = cards
        self.seconds = seconds

    async def render(self, order: Order, on_frame: Callable[[int, int], None]) -> float:
        """Write the card to ``order.target``. Raises `RenderRefused` for what is no picture or no sound."""
        frames = await asyncio.to_thread(self.cards.write, order)
        began = order.started_at or datetime.now(UTC)
        await asyncio.sleep(max(0.0, self.seconds - (datetime.now(UTC) - began).total_seconds()))
        on_frame(frames, frames)
        return frames / FPS

    async def stop(self) -> None:
        """Nothing runs beside this process."""


class Cards:
    """Makes cards, and keeps what can be used again. May be called from several threads."""

    def __init__(self) -> None:
        self._streams: dict[tuple[int, int], _Stream] = {}
        self._lock = threading.Lock()
        self._sizes: dict[tuple[bytes, int], tuple[int, int]] = {}
        self._made: dict[tuple[bytes, tuple[int, int]], tuple[bytes, int]] = {}

    def write(self, order: Order) -> int:
        """Write one order's file; returns its number of frames."""
        short_side = int(order.resolution.removesuffix("p"))
        size, speech = self._size(order.portrait.read_bytes(), short_side), order.audio.read_bytes()
        key = hashlib.sha256(speech).digest(), size
        if (made := self._made.get(key)) is None:
            made = self._make(speech, size)
            with self._lock:
                _keep(self._made, key, made, KEPT_FILES)
        order.target.write_bytes(made[0])
        return made[1]

    def _size(self, portrait: bytes, short_side: int) -> tuple[int, int]:
        key = hashlib.sha256(portrait).digest(), short_side
        if (size := self._sizes.get(key)) is None:
            size = _size(portrait, short_side)
            with self._lock:
                _keep(self._sizes, key, size, KEPT_SIZES)
        return size

    def _make(self, speech: bytes, size: tuple[int, int]) -> tuple[bytes, int]:
        from .head.badge import COMMENT

        samples, rate = _heard(speech)
        frames = math.ceil(round(len(samples) / rate * FPS, 6))
        with self._lock:
            if size not in self._streams:
                self._streams[size] = _Stream(size)
            picture = self._streams[size].picture(frames)
        return mp4.file_of(picture, _encoded(samples, rate), comment=COMMENT), frames


class _Stream:
    """The picture stream of one size, encoded as far as it has been asked for."""

    def __init__(self, size: tuple[int, int]) -> None:
        import av
        import numpy as np

        self.size = size
        self.encoder: Any = av.CodecContext.create("libx264", "w")
        self.encoder.width, self.encoder.height = size
        self.encoder.pix_fmt, self.encoder.time_base = "yuv420p", Fraction(1, FPS)
        self.encoder.framerate = Fraction(FPS)
        self.encoder.options, self.encoder.thread_count = X264, 1
        self.encoder.flags |= 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER: parameters once, not in every key frame
        card: Any = av.VideoFrame.from_ndarray(np.asarray(_card(size)), format="rgb24")
        self.card = card.reformat(format="yuv420p", dst_colorspace="ITU709")
        self.frames: list[bytes] = []

    def picture(self, frames: int) -> mp4.Picture:
        while len(self.frames) < frames:
            self.card.pts = len(self.frames)
            self.frames += [mp4.framed(bytes(packet)) for packet in self.encoder.encode(self.card)]
        keys = tuple(range(0, frames, KEY_EVERY))
        avcc = mp4.avcc_of(bytes(self.encoder.extradata))
        return mp4.Picture(*self.size, FPS, avcc, keys, self.frames[:frames])


def _keep(kept: dict[Key, Value], key: Key, value: Value, most: int) -> None:
    """Remember a value; what has been there longest goes."""
    while len(kept) >= most:
        del kept[next(iter(kept))]
    kept[key] = value


def _card(size: tuple[int, int]) -> Any:
    """DRAFT in the middle of a dark picture, and the badge that every draft carries."""
    from PIL import Image, ImageDraw, ImageFont

    from .head.badge import SUBTITLE, TITLE, badge

    picture = Image.new("RGB", size, (38, 42, 54))
    draw = ImageDraw.Draw(picture)
    middle, big = (size[0] / 2, size[1] / 2), min(size) // 5
    draw.text(middle, TITLE, font=ImageFont.load_default(big), fill=(255, 196, 64), anchor="mm")
    below = (middle[0], middle[1] + big)
    draw.text(below, SUBTITLE, font=ImageFont.load_default(max(10, big // 6)), fill=(235, 235, 235), anchor="mm")
    mark, corner = badge(*size)
    picture.paste(mark, corner, mark)
    return picture


def _size(portrait: bytes, short_side: int) -> tuple[int, int]:
    """The size of a talking head of this portrait: its shorter side at ``short_side``, both even."""
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(portrait)) as picture:
            width, height = ImageOps.exif_transpose(picture).size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RenderRefused("image_load_error", "the picture could not be read") from error
    factor = short_side / min(width, height)
    return round(width * factor / 2) * 2, round(height * factor / 2) * 2


def _heard(speech: bytes) -> tuple[NDArray[np.float32], int]:
    """Mono samples from -1 to 1, and their rate."""
    import numpy as np

    plain = _plain_wav(speech)
    if plain is None:
        return _decoded(speech)
    sound, channels, rate = plain
    samples = np.frombuffer(sound, "<i2").reshape(-1, channels).mean(axis=1, dtype=np.float32) / 32768
    return samples.astype(np.float32), rate


def _plain_wav(speech: bytes) -> tuple[bytes, int, int] | None:
    """Samples, channels and rate of 16-bit PCM; None for other sounds. Ten times cheaper than a decoder."""
    try:
        with wave.open(io.BytesIO(speech)) as sound:
            if sound.getsampwidth() != 2 or sound.getnframes() == 0:
                return None
            whole = sound.readframes(sound.getnframes())
            return whole[: len(whole) // (2 * sound.getnchannels()) * 2 * sound.getnchannels()], *_shape(sound)
    except (wave.Error, EOFError):
        return None


def _shape(sound: wave.Wave_read) -> tuple[int, int]:
    return sound.getnchannels(), sound.getframerate()


def _decoded(speech: bytes) -> tuple[NDArray[np.float32], int]:
    import av
    import numpy as np

    rate = AAC_RATES[0]
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    try:
        with av.open(io.BytesIO(speech), "r") as container:
            frames: list[Any] = [*container.decode(container.streams.audio[0]), None]
        pieces = [made.to_ndarray()[0] for frame in frames for made in resampler.resample(frame)]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise RenderRefused("unsupported_audio_format", "the audio could not be read") from error
    samples = np.concatenate([*pieces, np.zeros(0, np.float32)]).astype(np.float32)
    if not len(samples):
        raise RenderRefused("unsupported_audio_format", "the audio is empty")
    return samples, rate


def _encoded(samples: NDArray[np.float32], rate: int) -> mp4.Sound:
    import av
    import numpy as np

    samples, rate = _slower(samples, rate)
    encoder: Any = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = rate, "mono", "fltp", 48_000
    encoder.options = {"aac_coder": "fast"}
    encoder.flags |= 1 << 22  # AV_CODEC_FLAG_GLOBAL_HEADER
    padded = np.zeros((1, math.ceil(len(samples) / 1024) * 1024), np.float32)
    padded[0, : len(samples)] = samples
    packets: list[Any] = []
    for start in range(0, padded.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(padded[:, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    needed = math.ceil((len(samples) + 1024) / 1024)
    return mp4.Sound(rate, bytes(encoder.extradata), 1024, len(samples), [bytes(packet) for packet in packets][:needed])


def _slower(samples: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float32], int]:
    """The sound at a rate AAC has, 16 kHz at most: means of neighbours where the rates divide, else interpolated."""
    import numpy as np

    if rate in AAC_RATES:
        return samples, rate
    wanted = next((slow for slow in AAC_RATES if rate % slow == 0), AAC_RATES[0])
    count = max(1, round(len(samples) * wanted / rate))
    if rate % wanted == 0:
        step = rate // wanted
        padded = np.pad(samples, (0, count * step - len(samples)) if count * step > len(samples) else (0, 0))
        return padded[: count * step].reshape(-1, step).mean(axis=1, dtype=np.float32), wanted
    places = np.arange(count) * (rate / wanted)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32), wanted
