"""Models are data: a row of models.csv says what is sent, what it costs to ask, and what the studio stands in for."""

import contextlib
import csv
import json
import shutil
import subprocess
import sys
import wave
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import format_datetime

import duckdb
import httpx
import pytest
from PIL import Image

from aurora_pipeline.aurora_videos import Video
from aurora_pipeline.aurora_videos.ledger import Ledger
from aurora_pipeline.aurora_videos.request import AuroraRequest, SentImage
from aurora_pipeline.deliverables.current import assert_current
from aurora_pipeline.errors import BadInput, PriceUnknown, VideoUnusable
from aurora_pipeline.gear.fal_platform import Platform
from aurora_pipeline.models import SHIPPED, read_models
from aurora_pipeline.price_book import read_price_book
from aurora_pipeline.script_table import Script
from aurora_pipeline.settings import from_environment
from aurora_pipeline.stage_tables import read_rows
from aurora_pipeline.studio.pricing import Prices
from aurora_pipeline.tts_audio import Speech
from aurora_pipeline_tests.conftest import REPOSITORY, write_campaign

COMMITTED = REPOSITORY / "data" / "models.csv"
HEADER = "name,endpoint,image,audio,prompt,resolution,resolutions,required,extra,min_seconds,max_seconds,faces,source\n"
AURORA = "aurora,fal-ai/creatify/aurora,image_url,audio_url,prompt,resolution,720p 480p,,,,300,1,page\n"
KLING, FABRIC = "fal-ai/kling-video/ai-avatar/v2/standard", "veed/fabric-1.0"
SCRIPT = Script("s", "a", "Hi", "ana", "p", "heart", "en-US", "720p", None, Decimal(1), Decimal(2), 2)
SPEECH = Speech("s", "a", "a" * 64, 4.2, 24000, "hibari", "1", "heart", "en-US", "Hi", "measured", ())
IMAGE = SentImage(b"png", ".png", "i" * 64)


@pytest.fixture
def table(tmp_path):
    """A model table with the rows given, below Aurora's."""

    def table(*rows, aurora=AURORA):
        file = tmp_path / "data" / "models.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(HEADER + aurora + "".join(f"{row}\n" for row in rows))
        return read_models(file)

    return table


# ---- the table
def test_the_shipped_table_is_the_committed_one_and_stands_in_where_a_home_has_none(tmp_path):
    assert SHIPPED.read_bytes() == COMMITTED.read_bytes()
    assert read_models(tmp_path / "models.csv").names == ("aurora", "kling-avatar", "fabric")


def test_every_shipped_model_says_where_it_was_read_and_has_a_price():
    book = read_price_book(REPOSITORY / "data" / "price_book.csv")

    for model in read_models(COMMITTED).rows:
        assert model.source.startswith("https://fal.ai/models/")
        assert "known" in model.note
        for resolution in model.priced_resolutions:
            assert book.price(model.endpoint, resolution, on=date(2026, 11, 22)).usd_per_second > 0


def test_auroras_row_says_what_its_api_page_says():
    aurora = read_models(COMMITTED).named("aurora")

    assert (aurora.endpoint, aurora.app, aurora.default_resolution) == (
        "fal-ai/creatify/aurora",
        "fal-ai/creatify",
        "720p",
    )
    assert set(aurora.fields) == {
        "image",
        "audio",
        "prompt",
        "guidance_scale",
        "audio_guidance_scale",
        "resolution",
    }
    assert (aurora.max_seconds, aurora.faces, aurora.blackens_alpha) == (300, 1, True)


def test_every_problem_of_a_malformed_table_is_told_with_its_line_and_column(table):
    with pytest.raises(BadInput) as caught:
        table(
            "Bad Name,no-slash,image url,audio_url,,,,,,,,,page",
            "a,x/a,image_url,audio_url,,resolution,,prompt,[1],2,1,one,page",
            "b,x/b,image_url,image_url,,,480,,,0,,,page",
            'c,x/c,image_url,audio_url,,,,speed,"{""audio_url"": 1}",,,,',
        )

    assert [str(problem) for problem in caught.value.problems] == [
        "line 3, endpoint: is 'no-slash'; write it as the provider does, such as fal-ai/creatify/aurora",
        "line 3, image: is 'image url'; write the provider's name of this field, such as image_url",
        "line 3, name: is 'Bad Name'; use small letters, digits, '.', '-' or '_', beginning with a letter",
        """line 4, extra: is '[1]'; write a JSON object such as {"num_frames": 145}""",
        "line 4, faces: is 'one'; write a positive whole number, or leave it empty",
        "line 4, min_seconds: is more than max_seconds; swap the two",
        "line 4, required: names 'prompt', but the column prompt is empty; fill it in",
        "line 4, resolutions: and resolution belong together; fill in both, or empty both for a model without "
        "resolutions",
        "line 5, image: 'image_url' is sent twice; keep one",
        "line 5, min_seconds: is '0'; write a positive number, or leave it empty",
        "line 5, resolutions: holds '480'; write them as 720p 480p, the default first",
        "line 6, extra: 'audio_url' is sent twice; keep one",
        "line 6, required: holds 'speed'; use one of: resolution, prompt, guidance_scale, audio_guidance_scale",
        "line 6, source: is empty",
    ]


