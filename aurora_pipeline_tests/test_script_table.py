"""campaign.yaml + scripts.csv -> Script: what is read, and that every mistake is told with its place and mending."""

import shutil
import time
from dataclasses import asdict, fields, make_dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from PIL import Image

from aurora_pipeline.errors import BadInput
from aurora_pipeline.gear.media_store import sha256_of
from aurora_pipeline.gear.strict_csv import Columns, read_table
from aurora_pipeline.script_table import (
    DeliverySettings,
    campaign_names,
    campaign_sha256,
    new_campaign,
    portrait_file,
    read_campaign,
)
from aurora_pipeline.script_table.records import Pause
from aurora_pipeline.settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent
YAML = "name: Spring\nbudget_usd: 25\ndefaults:\n  portrait: ana\n"
CSV = "clip_id,text\nhello,Hello there.\n"
NEW = ("model", "approved")
FAL_KEY = "01234567-89ab-cdef-0123-456789abcdef:0123456789abcdef0123456789abcdef"

quick = effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _portrait(file, size=(256, 256)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "tan").save(file)
    return file


def _write(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "data" / "campaigns").mkdir(parents=True)
    for name in ("ana", "kofi", "mei"):
        _portrait(tmp_path / "data" / "avatars" / f"{name}.png")
    return Settings(root=tmp_path, output=tmp_path / "output")


@pytest.fixture
def read(settings):
    """Reads a campaign made of the two texts given."""

    def read(scripts=CSV, yaml=YAML):
        _write(settings.campaigns / "spring" / "campaign.yaml", yaml)
        _write(settings.campaigns / "spring" / "scripts.csv", scripts)
        return read_campaign(settings, "spring")

    return read


@pytest.fixture
def problems(read):
    """What is said of the two texts given: one string a problem, as people see it."""

    def problems(scripts=CSV, yaml=YAML):
        with pytest.raises(BadInput) as caught:
            read(scripts, yaml)
        return [str(problem) for problem in caught.value.problems]

    return problems


# what is read


def test_a_row_takes_the_campaigns_defaults_and_auroras_documented_ones(read, settings):
    (script,) = read().scripts

    assert (script.campaign, script.clip_id, script.text, script.line) == ("spring", "hello", "Hello there.", 2)
    assert (script.portrait, script.voice, script.language, script.resolution) == ("ana", "heart", "en-US", "720p")
    assert (script.prompt, script.guidance_scale, script.audio_guidance_scale) == (None, Decimal(1), Decimal(2))
    assert script.portrait_sha256 == sha256_of(settings.avatars / "ana.png")


def test_a_cell_overrides_the_default_and_an_empty_one_does_not(read):
    campaign = read(
        "clip_id,text,portrait,voice,resolution,prompt,guidance_scale,audio_guidance_scale,language\n"
        "a,Hi,kofi,low,480p,Calm.,0.5,5,en\n"
        "b,Hi,,,,,,,\n",
        "name: S\ndefaults: {portrait: ana, voice: high, resolution: 720p, prompt: Warm., guidance_scale: 3}\n",
    )

    a, b = campaign.scripts
    assert (a.portrait, a.voice, a.resolution, a.prompt, a.language) == ("kofi", "low", "480p", "Calm.", "en-US")
    assert (a.guidance_scale, a.audio_guidance_scale) == (Decimal("0.5"), Decimal(5))
    assert (b.portrait, b.voice, b.resolution, b.prompt, b.guidance_scale) == ("ana", "high", "720p", "Warm.", 3)


def test_the_campaigns_own_settings_are_read(read):
    campaign = read(
        yaml="name: 'Spring: the offer'\nbudget_usd: 25.50\ndefaults: {portrait: ana}\n"
        "deliverables:\n  renditions: [1x1]\n  short_side: 720\n  fit: pad\n  loudness_lufs: -16\n"
        "  true_peak_dbtp: -1\n"
    )

    assert (campaign.name, campaign.title, campaign.budget_usd) == ("spring", "Spring: the offer", Decimal("25.50"))
    assert campaign.delivery == DeliverySettings(("1x1",), 720, "pad", Decimal(-16), Decimal(-1))


def test_a_campaign_without_a_budget_has_none(read):
    assert read(yaml="name: S\nbudget_usd:\ndefaults: {portrait: ana}\n").budget_usd is None


