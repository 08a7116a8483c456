"""CampaignFacts -> one HTML file: what it shows, that it is whole, and that nothing in it can do harm."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from PIL import Image

from aurora_pipeline.aurora_videos.records import Charge, Video, Waiver
from aurora_pipeline.deliverables.records import Deliverable, Quality
from aurora_pipeline.script_table.records import Campaign, DeliverySettings, Script
from aurora_pipeline.settings import Settings
from aurora_pipeline.stage_tables import Failure
from aurora_pipeline.tts_audio.records import Finding, Speech, Word
from aurora_pipeline.warehouse import report
from aurora_pipeline.warehouse.records import CampaignFacts
from aurora_pipeline.warehouse.report import write_report

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
WORDS = (Word("Spring", 0.2, 0.5), Word("is", 0.5, 0.7), Word("here.", 0.7, 1.25), Word("<Go>", 61.0, 62.5))


class Page(HTMLParser):
    """Every tag with its attributes, and every visible text, as a browser would read them."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.source = file.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def values(self, tag: str, attribute: str) -> list[str]:
        found = [attributes.get(attribute) for name, attributes in self.tags if name == tag]
        return [value for value in found if value is not None]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, output=tmp_path / "data" / "output")


def a_script(clip_id: str, line: int, text: str = "Spring is here.") -> Script:
    return Script(
        "spring", clip_id, text, "anna.png", "portrait", "amy", "en", "720p", None, Decimal(1), Decimal(2), line
    )


def a_video(clip_id: str, **changed: Any) -> Video:
    plain = Video(
        campaign="spring", clip_id=clip_id, provider="fal", is_draft=False, endpoint="aurora", fingerprint="print",
        charge_id=f"charge-{clip_id}", request_id="request", sha256=f"video-{clip_id}", speech_sha256="speech",
        portrait_sha256="portrait", resolution="720p", width=720, height=1280, fps=25.0, seconds=9.4, billed_seconds=10,
        usd_per_second=Decimal("0.14"), usd=Decimal("1.40"), was_reused=False,
    )  # fmt: skip
    return replace(plain, **changed)


def a_charge(clip_id: str, provider: str = "fal") -> Charge:
    return Charge(
        charge_id=f"charge-{clip_id}", provider=provider, fingerprint="print", campaign="spring", clip_id=clip_id,
        run_id="run", endpoint="aurora", resolution="720p", state="settled", request_id="request", audio_seconds=9.4,
        usd_per_unit=Decimal("0.14"), price_source="fal.ai", reserved_usd=Decimal("1.54"), billed_seconds=10,
        billable_units=None, billed_usd=Decimal("1.40"), video_sha256="video", sentence=None, planned_at=NOON,
        sent_at=NOON, accepted_at=NOON, settled_at=NOON,
    )  # fmt: skip


def a_quality(clip_id: str, verdict: str, reasons: str) -> Quality:
    return Quality("spring", clip_id, verdict, reasons, 9.3, 9.4, 9.4, 0, 0, 0, 720, 1280, 25, "h264", -14, -1.5, 0.5,
                   "video")  # fmt: skip


def a_file(settings: Settings, clip_id: str, rendition: str, content: bytes, *, name: str = "") -> Deliverable:
    """A deliverable whose fake bytes are on disk."""
    relative = f"deliverables/spring/{name or clip_id}.{rendition}.{'jpg' if rendition == 'poster' else 'mp4'}"
    path = settings.output / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    is_picture = rendition == "poster"
    return Deliverable("spring", clip_id, rendition, False, f"{rendition}-{clip_id}", relative, len(content), 1080,
                       1920, None if is_picture else 25.0, None if is_picture else 9.4, "h264", "aac", -14.0, -1.5,
                       f"video-{clip_id}")  # fmt: skip


def a_poster(settings: Settings, clip_id: str) -> Deliverable:
    made = a_file(settings, clip_id, "poster", b"")
    Image.new("RGB", (1080, 1920), "#8899aa").save(settings.output / made.file)
    return made


def facts_of(scripts: Sequence[Script], **more: Any) -> CampaignFacts:
    campaign = Campaign(
        "spring", "Spring sale", Decimal(50), Path("spring"), DeliverySettings(), tuple(scripts), "hash"
    )
    return CampaignFacts(campaign, **more)


def with_script(facts: CampaignFacts, script: Script) -> CampaignFacts:
    return replace(facts, campaign=replace(facts.campaign, scripts=(script,)))


def a_delivered_clip(settings: Settings, **changed: Any) -> CampaignFacts:
    """One bought clip, c1, with a poster, a big master and a small rendition."""
    files = [a_file(settings, "c1", "master", b"M" * 3000), a_file(settings, "c1", "9x16", b"small"),
             a_poster(settings, "c1")]  # fmt: skip
    facts = facts_of(
        [a_script("c1", 2)],
        speeches=[Speech("spring", "c1", "speech", 9.3, 24000, "hibari", "1", "amy", "en", "Spring", "engine", WORDS)],
        videos=[a_video("c1")],
        deliverables=files,
        quality=[a_quality("c1", "pass", "")],
        charges=[a_charge("c1")],
    )
    return replace(facts, **changed)