def test_two_models_cannot_share_a_name_or_an_endpoint_and_the_default_must_be_there(table):
    with pytest.raises(BadInput, match="line 3, name: 'aurora' is also on line 2; keep one of the two"):
        table("aurora,x/a,image_url,audio_url,,,,,,,,,page")
    with pytest.raises(BadInput, match="line 3, endpoint: 'fal-ai/creatify/aurora' is also on line 2"):
        table("other,fal-ai/creatify/aurora,image_url,audio_url,,,,,,,,,page")
    with pytest.raises(BadInput, match="name: has no row 'aurora', the model of campaigns that name none; add it"):
        table("other,x/a,image_url,audio_url,,,,,,,,,page", aurora="")


# ---- the request
@pytest.mark.parametrize(
    ("changes", "fingerprint"),
    [
        ({}, "8cdcc77e4748c5f8248b95358507d31d3e5d0eaa87601318652004c8e2b465e2"),
        (
            {
                "prompt": "4K studio interview — soft light",
                "guidance_scale": Decimal("1.50"),
                "audio_guidance_scale": Decimal("2.000"),
                "resolution": "480p",
            },
            "ea2cddb50d0b4aa9aa16371ad2b759a79b9ddb4eab766100da7641fb8f5b9b61",
        ),
    ],
)
def test_what_aurora_was_asked_for_before_there_were_other_models_is_still_the_same_purchase(changes, fingerprint):
    # computed with version 0.1's own code: another value would buy everything again that is already bought
    assert AuroraRequest(replace(SCRIPT, **changes), SPEECH, IMAGE).fingerprint == fingerprint


def test_a_model_gets_its_own_field_names_its_extras_and_only_the_inputs_it_has(table):
    model = table('odd,x/odd,picture,voice,text,,,,"{""num_frames"": 145}",,,,page').named("odd")
    script = replace(SCRIPT, model="odd", resolution="any", prompt="Soft light")

    request = AuroraRequest(script, SPEECH, IMAGE, model)

    assert request.arguments(image_url="i", audio_url="a") == {
        "num_frames": 145,
        "picture": "i",
        "voice": "a",
        "text": "Soft light",
    }
    assert (request.endpoint, request.price_resolution) == ("x/odd", "any")


def test_endpoint_extras_inputs_and_media_each_make_another_purchase_and_field_names_do_not(table):
    def fingerprint(row, speech=SPEECH, **changes):
        changes = {"model": "odd", "resolution": "any", **changes}
        return AuroraRequest(replace(SCRIPT, **changes), speech, IMAGE, table(row).named("odd")).fingerprint

    base = "odd,x/odd,image_url,audio_url,prompt,,,,,,,,page"
    others = {
        fingerprint(base),
        fingerprint(base.replace("x/odd", "x/odd/v2")),
        fingerprint(base.replace("prompt,,,,,", 'prompt,,,,"{""fps"": 25}",')),
        fingerprint(base, prompt="Soft light"),
        fingerprint(base, replace(SPEECH, sha256="b" * 64)),
    }

    assert len(others) == 5
    assert fingerprint(base.replace("image_url", "picture")) == fingerprint(base)
    assert fingerprint(base, guidance_scale=Decimal(5)) == fingerprint(base)  # it takes none


def test_a_request_cannot_be_sent_to_another_model_than_its_row_names():
    with pytest.raises(ValueError, match="a asks for fabric, not aurora"):
        AuroraRequest(replace(SCRIPT, model="fabric"), SPEECH, IMAGE)


def test_a_lost_request_is_found_whatever_the_model_calls_its_audio():
    items = [{"request_id": "r-1", "json_input": {"voice": "mine", "picture": "p"}, "json_output": None}]
    now = datetime.now(UTC)
    headers = {"Date": format_datetime(now, usegmt=True)}
    answer = httpx.MockTransport(lambda request: httpx.Response(200, json={"items": items}, headers=headers))

    with httpx.Client(transport=answer) as http:
        assert Platform(http).find("x/odd", "mine", field="voice", since=now) == ("r-1", None)


