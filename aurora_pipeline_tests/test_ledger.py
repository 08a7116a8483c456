"""The ledger's promises, asked of SQLite and of Postgres: one live charge per fingerprint, money inside every limit,
each arrow once, nothing lost by a kill."""

import json
import multiprocessing
import os
import signal
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from aurora_pipeline.aurora_videos import approvals, breaker, ledger_versions
from aurora_pipeline.aurora_videos import ledger as ledger_module
from aurora_pipeline.aurora_videos.bills import counted_bill
from aurora_pipeline.aurora_videos.ledger import Bill, Ledger, Plan
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.errors import AuroraError, BadSetting, BreakerTripped, OverBudget

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
    usd_per_unit=Decimal("0.14"),
    price_source="page",
    reserved_usd=Decimal("0.70"),
)
TEN = Limits(campaign_usd=Decimal(10))
NONE = Limits()
# Fork: a worker starts in milliseconds, and the connection of its parent must not be used in it.
FORK = multiprocessing.get_context("fork")


@pytest.fixture
def ledger(ledger_url):
    opened = Ledger(ledger_url)
    yield opened
    opened.close()


def _plan(number, **changes):
    return replace(PLAN, charge_id=f"c{number}", fingerprint=f"{number:064d}", **changes)


def _buy(ledger, plan=PLAN, *, limits=TEN):
    ledger.claim(plan, limits=limits)
    ledger.mark_sending(plan.charge_id, audio_url="https://x/1.wav")
    ledger.mark_accepted(plan.charge_id, request_id=f"req-{plan.charge_id}")


def _settle(ledger, plan=PLAN, *, usd="0.70", factor=None):
    _buy(ledger, plan)
    ledger.mark_completed(plan.charge_id, result={"video": {"url": "u"}}, billable_units=Decimal("7.0"))
    ledger.mark_stored(plan.charge_id, video_sha256="v" * 64)
    return ledger.settle(plan.charge_id, Bill(5, Decimal(usd), "measured"), breaker_factor=factor)


def _money(ledger, kind="campaign", name="spring", provider="fal"):
    found = ledger.spending(provider, kind, name)
    return found.reserved_usd, found.settled_usd


def test_a_charge_is_written_and_reserved_before_it_is_sent(ledger):
    charge, is_new = ledger.claim(PLAN, limits=TEN)

    assert is_new
    assert charge.state == "reserved"
    assert _money(ledger) == (Decimal("0.70"), 0)


def test_the_same_fingerprint_is_claimed_once_in_any_campaign(ledger):
    ledger.claim(PLAN, limits=TEN)

    charge, is_new = ledger.claim(replace(PLAN, charge_id="c2", campaign="autumn"), limits=TEN)

    assert not is_new
    assert charge.charge_id == "c1"
    assert _money(ledger, name="autumn") == (0, 0)


def test_a_draft_never_stands_in_for_a_purchase(ledger):
    ledger.claim(replace(PLAN, provider="studio"), limits=NONE)

    _charge, is_new = ledger.claim(replace(PLAN, charge_id="c2"), limits=TEN)

    assert is_new


def test_a_settled_charge_holds_its_bill_and_nothing_else_in_every_scope(ledger):
    charge = _settle(ledger)
    day = charge.planned_at.date().isoformat()

    for kind, name in (("campaign", "spring"), ("run", "r"), ("day", day), ("month", day[:7])):
        assert _money(ledger, kind, name) == (0, Decimal("0.70"))
    assert charge.billable_units == 7
    assert charge.bill_source == "measured"


@pytest.mark.parametrize("limits", [NONE, Limits(campaign_usd=Decimal("0.70"))])
def test_an_acceptance_that_came_after_its_charge_was_closed_holds_its_money_again(ledger, limits):
    ledger.claim(PLAN, limits=TEN)
    ledger.mark_sending("c1", audio_url="u")
    ledger.mark_unknown("c1", "lost")
    ledger.void_unknown("c1", "not on the list")
    ledger.correct_bill("c1", usd=Decimal("0.56"))  # its bill was found by its upload

    charge = ledger.mark_accepted("c1", request_id="late")

    assert (charge.state, charge.request_id, charge.billed_usd) == ("accepted", "late", None)
    assert _money(ledger) == (Decimal("0.70"), 0)
    assert not ledger.claim(replace(PLAN, charge_id="c2"), limits=limits)[1]


