"""The port every speech engine fits, and the door through which one is loaded (once a process)."""

from __future__ import annotations

import importlib
import importlib.util
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from ...errors import BadSetting, SpeechFailed
from .registry import ENGINES, PAID, Voice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

WordTimes = Literal["engine", "aligned", "estimated"]
NO_IPA: Mapping[int, str] = MappingProxyType({})

# Punctuation around a word and an English possessive are not part of what IPA stands for.
_WORD = re.compile(r"^(\W*)(.*?)((?:['’]s)?)(\W*)$", re.DOTALL)


@dataclass(frozen=True)
class TimedWord:
    """One whitespace-separated word of the text, and when it is heard (seconds from the start)."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Spoken:
    """What an engine made: mono samples (full scale is 1.0) and when each word is heard.

    ``word_times`` is ``engine`` when the engine itself says when words are spoken, ``aligned`` when a recogniser laid
    the known text onto the sound, else ``estimated``.
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

    @property
    def takes_ipa(self) -> bool:
        """Whether a word's sounds can be given in IPA."""
        ...

    def speak(self, text: str, voice: Voice, ipa: Mapping[int, str] = NO_IPA) -> Spoken:
        """``text`` in ``voice``. ``ipa`` maps the index of a whitespace-separated word of ``text`` to its sounds.

        Raises `SpeechFailed` when the engine cannot.
        """
        ...


class Package(NamedTuple):
    """Where an engine lives: our module and class, the package it imports, and what to install."""

    module: str
    maker: str
    imports: str
    requirement: str


PACKAGES = {
    "hibari": Package("hibari", "HibariEngine", "hibari", "hibari-tts==0.2.1"),
    "nanotts": Package("nanotts", "NanottsEngine", "py_nanotts", "aurora-pipeline[languages]"),
    "openjtalk": Package("openjtalk", "OpenjtalkEngine", "pyopenjtalk", "aurora-pipeline[japanese]"),
    "piper": Package("piper", "PiperEngine", "piper", "aurora-pipeline[piper]"),
    "espeak": Package("espeak", "EspeakEngine", "espeakng_loader", "aurora-pipeline[espeak]"),
}

_loading = threading.Lock()
_loaded: dict[str, Engine] = {}


def engine(name: str) -> Engine:
    """The engine ``name``, loaded once a process.

    Raises `BadSetting` for a name that does not exist and `SpeechFailed` when its package is not installed.
    """
    if name.startswith(PAID):
        raise BadSetting(
            f"'{name}' is bought, not spoken on this machine; run a campaign to buy it. Nothing was spent."
        )
    if name not in ENGINES:
        raise BadSetting(f"There is no speech engine '{name}'; use auto, {', '.join(ENGINES)}. Nothing was spent.")
    with _loading:
        if name not in _loaded:
            from .workers import ONE_AT_A_TIME, Crew

            here = load_here(name)
            _loaded[name] = Crew(here) if name in ONE_AT_A_TIME else here
        return _loaded[name]


def is_installed(name: str) -> bool:
    """Whether the package of a local engine is here; finding out imports nothing."""
    return importlib.util.find_spec(PACKAGES[name].imports) is not None


def how_to_install(name: str) -> str:
    """The command that brings a local engine."""
    return f"pip install '{PACKAGES[name].requirement}'"


def assert_no_ipa(engine_name: str, text: str, ipa: Mapping[int, str]) -> None:
    """Raise `SpeechFailed` when sounds are given to an engine that takes none."""
    if ipa:
        word = text.split()[min(ipa)]
        raise SpeechFailed(
            f"The engine {engine_name} takes no IPA, and '{word}' is given in IPA; write a respelling in the lexicon, "
            "or use a voice of hibari or piper. Nothing was spent."
        )


def parted(word: str) -> tuple[str, str, str, str]:
    """``“Aurora's,`` -> (``“``, ``Aurora``, ``'s``, ``,``): what stays as written around a word given in IPA."""
    found = _WORD.match(word)
    assert found is not None  # noqa: S101 - the pattern matches every text
    before, core, possessive, after = found.groups()
    return before, core, possessive, after


def load_here(name: str) -> Engine:
    """A new engine of this process alone. Raises `SpeechFailed` when its package is not installed."""
    package = PACKAGES[name]
    try:
        maker = getattr(importlib.import_module(f".{package.module}", __package__), package.maker)
        made: Engine = maker()
    except ImportError as error:
        raise SpeechFailed(
            f"The speech engine '{name}' is not installed ({error}); run: {how_to_install(name)}, "
            "or choose a voice of another engine. Nothing was spent."
        ) from error
    return made
