"""Files on disk under unguessable names, as fal's CDN keeps them: whoever has the URL may read.

A file appears whole or not at all. Its address is a path (`/files/<id>/<name>` on v3.fal.media), never a full URL:
ports change over restarts.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from .book import Book, StoredFile

CDN = "v3.fal.media"
MAX_UPLOAD_BYTES = 512 * 1024**2
SAFE_TO_SHOW = re.compile(r"(image/(?!svg)|audio/|video/)[\w.+-]+")
_ADDRESS = re.compile(rf"(?:/{re.escape(CDN)})?/files/([0-9a-f]{{32}})/[^/]+")


class TooLarge(Exception):
    """An upload beyond `MAX_UPLOAD_BYTES`."""


class Files:
    """Uploaded and rendered files."""

    def __init__(self, folder: Path, book: Book) -> None:
        self.folder = folder
        self.book = book
        folder.mkdir(parents=True, exist_ok=True)

    def reserve(self, name: str, content_type: str) -> StoredFile:
        """A new address that holds nothing yet; ``signature`` is the permission to fill it."""
        file = StoredFile(secrets.token_hex(16), safe_name(name), content_type, secrets.token_urlsafe(24))
        self.book.add_file(file)
        return file

    async def fill(self, file: StoredFile, chunks: AsyncIterator[bytes]) -> None:
        """Store an upload's bytes; a repeated upload replaces them. Raises `TooLarge`."""
        half = self.folder / f".{file.file_id}.{secrets.token_hex(4)}"
        try:
            with half.open("wb") as target:
                async for chunk in chunks:
                    target.write(chunk)
                    if target.tell() > MAX_UPLOAD_BYTES:
                        raise TooLarge
            os.replace(half, self._home(file.file_id))
        finally:
            half.unlink(missing_ok=True)

    def adopt(self, source: Path, name: str, content_type: str) -> StoredFile:
        """Move a finished file (of the same disk) in."""
        file = self.reserve(name, content_type)
        os.replace(source, self._home(file.file_id))
        return file

    def path(self, file_id: str) -> Path | None:
        """Where the bytes are; None while there are none."""
        home = self._home(file_id)
        return home if self.book.file(file_id) and home.exists() else None

    def _home(self, file_id: str) -> Path:
        return self.folder / file_id


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
