"""A line of a quote that was agreed to -> what may be done about it now, while its goods are made.

Both sellers (of speech and of transcripts) sell in the middle of another stage's work, long after the quote: what was
accepted by then is followed, what is in doubt looked up, and only what was agreed to is bought.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from ..errors import OutcomeUnknown, RequestRefused, SpendRefused, VideoUnusable
from .following import Following
from .ledger_tables import CLOSED, IN_DOUBT
from .purchase import Purchase
from .quoted import Quoted
from .records import Charge
from .till import Till
from .unit_prices import UnitPrices

LOCKED = "Nothing more is asked for: fal refused the account or key. Mend that at fal, then run again."

One = TypeVar("One", bound=Quoted[Any])


def payers(named: Iterable[tuple[str, One]]) -> dict[str, One]:
    """Lines by name; of twins the one that pays."""
    found: dict[str, One] = {}
    for name, line in named:
        if line.may_be_bought or name not in found:
            found[name] = line
    return found


def line_now(fresh: One, agreed: One | None, prices: UnitPrices, *, is_not: str) -> One:
    """``fresh`` (a request with its live charge, and no price) as it may be carried out by what was ``agreed``.

    Guards keep nothing that is paid from being fetched: what was accepted is followed without a price. Raises
    `SpendRefused`, beginning with ``is_not``, for what nobody agreed to, and `PriceUnknown`.
    """
    live = fresh.charge
    if live is not None and live.state not in ("reserved", *IN_DOUBT):
        return replace(fresh, standing="under way")
    if agreed is not None and agreed.may_be_bought:
        return replace(prices.guarded(agreed), request=fresh.request, charge=live)
    if live is not None and live.state in IN_DOUBT:
        return replace(fresh, standing="in doubt", only_followed=True)
    why = agreed.why.removesuffix(".") if agreed is not None and agreed.why else "`aurora run` quotes it and asks first"
    raise SpendRefused(f"{is_not} ({why}). Nothing was spent.")


def complete(till: Till, line: Quoted[Any], stop: threading.Event) -> Charge:
    """The settled charge of a line, waited for unless the till only looks.

    Once fal refused the account nothing more is asked for in this run. Raises what `Purchase.complete` raises, and
    `VideoUnusable` or `OutcomeUnknown` for what a look finds unfinished.
    """
    if till.is_locked.is_set():
        raise RequestRefused(LOCKED, stops_the_run=True)
    try:
        return Purchase(till, line).complete(stop) if till.waits else _glanced(till, line, stop)
    except RequestRefused as refused:
        if refused.stops_the_run:
            till.is_locked.set()
        raise


def _glanced(till: Till, line: Quoted[Any], stop: threading.Event) -> Charge:
    """The settled charge of a line that was sent before, if a look at each of its steps is enough."""
    following, before, charge = Following(till, line.clip_id), "", line.charge
    while charge is None or charge.state != "settled" or not following.holds(charge):
        if charge is None or charge.state in CLOSED:
            raise SpendRefused(f"{line.clip_id} was not accepted, so there is nothing to fetch. Nothing was spent.")
        if charge.state == before or _is_in_hand(till, charge):
            raise _not_yet(line.clip_id, charge)
        before, charge = charge.state, following.glance(charge, stop)
    return charge


def _is_in_hand(till: Till, charge: Charge) -> bool:
    """Whether a living worker is about to write down what becomes of it."""
    is_before_its_answer = charge.state in ("reserved", "sending")
    return is_before_its_answer and not till.ledger.recovery(charge.charge_id).owner_is_gone


def _not_yet(clip_id: str, charge: Charge) -> VideoUnusable | OutcomeUnknown:
    if charge.state in ("reserved", *IN_DOUBT):
        return OutcomeUnknown(
            f"It is not known yet whether the request for {clip_id} was accepted; `aurora run` looks it up. "
            f"${charge.reserved_usd:.2f} stays reserved and it is not sent again."
        )
    return VideoUnusable(
        f"{clip_id} is still being made at fal (request {charge.request_id}); `aurora run` waits for it. It is not "
        "bought again."
    )
