"""A text with pause marks -> the text without them, and its pauses.

``[pause 0.8s]`` and ``[pause 800ms]`` are silences of that length, ``[pause]`` is half a second. A mark stands between
words: at the beginning or the end it would be nothing but billed silence. Other square brackets stay text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .records import Pause

SHORTEST_SECONDS, LONGEST_SECONDS, DEFAULT_SECONDS = 0.1, 10.0, 0.5
_MARK = re.compile(r"\[\s*pause\b[^\[\]]*(?:\]|(?=\[)|$)", re.IGNORECASE)
_LENGTH = re.compile(r"\[\s*pause(?:\s+([0-9]{1,5}(?:\.[0-9]{1,3})?)\s*(s|ms))?\s*\]", re.IGNORECASE)
# What belongs to the word before it: no space is put between.
_CLOSING = tuple(",.;:!?…)]}”’»、。！？،؟।")


@dataclass(frozen=True)
class Marked:
    """A text cut at its pause marks: one piece more than ``seconds``. ``wrong`` tells of marks that are none."""

    pieces: tuple[str, ...]
    seconds: tuple[float, ...]
    wrong: tuple[str, ...] = ()


def marked(text: str) -> Marked:
    """Any text: what is wrong with its marks is told, never raised. Without a mark it is one piece, unchanged."""
    pieces, seconds, wrong, at = [], [], [], 0
    for mark in _MARK.finditer(text):
        try:
            seconds.append(_seconds(mark.group()))
        except ValueError as error:
            wrong.append(str(error))
            continue
        pieces.append(text[at : mark.start()])
        at = mark.end()
    return Marked((*pieces, text[at:]), tuple(seconds), tuple(dict.fromkeys(wrong)))


def has_mark(text: str) -> bool:
    """True when something in ``text`` begins like a pause mark."""
    return _MARK.search(text) is not None


def joined(pieces: Sequence[str], seconds: Sequence[float]) -> tuple[str, tuple[Pause, ...]]:
    """The text of ``pieces`` (filled by now), tidy where the marks were, and each pause by the words before it.

    Raises ValueError, with the sentence people read, for a pause that has no words on one of its sides.
    """
    if not seconds:
        return "".join(pieces), ()
    text, pauses = pieces[0], []
    for number, length in enumerate(seconds):
        if not _has_words(pieces[number]):
            raise ValueError(_AT_THE_BEGINNING if not _has_words("".join(pieces[:number])) else _TWO_IN_A_ROW)
        following = pieces[number + 1].lstrip()
        text = text.rstrip()
        pauses.append(Pause(len(text.split()), length))
        text += following if following.startswith(_CLOSING) else f" {following}"
    if not _has_words(pieces[-1]):
        raise ValueError(_AT_THE_END)
    return text, tuple(pauses)


_AT_THE_BEGINNING = "begins with a pause, which would be billed as silence; take the mark out"
_AT_THE_END = "ends with a pause, which would be billed as silence; take the mark out"
_TWO_IN_A_ROW = "has two pauses with no word between them; write one mark with the whole length"


def _has_words(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _seconds(mark: str) -> float:
    """The length of a mark. ValueError when it is none that we know, or is too short or too long."""
    shown = " ".join(mark.split())[:40]
    if not mark.endswith("]"):
        raise ValueError(f"opens the pause mark '{shown}' without closing it; write [pause 0.8s]")
    written = _LENGTH.fullmatch(mark)
    if written is None:
        raise ValueError(f"holds '{shown}', which is no pause mark; write [pause], [pause 0.8s] or [pause 800ms]")
    number, unit = written.groups()
    if number is None:
        return DEFAULT_SECONDS
    seconds = float(number) / (1000 if unit.lower() == "ms" else 1)
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValueError(
            f"holds '{shown}'; a pause is {SHORTEST_SECONDS:g} to {LONGEST_SECONDS:g} seconds, write [pause 0.8s]"
        )
    return seconds
