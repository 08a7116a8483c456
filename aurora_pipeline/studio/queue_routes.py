"""queue.fal.run and fal.run: submit, status, result, cancel; and the same job on one open connection.

Beside its arguments a submit may send `?fal_webhook=URL` and the headers X-Fal-Queue-Priority (normal, low),
X-Fal-Request-Timeout (seconds to start within), X-Fal-Store-IO (0: no payload in the list of requests, and the result
is kept for an hour), X-Fal-Object-Lifecycle-Preference (how long the video lives) and X-Fal-No-Retry.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse

from .answers import QUEUE, NoFile, app_of, links, output
from .answers import status as status_of
from .book import Request as QueueRequest
from .gate import WayIn
from .parts import CameIn, Studio, TheStudio, json_body
from .request_errors import headers_of
from .terms import BadTerms, Terms, documentation, queue_terms

LOOK_SECONDS = 1.0  # how often a waiting connection is looked at, to see whether its client is still there
ENDPOINT = "{endpoint:path}"  # any of the model table
ONE_REQUEST = f"/{QUEUE}/{{owner}}/{{alias}}/requests/{{request_id}}"

router = APIRouter(tags=["queue.fal.run"])
run_router = APIRouter(tags=["fal.run"])


async def _served(endpoint: str, studio: TheStudio) -> str:
    if studio.prices.model(endpoint) is None:
        raise HTTPException(404, f"Application '{endpoint}' not found")
    return endpoint


async def _terms(request: Request, way_in: CameIn, fal_webhook: str = "") -> Terms:
    try:
        return queue_terms(request.headers, base=way_in.base, webhook=fal_webhook)
    except BadTerms as error:
        raise HTTPException(400, str(error), {"X-Fal-Error-Type": "bad_request"}) from error


async def _known(owner: str, alias: str, request_id: str, studio: TheStudio) -> QueueRequest | None:
    """The request, under its own owner and alias only."""
    found = studio.book.get(request_id)
    return found if found and app_of(found.endpoint) == f"{owner}/{alias}" else None


async def _found(request_id: str, known: Annotated[QueueRequest | None, Depends(_known)]) -> QueueRequest:
    if known is None:
        raise HTTPException(404, f"Request {request_id} not found")
    return known


Served = Annotated[str, Depends(_served)]
TheTerms = Annotated[Terms, Depends(_terms)]
TheRequest = Annotated[QueueRequest, Depends(_found)]


@router.post(f"/{QUEUE}/{ENDPOINT}", openapi_extra={"parameters": documentation()})
async def submit(
    endpoint: Served, request: Request, studio: TheStudio, way_in: CameIn, terms: TheTerms
) -> JSONResponse:
    """Put a request in the queue.

    With ``fal_webhook`` its end is posted there: {request_id, gateway_request_id, status (OK, ERROR), payload, error?},
    signed with the key of rest.fal.ai/.well-known/jwks.json, and again until a 2xx answers (ten times in two hours).
    """
    taken = studio.jobs.submit(endpoint, await json_body(request), terms)
    answer = {**links(taken, way_in), "status": "IN_QUEUE", "gateway_request_id": taken.request_id}
    return _answer(200, {**answer, "queue_position": studio.book.position(taken)}, taken)


@router.get(f"{ONE_REQUEST}/status")
async def status(found: TheRequest, studio: TheStudio, way_in: CameIn, logs: bool = False) -> JSONResponse:
    """How a request is doing: 202 while it waits or is rendered, 200 when it is completed."""
    told = studio.book.logs(found.request_id) if logs else None
    return _answer(200 if found.state == "COMPLETED" else 202, status_of(studio.book, found, way_in, logs=told), found)


@router.get(f"{ONE_REQUEST}/status/stream")
async def status_stream(found: TheRequest, studio: TheStudio, way_in: CameIn, logs: bool = False) -> StreamingResponse:
    """The status as server-sent events, one for each change, until completed; each with what is new of the log."""
    events = _events(studio, found.request_id, way_in, with_logs=logs)
    headers = {"x-fal-request-id": found.request_id, "Cache-Control": "no-cache"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


@router.get(ONE_REQUEST)
async def result(found: TheRequest, studio: TheStudio, way_in: CameIn) -> JSONResponse:
    """The result; 400 before there is one, 404 once it has expired, the model's own status and body when it failed."""
    return _result(studio, found, way_in)


@router.put(f"{ONE_REQUEST}/cancel")
async def cancel(found: Annotated[QueueRequest | None, Depends(_known)], studio: TheStudio) -> JSONResponse:
    """Take a request out of the queue, or ask its rendering to stop."""
    if found is None:
        return JSONResponse({"status": "NOT_FOUND"}, 404)
    code, word = studio.jobs.cancel(found)
    return _answer(code, {"status": word}, found)


@run_router.post(f"/fal.run/{ENDPOINT}")
async def run(endpoint: Served, request: Request, studio: TheStudio, way_in: CameIn, terms: TheTerms) -> JSONResponse:
    """Render while the client waits. The rendering goes on, and is billed, when the client leaves."""
    taken = studio.jobs.submit(endpoint, await json_body(request), terms.once())
    with studio.leases.hold():
        while (now := studio.book.require(taken.request_id)).state != "COMPLETED":
            if studio.leases.is_closing or await request.is_disconnected():
                return JSONResponse({"detail": "The studio is stopping."}, 503)
            await studio.jobs.news.wait(LOOK_SECONDS)
    return _result(studio, now, way_in)


def _answer(code: int, body: dict[str, Any], request: QueueRequest, **headers: str) -> JSONResponse:
    return JSONResponse(body, code, {"x-fal-request-id": request.request_id, **headers})


async def _events(studio: Studio, request_id: str, way_in: WayIn, *, with_logs: bool) -> AsyncIterator[str]:
    last, told = "", 0
    with studio.leases.hold():
        while not studio.leases.is_closing:
            request = studio.book.require(request_id)
            # clients collect the entries of one event after another, so each is sent once
            new = studio.book.logs(request_id)[told:] if with_logs else []
            event = status_of(studio.book, request, way_in, logs=new if with_logs else None)
            sign = json.dumps({**event, "logs": None})
            if new or sign != last:
                yield f"data: {json.dumps(event)}\n\n"
                told += len(event.get("logs") or ())
            if request.state == "COMPLETED":
                return
            last = sign
            await studio.jobs.news.wait(LOOK_SECONDS)


def _result(studio: Studio, request: QueueRequest, way_in: WayIn) -> JSONResponse:
    if request.state != "COMPLETED":
        return _answer(400, {"detail": "Request is still in progress"}, request)
    if request.has_expired:
        return _answer(404, {"detail": f"The result of request {request.request_id} has expired"}, request)
    if refusal := request.refusal:
        return _answer(refusal.status_code, refusal.body, request, **headers_of(refusal))
    bill = studio.book.bill(request.request_id)
    units = {"x-fal-billable-units": f"{bill.billable_units.normalize():f}"} if bill else {}
    try:
        return _answer(200, output(studio.book, request, way_in), request, **units)
    except NoFile as error:
        raise HTTPException(500, "The result's file is not recorded.") from error
