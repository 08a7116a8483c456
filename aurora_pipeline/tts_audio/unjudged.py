"""Script -> the pieces of it that can be read in too many ways to be held against a recogniser's transcript.

Telephone numbers and ISBNs (compared digit by digit), addresses, abbreviations, signs and sighs: what is heard instead
of them warns, and asks for the words as they are spoken. Only other digits than the script's own can be wrong. Of a
word that the campaign's lexicon pronounces, only its absence is told.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from ..gear.recognisers.scripts import UNSPACED

Kind = Literal["digits", "address", "sign", "lexicon"]

# Seven digits and more in groups, or a date of three: neither thousands (1,250,000; 1.250.000) nor two numbers
# side by side in a sentence ("in 2026 1,250 people").
_DIGITS = re.compile(
    r"(?<![\w.,])\+?\(?\d(?:[\s().\-–/\u00a0\u202f]{0,2}\d){6,}(?:-?X\b)?(?![\d,])"
    r"|\b\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}\b"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:[.\s\u00a0\u202f]\d{3})+(?!\d)")
_ADDRESS = re.compile(
    r"\S*(?:://|www\.|@\w|\w@)\S*|(?<!\S)#\w\S*|(?<!\S)\S*[^\W\d]\.[a-z]{2,}(?:/\S*)?(?=[.,;:!?]?(?:\s|$))",
    re.IGNORECASE,
)
_SIGHS = "h+m+|m+h*m+|u+h+m*|ä+h+m*|e+h+m+"
_ENGLISH_SIGHS = f"{_SIGHS}|u+m+|e+r+m*|a+h+|o+h+"  # "um" and "er" are words elsewhere
_SIGN = (
    r"(?<!\w)(?:(?![ap]\.\s?m\b)(?:[^\W\d]\.\s?){{2,}}|etc\.|vs\.|approx\.|ca\.|usw\.|bzw\.|(?:{sighs})(?!\w))"
    r"|(?<!\S)[^\w\s]*[&*/=<>~^|#][^\w\s]*(?!\S)"
)
FEWEST_SHARED = 0.5  # of the digits, in order: below, another number was said; a recogniser drops zeros and doubles


@dataclass(frozen=True)
class Unjudged:
    """Pieces ``first`` to ``end`` (not included) of the script."""

    first: int
    end: int
    kind: Kind


def unjudged(text: str, language: str) -> tuple[Unjudged, ...]:
    """What of ``text`` cannot be judged, in order; nothing of a language without spaces (a bare tag)."""
    if language in UNSPACED:
        return ()
    words = text.split()
    begins = list(accumulate((len(word) + 1 for word in words), initial=0))
    sign = re.compile(_SIGN.format(sighs=_ENGLISH_SIGHS if language == "en" else _SIGHS), re.IGNORECASE)
    found: list[Unjudged] = []
    kinds: tuple[tuple[Kind, re.Pattern[str]], ...] = (("digits", _DIGITS), ("address", _ADDRESS), ("sign", sign))
    for kind, pattern in kinds:
        for match in pattern.finditer(" ".join(words)):
            run = Unjudged(
                bisect_right(begins, match.start()) - 1,
                bisect_left(begins, len(match[0].rstrip()) + match.start()),
                kind,
            )
            is_taken = any(run.first < other.end and other.first < run.end for other in found)
            if not is_taken and not (kind == "digits" and _THOUSANDS.fullmatch(match[0])):
                found.append(run)
    return tuple(sorted(found, key=lambda each: each.first))


def with_lexicon(found: tuple[Unjudged, ...], pronounced: Sequence[tuple[int, int]]) -> tuple[Unjudged, ...]:
    """``found`` and the words whose sound a person gave: a recogniser spells such a word as it likes."""
    also = [
        Unjudged(first, end, "lexicon")
        for first, end in pronounced
        if not any(first < other.end and other.first < end for other in found)
    ]
    return tuple(sorted((*found, *also), key=lambda each: each.first))


def digits(text: str) -> str:
    """The digits of ``text``, in order."""
    return "".join(character for character in text if character.isdigit())


def has_same_digits(script: str, heard: str) -> bool:
    """True when the digits are the same and nothing but a word ("plus") is heard beside them."""
    return digits(script) == digits(heard) and sum(not digits(word) for word in heard.split()) <= 1


def is_another_number(script: str, heard: str) -> bool:
    """True when as many digits are heard and not the same ones, or hardly any of the script's."""
    ours, theirs = digits(script), digits(heard)
    if len(ours) == len(theirs):
        return ours != theirs
    return bool(theirs) and difflib.SequenceMatcher(None, ours, theirs, False).ratio() < FEWEST_SHARED
