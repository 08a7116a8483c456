"""Everything that can go wrong, as one family.

    AuroraError                  our error: exit code 1
    ├── BadInput                 the user's files: a list of located problems; nothing was spent
    ├── BadSetting               an environment variable or option; nothing was spent
    ├── SpendRefused             a guard said no before any money moved
    │   ├── PriceUnknown         no dated price, or one past its expiry
    │   ├── OverBudget           the reservation does not fit the budget
    │   └── BreakerTripped       a bill was absurd: nothing more is bought until a person has looked
    ├── RequestRefused           the provider refused the request; says whether it may be billed
    ├── OutcomeUnknown           a request may have been accepted: held, never sent again by itself
    ├── VideoUnusable            a bought video (or speech) could not be fetched or read; the purchase is kept
    ├── SpeechFailed             a text could not be spoken; nothing was spent
    ├── FfmpegFailed             ffmpeg's last lines and the exact command
    ├── StudioFailed             the local studio could not be started or reached
    ├── WarehouseFailed          the warehouse is busy, not published yet, or was asked something it cannot answer
    │   └── WarehouseLost        its private file is missing, damaged or of another version: rebuild it
    └── Interrupted              somebody asked to stop; finished work is kept

Each says what happened, then what to do, then, where money is near, what it cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class AuroraError(Exception):
    """Base of every error this package raises on purpose; its text is for people."""


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in one place of a user's file.

    ``line`` and ``column`` are what an editor shows (lines from 1); ``column`` is the CSV or YAML
    field's name. ``sentence`` says what is wrong and how to mend it.
    """

    file: str
    line: int
    column: str
    sentence: str

    def __str__(self) -> str:
        where = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.column) if part)
        return f"{where}: {self.sentence}" if where else self.sentence


class BadInput(AuroraError):
    """Every problem of the user's files at once, grouped by file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__(self._text())

    def _text(self) -> str:
        lines = []
        for file in dict.fromkeys(problem.file for problem in self.problems):
            here = [problem for problem in self.problems if problem.file == file]
            lines.append(f"{file} has {len(here)} problem{'s' if len(here) > 1 else ''}:")
            lines.extend(f"    {problem}" for problem in here)
        return "\n".join([*lines, "  Mend this and run again. Nothing was spent."])


class BadSetting(AuroraError):
    """A setting (environment variable or option) that cannot be used; nothing was spent."""


class SpendRefused(AuroraError):
    """A guard refused to spend; nothing was sent and nothing was spent."""


class PriceUnknown(SpendRefused):
    """The price book holds no price in force for what would be bought."""


class OverBudget(SpendRefused):
    """The worst case of this purchase does not fit what is left of the budget."""


class BreakerTripped(SpendRefused):
    """A bill was far above its reservation: nothing more is bought until a person has looked."""


class RequestRefused(AuroraError):
    """The provider refused a request. ``may_be_billed`` is its documented billing rule.

    ``busy_seconds`` is set when it was only too busy: how long it asks to be left alone before it is asked again.
    """

    def __init__(
        self,
        sentence: str,
        *,
        may_be_billed: bool = False,
        stops_the_run: bool = False,
        busy_seconds: float | None = None,
    ) -> None:
        super().__init__(sentence)
        self.may_be_billed = may_be_billed
        self.stops_the_run = stops_the_run
        self.busy_seconds = busy_seconds


class OutcomeUnknown(AuroraError):
    """A request may have been accepted, so its money stays reserved and it is not sent again."""


class VideoUnusable(AuroraError):
    """A bought video, or speech, could not be fetched or read; the purchase is recorded and fetched again next time."""


class SpeechFailed(AuroraError):
    """A text could not be spoken; nothing was spent."""


class FfmpegFailed(AuroraError):
    """ffmpeg failed: its last lines and the exact command."""


class StudioFailed(AuroraError):
    """The local studio could not be started or reached; nothing was spent."""


class WarehouseFailed(AuroraError):
    """The warehouse is busy, not published yet, or was asked something it cannot answer; nothing was spent."""


class WarehouseLost(WarehouseFailed):
    """The warehouse's private file is missing, damaged or of another version; stage tables and ledger rebuild it."""


class Interrupted(AuroraError):
    """The work was asked to stop. What was finished is kept; run again to go on."""
