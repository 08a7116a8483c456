"""The ear before the wallet: planted defects are caught with the right sentence, good clips pass."""

from __future__ import annotations

import re
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from aurora_pipeline.gear import ffmpeg, voices
from aurora_pipeline.gear.recognisers import HeardWord, ScriptWord, Transcript
from aurora_pipeline.tts_audio.acoustics import measure
from aurora_pipeline.tts_audio.listening import listen
from aurora_pipeline.tts_audio.loudness import loudness_lufs
from aurora_pipeline.tts_audio.pace import pace_of
from aurora_pipeline.tts_audio.recordings import read_recording
from aurora_pipeline.tts_audio.repeats import without_repeats
from aurora_pipeline.tts_audio.wav import write_wav
from aurora_pipeline.tts_audio.wording import compare

RATE = 24_000
TEXT = "Our store opens at half past nine, and the first fifty customers get a free cup of coffee."
GOOD = [
    ("heart", "The all-new Creatify costs $3.50 until 2026."),
    ("low", "Would you trust a stranger with your savings? Neither would we."),
    ("mid", "Anna Kowalski from Gdansk saved 1,250 dollars in three months."),
    ("high", "Get 15% off today, only at Northwind!"),
    ("heart", "Our store opens at 9:30am on the 12th of March. See you there."),
    ("heart", "Yes."),
    ("low", "Call 555-0199 now, or visit example.com to learn more about our summer sale."),
    ("pico-en-gb", "Good morning. The colour of the theatre has changed since 1998, hasn't it?"),
    ("pico-de", "Guten Tag! Unser neues Angebot kostet nur 19,99 € im Monat."),
    ("pico-de", "Haben Sie schon einmal 2.500 Kunden an einem Tag bedient?"),
    ("pico-de", "Frau Müller aus Köln spart seit 2019 jeden Monat Zeit und Geld."),
    ("pico-es", "¿Sabías que puedes ahorrar 25 euros cada mes con nuestra aplicación?"),
    ("pico-es", "Buenos días, María. Hoy empieza la gran venta de verano."),
    ("pico-es", "Más de 3.000 clientes confían en nosotros desde 2015."),
    ("pico-fr", "Bonjour à tous ! Découvrez notre nouvelle collection dès 49 € seulement."),
    ("pico-fr", "Combien de temps perdez-vous chaque semaine avec vos factures ?"),
    ("pico-fr", "Depuis 2020, plus de 80 % de nos clients reviennent."),
    ("pico-it", "Buongiorno, la nostra offerta costa solo 12 euro al mese."),
    ("pico-it", "Vuoi risparmiare tempo? Prova gratis per 30 giorni."),
    ("pico-it", "Giulia Bianchi lavora a Milano dal 2018 e non ha mai perso un treno."),
]
WRONG = [  # voice, what is spoken, the script, what the sentence says
    ("heart", "We meet on Friday at noon.", "We meet on Tuesday at noon.", "'Friday' instead of 'Tuesday'"),
    ("low", "Get 50% off today, only at Northwind!", "Get 15% off today, only at Northwind!", "'50%' instead of '15%'"),
    ("heart", "The plan costs thirteen dollars a month.", "The plan costs $30 a month.", r"'\$13' instead of '\$30'"),
    ("mid", "Our product is safe for children.", "Our product is not safe for children.", "'not' is missing"),
    ("mid", "Our product is not safe for children.", "Our product is now safe for children.", "'not' instead of 'now'"),
    ("high", "We started in nineteen eighty six.", "We started in 1996.", "'1986' instead of '1996'"),
    ("heart", "Visit Northwind for the best prices.", "Visit Creatify for the best prices.", "instead of 'Creatify'"),
    ("heart", "You can cancel at any time.", "You can't cancel at any time.", "'can' instead of 'can't'"),
    ("pico-de", "Es kostet nur 90 Euro im Monat.", "Es kostet nur 19 Euro im Monat.", "'90' instead of '19'"),
    ("pico-de", "Wir öffnen am Freitag um zehn.", "Wir öffnen am Montag um zehn.", "'Freitag"),
    ("pico-es", "Puedes ahorrar 60 euros cada mes.", "Puedes ahorrar 70 euros cada mes.", "'60' instead of '70'"),
    ("pico-fr", "Depuis 2012, nos clients restent.", "Depuis 2020, nos clients restent.", "'2012' instead of '2020'"),
    ("pico-it", "Prova gratis per tre giorni.", "Prova gratis per 30 giorni.", "instead of '30'"),
    ("heart", "You can't cancel anytime.", "You can cancel anytime.", "'can't' instead of 'can'"),
    ("low", "Free shipping over fourteen euros.", "Free shipping over forty euros.", "'14' instead of 'forty'"),
    ("heart", "Save fifty dollars.", "Save fifteen dollars.", r"'\$50' instead of 'fifteen'"),
    ("low", "Thirteen percent off.", "Thirty percent off.", "'13%' instead of 'Thirty'"),
    ("pico-de", "Sie sparen vierzehn Euro im Monat.", "Sie sparen vierzig Euro im Monat.", "'14' instead of 'vierzig'"),
    ("pico-es", "No puedes cancelar hoy.", "Puedes cancelar hoy.", "it adds 'no'"),
]  # fmt: skip


