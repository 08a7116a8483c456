"""Script + transcript -> where they differ, and whether the speech or only the recogniser is likely to be wrong.

A recogniser errs as well, so that its spelling alone proves nothing. A word counts as wrong when the transcript differs
there, does not sound the same, and the recogniser finds the script's own spelling improbable at that place. Measured:
the least likelihood of a planted wrong word is below 0.0012, of a wrong number below 0.006; words of good clips that
were only transcribed differently lie above 0.01, or sound the same. Numbers and negations are never alike (`meanings`);
what can be read in too many ways is not judged (`unjudged`).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from ..gear.recognisers import Transcript
from ..gear.recognisers.meanings import has_number, negations
from ..gear.recognisers.scripts import UNSPACED, pieces
from ..gear.recognisers.spelling import Form, forms, likeness
from .unjudged import Kind, Unjudged, digits, has_same_digits, is_another_number, unjudged, with_lexicon

WRONG_LIKELIHOOD = 0.004  # between the wrong words of the planted defects and the rest: see above
# A number that is transcribed as another one, a "no" that comes or goes: no spelling or pronunciation explains those.
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

    ``likelihood`` is that of the script's most improbable piece, None when the recogniser does not say. A number
    on both sides, or a negation on one, is never alike. ``unjudged`` is why the speech cannot be judged by it.
    """

    first: int
    end: int
    script: str
    heard: str
    alike: float
    likelihood: float | None
    is_another_number: bool = False
    is_negated: bool = False
    unjudged: Kind | None = None

    @property
    def is_wrong(self) -> bool:
        """True when the speech, and not only its transcript, differs from the script."""
        if self.unjudged:
            is_improbable = self.likelihood is None or self.likelihood < WRONG_LIKELIHOOD_NUMBER
            return self.unjudged == "digits" and is_improbable and is_another_number(self.script, self.heard)
        if not self.script and not self.is_negated:
            words = self.heard.casefold().split()
            return len(words) >= ADDED_WORDS and len(set(words)) >= ADDED_DISTINCT
        if self.likelihood is None:
            return self._is_wrong_as_written
        return self.likelihood < self._least_likelihood

    @property
    def _least_likelihood(self) -> float:
        """Below which the sound says something else; 0.0 where there are more ways to say it than can be compared."""
        if self.is_negated:
            return WRONG_LIKELIHOOD_NUMBER
        if digits(self.script) or digits(self.heard):
            return WRONG_LIKELIHOOD_NUMBER if digits(self.script) or self.is_another_number else 0.0
        if self.alike < ALIKE or self.is_another_number:
            return WRONG_LIKELIHOOD
        return 0.0 if _is_name(self.script) else WRONG_LIKELIHOOD_ALIKE

    @property
    def _is_wrong_as_written(self) -> bool:
        """The verdict on a transcript alone."""
        if digits(self.script):
            return self._has_other_digits or (self.is_another_number and self.alike < ALIKE)
        if digits(self.heard):
            return self.is_another_number
        return self.is_negated or self.is_another_number or self.alike < UNLIKE

    @property
    def _has_other_digits(self) -> bool:
        """True for 4 and 14, and for no number at all; not for 9:30 and 9.30."""
        ours, theirs = digits(self.script), digits(self.heard)
        return ours != theirs if theirs else self.alike < UNLIKE

    @property
    def is_doubtful(self) -> bool:
        """True when a person should listen: sounds unlike the script, and is hardly what would have been written."""
        if self.is_wrong:
            return True
        if self.unjudged == "lexicon":
            return not self.heard
        if self.script and digits(self.script):
            return self._has_other_digits if self.likelihood is None else self.likelihood < DOUBTFUL_LIKELIHOOD_NUMBER
        is_alike = self.alike >= ALIKE and not self.is_another_number and not self.is_negated
        return not is_alike and (self.likelihood is None or self.likelihood < DOUBTFUL_LIKELIHOOD)


@dataclass(frozen=True)
class Comparison:
    """All differences, and the share of the script's pieces (words, or characters) that were not heard, 0 to 1.

    ``judged_error`` is the same share of the pieces that can be judged; ``unjudged`` are the others.
    """

    differences: tuple[Difference, ...]
    word_error: float
    judged_error: float = 0.0
    unjudged: frozenset[int] = frozenset()

    @property
    def wrong(self) -> tuple[Difference, ...]:
        return tuple(difference for difference in self.differences if difference.is_wrong)


def compare(
    script: str, transcript: Transcript, language: str, pronounced: Sequence[tuple[int, int]] = ()
) -> Comparison:
    """``script`` against what was heard; ``language`` is a bare tag.

    ``pronounced`` are runs of words (first, and end not included) whose sound a person gave.
    """
    written = pieces(script, language)
    hard = unjudged(script, language)
    hard = hard if language in UNSPACED else with_lexicon(hard, pronounced)
    found = [
        _difference(written, mine, other, transcript, language, hard)
        for mine, other in _differing(script, transcript.text, language, hard)
    ]
    kept = [difference for difference in found if difference.alike < 1.0]
    missed = {index for difference in kept for index in range(difference.first, difference.end)}
    beyond = frozenset(index for run in hard for index in range(run.first, run.end))
    judged = len(missed - beyond) / max(1, len(written) - len(beyond))
    return Comparison(tuple(kept), round(len(missed) / max(1, len(written)), 4), round(judged, 4), beyond)