@pytest.mark.parametrize(
    "scripts",
    [
        "\ufeffclip_id,text\nhello,Hello there.\n",
        "clip_id;text\nhello;Hello there.\n",
        "clip_id\ttext\nhello\tHello there.\n",
        "clip_id,text\rhello,Hello there.\r",
        "clip_id,text\r\nhello,Hello there.",
        " Clip ID , TEXT\nhello,Hello there.\n",
        'text,clip_id\n"Hello there.",hello\n',
    ],
    ids=["byte order mark", "semicolons", "tabs", "CR", "CRLF", "header case", "order and quotes"],
)
def test_what_needs_no_guessing_is_read(read, scripts):
    (script,) = read(scripts).scripts

    assert (script.clip_id, script.text, script.line) == ("hello", "Hello there.", 2)


@pytest.mark.parametrize("clip_id", ["001", "1e5", "12345678901234567890123", "2026-01-01", "true"])
def test_clip_ids_stay_text(read, clip_id):
    assert read(f"clip_id,text\n{clip_id},Hi\n").scripts[0].clip_id == clip_id


@pytest.mark.parametrize("text", ["NA", "null", "None", "=SUM(A1)", "-5", "1,5 litres"])
def test_text_that_spreadsheets_mangle_stays_text(read, text):
    assert read(f'clip_id,text\na,"{text}"\n').scripts[0].text == text


def test_blank_rows_are_skipped_and_lines_are_those_of_an_editor(read):
    campaign = read('clip_id,text\n\na,"two\nlines"\n,\n  ,  \nb,Hi\n')

    assert [(script.clip_id, script.line) for script in campaign.scripts] == [("a", 3), ("b", 7)]


def test_reordering_rows_changes_no_script_but_its_line(read):
    rows = ["a,One.", "b,Two.", "c,Three."]
    forwards = read("clip_id,text\n" + "\n".join(rows)).scripts
    backwards = read("clip_id,text\n" + "\n".join(reversed(rows))).scripts

    assert {replace(script, line=0) for script in forwards} == {replace(script, line=0) for script in backwards}


# what is wrong with scripts.csv


