"""A transcript -> the same without what a recogniser caught in a loop says again and again.

It is told from a speaker who repeats himself by the clock: nobody can say so much in the time there is.
"""

from __future__ import annotations

import re

from ..gear.recognisers.scripts import UNSPACED
from .pace import FAST_WARN, pace_of


def without_repeats(heard: str, script: str, language: str, speaking_seconds: float) -> str:
    """``heard``, cut where it repeats itself beyond ``script`` and faster than anybody can speak."""
    words, wanted = heard.split(), len(script.split())
    while language not in UNSPACED and len(words) > wanted and _is_too_fast(words, language, speaking_seconds):
        shorter = _without_one(words)
        if len(shorter) < min(wanted, len(words)) or len(shorter) == len(words):
            break
        words = shorter
    return " ".join(words)


def _is_too_fast(words: list[str], language: str, speaking_seconds: float) -> bool:
    return pace_of(" ".join(words), language, speaking_seconds).of_usual > FAST_WARN


def _without_one(words: list[str]) -> list[str]:
    """``words`` without the second of the longest words that are said twice in a row, and without a last one begun."""
    keys = [re.sub(r"\W", "", word.casefold()) for word in words]
    for length in range(len(words) // 2, 0, -1):
        for first in range(len(words) - 2 * length + 1):
            if keys[first : first + length] == keys[first + length : first + 2 * length]:
                rest = words[first + 2 * length :]
                is_begun = len(rest) < length and keys[first + 2 * length :] == keys[first : first + len(rest)]
                return words[: first + length] + ([] if is_begun else rest)
    return words
