"""Speech -> the same speech in fewer billed seconds.  Video is billed by the started second.

Least harm first, and only as far as it pays: silence at both ends goes; then, when the clip is a little over a whole
second, long pauses are shortened; then the tempo rises by at most 3 %, at the same pitch. A clip that cannot be brought
under its second keeps its pauses and its tempo. Cuts lie inside silence only. Measured on 200 lines: README, "Seconds".
Sources: reference/media.md section 8 (what is kept, rubberband against atempo); tempo differences below 5 % go
unnoticed (Quene 2007, "On the just noticeable difference for tempo in speech").
"""

from __future__ import annotations

import functools
import math
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..gear import ffmpeg
from ..gear.voices import TimedWord
from ..price_book import billed_seconds
from .room import sounding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

Span = tuple[float, float]
SecondsMode = Literal["off", "trim", "fit"]

REVISION = 1  # counts changes of what fitting makes of the same sound; raising it makes every fitted clip new
KEPT_HEAD_SECONDS = 0.04  # before the first sound: a soft consonant begins below what is measured as sound
KEPT_TAIL_SECONDS = 0.10  # after the last: words ring out
KEPT_PAUSE_SECONDS = 0.25  # shorter pauses sound rushed (0.15 saved 0.4 % more and did)
SHORTEST_SHAVED_SECONDS = 0.02
LARGEST_TEMPO = 1.03
# One frame at 25 a second: should a provider's video come out a frame longer than its audio, it still costs no more.
MARGIN_SECONDS = 0.04
QUIET_DB = -38.0  # below the loud parts; see gear/voices/word_times.py
LOUDEST_NOISE_DB = -30.0  # in more of it soft word ends drown, and nothing is cut
HOP_SECONDS = 0.01
FADE_SECONDS = 0.008
# By how much a stretched sound may miss its length; measured: rubberband 0.02 ms, atempo its window of 32 ms.
RUBBERBAND_SLACK_SECONDS, ATEMPO_SLACK_SECONDS = 0.001, 0.04


@dataclass(frozen=True)
class Fitting:
    """What is done to one clip: the spans of it that are kept, in order, and how much faster they are played.

    ``seconds`` is the length it comes to; ``trimmed_seconds`` was taken from its ends, ``shaved_seconds`` from pauses.
    """

    kept: tuple[Span, ...]
    tempo: float
    seconds: float
    trimmed_seconds: float
    shaved_seconds: float

    @property
    def is_whole(self) -> bool:
        """True when nothing is taken away."""
        return self.tempo == 1.0 and not self.trimmed_seconds and not self.shaved_seconds

    def moved(self, at_seconds: float) -> float:
        """When that moment of the original is heard now; one inside a cut is heard at the cut."""
        passed = 0.0
        for start, end in self.kept:
            if at_seconds < end:
                passed += max(0.0, at_seconds - start)
                break
            passed += end - start
        return round(min(passed / self.tempo, self.seconds), 3)

    def moved_words(self, words: Sequence[TimedWord]) -> tuple[TimedWord, ...]:
        """Word times on the new clock."""
        return tuple(TimedWord(w.text, self.moved(w.start_seconds), self.moved(w.end_seconds)) for w in words)


def plan(
    samples: Samples,
    sample_rate: int,
    mode: SecondsMode,
    *,
    untouched: Sequence[Span] = (),
    least_seconds: float = 0.0,
) -> Fitting:
    """How to fit ``samples``. ``untouched`` pauses are meant; below ``least_seconds`` nothing is taken away."""
    length = len(samples) / sample_rate
    whole = Fitting(((0.0, length),), 1.0, length, 0.0, 0.0)
    heard = _sounding(samples, sample_rate)
    if mode == "off" or not heard or length <= least_seconds:
        return whole
    ends = _trimmed(heard, length, least_seconds)
    trimmed = Fitting((ends,), 1.0, ends[1] - ends[0], length - (ends[1] - ends[0]), 0.0)
    return trimmed if mode == "trim" else _under_its_second(trimmed, _pauses(heard, untouched), least_seconds)


def apply(fitting: Fitting, samples: Samples, sample_rate: int) -> Samples:
    """The sound as planned. Cuts are cross-faded; its length is ``fitting.seconds`` to the sample."""
    joined = _joined(samples, sample_rate, fitting.kept)
    wanted = round(fitting.seconds * sample_rate)
    if fitting.tempo != 1.0:
        joined = _faster(joined, sample_rate, fitting.tempo)
    slack_seconds = RUBBERBAND_SLACK_SECONDS if _has_rubberband() else ATEMPO_SLACK_SECONDS
    return _exactly(joined, wanted, math.ceil(slack_seconds * sample_rate))


