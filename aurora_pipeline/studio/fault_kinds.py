"""Every fault a scenario may name: where it can happen and what it may be told. The words are in `scenario`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from ..gear.strict_csv import nearest

WIRE = (
    "submit",
    "run",
    "status",
    "stream",
    "result",
    "cancel",
    "token",
    "initiate",
    "upload",
    "multipart",
    "part",
    "complete",
    "download",
    "requests",
    "billing",
    "pricing",
    "account",
    "usage",
    "any",
)
PLACES = (*WIRE, "render", "webhook")
WITH_JOB = ("status", "stream", "result", "cancel", "download", "render", "webhook")
BODIES = ("nginx", "html", "json", "empty", "text")
LONGEST_SECONDS = 7 * 86_400
LONGEST_CHANGE_SECONDS = 600  # a video made longer is encoded to its new end

# The result's status of every error a job can end with (reference/fal_contract.md, "Errors").
TYPED_422 = (
    "content_policy_violation",
    "file_download_error",
    "face_detection_error",
    "image_too_small",
    "image_too_large",
    "image_load_error",
    "unsupported_image_format",
    "unsupported_audio_format",
    "audio_duration_too_long",
    "audio_duration_too_short",
    "file_too_large",
    "one_of",
    "greater_than_equal",
    "less_than_equal",
    "missing",
)
MODEL_ERRORS = dict.fromkeys(TYPED_422, 422) | {
    "internal_server_error": 500,
    "downstream_service_unavailable": 500,
    "generation_timeout": 504,
}
REQUEST_ERRORS = {
    "request_timeout": 504,
    "startup_timeout": 504,
    "runner_scheduling_failure": 503,
    "runner_connection_timeout": 503,
    "runner_connection_refused": 503,
    "runner_connection_error": 503,
    "runner_disconnected": 503,
    "runner_server_error": 503,
    "runner_incomplete_response": 502,
    "internal_error": 500,
    "client_cancelled": 499,
    "bad_request": 400,
}
ERROR_TYPES = MODEL_ERRORS | REQUEST_ERRORS

Check = Callable[[Any], Any]
NEEDED = object()


@dataclass(frozen=True)
class Option:
    """One option. ``check`` gives the value as used, or raises ValueError with a sentence that begins "is ..."."""

    check: Check
    default: Any = NEEDED


@dataclass(frozen=True)
class Kind:
    """One fault: its places and options. ``ends`` is an exchange it drops or answers itself."""

    places: tuple[str, ...]
    options: Mapping[str, Option] = field(default_factory=dict)
    ends: bool = False


def seconds(value: Any) -> float:
    return _number(value, 0, LONGEST_SECONDS, "seconds, such as 2.5")


def _length(value: Any) -> float:
    return _number(value, 0, LONGEST_CHANGE_SECONDS, "seconds, such as 1.5")


def _skew(value: Any) -> float:
    return _number(value, -LONGEST_SECONDS, LONGEST_SECONDS, "seconds, such as -7200")


def probability(value: Any) -> float:
    return _number(value, 0, 1, "a share from 0 to 1, such as 0.05")


def whole(least: int, most: int = 10**9) -> Check:
    """A check for whole numbers from ``least`` to ``most``."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"is {_shown(value)}; use a whole number from {least} to {most}")
        return value

    return check


def one_of(*choices: Any) -> Check:
    """A check for one of a few values."""

    def check(value: Any) -> Any:
        if value not in choices or isinstance(value, bool) != isinstance(choices[0], bool):
            texts = [str(choice) for choice in choices]
            raise ValueError(f"is {_shown(value)}; {nearest(str(value), texts)}")
        return value

    return check


def yes_or_no(value: Any) -> bool:
    if value is True or value is False:
        return value
    raise ValueError(f"is {_shown(value)}; write true or false")


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\n" in value or "\r" in value:
        raise ValueError(f"is {_shown(value)}; write one line of text in quotes")
    return value


