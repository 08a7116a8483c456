"""The port every recogniser fits: the offline one, and one whose transcripts are bought."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]


@dataclass(frozen=True)
class HeardWord:
    """One word as the recogniser writes it; seconds from the start of the sound, where it says them."""

    text: str
    start_seconds: float | None = None
    end_seconds: float | None = None


@dataclass(frozen=True)
class ScriptWord:
    """One word of the known script (one character, where words are not spaced), laid onto the sound.

    ``likelihood`` is the recogniser's probability of the script's own spelling at this place (of its least probable
    token): near 1 when it would have written the same, below 0.001 when the sound says something else.
    """

    text: str
    start_seconds: float
    end_seconds: float
    likelihood: float


@dataclass(frozen=True)
class Transcript:
    """What a recogniser heard. ``script`` is None when it cannot lay a known script onto the sound.

    ``language`` is the bare tag of the language that is heard, with its probability; empty when it was not asked.
    ``charge_id`` is the ledger's where it was bought.
    """

    text: str
    words: tuple[HeardWord, ...]
    script: tuple[ScriptWord, ...] | None = None
    language: str = ""
    language_probability: float = 0.0
    charge_id: str = ""


class Recogniser(Protocol):
    """Something that listens. Safe to call from many threads; the same sound and script give the same transcript.

    ``name`` and ``version`` are part of what makes a verdict the same. ``languages`` are bare tags (``en``).
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def languages(self) -> frozenset[str]: ...

    def hear(
        self, samples: Samples, rate: int, *, language: str, script: str, stop: threading.Event | None = None
    ) -> Transcript:
        """What ``samples`` (mono, full scale 1.0) say in ``language`` (a bare tag).

        Raises `SpeechFailed`, and `Interrupted` once ``stop`` is set.
        """
        ...


@dataclass(frozen=True)
class Nobody:
    """In a recogniser's place where none listens, and why."""

    why: str