def _spoken(text, voice="heart"):
    if voice.startswith("pico"):
        pytest.importorskip("py_nanotts")
    found = voices.shipped().named(voice)
    return voices.engine(found.engine).speak(text, found)


def _language(voice):
    return voices.shipped().named(voice).language


@pytest.fixture(scope="module")
def speech():
    return _spoken(TEXT).samples


def _silence(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def _heard(samples, *, text=TEXT, **more):
    return listen(samples, RATE, text=text, language="en-US", **more)


def _sentence(heard, check):
    return next(finding.sentence for finding in heard.findings if finding.check == check)


# the sound alone: no recogniser needed


def test_good_speech_passes_and_it_is_said_that_nobody_compared_the_words(speech):
    heard = _heard(speech)

    assert (heard.verdict, heard.findings, heard.word_error, heard.aligned) == ("pass", (), None, None)
    assert heard.recogniser == (
        "none: install aurora-pipeline[listen] and the text will be compared with what is heard"
    )
    assert -30 < heard.loudness_lufs < -20
    assert 150 < heard.words_per_minute < 260


@pytest.mark.parametrize("samples", [[], np.zeros(RATE), np.full(RATE, 0.005), [0.1, np.nan] * RATE])
def test_an_empty_clip_fails(samples):
    heard = _heard(np.asarray(samples, np.float32))

    assert heard.verdict == "fail"
    assert [finding.sentence for finding in heard.findings] == [
        "No speech can be heard in what was made of this text; write it in the voice's own language. Nothing was spent."
    ]


def test_an_empty_recording_is_not_blamed_on_a_text_it_does_not_have():
    assert _sentence(_heard(_silence(2), text=""), "silent") == (
        "No speech can be heard in this recording; record it again, or check that the right file and channel were "
        "saved. Nothing was spent."
    )


def test_an_empty_recording_of_a_known_text_is_called_a_recording():
    assert _sentence(_heard(_silence(2), is_recording=True), "silent").startswith(
        "No speech can be heard in this recording; record it again"
    )


@pytest.mark.parametrize("noise_db", [-40, -30, -20])
def test_the_noise_of_a_room_is_taken_for_silence_and_not_for_slow_speech(speech, noise_db):
    quiet = np.concatenate([_silence(1), speech, _silence(1)])
    hiss = np.random.default_rng(1).standard_normal(len(quiet))
    noisy = (quiet + hiss * np.sqrt(np.mean(speech**2)) * 10 ** (noise_db / 20)).astype(np.float32)

    found, clean = measure(noisy, RATE), measure(quiet, RATE)

    assert found.leading_seconds == pytest.approx(clean.leading_seconds, abs=0.16)
    assert found.trailing_seconds == pytest.approx(clean.trailing_seconds, abs=0.16)
    assert found.speaking_seconds == pytest.approx(clean.speaking_seconds, rel=0.15)
    assert "pace" not in {finding.check for finding in _heard(noisy).findings}


@pytest.mark.parametrize("gain", [0.3, 0.7, 1.0])
def test_clipped_speech_fails_even_when_it_was_turned_down_afterwards(speech, gain):
    clipped = np.clip(speech * (6 / np.abs(speech).max()), -1, 1) * np.float32(gain)

    heard = _heard(clipped)

    assert heard.verdict == "fail"
    assert re.fullmatch(
        r"The sound is clipped in \d+ places \([\d., ]+ s and on; [\d.]+% of it\); record it again at a lower level, "
        r"since turning it down mends nothing\. Nothing was spent\.",
        _sentence(heard, "clipping"),
    )


def test_speech_at_full_level_is_not_taken_for_clipped(speech):
    for peak in (0.98, 1.0, 1.7):
        assert "clipping" not in {f.check for f in _heard(speech * (peak / np.abs(speech).max())).findings}


@pytest.mark.parametrize(("place", "words"), [("before", "before the words"), ("after", "after the words")])
def test_three_seconds_of_silence_at_an_end_fail(speech, place, words):
    parts = [_silence(3), speech] if place == "before" else [speech, _silence(3)]

    heard = _heard(np.concatenate(parts))

    assert heard.verdict == "fail"
    assert re.match(rf"There are 3\.\d s of silence {words}, and video is billed for them", _sentence(heard, "silence"))


def test_three_seconds_of_silence_inside_fail_unless_the_script_asks_for_them(speech):
    pause = measure(speech, RATE).pauses[0]
    middle = round(sum(pause) / 2 * RATE)
    halted = np.concatenate([speech[:middle], _silence(3), speech[middle:]])

    heard = _heard(halted)

    assert heard.verdict == "fail"
    assert re.match(r"There are 3\.\d s of silence between the words, from [\d.]+ to", _sentence(heard, "silence"))
    assert heard.longest_pause_seconds > 3
    assert _heard(halted, pauses_seconds=(3.0,)).verdict == "pass"
    assert _heard(halted, pauses_seconds=(1.0,)).verdict == "fail"


def test_double_speed_fails(speech):
    heard = _heard(speech[::2])

    assert heard.verdict == "fail"
    assert re.match(
        r"The speech is too fast \(\d+ words a minute, \d\.\d times the language's", _sentence(heard, "pace")
    )


def test_a_third_of_the_speed_fails(speech):
    slow = np.repeat(speech, 3)

    assert _sentence(_heard(slow), "pace").startswith("The speech is too slow (")


def test_whispered_recordings_fail_for_their_level_and_loud_ones_warn(speech):
    quiet, loud = speech * np.float32(0.08), np.tanh(speech * 30).astype(np.float32) * np.float32(0.9)

    assert re.match(r"The speech is very quiet \(-4\d\.\d LUFS\)", _sentence(_heard(quiet), "loudness"))
    assert re.match(r"The speech is very loud \(-\d\.\d LUFS\)", _sentence(_heard(loud), "loudness"))


def test_pace_is_told_in_characters_where_words_are_not_spaced():
    pace = pace_of("今日は新しい商品を紹介します", "ja", 1.2)

    assert (pace.characters_per_second, pace.of_usual > 1.6) == (pytest.approx(11.67), True)


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_loudness_agrees_with_an_independent_meter_and_with_ffmpeg(tmp_path, rate):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    noise = np.random.default_rng(0).standard_normal(rate * 4) * np.repeat([0.1, 0.001, 0.2, 0.05], rate)
    samples = np.clip(noise, -1, 1).astype(np.float32)
    with wave.open(str(tmp_path / "a.wav"), "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes((samples * 32767).astype("<i2").tobytes())

    log = ffmpeg.run(["-i", str(tmp_path / "a.wav"), "-af", "ebur128=framelog=quiet", "-f", "null", "-"]).stderr

    by_ffmpeg = float(re.findall(r"I:\s+(-[\d.]+) LUFS", log)[-1])
    assert loudness_lufs(samples, rate) == pytest.approx(by_ffmpeg, abs=0.25)
    independent = pyloudnorm.Meter(rate).integrated_loudness(samples.astype(float))
    assert loudness_lufs(samples, rate) == pytest.approx(independent, abs=0.25)


# a transcript that was bought: words, but nothing laid onto the sound


def _transcript(text):
    return Transcript(text, tuple(HeardWord(word) for word in text.split()))


class Bought:
    """A recogniser that answers with a transcript it was given: what a paid one will be to `listen`."""

    name, version, languages = "bought", "1", frozenset({"en", "hi"})

    def __init__(self, text, *, script=None, language="en", probability=0.99):
        words = tuple(HeardWord(word) for word in text.split())
        self.transcript = Transcript(text, words, script, language, probability)

    def hear(self, samples, rate, *, language, script, stop=None):
        return self.transcript


def test_a_bought_transcript_holds_a_wrong_word_back_and_says_where_the_engine_put_it(speech):
    words = [voices.TimedWord(word, float(at), at + 1.0) for at, word in enumerate(TEXT.split())]

    heard = _heard(speech, words=words, recogniser=Bought(TEXT.replace("coffee", "gasoline")))

    assert (heard.verdict, heard.recogniser, heard.words_that_differ) == (
        "fail", "bought 1", ("coffee. -> gasoline.",)
    )  # fmt: skip
    assert _sentence(heard, "text") == (
        "The speech does not say what the script says: at 17.0 s it says 'gasoline' instead of 'coffee'. Listen to it; "
        "write the words as they are spoken, give the campaign's lexicon their pronunciation, or choose another voice. "
        "Nothing was spent."
    )


@pytest.mark.parametrize(
    ("script", "heard", "is_wrong"),
    [
        ("It is 4 euros.", "It is 14 euros.", True),
        ("It is 4 euros.", "It is green euros.", True),
        ("We open at 9:30 today.", "We open at 9.30 today.", False),
        ("It takes 1.5 hours.", "It takes 1,5 hours.", False),
        ("Call 0800 123 456.", "Call 0800123456.", False),
    ],
)
def test_a_bought_transcripts_other_number_is_wrong_and_another_spelling_of_it_is_not(script, heard, is_wrong):
    transcript = Transcript(heard, tuple(HeardWord(word) for word in heard.split()))

    assert bool(compare(script, transcript, "en").wrong) is is_wrong


@pytest.mark.parametrize(
    ("language", "script", "heard"),
    [
        ("en", "You can cancel anytime.", "You can't cancel anytime."),
        ("en", "You cannot return it.", "You can return it."),
        ("en", "Free shipping over forty euros.", "Free shipping over 14 euros."),
        ("en", "Free shipping over forty euros.", "Free shipping over fourteen euros."),
        ("en", "Save fifteen dollars.", "Save $50."),
        ("en", "Thirty percent off.", "13% off."),
        ("de", "Das gilt nicht sonntags.", "Das gilt auch sonntags."),
        ("de", "Wir haben eine Zeit.", "Wir haben keine Zeit."),
        ("de", "Sie sparen vierzig Euro.", "Sie sparen 14 Euro."),
        ("fr", "Vous ne pouvez pas annuler.", "Vous pouvez annuler."),
        ("fr", "Cela coûte quarante euros.", "Cela coûte 14 euros."),
        ("fr", "Nous fermons.", "Nous ne fermons jamais."),
        ("es", "Puedes cancelar hoy.", "No puedes cancelar hoy."),
        ("it", "Prova gratis per 30 giorni.", "Prova gratis per tre giorni."),
    ],
)
def test_another_number_or_a_no_in_a_transcript_is_wrong_however_alike_it_sounds(language, script, heard):
    if language != "en":
        pytest.importorskip("unicode_rbnf")

    assert compare(script, _transcript(heard), language).wrong
    laid = [ScriptWord(word, 0.0, 1.0, 0.9) for word in script.split()]
    assert not compare(script, replace(_transcript(heard), script=tuple(laid)), language).wrong
    laid = [replace(word, likelihood=0.0005) for word in laid]
    assert compare(script, replace(_transcript(heard), script=tuple(laid)), language).wrong


@pytest.mark.parametrize(
    ("language", "script", "heard"),
    [
        ("en", "We open at nine thirteen.", "We open at 9.13."),
        ("en", "Over fifteen thousand customers.", "Over 15,000 customers."),
        ("en", "It isn’t late, and you’re in.", "It is not late and you are in."),
        ("en", "Win one of three cars.", "Win 1 of 3 cars."),
        ("de", "Das kostet 1.299,50 €.", "Das kostet 1299 Euro 50."),
        ("de", "Vierzigtausend Menschen.", "40.000 Menschen."),
        ("fr", "Quarante mille personnes.", "40 000 personnes."),
        ("it", "C’è un’altra novità.", "C'è un altra novita."),
        ("en", "Say “hello” (again) — to the new… menu.", "Say hello again to the new menu."),
        ("de", "Sagen Sie „Guten Morgen“ – heute!", "Sagen Sie Guten Morgen heute."),
    ],
)
def test_another_way_to_write_the_same_is_not_wrong(language, script, heard):
    if language != "en":
        pytest.importorskip("unicode_rbnf")

    assert compare(script, _transcript(heard), language).wrong == ()


@pytest.mark.parametrize(
    ("script", "heard", "told"),
    [
        ("Call 1-800-555-0199 now.", "Call 1-800-555199 now.", "'1-800-555-0199' (heard: '1-800-555199')"),
        ("Text 0800 123 4567 now.", "Text 81234567 now.", "'0800 123 4567' (heard: '81234567')"),
        ("See www.aurora.io now.", "See do what we're at now.", "'www.aurora.io' (heard: 'do what we're at')"),
        ("Hmm, uh... well.", "Come out well.", "'Hmm, uh' (heard: 'Come out')"),
        ("Take e.g. & this.", "Take age A this.", "'e.g. &' (heard: 'age A')"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_warns_and_says_to_write_it_as_it_is_spoken(speech, script, heard, told):
    found = listen(speech[:RATE], RATE, text=script, language="en", recogniser=Bought(heard))

    sentences = [finding.sentence for finding in found.findings if finding.check == "text"]
    assert sentences == [
        f"Whether this is said as it should be cannot be judged: {told}. Listen to it, and write it as it is spoken "
        "('five five five, oh one nine nine', 'aurora dot io', 'for example'). Nothing was spent."
    ]


@pytest.mark.parametrize(
    ("script", "heard"),
    [
        ("Call 555-0199 now.", "Call 555-0188 now."),
        ("Call 1-800-555-0199 now.", "Call 212-447-6321 now."),
        ("Call 555-0199 now.", "Call 555-0199 now. Please like and subscribe to us."),
        ("We meet at 10:05 a.m. here.", "We meet at 10:50 a.m. here."),
        ("Plus de 80 % ici.", "Plus de 18 % ici."),
    ],
)
def test_another_telephone_number_hour_or_share_and_words_after_one_are_wrong(script, heard):
    assert compare(script, _transcript(heard), "en").wrong


@pytest.mark.parametrize("heard", ["Call 5550199 now.", "Call 555 01 99 now."])
def test_a_telephone_number_is_compared_digit_by_digit(heard):
    assert compare("Call 555-0199 now.", _transcript(heard), "en").differences == ()


def test_what_a_recogniser_says_again_and_again_is_cut_where_nobody_could_say_it_in_the_time(speech):
    looped = _heard(speech, recogniser=Bought(" ".join([TEXT] * 9 + TEXT.split()[:5])))
    twice = _heard(np.concatenate([speech, speech]), recogniser=Bought(f"{TEXT} {TEXT}"))

    assert (looped.transcript, looped.verdict) == (TEXT, "pass")
    assert "it adds 'Our store opens" in _sentence(twice, "text")
    assert without_repeats("Buy it " * 6, "Buy it. Buy it. Buy it.", "en", 0.5) == "Buy it Buy it Buy it"


def test_words_that_the_lexicon_pronounces_are_not_held_against_a_recognisers_spelling():
    heard = Transcript("Meet Cree ITIFI and its knew friends", ())
    gone = Transcript("Meet and its new friends", ())

    of_it = compare("Meet Creatify and its new friends", heard, "en", pronounced=[(1, 2)])
    without = compare("Meet Creatify and its new friends", gone, "en", pronounced=[(1, 2)])

    assert not any(each.is_doubtful for each in of_it.differences)
    assert [each.script for each in without.differences if each.is_doubtful] == ["Creatify"]


@pytest.mark.parametrize("text", ["The doors open at 10:30 tomorrow.", "It is $1,250 at 9:30, and 15% off."])
def test_a_text_of_numbers_is_not_too_fast_because_they_are_said_in_fewer_syllables_than_was_guessed(text):
    spoken = voices.engine("hibari").speak(text, voices.shipped().named("heart"))

    assert listen(spoken.samples, spoken.sample_rate, text=text, language="en").findings == ()


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
def test_what_was_clipped_before_it_was_resampled_or_encoded_is_told(tmp_path, name, speech):
    import ffmpeg as graph

    write_wav(tmp_path / "clipped.wav", np.clip(10 ** (14 / 20) * speech / np.abs(speech).max(), -1, 1), RATE)
    sound = graph.input(ffmpeg.target(tmp_path / "clipped.wav"))
    ffmpeg.run(sound.output(ffmpeg.target(tmp_path / f"saved_{name}"), ar=44_100))
    saved = read_recording(tmp_path / f"saved_{name}", shown=name, text="", stop=threading.Event())

    heard = listen(saved.samples, saved.sample_rate, text=TEXT, language="en", is_recording=True)

    assert "clipping" in {finding.check for finding in heard.findings}


def test_another_language_that_the_recogniser_translates_is_told_by_its_own_ear_for_languages():
    german = Bought("Come to Hafen and try today our new coffee.", language="de", probability=0.99)
    said = "Come to the harbour and try our new coffee today."
    sound = np.random.default_rng(1).normal(0, 0.1, 4 * RATE).astype(np.float32)

    (told,) = [each for each in listen(sound, RATE, text=said, language="en", recogniser=german).findings
               if each.check == "language"]  # fmt: skip
    (wordless,) = [each for each in listen(sound, RATE, text="", language="en", recogniser=german).findings
                   if each.check == "language"]  # fmt: skip

    assert told.verdict == "fail"
    assert told.sentence.startswith("The speech sounds like 'de' (99% sure), but the script's language is 'en', and ")
    assert wordless.sentence == (
        "The recording sounds like 'de' (99% sure), but the row's language is 'en'; mend one of them. "
        "Nothing was spent."
    )


def test_added_sentences_fail_and_one_stuttered_word_does_not(speech):
    added = _heard(speech, recogniser=Bought(f"{TEXT} Please like and subscribe to us."))
    stuttered = _heard(speech, recogniser=Bought(f"{TEXT} coffee coffee coffee coffee"))

    assert "it adds 'Please like and subscribe to us'" in _sentence(added, "text")
    assert stuttered.verdict != "fail"


def test_where_a_recogniser_is_weak_a_difference_only_warns(speech):
    text = "नमस्ते दुनिया आज मौसम अच्छा है"
    laid = tuple(ScriptWord(word, 0.0, 1.0, 0.2) for word in text.split())
    lost = tuple(ScriptWord(word, 0.0, 1.0, 1e-6) for word in text.split())

    def heard(script):
        found = Bought("something else entirely was heard", script=script, language="ur")
        return listen(speech[:RATE], RATE, text=text, language="hi-IN", recogniser=found)

    assert "fail" not in {finding.verdict for finding in heard(laid).findings if finding.check != "pace"}
    assert _sentence(heard(lost), "text").startswith("Most of the script cannot be made out (the recogniser bought")


def test_a_language_no_recogniser_knows_is_said_and_the_rest_is_still_heard(speech):
    heard = listen(speech, RATE, text=TEXT, language="tlh", recogniser=Bought(TEXT))

    assert heard.recogniser == "none: bought does not know the language 'tlh'"
    assert heard.loudness_lufs > -30


# with the offline recogniser


def test_twenty_good_clips_pass_and_none_warns_of_its_words(whisper):
    clips = [(voice, text, _spoken(text, voice)) for voice, text in GOOD]

    def ask(clip):
        voice, text, spoken = clip
        return listen(
            spoken.samples, spoken.sample_rate, text=text, language=_language(voice), recogniser=whisper
        )  # fmt: skip

    with ThreadPoolExecutor(4) as crew:
        heard = list(crew.map(ask, clips))

    assert [h.verdict for h in heard] == ["pass"] * len(GOOD), [h.findings for h in heard if h.findings]
    assert np.mean([h.word_error for h in heard]) < 0.05
    assert [[word.text for word in h.aligned] for h in heard] == [text.split() for _, text in GOOD]


QUOTED = [
    "He said: “Don’t panic” — twice.",
    "Our motto: “You’re home.”",
    "Say “hello” to the new menu.",
    "The sign read “We’re closed”, but they weren’t.",
    "“Welcome!” That’s how we greet you.",
    "‘Don’t stop,’ she said.",
]


@pytest.mark.parametrize("text", QUOTED)
def test_typographic_quotes_and_dashes_are_no_words(whisper, text):
    spoken = _spoken(text)

    heard = _heard(spoken.samples, text=text, recogniser=whisper)

    assert (heard.verdict, [word.text for word in heard.aligned]) == ("pass", text.split())


@pytest.mark.parametrize(("voice", "said", "script", "told"), WRONG)
def test_a_wrong_word_or_number_fails_and_the_words_are_named(whisper, voice, said, script, told):
    spoken = _spoken(said, voice)

    heard = listen(spoken.samples, spoken.sample_rate, text=script, language=_language(voice), recogniser=whisper)

    assert heard.verdict == "fail"
    assert re.search(f"does not say what the script says: .*{told}.*Nothing was spent", _sentence(heard, "text"))


def test_a_voice_of_another_language_fails(whisper):
    spanish, english = _spoken("Puedes ahorrar 60 euros cada mes.", "pico-es"), _spoken("Das kostet 19 Euro im Monat.")

    heard = listen(spanish.samples, 16_000, text="Combien de temps perdez-vous ?", language="fr", recogniser=whisper)
    read = listen(english.samples, RATE, text="Das kostet 19 Euro im Monat.", language="de", recogniser=whisper)

    assert re.match(
        r"The speech sounds like 'es' \(\d+% sure\), but the script's language is 'fr', and \d+% of its words cannot "
        r"be heard; choose a voice of the script's language, or mend the row's language\. Nothing was spent\.",
        _sentence(heard, "language"),
    )
    assert read.verdict == "fail"


def test_words_are_aligned_to_within_a_tenth_of_a_second_on_average(whisper):
    spoken = _spoken(TEXT)

    heard = _heard(spoken.samples, recogniser=whisper)

    late = [laid.start_seconds - word.start_seconds for laid, word in zip(heard.aligned, spoken.words, strict=True)]
    assert np.mean(np.abs(late)) < 0.1
    assert all(word.end_seconds >= word.start_seconds for word in heard.aligned)


def test_a_recording_without_text_is_transcribed_and_not_judged_by_words(whisper, speech):
    heard = _heard(speech, text="", recogniser=whisper)

    assert (heard.verdict, heard.word_error, heard.language_heard) == ("pass", None, "en")
    assert "coffee" in heard.transcript
