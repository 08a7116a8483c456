"""One clip's purchase against a scripted provider and a real ledger: whatever happens, one accepted request."""

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from aurora_pipeline.aurora_videos import following as following_module
from aurora_pipeline.aurora_videos import ledger as ledger_module
from aurora_pipeline.aurora_videos import quote as quote_module
from aurora_pipeline.aurora_videos import render
from aurora_pipeline.aurora_videos.affordable import affordable
from aurora_pipeline.aurora_videos.following import Following
from aurora_pipeline.aurora_videos.ledger import Ledger, open_ledger
from aurora_pipeline.aurora_videos.purchase import Purchase
from aurora_pipeline.aurora_videos.quoted import Quote, QuotedClip
from aurora_pipeline.aurora_videos.render import render_campaign
from aurora_pipeline.aurora_videos.request import AuroraRequest, SentImage
from aurora_pipeline.aurora_videos.spending import Limits
from aurora_pipeline.aurora_videos.sweep import sweep
from aurora_pipeline.aurora_videos.till import Till
from aurora_pipeline.errors import (
    BreakerTripped,
    Interrupted,
    OutcomeUnknown,
    OverBudget,
    RequestRefused,
    SpendRefused,
    VideoUnusable,
)
from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.gear.fal_answers import Gone, RequestState, Result, Unreachable
from aurora_pipeline.gear.fal_platform import UnitPrice
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.parallel import Outcome
from aurora_pipeline.price_book import Price
from aurora_pipeline.progress import Silent
from aurora_pipeline.script_table import Script, read_campaign
from aurora_pipeline.settings import Settings
from aurora_pipeline.stage_tables import read_rows
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline_tests.faults.homes import new_home
from aurora_pipeline_tests.test_ledger import PLAN

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
    withdrawn: list[str] = field(default_factory=list)
    is_queued: bool = False
    billed: dict[str, Decimal] | None = None
    answers: list[dict] = field(default_factory=list)  # results handed out before the good one
    unit: UnitPrice | None = None

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
            raise RequestRefused("no")
        if self._fault("busy"):
            raise RequestRefused("busy", busy_seconds=0.001)
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

    @property
    def platform(self):
        return self

    def bills(self, request_ids):
        if self.billed is None:
            raise Unreachable("an ordinary key")
        return self.billed

    def unit_price(self, endpoint):
        return self.unit

    def may_fetch(self, url):
        return url.startswith("https://v3.fal.media/")

    def withdraw(self, endpoint, request_id):
        if "runs already" in self.faults:
            return False
        self.withdrawn.append(request_id)
        return True

    def find(self, endpoint, audio_url, *, field, since):
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
        if self.is_queued:
            return RequestState(is_completed=False, queue_position=3)
        return RequestState(is_completed=True, error="bad" if "job fails" in self.faults else "")

    def result(self, endpoint, request_id, *, has_failed):
        if self._fault("job fails"):
            raise RequestRefused("no face", may_be_billed="422" in self.faults)
        if self._fault("result expired"):
            raise Gone("expired")
        good = {"video": {"url": "https://v3.fal.media/v.mp4"}}
        return Result(self.answers.pop(0) if self.answers else good, self.units)

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
    ledger = Ledger(settings.ledger)
    yield Purchase(Till(settings, "run-1", Limits(campaign_usd=Decimal(10)), ledger, store, fal), clip)
    ledger.close()


def _at(purchase, **changes):
    """The same purchase at a till that differs."""
    return replace(purchase, till=replace(purchase.till, **changes))


def _drafting(purchase):
    return _at(purchase, settings=replace(purchase.till.settings, provider="studio"), limits=Limits())


def _complete(purchase):
    return purchase.complete(threading.Event())


def test_a_clip_is_bought_stored_and_settled_to_the_cent(purchase, fal):
    charge = _complete(purchase)

    assert charge.state == "settled"
    assert (charge.billed_seconds, charge.billed_usd) == (1, Decimal("0.14"))
    assert purchase.till.store.require(charge.video_sha256).read_bytes() == fal.video
    assert purchase.till.ledger.spending("fal", "campaign", "spring").settled_usd == Decimal("0.14")
    assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd == 0


