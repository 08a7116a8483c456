"""The ledger beside the bill and the file: every verdict with its sentence, what is then believed, both doors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import fal_client
import httpx
import pytest
from click.testing import CliRunner
from filelock import FileLock

from aurora_pipeline import pipeline
from aurora_pipeline.aurora_videos import breaker
from aurora_pipeline.aurora_videos.affordable import assert_affordable
from aurora_pipeline.aurora_videos.following import Following
from aurora_pipeline.aurora_videos.ledger import Bill, Ledger, Plan, open_ledger
from aurora_pipeline.aurora_videos.ledger_tables import charges
from aurora_pipeline.aurora_videos.quote import standing_of
from aurora_pipeline.aurora_videos.quoted import Quote
from aurora_pipeline.aurora_videos.reconcile import VERDICTS, Reconciled, Reconciliation
from aurora_pipeline.aurora_videos.reconcile.compare import ALL, Window, compare
from aurora_pipeline.aurora_videos.reconcile.kept import audio_urls, keep, kept
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.cli import aurora
from aurora_pipeline.definitions import build_defs
from aurora_pipeline.errors import RequestRefused, SpendRefused
from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.gear.fal import FalConnection, connect
from aurora_pipeline.gear.fal_answers import Gone, RequestState, Result, Unreachable
from aurora_pipeline.gear.fal_platform import NotAllowed
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.models import SHIPPED
from aurora_pipeline.orchestration.reconciliation import reconcile_bills
from aurora_pipeline.orchestration.resources import Aurora
from aurora_pipeline.settings import Settings
from aurora_pipeline.speech_models import SHIPPED as SPEECH_MODELS
from aurora_pipeline.warehouse import publish
from aurora_pipeline.warehouse.questions import ask

ENDPOINT = "fal-ai/creatify/aurora"
PRICE = Decimal("0.14")
HELD = Decimal("0.28")
OLD = timedelta(hours=49)


@dataclass
class ScriptedPlatform:
    """fal's records as a script: what it lists and what it has billed."""

    listed: list[dict[str, Any]] = field(default_factory=list)
    billed: dict[str, Decimal] = field(default_factory=dict)
    may_read_bills: bool = True
    is_down: bool = False

    def requests(self, endpoint: str, *, since: datetime) -> Iterator[dict[str, Any]]:
        if self.is_down:
            raise Unreachable("fal's records could not be read (HTTP 503).")
        return iter([item for item in self.listed if item["sent_at"] is None or item["sent_at"] >= since.isoformat()])

    def bills(self, request_ids: Any) -> dict[str, Decimal]:
        if not self.may_read_bills:
            raise NotAllowed("This key may not read fal's records (HTTP 403).")
        return {each: self.billed[each] for each in request_ids if each in self.billed}

    def find(self, endpoint: str, audio_url: str, *, field: str, since: datetime) -> tuple[str, Any] | None:
        sent = [item for item in self.listed if item.get("json_input") == {field: audio_url}]
        return (sent[0]["request_id"], sent[0].get("json_output")) if sent else None

    def unit_price(self, endpoint: str) -> None:
        return None

    def list(self, request_id: str, audio_url: str | None, *, ago: timedelta = timedelta(minutes=5)) -> None:
        payload = {"json_input": {"audio_url": audio_url}} if audio_url else {}
        sent_at = (datetime.now(UTC) - ago).isoformat()
        self.listed.append({"request_id": request_id, "sent_at": sent_at, **payload})


