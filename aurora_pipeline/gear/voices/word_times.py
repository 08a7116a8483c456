"""When each word of a script is heard: mapped from what the engine says, or estimated from letters and silences.

Measured (reference/studio.md, section 2): letters with silences as anchors are off by 85 ms on average; engine
durations are exact to their 25 ms grid.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple

from .engines import TimedWord

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SILENCE_SECONDS = 0.12
# Below the loudest 20 ms. Measured on five sentences of SVOX Pico, one a language, with 15 pauses at punctuation: -38
# finds them all and two long stops besides (the shorter ones are dropped); -30 adds fricatives, -55 trailing breath.
QUIET_DB = -38.0
_FRAME_SECONDS = 0.02
_PAUSE_AFTER = re.compile(r"[,.;:!?…—][\"'”’)\]]*$")

Span = tuple[float, float]


class Marks(NamedTuple):
    """Moments an engine tells: (character of the text, sample) where words begin, and samples where clauses end."""

    words: Sequence[tuple[int, int]]
    ends: Sequence[int]


def mapped(text: str, heard: Sequence[TimedWord]) -> tuple[TimedWord, ...]:
    """Times of the script's own words, from those of the tokens an engine spoke (numbers expanded, clitics split)."""
    words = text.split()
    ours, theirs = [_key(word) for word in words], [_key(token.text) for token in heard]
    spans: list[Span | None] = [None] * len(words)
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for _, ours_from, ours_to, theirs_from, theirs_to in matcher.get_opcodes():
        if ours_to > ours_from and theirs_to > theirs_from:
            whole = [(token.start_seconds, token.end_seconds) for token in heard[theirs_from:theirs_to]]
            one_to_one = ours[ours_from:ours_to] == theirs[theirs_from:theirs_to]
            pieces = whole if one_to_one else _shared(words[ours_from:ours_to], (whole[0][0], whole[-1][1]))
            spans[ours_from:ours_to] = pieces
    return _in_order(words, spans)


def mapped_pieces(text: str, pieces: Sequence[tuple[str, int]], heard: Sequence[TimedWord]) -> tuple[TimedWord, ...]:
    """Like `mapped`, where a word may be said as several: ``pieces`` are (key, index of its word), as heard words are.

    Keys and the texts of ``heard`` are in the engine's own writing of sounds.
    """
    words = text.split()
    spans: list[Span | None] = [None] * len(words)
    matcher = difflib.SequenceMatcher(None, [key for key, _ in pieces], [each.text for each in heard], autojunk=False)
    for _, ours_from, ours_to, theirs_from, theirs_to in matcher.get_opcodes():
        if ours_to > ours_from and theirs_to > theirs_from:
            whole = [(each.start_seconds, each.end_seconds) for each in heard[theirs_from:theirs_to]]
            ours = pieces[ours_from:ours_to]
            is_even = len(ours) == len(whole)
            parts = whole if is_even else _shared([key for key, _ in ours], (whole[0][0], whole[-1][1]))
            for (_, index), (start, end) in zip(ours, parts, strict=True):
                earlier = spans[index]
                spans[index] = (start if earlier is None else earlier[0], end)
    return _in_order(words, spans)


def marked(text: str, marks: Marks, samples: NDArray[np.float32], sample_rate: int) -> tuple[TimedWord, ...]:
    """Times from the moments an engine tells. A word it runs together with the one before shares that one's time."""
    found = list(re.finditer(r"\S+", text))
    begins = [word.start() for word in found]
    firsts: dict[int, int] = {}
    for character, sample in marks.words:
        firsts.setdefault(max(0, bisect_right(begins, character) - 1), sample)
    leaders = sorted(firsts)
    spans: list[Span | None] = [None] * len(found)
    for number, leader in enumerate(leaders):
        following = leaders[number + 1] if number + 1 < len(leaders) else len(found)
        until = firsts[following] if following in firsts else len(samples)
        span = (firsts[leader] / sample_rate, _sound_end(firsts[leader], until, marks.ends, samples) / sample_rate)
        spoken = [index for index in range(leader, following) if index == leader or _key(found[index].group())]
        parts = _shared([found[index].group() for index in spoken], span)
        for index, part in zip(spoken, parts, strict=True):
            spans[index] = part
    return _in_order([word.group() for word in found], spans)


