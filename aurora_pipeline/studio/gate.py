"""Who may come in, and under which of fal's host names: every request becomes `/<fal host>/<path>`.

A request comes in under a path prefix (`http://127.0.0.1:8000/queue.fal.run/...`), under a real Host header (an
untouched client behind a TLS proxy), or bare, which is fal.run (the API page's curl line). The URLs of an answer are
built the way its request came in, so that they work as they stand.

The studio runs beside a browser, so pages must not drive it: a Host that is neither loopback nor fal's (DNS rebinding),
a foreign Origin, and a missing `Authorization: Key ...`, which no page can send unasked, are all refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

HOSTS = ("queue.fal.run", "fal.run", "rest.fal.ai", "v3.fal.media", "api.fal.ai")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OWN_PATHS = ("/_studio", "/docs", "/openapi.json")
OPEN_PATHS = ("/", "/docs", "/openapi.json", "/_studio/health", "/rest.fal.ai/.well-known/jwks.json")
COMPLETE = re.compile(r"/v3\.fal\.media/files/[^/]+/[^/]+/multipart/[^/]+/complete")
ORDINARY_KEY = "ordinary"
# `@fal-ai/client` with a proxyUrl sends every request there, and the real target in a header
PROXY_PATH = "/_studio/proxy"
TARGET_HEADER = "x-fal-target-url"


@dataclass(frozen=True)
class WayIn:
    """How a request came in. ``base`` is this server's own URL, empty under a real host name.

    ``is_admin`` is false for a key that begins with `ordinary`: it may not see bills.
    """

    path: str
    base: str
    is_admin: bool = True

    def url(self, host: str, path: str) -> str:
        """The URL of ``path`` on one of fal's hosts, reachable the same way."""
        return f"{self.base}/{host}{path}" if self.base else f"https://{host}{path}"


class Gate:
    """ASGI middleware; leaves a `WayIn` in ``scope["state"]["way_in"]``."""

    def __init__(self, app: ASGIApp, is_upload_token: Callable[[str], bool]) -> None:
        self.app = app
        self.is_upload_token = is_upload_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] == PROXY_PATH:
            _unwrap(scope, headers.get(TARGET_HEADER, ""))
        way_in = _way_in(scope, headers)
        if way_in is None or _is_foreign(way_in, headers):
            await _refusal(403, "This studio serves its own machine, not other hosts' pages.")(scope, receive, send)
            return
        if not self._may_enter(scope["method"], way_in, headers):
            await _refusal(401, "Authentication is required to access this application.")(scope, receive, send)
            return
        if headers.get("authorization", "").startswith(f"Key {ORDINARY_KEY}"):
            way_in = replace(way_in, is_admin=False)
        scope["path"] = way_in.path
        scope["raw_path"] = way_in.path.encode()
        scope.setdefault("state", {})["way_in"] = way_in
        await self.app(scope, receive, send)

    def _may_enter(self, method: str, way_in: WayIn, headers: Headers) -> bool:
        if way_in.path in OPEN_PATHS or _carries_its_own_permission(method, way_in.path):
            return True
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            return way_in.path.startswith("/v3.fal.media/") and self.is_upload_token(secret)
        return scheme == "Key" and bool(secret.strip())


def _way_in(scope: Scope, headers: Headers) -> WayIn | None:
    """None for a Host that is not ours."""
    path: str = scope["path"]
    host = _host_in(f"//{headers.get('host', '')}")
    server, port = scope["server"]
    here = f"http://{headers['host']}" if host in LOOPBACK else f"http://{server}:{port}"
    if any(path.startswith(f"/{name}/") for name in HOSTS):
        return WayIn(path, here) if host in (*LOOPBACK, *HOSTS) else None
    if host in HOSTS:
        return WayIn(f"/{host}{path}", "")
    if host not in LOOPBACK:
        return None
    is_own = path == "/" or any(path == own or path.startswith(f"{own}/") for own in OWN_PATHS)
    return WayIn(path if is_own else f"/fal.run{path}", here)


def _host_in(url: str) -> str:
    """The host a URL names; empty for what is no URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _unwrap(scope: Scope, target: str) -> None:
    """Make a request to the proxy path the request it stands for; any but fal's hosts is not found."""
    if _host_in(target) in HOSTS:
        there = urlsplit(target)
        scope["path"] = f"/{there.hostname}{unquote(there.path)}"
        scope["query_string"] = there.query.encode()


def _is_foreign(way_in: WayIn, headers: Headers) -> bool:
    """Whether a web page of another origin sent this."""
    origin = headers.get("origin")
    return origin is not None and origin != (way_in.base or f"https://{headers['host']}")


def _refusal(code: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, code)


def _carries_its_own_permission(method: str, path: str) -> bool:
    # as at fal: a file's URL is unguessable, and an upload URL is signed (the route checks the signature); the id of an
    # upload in parts is its permission
    if not path.startswith("/v3.fal.media/files/"):
        return False
    return method in ("GET", "HEAD", "PUT") or (method == "POST" and bool(COMPLETE.fullmatch(path)))
