"""`aurora new` and `aurora check`: a campaign's files, before anything runs."""

from __future__ import annotations

import os

import click

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
    """Validate CAMPAIGN's files: every problem at once, with its line. Spends nothing."""
    from ..script_table import read_campaign

    found = read_campaign(from_environment(), campaign)
    click.echo(f"{found.name}: {len(found.scripts)} scripts, no problems.")
