"""The lexicon, the speech settings, own recordings and readable letters of a campaign's files."""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from aurora_pipeline.errors import BadInput
from aurora_pipeline.gear.media_store import sha256_of
from aurora_pipeline.gear.voices import Voice, Voices
from aurora_pipeline.script_table import campaign_sha256, fields, recording_file
from aurora_pipeline.script_table.lexicon import by_key, matched, parted, pronunciation, unused
from aurora_pipeline.script_table.records import Pronunciation, SpeechSettings
from aurora_pipeline_tests.campaign_bench import WITH_AUDIENCE, YAML, campaign_bench

ROWS = "clip_id,text\na,Creatify’s Aurora is in New York.\n"
RECORDED = "clip_id,text,audio\na,,hello.m4a\n"

quick = effort(max_examples=300, deadline=None)


@pytest.fixture
def bench(tmp_path):
    return campaign_bench(tmp_path)


def test_an_edited_row_of_the_homes_own_voices_makes_another_campaign(bench):
    table = bench.settings.voices
    head = "voice,engine,language,engine_voice,quality,scripts,pitch,formant,description\n"
    plain = bench.read(ROWS, YAML)
    table.parent.mkdir(parents=True, exist_ok=True)

    table.write_text(f"{head}heart,hibari,en-US,af_heart,neural,LATIN,1.05,1,Ours.\n", encoding="utf-8")
    ours = bench.read(ROWS, YAML)
    table.write_text(f"{head}heart,hibari,en-US,af_heart,neural,LATIN,1.10,1,Ours.\n", encoding="utf-8")
    edited = bench.read(ROWS, YAML)
    table.write_text(f"{head}another,hibari,en-US,af_heart,neural,LATIN,1.10,1,Ours.\n", encoding="utf-8")

    assert len({plain.sha256, ours.sha256, edited.sha256}) == 3
    assert len({plain.scripts[0].voice_sha256, ours.scripts[0].voice_sha256, edited.scripts[0].voice_sha256}) == 3
    assert bench.read(ROWS, YAML).sha256 == plain.sha256  # a voice that nobody uses is no matter of this campaign


# ---------------------------------------------------------------- the lexicon and the speech settings


def test_a_lexicon_respells_words_and_phrases_or_gives_their_sounds(bench):
    campaign = bench.read(
        ROWS, f"{YAML}lexicon:\n  creatify: Kree-ay-tih-fye\n  Aurora: /əˈɹɔːɹə/\n  new  york: Noo Yawk\n"
    )

    assert campaign.speech.lexicon == (
        Pronunciation("creatify", "Kree-ay-tih-fye"),
        Pronunciation("Aurora", "əˈɹɔːɹə", is_ipa=True),
        Pronunciation("new york", "Noo Yawk"),
    )


def test_a_campaign_that_says_nothing_of_speech_has_the_documented_settings(bench):
    assert bench.read(ROWS).speech == SpeechSettings(seconds="fit", listen="hold", lexicon=())


