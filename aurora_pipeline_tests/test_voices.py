"""The voices there are: the shipped table, a home's own, and what `aurora voices` says of them."""

import csv
import json
import wave
from pathlib import Path

import pytest

from aurora_pipeline.errors import BadInput
from aurora_pipeline.gear import voices
from aurora_pipeline.gear.voices import registry
from aurora_pipeline.speech_models import read_speech_models

REPOSITORY = Path(__file__).resolve().parent.parent
HEADER = "voice,engine,language,engine_voice,quality,scripts,description,pitch,formant\n"


def _home_file(tmp_path, *rows):
    file = tmp_path / "data" / "voices.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return file


def _piper_files(file):
    folder = file.parent / "piper"
    folder.mkdir(exist_ok=True)
    (folder / "joe.onnx").write_bytes(b"weights")
    (folder / "joe.onnx.json").write_text("{}")
    return folder


# ---- the shipped table
def test_every_promised_language_has_a_free_voice_of_the_promised_quality():
    free = [voice for voice in voices.read_voices(None).rows if not voice.is_paid]

    best = {
        tag: next(v.quality for v in free if v.speaks(tag)) for tag in ("en", "de", "es", "fr", "it", "en-GB", "ja")
    }

    assert best == {"en": "neural", **dict.fromkeys(("de", "es", "fr", "it", "en-GB", "ja"), "plain")}
    assert {next(v.quality for v in free if v.speaks(tag)) for tag in ("ar", "hi", "ru", "zh", "ko", "pt")} == {
        "robotic"
    }


def test_a_hundred_languages_are_spoken_for_free_and_japanese_never_by_espeak():
    rows = [voice for voice in voices.read_voices(None).rows if voice.engine == "espeak"]

    assert len({voice.language.split("-")[0] for voice in rows}) >= 100
    assert not any(voice.speaks("ja") for voice in rows)
    assert {voice.quality for voice in rows} == {"robotic"}


def test_every_paid_voice_is_one_its_endpoint_documents_in_a_language_it_speaks():
    models = read_speech_models(REPOSITORY / "data" / "speech_models.csv")

    for voice in voices.read_voices(None).rows:
        if voice.is_paid:
            model = models.named(voice.speech_model)
            assert model.speaks(voice.language), voice
            model.arguments("Hello.", voice.engine_voice, voice.language)


def test_every_speech_model_that_ships_has_a_voice():
    models = read_speech_models(REPOSITORY / "data" / "speech_models.csv")

    named = {voice.speech_model for voice in voices.read_voices(None).rows if voice.is_paid}

    assert named == {model.name for model in models.speech}


@pytest.mark.parametrize(
    ("asked", "tag", "speaks"),
    [
        ("de", "de-DE", True),
        ("DE_de", "de-DE", True),
        ("de-AT", "de-DE", False),
        ("de-AT", "de", True),
        ("no", "nb", True),
        ("zh-CN", "zh", True),
        ("en", "de", False),
    ],
)
def test_a_voice_speaks_its_tag_its_bare_language_and_without_a_region_any_region(asked, tag, speaks):
    voice = voices.Voice("x", "espeak", tag, "x", 1.0, 1.0, "")

    assert voice.speaks(asked) is speaks


# ---- a home's own
def test_a_home_adds_voices_and_replaces_the_shipped_of_their_name(tmp_path):
    file = _home_file(
        tmp_path,
        "robot,espeak,de,gmw/de,robotic,LATIN,A robot,1.3,",
        "heart,hibari,en-US,heart,neural,LATIN,Ours,0.9,",
    )

    found = voices.read_voices(file)

    assert found.named("robot").pitch == 1.3
    assert found.named("heart").description == "Ours"
    assert len(found.rows) == len(voices.read_voices(None).rows) + 1


def test_a_home_without_a_table_has_the_shipped_voices(tmp_path):
    assert voices.read_voices(tmp_path / "data" / "voices.csv") == voices.read_voices(None)


def test_every_problem_of_a_table_is_told_at_once_with_its_line(tmp_path):
    file = _home_file(
        tmp_path,
        "Joe!,hibary,german,,nice,ROMAN,,9,",
        "twice,espeak,de,gmw/de,robotic,LATIN,x,,",
        "twice,espeak,de,gmw/de,robotic,LATIN,x,,1.2",
        "lost,piper,en-US,piper/lost.onnx,neural,LATIN,x,,",
    )

    with pytest.raises(BadInput) as error:
        voices.read_voices(file)

    assert [str(problem) for problem in error.value.problems] == [
        "line 2, description: is empty",
        "line 2, engine: is 'hibary'; use hibari, nanotts, openjtalk, piper, espeak, or fal:NAME of a row of "
        "speech_models.csv",
        "line 2, engine_voice: is empty",
        "line 2, language: is 'german'; write a tag such as de, en-GB or es-419",
        "line 2, pitch: is '9'; write a number from 0.5 to 2, or leave it empty",
        "line 2, quality: is 'nice'; use neural, plain, robotic",
        "line 2, scripts: holds 'ROMAN'; use one of: " + ", ".join(registry.ALPHABETS),
        "line 2, voice: is 'Joe!'; use small letters, digits, '.', '-' or '_', beginning with a letter",
        "line 4, formant: is no matter of espeak; empty it (of hibari it is)",
        "line 4, voice: 'twice' is also on line 3; keep one of the two",
        "line 5, engine_voice: has no file lost.onnx and no lost.onnx.json in data/piper/; put the Piper voice's two "
        "files there",
    ]


