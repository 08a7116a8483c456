"""api.fal.ai: what fal itself has recorded.  Requests by endpoint, unit prices, bills.

Only reads. A list that cannot be read, or shows a request without its payload, is never taken for an answer.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from .fal_answers import (
    CLOCK_SKEW_SECONDS,
    MALFORMED,
    MOST,
    Unreachable,
    assert_clocks_agree,
    name_of,
    number_in,
    plain,
    request_id_of,
)

API = "https://api.fal.ai/v1"
LISTING_WINDOW = timedelta(hours=24)  # how far before the sending the list is read: wide, since the upload is unique
WITHOUT_PAYLOAD = "fal lists a request without its payload, so it cannot be told apart."
MOST_IDS = 50  # of one question for bills


class NotAllowed(Unreachable):
    """This key may not read that; fal shows bills to admin keys only."""


@dataclass(frozen=True)
class UnitPrice:
    """What fal says one unit of an endpoint costs, US dollars. Its units need not be seconds."""

    unit: str
    usd: Decimal


@dataclass(frozen=True)
class Listed:
    """A request as fal lists it: with what and when it was sent, and its answer once there is one."""

    request_id: str
    arguments: Mapping[str, Any]
    sent_at: datetime
    answer: dict[str, Any] | None

    def was_sent_with(self, arguments: Mapping[str, Any]) -> bool:
        """Whether it was sent with exactly these: as JSON, so that ``1`` is not ``true``."""
        return _as_json(self.arguments) == _as_json(arguments)

    def beyond(self, arguments: Mapping[str, Any]) -> list[str]:
        """Dotted names of what it holds and ``arguments`` do not."""
        return sorted(_beyond(self.arguments, arguments))


@dataclass(frozen=True)
class Platform:
    """The client's own httpx client, pointed at fal or (``is_fal`` False) at a studio, which is sent no admin key."""

    http: httpx.Client
    is_fal: bool = True

    def find(
        self, endpoint: str, value: str, *, field: str, since: datetime
    ) -> tuple[str, dict[str, Any] | None] | None:
        """The request id (and answer, once there is one) of the request that was sent with ``value`` in ``field``.

        None means that a complete, readable list does not hold it. Raises `Unreachable` when the list cannot be read
        or shows a request without that field of its payload: then nothing is certain.
        """
        matches = {}
        for item in self.requests(endpoint, since=since - LISTING_WINDOW):
            sent = _payload(item)
            if not isinstance(sent.get(field), str) or not sent[field]:
                raise Unreachable(WITHOUT_PAYLOAD)
            if sent[field] == value:
                matches[str(item["request_id"])] = _answer(item)
        if len(matches) > 1:
            raise Unreachable(f"fal lists {len(matches)} requests for one upload; a person must decide.")
        return next(iter(matches.items()), None)

    def alike(self, endpoint: str, arguments: Mapping[str, Any], *, since: datetime) -> list[Listed]:
        """The requests that hold all of ``arguments``, as far as clocks tell not sent before ``since``, in order.

        What one holds beyond them was sent by somebody else, or is a default that fal lists: nothing here can tell.
        Raises `Unreachable` as `find` does, and for one alike that is listed without the time it was sent.
        """
        first, found = since - timedelta(seconds=CLOCK_SKEW_SECONDS), {}
        for item in self.requests(endpoint, since=since - LISTING_WINDOW):
            if _holds(sent := _payload(item), arguments) and (sent_at := _sent_at(item)) >= first:
                request_id = str(item["request_id"])
                found[request_id] = Listed(request_id, sent, sent_at, _answer(item))
        return sorted(found.values(), key=lambda listed: listed.sent_at)

    def listed(self, endpoint: str, request_id: str, *, since: datetime) -> tuple[str, dict[str, Any] | None] | None:
        """A request that was accepted, by its id, as `find` tells it. Raises `Unreachable`."""
        items = self.requests(endpoint, since=since - LISTING_WINDOW)
        return next(((request_id, _answer(item)) for item in items if str(item["request_id"]) == request_id), None)

    def requests(self, endpoint: str, *, since: datetime) -> Iterator[dict[str, Any]]:
        """Every request of this account to an endpoint, with payloads, page by page. Raises `Unreachable`."""
        cursor: str | None = None
        while True:
            query = {"endpoint_id": endpoint, "start": since.isoformat(), "expand": "payloads", "limit": "100"}
            response = self._get("/models/requests/by-endpoint", query | ({"cursor": cursor} if cursor else {}))
            try:
                page = response.json()
                items, cursor = list(page["items"]), page.get("next_cursor")
                for item in items:
                    request_id_of(item)
            except MALFORMED as error:
                raise Unreachable(f"fal's list of requests could not be read ({name_of(error)}).") from None
            assert_clocks_agree(response)
            yield from items
            if not cursor:
                return

    def unit_price(self, endpoint: str) -> UnitPrice | None:
        """fal's own price of one unit; None when it lists none. Raises `Unreachable`."""
        try:
            rows = self._get("/models/pricing", {"endpoint_id": endpoint}).json()["prices"]
            mine = [row for row in rows if row["endpoint_id"] == endpoint]
            return UnitPrice(plain(mine[0].get("unit") or ""), number_in(mine[0]["unit_price"])) if mine else None
        except MALFORMED as error:
            raise Unreachable(f"fal's prices could not be read ({name_of(error)}).") from None

    def bills(self, request_ids: Sequence[str]) -> dict[str, Decimal]:
        """US dollars fal has billed, less what it gave back, by request; one without a billing event is absent.

        Read with FAL_ADMIN_KEY when that is set. Raises `NotAllowed` for a key that may not, else `Unreachable`.
        """
        billed: dict[str, Decimal] = {}
        for first in range(0, len(request_ids), MOST_IDS):
            cursor: str | None = None
            while True:
                query: dict[str, Any] = {"request_id": list(request_ids[first : first + MOST_IDS])}
                page = self._get("/models/billing-events", query | ({"cursor": cursor} if cursor else {}), admin=True)
                events, cursor = _billing_page(page)
                for request_id, usd in events:
                    billed[request_id] = billed.get(request_id, Decimal(0)) + usd
                if not cursor:
                    break
        return {request_id: max(usd, Decimal(0)) for request_id, usd in billed.items()}

    def _get(self, path: str, query: dict[str, Any], *, admin: bool = False) -> httpx.Response:
        key = os.environ.get("FAL_ADMIN_KEY", "").strip() if admin and self.is_fal else ""
        headers = {"Authorization": f"Key {key}"} if key else {}
        try:
            response = self.http.get(f"{API}{path}", params=query, headers=headers)
        except httpx.HTTPError as error:
            raise Unreachable(f"fal's records could not be read ({name_of(error)}).") from None
        if response.status_code in (401, 403):
            raise NotAllowed(f"This key may not read fal's records (HTTP {response.status_code}).")
        if response.status_code != 200:
            raise Unreachable(f"fal's records could not be read (HTTP {response.status_code}).")
        return response


