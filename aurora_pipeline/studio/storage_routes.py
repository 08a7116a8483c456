"""rest.fal.ai and v3.fal.media: the three ways in which clients upload, and downloads with ranges."""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response

from .book import StoredFile, now
from .parts import CameIn, Studio, TheStudio, json_body
from .storage import CDN, TooLarge, address, shown_type

TOKEN_LIFE = timedelta(hours=1)

router = APIRouter(tags=["rest.fal.ai and v3.fal.media"])


@router.post("/rest.fal.ai/storage/upload/initiate")
async def initiate(request: Request, studio: TheStudio, way_in: CameIn, storage_type: str = "gcs") -> dict[str, str]:  # noqa: ARG001 - part of the protocol; there is one storage
    """A new file's URL, and the signed URL to PUT its bytes to. Body: {file_name, content_type}."""
    asked = await json_body(request)
    if not isinstance(asked, dict):
        raise HTTPException(422, "Send {file_name, content_type}.")
    file = studio.files.reserve(*_named(asked.get("file_name"), asked.get("content_type")))
    url = way_in.url(CDN, address(file))
    return {"upload_url": f"{url}?signature={file.signature}", "file_url": url}


@router.post("/rest.fal.ai/storage/auth/token")
async def auth_token(studio: TheStudio, way_in: CameIn, storage_type: str = "fal-cdn-v3") -> dict[str, str]:  # noqa: ARG001 - part of the protocol; there is one storage
    """A token for uploads straight to v3.fal.media."""
    token, expires_at = secrets.token_urlsafe(32), now() + TOKEN_LIFE
    studio.book.add_token(token, expires_at)
    home = way_in.url(CDN, "")
    return {"token": token, "token_type": "Bearer", "base_url": home, "expires_at": expires_at.isoformat()}


@router.post(f"/{CDN}/files/upload")
async def upload(request: Request, studio: TheStudio, way_in: CameIn) -> dict[str, str]:
    """Store the raw body as a new file."""
    headers = request.headers
    file = studio.files.reserve(*_named(headers.get("x-fal-file-name"), headers.get("content-type")))
    await _fill(studio, file, request)
    return {"access_url": way_in.url(CDN, address(file))}


@router.put(f"/{CDN}/files/{{file_id}}/{{name}}")
async def put(file_id: str, name: str, signature: str, request: Request, studio: TheStudio) -> Response:  # noqa: ARG001 - the name is for people
    """Fill the file that `initiate` named; the signature in the URL is the permission."""
    file = studio.book.file(file_id)
    if file is None or not hmac.compare_digest(file.signature.encode(), signature.encode()):
        raise HTTPException(403, "The upload URL's signature does not hold.")
    await _fill(studio, file, request)
    return Response(status_code=200)


@router.head(f"/{CDN}/files/{{file_id}}/{{name}}", include_in_schema=False)
@router.get(f"/{CDN}/files/{{file_id}}/{{name}}")
async def download(file_id: str, name: str, studio: TheStudio) -> FileResponse:  # noqa: ARG001 - the name is for people
    """A file's bytes, whole or by range."""
    file, path = studio.book.file(file_id), studio.files.path(file_id)
    if file is None or path is None:
        raise HTTPException(404, "File not found")
    return FileResponse(path, media_type=shown_type(file.content_type), headers={"X-Content-Type-Options": "nosniff"})


def _named(name: Any, content_type: Any) -> tuple[str, str]:
    return str(name or "upload.bin"), str(content_type or "application/octet-stream")


async def _fill(studio: Studio, file: StoredFile, request: Request) -> None:
    try:
        await studio.files.fill(file, request.stream())
    except TooLarge as error:
        raise HTTPException(413, "The file is too large for this studio.") from error
