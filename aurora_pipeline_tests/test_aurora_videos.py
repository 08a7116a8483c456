"""One clip's purchase against a scripted provider and a real ledger: whatever happens, one accepted request."""

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from aurora_pipeline.aurora_videos import ledger as ledger_module
from aurora_pipeline.aurora_videos import purchase as purchase_module
from aurora_pipeline.aurora_videos.ledger import Ledger
from aurora_pipeline.aurora_videos.purchase import Purchase
from aurora_pipeline.aurora_videos.quote import QuotedClip
from aurora_pipeline.aurora_videos.request import AuroraRequest, SentImage
from aurora_pipeline.errors import Interrupted, OutcomeUnknown, OverBudget, RequestRefused, VideoUnusable
from aurora_pipeline.gear import ffmpeg
from aurora_pipeline.gear.fal import RequestState, Result, Unreachable
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

    def _fault(self, name):
        if name in self.faults:
            self.faults.remove(name)
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
        return next(((r, None) for r, url in self.accepted.items() if url == audio_url), None)

    def state(self, endpoint, request_id):
        self.polls += 1
        if self._fault("poll breaks"):
            raise Unreachable("502")
        return RequestState(is_completed=True, error="bad" if "job fails" in self.faults else "")

    def result(self, endpoint, request_id, *, has_failed):
        if self._fault("job fails"):
            raise RequestRefused("no face", may_be_billed="422" in self.faults)
        return Result({"video": {"url": "https://v3.fal.media/v.mp4"}}, Decimal(1))

    def download(self, url, target):
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
    clip = QuotedClip(request, PRICE, Decimal("0.20"), None, "new")
    return Purchase(settings, clip, "run-1", Decimal(10), Ledger(settings.ledger), store, fal)


def _complete(purchase):
    return purchase.complete(threading.Event())[0]


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


@pytest.mark.parametrize("fault", ["poll breaks", "download cut", "answer lost"])
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

    with pytest.raises(OutcomeUnknown, match=r"\$0\.40 stays reserved and it is not sent again"):
        _complete(purchase)
    with pytest.raises(OutcomeUnknown, match="not on the provider's list yet"):
        _complete(purchase)
    assert fal.accepted == {}
    assert purchase.ledger.budget("fal", "spring").reserved_usd == Decimal("0.40")

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
        _complete(replace(purchase, limit_usd=Decimal("0.39")))

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


def test_the_horizon_is_measured_from_the_sending(purchase):
    charge, _new = purchase.ledger.claim(purchase._plan(), limit_usd=None)
    purchase.ledger.mark_sending(charge.charge_id, audio_url="u")

    sent_at = purchase.ledger.charge(charge.charge_id).sent_at

    assert timedelta(0) <= datetime.now(UTC) - sent_at < timedelta(minutes=1)
