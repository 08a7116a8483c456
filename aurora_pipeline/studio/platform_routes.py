"""api.fal.ai: prices, the list of requests, and the bill of each. Amounts are US dollars; nothing was paid.

Billing, usage and the account are for admin keys. Here every key is one, but a key that begins with `ordinary`, so that
a client can be tried with both.
"""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query

from .answers import payload
from .book import Billed, Listing
from .book import Request as QueueRequest
from .book_tables import now
from .gate import WayIn
from .parts import CameIn, Studio, TheStudio
from .pricing import Served, told, unit_of

PLAY_MONEY_USD = Decimal(1_000_000)
MAX_IDS = 50
MOST_ROWS = 2**31
DAY = timedelta(days=1)
WIDE = timedelta(days=90)  # how far back a list that names one request looks
BUCKETS = {"minute": "%Y-%m-%dT%H:%M:00Z", "hour": "%Y-%m-%dT%H:00:00Z", "day": "%Y-%m-%dT00:00:00Z"}

router = APIRouter(prefix="/api.fal.ai/v1", tags=["api.fal.ai"])


def _admin(way_in: CameIn) -> None:
    """Refuses a key that is not an admin's."""
    if not way_in.is_admin:
        raise HTTPException(403, "This endpoint requires an admin API key.")


for_admins = APIRouter(dependencies=[Depends(_admin)])


@router.get("/models/pricing")
async def pricing(studio: TheStudio, endpoint_id: Annotated[list[str], Query()]) -> dict[str, Any]:
    """The price of an endpoint's unit: of a video model, one second of its cheapest resolution.

    The units' names are as fal's model pages write them; how its price list writes them is not documented.
    """
    asked, served = _ids(endpoint_id), studio.prices.everything()
    models = [model for model in served if model.endpoint in asked]
    if not models:
        raise HTTPException(404, f"This studio has {', '.join(model.endpoint for model in served)} only.")
    return {"prices": [_price_row(studio, model) for model in models], **_page(None)}


async def _listing(
    endpoint_id: Annotated[list[str], Query()],
    status: Literal["", "success", "error", "user_error"] = "",
    request_id: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
) -> Listing:
    return Listing(_ids(endpoint_id), *_window(start, end, WIDE if request_id else DAY), status, request_id)


