"""`aurora new` and `aurora check`: a campaign's files, before anything runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ..said import counted
from ..settings import Settings, from_environment

if TYPE_CHECKING:
    from ..script_table import Campaign

CLIPS_NAMED = 3


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

    Also says which portraits the model would refuse or spoil; `aurora quote` says what that would waste.
    """
    from ..script_table import read_campaign

    settings = from_environment()
    found = read_campaign(settings, campaign)
    click.echo(f"{found.name}: {counted(len(found.scripts), 'script')}, no problems.")
    for line in _portraits(settings, found):
        click.echo(line)


def _portraits(settings: Settings, campaign: Campaign) -> Iterator[str]:
    """One sentence a portrait and model that do not go together, with the clips that it concerns."""
    from ..aurora_videos.request import sent_image
    from ..aurora_videos.suitability import portrait_suitability
    from ..gear.media_store import MediaStore
    from ..models import read_models
    from ..script_table import portrait_file

    store, models = MediaStore(settings.media), read_models(settings.models)
    clips: dict[tuple[str, str], list[str]] = {}
    for script in campaign.scripts:
        clips.setdefault((script.portrait, script.model), []).append(script.clip_id)
    for (portrait, model), clip_ids in clips.items():
        image = sent_image(portrait_file(settings, campaign.folder, portrait))
        seen = portrait_suitability(store, campaign, models.named(model), image)
        for sentence in seen.unfit:
            yield f"x {portrait} ({_named(clip_ids)}): {sentence}. Not bought as it is."
        for sentence in seen.warnings:
            yield f"! {portrait} ({_named(clip_ids)}): {sentence}. Bought all the same: portrait_check is warn."


def _named(clip_ids: list[str]) -> str:
    more = len(clip_ids) - CLIPS_NAMED
    return ", ".join(clip_ids[:CLIPS_NAMED]) + (f" and {more} more" if more > 0 else "")
