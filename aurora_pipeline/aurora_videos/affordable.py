"""May this quote be bought?  Both doors ask before anything is sent; the ledger asks again with every claim.

A quote is compared with the worst case of its bill, which is what the ledger will reserve: one that fits here cannot
run out half way, unless somebody else spends from the same budget meanwhile. What does not fit is not bought, not even
in part; what is paid for already is fetched all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from ..errors import OverBudget, SpendRefused
from ..said import counted, dollars
from ..settings import Settings
from . import breaker
from .ledger import Ledger, open_ledger
from .ledger_tables import HOLDS_MONEY
from .quote import is_kept
from .quoted import AnyQuote, Quoted
from .spending import MEND, scopes_of

Agreed = TypeVar("Agreed", bound=AnyQuote[Any])
One = TypeVar("One", bound=Quoted[Any])

_OF = {
    "campaign": "of the campaign's budget",
    "run": "of this run's cap",
    "day": "of today's cap",
    "month": "of this month's cap",
}


def capped(settings: Settings, max_usd: Decimal | None) -> Settings:
    """Settings whose cap for a run is no higher than ``max_usd``: a run's own cap lowers, and never raises."""
    caps = [cap for cap in (settings.max_usd_per_run, max_usd) if cap is not None]
    return replace(settings, max_usd_per_run=min(caps, default=None))


def is_capped(settings: Settings) -> bool:
    """True when a person has set how much a run or a day may cost: then rows need no approval one by one."""
    return settings.max_usd_per_run is not None or settings.max_usd_per_day is not None


def affordable(settings: Settings, quote: Agreed) -> Agreed:
    """The quote as it may be carried out now: when it cannot be paid, all that would be bought is held back.

    Raises `BreakerTripped` or `OverBudget` when nothing would be left to do then.
    """
    try:
        assert_affordable(open_ledger(settings.ledger), quote)
    except SpendRefused as refused:
        if not any(_is_to_be_fetched(settings, clip) for clip in quote.clips):
            raise
        return replace(quote, clips=tuple(clip.held_back(str(refused)) for clip in quote.clips))
    return quote


def _is_to_be_fetched(settings: Settings, clip: Quoted[Any]) -> bool:
    """True for what a run brings without buying it: accepted, perhaps accepted, or lost by the media store."""
    is_paid = clip.charge is not None and clip.standing in ("in doubt", "under way", "bought", "reused")
    return is_paid and not is_kept(settings, clip)


def assert_affordable(ledger: Ledger, quote: AnyQuote[Any]) -> None:
    """Raise `BreakerTripped` or `OverBudget` when the quote cannot be bought now. Drafts are free and always can."""
    if quote.provider != "fal" or not quote.to_buy:
        return
    with ledger.reading() as db:
        breaker.assert_closed(db, quote.provider)
    if (sentence := why_not_affordable(quote)) is not None:
        raise OverBudget(sentence)


def why_not_affordable(quote: AnyQuote[Any]) -> str | None:
    """One sentence when the worst case does not fit one of the limits, for the tightest of them; None when it fits."""
    needed = needed_usd(quote)
    short = [kind for kind, left in quote.left.items() if needed[kind] > left]
    if not short or quote.provider != "fal":
        return None
    kind = min(short, key=lambda kind: quote.left[kind])
    mend = MEND[kind]
    return (
        f"{quote.campaign}: {counted(len(quote.to_buy), 'clip')} to buy may cost up to {dollars(needed[kind])}, "
        f"but {dollars(quote.left[kind])} {_OF[kind]} is left. {mend[0].upper()}{mend[1:]}. "
        "Nothing was spent."
    )


def needed_usd(quote: AnyQuote[Any]) -> dict[str, Decimal]:
    """What must still be reserved in each limited scope: the worst case, less what these clips already hold there."""
    scopes = scopes_of(quote.campaign, "", datetime.now(UTC))
    return {
        kind: quote.reserve_usd - sum((_held_in(kind, scopes[kind], clip) for clip in quote.to_buy), Decimal(0))
        for kind in quote.left
    }


def _held_in(kind: str, name: str, clip: Quoted[Any]) -> Decimal:
    """A clip in doubt keeps its reservation until it is voided and reserved anew: it must not count twice."""
    charge = clip.charge
    if charge is None or charge.state not in HOLDS_MONEY:
        return Decimal(0)
    is_here = scopes_of(charge.campaign, charge.run_id, charge.planned_at)[kind] == name
    return min(charge.reserved_usd, clip.reserve_usd) if is_here else Decimal(0)


def once_each(clips: Iterable[One]) -> tuple[One, ...]:
    """The clips without those that ask for exactly what another does: together they cost it once."""
    return tuple({clip.request.fingerprint: clip for clip in clips}.values())


def left_in_words(quote: AnyQuote[Any]) -> str:
    """``$20.94 of the campaign's budget, $5.00 of this run's cap``; empty when nothing is limited."""
    return ", ".join(f"{dollars(left)} {_OF[kind]}" for kind, left in quote.left.items())


def waiting_clips(quote: AnyQuote[One]) -> tuple[One, ...]:
    """The clips that only wait for a person's yes; one that scripts.csv says no to waits for nothing."""
    held = [clip for clip in quote.held if clip.standing == "not approved"]
    return tuple(clip for clip in held if clip.request.script.approved is not False)


def waiting_for_approval(quote: AnyQuote[Any]) -> str | None:
    """``2 clips wait for approval ($0.56)``; None when no clip does."""
    waiting = waiting_clips(quote)
    if not waiting:
        return None
    usd = sum((clip.list_usd for clip in once_each(waiting)), Decimal(0))
    return f"{counted(len(waiting), 'clip')} {'waits' if len(waiting) == 1 else 'wait'} for approval ({dollars(usd)})"
