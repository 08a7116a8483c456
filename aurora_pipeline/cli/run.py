"""`aurora demo` and `aurora run`: a campaign, all five stages."""

from __future__ import annotations

import sys
import uuid
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from ..errors import SpendRefused
from ..said import counted, expected
from ..settings import Settings, from_environment
from .stopping import Stop

if TYPE_CHECKING:
    from ..aurora_videos.quoted import Quote
    from ..aurora_videos.speech_quote import SpeechQuote

DEMO = "demo"


def _dollars(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Decimal | None:
    try:
        amount = None if value is None else Decimal(value)
    except InvalidOperation:
        amount = Decimal("NaN")
    if amount is not None and (not amount.is_finite() or amount <= 0):
        raise click.BadParameter(f"'{value}' is no amount; use dollars, such as 25 or 25.50. Nothing was spent.")
    return amount


@click.command()
@click.pass_obj
def demo(stop: Stop) -> None:
    """Make the sample campaign's videos: offline, free, about a minute."""
    _run(replace(from_environment(), provider="studio"), DEMO, stop, is_agreed=True)


@click.command()
@click.argument("campaign")
@click.option(
    "--max-usd", callback=_dollars, metavar="DOLLARS", help="The most that this run may cost; it only ever lowers."
)
@click.option("--yes", "is_agreed", is_flag=True, help="Buy what the quote says without asking.")
@click.pass_obj
def run(stop: Stop, campaign: str, *, max_usd: Decimal | None, is_agreed: bool) -> None:
    """Make CAMPAIGN's videos; what is finished is kept. Prints a quote and asks before it spends.

    --max-usd is compared with the worst case before anything is sent, and by the ledger with every clip.
    """
    from ..aurora_videos.affordable import capped

    _run(capped(from_environment(), max_usd), campaign, stop, is_agreed=is_agreed)


def _run(settings: Settings, campaign: str, stop: Stop, *, is_agreed: bool) -> None:
    from ..pipeline import Job, run_campaign
    from .screen import progress_on_screen, show_finished

    run_id = uuid.uuid4().hex
    stop.spent = lambda: _spent(settings, run_id)
    with progress_on_screen() as progress:

        def approve(quote: Quote) -> Quote:
            with progress.paused():
                return _ask_before_spending(settings, quote, is_agreed=is_agreed)

        def approve_speech(quote: SpeechQuote) -> SpeechQuote:
            with progress.paused():
                return _ask_before_speaking(settings, quote, is_agreed=is_agreed)

        job = Job(settings, campaign, run_id=run_id, door="cli", progress=progress)
        finished = run_campaign(job, approve=approve, approve_speech=approve_speech)
    show_finished(finished, settings)
    if finished.failures:
        sys.exit(1)


def _spent(settings: Settings, run_id: str) -> str:
    from ..aurora_videos.spent import spent_so_far

    return spent_so_far(settings, run_id)


def _ask_before_spending(settings: Settings, quote: Quote, *, is_agreed: bool) -> Quote:
    """The quote as it was agreed to. What cannot be paid is held back in it; what is paid already needs no yes."""
    from .asking import assert_agreed
    from .quoted import show_quote

    if quote.provider == "studio" or not (quote.to_buy or quote.held):
        return quote
    quote = _affordable(settings, quote)
    show_quote(quote)
    if not quote.to_buy:
        return quote
    assert_agreed(
        f"\nBuy {counted(len(quote.to_buy), 'clip')} for {expected(quote.usd, quote.reserve_usd)}?",
        is_agreed=is_agreed,
        nobody=SpendRefused("This buys video and nobody is here to agree; add --yes. Nothing was spent."),
        declined=SpendRefused("Not bought. Nothing was spent."),
    )
    return quote


def _affordable(settings: Settings, quote: Quote) -> Quote:
    from ..aurora_videos.affordable import affordable
    from .quoted import show_quote

    try:
        return affordable(settings, quote)
    except SpendRefused:
        show_quote(quote)
        raise


def _ask_before_speaking(settings: Settings, quote: SpeechQuote, *, is_agreed: bool) -> SpeechQuote:
    """As for videos, and before them. Speech that cannot be paid is held back; its clips fail with the reason."""
    from ..aurora_videos.affordable import affordable
    from .asking import assert_agreed
    from .quoted_speech import said_to_buy, show_speech_quote

    if quote.provider == "studio" or not (quote.to_buy or quote.held):
        return quote
    show_speech_quote(quote)
    quote = affordable(settings, quote)
    if not quote.to_buy:
        return quote
    assert_agreed(
        f"\nBuy {said_to_buy(quote)} for {expected(quote.usd, quote.reserve_usd)}?",
        is_agreed=is_agreed,
        nobody=SpendRefused("This buys speech and nobody is here to agree; add --yes. Nothing was spent."),
        declined=SpendRefused("Not bought. Nothing was spent."),
    )
    return quote
