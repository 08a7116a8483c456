"""Dated prices with their sources: a price that is missing, stale or not by the second is a refusal, never $0."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_pipeline.errors import BadInput, PriceUnknown, SpendRefused
from aurora_pipeline.price_book import billed_seconds, read_price_book

SHIPPED = Path(__file__).resolve().parent.parent / "data" / "price_book.csv"
AURORA = "fal-ai/creatify/aurora"
HEADER = "endpoint,resolution,unit,usd_per_unit,valid_from,expires_on,source,note\n"


@pytest.fixture
def book(tmp_path):
    """A price book with the rows given."""

    def book(*rows):
        file = tmp_path / "data" / "price_book.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(HEADER + "\n".join(rows) + "\n")
        return read_price_book(file)

    return book


@pytest.mark.parametrize(
    ("resolution", "on", "usd"),
    [
        ("480p", date(2026, 9, 28), "0.10"),
        ("480p", date(2026, 9, 29), "0.10"),  # sources disagree: the dearer counts
        ("720p", date(2026, 6, 1), "0.14"),
        ("720p", date(2027, 6, 30), "0.14"),
    ],
)
def test_the_shipped_book_holds_auroras_prices_by_day(resolution, on, usd):
    price = read_price_book(SHIPPED).price(AURORA, resolution, on=on)

    assert price.usd_per_second == Decimal(usd)
    assert price.source.startswith("https://fal.ai/models/fal-ai/creatify/aurora")
    assert not price.is_expired(on)


def test_where_trusted_sources_disagree_the_dearer_price_counts(book):
    prices = book(
        "a/b,720p,second,0.20,2026-01-01,2027-01-01,page,", "a/b,720p,second,0.10,2026-02-01,2027-01-01,post,"
    )

    assert prices.price("a/b", "720p", on=date(2026, 3, 1)).usd_per_second == Decimal("0.20")


def test_the_row_in_force_wins_whatever_the_order_of_the_file(book):
    prices = book(
        "a/b,720p,second,0.30,2026-03-01,2027-01-01,page,",
        "a/b,720p,second,0.10,2026-01-01,2026-01-31,page,",
        "a/b,720p,second,0.20,2026-02-01,2026-02-28,page,",
    )

    assert prices.price("a/b", "720p", on=date(2026, 2, 15)).usd_per_second == Decimal("0.20")


def test_a_model_without_a_price_is_a_refusal(book):
    with pytest.raises(PriceUnknown) as refused:
        book("a/b,720p,second,0.10,2026-01-01,2027-01-01,page,").price("a/b", "480p", on=date(2026, 1, 1))

    assert isinstance(refused.value, SpendRefused)
    assert str(refused.value) == (
        "data/price_book.csv has no price for a/b 480p; add a row with its source. Nothing was spent."
    )


def test_a_day_before_the_first_price_is_a_refusal(book):
    with pytest.raises(PriceUnknown, match="no price for a/b 720p before 2026-01-01; add a row"):
        book("a/b,720p,second,0.10,2026-01-01,2027-01-01,page,").price("a/b", "720p", on=date(2025, 12, 31))


def test_an_expired_price_is_a_refusal_except_for_free_drafts(book):
    prices = book("a/b,720p,second,0.10,2026-01-01,2026-06-30,page,")

    with pytest.raises(PriceUnknown, match="was trusted until 2026-06-30; look it up again"):
        prices.price("a/b", "720p", on=date(2026, 7, 1))
    price = prices.price("a/b", "720p", on=date(2026, 7, 1), allow_expired=True)
    assert price.is_expired(date(2026, 7, 1))
    assert not price.is_expired(date(2026, 6, 30))


def test_a_newer_row_that_has_expired_does_not_bring_the_older_one_back(book):
    prices = book(
        "a/b,720p,second,0.10,2026-01-01,2027-12-31,page,",
        "a/b,720p,second,0.20,2026-02-01,2026-03-01,page,",
    )

    with pytest.raises(PriceUnknown, match="line 3"):
        prices.price("a/b", "720p", on=date(2026, 4, 1))


@pytest.mark.parametrize("allow_expired", [False, True])
def test_a_unit_other_than_the_second_is_a_refusal(book, allow_expired):
    prices = book("a/b,720p,megapixel,0.10,2026-01-01,2027-01-01,page,")

    with pytest.raises(PriceUnknown, match="line 2 prices a/b 720p by the 'megapixel'; only prices by the 'second'"):
        prices.price("a/b", "720p", on=date(2026, 1, 1), allow_expired=allow_expired)


def test_a_price_by_another_unit_is_found_by_who_reckons_by_it(book):
    prices = book("a/b,any,1000_characters,0.05,2026-01-01,2027-01-01,page,")

    price = prices.price("a/b", on=date(2026, 1, 1), unit="1000_characters")

    assert (price.unit, price.usd_per_unit, price.usd(Decimal("0.15"))) == (
        "1000_characters",
        Decimal("0.05"),
        Decimal("0.0075"),
    )
    with pytest.raises(PriceUnknown) as refused:
        prices.price("a/b", on=date(2026, 1, 1))
    assert str(refused.value) == (
        "data/price_book.csv line 2 prices a/b any by the '1000_characters'; only prices by the 'second' can be "
        "reserved safely. Add a row with unit 'second'. Nothing was spent."
    )


@pytest.mark.parametrize("unit", ["compute_second", "megapixel", ""])
def test_a_unit_that_cannot_be_bounded_prices_nothing_even_when_it_is_asked_for(book, unit):
    prices = book(f"a/b,any,{unit or 'second'},0.05,2026-01-01,2027-01-01,page,")

    with pytest.raises(PriceUnknown, match="only prices by the 'second' or 'minute' or 'character' or '1000_char"):
        prices.price("a/b", on=date(2026, 1, 1), unit=unit)


def test_trusted_prices_by_two_units_cannot_be_compared_and_an_expired_one_does_not_count(book):
    both = ("a/b,any,second,0.05,2026-01-01,2027-01-01,page,", "a/b,any,minute,9,2026-02-01,2027-01-01,page,")

    with pytest.raises(PriceUnknown, match="line 2 prices a/b any by the 'second'; only prices by the 'minute'"):
        book(*both).price("a/b", on=date(2026, 3, 1), unit="minute")
    gone = (both[0].replace("2027", "2026"), both[1])
    assert book(*gone).price("a/b", on=date(2026, 3, 1), unit="minute").usd(2) == 18


@pytest.mark.parametrize("units", [Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_number_of_units_costs_nothing_that_could_be_told(book, units):
    price = book("a/b,720p,second,0.10,2026-01-01,2027-01-01,page,").price("a/b", "720p", on=date(2026, 1, 1))

    with pytest.raises(ValueError, match="units cannot be billed"):
        price.usd(units)


@pytest.mark.parametrize(
    ("endpoint", "resolution", "usd"),
    [
        (AURORA, "480p", "0.10"),
        (AURORA, "720p", "0.14"),
        ("fal-ai/kling-video/ai-avatar/v2/standard", "any", "0.0562"),
        ("veed/fabric-1.0", "480p", "0.08"),
        ("veed/fabric-1.0", "720p", "0.15"),
    ],
)
def test_videos_cost_what_they_cost_before_there_was_speech(endpoint, resolution, usd):
    price = read_price_book(SHIPPED).price(endpoint, resolution, on=date(2026, 11, 23))

    assert (price.usd_per_second, price.unit) == (Decimal(usd), "second")


def test_every_problem_of_a_malformed_book_is_told_with_its_line(book):
    with pytest.raises(BadInput) as caught:
        book(
            "a/b,720p,second,free,2026-01-01,2027-01-01,page,",
            "a/b,720p,second,0,2026-13-01,2027-01-01,page,",
            "a/b,720p,second,NaN,2026-01-01,2025-01-01,,",
            "a/b,720p,second,0.1,2026-01-01,2027-01-01,page,one,two",
            "a/b,480p,second,0.1,2026-01-01,2027-01-01,page,",
            "a/b,480p,second,0.2,2026-01-01,2027-01-01,page,",
        )

    assert [str(problem) for problem in caught.value.problems] == [
        "line 2, usd_per_unit: is 'free'; write dollars as a positive number such as 0.14",
        "line 3, usd_per_unit: is '0'; write dollars as a positive number such as 0.14",
        "line 3, valid_from: is '2026-13-01'; write a day as 2026-09-29",
        "line 4, expires_on: is before valid_from; swap the two days",
        "line 4, source: is empty",
        "line 4, usd_per_unit: is 'NaN'; write dollars as a positive number such as 0.14",
        "line 5: has 9 cells but the header has 8; an unquoted comma? Put that text in double quotes",
        "line 7, valid_from: line 6 already prices a/b 480p from 2026-01-01; delete one of the two",
    ]


def test_a_missing_book_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match=r"price_book\.csv has 1 problem:\n +cannot be read \(No such file"):
        read_price_book(tmp_path / "price_book.csv")


@pytest.mark.parametrize(
    ("seconds", "billed"), [(0, 0), (0.2, 1), (9.4, 10), (10.0, 10), (10.0000001, 10), (10.0004, 10), (10.001, 11)]
)
def test_seconds_are_billed_rounded_up_but_float_dust_is_not_a_second(seconds, billed):
    assert billed_seconds(seconds) == billed


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf")])
def test_a_length_that_is_none_cannot_be_billed(seconds):
    with pytest.raises(ValueError, match="cannot be billed"):
        billed_seconds(seconds)


@given(st.floats(0, 36_000))
def test_never_more_than_a_second_over_nor_a_millisecond_under(seconds):
    assert seconds - 0.001 <= billed_seconds(seconds) < seconds + 1
