"""Files on disk under unguessable names, as fal's CDN keeps them: whoever has the URL may read.

A file appears whole or not at all, and is gone when its life is over. Its address is a path (`/files/<id>/<name>` on
v3.fal.media), never a full URL: ports change over restarts.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from .book_tables import now
from .file_book import FileBook, StoredFile

CDN = "v3.fal.media"
MAX_UPLOAD_BYTES = 1024**3  # in one request; larger files come in parts
ABANDONED_AFTER = timedelta(days=7)  # an upload in parts that was not completed by then never will be
SAFE_TO_SHOW = re.compile(r"(image/(?!svg)|audio/|video/)[\w.+-]+")
_ADDRESS = re.compile(rf"(?:/{re.escape(CDN)})?/files/([0-9a-f]{{32}})/[^/]+")


class TooLarge(Exception):
    """An upload beyond `MAX_UPLOAD_BYTES`, or parts beyond `multipart.MAX_FILE_BYTES`."""


class Files:
    """Uploaded and rendered files."""

    def __init__(self, folder: Path, book: FileBook) -> None:
        self.folder = folder
        self.book = book
        self.joining = asyncio.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def reserve(self, name: str, content_type: str, life_seconds: float | None = None) -> StoredFile:
        """A new address that holds nothing yet; ``signature`` is the permission to fill it."""
        expires_at = None if life_seconds is None else now() + timedelta(seconds=life_seconds)
        facts = (secrets.token_hex(16), safe_name(name), content_type, secrets.token_urlsafe(24))
        file = StoredFile(*facts, expires_at)
        self.book.add_file(file)
        return file

    async def fill(self, file: StoredFile, chunks: AsyncIterator[bytes]) -> None:
        """Store an upload's bytes; a repeated upload replaces them. Raises `TooLarge`."""
        half = self.folder / f".{file.file_id}.{secrets.token_hex(4)}"
        try:
            await save(chunks, half)
            os.replace(half, self._home(file.file_id))
        finally:
            half.unlink(missing_ok=True)

    def adopt(self, source: Path, name: str, content_type: str, life_seconds: float | None = None) -> StoredFile:
        """Move a finished file (of the same disk) in."""
        file = self.reserve(name, content_type, life_seconds)
        self.put(source, file)
        return file

    def put(self, source: Path, file: StoredFile) -> None:
        """Move a finished file (of the same disk) to an address that was reserved for it."""
        os.replace(source, self._home(file.file_id))

    def path(self, file_id: str) -> Path | None:
        """Where the bytes are; None while there are none, or no longer any."""
        home, file = self._home(file_id), self.book.file(file_id)
        return home if file and not file.has_expired and home.exists() else None

    def knows(self, file_id: str) -> bool:
        """Whether the address was given out here, whatever has become of its bytes."""
        return self.book.file(file_id) is not None

    def parts(self, upload_id: str) -> Path:
        """Folder of an upload in parts, on the disk of the finished files."""
        return self.folder / f".parts.{upload_id}"

    def sweep(self) -> None:
        """Free the disk of what has expired or was abandoned."""
        for file_id in self.book.expired():
            self._home(file_id).unlink(missing_ok=True)
        for upload_id in self.book.abandoned_multiparts(now() - ABANDONED_AFTER):
            shutil.rmtree(self.parts(upload_id), ignore_errors=True)

    def _home(self, file_id: str) -> Path:
        return self.folder / file_id


async def save(chunks: AsyncIterator[bytes], target: Path) -> None:
    """Write an upload's body. Raises `TooLarge`."""
    with target.open("wb") as file:
        async for chunk in chunks:
            file.write(chunk)
            if file.tell() > MAX_UPLOAD_BYTES:
                raise TooLarge


def address(file: StoredFile) -> str:
    """Path of a file on v3.fal.media."""
    return f"/files/{file.file_id}/{quote(file.name)}"


def file_id_of(url: str) -> str | None:
    """The file a URL of ours names, whatever host and port it was made for; None for other URLs."""
    found = _ADDRESS.fullmatch(unquote(urlsplit(url).path))
    return found.group(1) if found else None


def safe_name(name: str) -> str:
    """A file name without folders, control or shell characters; at most 100 characters."""
    bare = re.sub(r"[^\w.-]+", "_", name.replace("\\", "/").rsplit("/", 1)[-1], flags=re.ASCII).strip("._")
    return bare[-100:] or "upload.bin"


def shown_type(content_type: str) -> str:
    """The type a file is served with: media as they are, anything else as bytes, so that no upload runs as a page."""
    return content_type if SAFE_TO_SHOW.fullmatch(content_type) else "application/octet-stream"