def test_an_acceptance_whose_fingerprint_was_claimed_anew_is_noted_so_that_its_bill_is_found(ledger):
    ledger.claim(PLAN, limits=TEN)
    ledger.mark_sending("c1", audio_url="u")
    ledger.mark_unknown("c1", "lost")
    ledger.void_unknown("c1", "not on the list")
    ledger.claim(replace(PLAN, charge_id="c2"), limits=TEN)

    assert ledger.mark_accepted("c1", request_id="late") is None

    assert (ledger.charge("c1").state, ledger.charge("c1").request_id) == ("voided", "late")
    assert _money(ledger) == (Decimal("0.70"), 0)


def test_a_request_that_may_still_be_answered_is_not_released(ledger, monkeypatch):
    ledger.claim(PLAN, limits=TEN)
    ledger.mark_sending("c1", audio_url="u")
    ledger.mark_unknown("c1", "lost")

    with pytest.raises(AuroraError) as refused:
        ledger.release("c1", "by a person")

    until = ledger.charge("c1").sent_at + ledger_module.SUBMIT_LASTS
    assert str(refused.value) == (
        f"spring/a was sent only now and may still be answered; look at fal after {until:%H:%M} UTC, then release it. "
        "$0.70 stays held."
    )
    monkeypatch.setattr(ledger_module, "datetime", SimpleNamespace(now=lambda zone: until))
    assert ledger.release("c1", "by a person").state == "voided"


@pytest.mark.parametrize("state", ["reserved", "sending", "unknown", "accepted", "completed", "stored"])
def test_what_a_dead_worker_left_is_known_and_what_is_at_its_end_or_worked_on_is_not(ledger, monkeypatch, state):
    ledger.claim(_plan(2), limits=TEN)
    ledger.void("c2", "at its end")
    steps = {
        "sending": lambda: ledger.mark_sending("c1", audio_url="u"),
        "unknown": lambda: ledger.mark_unknown("c1", "lost"),
        "accepted": lambda: ledger.mark_accepted("c1", request_id="r"),
        "completed": lambda: ledger.mark_completed("c1", result={}, billable_units=None),
        "stored": lambda: ledger.mark_stored("c1", video_sha256="v" * 64),
    }
    ledger.claim(PLAN, limits=TEN)
    for name in list(steps)[: list(steps).index(state) + 1] if state != "reserved" else []:
        steps[name]()

    assert ledger.left_behind("fal") == []
    monkeypatch.setattr(ledger_module, "owner_is_gone", lambda owner: True)
    assert [(charge.charge_id, charge.state) for charge in ledger.left_behind("fal")] == [("c1", state)]
    assert ledger.left_behind("fal", wanted=[PLAN.fingerprint]) == []
    assert ledger.left_behind("studio") == []


def test_what_is_given_up_stays_held_for_a_person(ledger):
    _buy(ledger)

    assert ledger.give_up("c1", "gone").state == "rejected"

    assert _money(ledger) == (Decimal("0.70"), 0)
    assert ledger.release("c1", "not billed").state == "voided"


def test_any_number_of_charges_and_approvals_may_be_named_at_once(ledger):
    many = [f"x{number}" for number in range(40_000)]
    ledger.claim(PLAN, limits=TEN)
    approvals.approve(ledger, "spring", [("a", "f" * 64)], by="mei")

    assert [charge.charge_id for charge in ledger.charges(charge_ids=[*many, "c1"])] == ["c1"]
    assert approvals.withdraw(ledger, "spring", [*many, "a"], by="mei") == 1


def test_each_arrow_is_taken_once(ledger):
    _settle(ledger)

    assert ledger.settle("c1", Bill(5, Decimal("0.70"), "measured")) is None
    assert ledger.mark_accepted("c1", request_id="another") is None
    assert ledger.void("c1", "no") is None
    assert _money(ledger) == (0, Decimal("0.70"))


@pytest.mark.parametrize(
    ("limits", "whose", "mend"),
    [
        (Limits(campaign_usd=Decimal("0.50")), "the campaign's", "raise budget_usd in campaign.yaml"),
        (Limits(run_usd=Decimal("0.50")), "this run's", "raise it (--max-usd"),
        (Limits(day_usd=Decimal("0.50")), "today's", "raise AURORA_MAX_USD_PER_DAY"),
        (Limits(month_usd=Decimal("0.50")), "this month's", "raise AURORA_MAX_USD_PER_MONTH"),
    ],
)
def test_a_reservation_that_does_not_fit_is_refused_and_leaves_no_trace(ledger, limits, whose, mend):
    with pytest.raises(OverBudget) as refused:
        ledger.claim(PLAN, limits=limits)

    assert f"a may cost $0.70 and $0.50 of {whose} $0.50 budget is left; {mend}" in str(refused.value)
    assert "Nothing was spent on this clip." in str(refused.value)
    assert ledger.charges() == []
    assert _money(ledger) == (0, 0)