@pytest.mark.parametrize(
    ("scripts", "said"),
    [
        ("", "is empty; its header is clip_id,text"),
        ("clip_id,text\n\n", "holds no rows; write at least one row below the header"),
        ("clip_id,say\na,Hi\n", "line 1, text: is missing from the header; add this column"),
        (
            "clip_id,text,portriat\na,Hi,ana\n",
            "line 1, portriat: is not a column of this file, and no text uses {{ portriat }}; did you mean 'portrait'?",
        ),
        ("clip_id,text,text\na,Hi,Ho\n", "line 1, text: is in the header twice; delete one of the two columns"),
        ("clip_id,text,\na,Hi,\n", "line 1: the header's column 3 has no name; name it or delete the column"),
        (
            "clip_id,text\na,Hi\nb,One, two\n",
            "line 3: has 3 cells but the header has 2; an unquoted comma? Put that text in double quotes",
        ),
        (
            "clip_id,text\na\n",
            "line 2: has 1 cells but the header has 2; fill in the missing cells (they may be empty)",
        ),
        (
            'clip_id,text\na,"x\ny"\nb,"Hi\nc,Ho\n',
            'line 4: opens a double quote that is never closed; close it, or write "" for a quote in the text',
        ),
        (
            'clip_id,text\na,"Hi\nb,"Ho"\n',
            'line 2: has text after a closing double quote; write "" for a quote in the text, or close it later',
        ),
        (
            "clip_id,text\na,Hi\n\nb,Hi\na,Ho\n",
            "line 5, clip_id: 'a' is also on line 2; give each row its own clip_id",
        ),
        (
            "clip_id,text\nAd,Hi\naD,Ho\n",
            "line 3, clip_id: 'aD' differs only by upper and lower case from 'Ad' on line 2; "
            "give each row its own clip_id",
        ),
        ("clip_id,text\n,Hi\n", "line 2, clip_id: is empty; give every row its own clip_id"),
        (
            "clip_id,text\n../a,Hi\n",
            "line 2, clip_id: is '../a'; use 1 to 64 letters (a-z), digits, '-' or '_', "
            "beginning with a letter or digit",
        ),
        ("clip_id,text\na,\n", "line 2, text: is empty; write what is to be said, or delete the row"),
        ("clip_id,text\na,!!! \U0001f600\n", "line 2, text: has no letters or digits to speak; write words"),
        ("clip_id,text\na,Hi\x07\n", "line 2, text: holds the control character U+0007; delete it"),
        (
            "clip_id,text\na,Hi {{first_name}}\n",
            "line 2, text: uses {{ first_name }}, a column that scripts.csv does not have; add the column",
        ),
        (
            "clip_id,text\na,Hi <break time='2s'/> you\n",
            "line 2, text: holds the markup \"<break time='2s'/>\"; scripts are spoken as plain text, take it out",
        ),
        (
            "clip_id,text\na," + "word " * 1001 + "\n",
            "line 2, text: has 5,005 characters; 5,000 is the most, split it into clips",
        ),
        (
            "clip_id,text\na," + "x" * 101 + "\n",
            "line 2, text: has a word of more than 100 characters; put spaces between words",
        ),
        ("clip_id,text,resolution\na,Hi,1080p\n", "line 2, resolution: is '1080p'; use 480p or 720p"),
        ("clip_id,text,resolution\na,Hi,480P\n", "line 2, resolution: is '480P'; use 480p or 720p"),
        ("clip_id,text,voice\na,Hi,hart\n", "line 2, voice: there is no voice 'hart'; did you mean 'heart'?"),
        (
            "clip_id,text,language\na,Hi,cy\n",
            "line 2, language: is 'cy', but the voice 'heart' speaks en-US; voices for it: espeak-cy",
        ),
        (
            "clip_id,text,language\na,Hi,xx\n",
            "line 2, language: no voice speaks 'xx'; `aurora voices` lists the languages there are",
        ),
        (
            'clip_id,text,guidance_scale\na,Hi,"1,5"\n',
            "line 2, guidance_scale: is '1,5'; write decimals with a point: 1.5",
        ),
        ("clip_id,text,guidance_scale\na,Hi,-1\n", "line 2, guidance_scale: is -1; use a number from 0 to 5"),
        ("clip_id,text,guidance_scale\na,Hi,5.1\n", "line 2, guidance_scale: is 5.1; use a number from 0 to 5"),
        (
            "clip_id,text,audio_guidance_scale\na,Hi,nan\n",
            "line 2, audio_guidance_scale: is 'nan'; write a plain number such as 1.5",
        ),
        (
            "clip_id,text,portrait\na,Hi,anna\n",
            "line 2, portrait: there is no portrait 'anna' in the campaign's folder or data/avatars; "
            "did you mean 'ana'?",
        ),
        (
            b"clip_id,text\na,caf\xe9\n",
            "line 2: byte 0xe9 is not UTF-8 (an older Windows encoding?); save it as UTF-8 (in Excel: 'CSV UTF-8')",
        ),
        (
            "clip_id,text\na,Hi\n".encode("utf-16"),
            "line 1: holds NUL bytes (it looks like UTF-16); save it as UTF-8 (in Excel: 'CSV UTF-8')",
        ),
    ],
)
def test_a_mistake_in_scripts_csv_is_told_with_its_line_column_and_mending(problems, scripts, said):
    assert problems(scripts) == [said] or said in problems(scripts)


def test_every_problem_of_both_files_is_told_at_once(read):
    with pytest.raises(BadInput) as caught:
        read("clip_id,text,voice\na,,\nb,Hi,nobody\n", "name: S\nbudget_usd: 0\ndefaults: {portrait: ana}\n")

    assert str(caught.value) == (
        "data/campaigns/spring/campaign.yaml has 1 problem:\n"
        "    line 2, budget_usd: is 0; write a positive number of dollars, or delete the line to forbid spending\n"
        "data/campaigns/spring/scripts.csv has 2 problems:\n"
        "    line 2, text: is empty; write what is to be said, or delete the row\n"
        "    line 3, voice: there is no voice 'nobody'; `aurora voices` lists them\n"
        "  Mend this and run again. Nothing was spent."
    )


def test_more_rows_than_the_cap_are_refused(problems, monkeypatch):
    monkeypatch.setattr("aurora_pipeline.gear.strict_csv.MAX_ROWS", 2)

    assert problems("clip_id,text\na,Hi\nb,Hi\nc,Hi\n") == ["line 4: is row 3; split the file, 2 is the most"]


def test_a_missing_file_is_named(settings):
    (settings.campaigns / "spring").mkdir()

    with pytest.raises(BadInput, match=r"scripts\.csv has 1 problem:\n +does not exist; a campaign needs this file"):
        read_campaign(settings, "spring")


