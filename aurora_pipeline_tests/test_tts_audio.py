"""Script -> Speech: each text spoken once, heard before it is paid for, with the time of every word."""

import contextlib
import math
import re
import subprocess
import sys
import threading
import wave
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from aurora_pipeline.errors import BadSetting, SpeechFailed
from aurora_pipeline.gear import voices
from aurora_pipeline.gear.media_store import MediaStore, sha256_of
from aurora_pipeline.gear.voices import engines, hibari, word_times
from aurora_pipeline.gear.voices.engines import Spoken, TimedWord
from aurora_pipeline.progress import Silent
from aurora_pipeline.script_table import Campaign, DeliverySettings, Script
from aurora_pipeline.settings import Settings
from aurora_pipeline.tts_audio import speak_campaign
from aurora_pipeline.tts_audio.kept import Kept
from aurora_pipeline.tts_audio.listening import listen
from aurora_pipeline.tts_audio.outdated import changed_since_spoken
from aurora_pipeline.tts_audio.wav import write_wav

HEART = voices.shipped().named("heart")
SENTENCE = "A bag of Harbour Coffee, just $9.50."


def _script(clip_id="hello", text="Hello there.", voice="heart", language="en-US"):
    return Script("spring", clip_id, text, "ana", "", voice, language, "480p", None, Decimal(1), Decimal(2), 2)


def _campaign(*scripts):
    return Campaign("spring", "Spring", Decimal(5), Path(), DeliverySettings(), scripts, "")


@pytest.fixture
def settings(tmp_path):
    return Settings(root=tmp_path, output=tmp_path / "output", workers=2)


class Heard:
    """Progress that remembers."""

    def __init__(self):
        self.calls = []

    def advance(self, stage, done, total, note=""):
        self.calls.append((stage, done, total, note))


class Whistle:
    """An engine that whistles, a tenth of a second a letter, and counts how often."""

    name, version = "hibari", "1"

    def __init__(self):
        self.spoken = []
        self.waits_for = threading.Barrier(1)

    takes_ipa = False

    def speak(self, text, voice, ipa=None):
        self.spoken.append(text)
        with contextlib.suppress(threading.BrokenBarrierError):
            self.waits_for.wait(0.3)
        if "unspeakable" in text:
            raise SpeechFailed("The engine could not speak this. Nothing was spent.")
        times = np.arange(len(text) * 2400) / 24_000
        samples = (0.3 * np.sin(2 * math.pi * 440 * times)).astype(np.float32)
        words = text.split()
        edges = [number * len(text) / 10 / len(words) for number in range(len(words) + 1)]
        return Spoken(samples, 24_000, tuple(map(TimedWord, words, edges, edges[1:])), "engine")


@pytest.fixture
def whistle(monkeypatch):
    engine = Whistle()
    monkeypatch.setitem(engines._loaded, "hibari", engine)
    return engine


# the stage


def test_a_campaign_is_spoken_into_the_store_and_laid_out_by_name(settings):
    heard = Heard()
    table = speak_campaign(settings, _campaign(_script(), _script("low", voice="low")), heard)

    speech, low = table.rows
    file = settings.stage_folder("tts_audio") / "spring" / "hello.wav"
    assert (table.made, table.failures) == (2, ())
    assert sha256_of(file) == speech.sha256 != low.sha256
    assert MediaStore(settings.media).require(speech.sha256).suffix == ".wav"
    with wave.open(str(file)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 24_000)
        assert speech.seconds == sound.getnframes() / 24_000
    assert (speech.engine, speech.voice, speech.language, speech.word_times) == ("hibari", "heart", "en-US", "engine")
    assert [word.text for word in speech.words] == ["Hello", "there."]
    assert {call[:3] for call in heard.calls} == {("tts_audio", 1, 2), ("tts_audio", 2, 2)}
    assert any(note == f"hello: {speech.seconds:.1f} s in voice heart" for *_, note in heard.calls)


def test_a_second_run_makes_nothing_and_gives_the_same_rows(settings, whistle):
    first = speak_campaign(settings, _campaign(_script()), Silent())
    heard = Heard()
    second = speak_campaign(settings, _campaign(_script()), heard)

    assert (first.made, second.made, len(whistle.spoken)) == (1, 0, 1)
    assert second.rows == first.rows
    assert heard.calls == [("tts_audio", 1, 1, "hello: 1.2 s in voice heart (kept)")]


def test_the_same_text_is_spoken_once_for_all_rows_and_campaigns(settings, whistle):
    whistle.waits_for = threading.Barrier(2)  # a second thread that spoke the same text would be let in here
    table = speak_campaign(settings, _campaign(*[_script(f"c{number}") for number in range(6)]), Silent())
    other = replace(_campaign(replace(_script(), campaign="summer")), name="summer")

    again = speak_campaign(settings, other, Silent())

    assert (table.made, again.made, whistle.spoken) == (1, 0, ["Hello there."])
    assert len({row.sha256 for row in table.rows + again.rows}) == 1
    assert (settings.stage_folder("tts_audio") / "summer" / "hello.wav").is_file()