def test_a_finished_clip_is_never_asked_for_again(purchase, fal):
    _complete(purchase)
    polls = fal.polls

    _complete(_at(purchase, run_id="run-2"))

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
        ("refused", "refused"),
        ("killed before the answer is stored", "unknown"),
        ("killed after the answer is stored", "accepted"),
    ],
)
def test_a_purchase_that_broke_off_is_taken_up_without_a_second_one(purchase, fal, fault, left_as):
    fal.faults = [fault]
    with pytest.raises((RequestRefused, KeyboardInterrupt)):
        _complete(purchase)
    assert [charge.state for charge in purchase.till.ledger.charges()] == [left_as]

    charge = _complete(purchase)

    assert charge.state == "settled"
    assert len(fal.accepted) == 1


def test_what_may_have_been_accepted_is_held_until_the_list_decides(purchase, fal):
    fal.faults = ["never arrives", "list unreadable"]

    with pytest.raises(OutcomeUnknown, match=r"\$0\.28 stays reserved and it is not sent again"):
        _complete(purchase)
    with pytest.raises(OutcomeUnknown, match="not on the provider's list yet"):
        _complete(purchase)
    assert fal.accepted == {}
    assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd == Decimal("0.28")

    at_once = replace(purchase.till.settings, horizon_seconds=0.0)
    assert _complete(_at(purchase, settings=at_once)).state == "settled"
    assert len(fal.accepted) == 1


@pytest.mark.parametrize(("standing", "only_followed"), [("in doubt", True), ("under way", False)])
def test_what_nobody_agreed_to_buy_now_is_followed_and_never_bought_anew(purchase, fal, standing, only_followed):
    fal.faults = ["never arrives", "list unreadable"]
    with pytest.raises(OutcomeUnknown):
        _complete(purchase)
    at_once = _at(purchase, settings=replace(purchase.till.settings, horizon_seconds=0.0))
    clip = replace(purchase.clip, standing=standing, only_followed=only_followed)

    with pytest.raises(SpendRefused, match="a was not bought after all, and nobody agreed to buy it now"):
        _complete(replace(at_once, clip=clip))

    assert fal.accepted == {}
    assert [charge.state for charge in purchase.till.ledger.charges()] == ["voided"]


def test_what_is_only_followed_is_fetched_when_it_was_accepted_after_all(purchase, fal):
    fal.faults = ["answer lost", "list unreadable"]
    with pytest.raises(OutcomeUnknown):
        _complete(purchase)
    clip = replace(purchase.clip, standing="in doubt", only_followed=True)

    assert _complete(replace(purchase, clip=clip)).state == "settled"
    assert len(fal.accepted) == 1


def test_a_dead_worker_is_relieved_and_a_live_one_is_waited_for(purchase, fal, monkeypatch):
    purchase.till.ledger.claim(purchase._plan(), limits=Limits())  # somebody else's claim, not yet sent
    stop = threading.Event()
    waits = []
    monkeypatch.setattr(following_module, "pause", lambda stop, seconds: waits.append(seconds) or stop.set())
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
    assert purchase.till.ledger.charges()[0].state == end

    fal.faults = []
    if end == "rejected":
        with pytest.raises(RequestRefused, match="no face"):
            _complete(purchase)
    else:
        _complete(purchase)

    assert len(fal.accepted) == requests_after


def test_a_failure_that_was_billed_all_the_same_is_held_and_not_bought_again(purchase, fal):
    fal.faults, fal.billed = ["job fails", "500"], {"r-0": Decimal("0.14")}

    for _run in range(2):
        with pytest.raises(RequestRefused, match=r"its record says \$0\.14 for request r-0; ask fal to take that back"):
            _complete(purchase)

    assert len(fal.accepted) == 1
    assert purchase.till.ledger.charges()[0].state == "rejected"


@pytest.mark.parametrize("odd", [{}, {"video": None}, {"video": {"url": 7}}, {"video": {"url": "https://evil/v.mp4"}}])
def test_a_result_that_names_no_file_of_fals_is_asked_for_again(purchase, fal, odd):
    fal.answers = [odd]

    charge = _complete(purchase)

    assert charge.state == "settled"
    assert purchase.till.ledger.recovery(charge.charge_id).result["video"]["url"] == "https://v3.fal.media/v.mp4"


def test_a_result_that_never_names_a_file_is_kept_and_said_to_be_paid(purchase, fal):
    fal.answers = [{"video": {"url": "https://evil.example/v.mp4"}}] * 3

    with pytest.raises(VideoUnusable, match=r"names a file on 'evil\.example', not one of fal's hosts \(request r-0\)"):
        _complete(purchase)

    fal.answers = []
    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