# what is wrong with campaign.yaml


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("", "line 1, name: is missing; write the campaign's title, such as name: Spring offer"),
        (
            "- a\n",
            "line 1: must hold keys and values; its keys are: "
            "name, budget_usd, approval, portrait_check, audience, defaults, speech, lexicon, deliverables",
        ),
        (
            "name: a: b\n",
            "line 1: is not valid YAML (mapping values are not allowed here); correct this line or the one above",
        ),
        ("name: S\nnaem: T\n", "line 2, naem: is not a setting; did you mean 'name'?"),
        ("name: S\nname: T\n", "line 2, name: is written twice (first on line 1); keep one of the two"),
        ("name: 2026\n", "line 1, name: is an unquoted 2026, which YAML reads as int; write it in quotes: '2026'"),
        (
            "name: S\ndefaults:\n  language: no\n",
            "line 3, defaults.language: is an unquoted no, which YAML reads as true or false; write it in quotes: 'no'",
        ),
        ("name: S\ndefaults: {resolution: 720}\n", "line 2, defaults.resolution: is '720'; use 480p or 720p"),
        (
            "name: S\ndefaults: [ana]\n",
            "line 2, defaults: must hold keys and values; its keys are: portrait, voice, "
            "language, model, resolution, prompt, guidance_scale, audio_guidance_scale",
        ),
        (
            "name: S\ndefaults: {voice: [heart]}\n",
            "line 2, defaults.voice: is a list or a group of keys; write one plain value",
        ),
        (
            "name: !!python/object/apply:os.system [ls]\n",
            "line 1, name: has the tag !!python/object/apply:os.system; write the plain value without a tag",
        ),
        (
            "name: S\nbudget_usd: -5\n",
            "line 2, budget_usd: is -5; write a positive number of dollars, or delete the line to forbid spending",
        ),
        ("name: S\nbudget_usd: .inf\n", "line 2, budget_usd: is '.inf'; write a plain number such as 25 or 25.50"),
        ("name: S\nbudget_usd: .nan\n", "line 2, budget_usd: is '.nan'; write a plain number such as 25 or 25.50"),
        ("name: S\nbudget_usd: $25\n", "line 2, budget_usd: is '$25'; write only the number of dollars, such as 25"),
        ("name: S\nbudget_usd: 25,50\n", "line 2, budget_usd: is '25,50'; write decimals with a point: 25.50"),
        (
            "name: S\nbudget_usd: yes\n",
            "line 2, budget_usd: is an unquoted yes, which YAML reads as true or false; write a number",
        ),
        ("name: S\nbudget_usd: 0.005\n", "line 2, budget_usd: is 0.005; write dollars and whole cents"),
        (
            "name: S\ndeliverables: {renditions: [9x16, 4x5]}\n",
            "line 2, deliverables.renditions: is '4x5'; use 9x16, 1x1, 16x9",
        ),
        (
            "name: S\ndeliverables: {renditions: [16:9]}\n",
            "line 2, deliverables.renditions: is '16:9'; use 9x16, 1x1, 16x9",
        ),
        (
            "name: S\ndeliverables: {renditions: 1x1}\n",
            "line 2, deliverables.renditions: must be a list such as [9x16, 1x1, 16x9]",
        ),
        (
            "name: S\ndeliverables: {renditions: [1x1, 1x1]}\n",
            "line 2, deliverables.renditions: names 1x1 twice; keep one",
        ),
        (
            "name: S\ndeliverables: {true_peak_dbtp: 0}\n",
            "line 2, deliverables.true_peak_dbtp: is 0; use dBTP from -9 to -1 "
            "(louder peaks distort when platforms code them again)",
        ),
        (
            "name: S\ndeliverables: {short_side: 1081}\n",
            "line 2, deliverables.short_side: is 1081; use an even number of pixels from 240 to 2160",
        ),
        ("name: S\ndeliverables: {fit: stretch}\n", "line 2, deliverables.fit: is 'stretch'; use crop or pad"),
        (
            "name: S\ndeliverables: {loudness_lufs: 14}\n",
            "line 2, deliverables.loudness_lufs: is 14; use LUFS from -30 to -8 (most platforms play at -14)",
        ),
        (
            "name: S\nfal_key: abc\n",
            "line 2, fal_key: holds what looks like a fal key; take it out, put it into the "
            "environment variable FAL_KEY, and replace the key at fal.ai, because this file may have been shared",
        ),
        (
            "name: S\ndefaults:\n  portrait: nobody\n",
            "line 3, defaults.portrait: there is no portrait 'nobody' in the campaign's folder or data/avatars; "
            "use one of: ana, kofi, mei",
        ),
        (
            "name: S\ndefaults: {voice: heart, language: cy}\n",
            "line 2, defaults.language: is 'cy', but the voice 'heart' speaks en-US; voices for it: espeak-cy",
        ),
        (
            b"name: caf\xe9\n",
            "line 1: byte 0xe9 is not UTF-8 (an older Windows encoding?); save it as UTF-8 (in Excel: 'CSV UTF-8')",
        ),
    ],
)
def test_a_mistake_in_campaign_yaml_is_told_with_its_line_key_and_mending(problems, yaml, said):
    assert said in problems("clip_id,text,portrait\na,Hi,ana\n", yaml)


