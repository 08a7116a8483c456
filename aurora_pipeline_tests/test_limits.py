"""Portrait and speech are checked against the model's limits before money, and each finding is a plain sentence."""

import hashlib
import io
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from aurora_pipeline.aurora_videos import limits
from aurora_pipeline.aurora_videos.limits import SeenPortrait, doubts_of, look_at, unfit_for
from aurora_pipeline.aurora_videos.request import AuroraRequest, SentImage
from aurora_pipeline.aurora_videos.suitability import Suitability, suitability_of
from aurora_pipeline.gear import faces
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.models import Model, read_models
from aurora_pipeline.script_table import Campaign, DeliverySettings, Script
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline_tests.conftest import REPOSITORY

AVATARS = REPOSITORY / "data" / "avatars"
MODEL = Model(
    "pet",
    "x/pet",
    {"image": "i", "audio": "a"},
    (),
    "page",
    min_seconds=2,
    max_seconds=60,
    min_pixels=300,
    max_pixels=4000,
    max_aspect=2.5,
    faces=1,
    blackens_alpha=True,
)
FINE = SeenPortrait(1280, 720, is_transparent=False, faces=1)


@pytest.fixture
def store(tmp_path):
    return MediaStore(tmp_path / "media")


def _sent(picture):
    held = io.BytesIO()
    picture.save(held, "PNG")
    return SentImage(held.getvalue(), ".png", hashlib.sha256(held.getvalue()).hexdigest())


def _two_people(second=1.0):
    """Ana at the left, Kofi at the right, ``second`` times as large."""
    both = Image.new("RGB", (1440, 720), (222, 226, 234))
    ana, kofi = (
        Image.open(AVATARS / f"{name}.png").convert("RGB").crop((280, 0, 1000, 720)) for name in ("ana", "kofi")
    )
    both.paste(ana, (0, 0))
    both.paste(kofi.resize((round(720 * second), round(720 * second))), (760, 0))
    return both


# ---- what is sure
def test_a_clip_within_the_limits_is_fit():
    assert unfit_for(MODEL, portrait=FINE, seconds=12.3) == ()
    assert unfit_for(MODEL, portrait=FINE, seconds=60) == unfit_for(MODEL, portrait=FINE, seconds=2) == ()


@pytest.mark.parametrize(
    ("portrait", "seconds", "said"),
    [
        (FINE, 60.04, "the speech is 60.04 s long; pet takes at most 60 s, so split the text into several rows"),
        (FINE, 1.2, "the speech is 1.20 s long; pet needs at least 2 s, so write more text"),
        (
            replace(FINE, width=299, height=512),
            9,
            "the portrait is 299x512 pixels; pet needs at least 300 on the shorter side, so use a larger picture",
        ),
        (
            replace(FINE, width=4096, height=2000),
            9,
            "the portrait is 4096x2000 pixels; pet takes at most 4000 on the longer side, so save it smaller",
        ),
        (
            replace(FINE, width=400, height=1001),
            9,
            "the portrait is 400x1001 pixels; pet takes a longer side of at most 2.5 times the shorter, so crop it",
        ),
        (
            replace(FINE, is_transparent=True),
            9,
            "the portrait has transparent parts, which pet turns black; save it without them",
        ),
    ],
)
def test_what_a_model_would_refuse_or_spoil_is_one_sentence(portrait, seconds, said):
    assert unfit_for(MODEL, portrait=portrait, seconds=seconds) == (said,)


def test_a_limit_nobody_knows_is_not_checked():
    unknown = Model("free", "x/free", {"image": "i", "audio": "a"}, (), "page")

    assert unfit_for(unknown, portrait=SeenPortrait(1, 9000, is_transparent=True, faces=7), seconds=9000) == ()
    assert doubts_of(unknown, portrait=SeenPortrait(1, 9000, is_transparent=True, faces=7)) == ()


# ---- what the face finder believes
@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, ("the portrait shows no face; pet animates one",)),
        (1, ()),
        (2, ("the portrait shows 2 faces; pet animates one",)),
    ],
)
def test_a_portrait_without_exactly_one_face_is_doubted(count, said):
    assert doubts_of(MODEL, portrait=replace(FINE, faces=count)) == said


@pytest.mark.parametrize(
    "file", [*sorted(AVATARS.glob("*.png")), REPOSITORY / "aurora_pipeline/studio/samples/portrait.png"]
)
@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (1920, 1080)])
def test_no_sample_portrait_raises_a_false_alarm(store, file, size):
    sent = _sent(Image.open(file).convert("RGB").resize(size))

    assert look_at(store, sent) == SeenPortrait(*size, is_transparent=False, faces=1)


@pytest.mark.parametrize("second", [1.0, 0.6, 0.35, 0.25])
def test_two_people_are_counted_however_different_their_size(store, second):
    assert look_at(store, _sent(_two_people(second))).faces == 2


def test_counting_leaves_the_search_for_the_main_face_as_quick_as_it_was(monkeypatch):
    looked = []
    detect = faces._detect
    monkeypatch.setattr(faces, "_detect", lambda picture, square: looked.append(square) or detect(picture, square))

    faces.find_face(_two_people(0.35))

    assert len(looked) == 1


def test_transparency_is_seen_in_what_is_sent(store):
    assert look_at(store, _sent(Image.open(AVATARS / "ana.png").convert("RGBA"))).is_transparent


def test_a_portrait_is_looked_at_once(store, monkeypatch):
    sent = _sent(Image.open(AVATARS / "ana.png").convert("RGB"))
    first = look_at(store, sent)
    monkeypatch.setattr(faces, "every_face", None)

    assert look_at(store, sent) == first
    monkeypatch.setattr(limits, "WAY_OF_LOOKING", limits.WAY_OF_LOOKING + 1)
    with pytest.raises(TypeError):
        look_at(store, sent)


# ---- a campaign's word
def _request(picture, model="aurora", seconds=4.0, resolution="720p"):
    script = Script("s", "a", "Hi", "ana", "p", "heart", "en-US", resolution, None, Decimal(1), Decimal(2), 2, model)
    speech = Speech("s", "a", "a" * 64, seconds, 24000, "hibari", "1", "heart", "en-US", "Hi", "measured", ())
    return AuroraRequest(script, speech, _sent(picture), read_models(REPOSITORY / "data" / "models.csv").named(model))


def _suitability(store, request, portrait_check):
    campaign = Campaign(
        "s", "S", None, Path(), DeliverySettings(), (request.script,), "", portrait_check=portrait_check
    )
    return suitability_of(store, campaign, request)


def test_a_doubted_portrait_is_held_back_unless_the_campaign_overrules_the_face_finder(store):
    said = ("the portrait shows 2 faces; aurora animates one",)

    assert _suitability(store, _request(_two_people()), "hold") == Suitability(unfit=said)
    assert _suitability(store, _request(_two_people()), "warn") == Suitability(warnings=said)


def test_a_models_own_limits_cannot_be_overruled(store):
    request = _request(_two_people(), seconds=301)

    assert _suitability(store, request, "warn") == Suitability(
        unfit=("the speech is 301.00 s long; aurora takes at most 300 s, so split the text into several rows",),
        warnings=("the portrait shows 2 faces; aurora animates one",),
    )


def test_a_model_that_animates_anything_is_given_anything(store):
    tile = Image.new("RGB", (400, 400), "tan")

    assert _suitability(store, _request(tile, "kling-avatar", resolution="any"), "hold") == Suitability()
    assert _suitability(store, _request(tile), "hold").unfit == ("the portrait shows no face; aurora animates one",)
