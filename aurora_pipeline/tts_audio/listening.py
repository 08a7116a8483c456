"""What is asked of a text before it is spoken and of the sound afterwards: listen before you pay.

Engines fail quietly: hibari answers a text in another alphabet with a quarter second of silence (reference/studio.md,
1). A clip that would waste the avatar's seconds is held back here, where nothing has been spent. What is found depends
on nothing but the arguments of `listen`: a verdict can be kept by them, `REVISION` and the recogniser's version.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..gear.recognisers import NOT_INSTALLED, Nobody, Recogniser, ScriptWord, Transcript
from ..gear.recognisers.languages import bare_tag
from ..gear.voices import TimedWord
from . import findings
from .acoustics import Acoustics, measure
from .alignment import word_times
from .pace import Pace, pace_of
from .records import Finding, Heard, Word
from .repeats import without_repeats
from .unjudged import unjudged
from .wording import Comparison, compare

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

REVISION = 3  # counts changes of what is found of the same sound
NOBODY = Nobody(NOT_INSTALLED)
_NOTHING = Acoustics(0.0, -120.0, 0.0, -70.0, (), 0.0, 0.0, 0.0, ())
_ORDER = ("pass", "warn", "fail")


def listen(  # noqa: PLR0913 - everything a verdict depends on, by name
    samples: Samples,
    rate: int,
    *,
    text: str,
    language: str,
    words: Sequence[TimedWord | Word] = (),
    recogniser: Recogniser | Nobody = NOBODY,
    pauses_seconds: Sequence[float] = (),
    pronounced: Sequence[tuple[int, int]] = (),
    is_recording: bool = False,
    stop: threading.Event | None = None,
) -> Heard:
    """Everything that can be heard of mono ``samples`` that should say ``text`` in ``language``.

    ``text`` may be empty for a recording whose words nobody wrote down. ``words`` are its times as the engine knows
    them, to say where something is; ``pauses_seconds`` are the silences that the script asks for, ``pronounced`` the
    runs of words whose sound the campaign's lexicon gives. A sound that somebody
    recorded ``is_recording``: it is not blamed on a voice. Without a recogniser the words are not compared, and
    `Heard.recogniser` says why nobody does. Raises what the recogniser raises.
    """
    import numpy as np

    tag = bare_tag(language)
    if not len(samples) or not np.isfinite(samples).all():
        return _heard(
            [findings.silent(text, is_recording=is_recording)],
            _NOTHING,
            pace_of(text, tag, 0.0),
            _named(recogniser, tag),
        )
    sound = measure(samples, rate)
    pace = _pace(text, tag, sound.speaking_seconds)
    found = list(findings.of_sound(sound, text, pauses_seconds, is_recording=is_recording))
    is_silent = any(each.check == "silent" for each in found)
    if text and not is_silent:
        found += findings.of_pace(pace, tag)
    if is_silent or isinstance(recogniser, Nobody) or tag not in recogniser.languages:
        return _heard(found, sound, pace, _named(recogniser, tag))
    transcript = recogniser.hear(samples, rate, language=tag, script=text, stop=stop)
    if text:
        once = without_repeats(transcript.text, text, tag, sound.speaking_seconds)
        transcript = replace(transcript, text=once)
    aligned = word_times(text, transcript.script, sound)
    comparison = compare(text, transcript, tag, pronounced)
    if text:
        found += findings.of_language(comparison, transcript, tag)
        places = _places(transcript.script, words)
        found += findings.of_words(comparison, transcript, tag, places, f"the recogniser {recogniser.name}")
    else:
        found += findings.of_wordless_language(transcript, tag)
    return _heard(found, sound, pace, _named(recogniser, tag), text, transcript, comparison, aligned)


def _pace(text: str, language: str, speaking_seconds: float) -> Pace:
    """The pace; unsure where parts of the text can be read in many ways, short or long."""
    pace = pace_of(text, language, speaking_seconds)
    return replace(pace, is_sure=pace.is_sure and not unjudged(text, language))


def _heard(
    found: Sequence[Finding],
    sound: Acoustics,
    pace: Pace,
    recogniser: str,
    text: str = "",
    transcript: Transcript | None = None,
    comparison: Comparison | None = None,
    aligned: tuple[Word, ...] | None = None,
) -> Heard:
    has_words = bool(text) and comparison is not None
    return Heard(
        verdict=max((each.verdict for each in found), key=_ORDER.index, default="pass"),
        findings=tuple(sorted(found, key=lambda each: -_ORDER.index(each.verdict))),
        recogniser=recogniser,
        transcript=transcript.text if transcript else "",
        word_error=comparison.word_error if comparison and has_words else None,
        words_that_differ=_differing(comparison) if comparison and has_words else (),
        loudness_lufs=sound.loudness_lufs,
        peak_dbfs=sound.peak_dbfs,
        leading_seconds=sound.leading_seconds,
        trailing_seconds=sound.trailing_seconds,
        longest_pause_seconds=sound.longest_pause_seconds,
        words_per_minute=pace.words_per_minute,
        language_heard=transcript.language if transcript else "",
        transcript_charge_id=transcript.charge_id if transcript else "",
        aligned=aligned,
    )


def _named(recogniser: Recogniser | Nobody, language: str) -> str:
    if isinstance(recogniser, Nobody):
        return f"none: {recogniser.why}"
    if language not in recogniser.languages:
        return f"none: {recogniser.name} does not know the language '{language}'"
    return f"{recogniser.name} {recogniser.version}"


def _places(laid: Sequence[ScriptWord] | None, words: Sequence[TimedWord | Word]) -> tuple[Word, ...]:
    """Where the script's pieces are: as the recogniser laid them, else as the engine says."""
    return tuple(Word(each.text, each.start_seconds, each.end_seconds) for each in laid or words)


def _differing(comparison: Comparison) -> tuple[str, ...]:
    """``Tuesday -> Friday``: the script's words, and what was heard instead."""
    return tuple(f"{each.script or '(nothing)'} -> {each.heard or '(nothing)'}" for each in comparison.differences)