def test_a_video_that_never_arrives_whole_is_kept_as_paid(purchase, fal):
    fal.faults = ["download cut"] * 9

    with pytest.raises(VideoUnusable, match="not bought again"):
        _complete(purchase)

    fal.faults = []
    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


def test_a_lost_file_is_fetched_again_not_bought_again(purchase, fal):
    charge = _complete(purchase)
    purchase.till.store.require(charge.video_sha256).unlink()

    assert _complete(purchase).state == "settled"

    assert purchase.till.store.path(charge.video_sha256) is not None
    assert len(fal.accepted) == 1


def test_over_budget_nothing_is_uploaded_or_sent(purchase, fal):
    fal.faults = ["upload"]

    with pytest.raises(OverBudget):
        _complete(_at(purchase, limits=Limits(campaign_usd=Decimal("0.27"))))

    assert fal.faults == ["upload"]


def test_stopping_before_it_is_sent_frees_the_money(purchase, fal):
    stop = threading.Event()
    stop.set()

    with pytest.raises(Interrupted):
        purchase.complete(stop)

    assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd == 0
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
    charge, _new = purchase.till.ledger.claim(purchase._plan(), limits=Limits())
    first, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)

    assert purchase.till.ledger.note_missed(charge.charge_id, at=first) == first
    assert purchase.till.ledger.note_missed(charge.charge_id, at=later) == first


def test_a_refused_key_leaves_the_accepted_request_as_it_is(purchase, fal):
    fal.faults = ["key refused"]
    with pytest.raises(RequestRefused):
        _complete(purchase)
    assert purchase.till.ledger.charges()[0].state == "accepted"

    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


@pytest.mark.parametrize("fault", ["forgotten", "file gone"])
def test_a_bought_video_the_provider_forgot_is_kept_on_the_books(purchase, fal, fault):
    fal.faults = [fault]

    with pytest.raises(VideoUnusable, match="not bought again by itself"):
        _complete(purchase)

    assert len(fal.accepted) == 1
    assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd > 0


@pytest.mark.parametrize("fault", ["forgotten", "result expired", "file gone"])
def test_a_draft_whose_studio_was_emptied_is_drafted_again(purchase, fal, fault):
    drafting = _drafting(purchase)
    fal.faults = [fault]

    charge = _complete(drafting)

    assert charge.state == "settled"
    assert sorted(row.state for row in purchase.till.ledger.charges()) == ["settled", "voided"]
    assert purchase.till.ledger.spending("studio", "campaign", "spring").settled_usd == charge.billed_usd


def test_a_studio_that_loses_every_draft_is_not_asked_for_ever(purchase, fal):
    fal.faults = ["file gone"] * 50

    with pytest.raises(VideoUnusable, match="a came to nothing 3 times in a row; look at the studio's log"):
        _complete(_drafting(purchase))

    assert len(fal.accepted) == 3


def test_a_draft_that_never_arrives_whole_is_drawn_again(purchase, fal):
    fal.faults = ["download cut"] * 4

    assert _complete(_drafting(purchase)).state == "settled"

    assert len(fal.accepted) == 2


def test_a_settled_draft_whose_file_and_studio_are_gone_leaves_the_books_straight(purchase, fal):
    drafting = _drafting(purchase)
    purchase.till.store.require(_complete(drafting).video_sha256).unlink()
    fal.faults = ["file gone"]

    charge = _complete(drafting)

    assert (
        purchase.till.ledger.spending("studio", "campaign", "spring").settled_usd
        == charge.billed_usd
        == Decimal("0.14")
    )


def test_a_video_lost_before_it_was_settled_is_fetched_again(purchase, fal, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Following, "settle", _killed)
        with pytest.raises(KeyboardInterrupt):
            _complete(purchase)
    purchase.till.store.require(purchase.till.ledger.charges()[0].video_sha256).unlink()

    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


def _killed(*args):
    raise KeyboardInterrupt


def test_other_bytes_for_a_lost_video_are_taken_as_what_was_paid(purchase, fal, other_video):
    purchase.till.store.require(_complete(purchase).video_sha256).unlink()
    fal.video = other_video

    charge = _complete(purchase)

    assert purchase.till.store.require(charge.video_sha256).read_bytes() == other_video
    assert len(fal.accepted) == 1