def test_the_page_shows_totals_clip_and_cost(settings: Settings) -> None:
    file = write_report(settings, a_delivered_clip(settings))

    text = Page(file).text
    assert file == settings.output / "warehouse" / "reports" / "spring.html"
    for expected in ("Spring sale", "Delivered 1 of 1", "Length 9.4 s", "Paid $1.40", "Would have cost $0.00",
                     "Budget $50.00 $48.60 left", "To look at 0", "pass", "Spring is here.", "Voice amy, en",
                     "Portrait anna.png", "Cost $1.40 (10 s at 720p)", "line 2 of scripts.csv"):  # fmt: skip
        assert expected in text
    assert "DRAFT" not in text


def test_the_smallest_playable_file_and_the_poster_are_inside_the_page(settings: Settings) -> None:
    page = Page(write_report(settings, a_delivered_clip(settings)))

    assert page.values("source", "src") == ["data:video/mp4;base64," + base64.b64encode(b"small").decode()]
    assert page.values("video", "preload") == ["none"]
    assert page.values("video", "poster")[0].startswith("data:image/jpeg;base64,")
    assert "is inside this page" in page.text


def test_every_rendition_is_linked_relative_to_the_page(settings: Settings) -> None:
    facts = a_delivered_clip(settings)
    odd = a_file(settings, "c1", "1x1", b"square!", name="100% #1 ü")
    file = write_report(settings, replace(facts, deliverables=[*facts.deliverables, odd]))

    links = [link for link in Page(file).values("a", "href") if not link.startswith("#")]

    assert links[0] == "../../deliverables/spring/c1.master.mp4"
    assert [(file.parent / unquote(link)).resolve() for link in links] == [
        (settings.output / made.file).resolve() for made in (*facts.deliverables, odd)
    ]


def test_a_large_campaign_plays_the_files_beside_the_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "EMBED_AT_MOST_BYTES", 4)

    page = Page(write_report(settings, a_delivered_clip(settings)))

    assert page.values("source", "src") == ["../../deliverables/spring/c1.9x16.mp4"]
    assert "too large to be put inside this page" in page.text


def test_drafts_are_marked_and_say_what_they_would_have_cost(settings: Settings) -> None:
    video = a_video("c1", provider="studio", is_draft=True)
    facts = a_delivered_clip(settings, videos=[video], charges=[a_charge("c1", "studio")])

    page = Page(write_report(settings, facts))

    assert "DRAFT 1 of 1 clips are free drafts of the local studio" in page.text
    assert "Paid $0.00" in page.text
    assert "Would have cost $1.40" in page.text
    assert "$0.00, would have cost $1.40 (10 s at 720p)" in page.text
    assert [attributes for _, attributes in page.tags if attributes.get("class") == "mark"]


def test_failures_and_warnings_are_listed_with_their_sentences(settings: Settings) -> None:
    facts = a_delivered_clip(settings)
    facts = replace(
        facts,
        campaign=replace(facts.campaign, scripts=(a_script("c1", 2), a_script("c2", 3), a_script("c3", 4))),
        quality=[a_quality("c1", "warn", "The mouth hardly moves.")],
        failures=[Failure("spring", "c2", "tts_audio", "The voice 'amy' cannot speak 'zz'.")],
    )

    page = Page(write_report(settings, facts))

    assert "To look at 2 1 to check, 1 failed" in page.text
    assert "failed c2 The voice 'amy' cannot speak 'zz'. warn c1 The mouth hardly moves." in page.text
    assert "tts_audio: The voice 'amy' cannot speak 'zz'." in page.text
    assert "No video: this clip failed." in page.text
    assert "Its speech is not made yet." in page.text
    assert set(page.values("a", "href")) >= {"#clip-2", "#clip-3"}


def test_a_reused_clip_costs_nothing_here(settings: Settings) -> None:
    video = a_video("c1", was_reused=True, usd=Decimal(0), charge_id="theirs")

    page = Page(write_report(settings, a_delivered_clip(settings, videos=[video], charges=[])))

    assert "$0.00, reused from a clip that was bought before (10 s at 720p)" in page.text
    assert "Paid $0.00" in page.text


def test_a_campaign_without_budget_says_that_nothing_can_be_bought(settings: Settings) -> None:
    facts = facts_of([])

    page = Page(write_report(settings, replace(facts, campaign=replace(facts.campaign, budget_usd=None))))

    assert "Budget None so nothing can be bought" in page.text
    assert "Delivered 0 of 0" in page.text


HOSTILE = (
    """<script>alert(1)</script> "quoted" 'single' </video><img src=x onerror=alert(2)> {{ 7 * 7 }} {% raw %} &amp;"""
)


