"""Script + transcript -> where they differ, and whether the speech or only the recogniser is likely to be wrong.

A recogniser errs as well, so that its spelling alone proves nothing. A word counts as wrong when the transcript differs
there, does not sound the same, and the recogniser finds the script's own spelling improbable at that place. Measured:
the least likelihood of a planted wrong word is below 0.0012, of a wrong number below 0.006; words of good clips that
were only transcribed differently lie above 0.01, or sound the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from ..gear.recognisers import Transcript
from ..gear.recognisers.scripts import UNSPACED, pieces
from ..gear.recognisers.spelling import Form, forms, likeness

WRONG_LIKELIHOOD = 0.004  # between the wrong words of the planted defects and the rest: see above
# A number that is transcribed as another one: no spelling or pronunciation explains that away.
WRONG_LIKELIHOOD_NUMBER = 0.02
DOUBTFUL_LIKELIHOOD, DOUBTFUL_LIKELIHOOD_NUMBER = 0.02, 0.2  # worth a person's ear
# What sounds much the same ("can", "can't") must be far more improbable; names are misspelled by every recogniser.
ALIKE = 0.7
WRONG_LIKELIHOOD_ALIKE = 0.0001
# Words nobody wrote: fewer are a slip of the recogniser, and so is one word again and again.
ADDED_WORDS, ADDED_DISTINCT = 4, 3
# Without likelihoods (a bought transcript) only another number, or what sounds nothing like the script, is held against
# the speech.
UNLIKE = 0.5


@dataclass(frozen=True)
class Difference:
    """Pieces ``first`` to ``end`` (not included) of the script against what was heard instead; either may be empty.

    ``likelihood`` is that of the script's most improbable piece, None when the recogniser does not say.
    """

    first: int
    end: int
    script: str
    heard: str
    alike: float
    likelihood: float | None

    @property
    def is_wrong(self) -> bool:
        """True when the speech, and not only its transcript, differs from the script."""
        if not self.script:
            words = self.heard.casefold().split()
            return len(words) >= ADDED_WORDS and len(set(words)) >= ADDED_DISTINCT
        if _has_digits(self.heard) and not _has_digits(self.script):
            return False  # a number the script has in words: there are more ways to say it than we can compare
        if self.likelihood is None:
            return self._is_another_number if _has_digits(self.script) else self.alike < UNLIKE
        if _has_digits(self.script):
            return self.likelihood < WRONG_LIKELIHOOD_NUMBER
        if self.alike < ALIKE:
            return self.likelihood < WRONG_LIKELIHOOD
        return self.likelihood < WRONG_LIKELIHOOD_ALIKE and not _is_name(self.script)

    @property
    def _is_another_number(self) -> bool:
        """True for 4 and 14, and for no number at all; not for 9:30 and 9.30."""
        ours, theirs = _digits(self.script), _digits(self.heard)
        return ours != theirs if theirs else self.alike < UNLIKE

    @property
    def is_doubtful(self) -> bool:
        """True when a person should listen: sounds unlike the script, and is hardly what would have been written."""
        if self.is_wrong:
            return True
        if self.script and _has_digits(self.script):
            return self._is_another_number if self.likelihood is None else self.likelihood < DOUBTFUL_LIKELIHOOD_NUMBER
        return self.alike < ALIKE and (self.likelihood is None or self.likelihood < DOUBTFUL_LIKELIHOOD)


@dataclass(frozen=True)
class Comparison:
    """All differences, and the share of the script's pieces (words, or characters) that were not heard, 0 to 1."""

    differences: tuple[Difference, ...]
    word_error: float

    @property
    def wrong(self) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if difference.is_wrong)


def compare(script: str, transcript: Transcript, language: str) -> Comparison:
    """``script`` against what was heard; ``language`` is a bare tag."""
    written, heard = pieces(script, language), pieces(transcript.text, language)
    ours, theirs = forms(script, language), forms(transcript.text, language)
    matcher = difflib.SequenceMatcher(None, _sounds(ours), _sounds(theirs), autojunk=False)
    matched = {block.a + step: block.b + step for block in matcher.get_matching_blocks() for step in range(block.size)}
    found = []
    for kind, first, end, heard_from, heard_to in matcher.get_opcodes():
        if kind != "equal" and _joined(ours[first:end]) != _joined(theirs[heard_from:heard_to]):
            mine = _span(ours, first, end)
            other = _widened(_span(theirs, heard_from, heard_to), mine, ours, theirs, matched)
            found.append(_difference(written, mine, heard, other, transcript, language))
    kept = [difference for difference in found if difference.alike < 1.0]
    missed = {index for difference in kept for index in range(difference.first, difference.end)}
    return Comparison(tuple(kept), round(len(missed) / max(1, len(written)), 4))


def _difference(
    written: Sequence[str],
    mine: tuple[int, int],
    heard: Sequence[str],
    other: tuple[int, int],
    transcript: Transcript,
    language: str,
) -> Difference:
    joint = "" if language in UNSPACED else " "
    script, instead = joint.join(written[slice(*mine)]), joint.join(heard[slice(*other)])
    likelihoods = [word.likelihood for word in (transcript.script or ())[slice(*mine)]]
    has_all = transcript.script is not None and len(transcript.script) == len(written)
    lowest = min(likelihoods, default=1.0) if has_all else None
    return Difference(mine[0], mine[1], script, instead, likeness(script, instead, language), lowest)


def _span(found: Sequence[Form], first: int, end: int) -> tuple[int, int]:
    """The written pieces that hold the forms ``first`` to ``end``; none, at their place, when there are no forms."""
    if first < end:
        return found[first].piece, found[end - 1].piece + 1
    at = found[first].piece if first < len(found) else (found[-1].piece + 1 if found else 0)
    return at, at


def _widened(
    other: tuple[int, int], mine: tuple[int, int], ours: Sequence[Form], theirs: Sequence[Form], matched: dict[int, int]
) -> tuple[int, int]:
    """``other`` with the heard pieces that the rest of our pieces were matched with: $1,200 for 1,250, not nothing."""
    rest = [
        theirs[matched[at]].piece for at, form in enumerate(ours) if mine[0] <= form.piece < mine[1] and at in matched
    ]
    if not rest:
        return other
    ends = [*rest, *([other[0], other[1] - 1] if other[1] > other[0] else [])]
    return min(ends), max(ends) + 1


def _joined(found: Sequence[Form]) -> str:
    return "".join(_sounds(found))


def _sounds(found: Sequence[Form]) -> list[str]:
    return [form.sound for form in found]


def _has_digits(text: str) -> bool:
    return bool(_digits(text))


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _is_name(text: str) -> bool:
    return any(word[:1].isupper() for word in text.split())
