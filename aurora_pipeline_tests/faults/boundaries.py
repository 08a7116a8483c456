"""The named moments of a purchase at which a worker process is ended by kill -9, or frozen.

A name is ``<step> <moment>``: ``mark_sending before``, ``settle in``, ``answer received``. ``before`` and ``after`` are
around the call; ``in`` is inside the ledger's transaction, all its statements done and nothing committed yet.
Only the child process arms one, and only one.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

LEDGER_STEPS = ("claim", "mark_sending", "mark_accepted", "mark_completed", "mark_stored", "settle")
LOOKUP_STEPS = ("mark_unknown", "note_missed", "void_unknown")  # of a purchase in doubt
WIRE_STEPS = ("upload", "state", "result", "download")
TRACED = {  # httpcore's public trace of the one paid POST
    "POST begun": "send_request_headers.started",
    "POST sent": "send_request_body.complete",
    "answer received": "receive_response_headers.complete",
}
SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "interrupt": signal.SIGINT}


def arm(boundary: str, *, how: str = "kill", nth: int = 1) -> None:
    """Let ``how`` (kill, freeze, interrupt) strike this process the ``nth`` time it reaches ``boundary``."""
    strike = _Strike(SIGNALS[how], nth)
    if how == "interrupt":  # a shell starts what it puts in the background deaf to Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)
    step, _, moment = boundary.rpartition(" ")
    if boundary in TRACED:
        _arm_trace(TRACED[boundary], strike)
    elif boundary == "download half":
        _arm_download(strike)
    elif moment == "in":
        _arm_commit(step, strike)
    else:
        _arm_call(*_owner(step), moment, strike)


class _Strike:
    """Sends this process the signal at the n-th call, whichever thread makes it."""

    def __init__(self, number: signal.Signals, nth: int) -> None:
        self._number, self._left, self._lock = number, nth, threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._number)


def _owner(step: str) -> tuple[type, str]:
    from aurora_pipeline.aurora_videos.ledger import Ledger
    from aurora_pipeline.gear.fal import FalConnection
    from aurora_pipeline.gear.fal_platform import Platform
    from aurora_pipeline.gear.media_store import MediaStore

    owners: dict[str, tuple[type, str]] = {
        "rename": (MediaStore, "put"),
        "find": (Platform, "find"),
        "alike": (Platform, "alike"),
    }
    return owners.get(step, (FalConnection if step in WIRE_STEPS else Ledger, step))


def _arm_call(owner: type, method: str, moment: str, strike: _Strike) -> None:
    real = getattr(owner, method)

    @functools.wraps(real)
    def struck(*arguments: Any, **named: Any) -> Any:
        if moment == "before":
            strike()
        result = real(*arguments, **named)
        if moment == "after":
            strike()
        return result

    setattr(owner, method, struck)


def _arm_commit(method: str, strike: _Strike) -> None:
    import sqlalchemy as sa

    owner, name = _owner(method)
    real, here, is_ready = getattr(owner, name), threading.local(), threading.Event()

    @functools.wraps(real)
    def watched(*arguments: Any, **named: Any) -> Any:
        here.is_inside = True
        try:
            return real(*arguments, **named)
        finally:
            here.is_inside = False

    def executed(_db: object, _cursor: object, statement: str, *_: object) -> None:
        if getattr(here, "is_inside", False) and statement.startswith("RELEASE"):
            is_ready.set()

    def about_to_commit(_db: object) -> None:
        # Changes of one process share a commit, which another thread than the one inside may make for both.
        if getattr(here, "is_inside", False) or is_ready.is_set():
            is_ready.clear()
            strike()

    setattr(owner, name, watched)
    sa.event.listen(sa.engine.Engine, "after_cursor_execute", executed)
    sa.event.listen(sa.engine.Engine, "commit", about_to_commit)


def _arm_trace(event: str, strike: _Strike) -> None:
    from aurora_pipeline.gear.fal import FalConnection

    real = FalConnection._guard_request

    def watched(connection: FalConnection, request: Any) -> None:
        real(connection, request)
        if request.method == "POST" and getattr(connection._thread, "submit", None) is not None:
            request.extensions["trace"] = functools.partial(_traced, request.extensions["trace"], event, strike)

    _replace(FalConnection, "_guard_request", watched)


def _traced(real: Callable[[str, Any], None], awaited: str, strike: _Strike, event: str, info: Any) -> None:
    real(event, info)
    if event.endswith(awaited):
        strike()


def _arm_download(strike: _Strike) -> None:
    import httpx

    real = httpx.Response.iter_bytes

    def cut(response: httpx.Response, chunk_size: int | None = None) -> Iterator[bytes]:
        for chunk in real(response, 1024):
            yield chunk
            strike()

    _replace(httpx.Response, "iter_bytes", cut)


def _replace(owner: type, name: str, by: Callable[..., Any]) -> None:
    setattr(owner, name, by)