def _differing(
    script: str, heard: str, language: str, hard: Sequence[Unjudged]
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(pieces of the script, pieces heard instead). What cannot be judged is taken whole, and once."""
    ours, theirs = forms(script, language), forms(heard, language)
    matcher = difflib.SequenceMatcher(None, _sounds(ours), _sounds(theirs), autojunk=False)
    matched = {block.a + step: block.b + step for block in matcher.get_matching_blocks() for step in range(block.size)}
    instead = pieces(heard, language)
    found: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for kind, first, end, heard_from, heard_to in matcher.get_opcodes():
        if kind == "equal" or _joined(ours[first:end]) == _joined(theirs[heard_from:heard_to]):
            continue
        other = _span(theirs, heard_from, heard_to)
        mine = _whole(_span(ours, first, end), hard, is_number=all(map(digits, instead[slice(*other)])))
        other = _widened(other, mine, ours, theirs, matched)
        while found and found[-1][0][1] > mine[0]:
            (before, until), (heard_before, heard_until) = found.pop()
            mine = min(before, mine[0]), max(until, mine[1])
            other = min(heard_before, other[0]), max(heard_until, other[1])
        found.append((mine, other))
    return found


def _whole(mine: tuple[int, int], hard: Sequence[Unjudged], *, is_number: bool) -> tuple[int, int]:
    """``mine`` with all of each run of which it holds a part; digits added next to a number are part of that."""
    touched = [
        run
        for run in hard
        if (run.first < mine[1] and mine[0] < run.end)
        or (is_number and run.kind == "digits" and mine[0] == mine[1] and run.first <= mine[0] <= run.end)
    ]
    return min([mine[0], *(run.first for run in touched)]), max([mine[1], *(run.end for run in touched)])


def _difference(
    written: Sequence[str],
    mine: tuple[int, int],
    other: tuple[int, int],
    transcript: Transcript,
    language: str,
    hard: Sequence[Unjudged],
) -> Difference:
    joint, heard = "" if language in UNSPACED else " ", pieces(transcript.text, language)
    script, instead = joint.join(written[slice(*mine)]), joint.join(heard[slice(*other)])
    is_negated = negations(script, language) != negations(instead, language)
    # a word that turns the sense around makes the one after it improbable ("can't cancel"); at the end, the one before
    first = max(0, mine[0] - 1) if is_negated and mine[1] == len(written) else mine[0]
    likelihoods = _likelihoods(transcript, len(written), first, mine[1] + is_negated)
    kind, likelihoods = _judged(mine, first, likelihoods, hard)
    is_same = kind == "digits" and has_same_digits(script, instead)
    alike = 1.0 if is_same else _alike(written, mine, instead, language)
    return Difference(
        *mine,
        script,
        instead,
        alike,
        None if likelihoods is None else min(likelihoods, default=1.0),
        is_another_number=alike < 1.0 and has_number(script, language) and has_number(instead, language),
        is_negated=is_negated,
        unjudged=kind,
    )


def _alike(written: Sequence[str], mine: tuple[int, int], heard: str, language: str) -> float:
    """How alike they sound. What is heard as one number may hold the words beside ours: 9.13 for "thirteen"."""
    reaches = [(0, 0), (1, 0), (0, 1), (1, 1)] if digits(heard) else [(0, 0)]
    joint = "" if language in UNSPACED else " "
    found = [
        likeness(joint.join(written[max(0, mine[0] - before) : mine[1] + after]), heard, language)
        for before, after in reaches
    ]
    return 1.0 if max(found) == 1.0 else found[0]


def _judged(
    mine: tuple[int, int], first: int, likelihoods: list[float] | None, hard: Sequence[Unjudged]
) -> tuple[Kind | None, list[float] | None]:
    """Why ``mine`` cannot be judged, and the likelihoods (from piece ``first``) by which it is, where it can be.

    Words beside an address that are improbable are judged by their own.
    """
    runs = [run for run in hard if run.first < mine[1] and mine[0] < run.end]
    beyond = {index for run in runs for index in range(run.first, run.end)}
    plain = [each for index, each in enumerate(likelihoods or (), first) if index not in beyond]
    if not runs or (plain and min(plain) < WRONG_LIKELIHOOD):
        return None, plain if runs else likelihoods
    return runs[0].kind, likelihoods


def _likelihoods(transcript: Transcript, count: int, first: int, end: int) -> list[float] | None:
    """None when the recogniser does not tell them, or did not lay all of the script."""
    if transcript.script is None or len(transcript.script) != count:
        return None
    return [word.likelihood for word in transcript.script[first:end]]


def _span(found: Sequence[Form], first: int, end: int) -> tuple[int, int]:
    """The written pieces that hold the forms ``first`` to ``end``; none, at their place, when there are no forms."""
    if first < end:
        mine = [form.piece for form in found[first:end]]
        return min(mine), max(mine) + 1
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


def _is_name(text: str) -> bool:
    return any(word[:1].isupper() for word in text.split())