def _number(value: Any, least: float, most: float, example: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not least <= value <= most:
        raise ValueError(f"is {_shown(value)}; write {example} (from {least:g} to {most:g})")
    return float(value)


def _header(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not re.fullmatch(r"[ -~]+", value):
        raise ValueError(f"is {_shown(value)}; write plain ASCII text in quotes, as HTTP headers hold")
    return value


def _address(value: Any) -> str:
    return _header(_base(value))


def _usd(value: Any) -> Decimal:
    try:
        usd = Decimal(str(value))
    except InvalidOperation:
        usd = Decimal("NaN")
    if isinstance(value, bool) or not usd.is_finite() or not 0 <= usd <= 10**9:
        raise ValueError(f"is {_shown(value)}; write a number from 0 to a billion, such as '0.50'")
    return usd


def _base(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"is {_shown(value)}; write a URL such as http://127.0.0.1:9")
    return str(value).rstrip("/")


def _paths(value: Any) -> tuple[tuple[str, ...], ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"is {_shown(value)}; write a list of keys such as [status_url, video.url]")
    return tuple(tuple(name.split(".")) for name in names)


def _values(value: Any) -> dict[tuple[str, ...], Any]:
    if not isinstance(value, dict) or not value or not all(isinstance(name, str) and name for name in value):
        raise ValueError(f"is {_shown(value)}; write keys and values such as {{status: PAUSED}}")
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("holds what JSON cannot; write dates in quotes and no .nan or .inf") from None
    return {tuple(name.split(".")): new for name, new in value.items()}


def _headers(value: Any) -> dict[str, str]:
    sentence = f"is {_shown(value)}; write names and texts such as {{Retry-After: '3'}}"
    said = {str(name): str(told) for name, told in value.items()} if isinstance(value, dict) else {}
    if not said or not all(
        re.fullmatch(r"[\w-]+", name) and re.fullmatch(r"[ -~]*", told) for name, told in said.items()
    ):
        raise ValueError(sentence)
    return said


def _size(value: Any) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", str(value))
    if not found or int(found[1]) % 2 or int(found[2]) % 2:
        raise ValueError(f"is {_shown(value)}; write even sides such as 448x832")
    return int(found[1]), int(found[2])


def _shown(value: Any) -> str:
    return f"'{str(value)[:60]}'"


NO = Option(yes_or_no, False)
BYTES = Option(whole(0), None)
ANSWERS = tuple(place for place in WIRE if place != "stream")
JSON_LISTS = ("requests", "billing")
RENDER, WEBHOOK = ("render",), ("webhook",)
LENGTH = {"seconds": Option(_length, 1.0)}
ERROR = {
    "type": Option(one_of(*ERROR_TYPES), "internal_server_error"),
    "message": Option(text, ""),
    "argument": Option(text, ""),
}

KINDS: dict[str, Kind] = {
    "lose_request": Kind(WIRE, ends=True),
    "lose_answer": Kind(WIRE, ends=True),
    "late_answer": Kind(WIRE, {"seconds": Option(seconds)}),
    "hang": Kind(WIRE, {"after": NO}, ends=True),
    "die": Kind((*WIRE, "render"), {"after": NO}, ends=True),
    "truncate": Kind(WIRE, {"bytes": BYTES}),
    "answer": Kind(
        WIRE,
        {
            "status": Option(whole(200, 599)),
            "body": Option(one_of(*BODIES), None),
            "detail": Option(text, ""),
            "headers": Option(_headers, None),
            "after": NO,
        },
        ends=True,
    ),
    "locked": Kind(WIRE, {"after": NO}, ends=True),
    "expired": Kind(("result",), ends=True),
    "file_gone": Kind(("download",), {"status": Option(one_of(404, 410), 404)}, ends=True),
    "redirect": Kind(
        ANSWERS,
        {"status": Option(one_of(301, 302, 303, 307, 308), 307), "to": Option(_address, None), "after": NO},
        ends=True,
    ),
    "not_json": Kind(WIRE),
    "without": Kind(WIRE, {"keys": Option(_paths)}),
    "replace": Kind(WIRE, {"keys": Option(_values)}),
    "elsewhere": Kind(WIRE, {"keys": Option(_paths), "base": Option(_base)}),
    "clock": Kind(WIRE, {"seconds": Option(_skew)}),
    "error": Kind(RENDER, {**ERROR, "billed": NO, "seconds": Option(seconds, 0.0)}),
    "completed_with_error": Kind(RENDER, {**ERROR, "billed": NO}),
    "slow": Kind(RENDER, {"seconds": Option(seconds)}),
    "never_ends": Kind(RENDER),
    "restart": Kind(RENDER),
    "ignores_cancel": Kind(RENDER),
    "billed_cancel": Kind(RENDER),
    "shorter": Kind(RENDER, LENGTH),
    "longer": Kind(RENDER, LENGTH),
    "silent": Kind(RENDER),
    "no_picture": Kind(RENDER),
    "odd_size": Kind(RENDER, {"size": Option(_size, (448, 832))}),
    "fps": Kind(RENDER, {"fps": Option(whole(1, 120), 30)}),
    "truncated": Kind(RENDER, {"bytes": BYTES}),
    "zero_bytes": Kind(RENDER),
    "html": Kind(RENDER),
    "bill": Kind(RENDER, {"factor": Option(_usd, None), "usd": Option(_usd, None)}),
    "not_billed": Kind(RENDER),
    "billed_without_result": Kind(RENDER),
    "units": Kind(("result",), {"is": Option(_header)}),
    "price": Kind(
        ("pricing",),
        {"unit_price": Option(_usd, None), "unit": Option(text, None), "currency": Option(text, None)},
    ),
    "unpriced": Kind(("pricing",)),
    "late_records": Kind(JSON_LISTS, {"seconds": Option(seconds)}),
    "repeated": Kind(JSON_LISTS),
    "duplicate": Kind(WEBHOOK),
    "none": Kind(WEBHOOK),
    "bad_signature": Kind(WEBHOOK),
    "late": Kind(WEBHOOK, {"seconds": Option(seconds)}),
}
EXACTLY_ONE = {"bill": ("factor", "usd")}