# ---- the studio
@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A studio of the shipped table and prices, whose renderer is never reached; its HTTP client."""
    folder = tmp_path_factory.mktemp("studio")
    for name in ("models.csv", "price_book.csv"):
        shutil.copy(REPOSITORY / "data" / name, folder)
    with _studio(folder) as http:
        yield http


@contextlib.contextmanager
def _studio(folder):
    command = [sys.executable, "-m", "aurora_pipeline.studio", "--folder", folder, "--worker-command", "false"]
    with subprocess.Popen(
        [*command, "--price-book", folder / "price_book.csv"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            url = json.loads(process.stdout.readline())["url"]
            with httpx.Client(base_url=url, headers={"Authorization": "Key t"}, trust_env=False, timeout=60) as http:
                http.folder = folder
                yield http
        finally:
            process.terminate()


def _uploaded(http, content, content_type):
    asked = {"file_name": "file", "content_type": content_type}
    there = http.post("/rest.fal.ai/storage/upload/initiate?storage_type=gcs", json=asked).json()
    http.put(there["upload_url"], content=content).raise_for_status()
    return there["file_url"]


def _speech(tmp_path, seconds):
    with wave.open(str(tmp_path / "speech.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\1\0" * round(seconds * 8000))
    return (tmp_path / "speech.wav").read_bytes()


def _portrait(tmp_path, size):
    Image.new("RGB", size, "tan").save(tmp_path / "portrait.png")
    return (tmp_path / "portrait.png").read_bytes()


@pytest.mark.parametrize(
    ("endpoint", "arguments", "said"),
    [
        (FABRIC, {}, ("resolution", "missing", None)),
        (FABRIC, {"resolution": "1080p"}, ("resolution", "one_of", {"expected": ["720p", "480p"]})),
        (KLING, {"prompt": 5}, ("prompt", "string_type", None)),
        (KLING, {"audio_url": None}, ("audio_url", "string_type", None)),
    ],
)
def test_each_endpoint_refuses_arguments_by_its_own_row(studio, endpoint, arguments, said):
    answer = studio.post(f"/fal.run/{endpoint}", json={"image_url": "i", "audio_url": "a", **arguments})

    (item,) = answer.json()["detail"]
    assert answer.status_code == 422
    assert (item["loc"][1], item["type"], item.get("ctx")) == said


@pytest.mark.parametrize(
    ("seconds", "size", "said"),
    [
        (1.5, (400, 400), ("audio_duration_too_short", {"min_duration": 2, "provided_duration": 1.5})),
        (61, (400, 400), ("audio_duration_too_long", {"max_duration": 60, "provided_duration": 61})),
        (3, (299, 500), ("image_too_small", {"min_height": 300, "min_width": 300})),
    ],
)
def test_a_models_limits_are_enforced_as_fal_would(studio, tmp_path, seconds, size, said):
    image = _uploaded(studio, _portrait(tmp_path, size), "image/png")
    audio = _uploaded(studio, _speech(tmp_path, seconds), "audio/wav")

    answer = studio.post(f"/fal.run/{KLING}", json={"image_url": image, "audio_url": audio})

    (item,) = answer.json()["detail"]
    assert (answer.status_code, item["type"], item["ctx"]) == (422, *said)
    assert item["url"] == f"https://docs.fal.ai/errors#{said[0]}"


def test_a_request_is_found_under_its_own_owner_and_alias_and_listed_under_its_endpoint(studio):
    taken = studio.post(f"/queue.fal.run/{KLING}", json={}).json()

    assert taken["status_url"].endswith(f"/queue.fal.run/fal-ai/kling-video/requests/{taken['request_id']}/status")
    assert studio.get(taken["status_url"]).status_code == 200
    assert studio.get(taken["status_url"].replace("kling-video", "creatify")).status_code == 404
    for endpoint, count in ((KLING, 1), (FABRIC, 0)):
        query = {"endpoint_id": endpoint, "start": "2026-01-01T00:00:00Z"}
        items = studio.get("/api.fal.ai/v1/models/requests/by-endpoint", params=query).json()["items"]
        assert [item["request_id"] for item in items].count(taken["request_id"]) == count


def test_each_endpoint_has_its_own_price_and_its_own_page_in_the_documentation(studio):
    asked = {"endpoint_id": [KLING, FABRIC, "x/none"]}
    prices = studio.get("/api.fal.ai/v1/models/pricing", params=asked).json()["prices"]
    paths = studio.get("/openapi.json").json()["paths"]

    assert [(row["endpoint_id"], row["unit_price"]) for row in prices] == [(KLING, 0.0562), (FABRIC, 0.08)]
    assert studio.get("/api.fal.ai/v1/models/pricing", params={"endpoint_id": "x/none"}).status_code == 404
    body = paths[f"/queue.fal.run/{FABRIC}"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["image_url", "audio_url", "resolution"]


def test_a_model_added_to_the_table_and_the_price_book_is_served_at_once(tmp_path):
    for name in ("models.csv", "price_book.csv"):
        shutil.copy(REPOSITORY / "data" / name, tmp_path)
    with _studio(tmp_path) as http:
        assert http.post("/queue.fal.run/x/talker", json={}).status_code == 404

        _add_talker(tmp_path)

        assert http.post("/queue.fal.run/x/talker", json={}).status_code == 200


def test_a_model_without_any_price_is_not_served_and_one_priced_in_part_is_a_mistake(tmp_path):
    lines = (REPOSITORY / "data" / "price_book.csv").read_text().splitlines(keepends=True)
    shutil.copy(COMMITTED, tmp_path)
    book = tmp_path / "price_book.csv"

    book.write_text("".join(line for line in lines if "veed" not in line))
    assert [model.name for model in Prices(book).served()] == ["aurora", "kling-avatar"]
    book.write_text("".join(line for line in lines if f"{FABRIC},480p" not in line))
    with pytest.raises(PriceUnknown, match=r"has no price for veed/fabric-1\.0 480p"):
        Prices(book)
    book.write_text(lines[0] + "x/y,any,second,1,2026-01-01,2027-01-01,page,\n")
    with pytest.raises(PriceUnknown, match=r"price_book\.csv prices no model of .*models\.csv; add rows"):
        Prices(book)


# ---- the whole flow
def _add_talker(folder):
    """A further model, by data alone."""
    with (folder / "models.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    row = {"name": "talker", "endpoint": "x/talker", "image": "face", "audio": "voice", "prompt": "text"}
    row |= {"resolution": "size", "resolutions": "480p", "required": "prompt", "extra": '{"fps": 25}', "source": "test"}
    with (folder / "models.csv").open("a", newline="") as file:
        csv.DictWriter(file, columns).writerow(row)
    with (folder / "price_book.csv").open("a") as file:
        file.write("x/talker,480p,second,0.03,2026-01-01,2027-06-30,test,\n")


@pytest.fixture(scope="module")
def drafted(aurora, new_home):
    """A campaign of three models, one of them only this home's own; (its settings, what `aurora run` said)."""
    home = new_home()
    _add_talker(home / "data")
    rows = [
        'k,"Good morning, and welcome aboard our ship.",kling-avatar,',
        'f,"Good morning.",fabric,',
        't,"Good morning.",talker,Soft light',
    ]
    write_campaign(home, "mixed", rows, head="clip_id,text,model,prompt")
    return from_environment({"AURORA_HOME": str(home)}), aurora(home, "run", "mixed")