def test_a_run_and_a_day_are_limited_across_campaigns(ledger):
    ledger.claim(_plan(1), limits=Limits(day_usd=Decimal(1)))

    with pytest.raises(OverBudget, match="today's"):
        ledger.claim(_plan(2, campaign="autumn", run_id="r2"), limits=Limits(day_usd=Decimal(1)))
    with pytest.raises(OverBudget, match="this run's"):
        ledger.claim(_plan(3, campaign="autumn"), limits=Limits(run_usd=Decimal(1)))
    assert ledger.claim(_plan(4, campaign="autumn", run_id="r2"), limits=Limits(run_usd=Decimal(1)))[1]


def test_a_bill_above_the_reservation_is_recorded_and_counts_against_the_budget(ledger):
    _settle(ledger, usd="9.80")

    with pytest.raises(OverBudget):
        ledger.claim(_plan(2), limits=TEN)


class TestBreaker:
    def test_an_absurd_bill_stops_all_buying_and_says_what_to_do(self, ledger):
        _settle(ledger, usd="70.00", factor=Decimal("1.5"))

        with pytest.raises(BreakerTripped) as refused:
            ledger.claim(_plan(2, campaign="autumn"), limits=NONE)

        assert "fal billed $70.00 for spring/a (request req-c1), of which $0.70 was the worst case" in str(
            refused.value
        )
        assert "aurora budget --close-breaker REASON" in str(refused.value)
        assert "Nothing more was spent." in str(refused.value)

    def test_a_charge_reserved_before_it_tripped_is_not_sent(self, ledger):
        ledger.claim(_plan(2), limits=NONE)
        _settle(ledger, usd="70.00", factor=Decimal("1.5"))

        with pytest.raises(BreakerTripped):
            ledger.mark_sending("c2", audio_url="u")

        assert ledger.charge("c2").state == "reserved"

    def test_what_was_bought_before_is_still_fetched_and_settled(self, ledger):
        _buy(ledger, _plan(2))
        _settle(ledger, usd="70.00", factor=Decimal("1.5"))

        assert ledger.mark_completed("c2", result={}, billable_units=None).state == "completed"

    def test_a_bill_within_the_factor_does_not_trip_it(self, ledger):
        _settle(ledger, usd="1.05", factor=Decimal("1.5"))

        assert breaker.open_trips(ledger, "fal") == []

    def test_a_free_draft_never_trips_it(self, ledger):
        _settle(ledger, replace(PLAN, provider="studio"), usd="70.00", factor=Decimal("1.5"))

        assert breaker.open_trips(ledger, "studio") == []

    def test_a_person_closes_it_with_a_reason_that_is_kept(self, ledger):
        _settle(ledger, usd="70.00", factor=Decimal("1.5"))
        with pytest.raises(AuroraError, match="Say why buying may go on"):
            breaker.close(ledger, "fal", by="mei", reason=" ")

        assert breaker.close(ledger, "fal", by="mei", reason="fal refunded it") == 1

        assert breaker.open_trips(ledger, "fal") == []
        assert ledger.claim(_plan(2), limits=NONE)[1]


def test_the_providers_own_record_corrects_the_bill_and_the_budget(ledger):
    _settle(ledger, usd="0.70")

    corrected = ledger.correct_bill("c1", usd=Decimal("0.56"))

    assert (corrected.billed_usd, corrected.bill_source) == (Decimal("0.56"), "event")
    assert _money(ledger) == (0, Decimal("0.56"))
    assert ledger.correct_bill("c1", usd=Decimal("0.56")) is None


def test_a_corrected_bill_may_trip_the_breaker_too(ledger):
    _settle(ledger)

    ledger.correct_bill("c1", usd=Decimal(400), breaker_factor=Decimal("1.5"))

    assert len(breaker.open_trips(ledger, "fal")) == 1