def _answer(item: dict[str, Any]) -> dict[str, Any] | None:
    answer = item.get("json_output")
    return answer if isinstance(answer, dict) else None


def _payload(item: dict[str, Any]) -> dict[str, Any]:
    sent = item.get("json_input")
    if not isinstance(sent, dict):
        raise Unreachable(WITHOUT_PAYLOAD)
    return sent


def _holds(sent: Any, wanted: Any) -> bool:
    """Whether a payload has everything that is wanted of it, however deep."""
    if not isinstance(wanted, Mapping):
        return bool(sent == wanted)
    return isinstance(sent, Mapping) and all(name in sent and _holds(sent[name], wanted[name]) for name in wanted)


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _beyond(sent: Mapping[str, Any], wanted: Mapping[str, Any], within: str = "") -> Iterator[str]:
    for name, value in sent.items():
        if name not in wanted:
            yield f"{within}{name}"
        elif isinstance(value, Mapping) and isinstance(wanted[name], Mapping):
            yield from _beyond(value, wanted[name], f"{within}{name}.")


def _sent_at(item: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(str(item.get("sent_at")))
    except ValueError:
        raise Unreachable("fal lists a request without the time it was sent, so it cannot be told apart.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _billing_page(response: httpx.Response) -> tuple[list[tuple[str, Decimal]], str | None]:
    try:
        page = response.json()
        found = page["billing_events"]
        events = [(request_id_of(event), number_in(event["cost_total"], least=-MOST)) for event in found]
        return events, page.get("next_cursor")
    except MALFORMED as error:
        raise Unreachable(f"fal's billing events could not be read ({name_of(error)}).") from None
