"""Piper voices the user brings (optional extra ``piper``, GPL-3): neural, many languages, exact word times.

A voice is two files, ``NAME.onnx`` and ``NAME.onnx.json``, named by a row of the home's data/voices.csv; a voice of
several speakers by ``NAME.onnx#3``. Word times: the model's durations are an inner tensor (durations.py), and each word
of the text is spelled in sounds once alone, to find it in the sounds of its sentence.

A voice draws its own noise, so the same text gives other bytes each time: the media store keeps the first. Voices whose
text must first go through a model that Piper downloads (Chinese, Hebrew, Thai) are refused: nothing is downloaded here.
"""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SpeechFailed
from ..onnx import keep_quiet
from . import word_times
from .durations import session_with
from .engines import NO_IPA, Spoken, TimedWord, parted
from .registry import Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

DURATIONS = "/Ceil_output_0"
OFFLINE_SPELLINGS = ("espeak", "text", "japanese")
PEAK = 0.9  # a voice's own level is anything; its loudest sample is brought here
_SPEAKER = re.compile(r"#([0-9]{1,5})@")
_NO_SOUNDS = ("^", "$", "_")  # where a sentence begins and ends, and what Piper puts between sounds
_UNSPOKEN = re.compile(r"[\sˈˌ.,;:!?¡¿…\"“”()\-]")


@dataclass(frozen=True)
class _Sentence:
    """The sound of one sentence and its spoken words in sounds (None when their times are not told)."""

    samples: Samples
    words: list[TimedWord] | None


class PiperEngine:
    """The ``piper`` engine. Raises ImportError when piper-tts is not installed."""

    name = "piper"
    takes_ipa = True

    def __init__(self) -> None:
        keep_quiet()
        import piper

        self.version = metadata.version("piper-tts")
        self._library = piper
        self._loading = threading.Lock()
        self._models: dict[str, Any] = {}

    def speak(self, text: str, voice: Voice, ipa: Mapping[int, str] = NO_IPA) -> Spoken:
        """``text`` at the voice's own rate. Raises `SpeechFailed`, also for a sound in ``ipa`` the voice has not."""
        import numpy as np

        model = self._model(voice)
        words = _guarded(text).split()
        written = _with_sounds(words, ipa, model, voice)
        try:
            sentences = list(self._sentences(model, written, voice))
            rate = int(model.config.sample_rate)
            whole = _levelled(np.concatenate([np.zeros(0, np.float32), *(each.samples for each in sentences)]))
            heard = _heard(sentences, rate)
            if not heard:
                return Spoken(whole, rate, word_times.estimated(text, whole, rate), "estimated")
            pieces = [(key, index) for index, word in enumerate(written) for key in _spelled(model, word)]
        except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
            raise SpeechFailed(
                f"The Piper voice '{voice.name}' could not speak this text ({type(error).__name__}: {error}). "
                "Nothing was spent."
            ) from error
        return Spoken(whole, rate, word_times.mapped_pieces(text, pieces, heard), "engine")

    def _model(self, voice: Voice) -> Any:
        if voice.file is None:
            raise SpeechFailed(
                f"The Piper voice '{voice.name}' has no file; name its .onnx in data/voices.csv. Nothing was spent."
            )
        with self._loading:
            if voice.engine_voice not in self._models:
                self._models[voice.engine_voice] = self._loaded(voice, voice.file)
            return self._models[voice.engine_voice]

    def _loaded(self, voice: Voice, file: Path) -> Any:
        try:
            config = self._library.PiperConfig.from_dict(json.loads(Path(f"{file}.json").read_text(encoding="utf-8")))
            session, _ = session_with(DURATIONS, file)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SpeechFailed(
                f"The file of the Piper voice '{voice.name}' ({file.name}) cannot be used "
                f"({type(error).__name__}); download both of its files again. Nothing was spent."
            ) from error
        if config.phoneme_type.value not in OFFLINE_SPELLINGS:
            raise SpeechFailed(
                f"The Piper voice '{voice.name}' reads its text with a model that Piper downloads "
                f"({config.phoneme_type.value}), and nothing is downloaded here; choose another. Nothing was spent."
            )
        return self._library.PiperVoice(session=session, config=config)

    def _sentences(self, model: Any, written: Sequence[str], voice: Voice) -> Iterator[_Sentence]:
        speaker = _SPEAKER.search(voice.engine_voice)
        settings = self._library.SynthesisConfig(speaker_id=int(speaker[1]) if speaker else None, normalize_audio=False)
        for chunk in model.synthesize(" ".join(written), settings, include_alignments=True):
            yield _Sentence(chunk.audio_float_array, _spoken_words(chunk))


