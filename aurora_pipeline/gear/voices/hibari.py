"""American English through hibari-tts, a neural voice inside its wheel: about 0.02 CPU seconds a second of speech.

Exact word times: the model's phoneme durations are an inner tensor (durations.py). Where a future model lacks it
we fall back to estimated times.

Other voices are made from the same model by moving its pitch curve and its spectral envelope.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import SpeechFailed
from ..onnx import keep_quiet
from . import word_times
from .durations import session_with
from .engines import NO_IPA, Spoken, TimedWord, parted
from .misaki import sounds_of, with_possessive
from .registry import Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Samples = NDArray[np.float32]

DURATIONS = "/Clip_output_0"
UNIT_SECONDS = 0.025  # one duration unit is two frames of 300 samples at 24 kHz
LAG_SECONDS = 0.070  # measured: sounds come 60-86 ms before the summed durations say
SEED = 0  # fixes the noise component, so that the same text gives the same bytes
LOWEST_PITCH_HZ = 72.0  # below this the pulse train turns into creaks
# hibari feeds a sentence to its model whole; a longer one is cut at clauses, then at words, to bound time and memory
MAX_SENTENCE_CHARACTERS = 400
GIVEN_RATING = 5  # what the package itself gives to phonemes written in a text
_CLAUSE_END = re.compile(r"(?<=[,;:—])\s+")
_NOT_SPOKEN = frozenset(' ,.!?;:—…"“”()')


class HibariEngine:
    """The ``hibari`` engine. One model a process; onnxruntime's ``run`` may be called from many threads.

    Loaded when it first speaks: a run whose speech is all there needs its name and version only.
    """

    name = "hibari"
    takes_ipa = True

    def __init__(self) -> None:
        if find_spec("hibari") is None:  # told before the first text, though it is loaded with that
            raise ModuleNotFoundError("no module named 'hibari'")
        self.version = metadata.version("hibari-tts")
        self._guard = threading.Lock()
        self._kept: _Loaded | None = None

    def _loaded(self) -> _Loaded:
        with self._guard:
            if self._kept is None:
                self._kept = _load()
            return self._kept

    def speak(self, text: str, voice: Voice, ipa: Mapping[int, str] = NO_IPA) -> Spoken:
        """``text`` at 24 kHz. Raises `SpeechFailed`, also for a sound in ``ipa`` that American English has not."""
        import numpy as np

        noise = np.random.default_rng(SEED)
        pieces: list[Samples] = []
        heard: list[TimedWord] | None = []
        offset = 0
        stood_in, given = _stood_in(text, ipa)
        loaded = self._loaded()
        for sentence in _sentences(loaded, stood_in):
            try:
                samples, words = _spoken(loaded, sentence, voice, noise, given)
            except (IndexError, KeyError, ValueError, TypeError, RuntimeError, RecursionError) as error:
                raise SpeechFailed(_cannot_speak(sentence, error)) from error
            later = offset / loaded.model.sample_rate
            heard = None if heard is None or words is None else heard + [_shifted(word, later) for word in words]
            pieces.append(samples)
            offset += len(samples)
        whole = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        rate = int(loaded.model.sample_rate)
        if heard is None:
            return Spoken(whole, rate, word_times.estimated(text, whole, rate), "estimated")
        return Spoken(whole, rate, word_times.mapped(text, heard), "engine")


@dataclass(frozen=True)
class _Loaded:
    """The package's own model, its pronouncer, and our session of it, which may tell the sounds' durations."""

    model: Any
    letters: Any
    session: Any
    has_durations: bool


def _load() -> _Loaded:
    keep_quiet()
    from hibari import Hibari

    model = Hibari(threads=1)
    letters = model.g2p  # loads here, under the caller's lock, and not in two threads at once
    _ = letters.oov
    session, has_durations = session_with(DURATIONS, Path(model.model_path))
    model.sess = session  # one model in memory, not two
    return _Loaded(model, letters, session, has_durations)


def _sentences(loaded: _Loaded, text: str) -> Iterator[str]:
    # [text](/phonemes/) is a command to hibari; scripts are spoken as they are written
    for sentence in loaded.model.split_sentences(text.replace("](", "] (")):
        yield from _cut(sentence)


def _spoken(
    loaded: _Loaded, sentence: str, voice: Voice, noise: np.random.Generator, given: Mapping[str, _Given]
) -> tuple[Samples, list[TimedWord] | None]:
    """Samples of one sentence and its spoken tokens' times (None when the model does not tell them)."""
    import numpy as np
    from hibari import dsp
    from hibari.g2p.normalize import normalize

    written, vocabulary = loaded.letters.tokenize(normalize(sentence)), loaded.model.vocab
    for token in written:
        if (known := given.get(token.text.lower())) is not None:
            token.text, token.phonemes, token.rating = known.word, known.sounds, GIVEN_RATING
    tokens = loaded.letters.phonemize_tokens(written)
    sounds = _sounds(tokens, vocabulary)
    if not sounds:
        return np.zeros(0, np.float32), []
    ids = [0, *[vocabulary[sound] for sound, _ in sounds], 0]
    feeds = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([1.0], np.float32)}
    outputs = loaded.session.run(None, feeds)
    frames = _with_voice([output[0] for output in outputs[:6]], voice)
    samples: Samples = dsp.synth(*frames, noise)
    if not loaded.has_durations:
        return samples, None
    return samples, _token_times(tokens, sounds, outputs[6].ravel(), len(samples) / loaded.model.sample_rate)


