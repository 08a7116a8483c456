"""A paid recogniser, from quote to bill: who listens before video is bought, and what is held back when nobody did.

The studio in fal's place is told what it "spoke": so it answers with these very words, and needs no recogniser itself.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from aurora_pipeline.aurora_videos.ledger import open_ledger
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.aurora_videos.till import Till
from aurora_pipeline.aurora_videos.transcript_request import QuotedTranscript, TranscriptRequest
from aurora_pipeline.aurora_videos.transcript_seller import TranscriptSeller
from aurora_pipeline.aurora_videos.unit_prices import UnitPrices
from aurora_pipeline.errors import SpendRefused
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.pipeline import Job, quote_campaign, script_table, tts_audio
from aurora_pipeline.price_book import Price
from aurora_pipeline.script_table import Script
from aurora_pipeline.settings import Settings
from aurora_pipeline.speech_models import SHIPPED, read_speech_models
from aurora_pipeline.stage_tables import read_rows
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline_tests.broken_studio import at
from aurora_pipeline_tests.paid_shop import KEY, Shop, opened_shop
from aurora_pipeline_tests.studio_bench import Running

if TYPE_CHECKING:
    from aurora_pipeline.gear.fal import FalConnection

EAR = "elevenlabs-scribe-v2"
ENDPOINT = "fal-ai/elevenlabs/speech-to-text/scribe-v2"
MICRODOLLAR = Decimal("0.000001")
LISTENING = {"AURORA_LISTENER": EAR}


@pytest.fixture(scope="module")
def shop(
    launch: Callable[..., Running], aurora: Callable[..., Any], new_home: Callable[..., Path], tmp_path_factory: Any
) -> Iterator[Shop]:
    with opened_shop(launch, aurora, new_home(), tmp_path_factory.mktemp("fal")) as shop:
        yield shop


def speak(shop: Shop, campaign: str, rows: dict[str, str], **extra: str) -> None:
    """The campaign's speech, made for nothing by a voice of this machine; fal will hear in it what the rows say."""
    shop.write([f"{clip_id},{text}" for clip_id, text in rows.items()], campaign=campaign, voice="heart", **extra)
    job = Job(settings_of(shop), campaign, "speaking")
    assert not (script_table(job), tts_audio(job))[1].failures
    open_ledger(job.settings.ledger).close()  # SQLite's locks end when another hand of this process closes the file
    open_ledger.cache_clear()
    for clip_id, text in rows.items():
        will_hear(shop, campaign, clip_id, text)


def settings_of(shop: Shop) -> Settings:
    return Settings(root=shop.home, output=shop.home / "data" / "output")


def will_hear(shop: Shop, campaign: str, clip_id: str, text: str) -> None:
    sound = (shop.home / "data" / "output" / "tts_audio" / campaign / f"{clip_id}.wav").read_bytes()
    words = json.dumps([[word, at * 0.2, at * 0.2 + 0.1] for at, word in enumerate(text.split())])
    with closing(sqlite3.connect(shop.folder / "studio.sqlite")) as db, db:
        row = (hashlib.sha256(sound).hexdigest(), text, "en", words)
        db.execute("INSERT OR REPLACE INTO spoken (sha256, text, language, words) VALUES (?, ?, ?, ?)", row)


def speeches(shop: Shop, campaign: str) -> dict[str, Speech]:
    return {row.clip_id: row for row in read_rows(settings_of(shop), "tts_audio", campaign, Speech)}


