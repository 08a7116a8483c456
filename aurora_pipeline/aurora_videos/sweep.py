"""Charges that nobody works on any more -> their end, whether or not today's table still has their row.

A killed run leaves charges behind. The next run goes on with those it still wants; a row that was edited or deleted
since would leave its charge, and its money, as it is for ever. Here every such charge is taken one look further: what
was never sent is voided, what may have been accepted is looked up, what is ready is fetched, stored and settled. Its
bytes stay in the store like any bought clip: the row that asks for them again finds them, for nothing.

Nothing is bought, and nothing is waited for: what is still being made is looked at again next time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ..errors import AuroraError, RequestRefused
from ..gear.fal import FalConnection
from ..gear.media_store import MediaStore
from ..parallel import for_each
from ..settings import Settings
from .following import Following
from .ledger import Ledger
from .ledger_tables import UNFINISHED
from .records import Charge
from .spending import Limits
from .till import Till
from .unit_prices import listed_usd

WORKERS = 8


def sweep(settings: Settings, ledger: Ledger, fal: FalConnection, left: Sequence[Charge]) -> list[Charge]:
    """Take these charges (see `Ledger.left_behind`) as far as they go now; returns them as they then are.

    One that cannot be got further stays as it is, and says why when its own row, or a person, asks. Only a refused
    account ends the sweep early.
    """
    if not left:
        return []
    usd = listed_usd(fal.platform, [charge.endpoint for charge in left if charge.request_id is not None])
    till = Till(settings, "sweep", Limits(), ledger, MediaStore(settings.media), fal, usd)

    def carry_on(charge: Charge, stop: threading.Event) -> Charge:
        return _carried_on(Following(till, f"{charge.campaign}/{charge.clip_id}"), charge, stop)

    for_each(left, carry_on, workers=WORKERS, stops_all=_is_the_account)
    return [ledger.charge(charge.charge_id) for charge in left]


def _carried_on(following: Following, charge: Charge, stop: threading.Event) -> Charge:
    before = ""
    while charge.state in UNFINISHED and charge.state != before and not stop.is_set():
        before, charge = charge.state, following.glance(charge, stop)
    return charge


def _is_the_account(error: AuroraError) -> bool:
    return isinstance(error, RequestRefused) and error.stops_the_run
