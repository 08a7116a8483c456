"""A price or unit that changed at the provider is noticed before the first dollar, not on the bill."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import pytest

from aurora_pipeline.aurora_videos.quoted import Quote, QuotedClip
from aurora_pipeline.aurora_videos.request import AuroraRequest, SentImage
from aurora_pipeline.aurora_videos.unit_prices import unit_prices
from aurora_pipeline.errors import PriceUnknown
from aurora_pipeline.gear.fal_answers import Unreachable
from aurora_pipeline.gear.fal_platform import UnitPrice
from aurora_pipeline.price_book import Price
from aurora_pipeline.script_table import Script
from aurora_pipeline.tts_audio import Speech

AURORA = "fal-ai/creatify/aurora"
SCRIPT = Script("spring", "a", "Hi.", "ana", "p" * 64, "heart", "en", "720p", None, Decimal(1), Decimal(2), 2)
SPEECH = Speech("spring", "a", "w" * 64, 0.98, 24000, "hibari", "1", "heart", "en", "Hi.", "engine", ())
PRICE = Price(AURORA, "720p", Decimal("0.14"), date(2026, 1, 1), date(2027, 1, 1), "page")
CLIP = QuotedClip(AuroraRequest(SCRIPT, SPEECH, SentImage(b"", ".png", "i" * 64)), PRICE, None, "new")


@dataclass
class Listed:
    """A price list with one row, none, or nothing that can be read."""

    price: UnitPrice | None = None
    is_broken: bool = False

    def unit_price(self, endpoint):
        if self.is_broken:
            raise Unreachable("no list")
        return self.price


def _quote(*clips, provider="fal"):
    return Quote("spring", provider, clips, {})


@pytest.mark.parametrize("usd", ["0.14", "0.10"])
def test_a_unit_that_costs_no_more_than_the_book_says_is_used_for_the_bill(usd):
    assert unit_prices(Listed(UnitPrice("seconds", Decimal(usd))), _quote(CLIP)).usd == {AURORA: Decimal(usd)}


def test_a_price_that_rose_refuses_to_buy():
    units = unit_prices(Listed(UnitPrice("second", Decimal("0.20"))), _quote(CLIP))

    with pytest.raises(PriceUnknown) as refused:
        units.guarded(CLIP)

    assert str(refused.value) == (
        "fal now asks $0.2 a unit for fal-ai/creatify/aurora, and data/price_book.csv says $0.14 a second; look it up "
        "and add a row. Nothing was spent."
    )


@pytest.mark.parametrize("unit", ["video", "megapixel", "", "GPU second", "10 seconds", "millisecond", "second-ish"])
def test_another_unit_refuses_to_buy(unit):
    units = unit_prices(Listed(UnitPrice(unit, Decimal("0.01"))), _quote(CLIP))

    with pytest.raises(PriceUnknown, match=f"by the '{unit}', not by the second"):
        units.guarded(CLIP)


@pytest.mark.parametrize("unit", ["second", "Seconds", " second "])
def test_the_second_is_known_however_it_is_written(unit):
    assert unit_prices(Listed(UnitPrice(unit, Decimal("0.14"))), _quote(CLIP)).guarded(CLIP) is CLIP


def test_a_clip_that_is_not_as_the_book_says_keeps_no_other_from_being_fetched():
    other = replace(CLIP, request=replace(CLIP.request, image=SentImage(b"", ".png", "j" * 64)))
    accepted, doubtful = replace(other, standing="under way"), replace(other, standing="in doubt")

    units = unit_prices(Listed(UnitPrice("video", Decimal("0.01"))), _quote(CLIP, doubtful))

    assert units.guarded(accepted) is accepted
    assert units.guarded(doubtful) == replace(doubtful, only_followed=True)


def test_what_is_bought_already_is_fetched_whatever_the_price_is_now():
    kept = replace(CLIP, standing="under way")

    units = unit_prices(Listed(UnitPrice("video", Decimal(9))), _quote(kept))

    assert (units.usd, units.guarded(kept)) == ({AURORA: Decimal(9)}, kept)


def test_drafts_are_free_and_never_refused():
    assert unit_prices(Listed(UnitPrice("video", Decimal(9))), _quote(CLIP, provider="studio")).guarded(CLIP) is CLIP


@pytest.mark.parametrize("listed", [Listed(), Listed(is_broken=True)])
def test_no_price_list_changes_nothing_since_the_book_is_dated_and_trusted(listed):
    units = unit_prices(listed, _quote(CLIP))

    assert (units.usd, units.guarded(CLIP)) == ({}, CLIP)
