"""One purchase for a clip (its video, or a part of its speech), from claim to settlement, resumable at every step.

Each step looks at the ledger's state, does one thing, and writes the next state. A step that somebody else (another
clip, run or machine) already took is not taken again. Killed anywhere, the next run goes on from the written state.

Here is what needs the clip itself: claiming it and sending it. What is sent is the `Order`'s matter; what was sent is
followed by `Following`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import AuroraError, Interrupted, OutcomeUnknown, RequestRefused, SpendRefused, VideoUnusable
from ..parallel import pause
from .following import Following
from .ledger import Plan
from .ledger_tables import CLOSED, WITHDRAWN
from .orders import order_of
from .quoted import Quoted
from .records import Charge
from .till import Till

UPLOAD_TRIES = 3
ANEW_TRIES = 2  # how often one run begins a clip again whose draft was lost, or whose charge somebody closed
BUSY_TRIES = 20  # a 429 took nothing, so asking again later buys nothing twice


@dataclass(frozen=True)
class Purchase:
    """One line of a quote at the till. `complete` is the only thing callers use."""

    till: Till
    clip: Quoted[Any]

    def complete(self, stop: threading.Event) -> Charge:
        """The settled charge whose goods are in the store.

        Raises `RequestRefused`, `OutcomeUnknown`, `SpendRefused`, `VideoUnusable` or `Interrupted`, each saying what
        it cost; the ledger holds where to go on.
        """
        charge, is_ours = self._claim()
        busy = anew = 0
        while not self._is_finished(charge):
            if stop.is_set():
                raise self._broken_off(charge, is_ours=is_ours)
            if charge.state in CLOSED:  # by whoever held it: the fingerprint is free again
                self._assert_not_for_ever(anew := anew + 1)
                charge, is_ours = self._claim()
            try:
                charge = self._step(charge, is_ours, stop)
            except RequestRefused as refused:
                busy += 1
                if refused.busy_seconds is None or busy > BUSY_TRIES:
                    raise
                if not pause(stop, refused.busy_seconds):
                    charge, is_ours = self._claim()
        return charge

    def _assert_not_for_ever(self, anew: int) -> None:
        if anew > ANEW_TRIES:
            raise VideoUnusable(
                f"{self.clip.clip_id} came to nothing {anew} times in a row; look at the studio's log, then run again."
            )

    def _claim(self) -> tuple[Charge, bool]:
        """The charge to follow, and whether it is new. What may not be bought (anew) is only followed."""
        ledger, provider = self.till.ledger, self.till.settings.provider
        if self.clip.may_be_bought or provider == "studio":
            return ledger.claim(self._plan(), limits=self.till.limits)
        live = ledger.live(provider, [self.clip.request.fingerprint]).get(self.clip.request.fingerprint)
        if live is None:
            raise SpendRefused(
                f"{self.clip.clip_id} was not bought after all, and nobody agreed to buy it now; look at a new quote, "
                "then run (or approve) again. Nothing was spent."
            )
        return live, False

    def _plan(self) -> Plan:
        return order_of(self.clip).plan(self.till)

    @property
    def _following(self) -> Following:
        return Following(self.till, self.clip.clip_id)

    def _is_finished(self, charge: Charge) -> bool:
        return charge.state == "settled" and self._following.holds(charge)

    def _step(self, charge: Charge, is_ours: bool, stop: threading.Event) -> Charge:
        if charge.state == "reserved" and is_ours:
            return self._send(charge, stop)
        return self._following.step(charge, stop)

    # ---- asked to stop
    def _broken_off(self, charge: Charge, *, is_ours: bool) -> Interrupted:
        """Nothing more is sent; what only waits at the provider is taken back; what runs there is fetched later."""
        ledger = self.till.ledger
        if is_ours and charge.state == "reserved":
            ledger.void(charge.charge_id, "Stopped before anything was sent.")
        elif charge.state == "accepted" and charge.run_id == self.till.run_id and not self.till.is_locked.is_set():
            with contextlib.suppress(AuroraError):
                if self.till.fal.withdraw(charge.endpoint, charge.request_id or ""):
                    ledger.refuse(charge.charge_id, WITHDRAWN)
        state = ledger.charge(charge.charge_id)
        how = "withdrawn from the queue" if state.sentence == WITHDRAWN else f"stopped while {state.state}"
        return Interrupted(f"{self.clip.clip_id} was {how}; run again to go on. It is not bought twice.")

    # ---- reserved -> sending -> accepted
    def _send(self, charge: Charge, stop: threading.Event) -> Charge:
        ledger = self.till.ledger
        try:
            sending = order_of(self.clip).sending(self.till, charge, lambda upload: self._tried_again(upload, stop))
            self.till.fal.submit(
                charge.endpoint,
                sending.arguments,
                before_post=lambda: self._about_to_send(charge, sending.audio_url, stop),
                on_reply=lambda request_id, body: self._accepted(charge, request_id, body),
            )
        except OutcomeUnknown as error:  # looked up at once: a lost answer is usually on the provider's list already
            ledger.mark_unknown(charge.charge_id, str(error))
            after = ledger.charge(charge.charge_id)
            if after.state in CLOSED and after.sent_at is not None:  # somebody closed it, but it was sent: never anew
                raise
        except BaseException as error:
            self._let_go(charge, error)
            raise
        return ledger.charge(charge.charge_id)

    def _let_go(self, charge: Charge, error: BaseException) -> None:
        """Write down how a purchase ended before it was accepted, so that nobody waits for this worker."""
        ledger, why = self.till.ledger, str(error) or type(error).__name__
        if isinstance(error, RequestRefused) and error.may_be_billed:
            ledger.reject(charge.charge_id, str(error))
        elif isinstance(error, RequestRefused):
            ledger.refuse(charge.charge_id, str(error))
        if not ledger.void(charge.charge_id, why):  # still only reserved: nothing was sent
            ledger.mark_unknown(charge.charge_id, why)  # sent: it may have been accepted

    def _tried_again(self, upload: Callable[[], str], stop: threading.Event) -> str:
        """An upload buys nothing, so a broken one is repeated; a refused account is not asked again."""
        for tries_left in reversed(range(UPLOAD_TRIES)):
            try:
                return upload()
            except RequestRefused as refused:
                if refused.stops_the_run or not tries_left or pause(stop, self.till.settings.poll_seconds):
                    raise
        raise AssertionError  # the last try returned or raised

    def _about_to_send(self, charge: Charge, audio_url: str | None, stop: threading.Event) -> None:
        self._assert_not_stopped(stop)
        ledger = self.till.ledger
        if not ledger.mark_sending(charge.charge_id, audio_url=audio_url):
            raise OutcomeUnknown(f"{self.clip.clip_id}: another worker took this charge over; run again.")
        if stop.is_set():  # asked while that was being written to the disk
            ledger.refuse(charge.charge_id, "Stopped before anything was sent.")
        self._assert_not_stopped(stop)

    def _assert_not_stopped(self, stop: threading.Event) -> None:
        if stop.is_set():
            raise Interrupted(f"{self.clip.clip_id} was stopped before it was sent; run again to go on.")

    def _accepted(self, charge: Charge, request_id: str, body: str) -> None:
        """Write down that it was accepted. Raises `OutcomeUnknown` when its charge is no longer there to say so."""
        ledger = self.till.ledger
        if ledger.mark_accepted(charge.charge_id, request_id=request_id, reply=body) is not None:
            return
        now = ledger.charge(charge.charge_id)
        if now.request_id != request_id or now.state in CLOSED:  # else another worker found it on the list first
            raise OutcomeUnknown(
                f"{self.clip.clip_id} was accepted as request {request_id} after its charge {charge.charge_id} had "
                "been closed and the clip claimed anew, so it may be billed twice. Nothing more is sent for it now: "
                "run `aurora reconcile` to see what is billed, and ask fal to take the second one back."
            )