@pytest.mark.parametrize("yaml", [f"name: S\nprompt: {FAL_KEY}\n", f"# {FAL_KEY}\nname: S\n", f"{FAL_KEY}: 1\n"])
def test_a_fal_key_in_campaign_yaml_is_refused_and_never_repeated(problems, yaml):
    said = problems(yaml=yaml)

    assert any("holds what looks like a fal key" in problem for problem in said)
    assert FAL_KEY[:8] not in "".join(said)
    assert FAL_KEY[-8:] not in "".join(said)


def test_a_fal_key_in_scripts_csv_is_refused_and_never_repeated(problems):
    said = problems(f"clip_id,text\na,Hi\nb,{FAL_KEY}\n")

    assert len(said) == 1
    assert said[0].startswith("line 3: holds what looks like a fal key")
    assert FAL_KEY[:8] not in said[0]


def test_an_alias_bomb_and_deep_nesting_are_refused_quickly(problems):
    bomb = "name: S\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{key}: &{key} [{','.join([f'*{before}'] * 9)}]\n" for before, key in zip("abcdefgh", "bcdefghi", strict=True)
    )
    started = time.process_time()

    assert any("line 2, a: is not a setting" in problem for problem in problems(yaml=bomb))
    assert "is nested too deeply; write plain keys and values" in problems(yaml="name: " + "[" * 30_000)
    assert "is larger than 64 KB; keep only the campaign's settings in it" in problems(yaml="#" * 64_001)
    assert time.process_time() - started < 10  # CPU seconds, not the clock: a bomb that goes off takes minutes


# portraits


def test_a_portrait_is_looked_for_in_the_campaign_first(settings):
    folder = settings.campaigns / "spring"
    assert portrait_file(settings, folder, "ana") == settings.avatars / "ana.png"

    own = _portrait(folder / "ana.jpg")

    assert portrait_file(settings, folder, "ana") == own
    assert portrait_file(settings, folder, "ana.png") == settings.avatars / "ana.png"


@pytest.mark.parametrize("portrait", ["/etc/passwd", "../avatars/ana.png", "a/../../b", "~/ana", "C:\\ana.png", "."])
def test_a_portrait_never_leads_outside(settings, portrait):
    with pytest.raises(BadInput, match="is not a name inside the campaign's folder"):
        portrait_file(settings, settings.campaigns / "spring", portrait)


def test_a_link_that_leads_outside_is_refused(settings, tmp_path):
    secret = _portrait(tmp_path / "elsewhere" / "ana.png")
    (settings.avatars / "sly.png").symlink_to(secret)

    with pytest.raises(BadInput, match="'sly' is a link that leads outside its folder"):
        portrait_file(settings, settings.campaigns / "spring", "sly")


def test_an_address_and_an_ambiguous_name_are_refused(settings):
    _portrait(settings.avatars / "ana.jpg")

    with pytest.raises(BadInput, match="is an address; download the picture"):
        portrait_file(settings, settings.campaigns / "spring", "http://169.254.169.254/ana.png")
    with pytest.raises(BadInput, match=r"'ana' could be ana\.jpg or ana\.png; write one in full"):
        portrait_file(settings, settings.campaigns / "spring", "ana")


def test_an_unfit_default_portrait_is_one_problem_however_many_rows_use_it(problems, settings):
    _portrait(settings.avatars / "tiny.png", (64, 64))

    assert problems("clip_id,text\na,Hi\nb,Ho\n", "name: S\ndefaults: {portrait: tiny}\n") == [
        "line 2, defaults.portrait: 'tiny' is 64x64 pixels; use a portrait of at least 256 pixels on its short side"
    ]


def test_a_row_without_any_portrait_is_told(problems):
    assert problems(yaml="name: S\n") == [
        "line 2, portrait: is empty and campaign.yaml gives no defaults.portrait; name a portrait"
    ]


# campaigns


def test_campaigns_are_the_lawful_folders_that_hold_a_campaign_yaml(settings):
    for name in ("summer", "spring", "Bad Name", "no_yaml"):
        _write(settings.campaigns / name / ("other.txt" if name == "no_yaml" else "campaign.yaml"), "name: S")

    assert campaign_names(settings) == ("spring", "summer")
    assert campaign_names(replace(settings, root=settings.root / "nowhere")) == ()


