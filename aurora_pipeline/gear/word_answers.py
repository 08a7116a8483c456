"""What a speech endpoint's answer says about words -> timed words.  Two shapes are known; any other tells nothing.

    {text | word, start, end, type?}                                            one word (``type`` spacing: none)
    {characters, character_start_times_seconds, character_end_times_seconds}    a stretch of characters

The first is fal's documented TranscriptionWord. The second is ElevenLabs' own alignment: fal documents that its speech
endpoints answer a list of timestamps, and not what is in it, so both shapes are read and nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from .voices import TimedWord

_STARTS, _ENDS = "character_start_times_seconds", "character_end_times_seconds"
NOT_WORDS = ("spacing", "audio_event")


def at(answer: Any, path: str) -> Any:
    """The value under a dotted path (``audio.url``); None where there is none."""
    for name in path.split("."):
        answer = answer.get(name) if isinstance(answer, Mapping) else None
    return answer


def timed_words(entries: Any) -> tuple[TimedWord, ...] | None:
    """The words of a list of entries; None when there are none, or one entry is of neither shape."""
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes) or not entries:
        return None
    if not all(isinstance(entry, Mapping) for entry in entries):
        return None
    try:
        if all("characters" in entry for entry in entries):
            found = tuple(_spelled(entries))
        else:
            found = tuple(word for entry in entries if (word := _word(entry)) is not None)
    except (TypeError, ValueError, KeyError):
        return None
    return found if found and _run_forward(found) else None


def _word(entry: Mapping[str, Any]) -> TimedWord | None:
    """The entry's word; None for the spaces and noises between words. Raises for what is none of them."""
    if entry.get("type") in NOT_WORDS:
        return None
    text = entry["text"] if "text" in entry else entry["word"]
    if not isinstance(text, str):
        raise TypeError(f"a word is a {type(text).__name__}")
    return TimedWord(text.strip(), _seconds(entry["start"]), _seconds(entry["end"])) if text.strip() else None


def _spelled(stretches: Sequence[Mapping[str, Any]]) -> Iterator[TimedWord]:
    """The words that characters spell: from the first character's start to the last one's end."""
    letters = [
        (str(letter), _seconds(start), _seconds(end))
        for stretch in stretches
        for letter, start, end in zip(stretch["characters"], stretch[_STARTS], stretch[_ENDS], strict=True)
    ]
    for is_space, group in groupby(letters, key=lambda letter: letter[0].isspace()):
        of_it = list(group)
        if not is_space:
            yield TimedWord("".join(letter for letter, _, _ in of_it), of_it[0][1], of_it[-1][2])


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < math.inf or isinstance(value, bool | str):
        raise ValueError(f"{value!r} is no moment")
    return seconds


def _run_forward(words: Sequence[TimedWord]) -> bool:
    """Whether every word ends after it begins and begins no earlier than the one before."""
    starts = [word.start_seconds for word in words]
    return starts == sorted(starts) and all(word.start_seconds <= word.end_seconds for word in words)
