"""The script laid onto the sound by a recogniser -> times of its words, for speech whose engine knows none.

Whisper's attention tells a word's place to 20 ms, but gives it the silence before it as well: word edges that fall into
a pause are moved to where the sound begins or ends. What remains comes early by the same amount on every voice.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..gear.recognisers import ScriptWord
from .acoustics import Acoustics, Interval
from .records import Word

# Against engines that know their own times: 913 words of hibari come 43 ms early, 137 of eSpeak in nine languages 43.
EARLY_SECONDS = 0.04


def word_times(text: str, laid: Sequence[ScriptWord] | None, sound: Acoustics) -> tuple[Word, ...] | None:
    """Times of the whitespace-separated words of ``text``; None when it was not laid, or not all of it."""
    words = text.split()
    if not words or not laid or "".join(words) != "".join(piece.text for piece in laid):
        return None
    quiet = _quiet(sound)
    times, rest, last = [], list(laid), 0.0
    for word in words:
        mine, length = [], 0
        while length < len(word):
            mine.append(rest.pop(0))
            length += len(mine[-1].text)
        begin, end = mine[0].start_seconds + EARLY_SECONDS, min(mine[-1].end_seconds + EARLY_SECONDS, sound.seconds)
        start = max(last, _after(min(begin, sound.seconds), end, quiet))
        last = max(start, _before(start, end, quiet))
        times.append(Word(word, round(start, 3), round(last, 3)))
    return tuple(times)


def _quiet(sound: Acoustics) -> list[Interval]:
    ends = [(0.0, sound.leading_seconds), (sound.seconds - sound.trailing_seconds, sound.seconds)]
    return sorted([*sound.pauses, *ends])


def _after(start: float, end: float, quiet: Sequence[Interval]) -> float:
    """The end of the silence in which ``start`` lies, when the word lasts beyond it."""
    return next((until for since, until in quiet if since <= start < until < end), start)


def _before(start: float, end: float, quiet: Sequence[Interval]) -> float:
    """The beginning of the silence in which ``end`` lies, when the word began before it."""
    return next((since for since, until in quiet if start < since < end <= until), end)
