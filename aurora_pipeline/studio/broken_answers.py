"""Answers, and how faults change them. Pure: an answer and a fault's options in, an answer out."""

from __future__ import annotations

import http
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

Headers = tuple[tuple[bytes, bytes], ...]
Options = Mapping[str, Any]

LOCKED = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
NGINX = (502, 503, 504)
TELLS_WHEN = (429, 503)  # these carry Retry-After
SENTENCES = {
    401: "Authentication is required to access this application.",
    402: "Payment is required to access this application.",
    403: LOCKED,
    404: "Not found",
    408: "Request timeout",
    409: "Conflict",
    429: "Too many requests. Please try again later.",
    500: "Internal Server Error",
}
TYPES = {"nginx": "text/html", "html": "text/html; charset=utf-8", "json": "application/json", "text": "text/plain"}
EXPIRED = "The result of this request has expired."
SAFE = "/:%?=&@"  # of an address, in a header
PAGE = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. ``sent_bytes`` of its body are sent (None: all); ``is_lost`` closes the connection instead."""

    status: int
    headers: Headers
    body: bytes
    delay_seconds: float = 0.0
    sent_bytes: int | None = None
    is_lost: bool = False

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for found, value in self.headers if found.lower() == wanted), None)

    def with_body(self, body: bytes) -> Answer:
        return replace(self, body=body).with_header("content-length", str(len(body)))

    def with_header(self, name: str, value: str | None) -> Answer:
        """The header replaced, or left out for None."""
        wanted = name.lower().encode()
        kept = tuple(pair for pair in self.headers if pair[0].lower() != wanted)
        added = () if value is None else ((wanted, value.encode("latin-1")),)
        return replace(self, headers=kept + added)


def other(options: Options) -> Answer:
    """An answer of the provider's edge in place of the studio's."""
    status = options["status"]
    kind = options.get("body") or ("nginx" if status in NGINX else "json")
    headers = {"content-type": TYPES[kind]} if kind != "empty" else {}
    if status in TELLS_WHEN:
        headers["retry-after"] = "1"
    headers |= {name.lower(): value for name, value in (options.get("headers") or {}).items()}
    body = _body(kind, status, options.get("detail") or SENTENCES.get(status, _phrase(status)))
    pairs = tuple((name.encode(), value.encode()) for name, value in headers.items() if name != "content-length")
    return Answer(status, (*pairs, (b"content-length", str(len(body)).encode())), body)


def _body(kind: str, status: int, sentence: str) -> bytes:
    title = f"{status} {_phrase(status)}"
    if kind == "nginx":
        lines = [
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>",
            f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
        ]
        return "\r\n".join(lines).encode()
    said = {"html": PAGE.format(title), "json": json.dumps({"detail": sentence}), "text": sentence, "empty": ""}
    return said[kind].encode()


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def redirected(options: Options, *, path: str, query: str) -> Answer:
    """A redirect, to the same address with a mark in its query unless told otherwise."""
    there = options["to"] or f"{quote(path, safe=SAFE)}?{query + '&' if query else ''}redirected=1"
    plain = other({"status": options["status"], "body": "empty"})
    return plain.with_header("location", there)


def late(answer: Answer, options: Options) -> Answer:
    return replace(answer, delay_seconds=answer.delay_seconds + options["seconds"])


def truncated(answer: Answer, options: Options) -> Answer:
    half = len(answer.body) // 2
    wanted = half if options["bytes"] is None else options["bytes"]
    return replace(answer, sent_bytes=max(0, min(wanted, len(answer.body) - 1)))


def lost(answer: Answer, options: Options) -> Answer:  # noqa: ARG001 - every change takes the same
    return replace(answer, is_lost=True)


def not_json(answer: Answer, options: Options) -> Answer:  # noqa: ARG001 - every change takes the same
    return answer.with_body(PAGE.format("One moment, please").encode())


def skewed(answer: Answer, options: Options) -> Answer:
    return answer.with_header("date", http_date(time.time() + options["seconds"]))


def http_date(moment: float) -> str:
    """A Unix time as the Date header has it."""
    from email.utils import formatdate

    return formatdate(moment, usegmt=True)


def units(answer: Answer, options: Options) -> Answer:
    said = options["is"]
    return answer.with_header("x-fal-billable-units", None if said == "missing" else said)


# ---- JSON bodies
def with_json(answer: Answer, change: Callable[[Any], Any]) -> Answer:
    """The answer with its JSON changed; as it is when it holds none."""
    try:
        content = json.loads(answer.body)
    except ValueError:
        return answer
    return answer.with_body(json.dumps(change(content)).encode())


def without(content: Any, options: Options) -> Any:
    for path in options["keys"]:
        for holder, key in _places(content, path):
            if isinstance(holder, list):
                del holder[int(key)]
            else:
                holder.pop(key, None)
    return content


def replaced(content: Any, options: Options) -> Any:
    for path, value in options["keys"].items():
        for holder, key in _places(content, path, makes=True):
            holder[int(key) if isinstance(holder, list) else key] = value
    return content


def elsewhere(content: Any, options: Options) -> Any:
    for path in options["keys"]:
        for holder, key in _places(content, path):
            index: Any = int(key) if isinstance(holder, list) else key
            if isinstance(holder, list) or index in holder:
                parts = urlsplit(str(holder[index]))
                holder[index] = options["base"] + parts.path + (f"?{parts.query}" if parts.query else "")
    return content


def _places(content: Any, path: tuple[str, ...], *, makes: bool = False) -> list[tuple[Any, str]]:
    """(holder, key) of every place a dotted path names; ``makes`` adds the objects that are missing on the way."""
    holders = [content]
    for step in path[:-1]:
        holders = [inner for holder in holders for inner in _inside(holder, step, makes=makes)]
    last = path[-1]
    found: list[tuple[Any, str]] = [(holder, last) for holder in holders if isinstance(holder, dict)]
    for holder in holders:
        if isinstance(holder, list):
            found += [(holder, str(i)) for i in reversed(range(len(holder))) if last in ("*", str(i))]
    return found


def _inside(holder: Any, step: str, *, makes: bool) -> list[Any]:
    if isinstance(holder, list):
        return [entry for i, entry in enumerate(holder) if step in ("*", str(i))]
    if not isinstance(holder, dict):
        return []
    if step == "*":
        return list(holder.values())
    if makes and not isinstance(holder.get(step), dict | list):
        holder[step] = {}
    return [holder[step]] if step in holder else []


def priced(content: Any, options: Options) -> Any:
    for row in content.get("prices", []):
        if options["unit_price"] is not None:
            row["unit_price"] = float(options["unit_price"])
        row |= {name: options[name] for name in ("unit", "currency") if options[name] is not None}
    return content


def unpriced(content: Any, options: Options) -> Any:  # noqa: ARG001 - every change takes the same
    return {**content, "prices": []}


def late_records(content: Any, options: Options) -> Any:
    horizon = datetime.now(UTC) - timedelta(seconds=options["seconds"])
    return _with_rows(content, lambda rows: [row for row in rows if (_when(row) or horizon) <= horizon])


def repeated(content: Any, options: Options) -> Any:  # noqa: ARG001 - every change takes the same
    return _with_rows(content, lambda rows: [row for row in rows for _ in range(2)])


def _with_rows(content: Any, change: Callable[[list[Any]], list[Any]]) -> Any:
    lists = [name for name in ("items", "billing_events") if isinstance(content.get(name), list)]
    return content | {name: change(content[name]) for name in lists}


def _when(row: Any) -> datetime | None:
    """When a row was written; None for one that an earlier fault left without a moment."""
    try:
        moment = datetime.fromisoformat(row.get("timestamp") or row["sent_at"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


JSON_CHANGES: dict[str, Callable[[Any, Options], Any]] = {
    "without": without,
    "replace": replaced,
    "elsewhere": elsewhere,
    "price": priced,
    "unpriced": unpriced,
    "late_records": late_records,
    "repeated": repeated,
}
CHANGES: dict[str, Callable[[Answer, Options], Answer]] = {
    "late_answer": late,
    "truncate": truncated,
    "lose_answer": lost,
    "not_json": not_json,
    "clock": skewed,
    "units": units,
}


def changed(answer: Answer, fault: str, options: Options) -> Answer:
    """The answer as a fault leaves it; as it is for faults that do not change answers."""
    if fault in JSON_CHANGES:
        return with_json(answer, lambda content: JSON_CHANGES[fault](content, options))
    return CHANGES[fault](answer, options) if fault in CHANGES else answer