def test_a_paid_ear_is_quoted_agreed_to_bought_once_and_billed_to_the_cent(shop: Shop) -> None:
    speak(shop, "spring", {"hello": "Good morning to all of you.", "price": "The coffee is two dollars today."})

    quoted = shop("quote", "spring", **LISTENING)
    assert "hearing to buy 2 clips by elevenlabs-scribe-v2 for " in quoted.stdout, quoted.stdout + quoted.stderr
    nobody = shop("run", "spring", **LISTENING)
    assert nobody.returncode == 1
    assert "This buys speech and nobody is here to agree; add --yes. Nothing was spent." in nobody.stderr
    assert shop.requests(ENDPOINT) == []

    ran = shop("run", "spring", "--yes", **LISTENING)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    heard, videos = shop.charges("transcript"), shop.charges("video")
    assert [charge["state"] for charge in heard + videos] == ["settled"] * 4
    billed = sum(charge["billed_usd"] for charge in heard + videos)
    assert abs(billed - shop.billed(heard + videos)) < len(heard) * MICRODOLLAR  # each rounded to one
    assert {row.recogniser for row in speeches(shop, "spring").values()} == {f"{EAR} {ENDPOINT}"}
    assert {row.transcript_charge_id for row in speeches(shop, "spring").values()} == {c["charge_id"] for c in heard}
    assert speeches(shop, "spring")["price"].transcript == "The coffee is two dollars today."

    again = shop("run", "spring", "--yes", **LISTENING)
    assert again.returncode == 0
    assert "Nothing to do" in again.stdout
    assert len(shop.requests(ENDPOINT)) == 4
    shop.assert_nowhere(KEY)


def test_words_that_the_paid_ear_hears_wrongly_hold_the_clip_back_from_being_bought(shop: Shop) -> None:
    speak(shop, "wrong", {"good": "Please come and see us on Monday.", "bad": "Our shop is open until Tuesday."})
    will_hear(shop, "wrong", "bad", "Our shop is closed because of flooding.")
    before = len(shop.charges("video"))

    ran = shop("run", "wrong", "--yes", **LISTENING)

    assert ran.returncode == 1
    assert speeches(shop, "wrong")["bad"].verdict == "fail"
    assert "Tuesday" in ran.stdout + ran.stderr
    assert [charge["clip_id"] for charge in shop.charges("video")[before:]] == ["good"]


def test_the_same_sound_is_heard_once_in_any_campaign(shop: Shop) -> None:
    speak(shop, "first", {"line": "This line is said in two campaigns."})
    assert shop("run", "first", "--yes", **LISTENING).returncode == 0
    heard = len(shop.charges("transcript"))
    speak(shop, "second", {"other": "This line is said in two campaigns."})

    quoted = json.loads(shop("quote", "second", "--json", **LISTENING).stdout)["speech"]["transcripts"]
    assert shop("run", "second", "--yes", **LISTENING).returncode == 0

    assert [(line["clip_id"], line["standing"], Decimal(line["usd"])) for line in quoted] == [("other", "reused", 0)]
    assert len(shop.charges("transcript")) == heard


def test_what_is_not_spoken_yet_is_quoted_by_its_text_and_heard_in_the_same_run(shop: Shop) -> None:
    text = "Nobody has spoken this before it was quoted."
    shop.write([f"new,{text}"], campaign="fresh", voice="heart")

    quoted = json.loads(shop("quote", "fresh", "--json", **LISTENING).stdout)["speech"]["transcripts"]
    will_hear(shop, "fresh", "new", text)
    ran = shop("run", "fresh", "--yes", **LISTENING)

    assert [(line["clip_id"], line["standing"], line["is_spoken"]) for line in quoted] == [("new", "new", False)]
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert speeches(shop, "fresh")["new"].verdict == "pass"


@pytest.mark.parametrize("fault", [at("submit", "lose_answer"), at("result", "expired")])
def test_a_transcript_whose_answer_was_lost_or_has_expired_is_found_again_and_not_bought_again(
    shop: Shop, fault: dict[str, Any]
) -> None:
    name, text = f"lost-{fault['at']}", f"The answer of {fault['at']} gets lost on its way."
    speak(shop, name, {"line": text})
    asked = len(shop.requests(ENDPOINT)) - len(shop.requests())
    shop.by(fault)

    first = shop("run", name, "--yes", **LISTENING)
    shop.by()
    second = shop("run", name, "--yes", **LISTENING)

    assert "Nothing to do" in second.stdout or second.returncode == 0, first.stderr + second.stderr
    assert len(shop.requests(ENDPOINT)) - len(shop.requests()) == asked + 1
    (charge,) = [each for each in shop.charges("transcript") if each["campaign"] == name]
    assert charge["state"] == "settled"
    assert abs(charge["billed_usd"] - shop.billed([charge])) < MICRODOLLAR
    assert speeches(shop, name)["line"].transcript == text