@pytest.mark.parametrize(
    ("end", "may_be_bought_again", "held"),
    [("refuse", True, "0"), ("reject", False, "0.70"), ("mark_unknown", False, "0.70")],
)
def test_how_a_request_ends_decides_whether_it_may_be_bought_again(ledger, end, may_be_bought_again, held):
    ledger.claim(PLAN, limits=TEN)
    ledger.mark_sending("c1", audio_url="https://x/1.wav")

    getattr(ledger, end)("c1", "because")

    assert _money(ledger) == (Decimal(held), 0)
    _charge, is_new = ledger.claim(replace(PLAN, charge_id="c2"), limits=TEN)
    assert is_new is may_be_bought_again


def test_money_survives_storage_to_the_micro_dollar(ledger):
    charge, _new = ledger.claim(
        replace(PLAN, usd_per_unit=Decimal("0.0562"), reserved_usd=Decimal("0.393401")), limits=TEN
    )

    assert (charge.usd_per_unit, charge.reserved_usd) == (Decimal("0.0562"), Decimal("0.393401"))
    assert _money(ledger)[0] == Decimal("0.393401")


@pytest.mark.parametrize("price", ["0.0000125", "0.0000005", "0.000016", "0.000000000001"])
def test_the_price_of_a_unit_survives_storage_however_small_so_that_the_bill_is_whole(ledger, price):
    usd, characters = Decimal(price), Decimal(4_000_000)
    plan = replace(PLAN, kind="speech", unit="character", usd_per_unit=usd, wanted_units=characters)

    charge, _new = ledger.claim(plan, limits=TEN)

    assert charge.usd_per_unit == ledger.charge("c1").usd_per_unit == usd
    assert counted_bill(charge, unit_usd=None).usd == usd * characters


def test_a_price_finer_than_the_ledger_is_kept_a_hair_too_high_and_never_too_low(ledger):
    charge, _new = ledger.claim(replace(PLAN, usd_per_unit=Decimal("0.0000000000001")), limits=TEN)

    assert charge.usd_per_unit == Decimal("0.000000000001")


KINDS_OF_YES = (approvals.BY_THE_TABLE, approvals.SPEECH_BY_THE_TABLE, approvals.HEARING_BY_THE_TABLE)


class TestApprovals:
    def test_an_approval_is_of_one_exact_purchase(self, ledger):
        assert approvals.approve(ledger, "spring", [("a", "f" * 64), ("b", "e" * 64)], by="mei") == 2

        standing = approvals.standing_approvals(ledger, "spring")

        assert [(each.clip_id, each.fingerprint, each.approved_by) for each in standing] == [
            ("a", "f" * 64, "mei"),
            ("b", "e" * 64, "mei"),
        ]
        assert approvals.standing_approvals(ledger, "autumn") == []

    def test_approving_twice_is_approving_once(self, ledger):
        approvals.approve(ledger, "spring", [("a", "f" * 64)], by="mei")

        assert approvals.approve(ledger, "spring", [("a", "f" * 64)], by="kofi") == 0

    def test_a_row_that_says_yes_covers_its_speech_and_later_its_video_each_as_first_quoted(self, ledger):
        parts = [approvals.Written("a", part, "row") for part in ("s1", "s2")]
        approvals.approve_as_written(ledger, "spring", parts, by=approvals.SPEECH_BY_THE_TABLE)
        approvals.approve_as_written(ledger, "spring", [approvals.Written("a", "v1", "row")])
        approvals.approve_as_written(ledger, "spring", [approvals.Written("a", "v2", "row")])

        assert [each.fingerprint for each in approvals.standing_approvals(ledger, "spring")] == ["s1", "s2", "v1"]

    @pytest.mark.parametrize("by", KINDS_OF_YES)
    @pytest.mark.parametrize("before", KINDS_OF_YES)
    def test_a_row_that_was_edited_since_its_yes_was_seen_has_nothing_more_approved(self, ledger, before, by):
        approvals.approve_as_written(ledger, "spring", [approvals.Written("a", "f1", "row")], by=before)

        approvals.approve_as_written(
            ledger, "spring", [approvals.Written("a", "f2", "edited"), approvals.Written("b", "f3", "other")], by=by
        )

        assert [each.fingerprint for each in approvals.standing_approvals(ledger, "spring")] == ["f1", "f3"]

    def test_a_yes_that_an_earlier_ledger_kept_without_its_row_covers_nothing_that_came_later(self, ledger):
        approvals.approve(ledger, "spring", [("a", "v1")], by=approvals.BY_THE_TABLE)

        approvals.approve_as_written(
            ledger, "spring", [approvals.Written("a", "s1", "row")], by=approvals.SPEECH_BY_THE_TABLE
        )

        assert [each.fingerprint for each in approvals.standing_approvals(ledger, "spring")] == ["v1"]

    def test_a_yes_of_the_table_that_was_taken_back_approves_no_video_later_either(self, ledger):
        approvals.approve_as_written(
            ledger, "spring", [approvals.Written("a", "s1", "row")], by=approvals.SPEECH_BY_THE_TABLE
        )

        assert approvals.withdraw(ledger, "spring", ["a"], by="kofi") == 1
        approvals.approve_as_written(ledger, "spring", [approvals.Written("a", "v1", "row")])

        assert approvals.standing_approvals(ledger, "spring") == []

    def test_what_was_approved_can_be_taken_back(self, ledger):
        approvals.approve(ledger, "spring", [("a", "f" * 64), ("b", "e" * 64)], by="mei")

        assert approvals.withdraw(ledger, "spring", ["a"], by="kofi") == 1

        assert [each.clip_id for each in approvals.standing_approvals(ledger, "spring")] == ["b"]


