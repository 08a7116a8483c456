"""`aurora quote`: every clip with its sign, its reason and its dollars, before anything is sent anywhere."""

import json
import shutil
import socket
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner
from PIL import Image

from aurora_pipeline.aurora_videos import Video
from aurora_pipeline.aurora_videos.affordable import affordable, capped, needed_usd, why_not_affordable
from aurora_pipeline.aurora_videos.changes import inputs_of
from aurora_pipeline.aurora_videos.ledger import Bill, Ledger, Plan
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.aurora_videos.waivers import waive
from aurora_pipeline.cli.quoted import show_quote
from aurora_pipeline.cli.run import _ask_before_spending
from aurora_pipeline.errors import OverBudget
from aurora_pipeline.pipeline import Job, quote_campaign
from aurora_pipeline.settings import from_environment
from aurora_pipeline.stage_tables import StageTable, read_rows, write_table
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline.tts_audio.records import Finding
from aurora_pipeline_tests.conftest import ALONE, REPOSITORY, write_campaign

FAL = {"AURORA_PROVIDER": "fal", "FAL_KEY": "5f3a-sentinel"}
TEXTS = {
    "fresh": "Good morning.",
    "edited": "Two dollars.",
    "kept": "Welcome aboard.",
    "again": "See you soon.",
    "running": "Almost there.",
    "doubtful": "Who knows.",
    "denied": "Not like this.",
    "crowd": "We are two.",
    "waiting": "May I?",
}
HEAD = "clip_id,text,portrait,approved"
ROWS = [f"{clip},{text},{'two' if clip == 'crowd' else 'ana'},{'no' if clip == 'waiting' else ''}"
        for clip, text in TEXTS.items()]  # fmt: skip