def test_where_rows_need_approval_the_hearing_is_approved_first(shop: Shop) -> None:
    speak(shop, "careful", {"ask": "Please ask me first before you listen."}, extra="approval: required\n")
    before = len(shop.charges("transcript")), len(shop.charges("video"))

    held = shop("run", "careful", "--yes", **LISTENING)
    assert held.returncode == 1
    assert "ask is not listened to: hearing it with elevenlabs-scribe-v2 is not bought" in held.stdout + held.stderr
    assert (len(shop.charges("transcript")), len(shop.charges("video"))) == before

    first = shop("approve", "careful", "--all", "--yes", "--by", "Ada", **LISTENING)
    assert "Ada approved the speech of 1 clip of careful." in first.stdout, first.stdout + first.stderr
    shop("run", "careful", "--yes", **LISTENING)
    assert (len(shop.charges("transcript")), len(shop.charges("video"))) == (before[0] + 1, before[1])

    assert shop("approve", "careful", "--all", "--yes", "--by", "Ada", **LISTENING).returncode == 0
    assert shop("run", "careful", "--yes", **LISTENING).returncode == 0
    assert (len(shop.charges("transcript")), len(shop.charges("video"))) == (before[0] + 1, before[1] + 1)


def test_speech_that_the_paid_ear_has_not_heard_is_not_bought_by_the_video_stage_alone(shop: Shop) -> None:
    speak(shop, "alone", {"line": "Nobody has heard this line for money."})
    asked = replace(settings_of(shop), provider="fal", fal_key_is_set=True, listener=EAR)

    (clip,) = quote_campaign(Job(asked, "alone", "videos")).clips
    open_ledger(asked.ledger).close()
    open_ledger.cache_clear()

    assert (clip.standing, clip.why) == (
        "unfit",
        "nobody has listened to its speech, and elevenlabs-scribe-v2 can: make tts_audio again",
    )


def test_a_draft_asks_no_paid_ear_and_says_who_would_listen(shop: Shop) -> None:
    shop.write(["draft,A draft of this is free and stays free."], campaign="drafted", voice="heart")
    before = len(shop.requests(ENDPOINT))

    drafted = shop("run", "drafted", AURORA_PROVIDER="studio", **LISTENING)

    assert drafted.returncode == 0, drafted.stdout + drafted.stderr
    assert EAR not in speeches(shop, "drafted")["draft"].recogniser.removeprefix(f"none: {EAR} listens with")
    assert len(shop.requests(ENDPOINT)) == before


def test_a_listener_that_does_not_exist_is_one_sentence(shop: Shop) -> None:
    shop.write(["line,Nobody listens to this."], campaign="unheard", voice="heart")

    ran = shop("run", "unheard", "--yes", AURORA_LISTENER="sphinx")

    assert ran.returncode == 1
    known = "auto, whisper, off, elevenlabs-speech-to-text, elevenlabs-scribe-v2"
    assert f"AURORA_LISTENER is 'sphinx'; use one of: {known}. Nothing was spent." in ran.stderr


def test_speech_that_became_longer_than_was_agreed_to_is_quoted_again_before_it_is_heard(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, output=tmp_path, provider="fal")
    model = read_speech_models(SHIPPED).recogniser(EAR)
    script = Script("c", "long", "One.", "a.png", "", "heart", "en", "480p", None, Decimal(1), Decimal(2), 2)
    price = Price(ENDPOINT, "any", Decimal("0.008"), date(2026, 1, 1), date(2027, 1, 1), "page", "minute")
    agreed = QuotedTranscript(TranscriptRequest(script, "One.", model, 2.0, 8.0), price, None, "new")
    store, ledger = MediaStore(settings.media), open_ledger(settings.ledger)
    till = Till(settings, "run", Limits(), ledger, store, cast("FalConnection", None))  # it must not get so far
    ear = TranscriptSeller(till, model, UnitPrices({}, {}), [agreed]).of(script, "One.", "s" * 64, 61.0)

    with pytest.raises(SpendRefused) as refused:
        ear.hear(np.zeros(8, np.float32), 8, language="en", script="One.")

    assert str(refused.value) == (
        "long is not listened to: hearing it with elevenlabs-scribe-v2 is not bought (61 s are more than the 8 s that "
        "were agreed to; run again). Nothing was spent."
    )
    assert ledger.charges() == []
    ledger.close()
    open_ledger.cache_clear()
