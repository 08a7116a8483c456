"""`aurora quote`: what a campaign would cost now."""

from __future__ import annotations

import uuid

import click

from ..settings import from_environment


@click.command()
@click.argument("campaign")
def quote(campaign: str) -> None:
    """Say what CAMPAIGN would cost now, clip by clip. Speech is made (free) to know the seconds; nothing is bought."""
    from ..pipeline import Job, quote_campaign, script_table, tts_audio
    from .screen import progress_on_screen, show_quote

    with progress_on_screen() as progress:
        job = Job(from_environment(), campaign, run_id=uuid.uuid4().hex, door="cli", progress=progress)
        script_table(job)
        tts_audio(job)
    show_quote(quote_campaign(job))
