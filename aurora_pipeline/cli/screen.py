"""What a person sees: progress bars on stderr, the finished table on stdout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..aurora_videos.quote import Quote
from ..pipeline import Finished
from ..stage_tables import STAGES

_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red"}


class Bars:
    """One bar a stage. Implements `aurora_pipeline.progress.Progress`."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def advance(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Draw the stage's bar; it appears when the stage first speaks."""
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total, note=note)
        self._bars.update(self._tasks[stage], completed=done, total=total, note=note)


class Lines:
    """The same for a log file: one line when a stage begins and one when it is complete."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[tuple[str, bool]] = set()

    def advance(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say so once at the start and once at the end of a stage."""
        if (stage, done == total) not in self._said:
            self._said.add((stage, done == total))
            self._console.print(f"{stage}: {done} of {total}", highlight=False)


@contextmanager
def progress_on_screen() -> Iterator[Bars | Lines]:
    """Bars on a terminal, plain lines anywhere else; on stderr either way."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    width = max(len(stage) for stage in STAGES)
    columns = (
        TextColumn(f"{{task.description:<{width}}}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield Bars(bars)


def show_quote(quote: Quote) -> None:
    """The quote, one line a clip, and its total."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("clip", "standing"):
        table.add_column(name)
    for name in ("seconds", "price/s", "cost now"):
        table.add_column(name, justify="right")
    for clip in quote.clips:
        price = f"${clip.price.usd_per_second}"
        table.add_row(clip.clip_id, clip.standing, f"{clip.seconds:.2f}", price, f"${clip.usd:.2f}")
    console = _stdout()
    console.print(table)
    left = "" if quote.left_usd is None else f"; ${quote.left_usd:.2f} of the budget is left"
    paid = "would cost" if quote.provider == "studio" else "will cost"
    console.print(f"\n{len(quote.to_buy)} new clips {paid} ${quote.usd:.2f}{left}.", highlight=False)
    if quote.provider == "studio":
        console.print("The provider is the local studio: drafts, $0.00 paid.", highlight=False)


def show_finished(finished: Finished, *, output: Path) -> None:
    """The table of clips, what is wrong with which, the money, and where everything is."""
    console = _stdout()
    console.print(_headline(finished), highlight=False)
    console.print(_clips(finished))
    for failure in finished.failures:
        console.print(f"[red]{failure.clip_id}[/red] ({failure.stage}): {failure.sentence}", highlight=False)
    console.print(_money(finished), highlight=False)
    places = {
        "videos": output / "deliverables" / finished.campaign.name,
        "report": finished.published.report,
        "DuckDB": finished.published.warehouse,
    }
    for name, place in places.items():
        console.print(f"{name:<8}{_near(place)}", highlight=False, soft_wrap=True)


def _headline(finished: Finished) -> str:
    clips = len(finished.campaign.scripts)
    if finished.failures:
        return f"\n{len({f.clip_id for f in finished.failures})} of {clips} clips of {finished.campaign.title} failed."
    if finished.made == 0:
        return f"\nNothing to do: all {clips} clips of {finished.campaign.title} are finished. $0.00."
    return f"\n{finished.campaign.title}: {clips} clips are finished."


def _clips(finished: Finished) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("clip")
    for name in ("seconds", "billed s", "cost"):
        table.add_column(name, justify="right")
    table.add_column("quality")
    table.add_column("what is wrong", overflow="fold")
    quality = {row.clip_id: row for row in finished.delivered.quality.rows}
    for video in finished.videos.rows:
        seen = quality.get(video.clip_id)
        verdict = seen.verdict if seen else "not delivered"
        table.add_row(
            video.clip_id,
            f"{video.seconds:.2f}",
            str(video.billed_seconds),
            f"${video.usd:.2f}",
            f"[{_COLOURS.get(verdict, 'red')}]{verdict}[/]",
            seen.reasons if seen else "",
        )
    return table


def _money(finished: Finished) -> str:
    videos = finished.videos.rows
    total, seconds = sum((video.usd for video in videos), Decimal(0)), sum(video.billed_seconds for video in videos)
    if all(video.is_draft for video in videos):
        return (
            f"\nDrafts from the local studio: $0.00 paid. At fal's price these {seconds} billed seconds would cost "
            f"${total:.2f}."
        )
    return f"\n{seconds} billed seconds, ${total:.2f}."


def _near(place: Path) -> str:
    """As short as it can be typed from here."""
    try:
        return os.path.relpath(place) if place.is_relative_to(Path.cwd()) else str(place)
    except OSError:
        return str(place)


def _stdout() -> Console:
    # A table piped into a file keeps its full width instead of being folded to 80 columns.
    console = Console()
    return console if console.is_terminal else Console(width=160)