def test_another_voice_text_or_engine_version_is_spoken_anew(settings, whistle):
    speak_campaign(settings, _campaign(_script()), Silent())

    for changed in (_script(voice="low"), _script(text="Hello you.")):
        assert speak_campaign(settings, _campaign(changed), Silent()).made == 1
    whistle.version = "2"
    assert speak_campaign(settings, _campaign(_script()), Silent()).made == 1


def test_speech_lost_from_the_store_is_spoken_again(settings, whistle):
    (lost,) = speak_campaign(settings, _campaign(_script()), Silent()).rows
    MediaStore(settings.media).require(lost.sha256).unlink()

    again = speak_campaign(settings, _campaign(_script()), Silent())

    assert (again.made, again.rows) == (1, (lost,))


RACER = """
import sys, time
from pathlib import Path
from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.tts_audio.kept import Kept

folder, mine = Path(sys.argv[1]), sys.argv[2]
kept = Kept(MediaStore(folder / "media"))

def make():
    (folder / f"{mine}.ready").touch()
    while len(list(folder.glob("*.ready"))) < 2:  # neither has found the other's yet
        time.sleep(0.01)
    with kept.store.workshop() as bench:
        (bench / "x.wav").write_text(f"the sound that {mine} made")
        return {"sha256": kept.store.put(bench / "x.wav")}

print(kept.once("k" * 64, make)[0]["sha256"])
"""


def test_two_processes_that_speak_the_same_at_once_go_on_with_the_same_bytes(settings, tmp_path):
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    one, two = (racer.communicate(timeout=60)[0].strip() for racer in racers)

    assert one == two != ""
    assert Kept(MediaStore(settings.root / "media")).once("k" * 64, dict) == ({"sha256": one}, False)


def test_a_recording_that_is_saved_again_meanwhile_is_not_taken_for_the_one_that_was_checked(settings):
    folder = settings.root / "campaign"
    folder.mkdir()
    write_wav(folder / "hello.wav", np.zeros(24_000, np.float32), 24_000)
    checked = replace(_script(voice=""), audio="hello.wav", audio_sha256="c" * 64)

    table = speak_campaign(settings, replace(_campaign(checked), folder=folder), Silent())

    assert [failure.sentence for failure in table.failures] == [
        "The recording 'hello.wav' of hello was saved again while this run went on; run again to take it as it is "
        "now. Nothing was spent."
    ]


def test_a_silent_recording_is_not_blamed_on_a_voice(settings):
    folder = settings.root / "campaign"
    folder.mkdir()
    write_wav(folder / "hello.wav", np.zeros(24_000, np.float32), 24_000)
    script = replace(_script(voice=""), audio="hello.wav", audio_sha256=sha256_of(folder / "hello.wav"))

    table = speak_campaign(settings, replace(_campaign(script), folder=folder), Silent())

    assert [failure.sentence for failure in table.failures] == [
        "No speech can be heard in this recording; record it again, or check that the right file and channel were "
        "saved. Nothing was spent."
    ]


def test_a_home_voice_that_is_made_of_something_else_makes_its_speech_outdated(settings, whistle):
    script = replace(_script(voice="heart"), voice_sha256="1" * 64)
    (speech,) = speak_campaign(settings, _campaign(script), Silent()).rows

    assert changed_since_spoken(script, speech) == []
    assert changed_since_spoken(replace(script, voice_sha256="2" * 64), speech) == ["voice"]


def test_a_clip_that_cannot_be_spoken_fails_alone_and_is_tried_again(settings, whistle):
    campaign = _campaign(_script("a"), _script("b", "This is unspeakable."), _script("c", "Bye."))
    heard = Heard()

    table = speak_campaign(settings, campaign, heard)

    assert [row.clip_id for row in table.rows] == ["a", "c"]
    (failure,) = table.failures
    assert (failure.campaign, failure.clip_id, failure.stage) == ("spring", "b", "tts_audio")
    assert failure.sentence == "The engine could not speak this. Nothing was spent."
    assert any(note == f"b: {failure.sentence}" for *_, note in heard.calls)
    assert speak_campaign(settings, campaign, Silent()).failures == (failure,)
    assert whistle.spoken.count("This is unspeakable.") == 2


def test_an_engine_that_does_not_exist_stops_the_stage(settings):
    with pytest.raises(BadSetting, match="The speech engine is set to 'siri'; use auto, hibari, nanotts"):
        speak_campaign(replace(settings, tts_engine="siri"), _campaign(_script()), Silent())