@pytest.mark.parametrize("seconds", ["off", "trim", "fit"])
@pytest.mark.parametrize("listen", ["hold", "warn", "off"])
def test_the_speech_settings_are_read_and_off_needs_no_quotes(bench, seconds, listen):
    speech = bench.read(ROWS, f"{YAML}speech: {{seconds: {seconds}, listen: {listen}}}\n").speech

    assert (speech.seconds, speech.listen) == (seconds, listen)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("speech: {seconds: round}", "line 4, speech.seconds: is 'round'; use off, trim or fit"),
        ("speech: {seconds: no}", "line 4, speech.seconds: is 'no'; use off, trim or fit"),
        ("speech: {listen: always}", "line 4, speech.listen: is 'always'; use hold, warn or off"),
        ("speech: {listening: hold}", "line 4, speech.listening: is not a setting; did you mean 'listen'?"),
        ("speech: fit", "line 4, speech: must hold keys and values; its keys are: seconds, listen"),
        ("lexicon: [a]", "line 4, lexicon: must hold keys and values, one a line"),
        (
            "lexicon:\n  Aurora:",
            "line 5, lexicon.Aurora: is empty; write how the word is said, such as Kree-ay-tih-fye or /əˈɹɔːɹə/",
        ),
        ("lexicon: {Aurora: [a]}", "line 4, lexicon.Aurora: is a list or a group of keys; write one plain value"),
        (
            "lexicon: {Aurora: /aurora}",
            "line 4, lexicon.Aurora: is '/aurora'; write sounds between two slashes, such as /əˈɹɔːɹə/",
        ),
        (
            "lexicon: {Aurora: //}",
            "line 4, lexicon.Aurora: is '//'; write sounds of the phonetic alphabet, such as /əˈɹɔːɹə/",
        ),
        (
            'lexicon: {Aurora: "/ə\'ɹɔ/"}',
            "line 4, lexicon.Aurora: holds ''' (U+0027), which is not in the phonetic alphabet; write ˈ",
        ),
        (
            "lexicon: {Aurora: /AUR/}",
            "line 4, lexicon.Aurora: holds 'A' (U+0041), which is not in the phonetic alphabet; "
            "write how it sounds in IPA, or a respelling without slashes",
        ),
        (
            "lexicon: {Aurora: <b>x</b>}",
            "line 4, lexicon.Aurora: holds the markup '<b>'; scripts are spoken as plain text, take it out",
        ),
        (
            "lexicon: {Aurora: '...'}",
            "line 4, lexicon.Aurora: has no letters to say; write how the word is said, such as Kree-ay-tih-fye",
        ),
        (
            "lexicon: {Aurora!: x}",
            "line 4, lexicon.Aurora!: has '!' beside a word, which is left as it is when a text is read; "
            "write 'Aurora'",
        ),
        (
            "lexicon: {Creatify’s: x}",
            "line 4, lexicon.Creatify’s: has '’s' beside a word, which is left as it is when a text is read; "
            "write 'Creatify'",
        ),
        ("lexicon: {Aurora - New: x}", "line 4, lexicon.Aurora - New: has '-', which is no word; write words only"),
        (
            "lexicon:\n  Aurora: a\n  aurora: b",
            "line 6, lexicon.aurora: is written twice (first on line 5); keep one of the two",
        ),
        (
            "lexicon:\n  Aurora: a\n  Auroar: b",
            "line 6, lexicon.Auroar: is in no text of scripts.csv; correct or delete the entry",
        ),
        (
            "lexicon: {York New: b}",
            "line 4, lexicon.York New: is in no text of scripts.csv; correct or delete the entry",
        ),
    ],
)
def test_a_mistake_in_speech_or_lexicon_is_told_with_its_line_and_key(bench, lines, said):
    assert bench.problems(ROWS, f"{YAML}{lines}\n") == [f"campaign.yaml {said}"]


def test_every_mistake_of_a_lexicon_is_told_at_once(bench):
    assert len(bench.problems(ROWS, f"{YAML}lexicon:\n  A!: x\n  York: //\n  Nowhere: x\n  Aurora: ''\n")) == 4


def test_a_word_that_only_a_value_has_is_in_a_text(bench):
    people = "audience_id,name\nann,Siobhan\n"
    rows = "clip_id,text\na,Hello {{ name }}!\n"

    campaign = bench.read(rows, f"{WITH_AUDIENCE}lexicon: {{Siobhan: Shivawn}}\n", audience=people)

    assert campaign.speech.lexicon[0].word == "Siobhan"


