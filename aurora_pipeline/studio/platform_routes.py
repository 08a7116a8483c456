"""api.fal.ai: prices, the list of requests, and the bill of each. Amounts are US dollars; nothing was paid."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query

from .aurora import ENDPOINT, AuroraInput
from .book import Request as QueueRequest
from .gate import WayIn
from .parts import CameIn, Studio, TheStudio
from .pricing import Bill
from .queue_routes import output

PLAY_MONEY_USD = Decimal(1_000_000)
MAX_IDS = 50
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

router = APIRouter(prefix="/api.fal.ai/v1", tags=["api.fal.ai"])


@router.get("/models/pricing")
async def pricing(studio: TheStudio, endpoint_id: Annotated[list[str], Query()]) -> dict[str, Any]:
    """Aurora's price at its default resolution."""
    if ENDPOINT not in _split(endpoint_id):
        raise HTTPException(404, f"This studio has {ENDPOINT} only.")
    price = studio.prices.price(AuroraInput.model_fields["resolution"].default)
    row = {"endpoint_id": ENDPOINT, "unit_price": float(price.usd_per_second), "unit": "second", "currency": "USD"}
    return {"prices": [row], "next_cursor": None, "has_more": False}


@router.get("/models/requests/by-endpoint")
async def requests_by_endpoint(
    studio: TheStudio,
    way_in: CameIn,
    endpoint_id: str,
    status: Literal["", "success", "error", "user_error"] = "",
    start: datetime | None = None,
    expand: Annotated[list[str] | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[int, Query(ge=0)] = 0,
) -> dict[str, Any]:
    """Requests, newest first, with their arguments and answers when ``expand`` names payloads."""
    since = _aware(start) if start else EPOCH
    found = studio.book.listing(endpoint_id, since=since, status=status, limit=limit + 1, offset=cursor)
    with_payloads = "payloads" in _split(expand or [])
    items = [_item(studio, request, way_in, with_payloads=with_payloads) for request in found[:limit]]
    has_more = len(found) > limit
    return {"items": items, "next_cursor": str(cursor + limit) if has_more else None, "has_more": has_more}


@router.get("/models/billing-events")
async def billing_events(studio: TheStudio, request_id: Annotated[list[str], Query()]) -> dict[str, Any]:
    """The bills of up to 50 requests; one that was not billed has no event."""
    ids = _split(request_id)
    if not 1 <= len(ids) <= MAX_IDS:
        raise HTTPException(422, f"Name 1 to {MAX_IDS} request ids.")
    events = [_event(*billed) for billed in studio.book.bills(ids)]
    return {"billing_events": events, "next_cursor": None, "has_more": False}


@router.get("/account/billing")
async def account_billing(studio: TheStudio) -> dict[str, Any]:
    """A balance of play money, less everything this studio would have billed."""
    balance = PLAY_MONEY_USD - studio.book.billed_usd()
    return {"username": "local-studio", "credits": {"current_balance": float(balance), "currency": "USD"}}


def _split(values: list[str]) -> list[str]:
    """Repeated and comma-separated query values alike."""
    return [part for value in values for part in value.split(",") if part]


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _item(studio: Studio, request: QueueRequest, way_in: WayIn, *, with_payloads: bool) -> dict[str, Any]:
    moments = {"sent_at": request.sent_at, "started_at": request.started_at, "ended_at": request.ended_at}
    item: dict[str, Any] = {"request_id": request.request_id, "endpoint_id": request.endpoint, **moments}
    item |= {"status_code": request.status_code, "duration": request.inference_seconds}
    if with_payloads:
        item |= {"json_input": request.arguments, "json_output": _answer(studio, request, way_in)}
    return item


def _answer(studio: Studio, request: QueueRequest, way_in: WayIn) -> dict[str, Any] | None:
    if request.state != "COMPLETED":
        return None
    return request.refusal.body if request.refusal else output(studio, request, way_in)


def _event(request_id: str, bill: Bill, at: datetime) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "endpoint_id": ENDPOINT,
        "output_units": bill.billable_seconds,
        "unit_price": float(bill.usd_per_second),
        "percent_discount": 0,
        "cost_total": float(bill.usd),
        "cost_estimate_nano_usd": int(bill.usd * 10**9),
        "timestamp": at,
    }