@pytest.mark.parametrize("name", ["", "../spring", "Spring", "a/b", "a b", "a\n", "-a", "a" * 64])
def test_a_name_no_campaign_can_have_is_refused(settings, name):
    for act in (read_campaign, campaign_sha256, new_campaign):
        with pytest.raises(BadInput, match="use 1 to 63 small letters"):
            act(settings, name)


def test_an_unknown_campaign_names_the_nearest(settings, read):
    read()

    with pytest.raises(
        BadInput, match=r"data/campaigns/sprign has 1 problem:\n +does not exist; did you mean 'spring'"
    ):
        read_campaign(settings, "sprign")


def test_the_hash_a_sensor_watches_is_the_campaigns_and_follows_what_it_uses(settings, read):
    campaign = read()
    assert campaign_sha256(settings, "spring") == campaign.sha256 == read().sha256

    _portrait(settings.avatars / "kofi.png", (300, 300))
    assert campaign_sha256(settings, "spring") == campaign.sha256

    _portrait(settings.avatars / "ana.png", (300, 300))
    assert campaign_sha256(settings, "spring") != campaign.sha256
    assert read("clip_id,text\nhello,Hello.\n").sha256 != campaign.sha256


def test_a_broken_campaign_has_a_hash_that_changes_when_it_is_mended(settings):
    _write(settings.campaigns / "spring" / "campaign.yaml", "name: [\n")
    broken = campaign_sha256(settings, "spring")

    _write(settings.campaigns / "spring" / "campaign.yaml", YAML)

    assert campaign_sha256(settings, "spring") != broken


def test_a_new_campaign_validates_and_is_never_overwritten(settings):
    folder = new_campaign(settings, "summer-sale")

    campaign = read_campaign(settings, "summer-sale")
    assert folder == settings.campaigns / "summer-sale"
    assert (campaign.title, len(campaign.scripts), campaign.budget_usd) == ("Summer sale", 2, Decimal(10))
    with pytest.raises(BadInput, match=r"data/campaigns/summer-sale has 1 problem:\n +exists already"):
        new_campaign(settings, "summer-sale")
    assert [each.name for each in settings.campaigns.iterdir()] == ["summer-sale"]


def test_a_new_campaign_uses_a_portrait_that_is_there(settings):
    shutil.rmtree(settings.avatars)
    _portrait(settings.avatars / "no.jpg")

    new_campaign(settings, "summer")

    assert read_campaign(settings, "summer").scripts[0].portrait == "no.jpg"


def test_the_sample_campaign_validates(settings):
    shutil.copytree(REPOSITORY / "data" / "campaigns" / "demo", settings.campaigns / "demo")

    campaign = read_campaign(settings, "demo")

    assert (campaign.title, campaign.budget_usd) == ("Harbour Coffee - spring", Decimal(25))
    assert [(script.portrait, script.voice, script.resolution) for script in campaign.scripts] == [
        ("ana", "heart", "720p"),
        ("ana", "heart", "480p"),
        ("kofi", "low", "720p"),
        ("kofi", "low", "480p"),
        ("mei", "high", "720p"),
    ]


@pytest.mark.parametrize(
    ("name", "voices", "languages"),
    [
        (
            "languages",
            ("heart", "pico-de", "pico-es", "pico-fr", "pico-it"),
            ("en-US", "de-DE", "es-ES", "fr-FR", "it-IT"),
        ),
        ("more_languages", ("espeak-ar", "espeak-hi", "mei"), ("ar", "hi", "ja-JP")),
    ],
)
def test_the_sample_campaigns_of_languages_validate(settings, name, voices, languages):
    shutil.copytree(REPOSITORY / "data" / "campaigns" / name, settings.campaigns / name)

    scripts = read_campaign(settings, name).scripts

    assert tuple(script.voice for script in scripts) == voices
    assert tuple(script.language for script in scripts) == languages


def test_the_sample_of_invitations_is_filled_in_for_everybody(settings):
    shutil.copytree(REPOSITORY / "data" / "campaigns" / "invitations", settings.campaigns / "invitations")

    campaign = read_campaign(settings, "invitations")

    assert [script.clip_id for script in campaign.scripts] == [
        "invitation-siobhan",
        "invitation-miguel",
        "invitation-aiko",
        "invitation-thomas",
        "thanks",
    ]
    assert campaign.scripts[0].text == (
        "Hello Siobhan. We open our new roastery in Dublin this Friday, and your cup is waiting."
    )
    assert campaign.scripts[0].pauses == (Pause(2, 0.6),)
    assert [entry.word for entry in campaign.speech.lexicon] == ["Siobhan", "crema"]


