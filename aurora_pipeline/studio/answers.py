"""A request in the book -> what its client is told, with URLs that work the way the client came in."""

from __future__ import annotations

from typing import Any

from .book import Book, Request
from .gate import WayIn
from .storage import CDN, address

QUEUE = "queue.fal.run"


class NoFile(Exception):
    """A finished request whose file the book does not know."""


def app_of(endpoint: str) -> str:
    """Owner and alias: all of an endpoint that its requests' URLs name."""
    return "/".join(endpoint.split("/")[:2])


def links(request: Request, way_in: WayIn) -> dict[str, str]:
    """The request's id and its three URLs."""
    here = way_in.url(QUEUE, f"/{app_of(request.endpoint)}/requests/{request.request_id}")
    urls = {"response_url": here, "status_url": f"{here}/status", "cancel_url": f"{here}/cancel"}
    return {"request_id": request.request_id, **urls}


def status(book: Book, request: Request, way_in: WayIn, *, logs: list[dict[str, Any]] | None) -> dict[str, Any]:
    """How it is doing. ``logs`` is None when they were not asked for."""
    answer: dict[str, Any] = {**links(request, way_in), "status": request.state}
    if request.state == "IN_QUEUE":
        return {**answer, "queue_position": book.position(request)}
    answer["logs"] = logs
    if request.state == "COMPLETED":
        answer["metrics"] = {"inference_time": request.inference_seconds}
    if request.refusal:
        answer |= {"error": request.refusal.error, "error_type": request.refusal.error_type}
    return answer


def output(book: Book, request: Request, way_in: WayIn) -> dict[str, Any]:
    """The model's answer. Raises `NoFile`."""
    if request.answer is not None and not request.answer.file_path:
        return request.answer.body
    file = book.files.file(request.video or "")
    if file is None:
        raise NoFile(request.request_id)
    facts = {"file_name": file.name, "content_type": file.content_type, "url": way_in.url(CDN, address(file))}
    if request.answer is None:
        return {"video": facts}
    parent, _, name = request.answer.file_path.rpartition(".")
    if parent and name == "url":
        return placed(request.answer.body, parent, facts)
    return placed(request.answer.body, request.answer.file_path, facts["url"])


def placed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of ``body`` with ``value`` under a dotted path; objects that are there are added to."""
    name, _, rest = path.partition(".")
    there = body.get(name) if isinstance(body.get(name), dict) else {}
    if rest:
        return {**body, name: placed(there or {}, rest, value)}
    return {**body, name: {**value, **(there or {})} if isinstance(value, dict) else value}


def payload(book: Book, request: Request, way_in: WayIn) -> dict[str, Any] | None:
    """What the result fetch answers, good or bad; None before there is one. Raises `NoFile`."""
    if request.state != "COMPLETED":
        return None
    return request.refusal.body if request.refusal else output(book, request, way_in)


def webhook_body(book: Book, request: Request) -> dict[str, Any]:
    """What a webhook posts about a completed request. Raises `NoFile`."""
    ids = {"request_id": request.request_id, "gateway_request_id": request.request_id}
    body = payload(book, request, WayIn("", request.terms.base))
    if request.refusal is None:
        return {**ids, "status": "OK", "payload": body}
    return {**ids, "status": "ERROR", "error": request.refusal.error, "payload": body}
