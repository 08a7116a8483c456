"""`aurora demo` and `aurora run`: a campaign, all five stages."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ..errors import OverBudget, SpendRefused
from ..settings import Settings, from_environment

if TYPE_CHECKING:
    from ..aurora_videos.quote import Quote

DEMO = "demo"


@click.command()
def demo() -> None:
    """Make the sample campaign's videos: offline, free, about a minute."""
    _run(replace(from_environment(), provider="studio"), DEMO, is_agreed=True)


@click.command()
@click.argument("campaign")
@click.option("--yes", "is_agreed", is_flag=True, help="Buy what the quote says without asking.")
def run(campaign: str, *, is_agreed: bool) -> None:
    """Make CAMPAIGN's videos; what is finished is kept. Prints a quote and asks before it spends."""
    _run(from_environment(), campaign, is_agreed=is_agreed)


def _run(settings: Settings, campaign: str, *, is_agreed: bool) -> None:
    from ..pipeline import Job, run_campaign
    from .screen import progress_on_screen, show_finished

    with progress_on_screen() as progress:

        def approve(quote: Quote) -> None:
            with progress.paused():
                _ask_before_spending(quote, is_agreed=is_agreed)

        job = Job(settings, campaign, run_id=uuid.uuid4().hex, door="cli", progress=progress)
        finished = run_campaign(job, approve=approve)
    show_finished(finished, settings)
    if finished.failures:
        sys.exit(1)


def _ask_before_spending(quote: Quote, *, is_agreed: bool) -> None:
    from .screen import show_quote

    if quote.provider == "studio" or not quote.to_buy:
        return
    show_quote(quote)
    if quote.left_usd is not None and quote.usd > quote.left_usd:
        raise OverBudget(
            f"These clips cost ${quote.usd:.2f} and ${quote.left_usd:.2f} of the budget is left; raise budget_usd in "
            "campaign.yaml or take rows out. Nothing was spent."
        )
    if not is_agreed and not sys.stdin.isatty():
        raise SpendRefused("This buys video and nobody is here to agree; add --yes. Nothing was spent.")
    question = f"Buy {len(quote.to_buy)} clips for about ${quote.usd:.2f} of the ${quote.left_usd or 0:.2f} left?"
    if not is_agreed and not click.confirm(question, default=False, err=True):
        raise SpendRefused("Not bought. Nothing was spent.")