# models

TABLE = """name,endpoint,image,audio,prompt,resolution,resolutions,required,source
aurora,fal-ai/creatify/aurora,image_url,audio_url,prompt,resolution,720p 480p,,page
plain,some/plain,image_url,audio_url,,,,,page
large,some/large,image_url,audio_url,prompt,resolution,1080p 720p,prompt,page
"""


@pytest.fixture
def table(settings):
    """A model table of this home's own."""
    _write(settings.models, TABLE)


def test_a_row_names_its_model_and_otherwise_takes_the_campaigns_and_then_aurora(read, table):
    rows = "clip_id,text,model\na,Hi,\nb,Hi,plain\n"

    assert [script.model for script in read(rows).scripts] == ["aurora", "plain"]
    assert [script.model for script in read(rows, YAML + "  model: large\n  prompt: Soft light\n").scripts] == [
        "large",
        "plain",
    ]


def test_the_resolution_is_the_models_own_unless_row_or_campaign_says_another(read, table):
    rows = "clip_id,text,model,resolution,prompt\na,Hi,,,\nb,Hi,,480p,\nc,Hi,plain,,\nd,Hi,large,,Soft light\n"

    assert [script.resolution for script in read(rows).scripts] == ["720p", "480p", "any", "1080p"]
    assert [script.resolution for script in read(rows, YAML + "  resolution: 720p\n").scripts] == [
        "720p",
        "480p",
        "any",
        "720p",
    ]


def test_a_default_prompt_is_left_out_for_a_model_that_takes_none(read, table):
    rows = "clip_id,text,model\na,Hi,\nb,Hi,plain\n"

    assert [script.prompt for script in read(rows, YAML + "  prompt: Soft light\n").scripts] == ["Soft light", None]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,Hi,plane,,", "line 2, model: there is no model 'plane' in data/models.csv; did you mean 'plain'?"),
        ("a,Hi,zzz,,", "line 2, model: there is no model 'zzz' in data/models.csv; use one of: aurora, plain, large"),
        ("a,Hi,,1080p,", "line 2, resolution: is '1080p'; use 480p or 720p"),
        ("a,Hi,large,480p,Soft", "line 2, resolution: is '480p'; use 720p or 1080p with the model 'large'"),
        (
            "a,Hi,plain,720p,",
            "line 2, resolution: is filled in, but the model 'plain' has no resolution; empty this cell",
        ),
        ("a,Hi,plain,,Soft", "line 2, prompt: is filled in, but the model 'plain' has no prompt; empty this cell"),
        ("a,Hi,large,,", "line 2, prompt: is empty, but the model 'large' needs a prompt; write one"),
    ],
)
def test_what_a_rows_model_cannot_use_is_told_with_its_line(problems, table, row, said):
    assert problems(f"clip_id,text,model,resolution,prompt\n{row}\n", YAML) == [said]


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        (
            "  model: auror\n",
            "line 5, defaults.model: there is no model 'auror' in data/models.csv; did you mean 'aurora'?",
        ),
        ("  resolution: 360p\n", "line 5, defaults.resolution: is '360p'; use 480p or 720p or 1080p"),
        (
            "  model: large\n  resolution: 480p\n  prompt: Soft\n",
            "line 6, defaults.resolution: is '480p'; use 720p or 1080p with the model 'large'",
        ),
    ],
)
def test_a_wrong_default_model_or_resolution_is_one_problem_however_many_rows_use_it(problems, table, defaults, said):
    assert problems(
        "clip_id,text\na,Hi\nb,Hi\n", f"name: S\nbudget_usd: 2\ndefaults:\n  portrait: ana\n{defaults}"
    ) == [said]


def test_a_default_resolution_that_a_rows_model_has_not_is_told_at_the_row(problems, table):
    said = problems("clip_id,text,model,prompt\na,Hi,large,Soft\n", YAML + "  resolution: 480p\n")

    assert said == [
        "line 2, resolution: by campaign.yaml's default is '480p'; use 720p or 1080p with the model 'large'"
    ]


def test_a_broken_model_table_is_told_before_any_row(read, settings, table):
    _write(settings.models, TABLE.replace("some/plain", ""))

    with pytest.raises(BadInput, match=r"data/models\.csv has 1 problem:\n +line 3, endpoint: is empty"):
        read("clip_id,text\na,\n")


