"""rest.fal.ai and v3.fal.media: the ways in which clients upload, whole and in parts, and downloads with ranges.

`fal_client` sends parts to `<access_url>/multipart/<upload id>/<number>` with its token; `@fal-ai/client` sends them
below the `upload_url` it was given, with no key at all. Both are one address here: the upload id is the permission.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from . import multipart
from .book_tables import now
from .file_book import Multipart, StoredFile
from .parts import CameIn, Studio, TheStudio, json_body
from .storage import CDN, TooLarge, address, shown_type
from .terms import BadTerms, life_seconds

TOKEN_LIFE = timedelta(hours=1)
ONE_UPLOAD = f"/{CDN}/files/{{file_id}}/{{name}}/multipart/{{upload_id}}"

router = APIRouter(tags=["rest.fal.ai and v3.fal.media"])
PartNumber = Annotated[int, Path(ge=1, le=multipart.MAX_PART_NUMBER)]


@router.post("/rest.fal.ai/storage/upload/initiate")
async def initiate(request: Request, studio: TheStudio, way_in: CameIn, storage_type: str = "gcs") -> dict[str, str]:  # noqa: ARG001 - part of the protocol; there is one storage
    """A new file's URL, and the signed URL to PUT its bytes to. Body: {file_name, content_type}."""
    file = await _initiated(request, studio)
    url = way_in.url(CDN, address(file))
    return {"upload_url": f"{url}?signature={file.signature}", "file_url": url}


@router.post("/rest.fal.ai/storage/upload/initiate-multipart")
async def initiate_multipart(
    request: Request,
    studio: TheStudio,
    way_in: CameIn,
    storage_type: str = "fal-cdn-v3",  # noqa: ARG001 - part of the protocol; there is one storage
) -> dict[str, str]:
    """A new file's URL, and the URL to PUT its parts below (`/<number>`) and complete it (`/complete`)."""
    file = await _initiated(request, studio)
    url = way_in.url(CDN, address(file))
    return {"upload_url": f"{url}/multipart/{multipart.begin(studio.files, file)}", "file_url": url}


@router.post("/rest.fal.ai/storage/auth/token")
async def auth_token(studio: TheStudio, way_in: CameIn, storage_type: str = "fal-cdn-v3") -> dict[str, str]:  # noqa: ARG001 - part of the protocol; there is one storage
    """A token for uploads straight to v3.fal.media."""
    token, expires_at = secrets.token_urlsafe(32), now() + TOKEN_LIFE
    studio.book.files.add_token(token, expires_at)
    home = way_in.url(CDN, "")
    return {"token": token, "token_type": "Bearer", "base_url": home, "expires_at": expires_at.isoformat()}


@router.post(f"/{CDN}/files/upload")
async def upload(request: Request, studio: TheStudio, way_in: CameIn) -> dict[str, str]:
    """Store the raw body as a new file."""
    file = _named_by_headers(request, studio)
    await _fill(studio, file, request)
    return {"access_url": way_in.url(CDN, address(file))}


@router.post(f"/{CDN}/files/upload/multipart")
async def create_multipart(request: Request, studio: TheStudio, way_in: CameIn) -> dict[str, str]:
    """Begin a file that comes in parts."""
    file = _named_by_headers(request, studio)
    return {"access_url": way_in.url(CDN, address(file)), "uploadId": multipart.begin(studio.files, file)}


@router.put(f"{ONE_UPLOAD}/{{number}}")
async def put_part(
    file_id: str, upload_id: str, number: PartNumber, request: Request, studio: TheStudio
) -> JSONResponse:
    """Store one part; parts come in any order, and again."""
    found = _upload(studio, file_id, upload_id)
    if found.is_completed:
        raise HTTPException(404, "The upload is completed.")
    try:
        etag = await multipart.receive(studio.files, found, number, request.stream())
    except TooLarge as error:
        raise _too_large() from error
    return JSONResponse({"partNumber": number, "etag": etag}, headers={"ETag": etag})


@router.post(f"{ONE_UPLOAD}/complete")
async def complete_multipart(file_id: str, upload_id: str, request: Request, studio: TheStudio) -> Response:
    """Make the file of its parts. Body: {parts: [{partNumber, etag}]}, in any order."""
    etags = _etags(await json_body(request))
    async with studio.files.joining:  # a client that lost its patience asks again while the first is at it
        found = _upload(studio, file_id, upload_id)
        try:
            await asyncio.to_thread(multipart.complete, studio.files, found, etags)
        except multipart.WrongParts as error:
            raise HTTPException(400, str(error)) from error
        except TooLarge as error:
            raise _too_large() from error
        multipart.finish(studio.files, found)
    return Response(status_code=200)


@router.put(f"/{CDN}/files/{{file_id}}/{{name}}")
async def put(file_id: str, name: str, signature: str, request: Request, studio: TheStudio) -> Response:  # noqa: ARG001 - the name is for people
    """Fill the file that `initiate` named; the signature in the URL is the permission."""
    file = studio.book.files.file(file_id)
    if file is None or not hmac.compare_digest(file.signature.encode(), signature.encode()):
        raise HTTPException(403, "The upload URL's signature does not hold.")
    await _fill(studio, file, request)
    return Response(status_code=200)


@router.head(f"/{CDN}/files/{{file_id}}/{{name}}", include_in_schema=False)
@router.get(f"/{CDN}/files/{{file_id}}/{{name}}")
async def download(file_id: str, name: str, studio: TheStudio) -> FileResponse:  # noqa: ARG001 - the name is for people
    """A file's bytes, whole or by range; 404 when there are none, or its life is over."""
    file, path = studio.book.files.file(file_id), studio.files.path(file_id)
    if file is None or path is None:
        raise HTTPException(404, "File not found")
    return FileResponse(path, media_type=shown_type(file.content_type), headers={"X-Content-Type-Options": "nosniff"})


async def _initiated(request: Request, studio: Studio) -> StoredFile:
    asked = await json_body(request)
    if not isinstance(asked, dict):
        raise HTTPException(422, "Send {file_name, content_type}.")
    return _reserve(request, studio, asked.get("file_name"), asked.get("content_type"))


def _named_by_headers(request: Request, studio: Studio) -> StoredFile:
    headers = request.headers
    return _reserve(request, studio, headers.get("x-fal-file-name"), headers.get("content-type"))


def _reserve(request: Request, studio: Studio, name: Any, content_type: Any) -> StoredFile:
    kind = str(content_type or "application/octet-stream")
    try:
        return studio.files.reserve(str(name or "upload.bin"), kind, life_seconds(request.headers))
    except BadTerms as error:
        raise HTTPException(400, str(error)) from error


def _upload(studio: Studio, file_id: str, upload_id: str) -> Multipart:
    found = studio.book.files.multipart(upload_id)
    if found is None or found.file.file_id != file_id:
        raise HTTPException(404, "The upload is not known.")
    return found


def _etags(body: Any) -> dict[int, str]:
    try:
        etags = {int(part["partNumber"]): str(part["etag"]) for part in body["parts"]}
    except (KeyError, TypeError, ValueError) as error:
        raise HTTPException(422, "Send {parts: [{partNumber, etag}]}.") from error
    if not etags:
        raise HTTPException(400, "An upload has at least one part.")
    return etags


async def _fill(studio: Studio, file: StoredFile, request: Request) -> None:
    try:
        await studio.files.fill(file, request.stream())
    except TooLarge as error:
        raise _too_large() from error


def _too_large() -> HTTPException:
    return HTTPException(413, "The file is too large for this studio.")
