"""Paid speech, end to end: the real seller, ledger and fal-client over HTTP, and the studio in fal's place.

Nothing is faked but the account: the studio takes, answers, lists and bills as fal does, and breaks as it is told to.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import string
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aurora_pipeline.aurora_videos import ledger as ledger_module
from aurora_pipeline.aurora_videos.following import GIVEN_UP_AFTER, Following
from aurora_pipeline.aurora_videos.ledger import Ledger, Plan
from aurora_pipeline.aurora_videos.ledger_tables import charges
from aurora_pipeline.aurora_videos.quote import is_spoken, quote_campaign
from aurora_pipeline.aurora_videos.records import Charge
from aurora_pipeline.aurora_videos.speech_quote import quote_speech
from aurora_pipeline.aurora_videos.speech_seller import SpeechSeller
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.aurora_videos.sweep import sweep
from aurora_pipeline.aurora_videos.till import Till
from aurora_pipeline.aurora_videos.unit_prices import unit_prices
from aurora_pipeline.gear.fal import FalConnection, connect
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.price_book import read_price_book
from aurora_pipeline.progress import Silent
from aurora_pipeline.script_table import read_campaign
from aurora_pipeline.settings import Settings
from aurora_pipeline.speech_models import SHIPPED, read_speech_models
from aurora_pipeline.stage_tables import StageTable
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline.tts_audio.outdated import changed_since_spoken
from aurora_pipeline.tts_audio.speak import speak_campaign
from aurora_pipeline_tests.broken_studio import at, render
from aurora_pipeline_tests.conftest import REPOSITORY, write_campaign
from aurora_pipeline_tests.patient_studio import until
from aurora_pipeline_tests.studio_bench import Running

TABLE = read_speech_models(SHIPPED)
TURBO = TABLE.named("elevenlabs-turbo-v2.5")
HELLO, PRICE = "Good morning, and welcome.", "Coffee is two dollars today."
LINE_USD = {text: TURBO.units(text) * Decimal("0.05") for text in (HELLO, PRICE)}
RESERVED_USD = Decimal("0.05")  # a whole unit of 1000 characters
SECRET = "5f3a-sentinel:7c1d-never-to-be-seen"


@dataclass
class Shop:
    """A home, and a studio that takes fal's place. All shops share it: each says two words that are its own."""

    root: Path
    studio: Running = field(repr=False)
    own: dict[str, str] = field(default_factory=lambda: {"morning": _word(7), "Coffee": _word(6)})

    def said(self, text: str) -> str:
        """A text with this shop's own words, as long as before."""
        for word, own in self.own.items():
            text = text.replace(word, own)
        return text

    def write(self, *rows: str, name: str = "spring", voice: str = "eleven-turbo-rachel-en", extra: str = "") -> None:
        own = [f"{self.said(row)},{voice}" for row in rows]
        write_campaign(self.root, name, own, head="clip_id,text,voice", extra=extra)

    def settings(self, **changes: Any) -> Settings:
        usual = {"provider": "fal", "fal_key_is_set": True, "poll_seconds": 0.02, "horizon_seconds": 0.0}
        return Settings(root=self.root, output=self.root / "out", **(usual | changes))

    @property
    def ledger(self) -> Ledger:
        return ledger_module.open_ledger(self.settings().ledger)

    @property
    def fal(self) -> FalConnection:
        return connect(self.studio.url)

    def seller(
        self, settings: Settings, *, name: str = "spring", limits: Limits, agreed: Collection[str] | None = None
    ) -> SpeechSeller:
        """With fal it sells what the quote of now may buy, or of that what is ``agreed`` by fingerprint."""
        till = Till(settings, "run-1", limits, self.ledger, MediaStore(settings.media), self.fal)
        book = read_price_book(settings.price_book)
        if settings.provider == "studio":
            return SpeechSeller(till, TABLE, book)
        quote = quote_speech(settings, read_campaign(settings, name), (), run_id="run-1")
        lines = [line for line in quote.clips if agreed is None or line.request.fingerprint in agreed]
        return SpeechSeller(till, TABLE, book, unit_prices(self.fal.platform, quote), lines)

    def speak(
        self,
        name: str = "spring",
        *,
        limits: Limits = Limits(campaign_usd=Decimal(5)),  # noqa: B008 - a value
        agreed: Collection[str] | None = None,
        **changes: Any,
    ) -> StageTable[Speech]:
        settings = self.settings(**changes)
        seller = self.seller(settings, name=name, limits=limits, agreed=agreed)
        return speak_campaign(settings, read_campaign(settings, name), Silent(), seller=seller)

    def by(self, *faults: dict[str, Any]) -> None:
        answer = self.studio.http.put("/_studio/scenario", json={"seed": 7, "faults": list(faults)})
        assert answer.status_code == 200, answer.text

    def charges(self, provider: str = "fal") -> list[Charge]:
        return [charge for charge in self.ledger.charges() if charge.provider == provider]

    def states(self) -> list[str]:
        return [charge.state for charge in self.charges()]

    def requests(self, endpoint: str = TURBO.endpoint) -> list[dict[str, Any]]:
        """Those of this shop."""
        listed = self.studio.listed(endpoint_id=endpoint, limit=100, start="2020-01-01T00:00:00+00:00")
        return [item for item in listed if any(own in item["json_input"]["text"] for own in self.own.values())]

    def bill(self) -> dict[str, Decimal]:
        """What the studio billed, by request."""
        ids = [item["request_id"] for item in self.requests()]
        events = self.studio.billing_events(*ids) if ids else []
        return {event["request_id"]: Decimal(str(event["cost_total"])) for event in events}


