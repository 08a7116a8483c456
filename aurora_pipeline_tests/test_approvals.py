"""`aurora approve`: a person's yes to exact purchases, shown with its dollars, and gone when the row changes."""

import shutil
from dataclasses import replace

import pytest

from aurora_pipeline.aurora_videos.approvals import approve, standing_approvals
from aurora_pipeline.aurora_videos.ledger import Ledger, open_ledger
from aurora_pipeline.aurora_videos.quote import quote_campaign as quote
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.pipeline import Job, quote_campaign, quote_speech
from aurora_pipeline.script_table import read_campaign
from aurora_pipeline.settings import from_environment
from aurora_pipeline.stage_tables import read_rows
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline_tests.conftest import ALONE, write_campaign
from aurora_pipeline_tests.faults.homes import new_home as spoken_home
from aurora_pipeline_tests.test_ledger import PLAN

FAL = {"AURORA_PROVIDER": "fal", "FAL_KEY": "5f3a-sentinel"}
HEAD = "clip_id,text,approved"
ROWS = ["hello,Good morning.,", "price,Two dollars.,", "secret,Not yet.,no"]
REQUIRED = "approval: required\n"


@pytest.fixture(scope="module")
def spoken(aurora, new_home):
    """A campaign that wants approval, spoken once; each test works on a copy."""
    home = new_home()
    write_campaign(home, "spring", ROWS, head=HEAD, extra=REQUIRED)
    assert aurora(home, "quote", "spring").returncode == 0
    return home


@pytest.fixture
def home(spoken, tmp_path):
    shutil.copytree(spoken / "data", tmp_path / "data", symlinks=True)
    return tmp_path


def _settings(home):
    return from_environment(ALONE | {"AURORA_HOME": str(home)} | FAL)


def _approved(home):
    ledger = Ledger(_settings(home).ledger)
    found = [(each.clip_id, each.approved_by) for each in standing_approvals(ledger, "spring")]
    ledger.close()
    return found


def _quote(home):
    return {clip.clip_id: clip for clip in quote_campaign(Job(_settings(home), "spring", run_id="r")).clips}


def test_approving_shows_the_clip_and_its_dollars_and_keeps_who_said_yes(aurora, home):
    usd = f"${_quote(home)['hello'].list_usd:.2f}"

    said = aurora(home, "approve", "spring", "hello", "--by", "Ana", "--yes", **FAL)

    assert said.returncode == 0, said.stderr
    assert ". hello" in said.stdout
    assert f"held       1 clip (1 not approved), which would cost {usd}" in said.stdout
    assert "Ana approved 1 clip of spring." in said.stdout
    assert f"Now 1 clip may be bought for {usd}" in said.stdout
    assert _approved(home) == [("hello", "Ana")]


def test_only_what_was_approved_may_then_be_bought(aurora, home):
    aurora(home, "approve", "spring", "hello", "--by", "Ana", "--yes", **FAL)

    assert {name: clip.standing for name, clip in _quote(home).items()} == {
        "hello": "new", "price": "not approved", "secret": "not approved"}  # fmt: skip


def test_a_draft_people_have_seen_is_approved_as_the_purchase_it_will_be(aurora, home):
    aurora(home, "approve", "spring", "hello", "--by", "Ana", "--yes")  # provider studio, no key

    said = aurora(home, "quote", "spring", **FAL)

    assert next(line for line in said.stdout.splitlines() if " hello " in line).startswith("+ ")


def test_an_edited_row_must_be_approved_again(aurora, home):
    aurora(home, "approve", "spring", "hello", "price", "--by", "Ana", "--yes", **FAL)
    write_campaign(home, "spring", ["hello,Good evening.,", *ROWS[1:]], head=HEAD, extra=REQUIRED)

    said = aurora(home, "quote", "spring", **FAL)

    lines = {line.split()[1]: line for line in said.stdout.splitlines() if line[:2] in ("+ ", ". ")}
    assert lines["hello"].endswith("not approved; run: aurora approve spring hello")
    assert lines["price"].startswith("+ ")
    listed = aurora(home, "approve", "spring", "--list").stdout.splitlines()
    assert listed[0].startswith("hello  Ana, ")
    assert listed[0].endswith("UTC: no longer holds, the row was changed since")
    assert "UTC: may be bought for $" in listed[1]