@pytest.mark.parametrize(
    ("units", "unit_usd", "usd", "source", "reported"),
    [
        (None, None, "0.14", "measured", None),
        ("1", "0.14", "0.14", "measured", "0.14"),
        ("1.4", "0.10", "0.14", "measured", "0.14"),  # a unit is not a second: 720p counts 1.4 for each
        ("6.2", "0.14", "0.868", "reported", "0.868"),
        ("0", "0.14", "0.14", "measured", "0"),  # the budget never believes less than we measured
        ("6.2", None, "0.868", "reported", "0.868"),  # no unit price to be had: ours, the dearer guess
    ],
)
def test_the_bill_is_never_believed_to_be_less_than_it_may_be(purchase, fal, units, unit_usd, usd, source, reported):
    fal.units = units and Decimal(units)
    prices = {} if unit_usd is None else {PRICE.endpoint: Decimal(unit_usd)}

    charge = _complete(_at(purchase, unit_usd=prices))

    assert (charge.billed_seconds, charge.billed_usd, charge.bill_source) == (1, Decimal(usd), source)
    assert charge.reported_usd == (reported and Decimal(reported))


def test_an_absurd_bill_is_recorded_and_stops_the_next_purchase(purchase, fal):
    fal.units = Decimal(4000)

    assert _complete(purchase).billed_usd == Decimal(560)

    other = replace(purchase.clip, request=replace(purchase.clip.request, image=SentImage(b"", ".png", "j" * 64)))
    with pytest.raises(BreakerTripped, match=r"billed \$560\.00 for spring/a"):
        _complete(replace(purchase, clip=other))
    assert len(fal.accepted) == 1


def test_a_busy_provider_is_asked_again_and_each_time_anew(purchase, fal):
    fal.faults = ["busy", "busy"]

    charge = _complete(purchase)

    assert charge.state == "settled"
    assert [row.state for row in purchase.till.ledger.charges()] == ["refused", "refused", "settled"]
    assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd == 0


def test_a_provider_that_stays_busy_is_left_alone_in_the_end(purchase, fal):
    fal.faults = ["busy"] * 100

    with pytest.raises(RequestRefused, match="busy"):
        _complete(purchase)

    assert fal.accepted == {}


class _StopsAfterASubmit(threading.Event):
    """Is set by the first wait: the moment in which a follower looks away."""

    def wait(self, timeout=None):
        self.set()
        return True


def test_what_still_waits_at_the_provider_is_withdrawn_when_stopped(purchase, fal):
    fal.is_queued = True

    with pytest.raises(Interrupted, match="a was withdrawn from the queue; run again to go on"):
        purchase.complete(_StopsAfterASubmit())

    assert fal.withdrawn == ["r-0"]
    (charge,) = purchase.till.ledger.charges()
    assert charge.state == "refused"
    assert "it never ran and is not billed" in charge.sentence
    assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd == 0


@pytest.mark.parametrize("why", ["it runs already", "another run's", "the account was refused"])
def test_what_runs_or_is_still_wanted_stays_accepted_when_stopped(purchase, fal, why):
    fal.is_queued = True
    if why == "it runs already":
        fal.faults = ["runs already"]
    if why == "the account was refused":
        purchase.till.is_locked.set()
    if why == "another run's":
        fal.faults = ["killed after the answer is stored"]
        with pytest.raises(KeyboardInterrupt):
            _complete(purchase)
        purchase = _at(purchase, run_id="run-2")

    with pytest.raises(Interrupted, match="a was stopped while accepted; run again to go on"):
        purchase.complete(_StopsAfterASubmit())

    assert [charge.state for charge in purchase.till.ledger.charges()] == ["accepted"]
    fal.is_queued = False
    assert _complete(purchase).state == "settled"
    assert len(fal.accepted) == 1


def test_nothing_is_posted_after_the_stop_even_when_its_media_were_being_uploaded(purchase, fal, monkeypatch):
    stop = threading.Event()
    monkeypatch.setattr(fal, "upload", lambda data, **named: stop.set() or "https://v3.fal.media/x")

    with pytest.raises(Interrupted, match="stopped before it was sent"):
        purchase.complete(stop)

    assert fal.accepted == {}
    assert [charge.state for charge in purchase.till.ledger.charges()] == ["voided"]


def test_nothing_is_posted_when_the_stop_came_while_the_sending_was_written_down(purchase, fal, monkeypatch):
    stop, ledger = threading.Event(), purchase.till.ledger
    mark_sending = ledger.mark_sending
    monkeypatch.setattr(ledger, "mark_sending", lambda *a, **n: (mark_sending(*a, **n), stop.set())[0])

    with pytest.raises(Interrupted, match="a was stopped before it was sent; run again to go on"):
        purchase.complete(stop)

    assert fal.accepted == {}
    (charge,) = ledger.charges()
    assert (charge.state, charge.sentence) == ("refused", "Stopped before anything was sent.")
    assert ledger.spending("fal", "campaign", "spring").reserved_usd == 0