def test_a_word_is_not_called_unused_while_a_text_cannot_be_filled_in(bench):
    (said,) = bench.problems("clip_id,text\na,Hi {{ name }}.\n", f"{YAML}lexicon: {{Siobhan: Shivawn}}\n")

    assert "uses {{ name }}" in said


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("“CREATIFY,” said Creatify's boss.", ["+Creatify", "said", "+Creatify", "boss."]),
        ("Creatifying (creatify)", ["Creatifying", "+Creatify"]),
        ("New York, new York-based", ["+New York", "new", "York-based"]),
        ("Something new, York! (New York)", ["Something", "new,", "York!", "+New York"]),
        ("नमस्ते! Café CAFE\u0301.", ["+नमस्ते", "+café", "+café"]),
    ],
)
def test_words_are_matched_whole_whatever_their_case_punctuation_and_unicode_form(text, shown):
    entries = by_key(Pronunciation(word, "x") for word in ("Creatify", "New York", "नमस्ते", "café"))

    assert [" ".join(words) if entry is None else f"+{entry.word}" for words, entry in matched(text, entries)] == shown


def test_a_word_inside_a_longer_entry_is_used_too():
    assert unused((Pronunciation("New", "x"), Pronunciation("New York", "y")), ["In New York."]) == ()


@quick
@given(st.text(st.sampled_from("aB’'s-. éẞ\u0301") | st.characters(exclude_categories=("Cs",)), max_size=30))
def test_any_text_keeps_its_words_and_any_word_its_letters(text):
    entries = by_key([Pronunciation("ab", "x")])

    assert [word for words, _ in matched(text, entries) for word in words] == text.split()
    assert all("".join(parted(word)) == word for word in text.split())


@quick
@given(st.text(max_size=20))
def test_any_pronunciation_is_taken_or_refused_with_a_sentence(text):
    try:
        said = pronunciation("word", text)
    except ValueError as error:
        assert "; " in str(error)  # noqa: PT017 - the sentence is the claim
        return
    assert said.said.strip()


# ---------------------------------------------------------------- letters


def test_words_a_voice_cannot_read_are_told_with_the_row(bench):
    assert bench.problems("clip_id,text\na,Hello Привет and 東京 and Ωμέγα.\n") == [
        "scripts.csv line 2, text: has 'Привет', '東京', 'Ωμέγα', whose letters the voice 'heart' (en-US) cannot "
        "read; choose a voice of that language, or say in campaign.yaml's lexicon how the word is spoken"
    ]


def test_a_lexicon_may_say_how_foreign_letters_are_spoken(bench):
    campaign = bench.read("clip_id,text\na,The Ωμέγα point.\n", f"{YAML}lexicon: {{Ωμέγα: Omega}}\n")

    assert campaign.scripts[0].text == "The Ωμέγα point."


def test_a_respelling_in_foreign_letters_is_no_help(bench):
    (said,) = bench.problems("clip_id,text\na,The Omega point.\n", f"{YAML}lexicon: {{Omega: Ωμέγα}}\n")

    assert "has 'Ωμέγα', whose letters the voice 'heart' (en-US) cannot read" in said


@pytest.mark.parametrize("text", ["Ångström, naïve, façade", "ﬁne ½ № 5", "10 € — “so” 😀", "ʻOkina"])
def test_latin_letters_digits_and_signs_are_read(bench, text):
    assert bench.read(f'clip_id,text\na,"{text}"\n').scripts[0].text == text


# ---------------------------------------------------------------- voices


def _voice(name, engine="espeak", quality="robotic"):
    return Voice(name, engine, "de", name, 1.0, 1.0, "German", quality)


def test_of_many_voices_the_free_and_better_ones_are_named(bench):
    heart = Voice("heart", "hibari", "en-US", "heart", 1.0, 1.0, "English")
    bought = [_voice(f"bought-{number}", "fal:kokoro", "neural") for number in range(9)]
    there = Voices((heart, *bought, _voice("rules"), _voice("pico", "nanotts", "plain")))

    with pytest.raises(ValueError) as told:
        fields.spoken_language(there, "heart", "de")

    assert str(told.value) == (
        "is 'de', but the voice 'heart' speaks en-US; voices for it: pico, rules, bought-0 and 8 more "
        "(see `aurora voices`)"
    )