def _under_its_second(trimmed: Fitting, pauses: Sequence[Span], least_seconds: float) -> Fitting:
    """``trimmed`` with just as much taken away as brings it under the last whole second; unchanged if that is far."""
    target = billed_seconds(trimmed.seconds) - 1 - MARGIN_SECONDS
    if target < max(least_seconds, 1 - MARGIN_SECONDS):
        return trimmed
    need = trimmed.seconds - target
    can = [end - start - KEPT_PAUSE_SECONDS for start, end in pauses]
    spare = [max(0.0, seconds) if seconds >= SHORTEST_SHAVED_SECONDS else 0.0 for seconds in can]
    shaved = min(need, sum(spare))
    tempo = (trimmed.seconds - shaved) / target
    if tempo > LARGEST_TEMPO:
        return trimmed
    share = shaved / sum(spare) if shaved else 0.0
    kept = tuple(_without(trimmed.kept[0], pauses, [seconds * share for seconds in spare]))
    return Fitting(kept, max(tempo, 1.0), target, trimmed.trimmed_seconds, shaved)


def _without(whole: Span, pauses: Sequence[Span], cuts: Sequence[float]) -> list[Span]:
    """``whole`` without the middle of each pause."""
    kept, begin = [], whole[0]
    for (start, end), cut in zip(pauses, cuts, strict=True):
        if cut > 0:
            middle = (start + end) / 2
            kept.append((begin, middle - cut / 2))
            begin = middle + cut / 2
    return [*kept, (begin, whole[1])]


def _trimmed(heard: Sequence[Span], length: float, least_seconds: float) -> Span:
    start = max(0.0, min(heard[0][0] - KEPT_HEAD_SECONDS, length - least_seconds))
    return start, min(length, max(heard[-1][1] + KEPT_TAIL_SECONDS, start + least_seconds))


def _pauses(heard: Sequence[Span], untouched: Sequence[Span]) -> list[Span]:
    """The silences between sounds, without those that somebody asked for."""
    gaps = [(before[1], after[0]) for before, after in pairwise(heard)]
    return [gap for gap in gaps if not any(gap[0] < end and start < gap[1] for start, end in untouched)]


def _sounding(samples: Samples, sample_rate: int) -> list[Span]:
    """Where something is heard, in seconds."""
    import numpy as np

    hop = max(1, round(sample_rate * HOP_SECONDS))
    count = math.ceil(len(samples) / hop)
    if not count:
        return []
    padded = np.zeros(count * hop, np.float64)
    padded[: len(samples)] = samples
    levels = np.sqrt((padded.reshape(count, hop) ** 2).mean(axis=1))
    loud = max(float(np.percentile(levels, 95)), 1e-6)
    quiet = loud * 10 ** (QUIET_DB / 20)
    is_on = sounding(levels, loud=loud, quiet=quiet, frame_seconds=HOP_SECONDS, loudest_floor_db=LOUDEST_NOISE_DB)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_on, [False])).astype(np.int8)))
    spans = edges.reshape(-1, 2) * (hop / sample_rate)
    return [(float(start), min(float(end), len(samples) / sample_rate)) for start, end in spans]


def _joined(samples: Samples, sample_rate: int, kept: Sequence[Span]) -> Samples:
    """The kept spans one after the other. A cut's two sides are blended into each other, so that it cannot click."""
    import numpy as np

    fade = round(FADE_SECONDS * sample_rate)
    bounds = [(round(start * sample_rate), round(end * sample_rate)) for start, end in kept]
    joined = samples[bounds[0][0] : bounds[0][1]].copy()
    for cut_to, end in bounds[1:]:
        rising = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        into = samples[cut_to - fade : cut_to]  # of the pause itself: half of what is kept of it is longer than a fade
        joined[-fade:] = joined[-fade:] * (1 - rising) + into * rising
        joined = np.concatenate((joined, samples[cut_to:end]))
    return joined


def _exactly(samples: Samples, count: int, slack: int) -> Samples:
    """``samples`` cut or filled up to ``count``, by rounding's few. Raises AssertionError where words would go."""
    import numpy as np

    if abs(len(samples) - count) > slack:
        raise AssertionError(f"fitting planned {count} samples and made {len(samples)}: words would be cut off")
    return np.concatenate((samples, np.zeros(max(0, count - len(samples)), np.float32)))[:count]


def _faster(samples: Samples, sample_rate: int, tempo: float) -> Samples:
    """The sound at another tempo and the same pitch."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "as_spoken.f32"
        samples.astype("<f4").tofile(file)
        graph = stretched(file, sample_rate, tempo, has_rubberband=_has_rubberband())
        return np.frombuffer(ffmpeg.run(graph).stdout, "<f4").astype(np.float32)


def stretched(file: Path, sample_rate: int, tempo: float, *, has_rubberband: bool) -> Any:
    """Raw mono floats at ``tempo``: by rubberband where this ffmpeg has it (0 ms off; atempo up to 32)."""
    sound = ffmpeg.source(file, format="f32le", ar=sample_rate, ac=1).audio
    sound = sound.filter("rubberband", tempo=tempo) if has_rubberband else sound.filter("atempo", tempo)
    return sound.output("pipe:1", format="f32le", acodec="pcm_f32le", ac=1)


@functools.cache
def _has_rubberband() -> bool:
    listed = subprocess.run([ffmpeg.executable(), "-hide_banner", "-filters"], capture_output=True, check=True)
    return b" rubberband " in listed.stdout