@dataclass
class World:
    """One ledger, one store and fal's records."""

    settings: Settings
    video: Path
    fal: ScriptedPlatform = field(default_factory=ScriptedPlatform)
    made: set[str] = field(default_factory=set)  # requests whose video is ready

    @property
    def ledger(self) -> Ledger:
        return open_ledger(self.settings.ledger)

    @property
    def store(self) -> MediaStore:
        return MediaStore(self.settings.media)

    def charge_id(self, clip: str) -> str:
        return f"{ord(clip[0]):032x}"

    def audio_url(self, clip: str) -> str:
        return f"https://v3.fal.media/{self.charge_id(clip)}.wav"

    def claimed(self, clip: str = "a", *, campaign: str = "spring", provider: str = "fal") -> str:
        """A charge that was not sent yet; nobody holds it any more."""
        charge_id = self.charge_id(clip)
        plan = Plan(charge_id, provider, f"print-{clip}", campaign, clip, "run-1", ENDPOINT, "720p", 0.98, PRICE,
                    "fal.ai", HELD)  # fmt: skip
        self.ledger.claim(plan, limits=Limits())
        self.change(clip, lease_until=datetime.now(UTC) - timedelta(seconds=1))
        return charge_id

    def sent(self, clip: str = "a", **which: str) -> str:
        charge_id = self.claimed(clip, **which)
        self.ledger.mark_sending(charge_id, audio_url=self.audio_url(clip))
        return charge_id

    def accepted(self, clip: str = "a", **which: str) -> str:
        charge_id = self.sent(clip, **which)
        self.ledger.mark_accepted(charge_id, request_id=f"r-{clip}")
        return charge_id

    def settled(self, clip: str = "a", *, reported: str | None = "0.14", billed: str = "0.14", **which: str) -> str:
        """Bought and stored: one second of video for $0.14, unless the provider's units came to more."""
        charge_id, store = self.accepted(clip, **which), self.store
        with store.workshop() as bench:
            (bench / "v.mp4").write_bytes(self.video.read_bytes())
            sha256 = store.put(bench / "v.mp4")
        self.ledger.mark_completed(charge_id, result={}, billable_units=None)
        self.ledger.mark_stored(charge_id, video_sha256=sha256)
        told = Decimal(reported) if reported else None
        self.ledger.settle(charge_id, Bill(1, Decimal(billed), "measured", told))
        return charge_id

    def change(self, clip: str, **values: Any) -> None:
        with self.ledger.transaction() as db:
            db.execute(charges.update().where(charges.c.charge_id == self.charge_id(clip)).values(values))

    def age(self, clip: str = "a", by: timedelta = OLD) -> None:
        charge = self.ledger.charge(self.charge_id(clip))
        moments = {name: getattr(charge, name) for name in ("planned_at", "sent_at", "accepted_at", "settled_at")}
        self.change(clip, **{name: moment - by for name, moment in moments.items() if moment})

    def rows(self, window: Window | None = None) -> Reconciled:
        return compare(self.settings, self.ledger, self.fal, window or Window())  # type: ignore[arg-type]

    def row(self, window: Window | None = None) -> Reconciliation:
        (row,) = self.rows(window).rows
        return row

    def money(self, campaign: str = "spring") -> tuple[Decimal, Decimal]:
        found = self.ledger.spending("fal", "campaign", campaign)
        return found.reserved_usd, found.settled_usd


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of picture and sound."""
    file = tmp_path_factory.mktemp("video") / "v.mp4"
    ffmpeg.run(["-f", "lavfi", "-i", "testsrc=s=64x64:d=1:r=25", "-f", "lavfi", "-i", "sine=d=1", "-shortest",
                "-c:v", "libx264", "-movflags", "+faststart", ffmpeg.target(file)])  # fmt: skip
    return file


@pytest.fixture(scope="module")
def longer_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("video") / "longer.mp4"
    ffmpeg.run(["-f", "lavfi", "-i", "testsrc=s=64x64:d=2.4:r=25", "-c:v", "libx264", ffmpeg.target(file)])
    return file


@pytest.fixture
def world(tmp_path: Path, video: Path) -> World:
    settings = Settings(root=tmp_path, output=tmp_path / "data" / "output", provider="fal", fal_key_is_set=True)
    return World(settings, video)


def the(row: Reconciliation) -> tuple[str, str, bool]:
    return row.verdict, row.sentence, row.needs_a_person


# ---- what was bought and is here
def test_a_charge_that_agrees_three_ways_is_said_to(world: World) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal("0.14")

    row = world.row()

    assert the(row) == ("agrees", "spring/a: $0.14 expected, billed and in the file.", False)
    assert (row.expected_usd, row.reported_usd, row.event_usd, row.file_usd) == (PRICE,) * 4
    assert row.file_seconds == pytest.approx(1.0, abs=0.05)


def _spoken(world: World, *, usd: str = "0.0013") -> None:
    """Bought speech: 26 characters at $0.05 a thousand."""
    world.settled()
    world.change("a", kind="speech", unit="1000_characters", usd_per_unit=Decimal("0.05"), billed_seconds=None,
                 wanted_units=Decimal("0.026"), billed_usd=Decimal("0.0013"), reported_usd=None)  # fmt: skip
    world.fal.billed["r-a"] = Decimal(usd)


def test_speech_is_compared_by_its_characters_and_not_by_its_length(world: World) -> None:
    _spoken(world)

    row = world.row()

    assert the(row) == ("agrees", "spring/a: $0.0013 expected, and billed for its speech.", False)
    assert (row.expected_usd, row.event_usd, row.file_seconds, row.file_usd) == (
        Decimal("0.0013"),
        Decimal("0.0013"),
        None,
        None,
    )


def test_a_request_for_speech_that_no_charge_knows_is_told_with_its_bill(world: World) -> None:
    _spoken(world)
    world.fal.listed.append({"request_id": "r-9", "sent_at": None, "json_input": {"text": "Somebody else's line."}})
    world.fal.billed["r-9"] = Decimal("0.0021")

    stranger = next(row for row in world.rows().rows if row.request_id == "r-9")

    assert (stranger.verdict, stranger.event_usd, stranger.campaign) == ("no charge", Decimal("0.0021"), None)
    assert "lists request r-9, which no charge in this ledger knows; billed $0.0021." in stranger.sentence


def test_a_transcript_is_found_by_what_its_recogniser_calls_the_sound(world: World) -> None:
    world.settings.models.parent.mkdir(parents=True)
    table = SPEECH_MODELS.read_text(encoding="utf-8")
    world.settings.speech_models.write_text(table.replace(",audio_url,", ",sound_url,"), encoding="utf-8")
    world.sent()
    endpoint = "fal-ai/elevenlabs/speech-to-text/scribe-v2"
    world.change("a", kind="transcript", unit="minute", endpoint=endpoint)
    world.fal.listed.append({"request_id": "r-9", "sent_at": None, "json_input": {"sound_url": world.audio_url("a")}})
    world.fal.billed["r-9"] = Decimal("0.0004")

    row = world.row()

    assert (row.request_id, row.event_usd) == ("r-9", Decimal("0.0004"))


def test_speech_that_is_billed_by_more_units_needs_a_person(world: World) -> None:
    _spoken(world, usd="0.05")

    found = world.rows()

    assert the(found.rows[0]) == (
        "billed more",
        "fal billed $0.05 for spring/a (request r-a), $0.0487 more than 0.026 of 1000 characters at $0.05 come to; ask "
        "about it, and correct data/price_book.csv if the price changed. The ledger counts $0.05.",
        True,
    )
    assert found.corrected == 1


@pytest.mark.parametrize(
    ("damage", "verdict", "sentence"),
    [
        (Path.unlink, "file missing", "spring/a cost $0.0013 and its speech is not in the media store;"),
        (lambda file: _overwrite(file, b"noise"), "file differs", "the bytes of its stored speech are damaged;"),
    ],
)
def test_speech_that_is_lost_or_damaged_is_told(world: World, damage: Any, verdict: str, sentence: str) -> None:
    _spoken(world)
    damage(world.store.require(world.ledger.charge(world.charge_id("a")).video_sha256 or ""))

    row = world.row()

    assert (row.verdict, sentence in row.sentence) == (verdict, True)


def _overwrite(file: Path, content: bytes) -> None:
    file.chmod(0o644)
    file.write_bytes(content)


def test_a_bill_above_the_price_book_is_taken_over_and_needs_a_person(world: World) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal("0.20")

    found = world.rows()

    assert the(found.rows[0]) == (
        "billed more",
        "fal billed $0.20 for spring/a (request r-a), $0.06 more than 1 s at $0.14 come to; ask about it, and correct "
        "data/price_book.csv if the price changed. The ledger counts $0.20.",
        True,
    )
    assert found.corrected == 1
    assert world.money() == (0, Decimal("0.20"))


def test_a_correction_is_made_once_and_the_difference_stays_told(world: World) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal("0.20")
    world.rows()

    again = world.rows()

    assert (again.rows[0].verdict, again.corrected, world.money()) == ("billed more", 0, (0, Decimal("0.20")))


def test_an_absurd_bill_trips_the_breaker(world: World) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal(40500)

    world.rows()

    (trip,) = breaker.open_trips(world.ledger, "fal")
    assert trip.sentence.startswith("fal billed $40500.00 for spring/a (request r-a), of which $0.28 was the worst")
    assert world.money()[1] == 40500


@pytest.mark.parametrize("usd", ["0", "0.07"])
def test_a_young_bill_lowers_nothing_since_the_rest_of_it_may_still_come(world: World, usd: str) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal(usd)

    row = world.row()

    assert the(row) == (
        "not billed yet",
        f"fal has billed ${Decimal(usd):.2f} of $0.14 for spring/a so far (request r-a); records come late, and it is "
        "looked at again. The ledger counts $0.14.",
        False,
    )
    assert world.money() == (0, PRICE)


def test_what_a_young_bill_left_is_given_back_once_it_is_old_enough_to_be_whole(world: World) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal("0.07")
    world.rows()
    world.age()

    row = world.row()  # out of the window by now: it is looked at because its bill was not whole

    assert (row.verdict, world.money()) == ("billed less", (0, Decimal("0.07")))


def test_a_bill_below_the_price_book_is_taken_over_too(world: World) -> None:
    world.settled()
    world.age()
    world.fal.billed["r-a"] = Decimal("0.07")

    row = world.row(Window(since=ALL))

    assert the(row) == (
        "billed less",
        "fal billed $0.07 for spring/a (request r-a), $0.07 less than 1 s at $0.14 come to; correct "
        "data/price_book.csv if the price fell. The ledger counts $0.07.",
        True,
    )
    assert world.money() == (0, Decimal("0.07"))


def test_units_that_were_told_too_high_give_way_to_the_bill(world: World) -> None:
    world.settled(reported="1.40", billed="1.40")
    world.fal.billed["r-a"] = Decimal("0.14")
    young = world.row()
    world.age()

    row = world.row()

    assert (young.verdict, young.sentence[:53]) == (
        "not billed yet", "fal has billed $0.14 of $1.40 for spring/a so far (re")  # fmt: skip

    assert the(row) == (
        "agrees",
        "spring/a: $0.14 expected, billed and in the file. Its answer reported units worth $1.40; the billing record "
        "counts.",
        False,
    )
    assert world.money() == (0, Decimal("0.14"))


def test_less_than_a_hundredth_of_a_cent_is_no_difference(world: World) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal("0.140004")

    assert world.row().verdict == "agrees"


def test_a_request_is_known_as_a_charges_whatever_the_model_calls_its_audio(world: World) -> None:
    world.settings.models.parent.mkdir(parents=True)
    table = SHIPPED.read_text(encoding="utf-8")
    world.settings.models.write_text(table.replace("audio_url", "speech_url"), encoding="utf-8")
    world.sent()
    world.fal.listed.append({"request_id": "r-9", "sent_at": None, "json_input": {"speech_url": world.audio_url("a")}})
    world.fal.billed["r-9"] = PRICE

    row = world.row()

    assert (row.request_id, row.event_usd) == ("r-9", PRICE)


def test_what_only_reads_waits_for_nobody_who_writes(world: World) -> None:
    charge_id = world.sent()
    ledger, file = world.ledger, world.settings.output / "ledger.sqlite.lock"

    with FileLock(file):
        assert kept(ledger) == []
        assert audio_urls(ledger, [charge_id]) == {world.audio_url("a"): charge_id}
        assert_affordable(ledger, Quote("spring", "fal", (), {}))


def test_a_young_charge_without_an_event_is_not_billed_yet(world: World) -> None:
    world.settled()

    assert the(world.row()) == (
        "not billed yet",
        "fal has not billed spring/a yet (request r-a, $0.14 expected); records come late, and it is looked at again.",
        False,
    )
    assert world.money() == (0, PRICE)


def test_a_charge_without_an_event_after_48_hours_was_never_billed(world: World) -> None:
    world.settled()
    world.age()

    assert the(world.row(Window(since=ALL))) == (
        "never billed",
        "fal has not billed spring/a in 48 hours (request r-a); the ledger goes on counting $0.14. Nothing has to be "
        "done; ask about it to be sure.",
        True,
    )


def test_a_missing_file_is_a_verdict(world: World) -> None:
    charge = world.ledger.charge(world.settled())
    world.fal.billed["r-a"] = PRICE
    world.store.require(charge.video_sha256 or "").unlink()

    row = world.row()

    assert the(row) == (
        "file missing",
        "spring/a cost $0.14 and its video is not in the media store; run `aurora run spring` to fetch it again, at no "
        "cost.",
        True,
    )
    assert row.file_usd is None


def test_a_file_whose_bytes_changed_is_found_although_its_length_was_remembered(world: World) -> None:
    charge = world.ledger.charge(world.settled())
    world.fal.billed["r-a"] = PRICE
    file = world.store.require(charge.video_sha256 or "")
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")

    assert the(world.row()) == (
        "file differs",
        f"spring/a cost $0.14 and the bytes of its stored video are damaged; delete {charge.video_sha256[:12]}… from "  # type: ignore[index]
        "the media store, then run `aurora run spring` to fetch it again, at no cost.",
        True,
    )


def test_a_file_of_another_length_than_was_billed_differs(world: World, longer_video: Path) -> None:
    world.video = longer_video
    world.settled()
    world.fal.billed["r-a"] = PRICE

    row = world.row()

    assert the(row) == (
        "file differs",
        "The stored video of spring/a is 2.40 s, billable as 3 s ($0.42), and 1 s at $0.14 were expected; look at it "
        "and ask about request r-a.",
        True,
    )
    assert row.file_usd == Decimal("0.42")


# ---- a key that may not read bills
def test_with_an_ordinary_key_units_and_files_are_compared_and_nobody_is_called(world: World) -> None:
    world.settled("a")
    world.settled("b", reported=None)
    world.fal.may_read_bills = False

    found = world.rows()

    assert not found.is_bill_readable
    assert [the(row) for row in found.rows] == [
        (
            "not readable",
            "spring/a: $0.14 expected, and its units and the file agree; this key may not read the billing record. "
            "Set FAL_ADMIN_KEY to compare that too.",
            False,
        ),
        (
            "not readable",
            "spring/b: $0.14 expected, and the file agrees; this key may not read the billing record. Set "
            "FAL_ADMIN_KEY to compare that too.",
            False,
        ),
    ]


def test_with_an_ordinary_key_units_above_the_price_book_still_need_a_person(world: World) -> None:
    world.settled(reported="0.28", billed="0.28")
    world.fal.may_read_bills = False

    assert the(world.row()) == (
        "billed more",
        "fal reported units worth $0.28 for spring/a (request r-a), $0.14 more than 1 s at $0.14 come to; ask about "
        "it, and correct data/price_book.csv if the price changed. The ledger counts $0.28.",
        True,
    )


def test_with_an_ordinary_key_a_rejected_charge_is_never_called_unbilled(world: World) -> None:
    charge_id = world.accepted()
    world.ledger.reject(charge_id, "No face was found.")
    world.age()
    world.fal.may_read_bills = False

    verdict, sentence, _ = the(world.row())

    assert verdict == "not readable"
    assert sentence == (
        "spring/a was refused by the model (request r-a) and this key may not read whether it was billed; $0.28 stays "
        "held. Look at fal's billing page, or set FAL_ADMIN_KEY; if it was surely not billed: "
        f"aurora release {charge_id}"
    )


# ---- billed without a result
def test_a_rejected_charge_that_is_billed_becomes_spent_and_stays_closed(world: World) -> None:
    charge_id = world.accepted()
    world.ledger.reject(charge_id, "No face was found.")
    world.fal.billed["r-a"] = PRICE

    row = world.row()

    assert the(row) == (
        "billed without a result",
        "fal billed $0.14 for spring/a (request r-a) and made no video of it; ask for it back. The ledger counts it "
        "as spent, and these inputs are not sent again.",
        True,
    )
    assert row.expected_usd == 0
    assert world.money() == (0, PRICE)
    charge = world.ledger.charge(charge_id)
    assert (charge.state, charge.is_without_video, charge.bill_source) == ("settled", True, "event")
    assert set(world.ledger.live("fal", ["print-a"])) == {"print-a"}  # it cannot be claimed again
    assert world.row().verdict == "billed without a result"


def test_what_was_billed_without_a_video_is_refused_at_the_next_run_and_never_fetched(world: World) -> None:
    charge_id = world.accepted()
    world.ledger.reject(charge_id, "No face was found.")
    charge = world.ledger.settle_without_video(charge_id, usd=PRICE)
    assert charge is not None

    with pytest.raises(RequestRefused, match=r"No face was found\. It was billed \$0\.14\."):
        Following(None, "a").step(charge, stop=None)  # type: ignore[arg-type]

    assert standing_of(None, charge, ()) == ("refused", "No face was found.")  # type: ignore[arg-type]
    assert world.ledger.settle_without_video(charge_id, usd=PRICE) is None
    assert world.ledger.release(charge_id, "Released by a person.") is None


def test_a_refused_charge_that_is_billed_counts_and_may_be_bought_again(world: World) -> None:
    charge_id = world.accepted()
    world.ledger.refuse(charge_id, "It failed (500).")
    world.fal.billed["r-a"] = PRICE

    row = world.row()

    assert the(row) == (
        "billed without a result",
        "fal billed $0.14 for spring/a (request r-a) and made no video of it; ask for it back. The ledger counts it "
        "as spent, and its clip may be bought again.",
        True,
    )
    assert world.money() == (0, PRICE)
    assert world.ledger.charge(charge_id).state == "refused"
    assert world.ledger.live("fal", ["print-a"]) == {}


def test_a_charge_that_was_released_wrongly_is_found_by_its_upload(world: World) -> None:
    charge_id = world.sent()
    world.ledger.mark_unknown(charge_id, "The answer was lost.")
    world.age(by=timedelta(hours=1))
    world.ledger.release(charge_id, "Released by a person.")
    world.fal.list("r-9", world.audio_url("a"))
    world.fal.billed["r-9"] = PRICE

    row = world.row()

    assert (row.verdict, row.request_id, row.state) == ("billed without a result", "r-9", "voided")
    assert world.money() == (0, PRICE)


def test_a_refused_charge_that_is_not_billed_agrees(world: World) -> None:
    world.ledger.refuse(world.accepted(), "It failed (500).")

    assert the(world.row()) == ("agrees", "spring/a was refused and nothing was billed.", False)


def test_a_rejected_charge_is_watched_for_48_hours_and_then_a_person_may_release_it(world: World) -> None:
    charge_id = world.accepted()
    world.ledger.reject(charge_id, "No face was found.")

    young = world.row()
    world.age()
    old = world.row()

    assert the(young) == (
        "not billed yet",
        "spring/a was refused by the model (request r-a) and is not billed so far; $0.28 stays held until 48 hours "
        "have passed.",
        False,
    )
    assert the(old) == (
        "never billed",
        "spring/a was refused by the model (request r-a) and was not billed in 48 hours; $0.28 stays held. Free it "
        f"with: aurora release {charge_id}",
        True,
    )
    assert world.money() == (HELD, 0)
    assert world.ledger.charge(charge_id).state == "rejected"


PLAN = Plan("c1", "fal", "print", "spring", "a", "run-1", ENDPOINT, "720p", 0.98, PRICE, "fal.ai", HELD)


@pytest.fixture
def ended(ledger_url: str) -> Iterator[Callable[[str], Ledger]]:
    """A ledger (on SQLite and on Postgres) whose one accepted charge ended as ``refuse`` or ``reject`` says."""
    ledger = Ledger(ledger_url)

    def end(how: str) -> Ledger:
        ledger.claim(PLAN, limits=Limits())
        ledger.mark_sending("c1", audio_url="https://x/c1.wav")
        ledger.mark_accepted("c1", request_id="r-1")
        getattr(ledger, how)("c1", "No face was found.")
        return ledger

    yield end
    ledger.close()


def both(ledger: Ledger) -> list[tuple[Decimal, Decimal]]:
    names = (("campaign", "spring"), ("run", "run-1"))
    found = [ledger.spending("fal", kind, name) for kind, name in names]
    return [(each.reserved_usd, each.settled_usd) for each in found]


def test_a_billed_rejection_moves_from_reserved_to_settled_in_every_scope(ended: Callable[[str], Ledger]) -> None:
    ledger = ended("reject")
    held = both(ledger)

    charge = ledger.settle_without_video("c1", usd=PRICE, breaker_factor=Decimal("1.5"))

    assert held == [(HELD, 0)] * 2
    assert both(ledger) == [(0, PRICE)] * 2
    assert charge is not None
    assert charge.sentence == "No face was found."
    assert ledger.correct_bill("c1", usd=Decimal("0.28")) is not None
    assert both(ledger) == [(0, Decimal("0.28"))] * 2


def test_a_billed_refusal_counts_once_and_can_be_taken_back(ended: Callable[[str], Ledger]) -> None:
    ledger = ended("refuse")

    corrections = [ledger.correct_bill("c1", usd=Decimal(usd)) is not None for usd in ("0", "0.14", "0.14")]
    spent = both(ledger)
    ledger.correct_bill("c1", usd=Decimal(0))

    assert corrections == [False, True, False]
    assert spent == [(0, PRICE)] * 2
    assert both(ledger) == [(0, 0)] * 2


def test_an_absurd_bill_without_a_video_trips_the_breaker(ended: Callable[[str], Ledger]) -> None:
    ledger = ended("reject")

    ledger.settle_without_video("c1", usd=Decimal(400), breaker_factor=Decimal("1.5"))

    assert len(breaker.open_trips(ledger, "fal")) == 1


def test_rows_are_kept_exactly_on_both_databases(ended: Callable[[str], Ledger]) -> None:
    ledger = ended("reject")
    row = Reconciliation("c1", "fal", "spring", "a", "r-1", "settled", Decimal("0.000001"), None, PRICE, 1.25, PRICE,
                         "billed more", "Why?", datetime(2026, 11, 22, 6, tzinfo=UTC))  # fmt: skip

    keep(ledger, [row])
    keep(ledger, [row])

    assert kept(ledger, campaign="spring") == [row]
    assert kept(ledger, campaign="autumn") == []


# ---- not known to be accepted
def test_an_unknown_charge_that_was_billed_is_left_for_the_next_run_to_adopt(world: World) -> None:
    charge_id = world.sent()
    world.ledger.mark_unknown(charge_id, "The answer was lost.")
    world.fal.list("r-9", world.audio_url("a"))
    world.fal.billed["r-9"] = PRICE

    row = world.row()

    assert the(row) == (
        "billed without a result",
        "spring/a was accepted after all, as request r-9, and fal billed $0.14; the next `aurora run spring` adopts "
        "it and fetches its video. It is not bought again; do not release it.",
        True,
    )
    assert (world.ledger.charge(charge_id).state, world.money()) == ("unknown", (HELD, 0))


def test_an_unknown_charge_on_the_list_without_a_bill_waits(world: World) -> None:
    world.ledger.mark_unknown(world.sent(), "The answer was lost.")
    world.fal.list("r-9", world.audio_url("a"))

    assert the(world.row()) == (
        "not billed yet",
        "spring/a was accepted after all, as request r-9, and is not billed so far; $0.28 stays held; the next `aurora "
        "run spring` adopts it and fetches its video. It is not bought again.",
        False,
    )


def test_an_unknown_charge_that_is_not_listed_waits_48_hours_and_is_never_freed_by_itself(world: World) -> None:
    charge_id = world.sent()
    world.ledger.mark_unknown(charge_id, "The answer was lost.")

    young = world.row()
    world.age()
    old = world.row()

    assert the(young) == (
        "not billed yet",
        "It is not known whether spring/a was accepted: it is not on the list so far; $0.28 stays held. The next "
        "`aurora run spring` looks again; it is not sent twice.",
        False,
    )
    assert the(old) == (
        "never billed",
        "spring/a is not on the list 48 hours after it was sent, so it was never accepted; $0.28 stays held. Free it "
        f"with: aurora release {charge_id}",
        True,
    )
    assert world.ledger.charge(charge_id).state == "unknown"


def test_a_list_without_payloads_decides_nothing(world: World) -> None:
    world.ledger.mark_unknown(world.sent(), "The answer was lost.")
    world.age()
    world.fal.list("r-9", None, ago=OLD)

    assert the(world.row()) == (
        "not readable",
        "It is not known whether spring/a was accepted, and the list shows requests without their payload; $0.28 stays "
        "held and it is not sent again. Run this again later.",
        False,
    )


def test_a_charge_that_a_run_is_just_sending_is_not_in_doubt(world: World) -> None:
    world.sent()
    world.change("a", lease_until=datetime.now(UTC) + timedelta(minutes=5))

    assert the(world.row()) == ("not billed yet", "spring/a is being sent by a run right now; $0.28 stays held.", False)


# ---- accepted, not fetched
def test_a_billed_video_that_nobody_fetched_is_missing(world: World) -> None:
    world.accepted()
    world.fal.billed["r-a"] = PRICE

    assert the(world.row()) == (
        "file missing",
        "fal billed $0.14 for spring/a (request r-a) and its video is not here yet; run `aurora run spring` to go on. "
        "It is not bought again.",
        True,
    )


def test_a_request_under_way_is_not_billed_yet(world: World) -> None:
    world.accepted()

    assert the(world.row()) == (
        "not billed yet",
        "spring/a is accepted (request r-a) and not billed; $0.28 is reserved; run `aurora run spring` to go on. It is "
        "not bought again.",
        False,
    )


def test_what_nobody_fetched_in_48_hours_and_was_billed_is_spent_and_keeps_its_request(world: World) -> None:
    charge_id = world.accepted()
    world.fal.billed["r-a"] = PRICE
    world.age()

    assert world.row().verdict == "billed without a result"

    charge = world.ledger.charge(charge_id)
    assert (charge.state, charge.request_id, charge.sentence) == (
        "settled",
        "r-a",
        "It was billed and its result was never fetched; each run asks for it again. It is not bought again.",
    )
    assert world.money() == (0, PRICE)


def test_a_bill_for_what_a_run_is_fetching_waits_for_that_run(world: World) -> None:
    world.accepted()
    world.fal.billed["r-a"] = PRICE
    world.age()
    world.change("a", lease_until=datetime.now(UTC) + timedelta(minutes=5))

    world.rows()

    assert world.money() == (HELD, 0)


def test_what_a_dead_run_left_behind_is_ended_before_it_is_compared_whatever_today_asks_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsent = world.claimed("a")
    lost, ready = world.sent("b"), world.accepted("c")
    world.fal.list("r-b", world.audio_url("b"))
    world.made = {"r-b", "r-c"}
    through(monkeypatch, world)

    pipeline.reconcile_bills(world.settings)

    states = {each: world.ledger.charge(each).state for each in (unsent, lost, ready)}
    assert states == {unsent: "voided", lost: "settled", ready: "settled"}
    assert world.money() == (0, 2 * PRICE)
    assert world.store.path(world.ledger.charge(ready).video_sha256 or "") is not None


# ---- what no charge knows
def test_a_request_of_another_tool_is_shown_with_its_dollars_and_calls_nobody(world: World) -> None:
    world.settled()
    world.fal.billed |= {"r-a": PRICE, "x-1": Decimal("2.50")}
    world.fal.list("r-a", world.audio_url("a"))
    world.fal.list("x-1", "https://v3.fal.media/holiday.wav")

    found = world.rows()

    (row,) = found.differences
    assert (row.verdict, row.needs_a_person, row.event_usd) == ("no charge", False, Decimal("2.50"))
    assert row.sentence.startswith("fal lists request x-1 of ")
    assert row.sentence.endswith(
        ", which no charge in this ledger knows; billed $2.50. Other tools may use the same account: if one sent it, "
        "there is nothing to do."
    )
    assert found.totals.event_usd == PRICE  # it is nobody's here


def test_a_request_sent_as_we_send_that_no_charge_knows_needs_a_person(world: World) -> None:
    world.settled()
    world.fal.billed["r-a"] = PRICE
    world.fal.list("x-1", f"https://v3.fal.media/{'f' * 32}.wav")

    (row,) = world.rows().differences

    assert (row.verdict, row.state, row.needs_a_person) == ("no charge", "unrecorded", True)
    assert row.sentence.endswith(
        "; not billed so far. It was sent as this pipeline sends: look for its charge in another ledger, or ask about "
        "it."
    )


def test_a_second_request_with_one_upload_is_a_purchase_no_charge_knows(world: World) -> None:
    world.settled()
    world.fal.billed |= {"r-a": PRICE, "r-b": PRICE}
    world.fal.list("r-a", world.audio_url("a"))
    world.fal.list("r-b", world.audio_url("a"))

    (row,) = world.rows().differences

    assert (row.verdict, row.subject, row.event_usd, row.needs_a_person) == ("no charge", "r-b", PRICE, True)


def test_requests_before_the_window_and_of_other_campaigns_are_left_alone(world: World) -> None:
    world.settled()
    world.fal.billed["r-a"] = PRICE
    world.fal.list("x-1", "https://v3.fal.media/holiday.wav", ago=timedelta(hours=60))

    assert [row.verdict for row in world.rows().rows] == ["agrees"]
    world.fal.list("x-2", "https://v3.fal.media/holiday.wav")
    assert [row.verdict for row in world.rows(Window(campaign="spring")).rows] == ["agrees"]
    assert [row.subject for row in world.rows().differences] == ["x-2"]


# ---- which charges
def test_a_charge_is_watched_until_its_bill_has_come_also_after_the_window(world: World) -> None:
    world.settled()
    assert world.row().verdict == "not billed yet"
    world.age()

    assert world.row().verdict == "never billed"
    assert world.rows().rows == ()  # told once; --all tells it again
    assert world.row(Window(since=ALL)).verdict == "never billed"


def test_what_was_never_sent_and_other_campaigns_are_not_compared(world: World) -> None:
    world.settled("a")
    world.settled("b", campaign="autumn")
    world.ledger.claim(
        Plan("z", "fal", "print-z", "spring", "z", "run-1", ENDPOINT, "720p", 1.0, PRICE, "fal.ai", HELD),
        limits=Limits(),
    )
    world.ledger.void("z", "Stopped before anything was sent.")

    assert [row.clip_id for row in world.rows(Window(campaign="spring")).rows] == ["a"]
    assert {row.clip_id for row in world.rows().rows} == {"a", "b"}


def test_drafts_and_purchases_are_compared_apart(world: World) -> None:
    world.settled("a")
    world.settled("b", provider="studio")

    assert [row.clip_id for row in world.rows().rows] == ["a"]


def test_records_that_cannot_be_read_change_nothing(world: World) -> None:
    world.settled()
    world.fal.is_down = True

    with pytest.raises(Unreachable, match=r"could not be read \(HTTP 503\)"):
        world.rows()

    assert kept(world.ledger) == []


def test_the_latest_row_of_each_subject_is_kept_and_a_found_request_is_no_stranger_any_more(world: World) -> None:
    stranger = Reconciliation("r-a", "fal", None, None, "r-a", None, None, None, PRICE, None, None, "no charge", "Who?",
                              datetime.now(UTC))  # fmt: skip
    keep(world.ledger, [stranger])
    charge_id = world.settled()
    world.rows()
    world.fal.billed["r-a"] = PRICE

    world.rows()

    assert [(row.subject, row.verdict) for row in kept(world.ledger)] == [(charge_id, "agrees")]


def test_every_verdict_of_the_closed_set_is_reached_here() -> None:
    told = Path(__file__).read_text(encoding="utf-8")

    assert all(f'"{verdict}"' in told for verdict in VERDICTS)


# ---- the warehouse
def test_reconciliations_are_published_and_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for clip, usd in (("a", "0.14"), ("b", "0.20")):
        world.settled(clip)
        world.fal.billed[f"r-{clip}"] = Decimal(usd)
    world.ledger.mark_unknown(world.sent("c"), "The answer was lost.")
    world.fal.list("x-1", "https://v3.fal.media/holiday.wav")
    through(monkeypatch, world)

    pipeline.reconcile_bills(world.settings)

    differences = ask(world.settings, "bill_differences")
    assert list(differences["verdict"]) == ["billed more", "not billed yet", "no charge"]
    by_day = ask(world.settings, "ledger_against_bill").set_index("campaign", drop=False)
    spring = by_day.loc["spring"]
    assert (spring["compared"], spring["agreeing"], spring["for_a_person"]) == (3, 1, 1)
    assert (spring["expected_usd"], spring["event_usd"], spring["ledger_usd"]) == (
        Decimal("0.28"), Decimal("0.34"), Decimal("0.34"))  # fmt: skip
    assert (spring["event_minus_ledger_usd"], spring["event_minus_expected_usd"]) == (0, Decimal("0.06"))
    burnt = ask(world.settings, "budget_burn_down").iloc[0]
    assert (burnt["paid_usd"], burnt["held_usd"], burnt["paid_so_far_usd"]) == (
        Decimal("0.34"), HELD, Decimal("0.34"))  # fmt: skip


def test_a_warehouse_of_an_older_version_is_rebuilt_with_the_reconciliations(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal("0.20")
    through(monkeypatch, world)
    pipeline.reconcile_bills(world.settings)
    with duckdb.connect(str(publish.private_file(world.settings))) as private:
        private.execute("DROP TABLE reconciliations")
        private.execute("UPDATE published SET schema_sha256 = 'the previous one'")

    pipeline.reconcile_bills(world.settings)

    assert list(ask(world.settings, "bill_differences")["verdict"]) == ["billed more"]


def through(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """The doors reach the scripted records where they would connect to fal."""

    class Connection:
        platform = world.fal

        def state(self, endpoint: str, request_id: str) -> RequestState:
            if request_id not in world.made:
                raise Gone("fal no longer knows the request.")
            return RequestState(is_completed=True)

        def result(self, endpoint: str, request_id: str, *, has_failed: bool) -> Result:
            return Result({"video": {"url": "https://v3.fal.media/v.mp4"}}, None)

        def may_fetch(self, url: str) -> bool:
            return True

        def download(self, url: str, target: Path) -> None:
            target.write_bytes(world.video.read_bytes())

    monkeypatch.setattr("aurora_pipeline.gear.fal.connect", lambda base_url: Connection())


# ---- the command
@pytest.fixture
def reconcile(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """`aurora reconcile` in this process, against the scripted records: (exit code, what it said)."""
    through(monkeypatch, world)
    for name, value in (("AURORA_HOME", str(world.settings.root)), ("AURORA_PROVIDER", "fal"), ("FAL_KEY", "k:secret")):
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(aurora, ["reconcile", *words])
        error = done.exception
        said = f"{error}" if error is not None and not isinstance(error, SystemExit) else done.output
        return done.exit_code, said

    return run


def test_the_command_shows_differences_first_then_totals_and_ends_with_1(world: World, reconcile: Any) -> None:
    for clip, usd in (("a", "0.14"), ("b", "0.20")):
        world.settled(clip)
        world.fal.billed[f"r-{clip}"] = Decimal(usd)

    code, said = reconcile()

    assert code == 1
    assert said.splitlines() == [
        "clip      verdict                   expected   reported     billed       file",
        "spring/b  billed more                  $0.14      $0.14      $0.20      $0.14",
        "",
        "fal billed $0.20 for spring/b (request r-b), $0.06 more than 1 s at $0.14 come to; ask about it, and correct "
        "data/price_book.csv if the price changed. The ledger counts $0.20.",
        "",
        "1 charge agrees with fal.",
        "Expected $0.28; reported $0.28; billed $0.34; by the files $0.28.",
        "The ledger took over fal's record for 1 charge.",
    ]


def test_the_command_ends_with_0_while_bills_only_are_late(world: World, reconcile: Any) -> None:
    world.settled()

    code, said = reconcile("spring")

    assert code == 0
    assert "fal has not billed spring/a yet" in said


def test_the_command_says_what_an_ordinary_key_cannot_show(world: World, reconcile: Any) -> None:
    world.settled()
    world.fal.may_read_bills = False

    code, said = reconcile()

    assert code == 0
    assert "Expected $0.14; reported $0.14; billed not readable; by the files $0.14." in said
    assert said.splitlines()[-1] == (
        "This key may not read fal's billing events, so units and files were compared only; set FAL_ADMIN_KEY to an "
        "admin key to compare the bill itself."
    )


def test_the_command_says_that_an_absurd_bill_stopped_all_buying(world: World, reconcile: Any) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal(40500)

    _, said = reconcile()

    assert "Buying is stopped: fal billed $40500.00 for spring/a" in said
    assert "aurora budget --close-breaker REASON" in said


def test_json_keeps_dollars_exact(world: World, reconcile: Any) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal("0.140001")

    code, said = reconcile("--json")

    told = json.loads(said)
    assert code == 0
    assert (told["provider"], told["is_draft"], told["needs_a_person"], told["corrected"]) == ("fal", False, 0, 1)
    assert told["rows"][0]["event_usd"] == told["totals"]["event_usd"] == "0.140001"
    assert told["rows"][0]["verdict"] == "agrees"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 0, "Nothing to compare: no charge with fal is that young or still open."),
        (("sprng",), 1, "There is no campaign 'sprng', and nothing was ever bought for one. Nothing was changed."),
        (("--all", "--since", "3"), 2, "--all goes back to the first charge; leave --since out."),
        (("--since", "-1"), 2, "is not in the range"),
    ],
)
def test_the_command_says_why_there_is_nothing_to_see(
    reconcile: Any, words: tuple[str, ...], code: int, sentence: str
) -> None:
    assert (reconcile(*words)[0], sentence in reconcile(*words)[1]) == (code, True)


def test_since_narrows_and_all_widens(world: World, reconcile: Any) -> None:
    for clip, hours in (("a", 100), ("b", 10), ("c", 0)):
        world.settled(clip)
        world.fal.billed[f"r-{clip}"] = PRICE
        world.age(clip, timedelta(hours=hours))

    counts = [len(json.loads(reconcile(*words, "--json")[1])["rows"]) for words in (("--since", "5"), (), ("--all",))]

    assert counts == [1, 2, 3]


def test_fal_without_a_key_is_refused_in_a_sentence(world: World) -> None:
    with pytest.raises(SpendRefused, match=r"FAL_KEY is not set; set it so that fal's records can be read"):
        pipeline.reconcile_bills(replace(world.settings, fal_key_is_set=False))


# ---- Dagster
def materialize(world: World) -> dg.ExecuteInProcessResult:
    defs = build_defs(read_settings=lambda: world.settings)
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_job_def("reconcile_bills_job").execute_in_process(instance=instance, raise_on_error=False)


def test_the_asset_shows_what_differs_and_its_check_is_red_with_the_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.settled()
    world.fal.billed["r-a"] = Decimal("0.20")
    through(monkeypatch, world)

    result = materialize(world)

    (shown,) = [event.materialization for event in result.all_events if event.is_step_materialization]
    (check,) = result.get_asset_check_evaluations()
    assert result.success
    assert (shown.metadata["compared"].value, shown.metadata["for_a_person"].value) == (1, 1)
    assert (shown.metadata["event_usd_exact"].value, shown.metadata["expected_usd_exact"].value) == ("0.20", "0.14")
    assert [row.data["verdict"] for row in shown.metadata["what_differs"].records] == ["billed more"]  # type: ignore[union-attr]
    assert (check.check_name, check.passed) == ("bills_agree", False)
    assert str(check.description).startswith("fal billed $0.20 for spring/a (request r-a), $0.06 more than")


def test_the_check_is_green_while_nobody_is_needed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settled()
    world.fal.billed["r-a"] = PRICE
    through(monkeypatch, world)

    (check,) = materialize(world).get_asset_check_evaluations()

    assert (check.passed, check.description) == (
        True,
        "Nobody is needed. agrees: 1; $0.14 billed, as the provider says.",
    )


def test_unreadable_records_fail_the_asset_in_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.settled()
    world.fal.is_down = True
    through(monkeypatch, world)

    result = materialize(world)

    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert not result.success
    assert failure.user_failure_data.description == "fal's records could not be read (HTTP 503)."  # type: ignore[union-attr]


def tick(settings: Settings) -> Any:
    aurora = Aurora(read_settings=lambda: settings)
    with dg.DagsterInstance.ephemeral() as instance:
        at = datetime(2026, 11, 22, 6, tzinfo=UTC)
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
        return reconcile_bills(context, aurora=aurora)


def test_the_schedule_runs_while_a_charge_is_young_or_open_and_says_why_it_does_not(world: World) -> None:
    nothing = tick(world.settings)
    world.settled()
    due = tick(world.settings)
    world.age()
    too_old = tick(world.settings)
    drafts = tick(replace(world.settings, provider="studio"))

    assert nothing.skip_message == too_old.skip_message == "No charge with fal is younger than 48 hours or still open."
    assert due.run_key == "2026-11-22T06:00"
    assert drafts.skip_message == "AURORA_PROVIDER is studio: drafts are free and nothing is billed."


def test_the_schedule_is_on_since_it_only_reads() -> None:
    assert (reconcile_bills.default_status, reconcile_bills.cron_schedule) == (
        dg.DefaultScheduleStatus.RUNNING,
        "0 */6 * * *",
    )


# ---- the real studio, over HTTP
@pytest.fixture
def studio(tmp_path: Path) -> Iterator[str]:
    """An instant studio whose bills a scenario spoils: each of the first requests in its own way."""
    from aurora_pipeline_tests.faults.homes import REPOSITORY

    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(
        """faults:
  - {fault: bill, at: render, on: 1, factor: 2}
  - {fault: not_billed, at: render, on: 2}
  - {fault: billed_without_result, at: render, on: 3}