def _closed_before_it_is_answered(purchase, fal, monkeypatch, *, and_then=lambda charge: None):
    """The answer of the one request comes when its charge has been looked up in vain and voided."""
    ledger, submit = purchase.till.ledger, fal.submit

    def slow(endpoint, arguments, *, before_post, on_reply):
        def late(request_id, body):
            (charge,) = ledger.charges()
            ledger.mark_unknown(charge.charge_id, "lost")
            ledger.void_unknown(charge.charge_id, "not on the list")
            and_then(charge)
            on_reply(request_id, body)

        return submit(endpoint, arguments, before_post=before_post, on_reply=late)

    monkeypatch.setattr(fal, "submit", slow)


def test_a_request_answered_after_its_charge_was_voided_is_followed_and_not_bought_again(purchase, fal, monkeypatch):
    _closed_before_it_is_answered(purchase, fal, monkeypatch)

    charge = _complete(purchase)

    assert (charge.state, charge.request_id) == ("settled", "r-0")
    assert len(fal.accepted) == 1
    assert purchase.till.ledger.spending("fal", "campaign", "spring").settled_usd == Decimal("0.14")


def test_a_request_answered_after_its_clip_was_claimed_anew_is_noted_and_nothing_more_is_sent(
    purchase, fal, monkeypatch
):
    ledger = purchase.till.ledger
    _closed_before_it_is_answered(
        purchase,
        fal,
        monkeypatch,
        and_then=lambda charge: ledger.claim(replace(purchase._plan(), charge_id="other"), limits=Limits()),
    )

    with pytest.raises(OutcomeUnknown) as unknown:
        _complete(purchase)

    first, other = ledger.charges()
    assert str(unknown.value) == (
        f"a was accepted as request r-0 after its charge {first.charge_id} had been closed and the clip claimed anew, "
        "so it may be billed twice. Nothing more is sent for it now: run `aurora reconcile` to see what is billed, and "
        "ask fal to take the second one back."
    )
    assert (first.state, first.request_id, other.state) == ("voided", "r-0", "reserved")
    assert len(fal.accepted) == 1


@pytest.mark.parametrize(("fault", "left_as"), [("forgotten", "accepted"), ("file gone", "completed")])
def test_what_is_gone_for_48_hours_is_held_for_a_person_who_may_release_it(purchase, fal, monkeypatch, fault, left_as):
    ledger = purchase.till.ledger
    fal.faults = [fault]
    with pytest.raises(VideoUnusable):
        _complete(purchase)
    (charge,) = ledger.charges()
    assert charge.state == left_as  # it may be mended

    later = charge.accepted_at + following_module.GIVEN_UP_AFTER
    monkeypatch.setattr(following_module, "datetime", SimpleNamespace(now=lambda zone: later))
    fal.faults = [fault]
    with pytest.raises(VideoUnusable, match=rf"\$0\.28 stays held; not billed\? aurora release {charge.charge_id}"):
        _complete(purchase)

    assert ledger.charge(charge.charge_id).state == "rejected"
    assert ledger.spending("fal", "campaign", "spring").reserved_usd == Decimal("0.28")
    with pytest.raises(RequestRefused):
        _complete(purchase)
    assert len(fal.accepted) == 1
    assert ledger.release(charge.charge_id, "Not on the bill.").state == "voided"


def test_a_broken_network_gives_nothing_up_however_long_ago_it_was_bought(purchase, fal, monkeypatch):
    fal.faults = ["killed after the answer is stored"]
    with pytest.raises(KeyboardInterrupt):
        _complete(purchase)
    later = datetime.now(UTC) + 2 * following_module.GIVEN_UP_AFTER
    monkeypatch.setattr(following_module, "datetime", SimpleNamespace(now=lambda zone: later))
    fal.faults = ["download cut"] * 9

    with pytest.raises(VideoUnusable):
        _complete(purchase)

    fal.faults = []
    assert _complete(purchase).state == "settled"


def test_what_was_billed_before_anybody_fetched_it_is_still_fetched(purchase, fal):
    fal.faults = ["killed after the answer is stored"]
    with pytest.raises(KeyboardInterrupt):
        _complete(purchase)
    (charge,) = purchase.till.ledger.charges()
    purchase.till.ledger.settle_without_video(charge.charge_id, usd=Decimal("0.14"))

    fetched = _complete(purchase)

    assert purchase.till.store.require(fetched.video_sha256).read_bytes() == fal.video
    assert (fetched.billed_usd, fetched.sentence, len(fal.accepted)) == (Decimal("0.14"), None, 1)


