"""queue.fal.run and fal.run: submit, status, result, cancel; and the same job on one open connection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse

from .aurora import ENDPOINT, AuroraInput
from .book import Request as QueueRequest
from .gate import WayIn
from .parts import CameIn, Studio, TheStudio, json_body
from .storage import CDN, address

QUEUE = "queue.fal.run"
APP = "fal-ai/creatify"  # owner and alias: all a request's own URLs name
LOOK_SECONDS = 1.0  # how often a waiting connection is looked at, to see whether its client is still there

router = APIRouter(tags=["queue.fal.run"])
run_router = APIRouter(tags=["fal.run"])
_ARGUMENTS = {"requestBody": {"content": {"application/json": {"schema": AuroraInput.model_json_schema()}}}}


@router.post(f"/{QUEUE}/{ENDPOINT}", openapi_extra=_ARGUMENTS)
async def submit(request: Request, studio: TheStudio, way_in: CameIn) -> JSONResponse:
    """Put a request in the queue."""
    taken = studio.jobs.submit(ENDPOINT, await json_body(request))
    answer = {**_links(taken, way_in), "status": "IN_QUEUE", "gateway_request_id": taken.request_id}
    return _answer(200, {**answer, "queue_position": studio.book.position(taken)}, taken)


@router.get(f"/{QUEUE}/{APP}/requests/{{request_id}}/status")
async def status(request_id: str, studio: TheStudio, way_in: CameIn, logs: bool = False) -> JSONResponse:
    """How a request is doing: 202 while it waits or is rendered, 200 when it is completed."""
    found = _require(studio, request_id)
    return _answer(200 if found.state == "COMPLETED" else 202, _status(studio, found, way_in, with_logs=logs), found)


@router.get(f"/{QUEUE}/{APP}/requests/{{request_id}}/status/stream")
async def status_stream(request_id: str, studio: TheStudio, way_in: CameIn, logs: bool = False) -> StreamingResponse:
    """The status as server-sent events, one for each change, until the request is completed."""
    _require(studio, request_id)
    return StreamingResponse(_events(studio, request_id, way_in, with_logs=logs), media_type="text/event-stream")


@router.get(f"/{QUEUE}/{APP}/requests/{{request_id}}")
async def result(request_id: str, studio: TheStudio, way_in: CameIn) -> JSONResponse:
    """The result; 400 before there is one, the model's own status and body when it failed."""
    return _result(studio, _require(studio, request_id), way_in)


@router.put(f"/{QUEUE}/{APP}/requests/{{request_id}}/cancel")
async def cancel(request_id: str, studio: TheStudio) -> JSONResponse:
    """Take a request out of the queue, or ask its rendering to stop."""
    found = studio.book.get(request_id)
    if found is None:
        return JSONResponse({"status": "NOT_FOUND"}, 404)
    code, word = studio.jobs.cancel(found)
    return _answer(code, {"status": word}, found)


@run_router.post(f"/fal.run/{ENDPOINT}", openapi_extra=_ARGUMENTS)
async def run(request: Request, studio: TheStudio, way_in: CameIn) -> JSONResponse:
    """Render while the client waits. The rendering goes on, and is billed, when the client leaves."""
    taken = studio.jobs.submit(ENDPOINT, await json_body(request))
    with studio.leases.hold():
        while (now := studio.book.require(taken.request_id)).state != "COMPLETED":
            if studio.leases.is_closing or await request.is_disconnected():
                return JSONResponse({"detail": "The studio is stopping."}, 503)
            await studio.jobs.news.wait(LOOK_SECONDS)
    return _result(studio, now, way_in)


@router.post(f"/{QUEUE}/{{app:path}}", include_in_schema=False)
@run_router.post("/fal.run/{app:path}", include_in_schema=False)
async def unknown_app(app: str) -> JSONResponse:
    """Any other model: the studio has Aurora only. Last, so that it takes what no route above took."""
    return JSONResponse({"detail": f"Application '{app}' not found"}, 404)


def _require(studio: Studio, request_id: str) -> QueueRequest:
    found = studio.book.get(request_id)
    if found is None:
        raise HTTPException(404, f"Request {request_id} not found")
    return found


def _answer(code: int, body: dict[str, Any], request: QueueRequest, **headers: str) -> JSONResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(body, code, {"x-fal-request-id": request.request_id, **named})


def _links(request: QueueRequest, way_in: WayIn) -> dict[str, str]:
    here = way_in.url(QUEUE, f"/{APP}/requests/{request.request_id}")
    links = {"response_url": here, "status_url": f"{here}/status", "cancel_url": f"{here}/cancel"}
    return {"request_id": request.request_id, **links}


def _status(studio: Studio, request: QueueRequest, way_in: WayIn, *, with_logs: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {**_links(request, way_in), "status": request.state}
    if request.state == "IN_QUEUE":
        return {**answer, "queue_position": studio.book.position(request)}
    answer["logs"] = studio.book.logs(request.request_id) if with_logs else None
    if request.state == "COMPLETED":
        answer["metrics"] = {"inference_time": request.inference_seconds}
    if request.refusal:
        answer |= {"error": request.refusal.error, "error_type": request.refusal.error_type}
    return answer


async def _events(studio: Studio, request_id: str, way_in: WayIn, *, with_logs: bool) -> AsyncIterator[str]:
    last = ""
    with studio.leases.hold():
        while not studio.leases.is_closing:
            request = _require(studio, request_id)
            event = json.dumps(_status(studio, request, way_in, with_logs=with_logs))
            if event != last:
                yield f"data: {event}\n\n"
            if request.state == "COMPLETED":
                return
            last = event
            await studio.jobs.news.wait(LOOK_SECONDS)


def _result(studio: Studio, request: QueueRequest, way_in: WayIn) -> JSONResponse:
    if request.state != "COMPLETED":
        return _answer(400, {"detail": "Request is still in progress"}, request)
    if refusal := request.refusal:
        return _answer(refusal.status_code, refusal.body, request, x_fal_error_type=refusal.error_type)
    bill = studio.book.bill(request.request_id)
    units = {"x_fal_billable_units": str(bill.billable_seconds)} if bill else {}
    return _answer(200, output(studio, request, way_in), request, **units)


def output(studio: Studio, request: QueueRequest, way_in: WayIn) -> dict[str, Any]:
    """Aurora's answer, with a URL that works the way this request came in."""
    file = studio.book.file(request.video or "")
    if file is None:
        raise HTTPException(500, "The result's file is not recorded.")
    video = {"file_name": file.name, "content_type": file.content_type, "url": way_in.url(CDN, address(file))}
    return {"video": video}
