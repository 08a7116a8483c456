"""The offline recogniser: its features, tokens and windows, and what it makes of known speech.  No network, ever."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from itertools import pairwise

import numpy as np
import pytest

from aurora_pipeline.errors import Interrupted, SpeechFailed
from aurora_pipeline.gear import recognisers, voices
from aurora_pipeline.gear.recognisers import registry, scripts, spectrum, windows
from aurora_pipeline.gear.recognisers.meanings import has_number, negations
from aurora_pipeline.gear.recognisers.spelling import likeness, sounds_of

SENTENCE = "The plan costs $30 a month, and you can cancel at any time."
LONG = (
    "Meet the kettle that keeps its promise, in every colour you can think of.",
    "Your mornings just got easier, because time is the only thing you cannot buy back.",
    "We tested it in two hundred kitchens, and four out of five customers stay.",
    "If your back hurts after lunch, listen: our new plan costs less than a sandwich.",
    "Delivery is free, and returns are free as well.",
    "The battery lasts eleven days, and it fits in a coat pocket.",
    "Forty thousand people switched last month, with no contract and no waiting room.",
    "It is made from recycled aluminium in a small town near the sea.",
    "Ask your dentist, ask your neighbour, or ask the dog.",
    "You keep the gift even if you cancel, so try it today.",
)
HEART = voices.shipped().named("heart")


@pytest.fixture(scope="module")
def spoken():
    return voices.engine("hibari").speak(SENTENCE, HEART)


def _tone(hertz, rate, seconds=1.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


# sound in


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100, 48_000])
def test_sound_is_brought_to_16_khz_without_moving_or_weakening_it(rate):
    np.testing.assert_allclose(spectrum.at_16_khz(_tone(440, rate), rate), _tone(440, 16_000), atol=1e-3)


def test_the_spectrum_has_80_bands_every_10_ms_and_some_silence_after_the_sound():
    levels = spectrum.log_mel(_tone(1000, 16_000, 2.0))

    assert levels.shape == (80, 600)
    assert 20 <= levels[:, 100].argmax() <= 30  # 1 kHz is mel 15 of 45.2
    assert levels[:, 500].max() == levels.min()
    assert spectrum.log_mel(_tone(1000, 16_000, 30.0)).shape == (80, 3000)


def test_long_sound_is_cut_in_its_pauses_and_nothing_is_lost():
    sound = np.concatenate([_tone(200, 16_000, 20), np.zeros(8_000, np.float32), _tone(200, 16_000, 25)])

    found = windows.cut(sound)

    assert [found[0].first, found[-1].last] == [0, len(sound)]
    assert found[0].last == found[1].first
    assert 20.0 < found[0].seconds < 20.5
    assert all(window.seconds <= windows.LONGEST_SECONDS for window in windows.cut(_tone(50, 16_000, 90)))
    assert windows.cut(np.zeros(0, np.float32)) == []


def test_a_script_is_divided_among_windows_by_what_was_heard_in_each():
    heard = [["Hello", "there", "frend."], ["Buy", "it", "today."]]

    shares = scripts.shared(["Hello", "there,", "friend.", "Please", "buy", "it", "today!"], heard)

    assert shares == [["Hello", "there,", "friend."], ["Please", "buy", "it", "today!"]]
    assert scripts.shared(["Hello"], [[], []]) == [["Hello"], []]
    assert scripts.shared(["Hello"], []) == []


def test_languages_without_spaces_are_laid_character_by_character():
    assert scripts.pieces("今日は、2026年。 Aurora", "ja") == ["今", "日", "は、", "2026", "年。", "Aurora"]
    assert scripts.pieces("Guten Tag!", "de") == ["Guten", "Tag!"]


@pytest.mark.parametrize(
    ("piece", "bare"),
    [
        ("“Don’t", "Don't"),
        ("home.”", "home."),
        ("(415)", "415"),
        ("„neue“", "neue"),
        ("«hola»", "hola"),
        ("—", ""),
        ("🎉🎉", ""),
        ("uh...", "uh..."),
        ("¿Qué", "¿Qué"),
        ("-5", "-5"),
        ("°C", "°C"),
        ("15%", "15%"),
        ("&", "&"),
        ("नमस्ते।", "नमस्ते।"),
    ],
)
def test_quotes_brackets_dashes_and_pictures_around_a_word_are_not_spoken(piece, bare):
    assert scripts.bare(piece) == bare


# spelling


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("in 2026", "in twenty twenty-six"),
        ("$3.50", "three dollars and fifty cents"),
        ("colour theatre", "color theater"),
        ("Buy two", "bye to"),
        ("9:30am", "9.30am"),
        ("1,200", "twelve hundred"),
        ("15%", "fifteen percent"),
    ],
)
def test_english_that_sounds_the_same_is_the_same(one, other):
    assert likeness(one, other, "en") == 1.0


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("de", "2.500 Kunden", "zweitausendfünfhundert Kunden"),
        ("de", "1998", "neunzehnhundertachtundneunzig"),
        ("de", "19 €", "neunzehn Euro"),
        ("fr", "dès 80 %", "des quatre-vingts pour cent"),
        ("es", "25 euros", "veinticinco euros"),
        ("it", "30 giorni", "trenta giorni"),
    ],
)
def test_numbers_and_symbols_of_other_languages_are_written_out(language, one, other):
    pytest.importorskip("unicode_rbnf")
    assert likeness(one, other, language) == 1.0


@pytest.mark.parametrize(("one", "other"), [("$30", "$13"), ("15%", "50%"), ("1996", "1986"), ("now", "not")])
def test_what_sounds_different_stays_different(one, other):
    assert likeness(one, other, "en") < 1.0


def test_a_text_the_pronouncer_chokes_on_is_compared_by_its_letters():
    assert sounds_of("Привет", "en") or sounds_of("Привет", "ru") == "привет"


@pytest.mark.parametrize(
    ("language", "one", "other"), [("de", "1.299,50 €", "1299 Euro 50"), ("fr", "dès 49,90 €", "des 49 euros 90")]
)
def test_a_price_has_its_currency_where_it_is_said(language, one, other):
    assert sounds_of(one, language) == sounds_of(other, language)


@pytest.mark.parametrize(
    ("language", "text", "count"),
    [
        ("en", "You can’t, and I will not.", 2),
        ("en", "Nothing on the notebook", 1),
        ("de", "keinen Tag, nie", 2),
        ("fr", "Vous ne pouvez pas", 1),
        ("es", "Jamás, no", 2),
        ("it", "Non è mai tardi", 2),
        ("xx", "not", 0),
    ],
)
def test_words_that_say_no_are_counted(language, text, count):
    assert negations(text, language) == count


@pytest.mark.parametrize(
    ("language", "text", "is_one"),
    [
        ("en", "over forty", True),
        ("en", "room 4", True),
        ("en", "one of us", False),
        ("en", "000", False),
        ("de", "vierzehn", True),
        ("fr", "quatre-vingt-dix", True),
        ("es", "veintiún", False),
        ("it", "tredici", True),
        ("tlh", "wa'", False),
    ],
)
def test_numbers_are_known_in_words_as_well(language, text, is_one):
    pytest.importorskip("unicode_rbnf")
    assert has_number(text, language) is is_one


# the recogniser


def test_quotes_that_nobody_speaks_make_no_word_improbable(whisper):
    text = "Say “hello” — to the new menu…"
    spoken = voices.engine("hibari").speak("Say hello to the new menu.", HEART)

    heard = whisper.hear(spoken.samples, spoken.sample_rate, language="en", script=text)

    assert [word.text for word in heard.script] == text.split()
    assert min(word.likelihood for word in heard.script) > 0.05
    assert all(one.start_seconds <= two.start_seconds for one, two in pairwise(heard.script))


def test_without_the_extra_there_is_no_recogniser(monkeypatch):
    monkeypatch.setattr(registry, "_PACKAGES", ("a_package_nobody_has",))

    assert recognisers.offline() is None


def test_tokens_spell_every_text_back(whisper):
    tokens = whisper._loaded().tokens

    for text in (SENTENCE, " Straße über 20 °C, ½ price — “naïve”.", "こんにちは、世界。2026年", "नमस्ते", "x_y  1ª"):
        assert tokens.decode(tokens.encode(text)) == text


def test_known_speech_is_transcribed_and_its_script_laid_onto_it(whisper, spoken):
    heard = whisper.hear(spoken.samples, spoken.sample_rate, language="en", script=SENTENCE)

    assert likeness(heard.text, SENTENCE, "en") > 0.9
    assert (heard.language, [word.text for word in heard.script]) == ("en", SENTENCE.split())
    assert heard.language_probability > 0.9
    assert min(word.likelihood for word in heard.script) > 0.05
    late = [laid.end_seconds - word.end_seconds for laid, word in zip(heard.script, spoken.words, strict=True)]
    assert np.mean(np.abs(late)) < 0.12


def test_asked_to_stop_it_hears_no_further_window(whisper, monkeypatch):
    from aurora_pipeline.gear.recognisers import whisper as module

    stop, heard, hear_one = threading.Event(), [], module._hear

    def heard_one(loaded, sound, window, *rest):
        heard.append(window)
        stop.set()
        return hear_one(loaded, sound, window, *rest)

    monkeypatch.setattr(module, "_hear", heard_one)

    with pytest.raises(Interrupted, match="asked to stop"):
        whisper.hear(np.zeros(90 * 16_000, np.float32), 16_000, language="en", script=SENTENCE, stop=stop)
    assert len(heard) == 1  # of the four that 90 seconds have


def test_words_that_are_not_in_the_sound_are_improbable_and_their_neighbours_are_not(whisper, spoken):
    heard = whisper.hear(spoken.samples, spoken.sample_rate, language="en", script=SENTENCE.replace("month", "banana"))

    likelihood = {word.text.strip(","): word.likelihood for word in heard.script}
    assert likelihood["banana"] < 0.001
    assert likelihood["cancel"] > 0.2


def test_speech_longer_than_the_models_window_is_heard_to_its_end(whisper):
    text = " ".join(LONG)
    spoken = voices.engine("hibari").speak(text, HEART)

    heard = whisper.hear(spoken.samples, spoken.sample_rate, language="en", script=text)

    assert len(spoken.samples) / spoken.sample_rate > 40
    assert likeness(heard.text, text, "en") > 0.9
    assert [word.text for word in heard.script] == text.split()
    late = [laid.start_seconds - word.start_seconds for laid, word in zip(heard.script, spoken.words, strict=True)]
    assert np.median(np.abs(late)) < 0.1


@pytest.mark.parametrize("samples", [np.zeros(0, np.float32), np.zeros(16_000, np.float32)])
def test_silence_is_no_error(whisper, samples):
    assert whisper.hear(samples, 16_000, language="en", script="Hello").language_probability < 0.9


def test_many_threads_hear_the_same_as_one(whisper, spoken):
    def hear():
        return whisper.hear(spoken.samples, spoken.sample_rate, language="en", script=SENTENCE)

    alone, together = hear(), []
    threads = [threading.Thread(target=lambda: together.append(hear())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert together == [alone] * 4


def test_a_model_nobody_examined_is_not_loaded(monkeypatch, whisper):
    from aurora_pipeline.gear.recognisers import whisper as module

    monkeypatch.setitem(module.SHA256, "model.bin", "0" * 64)

    with pytest.raises(SpeechFailed, match=r"model.bin is not the one that was examined; .*Nothing was spent\.$"):
        module.WhisperRecogniser().hear(np.zeros(16_000, np.float32), 16_000, language="en", script="Hello")


def test_a_language_the_recogniser_never_learned_is_refused(whisper):
    with pytest.raises(SpeechFailed, match="does not know the language 'tlh'"):
        whisper.hear(np.zeros(16_000, np.float32), 16_000, language="tlh", script="nuqneH")


def test_hearing_opens_no_connection_and_loads_nothing_that_could(whisper):
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise SystemExit('connected')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "import numpy as np\n"
        "from aurora_pipeline.gear import recognisers\n"
        "recognisers.offline().hear(np.zeros(16000, np.float32), 16000, language='en', script='Hello')\n"
        "print(sorted({'huggingface_hub', 'requests', 'httpx', 'transformers'} & set(sys.modules)))\n"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"
    assert socket.socket  # this process's own is untouched
