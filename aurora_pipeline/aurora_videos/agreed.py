"""A line of a quote that was agreed to -> what may be done about it now, while its goods are made.

Both sellers (of speech and of transcripts) sell in the middle of another stage's work, long after the quote: what was
accepted by then is followed, what is in doubt looked up, and only what was agreed to is bought.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar

from ..errors import RequestRefused, SpendRefused
from .ledger_tables import IN_DOUBT
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
    """The settled charge of a line; once fal refused the account nothing more is asked for in this run."""
    if till.is_locked.is_set():
        raise RequestRefused(LOCKED, stops_the_run=True)
    try:
        return Purchase(till, line).complete(stop)
    except RequestRefused as refused:
        if refused.stops_the_run:
            till.is_locked.set()
        raise
