"""The port every speech engine fits, and the door through which one is loaded (once a process)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ...errors import BadSetting, SpeechFailed
from .registry import ENGINES, Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

WordTimes = Literal["engine", "estimated"]


@dataclass(frozen=True)
class TimedWord:
    """One whitespace-separated word of the text, and when it is heard (seconds from the start)."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Spoken:
    """What an engine made: mono samples (full scale is 1.0) and when each word is heard.

    ``word_times`` is ``engine`` when the engine itself says when words are spoken, else ``estimated``.
    """

    samples: Samples
    sample_rate: int
    words: tuple[TimedWord, ...]
    word_times: WordTimes


class Engine(Protocol):
    """Something that speaks. Safe to call from many threads. ``version`` is part of what makes audio the same."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def speak(self, text: str, voice: Voice) -> Spoken:
        """``text`` in ``voice``. Raises `SpeechFailed` when the engine cannot."""
        ...


_loading = threading.Lock()
_loaded: dict[str, Engine] = {}


def engine(name: str) -> Engine:
    """The engine ``name``, loaded once a process.

    Raises `BadSetting` for a name that does not exist and `SpeechFailed` when its package is not installed.
    """
    if name not in ENGINES:
        raise BadSetting(f"There is no speech engine '{name}'; use auto, {', '.join(ENGINES)}. Nothing was spent.")
    with _loading:
        if name not in _loaded:
            _loaded[name] = _load(name)
        return _loaded[name]


def _load(name: str) -> Engine:
    try:
        if name == "nanotts":
            from .nanotts import NanottsEngine

            return NanottsEngine()
        from .hibari import HibariEngine

        return HibariEngine()
    except ImportError as error:
        raise SpeechFailed(_how_to_install(name, error)) from error


def _how_to_install(name: str, error: ImportError) -> str:
    package = "aurora-pipeline[languages]" if name == "nanotts" else "hibari-tts==0.2.1"
    return (
        f"The speech engine '{name}' is not installed ({error}); run: pip install '{package}', "
        "or choose a voice of another engine. Nothing was spent."
    )
