"""One clip's purchase against a scripted provider and a real ledger: whatever happens, one accepted request."""

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from aurora_pipeline.aurora_videos import ledger as ledger_module
from aurora_pipeline.aurora_videos import purchase as purchase_module
from aurora_pipeline.aurora_videos import quote as quote_module
from aurora_pipeline.aurora_videos.ledger import Ledger
from aurora_pipeline.aurora_videos.purchase import Purchase
from aurora_pipeline.aurora_videos.quote import Quote, QuotedClip
from aurora_pipeline.aurora_videos.request import AuroraRequest, SentImage
from aurora_pipeline.errors import Interrupted, OutcomeUnknown, OverBudget, RequestRefused, SpendRefused, VideoUnusable
from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.gear.fal import RequestState
from aurora_pipeline.gear.fal_answers import Gone, Result, Unreachable
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.price_book import Price
from aurora_pipeline.script_table import Script
from aurora_pipeline.settings import Settings
from aurora_pipeline.tts_audio import Speech

SCRIPT = Script(
    campaign="spring",
    clip_id="a",
    text="Hi.",
    portrait="ana",
    portrait_sha256="p" * 64,
    voice="heart",
    language="en",
    resolution="720p",
    prompt=None,
    guidance_scale=Decimal(1),
    audio_guidance_scale=Decimal(2),
    line=2,
)
PRICE = Price(
    endpoint="fal-ai/creatify/aurora",
    resolution="720p",
    usd_per_second=Decimal("0.14"),
    valid_from=date(2026, 1, 1),
    expires_on=date(2027, 1, 1),
    source="page",
)


