"""A job's URLs -> files on disk, checked before a render worker sees them.

Ours are read from disk, the API page's two examples are answered from samples/, `data:` URIs are decoded. Anything else
is fetched only from addresses of the open internet (`addresses`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import wave
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin

import httpx

from .addresses import CannotFetch, pinned
from .models import Arguments
from .refusals import Refused, refuse
from .storage import Files, file_id_of

EXAMPLES = "https://storage.googleapis.com/falserverless/example_inputs/creatify/aurora"
SAMPLES = {
    f"{EXAMPLES}/input_.png": Path(__file__).parent / "samples" / "portrait.png",
    f"{EXAMPLES}/input.wav": Path(__file__).parent / "samples" / "speech.wav",
}
MAX_INPUT_BYTES = 100 * 1024**2
FETCH_SECONDS = 60
MAX_REDIRECTS = 5
PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
# Demuxers of plain audio and video files. A playlist format would make us open what the file names.
SOUNDS = "wav,mp3,ogg,flac,aac,mov,mp4,m4a,matroska,webm,aiff"

KEPT_SIZES = 1024
_SIZES: dict[bytes, tuple[int, int]] = {}  # of portraits, by their bytes' hash


class BrokenPicture(Exception):
    """The file is no whole picture."""


async def fetch(url: str, argument: str, target: Path, files: Files) -> Path:
    """The file behind ``url``: in place when it is on this disk, else written to ``target``. Raises `Refused`."""
    try:
        if (file_id := file_id_of(url)) and files.knows(file_id):
            return _ours(file_id, files)
        if url in SAMPLES:
            return SAMPLES[url]
        if url.startswith("data:"):
            target.write_bytes(_decoded(url))
        else:
            async with asyncio.timeout(FETCH_SECONDS):
                await _download(url, target)
    except (CannotFetch, TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise refuse(
            "file_download_error", f"Failed to download the file: {reason}.", argument=argument, value=url
        ) from error
    return target


def _ours(file_id: str, files: Files) -> Path:
    path = files.path(file_id)
    if path is None:
        raise CannotFetch("it has expired, or was never uploaded")
    return path


def check_portrait(path: Path, asked: Arguments) -> None:
    """Raises `Refused` unless the file is a whole picture of a size the model takes."""
    try:
        width, height = _picture_size(path)
    except BrokenPicture as error:
        raise _refuse_image("image_load_error", "The image could not be read; use PNG, JPEG or WebP.", asked) from error
    least, most = asked.model.min_pixels, asked.model.max_pixels
    if least is not None and min(width, height) < least:
        sentence = f"The image is {width}x{height} pixels; each side needs at least {least}."
        raise _refuse_image("image_too_small", sentence, asked, min_height=least, min_width=least)
    if most is not None and max(width, height) > most:
        sentence = f"The image is {width}x{height} pixels; each side may have at most {most}."
        raise _refuse_image("image_too_large", sentence, asked, max_height=most, max_width=most)


def _picture_size(path: Path) -> tuple[int, int]:
    """Width and height. Raises `BrokenPicture`. A campaign sends the same few portraits: each is decoded once."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    if digest not in _SIZES:
        if len(_SIZES) >= KEPT_SIZES:
            _SIZES.clear()
        _SIZES[digest] = _decoded_size(path)
    return _SIZES[digest]


def _decoded_size(path: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(path, formats=PICTURES) as picture:
            picture.load()
            return picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BrokenPicture from error


def _refuse_image(error_type: str, sentence: str, asked: Arguments, **context: int) -> Refused:
    return refuse(error_type, sentence, argument=asked.model.fields["image"], value=asked.image, **context)


def check_speech(path: Path, asked: Arguments) -> float:
    """Seconds of audio. Raises `Refused` for what is not audio, or is shorter or longer than the model takes."""
    least, most = asked.model.min_seconds, asked.model.max_seconds
    seconds = sound_seconds(path, asked.model.fields["audio"], asked.audio, most)
    given = round(seconds, 3)
    if most is not None and seconds > most:
        sentence = f"The audio is {seconds:.1f} s long; at most {most:g} s are allowed."
        raise _refuse_audio("audio_duration_too_long", sentence, asked, max_duration=most, provided_duration=given)
    if least is not None and seconds < least:
        sentence = f"The audio is {seconds:.1f} s long; at least {least:g} s are needed."
        raise _refuse_audio("audio_duration_too_short", sentence, asked, min_duration=least, provided_duration=given)
    return seconds


def _wav_seconds(path: Path) -> float:
    """Seconds of plain whole PCM, at a hundredth of a decoder's cost; 0 for anything else."""
    try:
        with wave.open(str(path)) as sound:
            frames = sound.getnframes()
            is_whole = len(sound.readframes(frames)) == frames * sound.getnchannels() * sound.getsampwidth()
            return frames / sound.getframerate() if is_whole else 0.0
    except (wave.Error, EOFError, ZeroDivisionError):
        return 0.0


def sound_seconds(path: Path, argument: str, url: str, most: float | None = None) -> float:
    """Seconds of a sound that was sent as ``argument``; of one longer than ``most``, what its header says.

    Raises `Refused` for what is none.
    """
    if plain := _wav_seconds(path):
        return plain
    import av

    whitelists = {"protocol_whitelist": "file", "format_whitelist": SOUNDS}
    seconds = 0.0
    try:
        with av.open(f"file:{path}", options=whitelists) as container:
            if most is not None and container.duration and container.duration / av.time_base > most:
                return container.duration / av.time_base  # its own header says too much: no need to decode hours
            for frame in container.decode(container.streams.audio[0]):
                seconds += frame.samples / frame.sample_rate
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise no_sound(argument, url) from error
    if seconds == 0:
        raise no_sound(argument, url)
    return seconds


def no_sound(argument: str, url: str) -> Refused:
    """What cannot be read as a sound."""
    sentence = "The audio could not be read; use WAV, MP3, M4A, OGG or FLAC."
    return refuse("unsupported_audio_format", sentence, argument=argument, value=url)


def _refuse_audio(error_type: str, sentence: str, asked: Arguments, **context: float) -> Refused:
    return refuse(error_type, sentence, argument=asked.model.fields["audio"], value=asked.audio, **context)


def _decoded(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma:
        raise CannotFetch("the data URI has no comma")
    raw = unquote_to_bytes(body)
    try:
        return base64.b64decode(raw, validate=True) if head.endswith(";base64") else raw
    except binascii.Error as error:
        raise CannotFetch("the data URI is not base64") from error


async def _download(url: str, target: Path) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=FETCH_SECONDS, follow_redirects=False) as client:
        for _ in range(MAX_REDIRECTS + 1):
            there = await pinned(url)
            request = client.stream("GET", there.url, headers=there.headers, extensions=there.extensions)
            async with request as response:
                if not response.has_redirect_location:
                    await _save(response, target)
                    return
                url = urljoin(url, response.headers["Location"])
    raise CannotFetch(f"it redirects more than {MAX_REDIRECTS} times")


async def _save(response: httpx.Response, target: Path) -> None:
    if response.status_code != 200:
        raise CannotFetch(f"its host answered HTTP {response.status_code}")
    with target.open("wb") as file:
        async for chunk in response.aiter_bytes():
            file.write(chunk)
            if file.tell() > MAX_INPUT_BYTES:
                raise CannotFetch(f"it is larger than {MAX_INPUT_BYTES // 1024**2} MiB")
