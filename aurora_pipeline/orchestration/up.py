"""`aurora up`: Dagster's page and daemon, on a home that lasts, until somebody stops it.

Both are children in sessions of their own, so that a Ctrl-C reaches only us and they stop in order: first the runs
(finished work is kept, requests that were sent are found again), then the programs, then whatever is left of them.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import dagster as dg
from filelock import FileLock, Timeout

from ..errors import AuroraError, BadSetting
from ..settings import Settings
from .home import RUNNING, prepare_home, reap_dead_runs, register_campaigns

HOST = "127.0.0.1"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_SECONDS = 180
STOP_RUNS_SECONDS = 30
STOP_CHILD_SECONDS = 20
LAST_LINES = 15
PR_SET_PDEATHSIG = 1  # linux/prctl.h

__all__ = ["prepare_home", "reap_dead_runs", "register_campaigns", "up"]


@dataclass(frozen=True)
class Child:
    """One program of ours, and the file that holds what it says."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_lines(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-LAST_LINES:])


def up(settings: Settings, *, port: int = 3000, open_browser: bool = False) -> int:
    """Start Dagster for ``settings`` on 127.0.0.1:``port``; returns 0 once it was asked to stop.

    Raises `BadSetting` when the port is taken or the home is in use, `AuroraError` when Dagster does not come up.
    """
    with _stop_signal() as stop, _alone(home := prepare_home(settings)):
        _assert_free(port)
        _put_in_order(settings, home)
        with _children(settings, home, port) as children:
            if _wait_until_it_answers(port, children, stop):
                url = f"http://{HOST}:{port}"
                print(f"Dagster is at {url}  (Ctrl-C stops it; it says more in {home / 'logs'})", flush=True)  # noqa: T201 - the answer
                if open_browser:
                    webbrowser.open(url)
            _wait(children, stop)
            _stop_runs(home)
    return 0


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two daemons on one home would start everything twice."""
    lock = FileLock(home / "up.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BadSetting(f"`aurora up` is already running on {home}; stop it first, or use that one.") from None
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM and a closed terminal set, also when a script started us with Ctrl-C ignored."""
    stop = threading.Event()

    def asked(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, asked) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _assert_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise BadSetting(f"Port {port} is taken by another program; choose another with --port.") from None


def _put_in_order(settings: Settings, home: Path) -> None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        reap_dead_runs(instance)
        register_campaigns(settings, instance)


@contextlib.contextmanager
def _children(settings: Settings, home: Path, port: int) -> Iterator[list[Child]]:
    """The page and the daemon; stopped on the way out, whatever happened."""
    workspace = ["-w", str(home / "workspace.yaml")]
    page = ["-m", "aurora_pipeline.orchestration.webserver", *workspace, "-h", HOST, "-p", str(port)]
    daemon = ["-m", "dagster._daemon", "run", *workspace]
    children: list[Child] = []
    try:
        children.append(_start("webserver", page, settings, home))
        children.append(_start("daemon", daemon, settings, home))
        yield children
    finally:
        _stop_children(children)


def _start(name: str, arguments: list[str], settings: Settings, home: Path) -> Child:
    log = home / "logs" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    environment = os.environ | environment_of(settings) | {"DAGSTER_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - we have one thread here
        )
    return Child(name, process, log)


def _end_with_parent() -> None:
    """Ask the kernel for a SIGTERM when our parent is killed: an orphaned daemon would start every run twice."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables that give these settings again in another process, whatever its folder."""
    return {
        "AURORA_HOME": str(settings.root.absolute()),
        "AURORA_OUTPUT": str(settings.output.absolute()),
        "AURORA_PROVIDER": settings.provider,
        "AURORA_LEDGER_URL": settings.ledger_url,
        "AURORA_STUDIO_URL": settings.studio_url,
        "AURORA_TTS_ENGINE": settings.tts_engine,
        "AURORA_LISTENER": settings.listener,
        "AURORA_WORKERS": str(settings.workers),
        "AURORA_REQUESTS_IN_FLIGHT": str(settings.requests_in_flight),
        "AURORA_POLL_SECONDS": str(settings.poll_seconds),
    }


def _wait_until_it_answers(port: int, children: list[Child], stop: threading.Event) -> bool:
    """True once the page answers; False when we were asked to stop before."""
    import httpx

    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, timeout=5) as client:
        while not stop.wait(0.5):
            _assert_all_run(children)
            with contextlib.suppress(httpx.HTTPError):
                if client.get(f"http://{HOST}:{port}/server_info").status_code == 200:
                    return True
            if time.monotonic() > deadline:
                raise AuroraError(f"Dagster did not answer within {START_SECONDS} s:\n{children[0].last_lines()}")
    return False


def _wait(children: list[Child], stop: threading.Event) -> None:
    while not stop.wait(1.0):
        _assert_all_run(children)


def _assert_all_run(children: list[Child]) -> None:
    for child in children:
        if child.process.poll() is not None:
            raise AuroraError(f"Dagster's {child.name} ended by itself ({child.process.returncode}). It last said:\n"
                              f"{child.last_lines()}")  # fmt: skip


def _stop_runs(home: Path) -> None:
    """Ask every run of ours to stop and give them a bounded time; queued ones start next time."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        _until(lambda: not _cancel(instance), seconds=STOP_RUNS_SECONDS)


def _cancel(instance: dg.DagsterInstance) -> bool:
    """Ask runs that have not been asked yet; True while any goes on."""
    runs = instance.get_runs(dg.RunsFilter(statuses=list(RUNNING)))
    for run in runs:
        if run.status != dg.DagsterRunStatus.CANCELING:
            with contextlib.suppress(dg.DagsterError):  # its code server may be gone already: reaped at the next start
                instance.run_launcher.terminate(run.run_id)
    return bool(runs)


def _until(is_over: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_over() and time.monotonic() < deadline:
        time.sleep(0.5)


def _stop_children(children: list[Child]) -> None:
    for child in children:
        child.process.terminate()
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(STOP_CHILD_SECONDS)
        with contextlib.suppress(ProcessLookupError):  # code servers and runs that outlived their parent
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