# ---- many workers


def _raced(worker, url, many=16):
    """What ``worker(url, number, answers)`` put, from that many processes at once."""
    answers = FORK.SimpleQueue()
    crew = [FORK.Process(target=worker, args=(url, number, answers)) for number in range(many)]
    for process in crew:
        process.start()
    said = [answers.get() for _ in crew]
    for process in crew:
        process.join(30)
    assert [process.exitcode for process in crew] == [0] * many
    return said


def _want_one_clip(url, number, answers):
    plan = replace(PLAN, charge_id=f"c{number}", campaign=f"campaign-{number}", run_id=f"r{number}")
    answers.put(Ledger(url).claim(plan, limits=NONE)[1])


def test_sixteen_processes_wanting_one_clip_make_one_charge(ledger, ledger_url):
    assert sorted(_raced(_want_one_clip, ledger_url)) == [False] * 15 + [True]
    assert len(ledger.charges()) == 1


def _want_a_share(url, number, answers):
    ledger, got = Ledger(url), 0
    for clip in range(4):
        plan = _plan(number * 100 + clip, run_id=f"r{number}", campaign=f"campaign-{number % 3}")
        try:
            got += ledger.claim(plan, limits=Limits(day_usd=Decimal("3.50")))[1]
        except OverBudget:
            break
    answers.put(got)


def test_sixteen_processes_on_one_budget_reserve_it_to_the_cent_and_never_more(ledger, ledger_url):
    assert sum(_raced(_want_a_share, ledger_url)) == 5
    day = datetime.now(UTC).date().isoformat()
    assert _money(ledger, "day", day) == (Decimal("3.50"), 0)


def _open_it(url, _number, answers):
    answers.put(len(Ledger(url).charges()))


def test_sixteen_processes_may_make_the_tables_at_once(ledger_url):
    assert _raced(_open_it, ledger_url) == [0] * 16


def test_threads_of_one_process_share_a_ledger(ledger):
    made = []
    crew = [threading.Thread(target=lambda n=n: made.append(ledger.claim(_plan(n), limits=NONE)[1])) for n in range(16)]

    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join()

    assert made == [True] * 16
    assert _money(ledger)[0] == 16 * PLAN.reserved_usd


def _at_once(works):
    """What each of ``works`` returned or raised, all of them begun together in threads of their own."""
    start, ends = threading.Barrier(len(works)), [None] * len(works)

    def do(number):
        start.wait(10)
        try:
            ends[number] = works[number]()
        except (AuroraError, OSError) as error:
            ends[number] = error

    crew = [threading.Thread(target=do, args=(number,)) for number in range(len(works))]
    for worker in crew:
        worker.start()
    for worker in crew:
        worker.join(30)
    return ends


def test_changes_that_share_a_commit_do_not_share_their_failures(ledger):
    too_dear = Limits(campaign_usd=Decimal("0.01"))
    works = [lambda n=n: ledger.claim(_plan(n), limits=too_dear if n % 2 else NONE)[0].charge_id for n in range(40)]

    ends = _at_once(works)

    assert all(isinstance(end, OverBudget) == bool(n % 2) for n, end in enumerate(ends))
    assert {charge.charge_id for charge in ledger.charges()} == {f"c{n}" for n in range(0, 40, 2)}
    assert _money(ledger)[0] == 20 * PLAN.reserved_usd