@router.get("/models/requests/by-endpoint")
async def requests_by_endpoint(
    studio: TheStudio,
    way_in: CameIn,
    query: Annotated[Listing, Depends(_listing)],
    expand: Annotated[list[str] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: str = "",
) -> dict[str, Any]:
    """Requests, newest first, with their arguments and answers when ``expand`` names payloads.

    Without ``start`` the last 24 hours (90 days for one ``request_id``), as at fal.
    """
    offset = _offset(cursor)
    found = studio.book.listing(query, limit=limit + 1, offset=offset)
    with_payloads = "payloads" in _split(expand or [])
    items = [_item(studio, request, way_in, with_payloads=with_payloads) for request in found[:limit]]
    return {"items": items, **_page(offset + limit if len(found) > limit else None)}


@for_admins.get("/models/billing-events")
async def billing_events(studio: TheStudio, request_id: Annotated[list[str], Query()]) -> dict[str, Any]:
    """The bills of up to 50 requests; one that was not billed has no event. For admin keys."""
    events = [_event(billed) for billed in studio.book.bills(_ids(request_id))]
    return {"billing_events": events, **_page(None)}


@for_admins.get("/models/usage")
async def usage(
    studio: TheStudio,
    endpoint_id: Annotated[list[str] | None, Query()] = None,
    start: datetime | None = None,
    end: datetime | None = None,
    timeframe: Literal["minute", "hour", "day"] = "day",
    expand: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """Units and cost by endpoint and bucket of time (UTC), and their ``summary`` when asked for. For admin keys.

    Without ``start`` the last 24 hours, as at fal.
    """
    wanted = _split(endpoint_id or [])
    bills = studio.book.bills_between(*_window(start, end, DAY))
    bills = [billed for billed in bills if not wanted or billed.endpoint in wanted]
    asked = _split(expand or []) or ["time_series"]
    answer: dict[str, Any] = {}
    if "time_series" in asked:
        answer["time_series"] = _time_series(bills, BUCKETS[timeframe])
    if "summary" in asked:
        answer["summary"] = _totals(bills)
    return {**answer, **_page(None)}


@for_admins.get("/account/billing")
async def account_billing(studio: TheStudio, expand: Annotated[list[str] | None, Query()] = None) -> dict[str, Any]:
    """The account; with ``expand=credits`` a balance of play money, less everything this studio would have billed."""
    account: dict[str, Any] = {"username": "local-studio"}
    if "credits" in _split(expand or []):
        balance = PLAY_MONEY_USD - studio.book.billed_usd()
        account["credits"] = {"current_balance": float(balance), "currency": "USD"}
    return account


router.include_router(for_admins)


def _price_row(studio: Studio, model: Served) -> dict[str, Any]:
    unit_price = float(studio.prices.unit_price(model))
    return {"endpoint_id": model.endpoint, "unit_price": unit_price, "unit": told(unit_of(model)), "currency": "USD"}


def _split(values: list[str]) -> list[str]:
    """Repeated and comma-separated query values alike."""
    return [part for value in values for part in value.split(",") if part]


def _ids(values: list[str]) -> list[str]:
    ids = _split(values)
    if not 1 <= len(ids) <= MAX_IDS:
        raise HTTPException(422, f"Name 1 to {MAX_IDS} ids.")
    return ids


def _window(start: datetime | None, end: datetime | None, default: timedelta) -> tuple[datetime, datetime]:
    """From the first moment to before the second; a moment without a zone is UTC."""
    try:
        until = _aware(end).astimezone(UTC) if end else now()
        return _aware(start).astimezone(UTC) if start else until - default, until
    except OverflowError as error:
        raise HTTPException(422, "That moment is before the first year or after the last.") from error


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _page(next_offset: int | None) -> dict[str, Any]:
    """How a list goes on. A cursor is opaque: clients hand it back as it is."""
    cursor = None if next_offset is None else base64.urlsafe_b64encode(str(next_offset).encode()).decode()
    return {"next_cursor": cursor, "has_more": cursor is not None}


def _offset(cursor: str) -> int:
    try:
        return min(max(0, int(base64.urlsafe_b64decode(cursor))), MOST_ROWS) if cursor else 0
    except (ValueError, binascii.Error) as error:
        raise HTTPException(422, "The cursor is none of this list's.") from error


def _item(studio: Studio, request: QueueRequest, way_in: WayIn, *, with_payloads: bool) -> dict[str, Any]:
    moments = {"sent_at": request.sent_at, "started_at": request.started_at, "ended_at": request.ended_at}
    item: dict[str, Any] = {"request_id": request.request_id, "endpoint_id": request.endpoint, **moments}
    item |= {"status_code": request.status_code, "duration": request.inference_seconds}
    if with_payloads:
        is_kept = request.terms.stores_io and not request.has_expired
        item["json_input"] = request.arguments if is_kept else None
        item["json_output"] = payload(studio.book, request, way_in) if is_kept else None
    return item


def _event(billed: Billed) -> dict[str, Any]:
    bill = billed.bill
    return {
        "request_id": billed.request_id,
        "endpoint_id": billed.endpoint,
        "output_units": float(bill.billable_units),
        "unit_price": float(bill.unit_price),
        "percent_discount": 0,
        "cost_total": float(bill.usd),
        "cost_estimate_nano_usd": int(bill.usd * 10**9),
        "timestamp": billed.at,
    }


def _time_series(bills: list[Billed], bucket: str) -> list[dict[str, Any]]:
    """One entry a bucket of time that has bills, oldest first."""
    by_time: dict[str, list[Billed]] = defaultdict(list)
    for billed in bills:
        by_time[billed.at.astimezone(UTC).strftime(bucket)].append(billed)
    return [{"bucket": at, "results": _totals(of_it)} for at, of_it in by_time.items()]


def _totals(bills: list[Billed]) -> list[dict[str, Any]]:
    """One row an endpoint, unit and unit price."""
    rows: dict[tuple[str, str, Decimal], list[Billed]] = defaultdict(list)
    for billed in bills:
        rows[billed.endpoint, billed.bill.unit, billed.bill.unit_price].append(billed)
    return [
        {
            "endpoint_id": endpoint,
            "unit": told(unit),
            "quantity": float(sum(billed.bill.billable_units for billed in of_it)),
            "unit_price": float(unit_price),
            "cost": float(sum(billed.bill.usd for billed in of_it)),
            "currency": "USD",
            "auth_method": "local-studio",
        }
        for (endpoint, unit, unit_price), of_it in rows.items()
    ]
