"""What rounding up to whole seconds wastes, and what second-aware audio wins back: off, trim and fit side by side.

    python -m aurora_pipeline_tests.benchmarks seconds [lines]

The same lines are spoken once, in two voices by turns, and fitted in the three modes. ``wasted`` is the share of the
billed seconds in which nothing of the clip is heard (billed less its own length); the limit is what the clips as spoken
would cost if they were billed to the sample. Word error is a recogniser's, over the same clips, where one is installed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aurora_pipeline.gear import recognisers, voices
from aurora_pipeline.gear.voices import Spoken
from aurora_pipeline.price_book import billed_seconds, read_price_book
from aurora_pipeline.tts_audio import fitting
from aurora_pipeline.tts_audio.fitting import SecondsMode
from aurora_pipeline.tts_audio.listening import listen
from aurora_pipeline_tests.benchmarks.lines import COUNT, lines

PRICE_BOOK = Path(__file__).parents[2] / "data" / "price_book.csv"
MODES: tuple[SecondsMode, ...] = ("off", "trim", "fit")
VOICES = ("heart", "low")
LANGUAGE = "en-US"


@dataclass
class Measured:
    """Sums over all lines in one mode, in seconds; ``errors`` are words of ``words`` that were not heard."""

    mode: SecondsMode
    billed: int = 0
    audio: float = 0.0
    trimmed: float = 0.0
    shaved: float = 0.0
    faster: int = 0
    under_a_second: int = 0
    cpu: float = 0.0
    words: int = 0
    errors: float = 0.0

    @property
    def wasted(self) -> float:
        return (self.billed - self.audio) / self.billed


def main(arguments: Sequence[str] = ()) -> None:
    """Speak, fit and listen; print the table."""
    texts = lines(int(arguments[0]) if arguments else COUNT)
    spoken = [_spoken(text, VOICES[number % len(VOICES)]) for number, text in enumerate(texts)]
    measured = [_measured(mode, texts, spoken) for mode in MODES]
    Console(width=140).print(_table(measured, spoken))


def _spoken(text: str, voice: str) -> Spoken:
    found = voices.shipped().named(voice)
    assert found is not None
    return voices.engine(found.engine).speak(text, found)


def _measured(mode: SecondsMode, texts: Sequence[str], spoken: Sequence[Spoken]) -> Measured:
    total, recogniser = Measured(mode), recognisers.offline()
    for text, clip in zip(texts, spoken, strict=True):
        begun = _cpu_seconds()
        planned = fitting.plan(clip.samples, clip.sample_rate, mode)
        samples = fitting.apply(planned, clip.samples, clip.sample_rate)
        total.cpu += _cpu_seconds() - begun
        total.billed += billed_seconds(planned.seconds)
        total.audio += planned.seconds
        total.trimmed += planned.trimmed_seconds
        total.shaved += planned.shaved_seconds
        total.faster += planned.tempo > 1.0
        total.under_a_second += billed_seconds(planned.seconds) < billed_seconds(len(clip.samples) / clip.sample_rate)
        if recogniser is not None:
            words = planned.moved_words(clip.words)
            heard = listen(samples, clip.sample_rate, text=text, language=LANGUAGE, words=words, recogniser=recogniser)
            total.words += len(words)
            total.errors += (heard.word_error or 0.0) * len(words)
    return total


def _cpu_seconds() -> float:
    """Ours and our ffmpegs'."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _table(measured: Sequence[Measured], spoken: Sequence[Spoken]) -> Table:
    price = _usd_per_second()
    limit = sum(len(clip.samples) / clip.sample_rate for clip in spoken)
    off = measured[0]
    table = Table(title=f"{len(spoken)} lines, {limit:,.0f} s as spoken; Aurora 720p at ${price} a started second")
    for column in (
        "mode",
        "billed s",
        "audio s",
        "wasted",
        "of off's",
        "$ / 1,000 clips",
        "saved",
        "fewer seconds",
        "pauses cut",
        "faster",
        "word error",
        "CPU ms / clip",
    ):
        table.add_column(column, justify="right")
    for each in measured:
        table.add_row(
            each.mode,
            f"{each.billed:,}",
            f"{each.audio:,.1f}",
            f"{each.wasted:.2%}",
            f"{each.wasted / off.wasted:.0%}",
            f"{_usd_a_thousand(each.billed, len(spoken), price):,.2f}",
            f"{1 - each.billed / off.billed:.1%}",
            f"{each.under_a_second} clips",
            f"{each.shaved:.1f} s",
            f"{each.faster} clips",
            f"{each.errors / each.words:.2%}" if each.words else "not heard",
            f"{1000 * each.cpu / len(spoken):.1f}",
        )
    dollars = f"{_usd_a_thousand(limit, len(spoken), price):,.2f}"
    table.add_row("limit", f"{limit:,.1f}", f"{limit:,.1f}", "0.00%", "0%", dollars)
    return table


def _usd_a_thousand(seconds: float, clips: int, price: Decimal) -> Decimal:
    return Decimal(seconds) * price * 1000 / clips


def _usd_per_second() -> Decimal:
    book = read_price_book(PRICE_BOOK)
    return book.price("fal-ai/creatify/aurora", "720p", on=datetime.now(UTC).date(), allow_expired=True).usd_per_second
