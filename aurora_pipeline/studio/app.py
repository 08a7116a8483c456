"""The parts of a studio, put together as one FastAPI application."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, HTTPException, Security
from fastapi.responses import RedirectResponse, StreamingResponse
from fastapi.security import APIKeyHeader

from .. import __version__
from ..models import Model
from . import fault_routes, platform_routes, queue_routes, storage_routes
from .asked import json_schema as sound_schema
from .book import Book
from .breaking import Breaking, Dated, Drop
from .faults import Faults
from .gate import Gate
from .instant import Cards, InstantWorker
from .jobs import Jobs
from .leases import Leases
from .models import Documented, document
from .models import json_schema as video_schema
from .parts import Studio, TheStudio
from .pricing import Prices, Served
from .renderer import Renderer, Worker
from .scenario import Scenario
from .storage import Files
from .terms import Retention
from .webhooks import DELAYS, Outbox, SigningKey

DESCRIPTION = """
A local stand-in for fal: the same HTTP, free drafts. Every fal host is a path prefix here, and any key will do
(one that begins with `ordinary` may not see bills): press *Authorize* and enter `Key local-studio`.
"""


@dataclass(frozen=True)
class Plan:
    """What a studio is started with.

    ``close_when_unused`` asks the server to stop; None keeps it until it is told to. ``drop`` closes the connection of
    a client's address without a word, for scenarios. ``instant_seconds`` is what a request takes when cards are made
    in place of talking heads.
    """

    folder: Path
    price_book: Path
    worker_command: Sequence[str]
    workers: int = 2
    close_when_unused: Callable[[], None] | None = None
    instant_seconds: float | None = None
    scenario: Scenario = field(default_factory=Scenario)
    retention: Retention = field(default_factory=Retention)
    webhook_delays: Sequence[float] = DELAYS
    drop: Drop = lambda client: None


def assemble(plan: Plan) -> FastAPI:
    """The application; its parts open with it and close with it. Raises an `AuroraError` for an unusable price book."""
    prices, faults = Prices(plan.price_book), Faults(plan.scenario)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        book = Book(plan.folder / "studio.sqlite", plan.retention)
        app.state.studio = studio = _studio(plan, book, prices, faults)
        await studio.jobs.start()
        await studio.outbox.start()
        watch = asyncio.create_task(_watch(studio.leases, plan.close_when_unused))
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            await studio.jobs.stop()
            await studio.outbox.stop()
            book.close()

    def is_upload_token(token: str) -> bool:
        studio: Studio = app.state.studio
        return studio.book.files.is_token(token)

    key = APIKeyHeader(name="Authorization", auto_error=False, description="`Key` and any word, such as Key local")
    app = FastAPI(
        title="Aurora studio",
        description=DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        dependencies=[Security(key)],
        redoc_url=None,
    )
    app.add_middleware(Breaking, faults=faults, drop=plan.drop)
    app.add_middleware(Gate, is_upload_token=is_upload_token)
    app.add_middleware(Dated)
    for routes in (queue_routes.router, queue_routes.run_router, storage_routes.router, platform_routes.router, router):
        app.include_router(routes)
    app.include_router(fault_routes.router)
    document(app, lambda: map(_documented, prices.everything()))
    return app


def _documented(model: Served) -> Documented:
    schema = video_schema(model) if isinstance(model, Model) else sound_schema(model)
    return Documented(model.name, model.endpoint, schema)


def _studio(plan: Plan, book: Book, prices: Prices, faults: Faults) -> Studio:
    bench = plan.folder / "bench"  # half-made files; on the same disk as the finished ones
    shutil.rmtree(bench, ignore_errors=True)
    bench.mkdir(parents=True)
    files = Files(plan.folder / "files", book.files)
    workers = _renderers(plan)
    jobs = Jobs(
        book=book,
        files=files,
        prices=prices,
        workers=workers,
        bench=bench,
        faults=faults,
        instant_seconds=plan.instant_seconds,
    )
    key = SigningKey.of(plan.folder / "webhook_key.pem")
    outbox = Outbox(book, key, news=jobs.webhooks, delays=plan.webhook_delays, faults=faults)
    return Studio(book=book, files=files, prices=prices, jobs=jobs, leases=Leases(), faults=faults, outbox=outbox)


def _renderers(plan: Plan) -> list[Renderer]:
    if plan.instant_seconds is None:
        return [Worker(plan.worker_command) for _ in range(plan.workers)]
    cards = Cards()
    return [InstantWorker(cards, plan.instant_seconds) for _ in range(plan.workers)]


async def _watch(leases: Leases, close: Callable[[], None] | None) -> None:
    if close is not None:
        await leases.close_when_unused(close)


router = APIRouter(tags=["studio"])


@router.get("/_studio/health")
async def health(studio: TheStudio) -> dict[str, Any]:
    """Whether this is a studio, and which."""
    if studio.leases.is_closing:
        raise HTTPException(503, "The studio is stopping.")
    return {"ok": True, "pid": os.getpid(), "version": __version__}


@router.get("/rest.fal.ai/.well-known/jwks.json", tags=["rest.fal.ai and v3.fal.media"])
async def webhook_keys(studio: TheStudio) -> dict[str, Any]:
    """The public key that webhooks are signed with (Ed25519)."""
    return studio.outbox.key.jwks()


@router.get("/_studio/lease")
async def lease(studio: TheStudio) -> StreamingResponse:
    """Keep the studio running for as long as this connection is open."""
    if studio.leases.is_closing:
        raise HTTPException(503, "The studio is stopping.")
    return StreamingResponse(studio.leases.heartbeat(), media_type="text/plain")


@router.get("/", include_in_schema=False)
async def front_door() -> RedirectResponse:
    return RedirectResponse("/docs")