def test_a_commit_that_fails_is_told_to_everybody_who_shared_it(tmp_path, monkeypatch):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")

    def full(transaction):
        transaction.rollback()
        raise OSError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(sa.engine.RootTransaction, "commit", full)
        ends = _at_once([lambda n=n: ledger.claim(_plan(n), limits=NONE) for n in range(12)])

    assert all(isinstance(end, AuroraError | OSError) for end in ends)
    assert ledger.charges() == []
    assert ledger.claim(PLAN, limits=NONE)[1]


def test_when_sqlite_undoes_the_whole_transaction_nobody_in_it_is_told_that_he_may_send(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.claim(PLAN, limits=NONE)
    is_in, may_end, ends = threading.Event(), threading.Event(), {}

    def send():
        with ledger.transaction() as db:
            ledger._step(db, "c1", ("reserved",), "sending", audio_url="u")
            is_in.set()
            may_end.wait(10)

    def fill_the_disk():
        with ledger.transaction() as db:
            db.exec_driver_sql("PRAGMA max_page_count = 1")  # from here on the database is full
            for _number in range(3000):
                db.execute(ledger_module.events.insert(), {"charge_id": "x", "state": "y", "at": datetime.now(UTC),
                                                           "facts": "z" * 3000})  # fmt: skip

    def told(name, work):
        try:
            work()
        except AuroraError as error:
            ends[name] = str(error)

    first = threading.Thread(target=told, args=("send", send))
    first.start()
    is_in.wait(10)
    second = threading.Thread(target=told, args=("fill", fill_the_disk))
    second.start()
    while not ledger._database._waiting:
        second.join(0.01)
    may_end.set()
    first.join(30)
    second.join(30)

    assert ends["send"] == (
        "The cost ledger ledger.sqlite could not be read or written (SQLite has rolled back the whole transaction), so "
        "it stays as it was. See that its disk has room and is whole, then run again: it goes on from there, and "
        "nothing is bought twice."
    )
    assert "(database or disk is full)" in ends["fill"]
    assert ledger.charge("c1").state == "reserved"
    with ledger.transaction() as db:
        db.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert ledger.mark_sending("c1", audio_url="u").state == "sending"


def test_what_sqlite_says_is_a_sentence_for_whoever_commits_too(tmp_path, monkeypatch):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")

    def broken(transaction):
        transaction.rollback()
        raise sa.exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(sa.engine.RootTransaction, "commit", broken)

    with pytest.raises(
        AuroraError, match=r"could not be read or written \(.*disk I/O error.*\), so it stays as it was"
    ):
        ledger.claim(PLAN, limits=NONE)


def test_nobody_goes_on_before_the_commit_that_holds_his_change(tmp_path, monkeypatch):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    may_commit, gone_on, commit = threading.Event(), [], sa.engine.RootTransaction.commit

    def slow_commit(transaction):
        may_commit.wait(10)
        commit(transaction)

    def claim(number):
        ledger.claim(_plan(number), limits=NONE)
        gone_on.append(may_commit.is_set())

    monkeypatch.setattr(sa.engine.RootTransaction, "commit", slow_commit)
    crew = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for worker in crew:
        worker.start()
    crew[0].join(0.2)
    may_commit.set()
    for worker in crew:
        worker.join(10)

    assert gone_on == [True] * 8


def test_a_change_is_committed_although_the_one_it_waited_for_was_interrupted(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger._database._waiting += 1  # somebody who was about to take a turn, and never will

    assert ledger.claim(PLAN, limits=NONE)[1]

    other = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    assert [charge.charge_id for charge in other.charges()] == ["c1"]


def _die_in_the_middle(url, _number, answers):
    ledger = Ledger(url)
    with ledger.transaction() as db:
        db.exec_driver_sql("UPDATE charges SET state = 'settled'")
        answers.put("about to die")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_killed_inside_a_transaction_leaves_neither_half_a_change_nor_a_lock(ledger, ledger_url):
    ledger.claim(PLAN, limits=TEN)
    answers = FORK.SimpleQueue()
    worker = FORK.Process(target=_die_in_the_middle, args=(ledger_url, 0, answers))
    worker.start()
    worker.join(30)

    assert worker.exitcode == -signal.SIGKILL
    assert ledger.charge("c1").state == "reserved"
    assert ledger.mark_sending("c1", audio_url="u").state == "sending"


def _claim_with_threads(ledger, answers):
    answers.put(_at_once([lambda n=n: ledger.claim(_plan(n), limits=NONE)[1] for n in range(8)]))


def test_a_process_forked_while_a_thread_changes_the_ledger_uses_no_lock_or_connection_of_its_parent(tmp_path):
    ledger, answers = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}"), FORK.SimpleQueue()
    is_in, may_end = threading.Event(), threading.Event()

    def change():
        with ledger.transaction() as db:
            ledger_module._note(db, "c1", "reserved")
            is_in.set()
            may_end.wait(0.1)  # the fork waits for this change, so nobody can say when to end it

    changing = threading.Thread(target=change)
    changing.start()
    is_in.wait(10)
    child = FORK.Process(target=_claim_with_threads, args=(ledger, answers))
    child.start()

    assert answers.get() == [True] * 8
    child.join(30)
    changing.join(10)
    assert len(ledger.charges()) == 8
    assert ledger.claim(_plan(99), limits=NONE)[1]


# ---- versions


def _as_version(url, number):
    """The ledger as an earlier version wrote it: other names, fewer columns and tables."""
    gone = {2: ("kind", "unit", "wanted_units", "arguments"), 1: ("inputs", "reported_usd", "bill_source")}
    engine = sa.create_engine(url)
    with engine.begin() as db:
        db.exec_driver_sql("UPDATE charges SET usd_per_unit = usd_per_unit / 1000000")
        db.exec_driver_sql(f"UPDATE ledger_version SET version = {number}")
        if number == 3:
            db.exec_driver_sql("UPDATE charges SET wanted_units = 5000000")
        else:
            db.exec_driver_sql("ALTER TABLE charges RENAME COLUMN usd_per_unit TO usd_per_second")
            for column in gone[2] + (gone[1] if number == 1 else ()):
                db.exec_driver_sql(f"ALTER TABLE charges DROP COLUMN {column}")
        if number == 1:
            for table in ("ledger_version", "spending", "breakers", "approvals", "reconciliations"):
                db.exec_driver_sql(f"DROP TABLE {table}")
            columns = "provider TEXT, campaign TEXT, reserved_usd BIGINT, settled_usd BIGINT"
            db.exec_driver_sql(f"CREATE TABLE budgets ({columns})")
    engine.dispose()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_ledger_of_an_earlier_version_keeps_every_charge_and_its_money(ledger_url, number):
    before = Ledger(ledger_url)
    _settle(before)
    before.claim(_plan(2), limits=TEN)
    before.close()
    _as_version(ledger_url, number)

    after = Ledger(ledger_url)

    assert [(each.charge_id, each.state, each.usd_per_unit) for each in after.charges()] == [
        ("c1", "settled", Decimal("0.14")),
        ("c2", "reserved", Decimal("0.14")),
    ]
    assert {(each.kind, each.unit, each.wanted_units) for each in after.charges()} == {("video", "second", 5)}
    assert _money(after) == (Decimal("0.70"), Decimal("0.70"))
    assert _money(after, "run", "r") == (Decimal("0.70"), Decimal("0.70"))
    assert not after.claim(replace(PLAN, charge_id="c3"), limits=TEN)[1]
    after.close()


def test_speech_is_a_charge_by_its_characters_beside_video_in_one_budget(ledger):
    arguments = {"text": "Hello.", "voice": "Rachel"}
    speech = _plan(
        2,
        kind="speech",
        unit="1000_characters",
        usd_per_unit=Decimal("0.05"),
        wanted_units=Decimal("0.006"),
        reserved_usd=Decimal("0.05"),
        arguments=json.dumps(arguments),
    )
    _settle(ledger)

    _buy(ledger, speech)
    ledger.mark_completed("c2", result={"audio": {"url": "u"}}, billable_units=Decimal("0.006"))
    ledger.mark_stored("c2", video_sha256="s" * 64)
    charge = ledger.settle("c2", Bill(None, Decimal("0.0003"), "measured"))

    assert (charge.kind, charge.unit, charge.wanted_units) == ("speech", "1000_characters", Decimal("0.006"))
    assert (charge.billed_seconds, charge.billed_usd) == (None, Decimal("0.0003"))
    assert ledger.recovery("c2").arguments == arguments
    assert ledger.recovery("c1").arguments is None
    assert _money(ledger) == (0, Decimal("0.7003"))
    with pytest.raises(OverBudget):
        ledger.claim(_plan(3, kind="speech", reserved_usd=Decimal("9.30")), limits=TEN)


def test_a_ledger_of_a_newer_version_is_refused(ledger, ledger_url):
    with ledger.transaction() as db:
        db.exec_driver_sql("UPDATE ledger_version SET version = 99")

    with pytest.raises(AuroraError, match=rf"of version 99 and this program knows {ledger_versions.NEWEST}"):
        Ledger(ledger_url)


# ---- how it is opened


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://user:hunter2@host/db",
        "sqlite://",
        "sqlite:///:memory:",
        "postgresql://user:pw@hunter2@:hunter2/db",
        "postgresql://user:pass:hunter2@db:hunter2/db",
        "postgresql://user:pw@db:5432x/hunter2",
    ],
)
def test_a_url_that_cannot_hold_a_ledger_is_refused_without_being_shown(url):
    with pytest.raises(BadSetting, match="AURORA_LEDGER_URL") as refused:
        Ledger(url)

    assert "hunter2" not in str(refused.value)
    assert "Nothing was spent." in str(refused.value)


