"""What every route needs: the studio's parts, and how the request came in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request

from .book import Book
from .faults import Faults
from .gate import WayIn
from .jobs import Jobs
from .leases import Leases
from .pricing import Prices
from .storage import Files
from .webhooks import Outbox

# room for a portrait and a minute of speech as data: URIs; taking it in needs ten times as much memory for a moment
MAX_JSON_BYTES = 32_000_000


@dataclass(frozen=True)
class Studio:
    """The parts of one running studio."""

    book: Book
    files: Files
    prices: Prices
    jobs: Jobs
    leases: Leases
    faults: Faults
    outbox: Outbox

    def begin_closing(self) -> None:
        """Give no more leases, and let every open stream end by itself."""
        self.leases.is_closing = True
        self.faults.release()
        self.jobs.news.tell()


# Both are coroutines because FastAPI runs plain functions in a thread, which costs far more than they do.
async def _studio(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


async def _way_in(request: Request) -> WayIn:
    way_in: WayIn = request.state.way_in
    return way_in


TheStudio = Annotated[Studio, Depends(_studio)]
CameIn = Annotated[WayIn, Depends(_way_in)]


async def body_of(request: Request, most: int, advice: str) -> bytes:
    """The request's body. Raises 413 as soon as it is larger than ``most`` bytes, whatever it announced."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"The request is larger than {most / 1000:,.0f} KB; {advice}.")
    return bytes(body)


async def json_body(request: Request) -> Any:
    """The request's JSON. Raises 422 for what is not strict JSON, 413 beyond `MAX_JSON_BYTES`."""
    body = await body_of(request, MAX_JSON_BYTES, "upload its files and send their URLs")
    try:
        value = json.loads(body)
        # Python reads NaN, Infinity and half characters that no answer could hand out again
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        item = {"loc": ["body"], "msg": f"JSON decode error: {error}", "type": "json_invalid"}
        raise HTTPException(422, [item]) from error
    return value