class TestSweep:
    """What a dead run left, and today's table no longer asks for, comes to its end; what a live one holds does not."""

    def _left(self, purchase, fal, monkeypatch, *faults):
        fal.faults = list(faults)
        with pytest.raises((KeyboardInterrupt, OutcomeUnknown)):
            _complete(purchase)
        monkeypatch.setattr(ledger_module, "owner_is_gone", lambda owner: True)
        return purchase.till.ledger.left_behind("fal")

    def _sweep(self, purchase, fal, left):
        return [charge.state for charge in sweep(purchase.till.settings, purchase.till.ledger, fal, left)]

    def test_what_is_ready_is_fetched_stored_and_settled(self, purchase, fal, monkeypatch):
        left = self._left(purchase, fal, monkeypatch, "killed after the answer is stored")

        assert self._sweep(purchase, fal, left) == ["settled"]

        (charge,) = purchase.till.ledger.charges()
        assert purchase.till.store.require(charge.video_sha256).read_bytes() == fal.video
        assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd == 0
        polls = fal.polls
        assert _complete(purchase) == charge  # the row that asks for it again pays nothing
        assert (len(fal.accepted), fal.polls) == (1, polls)

    def test_a_lost_request_is_found_and_one_that_is_not_listed_waits_for_the_horizon(self, purchase, fal, monkeypatch):
        left = self._left(purchase, fal, monkeypatch, "never arrives", "list unreadable")
        assert self._sweep(purchase, fal, left) == ["unknown"]

        fal.accepted["r-0"] = f"https://v3.fal.media/{left[0].charge_id}.wav"
        assert self._sweep(purchase, fal, purchase.till.ledger.left_behind("fal")) == ["settled"]

    def test_what_was_never_sent_frees_its_money(self, purchase, fal, monkeypatch):
        purchase.till.ledger.claim(purchase._plan(), limits=Limits())
        monkeypatch.setattr(ledger_module, "owner_is_gone", lambda owner: True)

        assert self._sweep(purchase, fal, purchase.till.ledger.left_behind("fal")) == ["voided"]

        assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd == 0

    def test_what_is_still_being_made_is_left_and_nothing_is_waited_for(self, purchase, fal, monkeypatch):
        left = self._left(purchase, fal, monkeypatch, "killed after the answer is stored")
        fal.is_queued = True

        assert self._sweep(purchase, fal, left) == ["accepted"]
        assert fal.polls == 1

    def test_one_that_cannot_be_got_further_does_not_stop_the_others(self, purchase, fal, monkeypatch):
        other = replace(purchase.clip, request=replace(purchase.clip.request, image=SentImage(b"", ".png", "j" * 64)))
        self._left(purchase, fal, monkeypatch, "killed after the answer is stored")
        left = self._left(replace(purchase, clip=other), fal, monkeypatch, "killed after the answer is stored")
        fal.faults = ["forgotten"]

        assert sorted(self._sweep(purchase, fal, left)) == ["accepted", "settled"]

    def test_a_run_ends_what_an_edited_row_left_and_does_not_touch_what_it_still_wants(
        self, tmp_path, fal, monkeypatch
    ):
        home = new_home(tmp_path, clips=1)
        ledger = open_ledger(home.settings().ledger)
        edited = replace(PLAN, fingerprint="of the row as it was", reserved_usd=Decimal("0.28"))
        ledger.claim(edited, limits=Limits())
        ledger.mark_sending(edited.charge_id, audio_url="https://v3.fal.media/a.wav")
        ledger.mark_accepted(edited.charge_id, request_id="r-earlier")
        monkeypatch.setattr(ledger_module, "owner_is_gone", lambda owner: True)
        monkeypatch.setattr("aurora_pipeline.gear.fal.connect", lambda base_url="": fal)

        render._sweep(home.settings(), wanted=[edited.fingerprint])
        assert ledger.charge(edited.charge_id).state == "accepted"
        render._sweep(home.settings(), wanted=[])

        charge = ledger.charge(edited.charge_id)
        assert (charge.state, charge.billed_usd, fal.accepted) == ("settled", Decimal("0.14"), {})
        assert MediaStore(home.settings().media).require(charge.video_sha256).read_bytes() == fal.video


