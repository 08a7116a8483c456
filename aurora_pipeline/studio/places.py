"""Where a request of the wire belongs: POST /queue.fal.run/fal-ai/creatify/aurora is a submit, and so on."""

from __future__ import annotations

import functools
import re

_JOB = r"/queue\.fal\.run/.+/requests/(?P<job>[^/]+)"
_FILE = r"/v3\.fal\.media/files/(?P<job>[^/]+)/[^/]+"
_STORAGE = r"/rest\.fal\.ai/storage/"
_V1 = r"/api\.fal\.ai/v1/"

_PLACES = tuple(
    (method, re.compile(path), place)
    for method, path, place in (
        ("GET", rf"{_JOB}/status", "status"),
        ("GET", rf"{_JOB}/status/stream", "stream"),
        ("GET", _JOB, "result"),
        ("PUT", rf"{_JOB}/cancel", "cancel"),
        ("POST", r"/queue\.fal\.run/.+", "submit"),
        ("POST", r"/fal\.run/.+", "run"),
        ("POST", rf"{_STORAGE}auth/token", "token"),
        ("POST", rf"{_STORAGE}upload/initiate", "initiate"),
        ("POST", rf"{_STORAGE}upload/initiate-multipart", "multipart"),
        ("POST", rf"{_STORAGE}upload/complete-multipart", "complete"),
        ("POST", r"/v3\.fal\.media/files/upload", "upload"),
        ("POST", r"/v3\.fal\.media/files/upload/multipart", "multipart"),
        ("PUT", rf"{_FILE}/multipart/[^/]+/\d+", "part"),
        ("PUT", rf"{_FILE}/\d+", "part"),
        ("POST", rf"{_FILE}/multipart/[^/]+/complete", "complete"),
        ("POST", rf"{_FILE}/complete", "complete"),
        ("PUT", _FILE, "upload"),
        ("GET", _FILE, "download"),
        ("GET", rf"{_V1}models/requests/by-endpoint", "requests"),
        ("GET", rf"{_V1}models/billing-events", "billing"),
        ("GET", rf"{_V1}models/pricing", "pricing"),
        ("GET", rf"{_V1}account/billing", "account"),
        ("GET", rf"{_V1}models/usage", "usage"),
    )
)


@functools.lru_cache(maxsize=4096)
def place_of(method: str, path: str) -> tuple[str, str | None]:
    """A scenario's word for a request, and the job (or file) it names; ("", None) for what no scenario can break."""
    for wanted, pattern, place in _PLACES:
        if method == wanted and (found := pattern.fullmatch(path)):
            return place, found.groupdict().get("job")
    return "", None