def test_all_approves_what_waits_and_leaves_what_the_table_says_no_to(aurora, home):
    said = aurora(home, "approve", "spring", "--all", "--by", "Ana", "--yes", **FAL)

    assert "Ana approved 2 clips of spring." in said.stdout
    assert ". secret" in said.stdout
    assert _approved(home) == [("hello", "Ana"), ("price", "Ana")]


def test_with_nobody_there_to_agree_nothing_is_approved(aurora, home):
    said = aurora(home, "approve", "spring", "--all", **FAL)

    assert said.returncode == 1
    assert "nobody is here to agree; add --yes. Nothing was approved." in said.stderr
    assert _approved(home) == []


@pytest.mark.parametrize(
    ("clip", "sentence"),
    [
        ("helo", "Nothing was approved: spring has no clip 'helo' that was spoken; did you mean 'hello'?"),
        ("secret", "scripts.csv says approved: no for secret; empty that cell first. Nothing was approved."),
    ],
)
def test_a_clip_that_cannot_be_approved_is_a_sentence(aurora, home, clip, sentence):
    said = aurora(home, "approve", "spring", clip, "--yes", **FAL)

    assert (said.returncode, said.stderr.splitlines()[-1]) == (1, sentence)
    assert _approved(home) == []


def test_clips_must_be_named_or_all_be_meant(aurora, home):
    said = aurora(home, "approve", "spring", "--yes", **FAL)

    assert said.returncode == 2
    assert "Name the clips, or add --all for every clip of the campaign." in said.stderr


def test_an_approval_is_taken_back_by_name_or_all_at_once(aurora, home):
    aurora(home, "approve", "spring", "--all", "--by", "Ana", "--yes", **FAL)

    one = aurora(home, "approve", "spring", "price", "--withdraw", "--by", "Kofi")
    wrong = aurora(home, "approve", "spring", "price", "--withdraw")
    rest = aurora(home, "approve", "spring", "--all", "--withdraw", "--by", "Kofi")

    assert one.stdout == "Kofi withdrew 1 approval of spring. What was bought stays bought.\n"
    assert "price of spring is not approved; `aurora approve spring --list` says what is." in wrong.stderr
    assert rest.stdout.startswith("Kofi withdrew 1 approval of spring.")
    assert aurora(home, "approve", "spring", "--list").stdout == "Nothing of spring is approved.\n"


def test_a_run_without_any_approval_holds_every_clip_back_and_sends_nothing(aurora, home):
    said = aurora(home, "run", "spring", "--yes", **FAL)

    assert said.returncode == 1
    assert "3 of 3 clips of Spring are held back." in said.stdout
    assert "hello (aurora_videos): Not bought: it waits for approval (run: aurora approve spring hello)." in said.stdout
    assert Ledger(_settings(home).ledger).charges() == []


def test_nobody_is_asked_to_agree_to_more_than_was_approved(aurora, home):
    aurora(home, "approve", "spring", "hello", "--by", "Ana", "--yes", **FAL)

    said = aurora(home, "run", "spring", **FAL)

    assert "to buy     1 clip (1 new)" in said.stdout
    assert "held       2 clips (2 not approved)" in said.stdout
    assert "This buys video and nobody is here to agree; add --yes. Nothing was spent." in said.stderr


def test_dagster_buys_nothing_that_nobody_approved_and_says_how_to_approve_it(home):
    import dagster as dg

    from aurora_pipeline.definitions import build_defs

    write_campaign(home, "spring", [row.rstrip(",") for row in ROWS[:2]])  # approval is not required by the campaign
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("aurora_campaigns", ["spring"])
        job = build_defs(read_settings=lambda: _settings(home)).resolve_job_def("run_campaign")
        result = job.execute_in_process(partition_key="spring", instance=instance, raise_on_error=False)

    failed = next(event.step_failure_data for event in result.all_events if event.is_step_failure)
    assert failed.user_failure_data.description.startswith("2 clips wait for approval ($0.")
    assert failed.user_failure_data.description.endswith(
        "): run `aurora approve spring --all`, or set max_usd in the run's config. Nothing was spent."
    )
    assert Ledger(_settings(home).ledger).charges() == []


