"""A running studio for as long as somebody needs it: found, or started, and shared.

Many processes and threads may want one at the same time. Under a file lock the first starts it and the others join;
each keeps a lease, which is nothing but an open connection, so that a killed user's lease ends with it. The studio
stops by itself 3 seconds after the last lease is gone, and ends its renderers and their ffmpeg within 5 more; one whose
starter was stopped before it took its lease waits 30 seconds for another. What was being rendered is taken up again by
the next studio of the folder, and billed once.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import filelock
import httpx

from ..errors import StudioFailed

START_SECONDS = 60
ANSWER_SECONDS = 5
LAST_LINES = 12
KEY = {"Authorization": "Key local-studio"}


@contextlib.contextmanager
def studio(folder: Path, price_book: Path, *, workers: int, url: str = "") -> Iterator[str]:
    """Yield the base URL of a studio that runs at least until the block ends.

    With ``url`` that one is used. Otherwise the studio of ``folder`` is joined, or started with ``workers`` renders at
    a time. Raises `StudioFailed`.
    """
    # Proxies of the environment are for the world outside; loopback never goes through them.
    with httpx.Client(trust_env=False, timeout=ANSWER_SECONDS) as http:
        if url:
            base, lease = url.rstrip("/"), _lease(http, url.rstrip("/"))
            if lease is None:
                raise StudioFailed(
                    f"No studio answers at {url}; start it, or unset AURORA_STUDIO_URL. Nothing was spent."
                )
        else:
            base, lease = _join_or_start(http, folder.absolute(), price_book.absolute(), workers)
        with contextlib.closing(lease):
            yield base


def _join_or_start(http: httpx.Client, folder: Path, price_book: Path, workers: int) -> tuple[str, httpx.Response]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # whoever waits here waits for one start at most, and joins it
        with filelock.FileLock(folder / "studio.lock", timeout=2 * START_SECONDS):
            base = _recorded(folder)
            if base and (lease := _lease(http, base)) is not None:
                return base, lease
            base = _start(folder, price_book, workers)
            if (lease := _lease(http, base)) is not None:
                return base, lease
    except filelock.Timeout:
        raise StudioFailed(f"Another process has been starting the studio in {folder} for too long; "
                           "stop it and run again. Nothing was spent.") from None  # fmt: skip
    raise _failed("The local studio started but does not answer.", folder)


def _recorded(folder: Path) -> str:
    """The URL of the studio that was started here last; empty when there is none."""
    try:
        return str(json.loads((folder / "studio.json").read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _lease(http: httpx.Client, base: str) -> httpx.Response | None:
    """An open connection that keeps the studio at ``base`` running; None when none answers there.

    Nobody reads it: the byte a second that comes is left to the socket.
    """
    try:
        if http.get(f"{base}/_studio/health").json().get("ok") is not True:
            return None
        lease = http.send(http.build_request("GET", f"{base}/_studio/lease", headers=KEY), stream=True)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError):
        return None
    if lease.status_code == 200:
        return lease
    lease.close()
    return None


def _start(folder: Path, price_book: Path, workers: int) -> str:
    """Start a studio that outlives this process while others use it; returns its URL."""
    command = [sys.executable, "-m", "aurora_pipeline.studio", "--folder", str(folder), "--price-book", str(price_book),
               "--workers", str(workers), "--exit-when-unused"]  # fmt: skip
    with (folder / "studio.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    try:
        url = _announced(process, folder)
    except BaseException:
        process.terminate()
        raise
    finally:
        threading.Thread(target=process.wait, daemon=True).start()  # so that it leaves no zombie when it stops
    half = folder / f".studio.json.{os.getpid()}"
    half.write_text(json.dumps({"url": url, "pid": process.pid}), encoding="utf-8")
    os.replace(half, folder / "studio.json")
    return url


def _announced(process: subprocess.Popen[bytes], folder: Path) -> str:
    """The URL from the JSON line a studio prints when it is ready."""
    assert process.stdout is not None  # noqa: S101 - opened as a pipe above
    line, deadline = b"", time.monotonic() + START_SECONDS
    with process.stdout as stdout:
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            some = os.read(stdout.fileno(), 4096) if ready else b""
            if not some:
                raise _failed(f"The local studio did not start within {START_SECONDS} s.", folder)
            line += some
    try:
        return str(json.loads(line)["url"])
    except (ValueError, KeyError, TypeError) as error:
        raise _failed("The local studio did not say where it listens.", folder) from error


def _failed(sentence: str, folder: Path) -> StudioFailed:
    try:
        said = (folder / "studio.log").read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]
    except OSError:
        said = []
    lines = "".join(f"\n    {line}" for line in said)
    return StudioFailed(f"{sentence} Its log, {folder / 'studio.log'}, ends with:{lines}\n  Nothing was spent.")
