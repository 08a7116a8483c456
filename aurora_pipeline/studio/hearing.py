"""A recording -> its words, in place of a bought recogniser.

What the studio spoke itself it knows by the file's SHA-256. Anything else is heard by the offline recogniser (the extra
``listen``), and without that refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import SpeechFailed
from ..gear import recognisers
from ..gear.recognisers import HeardWord
from .asked import AskedToHear
from .inputs import SOUNDS, no_sound
from .refusals import Refused, internal_error
from .spoken_book import SpokenBook, SpokenFile

KNOWN, HEARD = 1.0, 0.9  # how sure the answer says it is of the language, when nothing measured it
RATE = 16_000


def known(spoken: SpokenBook, file: Path) -> SpokenFile | None:
    """What the studio spoke itself; None for any other file."""
    return spoken.get(hashlib.sha256(file.read_bytes()).hexdigest())


def known_answer(asked: AskedToHear, spoken: SpokenFile) -> dict[str, Any]:
    """The transcript of a file of our own."""
    words = tuple(HeardWord(word.text, word.start_seconds, word.end_seconds) for word in spoken.words)
    return _answer(asked, spoken.text, words, spoken.language, KNOWN)


def hear(asked: AskedToHear, file: Path) -> dict[str, Any]:
    """The transcript of somebody else's recording. Raises `Refused` when nothing here can hear it."""
    ear = recognisers.offline()
    if ear is None:
        raise Refused(
            internal_error(
                "The studio knows what it has spoken itself, and this is another recording; to hear it, "
                f"{recognisers.NOT_INSTALLED}."
            )
        )
    language = asked.language.split("-")[0]
    try:
        found = ear.hear(_samples(asked, file), RATE, language=language, script="")
    except SpeechFailed as error:
        raise Refused(internal_error(f"The studio's recogniser could not hear it: {error}")) from error
    said = found.language or language
    return _answer(asked, found.text, found.words, said, found.language_probability or HEARD)


def _answer(
    asked: AskedToHear, text: str, words: Sequence[HeardWord], language: str, probability: float
) -> dict[str, Any]:
    """In the documented shape of ElevenLabs' transcripts: words, and the spaces between them."""
    bare = language.split("-", maxsplit=1)[0]
    values = {tag.split("-")[0]: value for tag, value in asked.model.languages.items()}
    answer = {"text": text, "language_code": values.get(bare, bare), "language_probability": probability}
    return {**answer, "words": list(_entries(words))}


def _entries(words: Sequence[HeardWord]) -> Iterator[dict[str, Any]]:
    timed = [word for word in words if word.start_seconds is not None and word.end_seconds is not None]
    for word, following in pairwise([*timed, None]):
        if word is None:
            return
        yield {"text": word.text, "start": word.start_seconds, "end": word.end_seconds, "type": "word"}
        if following is not None:
            yield {"text": " ", "start": word.end_seconds, "end": following.start_seconds, "type": "spacing"}


def _samples(asked: AskedToHear, file: Path) -> Any:
    """Mono samples at 16 kHz. Raises `Refused` for what is no sound."""
    import av
    import numpy as np

    whitelists = {"protocol_whitelist": "file", "format_whitelist": SOUNDS}
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    try:
        with av.open(f"file:{file}", options=whitelists) as container:
            frames: list[Any] = [*container.decode(container.streams.audio[0]), None]
        pieces = [made.to_ndarray()[0] for frame in frames for made in resampler.resample(frame)]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise no_sound(asked.model.input, asked.audio) from error
    return np.concatenate([*pieces, np.zeros(0, np.float32)]).astype(np.float32)
