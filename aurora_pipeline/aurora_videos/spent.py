"""What a run has spent so far, in words: for the moment somebody stops it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ..settings import Settings
from .ledger import open_ledger
from .ledger_tables import UNFINISHED, WITHDRAWN
from .records import Charge


def spent_so_far(settings: Settings, run_id: str) -> str:
    """One or two sentences from the ledger about what this run bought, withdrew and left under way."""
    charges = open_ledger(settings.ledger).charges(run_id=run_id)
    settled = [charge for charge in charges if charge.state == "settled"]
    waiting = [charge for charge in charges if charge.state in UNFINISHED and charge.sent_at is not None]
    withdrawn = [charge for charge in charges if charge.sentence == WITHDRAWN]
    if settings.provider == "studio":
        said = f"{_clips(settled)} drafted by this run; drafts are free."
    else:
        said = f"This run has spent ${_sum(settled):.2f} for {_clips(settled)}."
    if waiting:
        price = "" if settings.provider == "studio" else f" and may cost up to ${_held(waiting):.2f}"
        said += f" {_clips(waiting)} under way at the provider{price}; the next run fetches them."
    if held := [charge for charge in charges if charge.state == "rejected" and charge.provider != "studio"]:
        said += f" {_clips(held)} refused, which may be billed; ${_held(held):.2f} stays held."
    if withdrawn:
        said += f" {_clips(withdrawn)} withdrawn from its queue at no cost."
    return said


def _sum(charges: Sequence[Charge]) -> Decimal:
    return sum((charge.billed_usd or Decimal(0) for charge in charges), Decimal(0))


def _held(charges: Sequence[Charge]) -> Decimal:
    return sum((charge.reserved_usd for charge in charges), Decimal(0))


def _clips(charges: Sequence[Charge]) -> str:
    """A clip whose speech is bought too has several charges."""
    count = len({(charge.campaign, charge.clip_id) for charge in charges})
    return "1 clip" if count == 1 else f"{count} clips"
