"""`aurora approve` where voices are paid: the speech is approved first, and the video once that speech is there.

A video's purchase is of the very audio it is made of, so nobody can say yes to it before its speech is bought.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import click

from ..aurora_videos import approvals
from ..aurora_videos.affordable import once_each, waiting_clips
from ..aurora_videos.ledger import open_ledger
from ..aurora_videos.speech_quote import SpeechQuote
from ..errors import AuroraError
from ..pipeline import Job, quote_speech
from ..said import counted, expected
from .asking import assert_agreed
from .quoted_speech import show_speech_quote


def approve_speech(job: Job, names: Sequence[str], *, by: str, is_agreed: bool) -> bool:
    """Approve the speech of the clips named, or all that waits; False when none of it waits. Raises `AuroraError`."""
    quote = quote_speech(job)
    shown = replace(quote, clips=tuple(line for line in quote.clips if not names or line.clip_id in names))
    waiting = waiting_clips(shown)
    if not waiting:
        return False
    show_speech_quote(shown)
    assert_agreed(
        f"\nApprove the speech of {_clips(shown)} for {_price(shown)}, in the name of {by}?",
        is_agreed=is_agreed,
        nobody=AuroraError("This approves buying and nobody is here to agree; add --yes. Nothing was approved."),
        declined=AuroraError("Not approved. Nothing was changed."),
    )
    pairs = [(line.clip_id, line.request.asked_as) for line in waiting]
    approvals.approve(open_ledger(job.settings.ledger), job.campaign, pairs, by=by)
    click.echo(f"\n{by} approved the speech of {_clips(shown)} of {job.campaign}.")
    click.echo(
        f"Now `aurora run {job.campaign}` with AURORA_PROVIDER=fal, or Dagster, buys it; then approve the videos."
    )
    return True


def _clips(quote: SpeechQuote) -> str:
    return counted(len({line.clip_id for line in waiting_clips(quote)}), "clip")


def _price(quote: SpeechQuote) -> str:
    paid = once_each(waiting_clips(quote))
    nothing = Decimal(0)
    return expected(sum((line.list_usd for line in paid), nothing), sum((line.reserve_usd for line in paid), nothing))