def test_whatever_people_wrote_is_shown_as_text(settings: Settings) -> None:
    facts = a_delivered_clip(settings)
    script = replace(a_script("c1", 2, HOSTILE), voice=HOSTILE, portrait=HOSTILE, language=HOSTILE)
    hostile = replace(
        facts,
        campaign=replace(facts.campaign, title=HOSTILE, scripts=(script, replace(script, clip_id=HOSTILE, line=3))),
        failures=[Failure("spring", HOSTILE, "deliverables", HOSTILE)],
        quality=[a_quality("c1", "warn", HOSTILE)],
        speeches=[replace(facts.speeches[0], verdict="fail", findings=(Finding("text", "fail", HOSTILE),))],
        waivers=[Waiver("spring", "c1", facts.speeches[0].sha256, HOSTILE, HOSTILE, NOON)],
    )

    page = Page(write_report(settings, hostile))

    tags = {name for name, _ in page.tags}
    plain = {name for name, _ in Page(write_report(settings, facts)).tags}
    assert tags - plain <= {"b", "section", "ul", "li", "p"}
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert page.text.count(HOSTILE) >= 11
    assert f"Waived by {HOSTILE}:" in page.text


def test_a_card_says_what_was_heard_by_whom_and_who_waived_this_very_audio(settings: Settings) -> None:
    facts = a_delivered_clip(settings)
    found = (Finding("text", "fail", "'Friday' instead of 'Tuesday' at 0.8 s."),)
    speech = replace(facts.speeches[0], verdict="fail", findings=found, recogniser="whisper base")
    waiver = Waiver("spring", "c1", speech.sha256, "our own joke", "Ada", NOON)
    heard = "(fail): 'Friday' instead of 'Tuesday' at 0.8 s."

    waived = Page(write_report(settings, replace(facts, speeches=[speech], waivers=[waiver])))
    of_older = replace(waiver, speech_sha256="what it said before")
    anew = Page(write_report(settings, replace(facts, speeches=[speech], waivers=[of_older])))

    assert f"{heard} Waived by Ada: our own joke" in waived.text
    assert "Heard fail, words compared by whisper base" in waived.text
    assert heard in anew.text
    assert "Waived" not in anew.text


def test_a_pass_that_nobody_compared_says_so(settings: Settings) -> None:
    facts = a_delivered_clip(settings)
    speech = replace(facts.speeches[0], recogniser="none: AURORA_LISTENER is off")

    page = Page(write_report(settings, replace(facts, speeches=[speech])))

    assert "Heard pass, words compared by nobody (AURORA_LISTENER is off)" in page.text


def test_right_to_left_text_sets_its_own_direction(settings: Settings) -> None:
    facts = a_delivered_clip(settings)
    arabic = "مرحبا بكم في متجرنا!"
    page = Page(
        write_report(settings, replace(facts, campaign=replace(facts.campaign, scripts=(a_script("c1", 2, arabic),))))
    )

    assert arabic in page.text
    assert {"class": "text", "dir": "auto", "lang": "en"} in [attributes for _, attributes in page.tags]


def test_the_page_needs_nothing_from_the_network_and_forbids_scripts(settings: Settings) -> None:
    page = Page(write_report(settings, a_delivered_clip(settings)))

    policy = page.values("meta", "content")[0]
    assert policy.startswith(
        "default-src 'none'; img-src data: 'self' file:; media-src data: 'self' file:; style-src 'unsafe-inline'"
    )
    assert not re.search(r"https?://|//cdn|@import|url\(", re.sub(r"base64,[\w+/=]+", "", page.source))
    assert {"script", "link", "iframe", "object", "form"} & {name for name, _ in page.tags} == set()


def test_captions_follow_the_words(settings: Settings) -> None:
    page = Page(write_report(settings, a_delivered_clip(settings)))

    captions = base64.b64decode(page.values("track", "src")[0].removeprefix("data:text/vtt;base64,")).decode()

    assert captions == (
        "WEBVTT\n\n00:00:00.200 --> 00:00:01.250\nSpring is here.\n\n00:01:01.000 --> 00:01:02.500\n&lt;Go&gt;\n\n"
    )
    assert page.values("track", "kind") == ["captions"]


def test_a_file_that_is_gone_is_named_and_not_linked(settings: Settings) -> None:
    facts = a_delivered_clip(settings)
    for made in facts.deliverables:
        (settings.output / made.file).unlink()

    page = Page(write_report(settings, facts))

    assert "master (missing)" in page.text
    assert "The finished files are no longer on this disk." in page.text
    assert not page.values("source", "src")


def test_a_poster_that_cannot_be_read_is_left_out(settings: Settings) -> None:
    facts = a_delivered_clip(settings)
    (settings.output / facts.deliverables[2].file).write_bytes(b"not a picture")

    page = Page(write_report(settings, facts))

    assert not page.values("video", "poster")
    assert page.values("source", "src")


def test_writing_again_replaces_the_page_and_leaves_no_half_file(settings: Settings) -> None:
    write_report(settings, a_delivered_clip(settings))
    file = write_report(settings, facts_of([]))

    assert "Delivered 0 of 0" in Page(file).text
    assert list(file.parent.iterdir()) == [file]