@pytest.mark.parametrize(
    ("script", "engine", "said"),
    [
        (_script(voice="heart"), "nanotts", "belongs to the engine hibari, but AURORA_TTS_ENGINE is 'nanotts'"),
        (_script(voice="nobody"), "auto", "There is no voice 'nobody'"),
        (_script(language="de-DE"), "auto", "The voice 'heart' speaks en-US, not de-DE"),
    ],
)
def test_what_a_voice_cannot_do_is_a_sentence(settings, whistle, script, engine, said):
    table = speak_campaign(replace(settings, tts_engine=engine), _campaign(script), Silent())

    assert table.rows == ()
    assert re.search(said, table.failures[0].sentence)
    assert whistle.spoken == []


def test_an_engine_that_is_not_installed_names_the_extra(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "py_nanotts", None)
    monkeypatch.delitem(engines._loaded, "nanotts", raising=False)

    table = speak_campaign(settings, _campaign(_script(voice="pico-de", language="de-DE")), Silent())

    assert table.failures[0].sentence == (
        "The speech engine 'nanotts' is not installed (import of py_nanotts halted; None in sys.modules); "
        "run: pip install 'aurora-pipeline[languages]', or choose a voice of another engine. Nothing was spent."
    )


# listening


def _spoken(samples, rate=1000):
    return Spoken(np.asarray(samples, np.float32), rate, (), "engine")


def test_the_level_is_left_alone_but_never_clips(tmp_path):
    for peak, written in ((0.25, 0.25), (1.6, 0.98)):
        write_wav(tmp_path / "a.wav", np.asarray([0.0, peak, -peak, peak / 2], np.float32), 1000)
        with wave.open(str(tmp_path / "a.wav")) as sound:
            values = np.frombuffer(sound.readframes(4), "<i2") / 32767
        np.testing.assert_allclose(values, [0, written, -written, written / 2], atol=1 / 32767)


# voices and engines


def test_every_voice_belongs_to_an_engine_and_speaks_its_language():
    local = {voice.engine for voice in voices.shipped().rows if not voice.is_paid}
    assert local == set(voices.ENGINES) - {"piper"}  # a Piper voice is a file the user brings
    assert len({voice.name for voice in voices.shipped().rows}) == len(voices.shipped().rows)
    assert voices.shipped().named(voices.DEFAULT_VOICE) is HEART
    assert [HEART.speaks(language) for language in ("en", "en_us", "en-GB")] == [True, True, False]


def test_hibari_speaks_the_same_bytes_twice_and_as_its_own_package_does():
    from hibari import Hibari

    engine = voices.engine("hibari")
    first, second = engine.speak(SENTENCE, HEART), engine.speak(SENTENCE, HEART)

    assert first.samples.tobytes() == second.samples.tobytes()
    assert first.samples.tobytes() == Hibari()(SENTENCE, seed=0).tobytes()


def test_hibari_says_when_each_word_of_the_script_is_heard():
    spoken = voices.engine("hibari").speak(f"{SENTENCE} At 6:30am.", HEART)

    seconds = len(spoken.samples) / spoken.sample_rate
    times = [time for word in spoken.words for time in (word.start_seconds, word.end_seconds)]
    by_word = {word.text: word.end_seconds - word.start_seconds for word in spoken.words}
    assert spoken.word_times == "engine"
    assert [word.text for word in spoken.words] == f"{SENTENCE} At 6:30am.".split()
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= seconds
    assert by_word["$9.50."] > 3 * by_word["bag"]  # "nine dollars and fifty cents" is all one word of the script


def test_the_voices_made_of_one_model_differ():
    engine = voices.engine("hibari")

    pitch = {
        name: _pitch_hz(engine.speak("Hello there.", voices.shipped().named(name))) for name in ("low", "heart", "high")
    }

    assert pitch["low"] < 0.75 * pitch["heart"]
    assert pitch["high"] > 1.05 * pitch["heart"]


