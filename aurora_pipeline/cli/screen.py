"""What a person sees: progress bars on stderr, the finished table on stdout."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ..aurora_videos.ledger import open_ledger
from ..aurora_videos.records import Waiver
from ..aurora_videos.render import NOT_BOUGHT
from ..aurora_videos.waivers import waived
from ..gear.fal_answers import plain
from ..pipeline import Finished
from ..said import counted, dollars
from ..settings import Settings
from ..stage_tables import STAGES, Failure
from ..tts_audio import Speech

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

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Bars stand still, so that a question can be read and answered."""
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()


class Lines:
    """The same for a log file: one line when a stage begins and one when it is complete."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[tuple[str, bool]] = set()

    def advance(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say so once at the start and once at the end of a stage."""
        if (stage, done == total) not in self._said:
            self._said.add((stage, done == total))
            self._console.print(f"{stage}: {done} of {total}", markup=False, highlight=False)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Lines are never in the way."""
        yield


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
        TextColumn("{task.fields[note]}", style="dim", markup=False),
    )
    with Progress(*columns, console=console) as bars:
        yield Bars(bars)


def show_failures(failures: Sequence[Failure]) -> None:
    """Which clips did not pass a free stage, on stderr: they are missing from what follows."""
    for failure in failures:
        click.echo(f"{failure.clip_id} ({failure.stage}): {failure.sentence}", err=True)


def show_finished(finished: Finished, settings: Settings) -> None:
    """The table of clips, what is wrong with which, the money, and where everything is."""
    console = _stdout()
    console.print(_headline(finished), markup=False, highlight=False)
    console.print(_clips(finished))
    told = [f"{failure.clip_id} ({failure.stage}): {failure.sentence}" for failure in finished.failures]
    for line in (*told, *_heard(finished, settings), *_money(finished, settings)):
        console.print(line, markup=False, highlight=False, soft_wrap=not console.is_terminal)
    places = {
        "videos": settings.stage_folder("deliverables") / finished.campaign.name,
        "report": finished.published.report,
        "DuckDB": finished.published.warehouse,
    }
    for name, place in places.items():
        console.print(f"{name:<8}{_near(place)}", markup=False, highlight=False, soft_wrap=True)


def _headline(finished: Finished) -> str:
    scripts, title = len(finished.campaign.scripts), finished.campaign.title
    if finished.failures:
        return "\n" + " ".join(_missing(finished, f"of {counted(scripts, 'clip')} of {title}"))
    clips, are = counted(scripts, "clip"), "is" if scripts == 1 else "are"
    if finished.made == 0:
        return f"\nNothing to do: {'all ' if scripts > 1 else ''}{clips} of {title} {are} finished. $0.00."
    made = max(finished.videos.made, finished.delivered.deliverables.made)
    return f"\n{title}: {clips} {are} finished. {made} made, {scripts - made} kept."


def _missing(finished: Finished, of_all: str) -> Iterator[str]:
    """How many failed, and how many were held back: a clip nobody approved did not fail."""
    held = {failure.clip_id for failure in finished.failures if failure.sentence.startswith(NOT_BOUGHT)}
    failed = {failure.clip_id for failure in finished.failures} - held
    if failed:
        yield f"{len(failed)} {of_all} failed."
    if held:
        yield f"{len(held)} {of_all} {'is' if len(held) == 1 else 'are'} held back."


def _clips(finished: Finished) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("clip")
    for name in ("seconds", "billed s", "cost"):
        table.add_column(name, justify="right")
    table.add_column("quality")
    table.add_column("what is wrong", overflow="fold")
    quality = {row.clip_id: row for row in finished.delivered.quality.rows}
    doubts = {row.clip_id: f"speech: {row.verdict}" for row in finished.speech.rows if row.verdict != "pass"}
    for video in finished.videos.rows:
        seen = quality.get(video.clip_id)
        verdict = seen.verdict if seen else "not delivered"
        cost = "reused" if video.was_reused else f"${video.usd:.2f}"
        table.add_row(
            Text(video.clip_id),
            f"{video.seconds:.2f}",
            str(video.billed_seconds),
            cost,
            Text(verdict, style=_COLOURS.get(verdict, "red")),
            Text("; ".join(filter(None, (doubts.get(video.clip_id), seen.reasons if seen else "")))),
        )
    return table


def _heard(finished: Finished, settings: Settings) -> Iterator[str]:
    """What the ear doubts of clips that were made, one line each; those that were not are told of as failures."""
    missing = {failure.clip_id for failure in finished.failures}
    accepted = waived(open_ledger(settings.ledger), finished.campaign.name)
    for speech in finished.speech.rows:
        if speech.verdict != "pass" and speech.clip_id not in missing:
            found = " ".join(finding.sentence.removesuffix(" Nothing was spent.") for finding in speech.findings)
            what_now = _what_now(finished, speech, accepted.get((speech.clip_id, speech.waived_as)))
            yield plain(f"{speech.clip_id} (speech: {speech.verdict}): {found} {what_now}")
    unheard = Counter(each.recogniser.partition(": ")[2] for each in finished.speech.rows if each.is_unheard)
    for why, clips in unheard.items():
        yield f"Nobody compared what is heard of {counted(clips, 'clip')} with what is written: {why}."


def _what_now(finished: Finished, speech: Speech, waiver: Waiver | None) -> str:
    """Who accepted speech that fails, or how it comes to be bought; empty where nothing needs to be done."""
    bought = {(video.clip_id, video.speech_sha256) for video in finished.videos.rows if not video.is_draft}
    if speech.verdict != "fail":
        return ""
    if waiver is not None:
        return waiver.said
    if finished.campaign.speech.listen != "hold" or (speech.clip_id, speech.sha256) in bought:
        return ""
    command = f"aurora waive {finished.campaign.name} {speech.clip_id} --reason TEXT"
    return f"Not bought as it is: edit it or, if it is right: {command}"


def _money(finished: Finished, settings: Settings) -> Iterator[str]:
    drafts = [video for video in finished.videos.rows if video.is_draft]
    if drafts:
        seconds, usd = (
            sum(v.billed_seconds for v in drafts if not v.was_reused),
            sum((v.usd for v in drafts), Decimal(0)),
        )
        yield (
            f"\nDrafts from the local studio: $0.00 paid. At fal's price their {seconds} billed seconds would cost "
            f"${usd:.2f}{_drafted_speech(finished, settings)}."
        )
    budget = open_ledger(settings.ledger).spending("fal", "campaign", finished.campaign.name)
    if settings.provider == "fal" or budget.taken_usd:
        held = f" ${budget.reserved_usd:.2f} is held for what is not settled." if budget.reserved_usd else ""
        yield f"\nBilled by fal for this campaign so far: ${budget.settled_usd:.2f}.{held}"


def _drafted_speech(finished: Finished, settings: Settings) -> str:
    """``, and their speech $0.01``; empty where no voice of them is paid."""
    ids = {charge_id for speech in finished.speech.rows if speech.is_draft for charge_id in speech.charge_ids}
    charges = open_ledger(settings.ledger).charges(charge_ids=sorted(ids)) if ids else []
    drafted = [charge for charge in charges if charge.provider == "studio"]  # other parts of it may be bought already
    usd = sum((charge.billed_usd or Decimal(0) for charge in drafted), Decimal(0))
    return f", and their speech {dollars(usd)}" if drafted else ""


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