def _word(letters: int) -> str:
    return "".join(random.choices(string.ascii_lowercase, k=letters))


@pytest.fixture(scope="module")
def provider(launch: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    folder = tmp_path_factory.mktemp("studio")
    studio = launch(folder, "--instant", is_fake=False)
    shutil.copy(REPOSITORY / "data" / "price_book.csv", folder)
    return studio


@pytest.fixture
def shop(provider: Running, tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "data" / "avatars").mkdir(parents=True)
    shutil.copy(REPOSITORY / "data" / "price_book.csv", tmp_path / "data")
    shutil.copy(REPOSITORY / "data" / "avatars" / "ana.png", tmp_path / "data" / "avatars")
    shop = Shop(tmp_path, provider)
    shop.by()
    shop.write(f'hello,"{HELLO}"', f'price,"{PRICE}"')
    yield shop
    shop.ledger.close()
    ledger_module.open_ledger.cache_clear()


def assert_agrees_with_the_bill(shop: Shop) -> None:
    """Every settled charge is what the studio billed for its request, and nothing else was billed."""
    settled = {each.request_id: each.billed_usd for each in shop.charges() if each.state == "settled"}
    assert settled == shop.bill()
    money = shop.ledger.spending("fal", "campaign", "spring")
    assert (money.reserved_usd, money.settled_usd) == (0, sum(settled.values(), Decimal(0)))


# ---- bought, once
def test_speech_is_bought_stored_and_settled_to_the_bill(shop: Shop) -> None:
    table = shop.speak()

    assert table.failures == ()
    assert {row.clip_id: (row.is_draft, row.word_times) for row in table.rows} == {
        "hello": (False, "engine"),
        "price": (False, "engine"),
    }
    by_clip = {charge.clip_id: charge for charge in shop.charges()}
    hello = by_clip["hello"]
    assert (hello.kind, hello.unit, hello.wanted_units) == ("speech", "1000_characters", TURBO.units(HELLO))
    assert (hello.usd_per_unit, hello.reserved_usd) == (Decimal("0.05"), RESERVED_USD)
    assert {clip: charge.billed_usd for clip, charge in by_clip.items()} == {
        "hello": LINE_USD[HELLO],
        "price": LINE_USD[PRICE],
    }
    assert [row.charge_ids for row in table.rows] == [(by_clip[row.clip_id].charge_id,) for row in table.rows]
    assert_agrees_with_the_bill(shop)


def test_the_words_times_are_those_the_endpoint_told(shop: Shop) -> None:
    row = next(row for row in shop.speak().rows if row.clip_id == "hello")

    assert [word.text for word in row.words] == shop.said(HELLO).split()
    assert [word.start_seconds for word in row.words] == sorted(word.start_seconds for word in row.words)


def test_a_second_run_asks_nobody_and_costs_nothing(shop: Shop) -> None:
    shop.speak()
    before = len(shop.requests())

    table = shop.speak()

    assert (table.made, len(shop.requests()), len(shop.charges())) == (0, before, 2)


def test_one_word_edited_buys_that_clip_alone(shop: Shop) -> None:
    shop.speak()
    shop.write(f'hello,"{HELLO}"', 'price,"Coffee is three dollars today."')

    shop.speak()

    bought = [charge.clip_id for charge in shop.charges()]
    assert sorted(bought) == ["hello", "price", "price"]
    assert_agrees_with_the_bill(shop)


def test_the_same_line_in_two_campaigns_is_bought_once(shop: Shop) -> None:
    shop.speak()
    shop.write(f'again,"{HELLO}"', name="autumn")

    table = shop.speak("autumn")

    (bought,) = [charge for charge in shop.charges() if charge.clip_id == "hello"]
    assert [row.charge_ids for row in table.rows] == [(bought.charge_id,)]
    assert len(shop.requests()) == 2


def test_two_clips_that_say_the_same_are_one_purchase(shop: Shop) -> None:
    shop.write(f'one,"{HELLO}"', f'two,"{HELLO}"')

    table = shop.speak()

    assert [row.clip_id for row in table.rows] == ["one", "two"]
    assert len(shop.requests()) == 1


def test_what_stands_between_pauses_is_bought_apart_and_an_edit_buys_its_own_part_only(shop: Shop) -> None:
    shop.write('hello,"Good morning. [pause 0.5s] Coffee is two dollars."')
    first = shop.speak().rows[0]
    shop.write('hello,"Good morning. [pause 0.5s] Tea, Coffee, both."')

    second = shop.speak().rows[0]

    said = [item["json_input"]["text"] for item in shop.requests()]
    assert sorted(said) == sorted(map(shop.said, ["Coffee is two dollars.", "Good morning.", "Tea, Coffee, both."]))
    assert first.charge_ids[0] == second.charge_ids[0]
    assert first.charge_ids[1] != second.charge_ids[1]


def test_a_lost_file_is_fetched_again_and_not_bought_again(shop: Shop) -> None:
    shop.speak()
    shutil.rmtree(shop.settings().media)

    table = shop.speak()

    assert table.failures == ()
    assert len(shop.requests()) == 2
    assert_agrees_with_the_bill(shop)


# ---- drafts
def test_with_the_studio_a_paid_voice_is_drafted_and_a_draft_never_stands_in_for_a_purchase(shop: Shop) -> None:
    drafted = shop.speak(provider="studio", limits=Limits())
    bought = shop.speak()

    assert [row.is_draft for row in drafted.rows] == [True, True]
    assert [row.is_draft for row in bought.rows] == [False, False]
    assert (len(shop.charges("studio")), len(shop.charges("fal"))) == (2, 2)
    assert shop.ledger.spending("fal", "campaign", "spring").settled_usd == sum(LINE_USD.values())


def test_what_was_bought_serves_drafts(shop: Shop) -> None:
    shop.speak()

    drafted = shop.speak(provider="studio", limits=Limits())

    assert [row.is_draft for row in drafted.rows] == [False, False]
    assert shop.charges("studio") == []


def test_no_video_is_bought_for_a_draft_of_a_voice(shop: Shop) -> None:
    drafted, campaign = shop.speak(provider="studio", limits=Limits()), read_campaign(shop.settings(), "spring")
    script, speech = campaign.scripts[0], drafted.rows[0]

    assert is_spoken(script, speech, campaign.speech)
    assert not is_spoken(script, speech, campaign.speech, is_paid=True)
    assert changed_since_spoken(script, speech, campaign.speech, is_paid=True) == ["draft speech"]
    paid = quote_campaign(shop.settings(), campaign, drafted.rows, run_id="run-1")
    assert paid.clips == ()


def test_what_a_recogniser_heard_is_kept_as_it_was_answered_and_billed_by_its_length(shop: Shop) -> None:
    plan = Plan("t1", "fal", "print", "spring", "hello", "run-1", "fal-ai/elevenlabs/speech-to-text", "any", 6.0,
                Decimal("0.03"), "page", Decimal("0.03"), kind="transcript", unit="minute",
                wanted_units=Decimal("0.1"))  # fmt: skip
    answer, seller = {"text": "Good morning", "language_code": "eng"}, shop.seller(shop.settings(), limits=Limits())
    shop.ledger.claim(plan, limits=Limits())
    shop.ledger.mark_sending("t1", audio_url="https://v3.fal.media/t1.wav")
    shop.ledger.mark_accepted("t1", request_id="r-1")
    shop.ledger.mark_completed("t1", result=answer, billable_units=None)

    following, stop = Following(seller.till, "hello"), threading.Event()
    stored = following.step(shop.ledger.charge("t1"), stop)
    settled = following.step(stored, stop)

    assert json.loads(seller.till.store.require(settled.video_sha256 or "").read_bytes()) == answer
    assert (settled.state, settled.billed_seconds, settled.billed_usd) == ("settled", None, Decimal("0.003"))


# ---- guards
def test_what_nobody_agreed_to_is_not_bought_and_what_was_is(shop: Shop) -> None:
    settings = shop.settings()
    hello, _price = quote_speech(settings, read_campaign(settings, "spring"), (), run_id="run-1").clips

    table = shop.speak(agreed=[hello.request.fingerprint])

    assert [row.clip_id for row in table.rows] == ["hello"]
    ((clip_id, sentence),) = [(each.clip_id, each.sentence) for each in table.failures]
    assert clip_id == "price"
    assert "price is not spoken: its speech in the voice 'eleven-turbo-rachel-en' is not bought" in sentence
    assert "Nothing was spent." in sentence
    assert len(shop.requests()) == 1


def test_a_budget_that_is_too_small_refuses_before_anything_is_sent(shop: Shop) -> None:
    table = shop.speak(limits=Limits(campaign_usd=Decimal("0.04")))

    assert [failure.clip_id for failure in table.failures] == ["hello", "price"]
    for failure in table.failures:
        assert "$0.05 would be reserved for it" in failure.sentence or "0.04" in failure.sentence
    assert (shop.requests(), shop.charges()) == ([], [])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("fal-ai/elevenlabs/tts/turbo-v2.5,any", "x/other,any"), "has no price for fal-ai/elevenlabs/tts/turbo-v2.5"),
        (("turbo-v2.5,any,1000_characters", "turbo-v2.5,any,minute"), "only prices by the '1000_characters' can be"),
        (("2027-06-30", "2026-10-01"), "was trusted until 2026-10-01; look it up again"),
    ],
)
def test_a_price_that_cannot_be_relied_on_refuses_before_anything_is_sent(
    shop: Shop, change: tuple[str, str], sentence: str
) -> None:
    book = shop.settings().price_book
    book.write_text(book.read_text(encoding="utf-8").replace(*change), encoding="utf-8")

    table = shop.speak()

    assert len(table.failures) == 2
    assert all(sentence in failure.sentence for failure in table.failures)
    assert all("Nothing was spent." in failure.sentence for failure in table.failures)
    assert (shop.requests(), shop.charges()) == ([], [])