class _Given(NamedTuple):
    """A word whose sounds the caller gave, in misaki's letters."""

    word: str
    sounds: str


def _stood_in(text: str, ipa: Mapping[int, str]) -> tuple[str, dict[str, _Given]]:
    """``text`` with a made-up word for each word given in IPA, and what each stands for.

    The package's own markup would go through its spelling rules; a word it has never seen goes through unharmed, and
    its place in the sentence still shapes the melody.
    """
    if not ipa:
        return text, {}
    given: dict[str, _Given] = {}
    pieces = re.split(r"(\s+)", text)
    first = 0 if pieces[0] else 2
    for index, sounds in ipa.items():
        before, core, possessive, after = parted(pieces[first + 2 * index])
        said = sounds_of(sounds, core)
        name = _made_up(len(given))
        given[name] = _Given(core + possessive, with_possessive(said) if possessive else said)
        pieces[first + 2 * index] = f"{before}{name.capitalize() if core[:1].isupper() else name}{after}"
    return "".join(pieces), given


def _made_up(number: int) -> str:
    """``qzxaa``, ``qzxab``, ...: words no text holds."""
    return f"qzx{chr(ord('a') + number // 26 % 26)}{chr(ord('a') + number % 26)}"


def _cannot_speak(sentence: str, error: Exception) -> str:
    shown = sentence if len(sentence) <= 60 else f"{sentence[:57]}..."
    return (
        f"The engine hibari could not read '{shown}' ({type(error).__name__}: {error}); write unusual numbers and "
        "symbols as words. Nothing was spent."
    )


def _shifted(word: TimedWord, seconds: float) -> TimedWord:
    return TimedWord(word.text, word.start_seconds + seconds, word.end_seconds + seconds)


def _cut(sentence: str) -> Iterator[str]:
    """``sentence`` whole, or in pieces of at most `MAX_SENTENCE_CHARACTERS` that end at clauses or else at words."""
    if len(sentence) <= MAX_SENTENCE_CHARACTERS:
        yield sentence
        return
    piece = ""
    for part in _small_parts(sentence):
        if piece and len(piece) + 1 + len(part) > MAX_SENTENCE_CHARACTERS:
            yield piece
            piece = part
        else:
            piece = f"{piece} {part}" if piece else part
    yield piece


def _small_parts(sentence: str) -> Iterator[str]:
    for clause in _CLAUSE_END.split(sentence):
        if len(clause) <= MAX_SENTENCE_CHARACTERS:
            yield clause
        else:
            yield from clause.split()


def _sounds(tokens: Sequence[Any], known: dict[str, int]) -> list[tuple[str, int]]:
    """(phoneme, index of its token) in speaking order: the ones the model knows."""
    sounds = []
    for index, token in enumerate(tokens):
        written = (token.phonemes or "") + (" " if token.whitespace else "")
        sounds += [(sound, index) for sound in written]
    while sounds and sounds[0][0].isspace():
        sounds.pop(0)
    while sounds and sounds[-1][0].isspace():
        sounds.pop()
    return [(sound, index) for sound, index in sounds if sound in known]


def _token_times(
    tokens: Sequence[Any], sounds: Sequence[tuple[str, int]], durations: Array, seconds: float
) -> list[TimedWord] | None:
    """When each token is heard; None when the durations do not add up to the sound (then they are not durations)."""
    if len(durations) != len(sounds) + 2 or abs(float(durations.sum()) * UNIT_SECONDS - seconds) > 2 * UNIT_SECONDS:
        return None
    edges = durations.cumsum() * UNIT_SECONDS - LAG_SECONDS
    spans: dict[int, tuple[float, float]] = {}
    for position, (sound, index) in enumerate(sounds):
        if sound not in _NOT_SPOKEN:
            begin, end = max(0.0, float(edges[position])), max(0.0, float(edges[position + 1]))
            spans[index] = (spans.get(index, (begin, end))[0], end)
    return [TimedWord(tokens[index].text, *span) for index, span in spans.items()]


def _with_voice(outputs: Sequence[Array], voice: Voice) -> list[Array]:
    """The model's frames with the voice's pitch, and its envelope moved (below 1 is a longer vocal tract)."""
    import numpy as np

    harmonic, theta, noise, rest, phi, pitch = outputs
    if voice.formant != 1.0:
        last = harmonic.shape[0] - 1
        source = np.clip(np.arange(last + 1) / voice.formant, 0, last)
        below = source.astype(int)
        above, share = np.minimum(below + 1, last), (source - below)[:, None].astype(np.float32)
        harmonic, noise, rest = (part[below] * (1 - share) + part[above] * share for part in (harmonic, noise, rest))
        nearest = np.round(source).astype(int)
        theta, phi = theta[nearest], phi[nearest]
    if voice.pitch != 1.0:
        moved = np.maximum(pitch * np.float32(voice.pitch), LOWEST_PITCH_HZ)
        pitch = np.where(pitch > 60, moved, 0).astype(np.float32)
    contiguous = [np.ascontiguousarray(part, np.float32) for part in (harmonic, theta, noise, rest, phi)]
    return [*contiguous, pitch]
