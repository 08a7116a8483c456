"""The nouns of speech: `Speech` and its `Word` times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """One word of the script as written, and when it is heard (seconds from the start of the audio)."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Speech:
    """One clip's voice: a mono 16-bit WAV in the media store.

    ``seconds`` is counted from the samples. ``word_times`` says where ``words`` come from: ``engine`` (exact) or
    ``estimated``.
    """

    campaign: str
    clip_id: str
    sha256: str
    seconds: float
    sample_rate: int
    engine: str
    engine_version: str
    voice: str
    language: str
    text: str
    word_times: str
    words: tuple[Word, ...]