""",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "aurora_pipeline.studio", "--folder", str(tmp_path / "studio"), "--price-book",
               str(REPOSITORY / "data" / "price_book.csv"), "--instant", "--concurrency", "1", "--scenario",
               str(scenario)]  # fmt: skip
    log = (tmp_path / "studio.log").open("wb")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=dict(os.environ))
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


def test_the_real_studio_whose_bills_are_spoilt_is_seen_through(
    studio: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aurora_pipeline_tests.faults.homes import new_home

    home = new_home(tmp_path / "home", clips=4)
    drafts: dict[str, Any] = {"provider": "studio", "studio_url": studio, "requests_in_flight": 1}
    settings = replace(home.settings(), **drafts)
    pipeline.aurora_videos(pipeline.Job(settings, home.campaign, "run-1"))
    for name, value in (("AURORA_HOME", str(home.root)), ("AURORA_STUDIO_URL", studio)):
        monkeypatch.setenv(name, value)

    done = CliRunner().invoke(aurora, ["reconcile", "--json"])

    told = json.loads(done.output)
    verdicts = sorted(row["verdict"] for row in told["rows"])
    assert done.exit_code == 1, done.output
    assert verdicts == ["agrees", "billed more", "billed without a result", "not billed yet"]
    assert told["is_draft"]
    ledger = open_ledger(settings.ledger)
    believed = {charge.request_id: charge.billed_usd for charge in ledger.charges() if charge.billed_usd is not None}
    with httpx.Client(base_url=studio, headers={"Authorization": "Key accountant"}, trust_env=False) as http:
        ids = [charge.request_id for charge in ledger.charges()]
        answer = http.get("/api.fal.ai/v1/models/billing-events", params={"request_id": ids}).json()["billing_events"]
    for event in answer:
        assert believed[event["request_id"]] == Decimal(str(event["cost_total"]))

    said = CliRunner().invoke(aurora, ["reconcile"]).output
    assert said.splitlines()[-1] == (
        "These are drafts: the amounts are what they would have cost, and nothing was paid."
    )


def heal(studio: str, scenario: str = "{}") -> None:
    accountant = {"Authorization": "Key accountant"}
    httpx.put(f"{studio}/_studio/scenario", content=scenario, headers=accountant, trust_env=False).raise_for_status()


def test_the_real_studios_late_records_are_waited_for_and_an_ordinary_key_reads_no_bill(
    studio: str, tmp_path: Path
) -> None:
    from aurora_pipeline_tests.faults.homes import new_home

    home = new_home(tmp_path / "home", clips=1)
    drafts: dict[str, Any] = {"provider": "studio", "studio_url": studio, "requests_in_flight": 1}
    settings = replace(home.settings(), **drafts)
    heal(studio, "faults: [{fault: late_records, at: [requests, billing], seconds: 3600}]")
    pipeline.aurora_videos(pipeline.Job(settings, home.campaign, "run-1"))

    late = pipeline.reconcile_bills(settings)
    heal(studio)
    come = pipeline.reconcile_bills(settings)
    ordinary = FalConnection(fal_client.SyncClient(key="ordinary-key"), studio).platform
    unread = compare(settings, open_ledger(settings.ledger), ordinary, Window())

    assert [row.verdict for row in (*late.rows, *come.rows, *unread.rows)] == [
        "not billed yet",
        "agrees",
        "not readable",
    ]
    assert come.totals.event_usd == come.totals.expected_usd > 0


def test_the_admin_key_is_never_sent_to_a_studio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAL_ADMIN_KEY", "admin-sentinel")
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json={"billing_events": [], "next_cursor": None})

    platform = connect("http://127.0.0.1:9").platform
    platform.http._transport = httpx.MockTransport(answer)
    platform.http._mounts.clear()
    platform.bills(["r-1"])

    assert seen == ["Key local-studio"]
