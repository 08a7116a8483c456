"""Bought voices and recognisers are data: a row says what is asked, where the answer is and what the bill counts."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_pipeline.errors import BadInput
from aurora_pipeline.gear.recognisers.port import HeardWord
from aurora_pipeline.gear.speech_endpoints import UNITS as COUNTED_UNITS
from aurora_pipeline.gear.voices import TimedWord
from aurora_pipeline.price_book import UNITS, read_price_book
from aurora_pipeline.speech_models import COLUMNS, SHIPPED, read_speech_models
from aurora_pipeline_tests.conftest import REPOSITORY

COMMITTED = REPOSITORY / "data" / "speech_models.csv"
HEADER = (
    "name,kind,endpoint,input,voice,voices,required,language,languages,extra,answer,words,pronunciation,format,unit,counted,"
    "unit_rule,max_characters,source\n"
)
KOKORO = "k,speech,x/k,prompt,voice,ana bo,,,en-US,,audio.url,,,wav,1000_characters,code_points,exact,,page"
EAR = "e,recogniser,x/e,audio_url,,,,language_code,en=eng,,text,words,,,minute,seconds,exact,,page"
ALIGNED = {
    "characters": list("Hi, you"),
    "character_start_times_seconds": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    "character_end_times_seconds": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
}


@pytest.fixture(scope="module")
def shipped():
    return read_speech_models(COMMITTED)


@pytest.fixture
def table(tmp_path):
    """A table with the rows given."""

    def table(*rows):
        file = tmp_path / "data" / "speech_models.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(HEADER + "".join(f"{row}\n" for row in rows))
        return read_speech_models(file)

    return table


# ---- the table
def test_the_shipped_table_is_the_committed_one_and_stands_in_where_a_home_has_none(tmp_path):
    assert SHIPPED.read_bytes() == COMMITTED.read_bytes()
    assert read_speech_models(tmp_path / "speech_models.csv").rows == read_speech_models(COMMITTED).rows


def test_a_homes_own_table_counts_first(table):
    assert [row.name for row in table(KOKORO, EAR).rows] == ["k", "e"]


def test_every_shipped_row_says_where_it_was_read_what_is_not_documented_and_has_a_price_by_its_unit(shipped):
    book = read_price_book(REPOSITORY / "data" / "price_book.csv")

    assert [row.name for row in shipped.speech] == [
        "kokoro-american-english", "kokoro-british-english", "kokoro-spanish", "kokoro-french", "kokoro-italian",
        "kokoro-hindi", "kokoro-japanese", "kokoro-brazilian-portuguese", "kokoro-mandarin-chinese",
        "elevenlabs-multilingual-v2", "elevenlabs-turbo-v2.5", "minimax-speech-02-hd", "minimax-speech-02-turbo",
        "chatterbox",
    ]  # fmt: skip
    assert [row.name for row in shipped.recognisers] == ["elevenlabs-speech-to-text", "elevenlabs-scribe-v2"]
    for row in shipped.rows:
        assert row.source.startswith(f"https://fal.ai/models/{row.endpoint}")
        assert "not documented" in row.note
        assert book.price(row.endpoint, on=date(2026, 11, 23), unit=row.unit).usd(1) > 0


def test_every_unit_that_rows_count_by_can_be_priced():
    assert {unit for units in COUNTED_UNITS.values() for unit in units} <= set(UNITS)


def test_every_problem_of_a_malformed_table_is_told_with_its_line_and_column(table):
    with pytest.raises(BadInput) as caught:
        table(
            "Bad Name,voice,no-slash,te xt,,,,,klingon!,[1],audio url,,plain,ogg,minute,bytes,up,0,page",
            KOKORO.replace("prompt,voice,ana bo,,,en-US,", 'voice,voice,,,,en=English,"{""voice"": 1}"'),
            KOKORO.replace("k,speech,x/k,prompt,voice", "k2,speech,x/k2,prompt,").replace("wav", ""),
            EAR.replace("audio_url,,,,", "audio_url,voice,,,").replace("minute,seconds", "character,code_points"),
            ",speech,,,,,,,,,,,,wav,,,,,",
        )

    assert [str(problem) for problem in caught.value.problems] == [
        "line 2, answer: is 'audio url'; write the provider's name of this field, such as text or audio.url",
        "line 2, counted: is 'bytes'; use code_points",
        "line 2, endpoint: is 'no-slash'; write it as the provider does, such as fal-ai/kokoro/french",
        """line 2, extra: is '[1]'; write a JSON object such as {"timestamps": true}""",
        "line 2, format: is 'ogg'; use mp3 or wav or flac",
        "line 2, input: is 'te xt'; write the provider's name of this field, such as text or audio.url",
        "line 2, kind: is 'voice'; use speech or recogniser",
        "line 2, languages: holds 'klingon!'; write tags such as en pt-BR, or en=English where the value differs",
        "line 2, max_characters: is '0'; write a positive whole number, or leave it empty",
        "line 2, name: is 'Bad Name'; use small letters, digits, '.', '-' or '_', beginning with a letter",
        "line 2, pronunciation: is 'plain'; write the markup with {word} and {ipa} in it",
        "line 2, unit: is 'minute'; use 1000_characters or character",
        "line 2, unit_rule: is 'up'; use exact or rounded_up or rounded_down_at_least_one",
        "line 3, input: 'voice' is sent twice; keep one",
        "line 3, languages: have values, but the column language is empty; fill it in",
        "line 3, voice: 'voice' is sent twice; keep one",
        "line 4, format: is empty; write mp3 or wav or flac",
        "line 4, voices: are listed, but the column voice is empty; fill it in",
        "line 5, counted: is 'code_points'; use seconds",
        "line 5, unit: is 'character'; use minute or second",
        "line 5, voice: is of a voice; empty it for a recogniser",
        *(f"line 6, {column}: is empty" for column in sorted({*COLUMNS.required} - {"kind"})),
    ]


def test_a_voice_that_is_required_must_have_a_default(table):
    row = KOKORO.replace("ana bo,,,", ",voice,,")

    with pytest.raises(
        BadInput, match="line 2, required: names 'voice', but the column voices is empty; list at least"
    ):
        table(row)


def test_two_rows_cannot_share_a_name_or_an_endpoint(table):
    with pytest.raises(BadInput, match="line 3, name: 'k' is also on line 2; keep one of the two"):
        table(KOKORO, KOKORO.replace("x/k", "x/other"))
    with pytest.raises(BadInput, match="line 3, endpoint: 'x/k' is also on line 2; keep one of the two"):
        table(KOKORO, KOKORO.replace("k,speech", "other,speech"))


def test_a_name_that_is_not_there_is_told_with_its_nearest(shipped):
    with pytest.raises(ValueError, match=r"no speech model 'kokoro-frensh' in .*; did you mean 'kokoro-french'\?"):
        shipped.named("kokoro-frensh")
    with pytest.raises(ValueError, match="no recogniser 'kokoro-french' in"):
        shipped.recogniser("kokoro-french")
    assert shipped.at("fal-ai/kokoro/french") is shipped.named("kokoro-french")
    assert shipped.at("fal-ai/creatify/aurora") is None


# ---- what is asked
@pytest.mark.parametrize(
    ("name", "voice", "language", "arguments"),
    [
        ("kokoro-american-english", "af_heart", "en-US", {"prompt": "Hi", "voice": "af_heart"}),
        (
            "elevenlabs-multilingual-v2",
            "Rachel",
            "de-DE",
            {"text": "Hi", "voice": "Rachel", "timestamps": True},
        ),
        (
            "elevenlabs-turbo-v2.5",
            "Rachel",
            "hu",
            {"text": "Hi", "voice": "Rachel", "timestamps": True, "language_code": "hu"},
        ),
        (
            "minimax-speech-02-hd",
            "Wise_Woman",
            "pt-BR",
            {
                "text": "Hi",
                "voice_setting": {"voice_id": "Wise_Woman"},
                "language_boost": "Portuguese",
                "output_format": "url",
            },
        ),
        ("kokoro-french", "default", "fr-FR", {"prompt": "Hi", "voice": "ff_siwis"}),
        ("elevenlabs-multilingual-v2", "default", "en", {"text": "Hi", "timestamps": True}),
        ("chatterbox", "default", "en-US", {"text": "Hi"}),
    ],
)
def test_each_endpoint_gets_its_own_field_names_its_extras_and_its_word_for_the_language(
    shipped, name, voice, language, arguments
):
    assert shipped.named(name).arguments("Hi", voice, language) == arguments


def test_what_an_endpoint_would_refuse_is_refused_before_it_costs_anything(shipped):
    kokoro, minimax = shipped.named("kokoro-french"), shipped.named("minimax-speech-02-turbo")

    with pytest.raises(ValueError, match="kokoro-french does not speak 'de'; it speaks fr"):
        kokoro.arguments("Hallo", "ff_siwis", "de")
    with pytest.raises(ValueError, match=r"kokoro-french has no voice 'ff_siwi'; did you mean 'ff_siwis'\?"):
        kokoro.arguments("Salut", "ff_siwi", "fr")
    with pytest.raises(ValueError, match="takes 5,000 characters at most, and this text has 5,001; split it"):
        minimax.arguments("x" * 5001, "Wise_Woman", "en")
    with pytest.raises(ValueError, match="minimax-speech-02-turbo needs a text; this one is empty"):
        minimax.arguments("  \n", "Wise_Woman", "en")
    with pytest.raises(ValueError, match="chatterbox has one voice only; name it 'default' and not 'Rachel'"):
        shipped.named("chatterbox").arguments("Hi", "Rachel", "en")


def test_a_region_is_not_taken_for_another_and_a_bare_language_is_any_of_its_regions(shipped):
    american = shipped.named("kokoro-american-english")

    assert american.speaks("en")
    assert american.speaks("en_us")
    assert not american.speaks("en-GB")
    assert shipped.named("elevenlabs-multilingual-v2").speaks("en-GB")


def test_ipa_is_sent_as_the_rows_markup_around_the_word_alone_and_is_counted(table):
    row = KOKORO.replace("audio.url,,,", "audio.url,,\"<p ipa='{ipa}'>{word}</p>\",").replace(
        "1000_characters", "character"
    )
    model = table(row).named("k")

    sent = model.arguments("Meet  (Aurora), now", "ana", "en-US", {1: "/əˈɹɔːɹə/"})["prompt"]

    assert sent == "Meet  (<p ipa='əˈɹɔːɹə'>Aurora</p>), now"
    assert model.units("Meet  (Aurora), now", {1: "/əˈɹɔːɹə/"}) == len(sent)


def test_ipa_for_an_endpoint_without_markup_is_a_refusal_and_never_left_out(shipped):
    for model in shipped.speech:
        assert not model.takes_ipa
        with pytest.raises(ValueError, match="takes no IPA; write these words as they are said instead"):
            model.arguments("Aurora", "default", "en", {0: "əˈɹɔːɹə"})


# ---- what is billed
@pytest.mark.parametrize(
    ("rule", "characters", "units", "most"),
    [
        ("exact", 150, "0.15", 1),
        ("exact", 2500, "2.5", 3),
        ("rounded_up", 150, "1", 1),
        ("rounded_up", 2001, "3", 3),
        ("rounded_down_at_least_one", 150, "1", 1),
        ("rounded_down_at_least_one", 2999, "2", 3),
    ],
)
def test_units_are_what_the_rule_counts_and_the_most_is_whole_units(table, rule, characters, units, most):
    model = table(KOKORO.replace("exact", rule)).named("k")

    assert model.units("é" * characters) == Decimal(units)
    assert model.most_units("é" * characters) == most


def test_characters_are_code_points_not_bytes(shipped):
    assert shipped.named("minimax-speech-02-hd").units("日本語" * 100) == Decimal("0.3")


@given(st.text(max_size=4000))
def test_no_text_is_expected_to_cost_more_than_is_reserved(text):
    for model in read_speech_models(COMMITTED).speech[::5]:
        assert model.units(text) <= model.most_units(text)


def test_a_recording_is_counted_by_the_minute(shipped):
    ear = shipped.recogniser("elevenlabs-scribe-v2")

    assert ear.units(90.0000001) == Decimal("1.5")
    assert (ear.most_units(90), ear.most_units(2)) == (2, 1)
    with pytest.raises(ValueError, match="a length of nan s cannot be billed"):
        ear.units(float("nan"))


# ---- what is answered
def test_the_sound_is_where_the_row_says_and_an_answer_without_it_is_an_error(shipped):
    model = shipped.named("kokoro-french")

    assert (
        model.audio_url({"audio": {"url": "https://v3.fal.media/files/a/b.wav"}})
        == "https://v3.fal.media/files/a/b.wav"
    )
    for answer in ({}, {"audio": None}, {"audio": {"url": ""}}, [], None, "x"):
        with pytest.raises(ValueError, match=r"the answer of fal-ai/kokoro/french has no audio\.url"):
            model.audio_url(answer)


@pytest.mark.parametrize(
    "timestamps",
    [
        [ALIGNED],
        [{"text": "Hi,", "start": 0, "end": 0.3}, {"text": "you", "start": 0.4, "end": 0.7}],
        [
            {"word": "Hi,", "start": 0, "end": 0.3},
            {"word": " ", "type": "spacing", "start": 0.3, "end": 0.4},
            {"word": "you", "start": 0.4, "end": 0.7},
        ],
    ],
)
def test_word_times_are_read_from_either_known_shape(shipped, timestamps):
    words = shipped.named("elevenlabs-turbo-v2.5").words({"timestamps": timestamps}, "Hi, you")

    assert words == (TimedWord("Hi,", 0.0, 0.3), TimedWord("you", 0.4, 0.7))


@pytest.mark.parametrize(
    "timestamps",
    [
        None, [], "text", [1], [None], [{"text": "Hi"}], [{"text": "Hi", "start": "0", "end": 1}],
        [{"text": "Hi", "start": 1, "end": 0}], [{"text": "Hi", "start": float("nan"), "end": 1}],
        [{**ALIGNED, "character_end_times_seconds": [0.1]}], [{"characters": None}],
        [{"text": 5, "start": 0, "end": 1}], {"characters": ["a"]},
    ],
)  # fmt: skip
def test_times_in_any_other_shape_are_not_guessed_at(shipped, timestamps):
    assert shipped.named("elevenlabs-turbo-v2.5").words({"timestamps": timestamps}, "Hi, you") is None


def test_an_endpoint_that_tells_no_times_has_none(shipped):
    model = shipped.named("kokoro-french")

    assert not model.tells_words
    assert model.words({"timestamps": [ALIGNED]}, "Hi, you") is None


def test_a_transcript_has_its_words_their_times_and_its_language(shipped):
    ear = shipped.recogniser("elevenlabs-speech-to-text")
    words = [
        {"text": "Hi", "start": 0.1, "end": 0.3, "type": "word"},
        {"text": " ", "start": 0.3, "end": 0.4, "type": "spacing"},
        {"text": "(laughs)", "start": 0.4, "end": 0.9, "type": "audio_event"},
        {"text": "you", "start": 0.9, "end": 1.2, "type": "word"},
    ]

    heard = ear.transcript({"text": "Hi you", "language_code": "spa", "words": words})

    assert (heard.text, heard.language) == ("Hi you", "es")
    assert heard.words == (HeardWord("Hi", 0.1, 0.3), HeardWord("you", 0.9, 1.2))
    assert heard.language_probability == 1.0  # it says no other
    unsure = ear.transcript({"text": "Hi", "language_code": "spa", "language_probability": 0.4})
    assert unsure.language_probability == 0.4
    assert ear.transcript({"text": "Hi you"}).words == (HeardWord("Hi"), HeardWord("you"))
    with pytest.raises(ValueError, match="speech-to-text has no text"):
        ear.transcript({"words": words})


def test_a_recogniser_is_asked_in_its_own_words_and_finds_other_languages_out_by_itself(shipped):
    ear = shipped.recogniser("elevenlabs-scribe-v2")
    always = {"audio_url": "u", "tag_audio_events": False, "diarize": False}

    assert ear.arguments("u", "de-DE") == {**always, "language_code": "deu"}
    assert ear.arguments("u", "is") == always