def test_a_piper_voice_is_found_beside_the_table_and_its_path_is_kept_off_records(tmp_path):
    file = _home_file(tmp_path, "joe,piper,en-US,piper/joe.onnx,neural,LATIN,Joe,,")
    folder = _piper_files(file)

    joe = voices.read_voices(file).named("joe")

    assert joe.file == folder / "joe.onnx"
    assert joe.engine_voice.startswith("piper/joe.onnx@")
    assert str(tmp_path) not in repr(joe)


@pytest.mark.parametrize("name", ["joe.onnx", "joe.onnx.json"])
def test_another_piper_file_under_the_same_name_is_another_voice(tmp_path, name):
    file = _home_file(tmp_path, "joe,piper,en-US,piper/joe.onnx,neural,LATIN,Joe,,")
    folder = _piper_files(file)
    before = voices.read_voices(file).named("joe").engine_voice

    (folder / name).write_bytes(b"trained further")

    assert voices.read_voices(file).named("joe").engine_voice != before


# ---- aurora voices
def test_the_short_list_shows_the_good_free_voices_and_says_what_else_there_is(aurora, new_home):
    done = aurora(new_home(), "voices")

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].split() == ["voice", "language", "quality", "engine", "price", "installed", "description"]
    assert lines[1].startswith("heart ")
    assert not any(line.startswith(("espeak-", "kokoro-")) for line in lines)
    assert "and 117 robotic voices, free, in 100 languages: aurora voices --engine espeak" in lines


def test_a_paid_voice_shows_what_the_price_book_says(aurora, new_home):
    done = aurora(new_home(), "voices", "--language", "fr", "--engine", "fal", "--json")

    siwis = next(row for row in json.loads(done.stdout) if row["voice"] == "kokoro-ff-siwis")
    assert (siwis["price"], siwis["installed"]) == ("$0.02 per 1,000 characters", "not needed")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--sample", "eleven-rachel-de"),
            "The voice 'eleven-rachel-de' is paid (elevenlabs-multilingual-v2 on fal): a sample of it costs money and "
            "is bought by running a campaign with one short line; `aurora quote` says what that costs first. Nothing "
            "was spent.",
        ),
        (
            ("--sample", "hart"),
            "There is no voice 'hart'; did you mean 'heart'? `aurora voices` lists them. Nothing was spent.",
        ),
        (
            ("--sample", "heart", "--to", "heart.mp3"),
            "The sample is a WAV file; end --to heart.mp3 in .wav. Nothing was spent.",
        ),
        (
            ("--sample", "heart", "--text", "Привет"),
            "The text of the sample has 'Привет', whose letters the voice 'heart' (en-US) cannot read; choose a voice "
            "of that language, or say in campaign.yaml's lexicon how the word is spoken. Nothing was spent.",
        ),
        (("--engine", "pipr"), "There is no speech engine 'pipr'; did you mean 'piper'? Nothing was spent."),
        (
            ("--language", "xx"),
            "No voice speaks 'xx'; `aurora voices --all` lists every voice with its language, and a row in "
            "data/voices.csv adds one. Nothing was spent.",
        ),
    ],
)
def test_what_cannot_be_listed_or_heard_is_one_sentence(aurora, new_home, arguments, sentence):
    done = aurora(new_home(), "voices", *arguments)

    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", sentence)


def test_a_sample_is_written_where_it_was_asked_for(aurora, new_home):
    home = new_home()

    done = aurora(home, "voices", "--sample", "low", "--text", "Good morning.", "--to", "low.wav")

    assert done.stdout.strip() == "low.wav"
    with wave.open(str(home / "low.wav")) as sound:
        assert 0.4 < sound.getnframes() / sound.getframerate() < 3
    assert "neural). Free." in done.stderr


def test_the_shipped_table_is_a_plain_csv_file():
    rows = list(csv.DictReader((REPOSITORY / "aurora_pipeline" / "gear" / "voices.csv").open(encoding="utf-8")))

    assert len(rows) == len(voices.read_voices(None).rows)
