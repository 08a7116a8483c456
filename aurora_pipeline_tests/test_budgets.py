"""`aurora budget`, caps and the breaker, as people meet them: limits in sentences, and nothing spent by a refusal."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

from aurora_pipeline.aurora_videos import breaker
from aurora_pipeline.aurora_videos.budgets import standing_of
from aurora_pipeline.aurora_videos.ledger import Bill, Ledger, Plan
from aurora_pipeline.aurora_videos.spending import Limits, Spending
from aurora_pipeline.cli.release import release as release_command
from aurora_pipeline.settings import from_environment

FAL = {"AURORA_PROVIDER": "fal", "FAL_KEY": "5f3a-sentinel"}
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


@pytest.fixture(scope="module")
def spoken(aurora, new_home):
    home = new_home(spring=["hello,Good morning.", "price,Two dollars."])
    assert aurora(home, "quote", "spring").returncode == 0
    return home


@pytest.fixture
def home(spoken, tmp_path):
    shutil.copytree(spoken / "data", tmp_path / "data", symlinks=True)
    return tmp_path


@pytest.fixture
def settings(home):
    return from_environment({"AURORA_HOME": str(home)} | FAL)


@pytest.fixture
def ledger(settings):
    opened = Ledger(settings.ledger)
    yield opened
    opened.close()


def _charge(ledger, number, *, until, usd="0.56", factor=None, **changes):
    plan = replace(PLAN, charge_id=f"c{number}", clip_id=f"clip{number}", fingerprint=f"{number:064d}", **changes)
    ledger.claim(plan, limits=Limits())
    ledger.mark_sending(plan.charge_id, audio_url=f"https://x/{number}.wav")
    if until == "rejected":
        ledger.reject(plan.charge_id, "Aurora found no face.")
        return
    ledger.mark_accepted(plan.charge_id, request_id=f"request-{number}")
    if until == "settled":
        ledger.mark_completed(plan.charge_id, result={}, billable_units=None)
        ledger.mark_stored(plan.charge_id, video_sha256="v" * 64)
        ledger.settle(plan.charge_id, Bill(4, Decimal(usd), "measured"), breaker_factor=factor)


def _row(said, name):
    return next(line for line in said.stdout.splitlines() if line.startswith(name)).removeprefix(name).split()


def _today():
    return datetime.now(UTC).date().isoformat()


# ---------------------------------------------------------------- where the money stands


def test_before_anything_was_bought_it_says_so(aurora, home):
    said = aurora(home, "budget", "spring")

    assert said.returncode == 0, said.stderr
    assert _row(said, "spring") == ["$5.00", "$0.00", "$0.00", "$5.00"]
    assert said.stdout.splitlines()[-1] == "Nothing was ever bought from fal here."


def test_every_scope_says_its_limit_what_is_reserved_settled_and_left(aurora, home, ledger):
    _charge(ledger, 1, until="settled")
    _charge(ledger, 2, until="accepted")
    caps = {"AURORA_MAX_USD_PER_RUN": "3", "AURORA_MAX_USD_PER_DAY": "2.50"}

    said = aurora(home, "budget", **caps)

    assert _row(said, "US dollars") == ["limit", "reserved", "settled", "left"]
    assert _row(said, "spring") == ["$5.00", "$0.70", "$0.56", "$3.74"]
    assert _row(said, f"today, {_today()}") == ["$2.50", "$0.70", "$0.56", "$1.24"]
    assert _row(said, f"month, {_today()[:7]}") == ["no", "limit", "$0.70", "$0.56", "no", "limit"]
    assert _row(said, "each run") == ["$3.00"]
    assert "1 clip is under way, up to $0.70; the next run goes on." in said.stdout


def test_money_that_only_a_person_frees_is_shown_with_the_command_that_does(aurora, home, ledger):
    _charge(ledger, 1, until="rejected")

    said = aurora(home, "budget", "spring")

    assert said.stdout.splitlines()[-3:] == [
        "$0.70 is held until a person decides, by 1 charge:",
        f"  spring/clip1: $0.70, rejected since {_today()}. Aurora found no face.",
        "    surely not billed? aurora release c1",
    ]


def test_the_command_it_names_frees_the_money(aurora, home, ledger):
    _charge(ledger, 1, until="rejected")

    assert aurora(home, "release", "c1", "--yes").returncode == 0

    assert _row(aurora(home, "budget", "spring"), "spring") == ["$5.00", "$0.00", "$0.00", "$5.00"]


def test_a_charge_that_somebody_else_moved_on_meanwhile_is_not_said_to_be_released(home, ledger, monkeypatch):
    _charge(ledger, 1, until="rejected")
    monkeypatch.setenv("AURORA_HOME", str(home))
    release = Ledger.release

    def settled_meanwhile(ledger, charge_id, sentence):
        ledger.settle_without_video(charge_id, usd=Decimal("0.70"))
        return release(ledger, charge_id, sentence)

    monkeypatch.setattr(Ledger, "release", settled_meanwhile)

    said = CliRunner().invoke(release_command, ["c1", "--yes"])

    assert str(said.exception) == (
        "Meanwhile somebody else moved charge 'c1' on: it is settled, so it was not released. Nothing was changed; "
        "`aurora ask held_charges` lists what is held now."
    )
    assert "Released" not in said.output


def test_a_campaign_whose_folder_is_gone_still_shows_what_it_cost(aurora, home, ledger):
    _charge(ledger, 1, until="settled", campaign="autumn")

    said = aurora(home, "budget")

    assert _row(said, "autumn") == ["no", "limit", "$0.00", "$0.56", "no", "limit"]
    assert "data/campaigns/autumn has 1 problem" in said.stderr
    assert "Until then autumn is shown without its limit." in said.stderr


def test_a_campaign_that_never_was_is_an_error(aurora, home):
    said = aurora(home, "budget", "sprung")

    assert (said.returncode, said.stdout) == (1, "")
    assert "did you mean 'spring'?" in said.stderr


def test_money_of_drafts_is_no_money(settings, ledger):
    _charge(ledger, 1, until="settled", provider="studio")

    found = standing_of(settings, {"spring": Decimal(5)})

    assert not found.has_charges
    assert {each.spending for each in found.budgets} == {Spending()}


# ---------------------------------------------------------------- caps


def test_a_runs_cap_is_compared_with_the_worst_case_before_anything_is_sent(aurora, home, ledger):
    said = aurora(home, "run", "spring", "--yes", "--max-usd", "0.15", **FAL)

    assert said.returncode == 1
    assert "left       $5.00 of the campaign's budget, $0.15 of this run's cap" in said.stdout
    assert said.stderr.splitlines()[-1].startswith("spring: 2 clips to buy may cost up to $0.")
    assert "but $0.15 of this run's cap is left. Raise it (--max-usd," in said.stderr
    assert "Nothing was spent." in said.stderr
    assert ledger.charges() == []


def test_the_environment_caps_a_run_that_asks_for_more(aurora, home, ledger):
    said = aurora(home, "run", "spring", "--yes", "--max-usd", "4", **FAL, AURORA_MAX_USD_PER_RUN="0.15")

    assert "but $0.15 of this run's cap is left." in said.stderr
    assert ledger.charges() == []


def test_what_was_spent_today_counts_against_todays_cap(aurora, home, ledger):
    _charge(ledger, 1, until="settled", campaign="autumn")

    said = aurora(home, "run", "spring", "--yes", **FAL, AURORA_MAX_USD_PER_DAY="0.60")

    assert "but $0.04 of today's cap is left. Raise AURORA_MAX_USD_PER_DAY" in said.stderr


@pytest.mark.parametrize("amount", ["0", "-1", "nan", "ten"])
def test_a_cap_that_is_no_amount_is_wrong_usage(aurora, home, amount):
    said = aurora(home, "run", "spring", f"--max-usd={amount}", **FAL)

    assert said.returncode == 2
    assert f"'{amount}' is no amount; use dollars, such as 25 or 25.50. Nothing was spent." in said.stderr


# ---------------------------------------------------------------- the breaker


@pytest.fixture
def stopped(ledger):
    """fal once billed a thousand times what was reserved."""
    _charge(ledger, 1, until="settled", usd="700", factor=Decimal("1.5"), campaign="autumn")


def test_an_absurd_bill_is_shown_with_how_buying_goes_on(aurora, home, stopped):
    said = aurora(home, "budget", "spring")

    assert "Buying is stopped since " in said.stdout
    assert "fal billed $700.00 for autumn/clip1 (request request-1), of which $0.70 was the worst case" in said.stdout
    assert said.stdout.splitlines()[-1] == "  Ask fal about it, then: aurora budget --close-breaker REASON"


def test_while_buying_is_stopped_a_run_says_so_before_it_asks(aurora, home, stopped, ledger):
    said = aurora(home, "run", "spring", "--yes", **FAL)

    assert said.returncode == 1
    assert "Buying is stopped: fal billed $700.00 for autumn/clip1" in said.stderr
    assert "then `aurora budget --close-breaker REASON`. Nothing more was spent." in said.stderr
    assert len(ledger.charges()) == 1


def test_a_person_lets_buying_go_on_and_the_ledger_keeps_who_and_why(aurora, home, stopped, ledger):
    said = aurora(home, "budget", "--close-breaker", "fal refunded it", "--by", "Ana", "--yes")

    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[-1] == "Buying may go on. The ledger keeps Ana's reason: fal refunded it"
    assert breaker.open_trips(ledger, "fal") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("fal refunded it",), "nobody is here to agree; add --yes. Nothing was changed."),
        ((" ", "--yes"), "Say why buying may go on; the reason is kept with the breaker. Nothing was changed."),
    ],
)
def test_buying_does_not_go_on_without_a_person_and_a_reason(aurora, home, stopped, ledger, arguments, sentence):
    said = aurora(home, "budget", "--close-breaker", *arguments)

    assert said.returncode == 1
    assert sentence in said.stderr
    assert len(breaker.open_trips(ledger, "fal")) == 1


def test_closing_what_is_not_open_changes_nothing(aurora, home):
    said = aurora(home, "budget", "--close-breaker", "just so", "--yes")

    assert (said.returncode, said.stdout) == (0, "Buying is not stopped. Nothing was changed.\n")
