"""A known script -> the pieces that are laid onto the sound, and which window of the sound each belongs to."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence

# Languages that put no spaces between words: their characters are the pieces.
UNSPACED = frozenset({"ja", "zh", "yue", "th", "lo", "my", "km"})


def pieces(text: str, language: str) -> list[str]:
    """The whitespace-separated words of ``text``, or its characters (marks stay with the one before)."""
    words = text.split()
    if language not in UNSPACED:
        return words
    return [piece for word in words for piece in re.findall(r"[a-zA-Z0-9.,%]+|\w\W*|\W+", word)]


# Punctuation that is said as a word, and punctuation that stays where it stands: a model writes it and expects it.
_SPOKEN_MARKS = frozenset("%‰&@#§°©")
_KEPT_BEFORE, _KEPT_AFTER = frozenset("¿¡"), frozenset(".,;:!?।。、，！？؟،")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´`", "'"))
_PICTURE_SELECTORS = frozenset("\ufe0e\ufe0f\u200d")


def bare(piece: str) -> str:
    """``piece`` without the quotes, brackets, dashes and pictures around it; empty when it is nothing else.

    An apostrophe inside becomes the plain one: a curly quote is no other word.
    """
    plain = piece.translate(_APOSTROPHES)
    first, last = 0, len(plain)
    while first < last and _is_unspoken(plain[first]) and not _is_minus(plain, first):
        first += 1
    while last > first and _is_unspoken(plain[last - 1]):
        last -= 1
    before = "".join(mark for mark in plain[:first] if mark in _KEPT_BEFORE)
    after = "".join(mark for mark in plain[last:] if mark in _KEPT_AFTER)
    return f"{before}{plain[first:last]}{after}" if first < last else ""


def _is_unspoken(character: str) -> bool:
    is_mark = unicodedata.category(character)[0] in "PZ" or unicodedata.category(character) in ("So", "Cf", "Sk")
    return (is_mark or character in _PICTURE_SELECTORS) and character not in _SPOKEN_MARKS


def _is_minus(text: str, at: int) -> bool:
    return text[at] in "-−" and text[at + 1 : at + 2].isdigit()


def shared(script: Sequence[str], heard: Sequence[Sequence[str]]) -> list[list[str]]:
    """``script``'s pieces divided among windows, of each of which it is known what was heard.

    Pieces that match keep to their window; what lies between goes with its neighbours, in order.
    """
    if len(heard) <= 1:
        return [list(script)] * len(heard)
    window_of = [number for number, words in enumerate(heard) for _ in words]
    theirs = [_key(word) for words in heard for word in words]
    matcher = difflib.SequenceMatcher(None, [_key(piece) for piece in script], theirs, autojunk=False)
    owners: list[int | None] = [None] * len(script)
    for block in matcher.get_matching_blocks():
        owners[block.a : block.a + block.size] = window_of[block.b : block.b + block.size]
    found: list[list[str]] = [[] for _ in heard]
    for piece, owner in zip(script, _filled(owners, [len(words) for words in heard]), strict=True):
        found[owner].append(piece)
    return found


def _filled(owners: Sequence[int | None], lengths: Sequence[int]) -> list[int]:
    """Every gap belongs, half and half, to the windows at its two sides."""
    filled, last = [], next((number for number, length in enumerate(lengths) if length), 0)
    for index, owner in enumerate(owners):
        if owner is None:
            ahead = next(((at, o) for at, o in enumerate(owners[index:]) if o is not None), None)
            behind = next((at for at, o in enumerate(reversed(owners[:index])) if o is not None), index)
            owner = ahead[1] if ahead is not None and ahead[0] <= behind else last  # noqa: PLW2901 - the gap's own
        last = max(last, owner)
        filled.append(last)
    return filled


def _key(word: str) -> str:
    return re.sub(r"\W", "", word.casefold())