def test_a_homes_own_voice_is_a_voice(bench):
    head = "voice,engine,language,engine_voice,quality,scripts,description\n"
    bench.write(bench.settings.voices, f"{head}nana,espeak,el,grk/el,robotic,LATIN GREEK,Greek\n")

    (script,) = bench.read("clip_id,text,voice\na,Καλημέρα!,nana\n").scripts

    assert (script.voice, script.language) == ("nana", "el")


def test_a_broken_table_of_voices_is_told_before_any_row(bench):
    head = "voice,engine,language,engine_voice,quality,scripts,description\n"
    bench.write(bench.settings.voices, f"{head}nana,festival,el,x,robotic,GREEK,Greek\n")

    with pytest.raises(BadInput, match=r"data/voices\.csv has 1 problem:\n +line 2, engine: is 'festival'"):
        bench.read("clip_id,text\na,\n")
    assert campaign_sha256(bench.settings, "spring")


# ---------------------------------------------------------------- own recordings


def test_a_recording_takes_the_place_of_voice_and_text(bench):
    file = bench.write(bench.folder / "hello.m4a", b"sound")

    (script,) = bench.read(RECORDED).scripts

    assert (script.audio, script.audio_sha256, script.text) == ("hello.m4a", sha256_of(file), "")
    assert (script.voice, script.language) == ("", "en-US")
    assert recording_file(bench.settings, bench.folder, "hello.m4a") == file


def test_a_recording_is_looked_for_in_the_campaign_and_then_in_data_recordings(bench):
    shared = bench.write(bench.root / "data" / "recordings" / "hello.m4a", b"shared")
    assert recording_file(bench.settings, bench.folder, "hello.m4a") == shared

    own = bench.write(bench.folder / "hello.m4a", b"own")
    assert recording_file(bench.settings, bench.folder, "hello.m4a") == own


def test_a_recording_may_come_with_its_text_and_a_language_no_voice_speaks(bench):
    bench.write(bench.folder / "hej.wav", b"sound")

    (script,) = bench.read("clip_id,text,audio,language\na,Hej på dig Привет!,hej.wav,sv_SE\n").scripts

    assert (script.text, script.language) == ("Hej på dig Привет!", "sv-SE")


def test_a_recordings_language_is_the_campaigns_unless_the_row_says_another(bench):
    bench.write(bench.folder / "hello.m4a", b"sound")
    german = YAML.replace("portrait: ana", "portrait: ana, voice: pico-de")

    assert bench.read(RECORDED, german).scripts[0].language == "de-DE"
    assert bench.read(RECORDED, german.replace("pico-de", "pico-de, language: de")).scripts[0].language == "de"


