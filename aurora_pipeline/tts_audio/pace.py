"""Text and seconds -> how fast it was read.

Words a minute is what people know, but "at 9:30" and "kilometres" are both two words or one: the verdict is made on
syllables a second (characters, where writing has no spaces), against what is usual in the language.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ..gear.recognisers.scripts import UNSPACED

# Syllables a second without pauses: between our voices (measured on 40 lines: en 4.2 to 6.5, de 4.2 to 4.8, es 4.6 to
# 5.7, fr 6.2 to 7.2, it 4.9 to 5.9) and people reading aloud (Pellegrino 2011: en 6.2, de 6.0, es 7.8, fr 7.2, it 7.0).
USUAL = {"en": 5.2, "de": 4.9, "es": 5.6, "fr": 6.6, "it": 5.6, "ja": 6.5, "zh": 4.8}
USUAL_ELSEWHERE = 5.2
# Of the usual. The same 40 lines lie between 0.8 and 1.25, at double speed from 1.62 on.
FAST_WARN, FAST_FAIL = 1.45, 1.6
SLOW_WARN, SLOW_FAIL = 0.6, 0.4
# Where syllables are only guessed from letters, the guess may be wrong by half.
UNSURE = 1.5
FEWEST_SYLLABLES = 8  # a single "Yes." may be as slow or as fast as it likes

WRITTEN_OUT = 0.75  # of the syllables; those of "10:30" are guessed: "ten thirty" has three

_NUMBERS = re.compile(r"[\d%€$£¥&@+]")
_VOWELS = re.compile("[aeiouyæøœıаеёиоуыэюяієїαεηιουω]+")
_DIGIT_SYLLABLES, _SYMBOL_SYLLABLES = 1.7, 2.0  # "2026": six or seven; "%": two or three
_LETTERS_A_SYLLABLE = 2.2  # of a script whose vowels are not letters
_KANJI_SYLLABLES = 1.9  # in Japanese; a Chinese character is one


@dataclass(frozen=True)
class Pace:
    """``words_per_minute`` without pauses (a digit counts as a word); ``of_usual`` is 1 for the language's own pace.

    ``is_sure`` is False where the language's pace was not measured, or the text is too short to have one, or much of
    it is numbers.
    """

    words_per_minute: float
    of_usual: float
    is_sure: bool
    characters_per_second: float


def pace_of(text: str, language: str, speaking_seconds: float) -> Pace:
    """The pace of ``text`` read in so many seconds of speech; ``language`` is a bare tag."""
    if speaking_seconds <= 0:
        return Pace(0.0, 1.0, False, 0.0)
    count = syllables(text, language)
    letters = sum(character.isalnum() for character in text)
    of_usual = count / speaking_seconds / USUAL.get(language, USUAL_ELSEWHERE) if count >= FEWEST_SYLLABLES else 1.0
    minutes = speaking_seconds / 60
    is_written_out = syllables(_NUMBERS.sub("", text), language) >= WRITTEN_OUT * count
    is_sure = language in USUAL and count >= FEWEST_SYLLABLES and is_written_out
    return Pace(
        round(_words(text, language) / minutes, 1), round(of_usual, 3), is_sure, round(letters / speaking_seconds, 2)
    )


def seconds_to_say(text: str, language: str) -> float:
    """About how long ``text`` takes at the usual pace of ``language`` (a bare tag), without pauses."""
    return syllables(text, language) / USUAL.get(language, USUAL_ELSEWHERE)


def syllables(text: str, language: str) -> float:
    """About how many syllables it takes to say ``text``."""
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text.casefold()))
    plain = "".join(character for character in plain if not "\u0300" <= character <= "\u036f")
    return sum(_word_syllables(word, language) for word in plain.split())


def _word_syllables(word: str, language: str) -> float:
    digits = sum(character.isdigit() for character in word)
    symbols = sum(character in "%€$£¥&@+" for character in word)
    spoken = _DIGIT_SYLLABLES * digits + _SYMBOL_SYLLABLES * symbols
    letters = [character for character in word if character.isalpha()]
    if not letters:
        return spoken
    if language in UNSPACED:
        return spoken + sum(_character_syllables(character, language) for character in letters)
    if all(unicodedata.name(letter, "").startswith(("LATIN", "CYRILLIC", "GREEK")) for letter in letters):
        return spoken + max(1, len(_VOWELS.findall(word)))
    # Hangul falls apart into its letters in NFD, some two and a half a syllable
    return spoken + len(letters) / _LETTERS_A_SYLLABLE


def _character_syllables(character: str, language: str) -> float:
    return _KANJI_SYLLABLES if language == "ja" and "CJK" in unicodedata.name(character, "") else 1.0


def _words(text: str, language: str) -> int:
    if language in UNSPACED:
        return round(sum(character.isalnum() for character in text) / 2)
    return sum(max(1, sum(character.isdigit() for character in word)) for word in text.split())