class TestTwins:
    """Rows that ask for exactly the same are one purchase."""

    def _twins(self, purchase):
        clip = purchase.clip
        script = replace(clip.request.script, clip_id="b")
        return clip, replace(clip, request=replace(clip.request, script=script), standing="reused", why="spring/a")

    def test_one_of_them_is_bought_the_one_that_may_be(self, purchase):
        first, twin = self._twins(purchase)

        assert render._each_once([twin, first]) == [first]

    def test_both_have_its_video_and_only_one_its_price(self, purchase):
        first, twin = self._twins(purchase)
        done, till = Outcome(first, _complete(purchase)), purchase.till
        campaign = SimpleNamespace(name="spring")

        table = render._table(till.settings, campaign, Quote("spring", "fal", (first, twin), {}), [done], ())

        assert [(row.clip_id, row.usd, row.was_reused) for row in table.rows] == [
            ("a", Decimal("0.14"), False),
            ("b", Decimal(0), True),
        ]
        assert table.failures == ()

    def test_both_fail_with_its_reason(self, purchase):
        first, twin = self._twins(purchase)
        lost = Outcome(first, error=OutcomeUnknown("It is not known."))
        campaign = SimpleNamespace(name="spring")

        quote = Quote("spring", "fal", (first, twin), {})
        table = render._table(purchase.till.settings, campaign, quote, [lost], ())

        assert [(each.clip_id, each.sentence) for each in table.failures] == [
            ("a", "It is not known."),
            ("b", "It is the same video as a. It is not known."),
        ]


def test_a_portrait_is_uploaded_once_a_run_and_every_speech_by_its_own_name(purchase, fal, monkeypatch):
    names, upload = [], fal.upload
    monkeypatch.setattr(fal, "upload", lambda data, **n: names.append(n["file_name"]) or upload(data, **n))
    other = replace(purchase.clip.request, script=replace(SCRIPT, clip_id="b", prompt="Smile."))

    _complete(purchase)
    _complete(replace(purchase, clip=replace(purchase.clip, request=other)))

    assert names.count(f"{'i' * 16}.png") == 1
    assert len(set(names)) == 3


def test_an_upload_that_broke_is_repeated_since_it_buys_nothing(purchase, fal):
    fal.faults = ["upload", "upload"]

    assert _complete(purchase).state == "settled"

    assert len(purchase.till.ledger.charges()) == 1


def test_a_held_charge_that_a_person_releases_may_be_bought_again(purchase, fal):
    fal.faults = ["job fails", "422"]
    with pytest.raises(RequestRefused):
        _complete(purchase)
    fal.faults = []
    (held,) = purchase.till.ledger.charges()

    assert purchase.till.ledger.release(held.charge_id, "Not on the bill.")

    assert purchase.till.ledger.spending("fal", "campaign", "spring").reserved_usd == 0
    assert _complete(purchase).state == "settled"


class TestARunThatMayNotBuy:
    """What was accepted before is fetched and settled; the clip beside it is held back with its sentence."""

    @pytest.fixture
    def home(self, tmp_path):
        """Two spoken clips, the first of which was accepted by a run that died then."""
        home = new_home(tmp_path, clips=2)
        ledger, clip = open_ledger(home.settings().ledger), self._quote(home.settings()).clips[0]
        fingerprint = clip.request.fingerprint
        ledger.claim(
            replace(PLAN, fingerprint=fingerprint, campaign=home.campaign, clip_id=clip.clip_id), limits=Limits()
        )
        ledger.mark_sending(PLAN.charge_id, audio_url="https://v3.fal.media/a.wav")
        ledger.mark_accepted(PLAN.charge_id, request_id="r-earlier")
        return home

    @staticmethod
    def _inputs(settings):
        return read_campaign(settings, "spring"), read_rows(settings, "tts_audio", "spring", Speech)

    def _quote(self, settings):
        return quote_module.quote_campaign(settings, *self._inputs(settings), run_id="r-2")

    def _render(self, settings, fal, monkeypatch, **named):
        monkeypatch.setattr("aurora_pipeline.gear.fal.connect", lambda base_url="": fal)
        return render_campaign(settings, *self._inputs(settings), run_id="r-2", progress=Silent(), **named)

    def _assert_only_fetched(self, table, fal, sentence):
        assert ([row.clip_id for row in table.rows], fal.accepted) == (["c0000"], {})
        ((clip_id, said),) = [(failure.clip_id, failure.sentence) for failure in table.failures]
        assert clip_id == "c0001"
        assert sentence in said

    def test_because_a_price_has_expired(self, home, fal, monkeypatch):
        book = home.settings().price_book
        book.write_text(book.read_text(encoding="utf-8").replace("2027-06-30", "2026-10-01"), encoding="utf-8")

        table = self._render(home.settings(), fal, monkeypatch)

        self._assert_only_fetched(table, fal, "Not bought: The price of fal-ai/creatify/aurora 480p")

    def test_because_fal_now_prices_by_another_unit(self, home, fal, monkeypatch):
        fal.unit = UnitPrice("GPU second", Decimal("0.01"))

        table = self._render(home.settings(), fal, monkeypatch)

        self._assert_only_fetched(table, fal, "fal now prices fal-ai/creatify/aurora by the 'GPU second'")

    def test_because_it_would_cost_more_than_its_cap(self, home, fal, monkeypatch):
        settings = home.settings(max_usd_per_run=Decimal("0.01"))

        table = self._render(settings, fal, monkeypatch, approved=affordable(settings, self._quote(settings)))

        self._assert_only_fetched(table, fal, "but $0.01 of this run's cap is left. Raise it")