def _pitch_hz(spoken):
    """The strongest repetition of the loudest fifth of a second, between 70 and 400 Hz."""
    length = spoken.sample_rate // 5
    start = max(
        range(0, len(spoken.samples) - length, 600),
        key=lambda at: float(np.abs(spoken.samples[at : at + length]).sum()),
    )
    part = spoken.samples[start : start + length]
    shortest = spoken.sample_rate // 400
    echo = np.correlate(part, part, "full")[length - 1 :][shortest : spoken.sample_rate // 70]
    return spoken.sample_rate / (shortest + int(echo.argmax()))


def test_a_model_that_tells_no_durations_still_speaks_with_estimated_times(monkeypatch):
    monkeypatch.setattr(hibari, "DURATIONS", "/no/such/tensor")

    spoken = hibari.HibariEngine().speak(SENTENCE, HEART)

    exact = voices.engine("hibari").speak(SENTENCE, HEART)
    assert spoken.word_times == "estimated"
    assert spoken.samples.tobytes() == exact.samples.tobytes()
    assert [word.text for word in spoken.words] == SENTENCE.split()


def test_commands_in_a_text_are_not_obeyed():
    engine = voices.engine("hibari")

    command = engine.speak("[Goodbye](/hɛlˈO/) now", HEART)

    assert command.samples.tobytes() == engine.speak("[Goodbye] (/hɛlˈO/) now", HEART).samples.tobytes()


def test_what_hibari_cannot_read_is_a_sentence():
    with pytest.raises(SpeechFailed, match=r"The engine hibari could not read '1111.*write unusual numbers"):
        voices.engine("hibari").speak("1" * 90, HEART)


def test_a_very_long_sentence_is_spoken_in_pieces_without_losing_a_word():
    text = "and so, " * 60 + "on and on " * 60

    pieces = list(hibari._cut(text.strip()))

    assert max(map(len, pieces)) <= hibari.MAX_SENTENCE_CHARACTERS
    assert " ".join(pieces).split() == text.split()


@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("pico-de", "Guten Morgen, hier ist der Hafen. Nur 3 Euro!"),
        ("pico-fr", "Bonjour, le café du port."),
        ("pico-es", "Buenos días, son tres euros."),
        ("pico-it", "Buongiorno, il caffè costa tre euro."),
        ("pico-en-gb", "Good morning, come aboard."),
    ],
)
def test_nanotts_speaks_its_languages_without_clipping(voice, text):
    pytest.importorskip("py_nanotts")
    spoken = voices.engine("nanotts").speak(text, voices.shipped().named(voice))

    assert listen(spoken.samples, spoken.sample_rate, text=text, language="x").verdict == "pass"
    assert (spoken.sample_rate, spoken.word_times) == (16_000, "estimated")
    assert np.abs(spoken.samples).max() < 0.99
    assert [word.text for word in spoken.words] == text.split()


def test_nanotts_does_not_obey_markup():
    pytest.importorskip("py_nanotts")
    engine, voice = voices.engine("nanotts"), voices.shipped().named("pico-de")

    plain, marked = engine.speak("Hallo Welt", voice), engine.speak('<speed level="20">Hallo Welt', voice)

    assert len(marked.samples) < 4 * len(plain.samples)  # obeyed, it would be five times as slow


# word times


def test_spoken_tokens_are_mapped_to_the_words_as_written():
    heard = [TimedWord(text, at, at + 1) for at, text in enumerate(["it", "'s", "three", "dollars", "now"])]

    mapped = word_times.mapped("It's $3 now!", heard)

    assert [word.text for word in mapped] == ["It's", "$3", "now!"]
    assert (mapped[0].start_seconds, mapped[1].end_seconds) == (0, 4)
    assert (mapped[2].start_seconds, mapped[2].end_seconds) == (4, 5)


def test_a_word_nobody_heard_has_no_length_and_order_is_kept():
    mapped = word_times.mapped("one — two", [TimedWord("one", 0.1, 0.5), TimedWord("two", 0.6, 1.0)])

    assert [(word.start_seconds, word.end_seconds) for word in mapped] == [(0.1, 0.5), (0.5, 0.5), (0.6, 1.0)]


def test_estimated_times_pin_punctuation_to_the_silence_that_is_there():
    tone, quiet = np.full(1000, 0.3, np.float32), np.zeros(500, np.float32)
    samples = np.concatenate([quiet, tone, quiet, tone, tone, quiet])

    words = word_times.estimated("One two, three four five.", samples, 1000)

    by_text = {word.text: word for word in words}
    assert words[0].start_seconds == pytest.approx(0.5, abs=0.03)
    assert by_text["two,"].end_seconds == pytest.approx(1.5, abs=0.03)
    assert by_text["three"].start_seconds == pytest.approx(2.0, abs=0.03)
    assert words[-1].end_seconds == pytest.approx(4.0, abs=0.03)


@pytest.mark.parametrize("pauses", [0, 1, 2, 5])
def test_estimated_times_hold_whatever_the_number_of_silences(pauses):
    tone, quiet = np.full(1000, 0.3, np.float32), np.zeros(300, np.float32)
    samples = np.concatenate([tone, *[part for _ in range(pauses) for part in (quiet, tone)]])

    words = word_times.estimated("One, two, three. Four", samples, 1000)

    times = [time for word in words for time in (word.start_seconds, word.end_seconds)]
    assert [word.text for word in words] == ["One,", "two,", "three.", "Four"]
    assert times == sorted(times)
    assert times[-1] <= len(samples) / 1000 + 0.001
