"""A job's URLs -> files on disk, checked before a render worker sees them.

Ours are read from disk, the API page's two examples are answered from samples/, `data:` URIs are decoded. Anything else
is fetched only from addresses of the open internet, which are resolved once and then connected to by number: a job must
not make the studio read the neighbourhood it runs in.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import socket
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin

import httpx

from .aurora import MAX_AUDIO_SECONDS, Refused, refuse
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


class CannotFetch(Exception):
    """Why a URL gave no file; becomes a 422 file_download_error."""


async def fetch(url: str, argument: str, target: Path, files: Files) -> Path:
    """The file behind ``url``: in place when it is on this disk, else written to ``target``. Raises `Refused`."""
    try:
        if (file_id := file_id_of(url)) and (path := files.path(file_id)):
            return path
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


def check_portrait(path: Path, url: str) -> None:
    """Raises `Refused` (image_load_error) unless the file is a whole picture."""
    from PIL import Image

    try:
        with Image.open(path, formats=PICTURES) as picture:
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise refuse("image_load_error", "The image could not be read; use PNG, JPEG or WebP.", value=url) from error


def check_speech(path: Path, url: str) -> float:
    """Seconds of audio. Raises `Refused` for what is not audio or is longer than Aurora takes."""
    seconds = _audio_seconds(path, url)
    if seconds > MAX_AUDIO_SECONDS:
        raise refuse(
            "audio_duration_too_long",
            f"The audio is {seconds:.1f} s long; at most {MAX_AUDIO_SECONDS} s are allowed.",
            value=url,
            max_duration=MAX_AUDIO_SECONDS,
            provided_duration=round(seconds, 3),
        )
    return seconds


def _audio_seconds(path: Path, url: str) -> float:
    import av

    whitelists = {"protocol_whitelist": "file", "format_whitelist": SOUNDS}
    seconds = 0.0
    try:
        with av.open(f"file:{path}", options=whitelists) as container:
            if container.duration and container.duration / av.time_base > MAX_AUDIO_SECONDS:
                return container.duration / av.time_base  # its own header says too much: no need to decode hours
            for frame in container.decode(container.streams.audio[0]):
                seconds += frame.samples / frame.sample_rate
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise _no_speech(url) from error
    if seconds == 0:
        raise _no_speech(url)
    return seconds


def _no_speech(url: str) -> Refused:
    return refuse("unsupported_audio_format", "The audio could not be read; use WAV, MP3, M4A, OGG or FLAC.", value=url)


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
            there = httpx.URL(url)
            pinned = there.copy_with(host=await _open_address(there))
            names = {"Host": there.netloc.decode("ascii")}
            request = client.stream("GET", pinned, headers=names, extensions={"sni_hostname": there.host})
            async with request as response:
                if not response.has_redirect_location:
                    await _save(response, target)
                    return
                url = urljoin(url, response.headers["Location"])
    raise CannotFetch(f"it redirects more than {MAX_REDIRECTS} times")


async def _open_address(url: httpx.URL) -> str:
    """One address of the URL's host. Raises `CannotFetch` unless every address it has is of the open internet."""
    if url.scheme not in ("http", "https") or not url.host:
        raise CannotFetch("it is not an http, https or data URL")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotFetch(f"the host '{url.host}' is not known") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(_is_open(address) for address in addresses):
        raise CannotFetch(f"the host '{url.host}' is not on the open internet")
    return addresses[0]


def _is_open(address: str) -> bool:
    number = ipaddress.ip_address(address.partition("%")[0])
    bare = getattr(number, "ipv4_mapped", None) or number
    return bool(bare.is_global and not bare.is_multicast)


async def _save(response: httpx.Response, target: Path) -> None:
    if response.status_code != 200:
        raise CannotFetch(f"its host answered HTTP {response.status_code}")
    with target.open("wb") as file:
        async for chunk in response.aiter_bytes():
            file.write(chunk)
            if file.tell() > MAX_INPUT_BYTES:
                raise CannotFetch(f"it is larger than {MAX_INPUT_BYTES // 1024**2} MiB")