def _guarded(text: str) -> str:
    """Double brackets are Piper's command for raw sounds; scripts are spoken as they are written."""
    return text.replace("[[", "((").replace("]]", "))")


def _with_sounds(words: Sequence[str], ipa: Mapping[int, str], model: Any, voice: Voice) -> list[str]:
    """The words, those given in IPA as Piper's raw sounds. `SpeechFailed` for a sound the voice was not trained on."""
    written = list(words)
    if ipa and model.config.phoneme_type.value != "espeak":
        raise SpeechFailed(
            f"The Piper voice '{voice.name}' takes no IPA; write a respelling in the lexicon. Nothing was spent."
        )
    for index, sounds in ipa.items():
        before, core, possessive, after = parted(words[index])
        said = unicodedata.normalize("NFD", sounds.strip().replace("͡", "")).replace("g", "ɡ")
        unknown = next((sound for sound in said if sound not in model.config.phoneme_id_map), None)
        if unknown is not None:
            raise SpeechFailed(
                f"The Piper voice '{voice.name}' has no sound '{unknown}' "
                f"({unicodedata.name(unknown, '').capitalize()}), which the IPA /{sounds}/ of '{core}' asks for; write "
                "its nearest sound. Nothing was spent."
            )
        written[index] = f"{before}[[{said}{_possessive(said) if possessive else ''}]]{after}"
    return written


def _possessive(sounds: str) -> str:
    return "s" if sounds[-1:] in "ptkfθ" else "z"


def _spelled(model: Any, word: str) -> list[str]:
    """The words, in sounds, that one word of the text is said as: none for a dash, four for ``2026``."""
    spelled = " ".join("".join(sentence) for sentence in model.phonemize(word))
    return [key for key in map(_key, spelled.split()) if key]


def _spoken_words(chunk: Any) -> list[TimedWord] | None:
    """The sentence's words in sounds with their times; None when the model does not tell durations."""
    if chunk.phoneme_alignments is None:
        return None
    words: list[list[tuple[str, int, int]]] = [[]]
    clock = 0
    for each in chunk.phoneme_alignments:
        start, clock = clock, clock + int(each.num_samples)
        if each.phoneme.isspace():
            words.append([])
        elif each.phoneme not in _NO_SOUNDS and _key(each.phoneme):
            words[-1].append((_key(each.phoneme), start, clock))
    rate = chunk.sample_rate
    return [
        TimedWord("".join(sound for sound, _, _ in word), word[0][1] / rate, word[-1][2] / rate)
        for word in words
        if word
    ]


def _key(sounds: str) -> str:
    """Sounds without stress and punctuation, which depend on the sentence."""
    return _UNSPOKEN.sub("", sounds)


def _heard(sentences: Sequence[_Sentence], rate: int) -> list[TimedWord]:
    """Every sentence's words on one clock; nothing when one of them does not tell."""
    heard: list[TimedWord] = []
    passed = 0.0
    for sentence in sentences:
        if sentence.words is None:
            return []
        heard += [
            TimedWord(each.text, each.start_seconds + passed, each.end_seconds + passed) for each in sentence.words
        ]
        passed += len(sentence.samples) / rate
    return heard


def _levelled(samples: Samples) -> Samples:
    import numpy as np

    peak = float(np.abs(samples).max(initial=0.0))
    return samples * np.float32(PEAK / peak) if peak > 1e-6 else samples
