"""`aurora quote`: what a campaign would cost now."""

from __future__ import annotations

import uuid

import click

from ..settings import from_environment


@click.command()
@click.argument("campaign")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; dollars are strings.")
def quote(campaign: str, *, as_json: bool) -> None:
    """Say what CAMPAIGN would cost now, clip by clip. Speech is made where it is free; nothing is bought.

    Paid speech is quoted too, and by the length of its text what its videos may then cost.

    \b
    + new   ~ changed (and what)   = bought, drafted or reused: kept   > under way
    ? in doubt   ! refused   x unfit (what would be wasted)   . not approved, or held back
    """
    from ..pipeline import Job, quote_campaign, quote_speech, script_table, tts_audio
    from .quoted import quote_json, show_quote
    from .quoted_speech import show_speech_quote
    from .screen import progress_on_screen, show_failures

    with progress_on_screen() as progress:
        job = Job(from_environment(), campaign, run_id=uuid.uuid4().hex, door="cli", progress=progress)
        script_table(job)
        unspoken = tts_audio(job).failures
    speech, found = quote_speech(job), quote_campaign(job)
    if as_json:
        click.echo(quote_json(found, speech))
    else:
        if speech.clips:
            show_speech_quote(speech)
        if speech.clips and found.clips:
            click.echo("")
        if found.clips or not speech.clips:
            show_quote(found)
    waiting = {line.clip_id for line in (*speech.to_buy, *speech.held)}  # told of above, with their price
    show_failures([failure for failure in unspoken if failure.clip_id not in waiting])