class TestQuote:
    """What a quote covers: nothing is bought that was not quoted, and nothing quoted is forgotten."""

    def _quote(self, purchase, standing="new", **changes):
        clip = replace(purchase.clip, standing=standing)
        request = replace(clip.request, script=replace(clip.request.script, **changes))
        return Quote("spring", "fal", (replace(clip, request=request),), {})

    def test_what_is_not_surely_bought_is_priced_at_its_worst(self, purchase):
        for standing in ("new", "in doubt"):
            quote = self._quote(purchase, standing)
            assert (quote.usd, quote.reserve_usd, len(quote.to_buy)) == (Decimal("0.14"), Decimal("0.28"), 1)
        for standing in ("under way", "bought", "refused"):
            assert self._quote(purchase, standing).reserve_usd == 0

    def test_a_charge_left_behind_before_it_was_sent_is_quoted_again(self, purchase):
        charge, _new = purchase.till.ledger.claim(purchase._plan(), limits=Limits())

        request = purchase.clip.request
        assert quote_module.standing_of(request, charge, ()) == ("new", "")
        purchase.till.ledger.mark_sending(charge.charge_id, audio_url="u")
        sent = purchase.till.ledger.charge(charge.charge_id)
        assert quote_module.standing_of(request, sent, ())[0] == "in doubt"

    def test_a_campaign_that_changed_since_it_was_agreed_is_refused(self, purchase):
        agreed = self._quote(purchase)

        agreed.assert_covers(self._quote(purchase))
        agreed.assert_covers(self._quote(purchase, "bought"))
        with pytest.raises(SpendRefused, match=r"changed since it was quoted \(a\)"):
            agreed.assert_covers(self._quote(purchase, resolution="480p"))

    def test_a_dearer_clip_is_not_covered_by_what_another_no_longer_costs(self, purchase):
        def quoted(**usd):
            script = purchase.clip.request.script
            clips = [
                replace(
                    purchase.clip,
                    request=replace(
                        purchase.clip.request, script=replace(script, clip_id=clip), image=SentImage(b"", ".png", clip)
                    ),
                    price=replace(PRICE, usd_per_second=Decimal(price)),
                )
                for clip, price in usd.items()
            ]
            return Quote("spring", "fal", tuple(clips), {})

        agreed = quoted(a="0.14", b="0.14", c="0.14")

        agreed.assert_covers(quoted(a="0.10", c="0.14"))
        with pytest.raises(SpendRefused, match=r"since it was quoted \(the price of a rose\); look at a new quote"):
            agreed.assert_covers(quoted(a="0.40"))

    @pytest.mark.parametrize("change", [{"text": "Bye."}, {"voice": "low"}, {"language": "de"}])
    def test_speech_of_another_text_or_voice_is_never_bought_for(self, purchase, change):
        speech = purchase.clip.request.speech

        assert quote_module.is_spoken(SCRIPT, speech)
        assert not quote_module.is_spoken(replace(SCRIPT, **change), speech)
        assert not quote_module.is_spoken(SCRIPT, None)

    def test_a_bought_video_is_not_drafted_over(self, purchase):
        bought = _complete(purchase)
        drafting = replace(purchase.till.settings, provider="studio")

        standing = quote_module.standing_charges(drafting, purchase.till.ledger, [bought.fingerprint, "f" * 64])

        assert standing == {bought.fingerprint: bought}