def _sound_end(begin: int, until: int, ends: Sequence[int], samples: NDArray[np.float32]) -> int:
    """Where a word's sound ends: at the next word, or, where a clause ends with it, before the pause that follows."""
    import numpy as np

    if not any(begin < end <= until for end in ends):
        return until
    loud = np.flatnonzero(np.abs(samples[begin:until]) > 10 ** (QUIET_DB / 20) / 4)
    return begin + int(loud[-1]) + 1 if len(loud) else until


def estimated(text: str, samples: NDArray[np.float32], sample_rate: int) -> tuple[TimedWord, ...]:
    """Times by letters, with pauses at punctuation pinned to the silences that are really there."""
    words = text.split()
    if not words:
        return ()
    speech, silences = _silences(samples, sample_rate)
    breaks = [index + 1 for index, word in enumerate(words[:-1]) if _PAUSE_AFTER.search(word)]
    anchors = _anchors(words, speech, breaks, silences)
    spans: list[Span | None] = []
    begin, index = speech[0], 0
    for stop, (silence_from, silence_to) in [*anchors, (len(words), (speech[1], speech[1]))]:
        spans += _shared(words[index:stop], (begin, silence_from))
        begin, index = silence_to, stop
    return _in_order(words, spans)


def _key(word: str) -> str:
    return re.sub(r"[^\w]", "", word.lower())


def _weight(word: str) -> int:
    """How long a word takes, in letters; a digit is read as a word of its own."""
    return 1 + sum(4 if character.isdigit() else 1 for character in word if character.isalnum())


def _shared(words: Sequence[str], span: Span) -> list[Span]:
    """``span`` divided among ``words`` by their weight."""
    ends = list(accumulate((_weight(word) for word in words), initial=0))
    begin, length = span[0], max(0.0, span[1] - span[0])
    edges = [begin + length * end / ends[-1] for end in ends]
    return list(pairwise(edges))


def _in_order(words: Sequence[str], spans: Sequence[Span | None]) -> tuple[TimedWord, ...]:
    """Words with times that never run backwards; a word nobody heard is put, without length, where it would be."""
    placed, last = [], 0.0
    for word, span in zip(words, spans, strict=True):
        start, end = span or (last, last)
        start, end = max(last, start), max(last, start, end)
        placed.append(TimedWord(word, round(start, 3), round(end, 3)))
        last = end
    return tuple(placed)


def _silences(samples: NDArray[np.float32], sample_rate: int) -> tuple[Span, list[Span]]:
    """(where speech begins and ends, the silences inside it), in seconds."""
    import numpy as np

    frame = round(sample_rate * _FRAME_SECONDS)
    count = max(1, len(samples) // frame)
    blocks = np.zeros(count * frame, np.float64)
    blocks[: min(len(samples), count * frame)] = samples[: count * frame]
    levels = np.sqrt((blocks.reshape(count, frame) ** 2).mean(axis=1))
    loud = np.flatnonzero(levels > max(levels.max(), 1e-9) * 10 ** (QUIET_DB / 20))
    if not len(loud):
        return (0.0, len(samples) / sample_rate), []
    gaps = [
        (float(before + 1) * _FRAME_SECONDS, float(after) * _FRAME_SECONDS)
        for before, after in pairwise(loud)
        if (after - before - 1) * _FRAME_SECONDS >= SILENCE_SECONDS
    ]
    return (float(loud[0]) * _FRAME_SECONDS, float(loud[-1] + 1) * _FRAME_SECONDS), gaps


def _anchors(
    words: Sequence[str], speech: Span, breaks: Sequence[int], silences: Sequence[Span]
) -> list[tuple[int, Span]]:
    """(word index, silence before that word): as many as both allow, in order, each break to its likeliest silence."""
    edges = _shared(words, speech)
    wanted = min(len(breaks), len(silences))
    longest = sorted(sorted(silences, key=lambda gap: gap[0] - gap[1])[:wanted])
    anchors, rest = [], list(breaks)
    for number, silence in enumerate(longest):
        must_stay = wanted - number - 1
        choices = rest[: len(rest) - must_stay]
        chosen = min(choices, key=lambda index: abs(edges[index][0] - silence[0]))
        anchors.append((chosen, silence))
        rest = rest[rest.index(chosen) + 1 :]
    return anchors
