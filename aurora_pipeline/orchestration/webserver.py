"""dagster-webserver, closed to other web sites: `python -m aurora_pipeline.orchestration.webserver -w ... -p ...`.

Dagster's page asks nobody who they are and checks neither Host nor Origin, so any page open in the same browser could
launch runs here, also by DNS rebinding (reference/reliability.md 5.3). This answers 403 to a request that names another
host, and to one that a browser says comes from another site. It is no log-in: whoever is on this machine may use it.
"""

import importlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OUR_HOSTS = ("127.0.0.1", "localhost", "::1")


class OwnSiteOnly:
    """An ASGI app that lets only this machine's own pages through to ``app``."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and not is_from_here(scope):
            await _refuse(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def is_from_here(scope: Scope) -> bool:
    """False for another host's name, another site's Origin, or a browser's cross-site request that could act."""
    headers = _headers(scope["headers"])
    host, origin = headers.get("host", ""), headers.get("origin")
    if urlsplit(f"//{host}").hostname not in OUR_HOSTS:
        return False
    if origin is not None and urlsplit(origin).netloc != host:
        return False
    came_from = headers.get("sec-fetch-site", "none")
    return came_from in ("none", "same-origin") or not _could_act(scope)


def _could_act(scope: Scope) -> bool:
    """A followed link may open a page; GraphQL runs mutations on GET too."""
    return scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD") or "graphql" in scope["path"]


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    text = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": text})
    await send({"type": "http.response.body", "body": b"This page answers only to itself, on 127.0.0.1.\n"})


def main() -> None:
    """dagster-webserver's own command line, its app wrapped."""
    cli: Any = importlib.import_module("dagster_webserver.cli")
    create_app = cli.create_app_from_workspace_process_context

    def create_closed_app(*args: Any, **options: Any) -> Any:
        return OwnSiteOnly(create_app(*args, **options))

    # Dagster has no hook for this; the test of `aurora up` fails if a release moves the name.
    cli.create_app_from_workspace_process_context = create_closed_app
    cli.main()


if __name__ == "__main__":
    main()
