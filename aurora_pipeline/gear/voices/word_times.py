"""When each word of a script is heard: mapped from what the engine says, or estimated from letters and silences.

Measured (reference/studio.md, section 2): letters with silences as anchors are off by 85 ms on average; engine
durations are exact to their 25 ms grid.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

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
