"""One worker process: it buys a campaign from the studio as if that were fal, and may be killed at any moment.

Forked from a preloaded server (multiprocessing's ``forkserver``: one thread, imports done), so that a start costs
milliseconds. Two kinds: ``ours`` runs the paid stages its home asks for; ``naive`` is the loop beside which ours is
judged.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .homes import SPEECH, VIDEO, Home

if TYPE_CHECKING:
    from aurora_pipeline.stage_tables import Failure

PATIENCE_SECONDS = 3.0  # every HTTP time-out of a worker: a hanging studio is given up on after this
INTERRUPTED = 130
WORKER_SECONDS = 40.0  # then it is ended from outside, as an operator would


@dataclass(frozen=True)
class Order:
    """What one worker is to do. ``boundary`` names where it ends; ``log`` takes everything it says."""

    home: Home
    url: str
    key: str
    log: Path
    run_id: str = "run"
    boundary: str = ""
    nth: int = 1
    how: str = "kill"
    machine: str = ""
    lease_seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
    guards: str = ""
    kind: str = "ours"
    settings: dict[str, Any] = field(default_factory=dict)
    one_at_a_time: bool = False


def fork_server() -> multiprocessing.context.ForkServerContext:
    """The context whose server has everything imported."""
    # One thread in the server: numpy's own would not survive the fork.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["aurora_pipeline_tests.faults.preload"])
    return context


def start(order: Order) -> ForkServerProcess:
    """A worker process at work on ``order``."""
    worker = fork_server().Process(target=work, args=(order,), daemon=True)
    worker.start()
    return worker


def start_and_hear(order: Order) -> tuple[ForkServerProcess, Connection]:
    """Like `start`; something can be read from the connection once the worker begins to buy, or has ended."""
    ours, theirs = fork_server().Pipe(duplex=False)
    worker = fork_server().Process(target=work, args=(order, theirs), daemon=True)
    worker.start()
    theirs.close()
    return worker, ours


def finish(worker: ForkServerProcess, *, seconds: float = WORKER_SECONDS) -> int:
    """Its exit status: 0 nothing failed, 1 a stated error, 130 Ctrl-C, -9 killed (after ``seconds``, by us)."""
    worker.join(seconds)
    if worker.is_alive():
        worker.kill()
        worker.join()
    return worker.exitcode if worker.exitcode is not None else -signal.SIGKILL


def work(order: Order, begun: Connection | None = None) -> None:
    """The child's whole life."""
    prepare(order)
    if begun is not None:
        _tell_when_buying(begun)
    _share_tls()
    if order.boundary:
        from .boundaries import arm

        arm(order.boundary, how=order.how, nth=order.nth)
    try:
        sys.exit(KINDS[order.kind](order))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _tell_when_buying(begun: Connection) -> None:
    """Both kinds make their fal client last of all, when everything is read and priced."""
    import fal_client

    real = fal_client.SyncClient

    def told(**named: Any) -> Any:
        begun.send_bytes(b"1")
        return real(**named)

    setattr(fal_client, "SyncClient", told)  # noqa: B010 - a class is replaced on purpose


def _share_tls() -> None:
    """Start at once: a worker that is killed while it reads a CA bundle proves nothing."""
    from httpx._transports import default

    from .preload import TLS

    setattr(default, "create_ssl_context", lambda *_, **__: TLS)  # noqa: B010 - a function is replaced on purpose


def prepare(order: Order) -> None:
    """Make this process the order's: its words go into its log, its environment holds the order's key alone."""
    _say_into(order.log)
    _environment(order)