def test_a_yes_in_the_table_is_of_what_the_row_was_and_outlives_no_edit(aurora, home):
    write_campaign(home, "spring", ["hello,Good morning.,yes", *ROWS[1:]], head=HEAD, extra=REQUIRED)
    assert _quote(home)["hello"].standing == "new"
    assert _approved(home) == [("hello", "scripts.csv")]

    write_campaign(home, "spring", ["hello,Good evening to you all.,yes", *ROWS[1:]], head=HEAD, extra=REQUIRED)
    edited = aurora(home, "quote", "spring", **FAL)
    aurora(home, "approve", "spring", "hello", "--by", "Ana", "--yes", **FAL)

    line = next(line for line in edited.stdout.splitlines() if " hello " in line)
    assert line.endswith("not approved; it was changed since scripts.csv said yes; run: aurora approve spring hello")
    assert _quote(home)["hello"].standing == "new"
    assert _approved(home) == [("hello", "scripts.csv"), ("hello", "Ana")]


def test_a_yes_in_the_table_of_an_edited_row_does_not_cover_the_speech_of_another_voice(home):
    def write(text, voice):
        write_campaign(
            home, "spring", [f"hello,{text},{voice},yes"], head="clip_id,text,voice,approved", extra=REQUIRED
        )

    write("Good morning.", "heart")
    assert _quote(home)["hello"].standing == "new"
    write("Something else altogether that is ten times as long.", "eleven-rachel-en")

    (edited,) = quote_speech(Job(_settings(home), "spring", run_id="r")).clips
    write("Good morning.", "eleven-rachel-en")
    (switched,) = quote_speech(Job(_settings(home), "spring", run_id="r")).clips

    assert (edited.standing, switched.standing) == ("not approved", "not approved")
    assert edited.why == "run: aurora approve spring hello"


def test_a_yes_in_the_table_covers_a_paid_voice_that_stood_there_from_the_beginning(home):
    def write(text):
        row = f"hello,{text},eleven-rachel-en,yes"
        write_campaign(home, "spring", [row], head="clip_id,text,voice,approved", extra=REQUIRED)
        return [line.standing for line in quote_speech(Job(_settings(home), "spring", run_id="r")).clips]

    assert write("Good morning. [pause 0.3s] And welcome.") == ["new", "new"]
    assert write("Good morning. [pause 0.3s] And goodbye.") == ["new", "not approved"]
    assert _approved(home) == [("hello", "scripts.csv (speech)")] * 2


def test_a_yes_in_the_table_can_be_taken_back_and_stays_so(aurora, home):
    write_campaign(home, "spring", ["hello,Good morning.,yes", *ROWS[1:]], head=HEAD, extra=REQUIRED)
    _quote(home)

    said = aurora(home, "approve", "spring", "hello", "--withdraw", "--by", "Kofi")

    assert said.stdout.startswith("Kofi withdrew 1 approval of spring.")
    assert _quote(home)["hello"].standing == "not approved"


def test_a_clip_in_doubt_needs_its_approval_before_it_may_be_bought_anew(tmp_path):
    home = spoken_home(tmp_path, clips=1)
    settings = home.settings()
    campaign = replace(read_campaign(settings, home.campaign), approval="required")
    speeches = read_rows(settings, "tts_audio", home.campaign, Speech)
    ledger = open_ledger(settings.ledger)
    (clip,) = quote(settings, campaign, speeches, run_id="r").clips
    plan = replace(PLAN, fingerprint=clip.request.fingerprint, campaign=home.campaign, clip_id=clip.clip_id)
    ledger.claim(plan, limits=Limits())
    ledger.mark_sending(plan.charge_id, audio_url="u")
    ledger.mark_unknown(plan.charge_id, "The answer was lost.")

    held = quote(settings, campaign, speeches, run_id="r")
    approve(ledger, home.campaign, [(clip.clip_id, clip.request.fingerprint)], by="mei")
    free = quote(settings, campaign, speeches, run_id="r")

    assert (held.clips[0].standing, held.to_buy, held.usd) == ("in doubt", (), 0)
    assert (free.clips[0].standing, len(free.to_buy)) == ("in doubt", 1)