def test_a_postgres_that_is_not_there_is_a_sentence_without_its_password():
    with pytest.raises(AuroraError, match="Postgres cannot be reached") as refused:
        Ledger("postgresql://user:hunter2@127.0.0.1:1/db")

    assert "hunter2" not in str(refused.value)


def test_a_ledger_held_by_another_process_is_a_sentence(tmp_path, monkeypatch):
    from filelock import FileLock

    from aurora_pipeline.aurora_videos import ledger_engine

    monkeypatch.setattr(ledger_engine, "LOCK_SECONDS", 0.01)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")

    with (
        FileLock(tmp_path / "ledger.sqlite.lock"),
        pytest.raises(AuroraError, match=r"ledger\.sqlite has been held by another process"),
    ):
        ledger.claim(PLAN, limits=NONE)


def test_a_postgres_held_by_another_machine_is_a_sentence(postgres_url, monkeypatch):
    from aurora_pipeline.aurora_videos import ledger_engine

    other = Ledger(postgres_url)
    monkeypatch.setattr(ledger_engine, "LOCK_SECONDS", 0.05)
    ledger = Ledger(postgres_url)

    with other.transaction(), pytest.raises(AuroraError, match="Postgres has been held by another process") as refused:
        ledger.claim(PLAN, limits=NONE)

    assert "what was bought before is kept. Run again" in str(refused.value)