def _say_into(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(said, stream)


def _environment(order: Order) -> None:
    for name in [name for name in os.environ if name.startswith(("AURORA_", "FAL_"))]:
        del os.environ[name]
    os.environ["FAL_KEY"] = order.key
    os.environ.update(order.environment)
    _shorten_timeouts()
    if order.machine:
        import socket

        socket.gethostname = lambda: order.machine
    if order.lease_seconds:
        from aurora_pipeline.aurora_videos import ledger

        ledger.LEASE = timedelta(seconds=order.lease_seconds)


def _shorten_timeouts() -> None:
    """Two minutes of a hanging read are three seconds here; nothing else of the client is touched."""
    import httpx
    from fal_client import client

    from aurora_pipeline.gear import fal

    client.QUEUE_POLL_TIMEOUT = httpx.Timeout(PATIENCE_SECONDS)
    setattr(fal, "DOWNLOAD_SECONDS", PATIENCE_SECONDS)  # noqa: B010 - a float for an int is meant


# ---- ours
def _buy(order: Order) -> int:
    from aurora_pipeline.errors import AuroraError

    _send_to(order)
    if order.one_at_a_time:
        from aurora_pipeline.aurora_videos import render

        setattr(render, "_workers", lambda _settings: 1)  # noqa: B010 - a function is replaced on purpose
    try:
        failures = _bought_speech(order) if order.home.buys != VIDEO else ()
        failures += _bought_videos(order) if order.home.buys != SPEECH else ()
    except AuroraError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for failure in failures:
        sys.stdout.write(f"{failure.clip_id}: {failure.sentence}\n")
    return 1 if failures else 0


def _bought_speech(order: Order) -> tuple[Failure, ...]:
    """The stage as `aurora run --yes` runs it: everything that its quote names is agreed to."""
    from aurora_pipeline import pipeline

    job = pipeline.Job(order.home.settings(**order.settings), order.home.campaign, run_id=order.run_id)
    return pipeline.tts_audio(job, approved=pipeline.quote_speech(job)).failures


def _bought_videos(order: Order) -> tuple[Failure, ...]:
    from aurora_pipeline.aurora_videos.render import render_campaign
    from aurora_pipeline.progress import Silent
    from aurora_pipeline.script_table import read_campaign
    from aurora_pipeline.stage_tables import read_rows
    from aurora_pipeline.tts_audio import Speech

    settings = order.home.settings(**order.settings)
    campaign = read_campaign(settings, order.home.campaign)
    speeches = read_rows(settings, "tts_audio", order.home.campaign, Speech)
    return render_campaign(settings, campaign, speeches, run_id=order.run_id, progress=Silent()).failures


def _send_to(order: Order) -> None:
    """fal's hosts are reached at the studio; the key, the guards and the client stay those of paid work."""
    import fal_client

    from aurora_pipeline.gear import fal

    fal._keep_loopback_off_proxies()

    def connect(base_url: str = "") -> fal.FalConnection:
        client = fal_client.SyncClient(key=os.environ["FAL_KEY"], default_timeout=PATIENCE_SECONDS)
        return fal.FalConnection(client, order.url)

    fal.connect = connect
    if order.guards == "no one-POST guard":
        unguarded = _without_the_guard(fal.FalConnection._guard_request)
        setattr(fal.FalConnection, "_guard_request", unguarded)  # noqa: B010 - a method is replaced on purpose


def _without_the_guard(real: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """The request hook without its refusal of a second POST: fal-client's own retry goes through."""

    def unguarded(connection: Any, request: Any) -> None:
        submit = getattr(connection._thread, "submit", None)
        if submit is not None and submit.posts and request.method == "POST":
            submit.posts, submit.before_post = 0, lambda: None
        real(connection, request)

    return unguarded


def _reconcile(order: Order) -> int:
    """The ledger beside the provider's bill, as `aurora reconcile` does it."""
    from aurora_pipeline.aurora_videos.reconcile.compare import reconcile_bills

    _send_to(order)
    for row in reconcile_bills(order.home.settings()).differences:
        sys.stdout.write(f"{row.subject}: {row.verdict}: {row.sentence}\n")
    return 0


def _publish(order: Order) -> int:
    """The stage with its tables, then the warehouse: everything a run leaves behind."""
    from aurora_pipeline import pipeline

    _send_to(order)
    job = pipeline.Job(order.home.settings(), order.home.campaign, run_id=order.run_id)
    pipeline.script_table(job)
    if order.home.buys != SPEECH:
        pipeline.aurora_videos(job)
    pipeline.warehouse(job)
    return 0


# ---- the loop everybody writes first
def _subscribe(order: Order) -> int:
    from concurrent.futures import ThreadPoolExecutor

    from aurora_pipeline.script_table import read_campaign

    settings = order.home.settings(**order.settings)
    scripts = read_campaign(settings, order.home.campaign).scripts
    speech = {clip_id: sha256 for sha256, clip_id in order.home.speech_sha256s().items()}
    client = _naive_client(order)
    with ThreadPoolExecutor(settings.requests_in_flight) as pool:
        made = list(pool.map(lambda script: _one_clip(client, order, script.clip_id, speech[script.clip_id]), scripts))
    return 0 if all(made) else 1


def make_naively(order: Order, clip_id: str) -> None:
    """One clip, made as the plain loop makes it. Raises when it could not be."""
    speech = {clip_id: sha256 for sha256, clip_id in order.home.speech_sha256s().items()}
    if not _one_clip(_naive_client(order), order, clip_id, speech[clip_id]):
        raise RuntimeError(f"{clip_id} was not made.")


def _naive_client(order: Order) -> Any:
    import fal_client

    from aurora_pipeline.gear.fal import route

    client = fal_client.SyncClient(key=order.key, default_timeout=PATIENCE_SECONDS)
    route(client, order.url)
    return client


def _one_clip(client: Any, order: Order, clip_id: str, sha256: str) -> bool:
    target = naive_file(order.home, clip_id)
    for _attempt in range(3):
        if target.exists():
            return True
        with contextlib.suppress(Exception):
            _generate(client, order, sha256, target)
    return target.exists()


def _generate(client: Any, order: Order, sha256: str, target: Path) -> None:
    import httpx

    from aurora_pipeline.gear.media_store import MediaStore

    from .homes import ENDPOINT

    speech = MediaStore(order.home.settings().media).require(sha256).read_bytes()
    portrait = (order.home.root / "data" / "avatars" / "ana.png").read_bytes()
    arguments = {
        "image_url": client.upload(portrait, "image/png", "portrait.png", repository="fal", fallback_repository=[]),
        "audio_url": client.upload(speech, "audio/wav", "speech.wav", repository="fal", fallback_repository=[]),
        "resolution": "480p",
    }
    result = client.subscribe(ENDPOINT, arguments)
    video = httpx.get(result["video"]["url"], timeout=PATIENCE_SECONDS, trust_env=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(video.raise_for_status().content)


def naive_file(home: Home, clip_id: str) -> Path:
    """Where the plain loop keeps a clip's video: if it exists, the clip is skipped."""
    return home.output / "naive" / home.campaign / f"{clip_id}.mp4"


KINDS: dict[str, Callable[[Order], int]] = {
    "ours": _buy,
    "naive": _subscribe,
    "publish": _publish,
    "reconcile": _reconcile,
}
