"""`aurora voices`: who can speak, how well, in which language, and for how much; and a sample of any that is free."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..settings import from_environment

if TYPE_CHECKING:
    from .voice_list import Row


@click.command()
@click.option("--language", metavar="TAG", help="Only those that speak it, such as de or pt-BR.")
@click.option("--engine", metavar="ENGINE", help="Only those of this engine; fal for every paid one.")
@click.option("--all", "is_all", is_flag=True, help="Every single one, also the robotic and the paid.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--sample", metavar="VOICE", help="Let this voice speak, into a WAV file.")
@click.option("--text", help="What the sample says; a sentence in its language unless given.")
@click.option("--to", "file", type=click.Path(path_type=Path), metavar="FILE", help="Where the sample goes.")
def voices(
    language: str | None,
    engine: str | None,
    *,
    is_all: bool,
    as_json: bool,
    sample: str | None,
    text: str | None,
    file: Path | None,
) -> None:
    """List the voices, with language, quality, engine, price and whether each is installed.

    Quality: neural is close to a person's reading; plain is clear and a little flat; robotic is understood by those
    who know the language, and never natural. Voices of this machine are free. A paid voice costs money when a campaign
    is run with it on fal, never here.
    """
    from ..gear.voices import read_voices
    from .voice_list import listed
    from .voice_sample import write_sample

    settings = from_environment()
    known = read_voices(settings.voices)
    if sample is not None:
        write_sample(known, sample, text=text, file=file)
        return
    if text is not None or file is not None:
        raise click.UsageError("--text and --to belong to --sample VOICE; name the voice that is to speak.")
    rows = listed(settings, known, language=language, engine=engine)
    if as_json:
        click.echo(json.dumps([row.as_json() for row in rows], ensure_ascii=False, indent=2))
        return
    _show(rows, is_all=is_all or language is not None or engine is not None)


def _show(rows: Sequence[Row], *, is_all: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("voice", "language", "quality", "engine", "price", "installed", "description"):
        table.add_column(name, no_wrap=name != "description")
    shown = rows if is_all else [row for row in rows if row.is_at_hand]
    for row in shown:
        table.add_row(*(Text(cell) for cell in row.cells()))
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(table)
    for line in () if is_all else _rest(rows):
        click.echo(line)


def _rest(rows: Sequence[Row]) -> Iterator[str]:
    """What the short list leaves out, a line a kind."""
    robotic = [row.voice for row in rows if row.voice.quality == "robotic" and not row.voice.is_paid]
    paid = [row.voice for row in rows if row.voice.is_paid]
    for them, kind, option in ((robotic, "robotic voices, free,", "espeak"), (paid, "paid voices", "fal")):
        if them:
            tongues = len({voice.language.split("-")[0] for voice in them})
            yield f"and {len(them)} {kind} in {tongues} languages: aurora voices --engine {option}"
    yield "Hear one: aurora voices --sample VOICE. One language: aurora voices --language de. Everything: --all."