def test_a_campaign_of_aurora_alone_keeps_its_hash_and_one_of_others_follows_their_rows(read, settings, table):
    alone, others = "clip_id,text\na,Hi\n", "clip_id,text,model\na,Hi,plain\n"
    before = read(alone).sha256, read(others).sha256
    _write(settings.models, TABLE.replace("some/plain", "some/plain/v2"))

    after = read(alone).sha256, read(others).sha256

    assert after[0] == before[0]
    assert after[1] != before[1]
    assert campaign_sha256(settings, "spring") == after[1]


# approval


def test_a_campaign_may_ask_for_approval_and_overrule_the_face_finder(read):
    plain = read()
    strict = read(yaml="approval: required\nportrait_check: warn\n" + YAML)

    assert (plain.approval, plain.portrait_check) == ("no", "hold")
    assert (strict.approval, strict.portrait_check) == ("required", "warn")
    assert read(yaml="approval: no\n" + YAML).approval == "no"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("approval: yes", "line 1, approval: is 'yes'; use required or no"),
        ("approval: always", "line 1, approval: is 'always'; use required or no"),
        (
            "portrait_check: off",
            "line 1, portrait_check: is an unquoted off, which YAML reads as true or false; write it in quotes: 'off'",
        ),
        ("portrait_check: never", "line 1, portrait_check: is 'never'; use hold or warn"),
    ],
)
def test_an_unknown_word_for_approval_or_portrait_check_is_told(problems, line, said):
    assert problems(CSV, f"{line}\n{YAML}") == [said]


def test_a_rows_own_approval_is_yes_no_or_nothing(read, problems):
    rows = "clip_id,text,approved\na,Hi,yes\nb,Hi,No\nc,Hi,\n"

    assert [script.approved for script in read(rows).scripts] == [True, False, None]
    assert problems("clip_id,text,approved\na,Hi,ok\n", YAML) == [
        "line 2, approved: is 'ok'; write yes or no, or leave it empty"
    ]


def test_a_script_from_a_table_of_before_there_were_models_reads_as_aurora(tmp_path, read):
    from aurora_pipeline.gear import parquet
    from aurora_pipeline.script_table import Script

    (script,) = read().scripts
    old = make_dataclass(
        "Old", [(each.name, each.type) for each in fields(Script) if each.name not in NEW], frozen=True
    )
    old.__annotations__ = {name: hint for name, hint in get_type_hints(Script).items() if name not in NEW}
    parquet.write(tmp_path / "old.parquet", old, [old(**{n: v for n, v in asdict(script).items() if n not in NEW})])

    (again,) = parquet.read(tmp_path / "old.parquet", Script)

    assert (again.model, again.approved, again.clip_id) == ("aurora", None, "hello")


# any input at all

cell_text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40)


def _csv(rows, *, separator, ending, quotes_all):
    """A CSV as spreadsheets write it (Python 3.11's own writer leaves some line ends unquoted)."""

    def cell(text):
        needs_quotes = quotes_all or any(character in text for character in (separator, '"', "\r", "\n"))
        doubled = text.replace('"', '""')
        return f'"{doubled}"' if needs_quotes else text

    return "".join(separator.join(map(cell, row)) + ending for row in rows)


@quick
@given(
    texts=st.lists(cell_text, min_size=1, max_size=4),
    separator=st.sampled_from(",;\t"),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    quotes_all=st.booleans(),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_any_text_survives_a_csv_round_trip_unchanged(texts, separator, ending, quotes_all, mark):
    rows = [["clip_id", "text"], *([f"c{number}", text] for number, text in enumerate(texts))]
    written = mark + _csv(rows, separator=separator, ending=ending, quotes_all=quotes_all)

    table = read_table(written.encode(), Columns(("clip_id", "text")), file="scripts.csv")

    assert table.problems == ()
    assert [row.cells["text"] for row in table.rows] == texts


@quick
@given(
    yaml=st.one_of(
        st.just(YAML.encode()),
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")),
    ),
    scripts=st.one_of(st.binary(max_size=200), st.text(',;"\r\n\tatext_clip_id{}é ', max_size=80).map(str.encode)),
    header=st.sampled_from([b"", b"clip_id,text\n", b"clip_id;text;voice\r"]),
)
def test_whatever_the_bytes_nothing_but_bad_input_is_raised(settings, yaml, scripts, header):
    _write(settings.campaigns / "spring" / "campaign.yaml", yaml)
    _write(settings.campaigns / "spring" / "scripts.csv", header + scripts)
    sha256 = campaign_sha256(settings, "spring")

    try:
        campaign = read_campaign(settings, "spring")
    except BadInput:
        return
    assert campaign.scripts
    assert campaign.sha256 == sha256
