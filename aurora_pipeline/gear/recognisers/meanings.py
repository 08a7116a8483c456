"""Words that may never be taken for one another however alike they sound: numbers (thirteen, thirty) and negations.

The words of numbers come from unicode-rbnf; without it only digits are numbers.
"""

from __future__ import annotations

import functools
import re

from .spelling import number_words, without_accents

_NEGATIONS = {
    "en": r"not|\w+n't|cannot|never|no|none|nothing|nobody|neither|nor|without",
    "de": r"nicht|kein(e[mnrs]?)?|nie|niemals|nichts|niemand|ohne|nein",
    "fr": r"pas|jamais|aucune?|non|sans|ni|rien",
    "es": r"no|nunca|jamas|sin|ningun[ao]?|ni|nada|nadie|tampoco",
    "it": r"non|no|mai|senza|nessun[ao]?|niente|nulla",
    "pt": r"nao|nunca|jamais|sem|nenhuma?|nem|nada",
    "nl": r"niet|geen|nooit|zonder|nee|niets|niemand",
}
_COUNTED = (*range(101), *range(200, 1000, 100), *range(1000, 20_001, 1000), 100_000, 1_000_000)


def negations(text: str, language: str) -> int:
    """How many words of ``text`` say no."""
    known = _NEGATIONS.get(language)
    plain = without_accents(text).replace("’", "'")
    return sum(bool(re.fullmatch(known, word)) for word in re.findall(r"[\w']+", plain)) if known else 0


def has_number(text: str, language: str) -> bool:
    """True for digits, and for the words of numbers; not for "one", which is an article in most languages.

    Nor for the rest of a grouped number: of "40 000" the zeros are no number of their own.
    """
    if any(character.isdigit() and character != "0" for character in text):
        return True
    return not _words(language).isdisjoint(re.split(r"[\W_]+", without_accents(text)))


@functools.cache
def _words(language: str) -> frozenset[str]:
    spelled = {value: without_accents(number_words(value, language)) for value in _COUNTED}
    words = {word for text in spelled.values() for word in re.split(r"[\W_]+", text)}
    return frozenset(word for word in words - {spelled[1], "and", "und", "et", "y", "e", ""} if not word.isdigit())
