"""`aurora new` and `aurora check`: a campaign's files, before anything runs."""

from __future__ import annotations

import os
import sys

import click

from ..said import counted
from ..settings import from_environment


@click.command()
@click.argument("campaign")
def new(campaign: str) -> None:
    """Write a CAMPAIGN folder to start from: a commented campaign.yaml and a two-row scripts.csv."""
    from ..script_table import new_campaign

    folder = new_campaign(from_environment(), campaign)
    click.echo(os.path.relpath(folder))


@click.command()
@click.argument("campaign")
def check(campaign: str) -> None:
    """Validate CAMPAIGN's files: every problem at once, with its line. Spends nothing.

    Also says what has no price, which voices are not installed and which portraits the model would refuse or spoil
    (`aurora quote` says what that would waste). Exit 1 when a clip would not be made.
    """
    from .checking import STOPS, doubts, read_all

    settings = from_environment()
    found, book = read_all(settings, campaign)
    lines = list(doubts(settings, found, book))
    stops = sum(line.startswith(STOPS) for line in lines)
    problems = f"{counted(stops, 'problem')}:" if stops else "no problems."
    click.echo(f"{found.name}: {counted(len(found.scripts), 'script')}, {problems}")
    for line in lines:
        click.echo(line)
    if stops:
        sys.exit(1)
