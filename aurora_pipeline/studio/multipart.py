"""Uploads in parts: begun, filled by number in any order, put together. They survive a restart in between.

A part is a file named by its number in the upload's folder; its ETag is the hash of its bytes, so what a client
completes with can be held against what arrived.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from .file_book import Multipart, StoredFile
from .storage import Files, TooLarge, save

MAX_PART_NUMBER = 10_000
MAX_FILE_BYTES = 5 * 1024**3
BLOCK_BYTES = 1024**2


class WrongParts(Exception):
    """What a client wants to complete is not what arrived; its text says which part."""


def begin(files: Files, file: StoredFile) -> str:
    """Open an upload that will become ``file``; returns its id, which is the permission to send parts."""
    upload_id = secrets.token_urlsafe(24)
    files.parts(upload_id).mkdir()
    files.book.add_multipart(upload_id, file)
    return upload_id


async def receive(files: Files, upload: Multipart, number: int, chunks: AsyncIterator[bytes]) -> str:
    """Store one part, in place of one of the same number; returns its ETag. Raises `TooLarge`."""
    folder = files.parts(upload.upload_id)
    half = folder / f".{number}.{secrets.token_hex(4)}"
    try:
        await save(chunks, half)
        etag = _etag(half)
        os.replace(half, folder / str(number))
    finally:
        half.unlink(missing_ok=True)
    return etag


def complete(files: Files, upload: Multipart, etags: Mapping[int, str]) -> None:
    """Put the named parts together, in the order of their numbers. Raises `WrongParts` or `TooLarge`.

    Asked again after it is done, it does nothing: a client whose answer was lost repeats it.
    """
    if upload.is_completed:
        return
    folder = files.parts(upload.upload_id)
    parts = [folder / str(number) for number in sorted(etags)]
    for part in parts:
        if not part.exists() or _etag(part) != etags[int(part.name)].strip():
            raise WrongParts(f"Part {part.name} did not arrive, or arrived with other bytes.")
    if sum(part.stat().st_size for part in parts) > MAX_FILE_BYTES:
        raise TooLarge
    whole = folder / ".whole"  # one at a time: the caller holds `Files.joining`
    _join(parts, whole)
    files.put(whole, upload.file)


def finish(files: Files, upload: Multipart) -> None:
    """Remember that it is done, and let go of its parts."""
    files.book.complete_multipart(upload.upload_id)
    shutil.rmtree(files.parts(upload.upload_id), ignore_errors=True)


def _etag(part: Path) -> str:
    with part.open("rb") as file:
        return f'"{hashlib.file_digest(file, "sha256").hexdigest()}"'


def _join(parts: list[Path], target: Path) -> None:
    with target.open("wb") as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole, BLOCK_BYTES)