def test_a_recordings_text_is_filled_from_its_rows_own_columns(bench):
    bench.write(bench.folder / "hello.m4a", b"sound")

    (script,) = bench.read("clip_id,text,audio,name\na,Hi {{ name }}.,hello.m4a,Ann\n").scripts

    assert script.text == "Hi Ann."


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            ",,hello.m4a,heart,",
            "voice: is filled in beside audio, and a recording has its own voice; empty one of the two",
        ),
        (
            ",One [pause] two.,hello.m4a,,",
            "text: holds a pause mark, but audio is a recording, which pauses by itself; take it out",
        ),
        (",!!!,hello.m4a,,", "text: has no letters or digits to speak; write words"),
        (",,hello.m4a,,swedish", "language: is 'swedish'; write a language's tag such as en, pt-BR or sv"),
        (
            ",,helo.m4a,,",
            "audio: there is no recording 'helo.m4a' in the campaign's folder or data/recordings; "
            "did you mean 'hello.m4a'?",
        ),
        (
            ",,../hello.m4a,,",
            "audio: '../hello.m4a' is not a name inside the campaign's folder or data/recordings; "
            "write just the file's name",
        ),
        (
            ",,/etc/passwd,,",
            "audio: '/etc/passwd' is not a name inside the campaign's folder or data/recordings; "
            "write just the file's name",
        ),
        (
            ",,http://x.org/a.mp3,,",
            "audio: 'http://x.org/a.mp3' is an address; download the recording into the campaign's folder",
        ),
        (",,folder,,", "audio: 'folder' is not a file; name a sound file"),
        (",,pipe,,", "audio: 'pipe' is not a file; name a sound file"),
        (",,empty.wav,,", "audio: 'empty.wav' is an empty file; save the recording again"),
        (",,large.wav,,", "audio: 'large.wav' has 201 MB; 200 is the most, save it as MP3 or M4A"),
        (",,sly.wav,,", "audio: 'sly.wav' is a link that leads outside its folder; copy the file itself there"),
        (f",,{'x' * 300},,", f"audio: '{'x' * 40}...' is too long for a file's name; write just the file's name"),
    ],
)
def test_a_mistake_in_a_recorded_row_is_told_with_its_line_column_and_mending(bench, row, said):
    bench.write(bench.folder / "hello.m4a", b"sound")
    bench.write(bench.folder / "empty.wav", b"")
    os.truncate(bench.write(bench.folder / "large.wav", b""), 201_000_000)  # sparse
    os.mkfifo(bench.folder / "pipe")
    (bench.folder / "folder").mkdir()
    (bench.folder / "sly.wav").symlink_to(bench.write(bench.root / "elsewhere.wav", b"sound"))

    assert bench.problems(f"clip_id,text,audio,voice,language\na{row}\n") == [f"scripts.csv line 2, {said}"]


def test_a_socket_is_no_recording(bench, monkeypatch):
    bench.folder.mkdir(parents=True)
    monkeypatch.chdir(bench.folder)  # a socket's own path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("live")
        with pytest.raises(BadInput, match="'live' is not a file; name a sound file"):
            recording_file(bench.settings, bench.folder, "live")


def test_a_recording_is_not_made_for_everybody(bench):
    bench.write(bench.folder / "hello.m4a", b"sound")
    rows = "clip_id,text,audio\na,Hi {{ name }}.,hello.m4a\n"

    assert bench.problems(rows, WITH_AUDIENCE, audience="audience_id,name\nann,Ann\n") == [
        "scripts.csv line 2, audio: says the same to everybody, but the text uses a column of audience.csv; empty one"
    ]


# ---------------------------------------------------------------- the campaign's hash


def test_the_hash_of_campaigns_from_before_there_was_any_of_this_is_what_it_was(bench):
    """Golden: a changed hash would make every sensor run every campaign again."""
    bench.write(bench.settings.avatars / "ana.png", b"a portrait's bytes")
    bench.write(bench.folder / "campaign.yaml", "name: Spring\nbudget_usd: 25\ndefaults:\n  portrait: ana\n")
    bench.write(bench.folder / "scripts.csv", "clip_id,text\nhello,Hello there.\n")

    assert campaign_sha256(bench.settings, "spring") == (
        "ce2c809bcb50a5502fcbab6d14a8f88ee1d286b7c3a458213bb46bddcb37e4e8"
    )


def test_the_hash_follows_recordings_and_the_audience(bench):
    people = "audience_id,name\nann,Ann\n"
    bench.write(bench.folder / "hello.m4a", b"sound")
    before = bench.read(f"{RECORDED}b,Hi {{{{ name }}}}.,\n", WITH_AUDIENCE, audience=people).sha256
    assert campaign_sha256(bench.settings, "spring") == before

    bench.write(bench.folder / "hello.m4a", b"another sound")
    recorded_anew = campaign_sha256(bench.settings, "spring")
    bench.write(bench.folder / "audience.csv", people + "bob,Bob\n")

    assert len({before, recorded_anew, campaign_sha256(bench.settings, "spring")}) == 3