def test_models_added_by_data_alone_are_drafted_from_script_to_deliverables(drafted):
    settings, said = drafted

    assert said.returncode == 0, said.stderr
    assert "Mixed: 3 clips are finished." in said.stdout
    videos = {video.clip_id: video for video in read_rows(settings, "aurora_videos", "mixed", Video)}
    assert {clip: video.endpoint for clip, video in videos.items()} == {"k": KLING, "f": FABRIC, "t": "x/talker"}
    assert {clip: video.resolution for clip, video in videos.items()} == {"k": "any", "f": "480p", "t": "480p"}
    assert all(video.is_draft for video in videos.values())


def test_each_models_draft_would_have_cost_its_own_price(drafted):
    settings, _said = drafted
    charges = {charge.clip_id: charge for charge in Ledger(settings.ledger).charges()}

    assert {clip: charge.usd_per_unit for clip, charge in charges.items()} == {
        "k": Decimal("0.0562"),
        "f": Decimal("0.08"),
        "t": Decimal("0.03"),
    }
    for charge in charges.values():
        assert charge.billed_usd == charge.billed_seconds * charge.usd_per_unit
    with duckdb.connect(str(settings.warehouse), read_only=True) as facts:
        assert dict(facts.execute("SELECT clip_id, endpoint FROM charges").fetchall()) == {
            "k": KLING,
            "f": FABRIC,
            "t": "x/talker",
        }


def test_a_video_of_another_model_is_not_delivered_under_todays_name(drafted):
    settings, _said = drafted
    (video,) = (row for row in read_rows(settings, "aurora_videos", "mixed", Video) if row.clip_id == "f")
    (speech,) = (row for row in read_rows(settings, "tts_audio", "mixed", Speech) if row.clip_id == "f")
    (script,) = (row for row in read_rows(settings, "script_table", "mixed", Script) if row.clip_id == "f")
    assert_current(script, speech, video)

    with pytest.raises(VideoUnusable, match="Clip 'f' was not delivered: its model changed since its video was made"):
        assert_current(replace(script, model="aurora"), speech, video)