@dataclass
class ScriptedFal:
    """A provider at the level of `FalConnection`: accepts, finishes and bills, with faults put in by name."""

    video: bytes
    faults: list[str] = field(default_factory=list)
    accepted: dict[str, str] = field(default_factory=dict)  # request id -> audio url
    polls: int = 0
    had: list[str] = field(default_factory=list)
    units: Decimal = Decimal(1)

    def _fault(self, name):
        if name in self.faults:
            self.faults.remove(name)
            self.had.append(name)
            return True
        return False

    def upload(self, data, *, content_type, file_name):
        if self._fault("upload"):
            raise RequestRefused("The upload broke. Nothing was spent.")
        return f"https://v3.fal.media/{file_name}"

    def submit(self, endpoint, arguments, *, before_post, on_reply):
        before_post()
        if self._fault("refused"):
            raise RequestRefused("busy")
        if self._fault("never arrives"):
            raise OutcomeUnknown("lost on the way")
        request_id = f"r-{len(self.accepted)}"
        self.accepted[request_id] = arguments["audio_url"]
        if self._fault("answer lost"):
            raise OutcomeUnknown("lost on the way back")
        if self._fault("killed before the answer is stored"):
            raise KeyboardInterrupt
        on_reply(request_id, "{}")
        if self._fault("killed after the answer is stored"):
            raise KeyboardInterrupt
        return request_id

    def find(self, endpoint, audio_url, *, since):
        if self._fault("list unreadable"):
            raise Unreachable("no list")
        answer = {"video": {"url": "https://v3.fal.media/v.mp4"}}
        listed = answer if "result expired" in self.had else None
        return next(((r, listed) for r, url in self.accepted.items() if url == audio_url), None)

    def state(self, endpoint, request_id):
        self.polls += 1
        if self._fault("poll breaks"):
            raise Unreachable("502")
        if self._fault("key refused"):
            raise RequestRefused("401", stops_the_run=True)
        if self._fault("forgotten"):
            raise Gone("unknown request")
        return RequestState(is_completed=True, error="bad" if "job fails" in self.faults else "")

    def result(self, endpoint, request_id, *, has_failed):
        if self._fault("job fails"):
            raise RequestRefused("no face", may_be_billed="422" in self.faults)
        if self._fault("result expired"):
            raise Gone("expired")
        return Result({"video": {"url": "https://v3.fal.media/v.mp4"}}, self.units)

    def download(self, url, target):
        if self._fault("file gone"):
            raise Gone("no file")
        target.write_bytes(self.video[: len(self.video) // 2] if self._fault("download cut") else self.video)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    file = tmp_path_factory.mktemp("video") / "v.mp4"
    ffmpeg.run(
        [
            "-f",
            "lavfi",
            "-i",
            "testsrc=s=320x240:d=1:r=25",
            "-f",
            "lavfi",
            "-i",
            "sine=d=1",
            "-shortest",
            "-c:v",
            "libx264",
            "-movflags",
            "+faststart",
            ffmpeg.target(file),
        ]
    )
    return file.read_bytes()


@pytest.fixture(scope="module")
def other_video(tmp_path_factory):
    file = tmp_path_factory.mktemp("video") / "v.mp4"
    ffmpeg.run(["-f", "lavfi", "-i", "testsrc2=s=320x240:d=1:r=25", "-c:v", "libx264", ffmpeg.target(file)])
    return file.read_bytes()


@pytest.fixture
def settings(tmp_path):
    return Settings(root=tmp_path, output=tmp_path / "output", provider="fal", fal_key_is_set=True, poll_seconds=0.001)


@pytest.fixture
def fal(video):
    return ScriptedFal(video)


@pytest.fixture
def purchase(settings, fal):
    store = MediaStore(settings.media)
    with store.workshop() as bench:
        (bench / "a.wav").write_bytes(b"RIFF speech")
        wav = store.put(bench / "a.wav")
    speech = Speech("spring", "a", wav, 0.98, 24000, "hibari", "1", "heart", "en", "Hi.", "engine", ())
    request = AuroraRequest(SCRIPT, speech, SentImage(b"png", ".png", "i" * 64))
    clip = QuotedClip(request, PRICE, None, "new")
    return Purchase(settings, clip, "run-1", Decimal(10), Ledger(settings.ledger), store, fal)


def _complete(purchase):
    return purchase.complete(threading.Event())


def test_a_clip_is_bought_stored_and_settled_to_the_cent(purchase, fal):
    charge = _complete(purchase)

    assert charge.state == "settled"
    assert (charge.billed_seconds, charge.billed_usd) == (1, Decimal("0.14"))
    assert purchase.store.require(charge.video_sha256).read_bytes() == fal.video
    assert purchase.ledger.budget("fal", "spring").settled_usd == Decimal("0.14")
    assert purchase.ledger.budget("fal", "spring").reserved_usd == 0


def test_a_finished_clip_is_never_asked_for_again(purchase, fal):
    _complete(purchase)
    polls = fal.polls

    _complete(replace(purchase, run_id="run-2"))

    assert (len(fal.accepted), fal.polls) == (1, polls)


def test_the_audio_url_is_unique_to_the_purchase(purchase, fal):
    charge = _complete(purchase)

    assert list(fal.accepted.values()) == [f"https://v3.fal.media/{charge.charge_id}.wav"]


@pytest.mark.parametrize("fault", ["poll breaks", "download cut", "answer lost", "result expired"])
def test_a_passing_fault_costs_nothing(purchase, fal, fault):
    fal.faults = [fault]

    charge = _complete(purchase)

    assert charge.state == "settled"
    assert len(fal.accepted) == 1


@pytest.mark.parametrize(
    ("fault", "left_as"),
    [
        ("upload", "voided"),
        ("refused", "refused"),
        ("killed before the answer is stored", "unknown"),
        ("killed after the answer is stored", "accepted"),
    ],
)
def test_a_purchase_that_broke_off_is_taken_up_without_a_second_one(purchase, fal, fault, left_as):
    fal.faults = [fault]
    with pytest.raises((RequestRefused, KeyboardInterrupt)):
        _complete(purchase)
    assert [charge.state for charge in purchase.ledger.charges()] == [left_as]

    charge = _complete(purchase)

    assert charge.state == "settled"
    assert len(fal.accepted) == 1


def test_what_may_have_been_accepted_is_held_until_the_list_decides(purchase, fal, monkeypatch):
    fal.faults = ["never arrives", "list unreadable"]

    with pytest.raises(OutcomeUnknown, match=r"\$0\.28 stays reserved and it is not sent again"):
        _complete(purchase)
    with pytest.raises(OutcomeUnknown, match="not on the provider's list yet"):
        _complete(purchase)
    assert fal.accepted == {}
    assert purchase.ledger.budget("fal", "spring").reserved_usd == Decimal("0.28")

    monkeypatch.setitem(purchase_module.HORIZON, "fal", timedelta(0))
    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


def test_a_dead_worker_is_relieved_and_a_live_one_is_waited_for(purchase, fal, monkeypatch):
    purchase.ledger.claim(purchase._plan(), limit_usd=None)  # somebody else's claim, not yet sent
    stop = threading.Event()
    waits = []
    monkeypatch.setattr(purchase_module, "pause", lambda stop, seconds: waits.append(seconds) or stop.set())
    with pytest.raises(Interrupted):
        purchase.complete(stop)
    assert waits

    monkeypatch.setattr(ledger_module, "owner_is_gone", lambda owner: True)
    assert _complete(purchase).state == "settled"


@pytest.mark.parametrize(("billing", "end", "requests_after"), [("422", "rejected", 1), ("500", "refused", 2)])
def test_a_failed_job_is_asked_again_only_when_it_was_free(purchase, fal, billing, end, requests_after):
    fal.faults = ["job fails", billing]
    with pytest.raises(RequestRefused):
        _complete(purchase)
    assert purchase.ledger.charges()[0].state == end

    fal.faults = []
    if end == "rejected":
        with pytest.raises(RequestRefused, match="no face"):
            _complete(purchase)
    else:
        _complete(purchase)

    assert len(fal.accepted) == requests_after


def test_a_video_that_never_arrives_whole_is_kept_as_paid(purchase, fal):
    fal.faults = ["download cut"] * 9

    with pytest.raises(VideoUnusable, match="not bought again"):
        _complete(purchase)

    fal.faults = []
    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


def test_a_lost_file_is_fetched_again_not_bought_again(purchase, fal):
    charge = _complete(purchase)
    purchase.store.require(charge.video_sha256).unlink()

    assert _complete(purchase).state == "settled"

    assert purchase.store.path(charge.video_sha256) is not None
    assert len(fal.accepted) == 1


def test_over_budget_nothing_is_uploaded_or_sent(purchase, fal):
    fal.faults = ["upload"]

    with pytest.raises(OverBudget):
        _complete(replace(purchase, limit_usd=Decimal("0.27")))

    assert fal.faults == ["upload"]


def test_stopping_before_it_is_sent_frees_the_money(purchase, fal):
    stop = threading.Event()
    stop.set()

    with pytest.raises(Interrupted):
        purchase.complete(stop)

    assert purchase.ledger.budget("fal", "spring").reserved_usd == 0
    assert fal.accepted == {}


class TestFingerprint:
    def _request(self, **changes):
        speech = Speech(
            "spring", "a", changes.pop("audio", "w" * 64), 1.0, 24000, "h", "1", "v", "en", "", "engine", ()
        )
        image = SentImage(b"", ".png", changes.pop("image", "i" * 64))
        return AuroraRequest(replace(SCRIPT, **changes), speech, image)

    @pytest.mark.parametrize(
        "change",
        [
            {"audio": "x" * 64},
            {"image": "x" * 64},
            {"prompt": "look up"},
            {"guidance_scale": Decimal("1.1")},
            {"audio_guidance_scale": Decimal(3)},
            {"resolution": "480p"},
        ],
    )
    def test_everything_that_is_sent_changes_it(self, change):
        assert self._request(**change).fingerprint != self._request().fingerprint

    @pytest.mark.parametrize(
        "change",
        [{"campaign": "other"}, {"clip_id": "z"}, {"line": 9}, {"text": "Bye"}, {"guidance_scale": Decimal("1.00")}],
    )
    def test_nothing_else_does(self, change):
        assert self._request(**change).fingerprint == self._request().fingerprint

    def test_all_six_inputs_are_sent(self):
        arguments = self._request(prompt="smile").arguments(image_url="i", audio_url="a")

        assert arguments == {
            "image_url": "i",
            "audio_url": "a",
            "prompt": "smile",
            "guidance_scale": 1.0,
            "audio_guidance_scale": 2.0,
            "resolution": "720p",
        }


def test_the_safe_horizon_counts_from_the_first_look_that_missed_it(purchase):
    charge, _new = purchase.ledger.claim(purchase._plan(), limit_usd=None)
    first, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)

    assert purchase.ledger.note_missed(charge.charge_id, at=first) == first
    assert purchase.ledger.note_missed(charge.charge_id, at=later) == first


def test_a_refused_key_leaves_the_accepted_request_as_it_is(purchase, fal):
    fal.faults = ["key refused"]
    with pytest.raises(RequestRefused):
        _complete(purchase)
    assert purchase.ledger.charges()[0].state == "accepted"

    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


@pytest.mark.parametrize("fault", ["forgotten", "file gone"])
def test_a_bought_video_the_provider_forgot_is_kept_on_the_books(purchase, fal, fault):
    fal.faults = [fault]

    with pytest.raises(VideoUnusable, match="not bought again by itself"):
        _complete(purchase)

    assert len(fal.accepted) == 1
    assert purchase.ledger.budget("fal", "spring").reserved_usd > 0


@pytest.mark.parametrize("fault", ["forgotten", "result expired", "file gone"])
def test_a_draft_whose_studio_was_emptied_is_drafted_again(purchase, fal, fault):
    drafting = replace(purchase, settings=replace(purchase.settings, provider="studio"), limit_usd=None)
    fal.faults = [fault]

    charge = _complete(drafting)

    assert charge.state == "settled"
    assert sorted(row.state for row in purchase.ledger.charges()) == ["settled", "voided"]
    assert purchase.ledger.budget("studio", "spring").settled_usd == charge.billed_usd


def test_a_settled_draft_whose_file_and_studio_are_gone_leaves_the_books_straight(purchase, fal):
    drafting = replace(purchase, settings=replace(purchase.settings, provider="studio"), limit_usd=None)
    purchase.store.require(_complete(drafting).video_sha256).unlink()
    fal.faults = ["file gone"]

    charge = _complete(drafting)

    assert purchase.ledger.budget("studio", "spring").settled_usd == charge.billed_usd == Decimal("0.14")


def test_a_video_lost_before_it_was_settled_is_fetched_again(purchase, fal, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Purchase, "_settle", _killed)
        with pytest.raises(KeyboardInterrupt):
            _complete(purchase)
    purchase.store.require(purchase.ledger.charges()[0].video_sha256).unlink()

    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


def _killed(*args):
    raise KeyboardInterrupt


def test_other_bytes_for_a_lost_video_are_taken_as_what_was_paid(purchase, fal, other_video):
    purchase.store.require(_complete(purchase).video_sha256).unlink()
    fal.video = other_video

    charge = _complete(purchase)

    assert purchase.store.require(charge.video_sha256).read_bytes() == other_video
    assert len(fal.accepted) == 1


def test_the_bill_is_the_providers_count_where_it_is_the_higher(purchase, fal):
    fal.units = Decimal("6.2")

    charge = _complete(purchase)

    assert (charge.billed_seconds, charge.billed_usd) == (7, Decimal("0.98"))


def test_a_held_charge_that_a_person_releases_may_be_bought_again(purchase, fal):
    fal.faults = ["job fails", "422"]
    with pytest.raises(RequestRefused):
        _complete(purchase)
    fal.faults = []
    (held,) = purchase.ledger.charges()

    assert purchase.ledger.release(held.charge_id, "Not on the bill.")

    assert purchase.ledger.budget("fal", "spring").reserved_usd == 0
    assert _complete(purchase).state == "settled"


class TestQuote:
    """What a quote covers: nothing is bought that was not quoted, and nothing quoted is forgotten."""

    def _quote(self, purchase, standing="new", **changes):
        clip = replace(purchase.clip, standing=standing)
        request = replace(clip.request, script=replace(clip.request.script, **changes))
        return Quote("spring", "fal", (replace(clip, request=request),), None)

    def test_what_is_not_surely_bought_is_priced_at_its_worst(self, purchase):
        for standing in ("new", "in doubt"):
            quote = self._quote(purchase, standing)
            assert (quote.usd, quote.reserve_usd, len(quote.to_buy)) == (Decimal("0.14"), Decimal("0.28"), 1)
        for standing in ("under way", "bought", "refused"):
            assert self._quote(purchase, standing).reserve_usd == 0

    def test_a_charge_left_behind_before_it_was_sent_is_quoted_again(self, purchase):
        charge, _new = purchase.ledger.claim(purchase._plan(), limit_usd=None)

        assert quote_module._standing(charge) == "new"
        purchase.ledger.mark_sending(charge.charge_id, audio_url="u")
        assert quote_module._standing(purchase.ledger.charge(charge.charge_id)) == "in doubt"

    def test_a_campaign_that_changed_since_it_was_agreed_is_refused(self, purchase):
        agreed = self._quote(purchase)

        agreed.assert_covers(self._quote(purchase))
        agreed.assert_covers(self._quote(purchase, "bought"))
        with pytest.raises(SpendRefused, match=r"changed since it was quoted \(a\)"):
            agreed.assert_covers(self._quote(purchase, resolution="480p"))

    @pytest.mark.parametrize("change", [{"text": "Bye."}, {"voice": "low"}, {"language": "de"}])
    def test_speech_of_another_text_or_voice_is_never_bought_for(self, purchase, change):
        speech = purchase.clip.request.speech

        assert quote_module.is_spoken(SCRIPT, speech)
        assert not quote_module.is_spoken(replace(SCRIPT, **change), speech)
        assert not quote_module.is_spoken(SCRIPT, None)

    def test_a_bought_video_is_not_drafted_over(self, purchase):
        bought = _complete(purchase)
        drafting = replace(purchase.settings, provider="studio")

        standing = quote_module.standing_charges(drafting, purchase.ledger, [bought.fingerprint, "f" * 64])

        assert standing == {bought.fingerprint: bought}
