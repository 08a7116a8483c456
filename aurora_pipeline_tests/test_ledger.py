"""The ledger's promises: one live charge per fingerprint, money inside the budget, each arrow once."""

import threading
from dataclasses import replace
from decimal import Decimal

import pytest

from aurora_pipeline.aurora_videos.ledger import Ledger, Plan
from aurora_pipeline.errors import OverBudget

PLAN = Plan(
    charge_id="c1",
    provider="fal",
    fingerprint="f" * 64,
    campaign="spring",
    clip_id="a",
    run_id="r",
    endpoint="fal-ai/creatify/aurora",
    resolution="720p",
    audio_seconds=4.2,
    usd_per_second=Decimal("0.14"),
    price_source="page",
    reserved_usd=Decimal("0.70"),
)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")


def _buy(ledger, plan=PLAN):
    ledger.claim(plan, limit_usd=Decimal(10))
    ledger.mark_sending(plan.charge_id, audio_url="https://x/1.wav")
    ledger.mark_accepted(plan.charge_id, request_id=f"req-{plan.charge_id}")


def test_a_charge_is_written_and_reserved_before_it_is_sent(ledger):
    charge, is_new = ledger.claim(PLAN, limit_usd=Decimal(10))

    assert is_new
    assert charge.state == "reserved"
    assert ledger.budget("fal", "spring").reserved_usd == Decimal("0.70")


def test_the_same_fingerprint_is_claimed_once_in_any_campaign(ledger):
    ledger.claim(PLAN, limit_usd=Decimal(10))

    charge, is_new = ledger.claim(replace(PLAN, charge_id="c2", campaign="autumn"), limit_usd=Decimal(10))

    assert not is_new
    assert charge.charge_id == "c1"
    assert ledger.budget("fal", "autumn").reserved_usd == 0


def test_a_draft_never_stands_in_for_a_purchase(ledger):
    ledger.claim(replace(PLAN, provider="studio"), limit_usd=None)

    _charge, is_new = ledger.claim(replace(PLAN, charge_id="c2"), limit_usd=Decimal(10))

    assert is_new


def test_a_reservation_that_does_not_fit_is_refused_and_leaves_no_trace(ledger):
    with pytest.raises(OverBudget, match=r"a may cost \$0\.70 and \$0\.50 of the campaign's \$0\.50 budget is left"):
        ledger.claim(PLAN, limit_usd=Decimal("0.50"))

    assert ledger.charges() == []
    assert ledger.budget("fal", "spring").reserved_usd == 0


def test_settling_turns_the_reservation_into_the_bill_once(ledger):
    _buy(ledger)
    ledger.mark_completed("c1", result={"video": {"url": "u"}}, billable_units=Decimal(5))
    ledger.mark_stored("c1", video_sha256="v" * 64)

    assert ledger.settle("c1", billed_seconds=5, billed_usd=Decimal("0.70"))
    assert not ledger.settle("c1", billed_seconds=5, billed_usd=Decimal("0.70"))

    budget = ledger.budget("fal", "spring")
    assert (budget.reserved_usd, budget.settled_usd) == (0, Decimal("0.70"))
    assert ledger.charge("c1").billable_units == 5


def test_a_bill_above_the_reservation_is_recorded_and_counts_against_the_budget(ledger):
    _buy(ledger)
    ledger.mark_completed("c1", result={}, billable_units=None)
    ledger.mark_stored("c1", video_sha256="v" * 64)

    ledger.settle("c1", billed_seconds=80, billed_usd=Decimal("9.80"))

    with pytest.raises(OverBudget):
        ledger.claim(replace(PLAN, charge_id="c2", fingerprint="e" * 64), limit_usd=Decimal(10))


@pytest.mark.parametrize(
    ("end", "may_be_bought_again", "held"),
    [("refuse", True, "0"), ("reject", False, "0.70"), ("mark_unknown", False, "0.70")],
)
def test_how_a_request_ends_decides_whether_it_may_be_bought_again(ledger, end, may_be_bought_again, held):
    ledger.claim(PLAN, limit_usd=Decimal(10))
    ledger.mark_sending("c1", audio_url="https://x/1.wav")

    getattr(ledger, end)("c1", "because")

    assert ledger.budget("fal", "spring").reserved_usd == Decimal(held)
    _charge, is_new = ledger.claim(replace(PLAN, charge_id="c2"), limit_usd=Decimal(10))
    assert is_new is may_be_bought_again


def test_sixteen_workers_wanting_one_clip_make_one_charge(ledger):
    made = []
    plans = [replace(PLAN, charge_id=f"c{i}") for i in range(16)]
    workers = [threading.Thread(target=lambda p=p: made.append(ledger.claim(p, limit_usd=None)[1])) for p in plans]

    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert sorted(made) == [False] * 15 + [True]
    assert len(ledger.charges()) == 1


def test_many_workers_on_one_budget_never_reserve_more_than_it(ledger):
    plans = [replace(PLAN, charge_id=f"c{i}", fingerprint=f"{i:064d}") for i in range(16)]

    def claim(plan):
        try:
            ledger.claim(plan, limit_usd=Decimal("3.50"))
        except OverBudget:
            return

    workers = [threading.Thread(target=claim, args=(plan,)) for plan in plans]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert ledger.budget("fal", "spring").reserved_usd == Decimal("3.50")
    assert len(ledger.charges()) == 5


def test_money_survives_storage_to_the_cent(ledger):
    charge, _new = ledger.claim(replace(PLAN, usd_per_second=Decimal("0.07")), limit_usd=Decimal("1234567.89"))

    assert charge.usd_per_second == Decimal("0.07")
    assert ledger.budget("fal", "spring").limit_usd == Decimal("1234567.89")
