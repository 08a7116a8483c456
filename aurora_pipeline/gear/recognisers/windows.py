"""Long sound -> windows of at most 28 s, cut where it is quietest: the model hears 30 s at once and no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .spectrum import RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

LONGEST_SECONDS = 28  # some room: the model is unsure of words that end with its window
SEARCHED_SECONDS = 12  # a cut is looked for in the last so many seconds of a window
QUIET_SECONDS = 0.3  # how long a stretch is weighed: a pause between sentences rather than a stop consonant


@dataclass(frozen=True)
class Window:
    """Samples ``first`` to ``last`` (not included) of 16 kHz sound."""

    first: int
    last: int

    @property
    def start_seconds(self) -> float:
        return self.first / RATE

    @property
    def seconds(self) -> float:
        return (self.last - self.first) / RATE


def cut(sound: Samples) -> list[Window]:
    """Windows that cover ``sound``; none of an empty one."""
    windows, first = [], 0
    while len(sound) - first > LONGEST_SECONDS * RATE:
        end = first + LONGEST_SECONDS * RATE
        at = _quietest(sound, end - SEARCHED_SECONDS * RATE, end)
        windows.append(Window(first, at))
        first = at
    return [*windows, Window(first, len(sound))] if len(sound) else []


def _quietest(sound: Samples, start: int, end: int) -> int:
    import numpy as np

    width = round(QUIET_SECONDS * RATE)
    energy = np.concatenate([[0.0], np.cumsum(np.square(sound[start:end], dtype=np.float64))])
    return start + int(np.argmin(energy[width:] - energy[:-width])) + width // 2