def test_a_price_that_expired_keeps_nothing_that_is_paid_from_being_fetched(shop: Shop) -> None:
    shop.speak()
    shutil.rmtree(shop.settings().media)
    book = shop.settings().price_book
    book.write_text(book.read_text(encoding="utf-8").replace("2027-06-30", "2026-10-01"), encoding="utf-8")

    assert shop.speak().failures == ()

    assert len(shop.requests()) == 2


def test_what_a_voice_cannot_say_is_told_before_anything_is_sent(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"', extra="lexicon: {welcome: /ˈwɛlkəm/}\n")

    table = shop.speak()

    (failure,) = table.failures
    assert "hello cannot be spoken: elevenlabs-turbo-v2.5 takes no IPA" in failure.sentence
    assert failure.sentence.endswith("Nothing was spent.")
    assert (shop.requests(), shop.charges()) == ([], [])


# ---- what breaks on the way
def test_an_answer_that_was_lost_is_adopted_from_the_list_and_paid_once(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(at("submit", "lose_answer"))

    table = shop.speak()

    assert table.failures == ()
    assert len(shop.requests()) == 1
    assert_agrees_with_the_bill(shop)


def test_a_request_that_never_arrived_is_looked_up_in_vain_and_bought_anew(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(at("submit", "lose_request"))

    table = shop.speak()

    assert table.failures == ()
    assert shop.states() == ["voided", "settled"]
    assert len(shop.requests()) == 1
    assert_agrees_with_the_bill(shop)


def test_a_list_without_payloads_decides_nothing_and_the_money_stays_held(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(at("submit", "lose_answer"), {"fault": "without", "at": "requests", "keys": ["items.*.json_input"]})

    (failure,) = shop.speak().failures

    assert "fal lists a request without its payload, so it cannot be told apart" in failure.sentence
    assert "$0.05 stays reserved and it is not sent again" in failure.sentence
    assert shop.states() == ["unknown"]
    shop.by()
    assert shop.speak().failures == ()
    assert len(shop.requests()) == 1


def test_of_several_requests_alike_the_earliest_that_no_charge_has_is_adopted_and_the_others_are_told(
    shop: Shop,
) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.speak()  # the arguments, as they are sent
    (owned,) = shop.requests()
    shutil.rmtree(shop.settings().output)
    ledger_module.open_ledger.cache_clear()
    strangers = [shop.fal.submit(TURBO.endpoint, owned["json_input"], before_post=_no, on_reply=_no) for _ in range(2)]
    shop.by(at("submit", "lose_request"))

    assert shop.speak().failures == ()

    (charge,) = shop.charges()
    assert charge.request_id == owned["request_id"]  # within a minute of it, and no charge's of this ledger any more
    assert charge.sentence == f"The provider lists more requests for the same: {', '.join(strangers)}."
    assert len(shop.requests()) == 3


CHATTERBOX = TABLE.named("chatterbox")
NOT_LISTED = {"fault": "without", "at": "requests", "keys": ["items.*.json_input"]}


def test_a_request_that_was_sent_with_more_is_never_adopted_and_the_speech_is_not_bought_twice(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"', voice="chatterbox")
    mine, theirs = {"text": shop.said(HELLO)}, {"audio_url": "https://v3.fal.media/boss.wav", "exaggeration": 1.9}
    stranger = shop.fal.submit(CHATTERBOX.endpoint, mine | theirs, before_post=_no, on_reply=_no)
    shop.by(at("submit", "lose_request"))

    (failure,) = shop.speak().failures
    shop.by()
    (again,) = shop.speak().failures

    assert (
        f"fal lists request {stranger}, sent with the same and more (audio_url, exaggeration): it may be this one or "
        "somebody else's. $"
    ) in failure.sentence
    assert "stays reserved and it is not sent again; run again later, or look at fal and decide: aurora release" in (
        failure.sentence
    )
    assert again.sentence == failure.sentence
    assert [(charge.state, charge.request_id) for charge in shop.charges()] == [("unknown", None)]
    assert len(shop.requests(CHATTERBOX.endpoint)) == 1


def _two_voices(shop: Shop) -> list[str]:
    """One text in the endpoint's own voice, which is sent none, and in a named one."""
    (shop.root / "data" / "voices.csv").write_text(
        "voice,engine,language,engine_voice,quality,scripts,description\n"
        "mine,fal:elevenlabs-turbo-v2.5,en,default,neural,LATIN,Own\n"
    )
    text = shop.said(HELLO)
    return [f'own,"{text}",mine', f'rachel,"{text}",eleven-turbo-rachel-en']


def _write_rows(shop: Shop, *rows: str) -> None:
    write_campaign(shop.root, "spring", list(rows), head="clip_id,text,voice")


def test_each_of_two_lost_requests_finds_its_own_voice_again(shop: Shop) -> None:
    own, rachel = _two_voices(shop)
    _write_rows(shop, rachel)
    shop.by(at("submit", "lose_answer"), NOT_LISTED)
    shop.speak()
    _write_rows(shop, own)
    shop.by(at("submit", "lose_answer"))
    shop.speak()
    shop.by()
    _write_rows(shop, own, rachel)

    table = shop.speak()

    assert table.failures == ()
    said = {item["request_id"]: item["json_input"].get("voice") for item in shop.requests()}
    assert sorted((charge.clip_id, said[charge.request_id or ""]) for charge in shop.charges()) == [
        ("own", None),
        ("rachel", "Rachel"),
    ]
    assert_agrees_with_the_bill(shop)


def test_what_is_exactly_another_charges_keeps_no_request_that_never_arrived_in_doubt(shop: Shop) -> None:
    own, rachel = _two_voices(shop)
    _write_rows(shop, rachel)
    shop.by(at("submit", "lose_answer"), NOT_LISTED)
    shop.speak()
    _write_rows(shop, own)
    shop.by(at("submit", "lose_request"))

    assert shop.speak().failures == ()

    assert [(charge.clip_id, charge.state) for charge in shop.charges()] == [
        ("rachel", "unknown"),
        ("own", "voided"),
        ("own", "settled"),
    ]


def _no(*_told: str) -> None:
    """Nobody writes down what a stranger does."""


@pytest.mark.parametrize("fault", [at("status", "answer", status=500), at("result", "answer", status=502)])
def test_a_passing_fault_costs_nothing(shop: Shop, fault: dict[str, Any]) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(fault)

    assert shop.speak().failures == ()

    assert len(shop.requests()) == 1
    assert_agrees_with_the_bill(shop)


def test_a_result_that_expired_is_read_from_the_list(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by({"fault": "expired", "at": "result"})

    assert shop.speak().failures == ()

    assert len(shop.requests()) == 1
    assert_agrees_with_the_bill(shop)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("truncated", "The speech of hello arrived incomplete; run again to fetch it again. It is not bought again."),
        ("html", "The speech of hello arrived incomplete"),
        ("silent", "The speech of hello came back silent"),
    ],
)
def test_sound_that_is_no_use_is_never_stored_and_never_bought_again(shop: Shop, fault: str, sentence: str) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(render(fault))

    (failure,) = shop.speak().failures
    (again,) = shop.speak().failures

    assert sentence in failure.sentence
    assert sentence in again.sentence
    assert shop.states() == ["completed"]
    assert len(shop.requests()) == 1


def test_a_download_that_is_cut_on_the_way_is_fetched_again(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(at("download", "truncate"))

    assert shop.speak().failures == ()

    assert_agrees_with_the_bill(shop)


def test_a_text_that_the_model_refuses_is_held_as_maybe_billed_and_not_asked_again(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(render("error", type="content_policy_violation", billed=False, argument="text", message="No."))

    (failure,) = shop.speak().failures
    shop.by()
    (again,) = shop.speak().failures

    assert "content_policy_violation: No." in failure.sentence
    assert "content_policy_violation: No." in again.sentence
    assert shop.states() == ["rejected"]
    assert shop.bill() == {}
    assert len(shop.requests()) == 1


def test_a_refused_account_stops_the_other_clips_before_they_are_sent(shop: Shop) -> None:
    shop.by({"fault": "locked", "at": "submit"})

    table = shop.speak(workers=1, requests_in_flight=1)

    assert len(table.failures) == 2
    assert "fal refused the account or key" in table.failures[0].sentence
    assert shop.requests() == []
    assert set(shop.states()) == {"refused"}


def test_a_bill_far_above_the_reservation_is_recorded_and_stops_the_next_purchase(shop: Shop) -> None:
    shop.by(render("bill", usd="1.00"))
    shop.write(f'hello,"{HELLO}"')
    shop.speak()
    shop.write(f'hello,"{HELLO}"', f'price,"{PRICE}"')

    (failure,) = shop.speak().failures

    assert "billed $1.00 for spring/hello" in failure.sentence
    assert len(shop.requests()) == 1


def test_a_run_that_was_killed_after_it_was_accepted_goes_on_without_paying_again(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(render("slow", seconds=3))
    file = shop.settings().output / "ledger.sqlite"
    program = (
        "import sys; from pathlib import Path\n"
        "from aurora_pipeline_tests.test_speech_seller import Shop\n"
        "from types import SimpleNamespace\n"
        "Shop(Path(sys.argv[1]), SimpleNamespace(url=sys.argv[2])).speak()\n"
    )
    command = [sys.executable, "-c", program, str(shop.root), shop.studio.url]
    with subprocess.Popen(command, cwd=REPOSITORY, env={"PATH": os.environ["PATH"]}) as child:
        assert until(lambda: _states_in(file) == ["accepted"], seconds=60)
        child.send_signal(signal.SIGKILL)

    table = shop.speak()

    assert table.failures == ()
    assert len(shop.requests()) == 1
    assert_agrees_with_the_bill(shop)


def _states_in(file: Path) -> list[str]:
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db,
    ):
        return [state for (state,) in db.execute("SELECT state FROM charges")]
    return []


def test_what_a_dead_run_left_is_taken_to_its_end_though_its_row_is_gone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by(render("slow", seconds=1))
    stop = threading.Event()
    accepted = Ledger.mark_accepted
    monkeypatch.setattr(Ledger, "mark_accepted", lambda *a, **n: (accepted(*a, **n), _killed())[0])
    campaign = read_campaign(shop.settings(), "spring")
    seller = shop.seller(shop.settings(), limits=Limits())
    with pytest.raises(KeyboardInterrupt):
        _speak_one(seller, campaign, stop)
    monkeypatch.setattr(Ledger, "mark_accepted", accepted)
    monkeypatch.setattr(ledger_module, "owner_is_gone", lambda owner: True)

    def swept() -> bool:
        left = shop.ledger.left_behind("fal")
        return [each.state for each in sweep(shop.settings(), shop.ledger, shop.fal, left)] == ["settled"]

    assert until(swept, seconds=20)
    assert shop.speak().failures == ()
    assert_agrees_with_the_bill(shop)


def _killed() -> None:
    raise KeyboardInterrupt


def _speak_one(seller: SpeechSeller, campaign: Any, stop: threading.Event) -> None:
    from aurora_pipeline.gear.voices import read_voices
    from aurora_pipeline.tts_audio.saying import saying_of

    (script,) = campaign.scripts
    voice = read_voices(None).named(script.voice)
    assert voice is not None
    (part,) = saying_of(script, ()).parts
    seller.speech(script, voice, part, stop)


def test_a_file_that_a_wrong_row_does_not_find_stays_to_be_fetched_and_mending_the_row_is_enough(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    table = shop.root / "data" / "speech_models.csv"
    right = SHIPPED.read_text(encoding="utf-8")
    table.write_text(right.replace(",audio.url,", ",sound.url,"), encoding="utf-8")
    (failure,) = shop.speak().failures
    with shop.ledger.transaction() as db:
        long_ago = datetime.now(UTC) - 2 * GIVEN_UP_AFTER
        db.execute(charges.update().values(accepted_at=long_ago, planned_at=long_ago))

    (again,) = shop.speak().failures
    states = shop.states()
    table.write_text(right, encoding="utf-8")
    mended = shop.speak()

    request_id = shop.charges()[0].request_id
    assert failure.sentence == (
        f"The result of hello (request {request_id}) names no speech under 'sound.url' but a file under 'audio.url'; "
        f"write that in the column answer of data/speech_models.csv for {TURBO.endpoint}, then run again. It is not "
        "bought again."
    )
    assert again.sentence == failure.sentence
    assert states == ["completed"]
    assert mended.failures == ()
    assert len(shop.requests()) == 1
    assert_agrees_with_the_bill(shop)


def test_a_result_that_holds_no_file_at_all_is_given_up_for_a_person(shop: Shop) -> None:
    shop.write(f'hello,"{HELLO}"')
    shop.by({"fault": "without", "at": "result", "keys": ["audio"]})
    (failure,) = shop.speak().failures
    with shop.ledger.transaction() as db:
        long_ago = datetime.now(UTC) - 2 * GIVEN_UP_AFTER
        db.execute(charges.update().values(accepted_at=long_ago, planned_at=long_ago))

    shop.speak()

    assert "The result of hello names no speech (request " in failure.sentence
    assert shop.states() == ["rejected"]


# ---- the whole command
def test_a_campaign_with_a_paid_voice_is_drafted_offline_by_one_command(
    aurora: Callable[..., subprocess.CompletedProcess[str]], new_home: Callable[..., Path]
) -> None:
    home = new_home()
    rows = [f'hello,"{HELLO}",eleven-turbo-rachel-en', 'price,"Tea, too.",heart']
    write_campaign(home, "small", rows, head="clip_id,text,voice")

    first = aurora(home, "run", "small", FAL_KEY=SECRET)
    second = aurora(home, "run", "small", FAL_KEY=SECRET)
    reconciled = aurora(home, "reconcile")

    assert first.returncode == 0, first.stderr
    assert "Small: 2 clips are finished." in first.stdout
    assert "$0.00 paid" in first.stdout
    assert "Nothing to do: all 2 clips of Small are finished. $0.00." in second.stdout
    assert "3 charges agree with the local studio." in reconciled.stdout, reconciled.stdout
    speech = [each for each in _charges(home) if each["kind"] == "speech"]
    assert [(each["clip_id"], each["provider"], each["state"]) for each in speech] == [("hello", "studio", "settled")]
    for said in (first, second):
        assert SECRET not in said.stdout + said.stderr
    for file in (home / "data" / "output").rglob("*"):
        if file.is_file() and file.suffix in (".json", ".sqlite", ".html", ".parquet", ".log", ""):
            assert SECRET.encode() not in file.read_bytes()


def _charges(home: Path) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(home / "data" / "output" / "ledger.sqlite")) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM charges ORDER BY planned_at")]
