"""The platform endpoints of the local studio: lists, prices, bills."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aurora_pipeline.studio.pricing import Prices
from aurora_pipeline_tests.studio_bench import ENDPOINT, EXAMPLE, PRICE_BOOK, Running, wav

PER_SECOND = {"480p": "0.10", "720p": "0.14"}


def test_the_list_of_requests_finds_one_by_its_audio_url(studio: Running, tmp_path: Path) -> None:
    client = studio.client()
    sound = client.upload(wav(tmp_path / "a.wav", 1).read_bytes(), "audio/wav", "a.wav", repository="fal")
    handle = client.submit(ENDPOINT, {**EXAMPLE, "audio_url": sound})
    result = handle.get(interval=0.02)
    query = {"endpoint_id": ENDPOINT, "status": "success", "start": "2026-01-01T00:00:00Z", "expand": "payloads"}

    items = studio.http.get("/api.fal.ai/v1/models/requests/by-endpoint", params=query).json()["items"]

    (found,) = [item for item in items if item["json_input"]["audio_url"] == sound]
    assert (found["request_id"], found["status_code"], found["json_output"]) == (handle.request_id, 200, result)
    assert found["sent_at"] <= found["started_at"] <= found["ended_at"]


def test_the_list_of_requests_comes_in_pages(studio: Running) -> None:
    sent = {studio.http.post(f"/queue.fal.run/{ENDPOINT}", json={}).json()["request_id"] for _ in range(3)}
    query: dict[str, Any] = {"endpoint_id": ENDPOINT, "status": "user_error", "limit": 2}
    pages = []
    while not pages or pages[-1]["next_cursor"]:
        query |= {"cursor": pages[-1]["next_cursor"]} if pages else {}
        pages.append(studio.http.get("/api.fal.ai/v1/models/requests/by-endpoint", params=query).json())

    listed = [item["request_id"] for page in pages for item in page["items"]]
    assert sent <= set(listed)
    assert len(listed) == len(set(listed))


def test_prices_and_balance_are_told(studio: Running) -> None:
    prices = studio.http.get("/api.fal.ai/v1/models/pricing", params={"endpoint_id": ENDPOINT}).json()["prices"]

    assert prices == [{"endpoint_id": ENDPOINT, "unit_price": 0.07, "unit": "second", "currency": "USD"}]
    assert _get(studio, "account/billing") == {"username": "local-studio"}
    assert _get(studio, "account/billing", expand="credits")["credits"]["currency"] == "USD"


def test_a_dearer_resolution_is_billed_as_more_units_of_the_one_price(studio: Running) -> None:
    answer = studio.http.post(f"/{ENDPOINT}", json=EXAMPLE | {"resolution": "720p"})

    (event,) = studio.billing_events(answer.headers["x-fal-request-id"])
    assert answer.headers["x-fal-billable-units"] == "6"
    assert (event["output_units"], event["unit_price"], event["cost_total"]) == (6, 0.07, 0.42)


@pytest.mark.parametrize(
    ("resolution", "seconds", "units", "usd"),
    [
        ("480p", 10.0, "10", "1.00"),
        ("720p", 10.0, "14", "1.40"),
        ("720p", 9.4, "14", "1.40"),
        ("720p", 0.5, "1.4", "0.14"),
    ],
)
def test_units_times_unit_price_are_the_bill(
    tmp_path: Path, resolution: str, seconds: float, units: str, usd: str
) -> None:
    rows = [f"{ENDPOINT},{each},second,{price},2021-01-01,9999-12-31,page," for each, price in PER_SECOND.items()]
    (tmp_path / "book.csv").write_text("\n".join([PRICE_BOOK.splitlines()[0], *rows]))
    prices = Prices(tmp_path / "book.csv")

    bill = prices.bill(prices.served()[0], resolution, seconds)

    assert (bill.billable_units, bill.unit_price, bill.usd) == (Decimal(units), Decimal("0.10"), Decimal(usd))
    assert bill.billable_units * bill.unit_price == bill.usd


@pytest.mark.parametrize("path", ["models/billing-events?request_id=x", "models/usage", "account/billing"])
def test_an_ordinary_key_may_not_see_bills(studio: Running, path: str) -> None:
    answer = studio.http.get(f"/api.fal.ai/v1/{path}", headers={"Authorization": "Key ordinary-7"})

    assert (answer.status_code, answer.json()) == (403, {"detail": "This endpoint requires an admin API key."})
    assert studio.http.get(f"/api.fal.ai/v1/{path}").status_code == 200


def test_an_ordinary_key_reads_prices_and_lists_and_buys(studio: Running) -> None:
    key = {"Authorization": "Key ordinary-7"}

    for path in ("models/pricing", "models/requests/by-endpoint"):
        answer = studio.http.get(f"/api.fal.ai/v1/{path}", params={"endpoint_id": ENDPOINT}, headers=key)
        assert answer.status_code == 200
    assert studio.http.post(f"/{ENDPOINT}", json=EXAMPLE, headers=key).status_code == 200


def test_usage_adds_up_to_the_bills(studio: Running) -> None:
    ids = [studio.http.post(f"/{ENDPOINT}", json=EXAMPLE).headers["x-fal-request-id"] for _ in range(2)]
    first = studio.billing_events(ids[0])[0]["timestamp"]

    usage = _get(studio, "models/usage", start=first, expand="time_series,summary")

    (row,) = usage["summary"]
    assert (row["endpoint_id"], row["quantity"], row["cost"]) == (ENDPOINT, 12, 0.84)
    assert sum(each["cost"] for bucket in usage["time_series"] for each in bucket["results"]) == row["cost"]
    assert _get(studio, "models/usage", endpoint_id="fal-ai/flux/dev")["time_series"] == []
    assert _get(studio, "models/usage", end=first, start="2020-01-01", expand="summary").keys() >= {"summary"}


def test_the_list_is_bounded_by_start_and_end_and_names_one_request(studio: Running) -> None:
    sent = [studio.submit().json()["request_id"] for _ in range(3)]
    moments = [studio.listed(request_id=each)[0]["sent_at"] for each in sent]

    listed = studio.listed(start=moments[1], end=moments[2])

    assert [item["request_id"] for item in listed] == [sent[1]]
    assert [item["request_id"] for item in studio.listed(request_id=sent[0])] == [sent[0]]
    assert studio.listed(request_id="nobody") == []


def test_a_cursor_of_somebody_else_is_refused(studio: Running) -> None:
    answer = studio.http.get(
        "/api.fal.ai/v1/models/requests/by-endpoint", params={"endpoint_id": ENDPOINT, "cursor": "???"}
    )

    assert (answer.status_code, answer.json()) == (422, {"detail": "The cursor is none of this list's."})


def _get(studio: Running, path: str, **query: str) -> Any:
    return studio.http.get(f"/api.fal.ai/v1/{path}", params=query).json()