def test_a_machine_that_fell_asleep_inside_a_change_does_not_keep_the_others_out(postgres_url, monkeypatch):
    from aurora_pipeline.aurora_videos import ledger_engine

    awake = Ledger(postgres_url)
    monkeypatch.setattr(ledger_engine, "IDLE_SECONDS", 0.05)
    asleep = Ledger(postgres_url)

    with pytest.raises(AuroraError, match="ended the connection"):
        _fall_asleep(asleep, until=lambda: awake.claim(PLAN, limits=NONE))

    assert awake.charge("c1").state == "reserved"


def _fall_asleep(ledger, *, until):
    with ledger.transaction() as db:
        until()
        db.execute(sa.select(1))


def _hold(url, _number, answers):
    with Ledger(url).transaction():
        answers.put("held")
        signal.pause()


def test_a_held_ledger_is_waited_for_no_longer_than_was_asked(ledger, ledger_url):
    answers = FORK.SimpleQueue()
    holder = FORK.Process(target=_hold, args=(ledger_url, 0, answers))
    holder.start()
    answers.get()

    with pytest.raises(AuroraError, match="has been held by another process"), ledger.transaction(patience=0.01):
        pass

    holder.kill()
    holder.join(30)


def test_a_worker_on_another_machine_is_not_called_gone_before_its_lease(ledger, monkeypatch):
    monkeypatch.setattr(ledger_module, "this_owner", lambda: "elsewhere/1")
    ledger.claim(PLAN, limits=TEN)
    assert not ledger.recovery("c1").owner_is_gone

    later = datetime.now(UTC) + ledger_module.LEASE * 2
    monkeypatch.setattr(ledger_module, "datetime", SimpleNamespace(now=lambda zone: later))
    assert ledger.recovery("c1").owner_is_gone
