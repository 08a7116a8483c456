"""Paid voices, from quote to bill: the real command, the real fal-client over HTTPS, the studio in fal's place."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aurora_pipeline.aurora_videos.ledger import Ledger
from aurora_pipeline.aurora_videos.orders import order_of
from aurora_pipeline.aurora_videos.speech_quote import quote_speech
from aurora_pipeline.aurora_videos.speech_request import QuotedSpeech
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.aurora_videos.till import Till
from aurora_pipeline.gear.fal import connect
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.said import dollars
from aurora_pipeline.script_table import read_campaign
from aurora_pipeline.settings import from_environment
from aurora_pipeline_tests.broken_studio import render
from aurora_pipeline_tests.conftest import write_campaign
from aurora_pipeline_tests.paid_shop import KEY, Shop, opened_shop
from aurora_pipeline_tests.patient_studio import until
from aurora_pipeline_tests.studio_bench import Running

VOICE = "eleven-turbo-rachel-en"
ENDPOINT = "fal-ai/elevenlabs/tts/turbo-v2.5"
ROWS = ["hello,Good morning to you.", "price,The coffee is two dollars.", "bye,See [pause 0.3s] you soon."]


@pytest.fixture(scope="module")
def shop(
    launch: Callable[..., Running], aurora: Callable[..., Any], new_home: Callable[..., Path], tmp_path_factory: Any
) -> Iterator[Shop]:
    with opened_shop(launch, aurora, new_home(), tmp_path_factory.mktemp("fal")) as shop:
        yield shop


def test_a_campaign_in_a_paid_voice_is_quoted_agreed_to_bought_once_and_billed_to_the_cent(shop: Shop) -> None:
    shop.write(ROWS, voice=VOICE)

    quoted = shop("quote", "spring")
    assert quoted.returncode == 0, quoted.stderr
    assert "speech to buy  3 clips (4 parts) for $0.0029, $0.20 at most" in quoted.stdout
    assert "by the length of the texts; quoted once they are spoken" in quoted.stdout
    assert shop.requests(ENDPOINT) == []  # looking at a quote asks fal for nothing

    nobody = shop("run", "spring")
    assert nobody.returncode == 1
    assert "This buys speech and nobody is here to agree; add --yes. Nothing was spent." in nobody.stderr
    assert shop.requests(ENDPOINT) == []

    ran = shop("run", "spring", "--yes")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    speech, videos = shop.charges("speech"), shop.charges("video")
    assert [charge["state"] for charge in speech + videos] == ["settled"] * 7
    assert shop.billed(speech + videos) == sum(charge["billed_usd"] for charge in speech + videos)

    again = shop("run", "spring", "--yes")
    assert again.returncode == 0
    assert "Nothing to do" in again.stdout
    assert len(shop.requests(ENDPOINT)) == 7

    shop.assert_nowhere(KEY)


def test_one_edited_word_buys_one_speech_and_one_video(shop: Shop) -> None:
    shop.write(ROWS, campaign="edit", voice=VOICE)
    assert shop("run", "edit", "--yes").returncode == 0
    before = len(shop.charges("speech")), len(shop.charges("video"))

    shop.write([ROWS[0], "price,The coffee is now just three dollars.", ROWS[2]], campaign="edit", voice=VOICE)
    ran = shop("run", "edit", "--yes")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (len(shop.charges("speech")), len(shop.charges("video"))) == (before[0] + 1, before[1] + 1)


def test_a_line_said_in_another_campaign_is_bought_once(shop: Shop) -> None:
    shop.write([ROWS[0]], campaign="first", voice=VOICE)
    assert shop("run", "first", "--yes").returncode == 0
    before = len(shop.charges("speech"))

    shop.write(["other,Good morning to you."], campaign="second", voice=VOICE)
    quoted = json.loads(shop("quote", "second", "--json").stdout)
    assert shop("run", "second", "--yes").returncode == 0

    assert [part["standing"] for part in quoted["speech"]["parts"]] == ["reused"]
    assert quoted["speech"]["usd"] == "0"
    assert len(shop.charges("speech")) == before


def test_a_budget_too_small_for_speech_and_a_missing_price_refuse_before_anything_is_sent(shop: Shop) -> None:
    shop.write(["rich,Nobody has ever said this line before."], campaign="poor", voice=VOICE)
    listed = len(shop.requests(ENDPOINT))

    capped = shop("run", "poor", "--yes", "--max-usd", "0.001")
    assert capped.returncode == 1
    assert "but $0.00 of this run's cap is left" in capped.stderr or "of this run's cap is left" in capped.stderr

    book = shop.home / "data" / "price_book.csv"
    whole = book.read_text(encoding="utf-8")
    book.write_text("\n".join(line for line in whole.splitlines() if "turbo-v2.5" not in line) + "\n")
    try:
        unpriced = shop("run", "poor", "--yes")
    finally:
        book.write_text(whole, encoding="utf-8")

    assert unpriced.returncode == 1
    assert "is not bought" in unpriced.stdout + unpriced.stderr
    assert len(shop.requests(ENDPOINT)) == listed


def test_where_rows_need_approval_the_speech_is_approved_first_and_the_video_once_it_is_spoken(shop: Shop) -> None:
    shop.write(
        ["ask,Please ask me first and then go on with it."],
        campaign="careful",
        extra="approval: required\n",
        voice=VOICE,
    )
    before = len(shop.charges("speech")), len(shop.charges("video"))

    held = shop("run", "careful", "--yes")
    assert held.returncode == 1
    assert (len(shop.charges("speech")), len(shop.charges("video"))) == before

    first = shop("approve", "careful", "--all", "--yes", "--by", "Ada")
    assert "Ada approved the speech of 1 clip of careful." in first.stdout, first.stdout + first.stderr
    shop("run", "careful", "--yes")
    assert (len(shop.charges("speech")), len(shop.charges("video"))) == (before[0] + 1, before[1])

    second = shop("approve", "careful", "--all", "--yes", "--by", "Ada")
    assert "Ada approved 1 clip of careful." in second.stdout, second.stdout + second.stderr
    done = shop("run", "careful", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (len(shop.charges("speech")), len(shop.charges("video"))) == (before[0] + 1, before[1] + 1)


def test_drafts_of_a_paid_voice_cost_nothing_and_never_become_bought_video(shop: Shop) -> None:
    shop.write(["try,Just a draft of this and of nothing else at all today."], campaign="drafted", voice=VOICE)

    drafted = shop("run", "drafted", AURORA_PROVIDER="studio")
    assert drafted.returncode == 0, drafted.stdout + drafted.stderr
    (speech,) = (charge for charge in shop.charges("speech") if charge["campaign"] == "drafted")
    assert (speech["provider"], speech["billed_usd"]) == ("studio", Decimal("0.0027"))  # 54 characters at $0.05 a 1000
    assert f"and their speech {dollars(speech['billed_usd'])}." in drafted.stdout, drafted.stdout
    assert [each["provider"] for each in shop.charges("video") if each["campaign"] == "drafted"] == ["studio"]

    ran = shop("run", "drafted", "--yes")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [charge["provider"] for charge in shop.charges("speech")[-2:]] == ["studio", "fal"]


def test_a_yes_in_the_table_from_the_beginning_buys_the_speech_and_then_its_video(shop: Shop) -> None:
    row = f"yes,This row was agreed to as a whole from its first day on.,{VOICE},yes"
    write_campaign(shop.home, "agreed", [row], head="clip_id,text,voice,approved", extra="approval: required\n")

    ran = shop("run", "agreed", "--yes")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    bought = [charge for kind in ("speech", "video") for charge in shop.charges(kind)]
    assert [each["kind"] for each in bought if each["campaign"] == "agreed"] == ["speech", "video"]


def _by(shop: Shop, *faults: dict[str, Any]) -> None:
    assert shop.studio.http.put("/_studio/scenario", json={"seed": 7, "faults": list(faults)}).status_code == 200


def _accepted(shop: Shop, campaign: str) -> None:
    """The campaign's one line of speech as a run that died right after its acceptance leaves it."""
    settings = from_environment({"AURORA_HOME": str(shop.home), "AURORA_PROVIDER": "fal", "FAL_KEY": KEY})
    (line,) = quote_speech(settings, read_campaign(settings, campaign), (), run_id="run-1").clips
    assert isinstance(line, QuotedSpeech)
    ledger, fal = Ledger(settings.ledger), connect(shop.studio.url)
    till = Till(settings, "run-1", Limits(), ledger, MediaStore(settings.media), fal)
    plan = order_of(line).plan(till)
    ledger.claim(plan, limits=Limits())
    fal.submit(
        line.request.endpoint,
        line.request.arguments,
        before_post=lambda: _nobody(ledger.mark_sending(plan.charge_id, audio_url=None)),
        on_reply=lambda request_id, body: _nobody(ledger.mark_accepted(plan.charge_id, request_id=request_id)),
    )
    ledger.close()


def _nobody(_charge: Any) -> None:
    """Nobody goes on with it."""


def test_a_quote_does_not_wait_for_speech_that_is_being_made_and_bills_what_is_ready_by_fals_price(shop: Shop) -> None:
    shop.write(["slow,This line takes its time to be made."], campaign="slow", voice=VOICE)
    _by(shop, render("slow", seconds=600))
    _accepted(shop, "slow")

    waiting = shop("quote", "slow")
    state = shop.charges("speech")[-1]
    _by(shop, {"fault": "price", "at": "pricing", "unit_price": "0.04"}, {"fault": "units", "at": "result", "is": "1"})
    assert until(lambda: shop("quote", "slow").returncode == 0 and _is_settled(shop), seconds=120)

    assert waiting.returncode == 0, waiting.stderr
    assert (
        f"slow (tts_audio): slow is still being made at fal (request {state['request_id']}); `aurora run` waits for "
        "it. It is not bought again."
    ) in " ".join((waiting.stdout + waiting.stderr).split())
    assert state["state"] == "accepted"
    assert shop.charges("speech")[-1]["billed_usd"] == Decimal("0.04")
    _by(shop)


def _is_settled(shop: Shop) -> bool:
    return bool(shop.charges("speech")[-1]["state"] == "settled")