def _two_faces(folder):
    """A portrait beside itself: the model would have to choose."""
    with Image.open(REPOSITORY / "data" / "avatars" / "ana.png") as ana:
        face = ana.convert("RGB").crop((ana.width // 4, 0, ana.width * 3 // 4, ana.height))
    both = Image.new("RGB", (face.width * 2, face.height))
    both.paste(face, (0, 0))
    both.paste(face, (face.width, 0))
    both.save(folder / "two.png")


def _settings(home):
    return from_environment(ALONE | {"AURORA_HOME": str(home)} | FAL)


def _quote(home, campaign="spring", **settings):
    return quote_campaign(Job(replace(_settings(home), **settings), campaign, run_id="r"))


def _buy(ledger, clip, name, *, until, campaign="spring", **changes):
    """A charge for exactly this clip, brought as far as ``until``."""
    plan = Plan(
        charge_id=name,
        provider="fal",
        fingerprint=clip.request.fingerprint,
        campaign=campaign,
        clip_id=clip.clip_id,
        run_id="earlier",
        endpoint=clip.request.endpoint,
        resolution="480p",
        audio_seconds=clip.seconds,
        usd_per_unit=clip.price.usd_per_second,
        price_source="page",
        reserved_usd=clip.reserve_usd,
        inputs=json.dumps(inputs_of(clip.request)),
    )
    ledger.claim(replace(plan, **changes), limits=Limits())
    ledger.mark_sending(name, audio_url=f"https://x/{name}.wav")
    if until == "unknown":
        ledger.mark_unknown(name, "The answer was lost.")
    elif until == "rejected":
        ledger.reject(name, "Aurora found no face.")
    else:
        ledger.mark_accepted(name, request_id=f"request-{name}")
    if until == "settled":
        ledger.mark_completed(name, result={"video": {"url": "u"}}, billable_units=None)
        ledger.mark_stored(name, video_sha256="v" * 64)
        ledger.settle(name, Bill(1, clip.list_usd, "measured"))
    return ledger.charge(name)


def _video(clip, charge):
    """The row of a video that was bought for an earlier version of the clip."""
    return Video("spring", clip.clip_id, "fal", False, clip.request.endpoint, charge.fingerprint, charge.charge_id,
                 "request", "v" * 64, "s" * 64, "p" * 64, "480p", 480, 480, 25.0, 1.0, 1, Decimal("0.10"),
                 Decimal("0.10"), False)  # fmt: skip


@pytest.fixture(scope="module")
def spoken(aurora, new_home):
    """A campaign that was quoted once, so that its speech is there."""
    home = new_home()
    _two_faces(home / "data" / "avatars")
    write_campaign(home, "spring", ROWS, head=HEAD)
    assert aurora(home, "quote", "spring").returncode == 0
    return home


@pytest.fixture(scope="module")
def home(spoken, new_home):
    """One clip in every standing that there is."""
    home = new_home()
    shutil.copytree(spoken / "data", home / "data", dirs_exist_ok=True, symlinks=True)
    clips = {clip.clip_id: clip for clip in _quote(home).clips}
    ledger = Ledger(_settings(home).ledger)
    _buy(ledger, clips["kept"], "c-kept", until="settled")
    _buy(ledger, clips["again"], "c-again", until="settled", campaign="autumn", clip_id="teaser")
    _buy(ledger, clips["running"], "c-running", until="accepted")
    _buy(ledger, clips["doubtful"], "c-doubtful", until="unknown")
    _buy(ledger, clips["denied"], "c-denied", until="rejected")
    earlier = inputs_of(clips["edited"].request) | {"script": "an earlier text", "speech": "an earlier speech"}
    before = _buy(ledger, clips["edited"], "c-edited", until="settled", fingerprint="e" * 64,
                  inputs=json.dumps(earlier))  # fmt: skip
    write_table(_settings(home), "aurora_videos", "spring", Video, StageTable((_video(clips["edited"], before),)))
    ledger.close()
    return home


@pytest.fixture(scope="module")
def said(aurora, home):
    return aurora(home, "quote", "spring", **FAL)


def _line(said, clip):
    return next(line for line in said.stdout.splitlines() if line[2:].startswith(f"{clip} "))


@pytest.mark.parametrize(
    ("clip", "sign", "action"),
    [
        ("fresh", "+", "new"),
        ("edited", "~", "changed: script"),
        ("kept", "=", "bought"),
        ("again", "=", "reused from autumn/teaser"),
        ("running", ">", "under way"),
        ("doubtful", "?", "in doubt: The answer was lost."),
        ("denied", "!", "refused: Aurora found no face."),
        ("crowd", "x", "unfit: the portrait shows 2 faces; aurora animates one; $0.10 would be wasted"),
        ("waiting", ".", "not approved; scripts.csv says approved: no"),
    ],
)
def test_every_clip_has_a_sign_and_says_what_a_run_does_with_it_and_why(said, clip, sign, action):
    line = _line(said, clip)

    assert said.returncode == 0, said.stderr
    assert line.startswith(f"{sign} {clip} ")
    assert line.endswith(f"  {action}")


def test_only_what_may_be_bought_costs_anything_now(said, home):
    quote = _quote(home)

    for clip in quote.clips:
        price = f"${clip.list_usd:.2f}" if clip.clip_id in ("fresh", "edited", "doubtful") else "$0.00"
        assert f"{clip.seconds:.2f}     $0.10  {price:>9}" in _line(said, clip.clip_id)


def test_the_totals_say_what_is_bought_kept_reused_and_held_and_what_is_left(said, home):
    quote = _quote(home)
    by_id = {clip.clip_id: clip for clip in quote.clips}
    held = by_id["crowd"].list_usd + by_id["waiting"].list_usd
    most = "" if quote.usd == quote.reserve_usd else f", ${quote.reserve_usd:.2f} at most"

    assert said.stdout.splitlines()[-7:] == [
        f"to buy     3 clips (1 new, 1 changed, 1 in doubt) for ${quote.usd:.2f}{most}",
        "under way  1 clip, paid for by what is reserved already",
        "kept       1 clip",
        f"reused     1 clip, which saves ${by_id['again'].list_usd:.2f}",
        f"held       2 clips (1 unfit, 1 not approved), which would cost ${held:.2f}",
        "refused    1 clip, not asked again; `aurora budget spring`",
        f"left       ${quote.left['campaign']:.2f} of the campaign's budget",
    ]


def test_what_each_limit_leaves_is_said(aurora, home):
    caps = {"AURORA_MAX_USD_PER_RUN": "3", "AURORA_MAX_USD_PER_DAY": "4", "AURORA_MAX_USD_PER_MONTH": "50"}

    last = aurora(home, "quote", "spring", **FAL, **caps).stdout.splitlines()[-1]

    left = _quote(home, max_usd_per_day=Decimal(4), max_usd_per_month=Decimal(50)).left
    assert last == (
        f"left       ${left['campaign']:.2f} of the campaign's budget, $3.00 of this run's cap, "
        f"${left['day']:.2f} of today's cap, ${left['month']:.2f} of this month's cap"
    )


def test_a_clip_that_was_bought_with_a_waiver_still_says_by_whom_and_why(spoken, new_home):
    home = new_home()
    shutil.copytree(spoken / "data", home / "data", dirs_exist_ok=True, symlinks=True)
    settings = _settings(home)
    fails = {"verdict": "fail", "findings": (Finding("text", "fail", "It says '\x1b[2Jhome'. Nothing was spent."),)}
    speeches = read_rows(settings, "tts_audio", "spring", Speech)
    heard = tuple(replace(each, **fails) if each.clip_id in ("kept", "fresh") else each for each in speeches)
    write_table(settings, "tts_audio", "spring", Speech, StageTable(heard))
    ledger = Ledger(settings.ledger)
    sha256 = {each.clip_id: each.sha256 for each in speeches}
    waive(ledger, "spring", [("kept", sha256["kept"])], reason="our own joke", by="Ada")
    _buy(ledger, _clip(home, "kept"), "c-kept", until="settled")
    ledger.close()

    kept, fresh = _clip(home, "kept"), _clip(home, "fresh")

    assert (kept.standing, kept.warnings) == ("bought", ("Waived by Ada: our own joke",))
    assert (fresh.standing, fresh.waiver) == ("unfit", None)
    assert fresh.why == "It says ' [2Jhome'; or, if it is right: aurora waive spring fresh --reason TEXT"


def _clip(home, clip_id):
    return next(clip for clip in _quote(home).clips if clip.clip_id == clip_id)


def test_json_says_the_same_and_keeps_every_dollar_exact(aurora, home):
    told = json.loads(aurora(home, "quote", "spring", "--json", **FAL).stdout)

    quote = _quote(home)
    assert {clip["clip_id"]: clip["standing"] for clip in told["clips"]} == {
        clip.clip_id: clip.standing for clip in quote.clips
    }
    assert (Decimal(told["usd"]), Decimal(told["at_most_usd"])) == (quote.usd, quote.reserve_usd)
    assert told["left_usd"] == {"campaign": f"{quote.left['campaign']:f}"}
    assert all(isinstance(clip["usd"], str) for clip in told["clips"])
    assert told["clips"][0]["fingerprint"] == quote.clips[0].request.fingerprint


def test_a_quote_for_fal_opens_no_connection_and_needs_no_key(spoken, monkeypatch):
    from aurora_pipeline.cli.quote import quote

    def refuse(*_address):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("AURORA_HOME", str(spoken))
    monkeypatch.setenv("AURORA_PROVIDER", "fal")

    told = CliRunner().invoke(quote, ["spring"], catch_exceptions=False)

    assert told.exit_code == 0
    assert "to buy     7 clips (7 new)" in told.stdout


def test_eighty_columns_hide_no_number(home, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    show_quote(_quote(home))

    lines = capsys.readouterr().out.replace("\x1b", "").splitlines()
    (at,) = [index for index, line in enumerate(lines) if "x crowd" in line]
    assert "$0.00  unfit: the portrait shows 2 faces;" in lines[at]
    assert lines[at + 1].strip().startswith("aurora animates one")
    assert max(len(line) for line in lines[:-7]) <= 88  # eighty, and the colour's own characters


def test_drafts_say_what_buying_them_would_cost(aurora, spoken):
    said = aurora(spoken, "quote", "spring")

    clips = _quote(spoken, provider="studio").clips
    assert said.stdout.splitlines()[0].split() == ["clip", "seconds", "price/s", "if", "bought"]
    usd = sum(clip.list_usd for clip in clips)
    assert f"These are free drafts, $0.00. Buying all 9 clips from fal would cost ${usd:.2f}" in said.stdout


def test_two_rows_that_are_the_same_are_bought_once(aurora, new_home):
    home = new_home(spring=["one,Hello you.", "two,Hello you."])

    said = aurora(home, "quote", "spring", **FAL)

    assert _line(said, "one").endswith("  new")
    assert _line(said, "two").endswith("  reused from spring/one")
    assert "to buy     1 clip (1 new)" in said.stdout


# ---------------------------------------------------------------- what fits


def test_a_clip_in_doubt_does_not_need_its_money_twice(home):
    quote = _quote(home, max_usd_per_day=Decimal(50))
    by_id = {clip.clip_id: clip for clip in quote.clips}
    its_own = by_id["doubtful"].reserve_usd

    assert by_id["doubtful"].charge.planned_at.date() == datetime.now(UTC).date()
    assert needed_usd(quote) == {"campaign": quote.reserve_usd - its_own, "day": quote.reserve_usd - its_own}


@pytest.mark.parametrize(
    ("kind", "whose", "mend"),
    [
        ("campaign", "the campaign's budget", "Raise budget_usd in campaign.yaml, or take rows out."),
        ("run", "this run's cap", "Raise it (--max-usd, in Dagster max_usd, for every run AURORA_MAX_USD_PER_RUN)"),
        ("day", "today's cap", "Raise AURORA_MAX_USD_PER_DAY, take rows out, or run again tomorrow (days are UTC)."),
        ("month", "this month's cap", "Raise AURORA_MAX_USD_PER_MONTH, take rows out, or run again next month."),
    ],
)
def test_a_limit_that_is_too_small_is_named_with_what_to_do(spoken, kind, whose, mend):
    quote = replace(_quote(spoken), left={"campaign": Decimal(100), kind: Decimal("0.15")})

    told = why_not_affordable(quote)

    assert told.startswith(f"spring: 7 clips to buy may cost up to ${quote.reserve_usd:.2f}, but $0.15 of {whose} is")
    assert mend in told
    assert told.endswith("Nothing was spent.")


def test_a_cap_of_one_run_lowers_and_never_raises(spoken):
    settings = replace(_settings(spoken), max_usd_per_run=Decimal(5))

    assert capped(settings, Decimal(2)).max_usd_per_run == Decimal(2)
    assert capped(settings, Decimal(9)).max_usd_per_run == Decimal(5)
    assert capped(settings, None) == settings


# ---------------------------------------------------------------- what a guard holds back, and what is fetched


def _with_prices(home, tmp_path, old, new):
    """The same home with another price book."""
    shutil.copytree(home / "data", tmp_path / "data", symlinks=True)
    book = _settings(tmp_path).price_book
    text = book.read_text(encoding="utf-8").replace(old, new)
    book.unlink()  # it may be a link to the checkout's
    book.write_text(text, encoding="utf-8")
    return {clip.clip_id: clip for clip in _quote(tmp_path).clips}


def test_a_price_past_its_expiry_holds_back_what_would_be_bought_and_nothing_else(home, tmp_path):
    clips = _with_prices(home, tmp_path, "2027-06-30", "2026-10-01")

    assert {name: clip.standing for name, clip in clips.items() if clip.standing != "held back"} == {
        "kept": "bought", "again": "reused", "running": "under way", "doubtful": "in doubt", "denied": "refused",
        "crowd": "unfit", "waiting": "not approved",
    }  # fmt: skip
    assert [name for name, clip in clips.items() if clip.may_be_bought] == []
    assert clips["fresh"].why.endswith("look it up again and add a row with a later expires_on.")


def test_a_clip_that_nobody_has_a_price_for_is_held_back_and_said_so(aurora, home, tmp_path):
    clips = _with_prices(home, tmp_path, "fal-ai/creatify/aurora,480p", "fal-ai/other/model,480p")

    said = aurora(tmp_path, "quote", "spring", **FAL)

    assert _line(said, "fresh").endswith(
        "unknown      $0.00  held back: data/price_book.csv has no price for fal-ai/creatify/aurora 480p; add a row "
        "with its source."
    )
    assert "to buy     0 clips" in said.stdout
    assert "held       4 clips (1 unfit, 1 not approved, 2 held back)" in said.stdout
    assert clips["running"].usd_per_second == clips["running"].charge.usd_per_unit == Decimal("0.10")


@pytest.mark.parametrize("is_stopped", [False, True])
def test_what_cannot_be_paid_is_held_back_and_what_is_paid_already_is_fetched(home, tmp_path, is_stopped):
    shutil.copytree(home / "data", tmp_path / "data", symlinks=True)
    settings = replace(_settings(tmp_path), max_usd_per_run=None if is_stopped else Decimal("0.01"))
    quote = quote_campaign(Job(settings, "spring", run_id="r"))
    if is_stopped:
        _trip_the_breaker(settings)

    agreed = affordable(settings, quote)

    standing = {clip.clip_id: clip.standing for clip in agreed.clips}
    assert (agreed.to_buy, standing["fresh"], standing["edited"]) == ((), "held back", "held back")
    assert (standing["running"], standing["doubtful"]) == ("under way", "in doubt")
    assert agreed.carried_out(quote) == agreed  # what is bought is decided by a second quote, made just before
    why = next(clip.why for clip in agreed.clips if clip.clip_id == "fresh")
    assert ("Buying is stopped: fal billed $9" if is_stopped else "but $0.01 of this run's cap is left.") in why


def _trip_the_breaker(settings):
    ledger = Ledger(settings.ledger)
    (charge,) = [each for each in ledger.charges() if each.charge_id == "c-kept"]
    ledger.correct_bill(charge.charge_id, usd=Decimal(9), breaker_factor=Decimal(2))
    ledger.close()


def test_when_nothing_is_left_to_fetch_the_limit_is_an_error(spoken):
    settings = replace(_settings(spoken), max_usd_per_run=Decimal("0.01"))

    with pytest.raises(OverBudget, match="7 clips to buy may cost up to"):
        affordable(settings, quote_campaign(Job(settings, "spring", run_id="r")))


def test_the_twin_of_a_clip_that_is_held_back_is_held_back_too(aurora, new_home):
    home = new_home(spring=["one,Hello you.", "two,Hello you."])
    aurora(home, "quote", "spring")

    clips = _with_prices(home, home / "other", "fal-ai/creatify/aurora,480p", "fal-ai/other/model,480p")

    assert [clip.standing for clip in clips.values()] == ["held back", "held back"]


def test_the_person_is_not_asked_about_what_cannot_be_bought_and_the_run_goes_on(home, capsys):
    settings = replace(_settings(home), max_usd_per_run=Decimal("0.01"))
    quote = quote_campaign(Job(settings, "spring", run_id="r"))

    agreed = _ask_before_spending(settings, quote, is_agreed=False)

    assert agreed == affordable(settings, quote)
    assert "held back: spring: 3 clips to buy may cost up to $" in capsys.readouterr().out


# ---------------------------------------------------------------- before there is speech


def test_check_says_which_portraits_the_model_would_not_take(aurora, spoken):
    said = aurora(spoken, "check", "spring")

    assert said.returncode == 1
    assert said.stdout.splitlines() == [
        "spring: 9 scripts, 1 problem:",
        "x two (crowd): the portrait shows 2 faces; aurora animates one. Not bought as it is.",
    ]


def test_one_script_is_one_script(aurora, new_home):
    assert aurora(new_home(spring=["a,Hello."]), "check", "spring").stdout == "spring: 1 script, no problems.\n"
