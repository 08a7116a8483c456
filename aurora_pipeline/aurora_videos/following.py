"""A charge that was begun, from wherever it stands to its settlement, without buying anything.

Of a dead worker it is written down that it is gone; what may have been accepted is looked up; what was accepted is
followed, fetched, stored and settled. None of it needs today's table: `Purchase` goes on here once it has sent, and
`sweep` comes here for charges whose row was edited or deleted since.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from ..errors import AuroraError, OutcomeUnknown, RequestRefused, VideoUnusable
from ..gear.fal_answers import Gone, Unreachable, host_in
from ..gear.probe import Probe
from ..parallel import pause
from .goods import Found, Goods, goods_of
from .ledger_tables import NEVER_FETCHED
from .pictures import remember_picture
from .records import Charge
from .till import Till

WORTH_WAITING = timedelta(minutes=1)  # a horizon this short is waited out instead of left to the next run
LONGEST_WAIT_SECONDS = 6 * 3600
DOWNLOAD_TRIES = 4
# What the provider does not hand out for so long is not waited for any more: a person asks, and may release it.
GIVEN_UP_AFTER = timedelta(hours=48)


@dataclass(frozen=True)
class Following:
    """One begun charge. ``clip_id`` is what its sentences call the clip."""

    till: Till
    clip_id: str

    def holds(self, charge: Charge) -> bool:
        """True when what was bought is in the store."""
        return self.till.store.path(charge.video_sha256 or "-") is not None

    def step(self, charge: Charge, stop: threading.Event) -> Charge:
        """The charge one step on; waits, bounded by ``stop``, where the provider or another worker needs time."""
        if charge.is_without_video and charge.sentence != NEVER_FETCHED:
            raise RequestRefused(f"{charge.sentence} It was billed ${charge.billed_usd:.2f}.", may_be_billed=True)
        match charge.state:
            case "reserved" | "sending":
                return self._wait_for_its_owner(charge, stop)
            case "unknown":
                return self._wait_for_the_list(charge, stop)
            case "accepted":
                return self._follow(charge, stop)
            case "stored" if self.holds(charge):
                return self.settle(charge)
            case "completed" | "stored" | "settled":  # if the store lost the file it is fetched, never bought, again
                return self._fetch(charge, stop)
            case "rejected":
                raise RequestRefused(charge.sentence or "The provider refused these inputs.", may_be_billed=True)
            case _:
                raise AuroraError(f"{self.clip_id} is in an unexpected state '{charge.state}'.")

    def glance(self, charge: Charge, stop: threading.Event) -> Charge:
        """As `step`, of a charge that its worker left, and without waiting: unchanged when it is not its time yet."""
        match charge.state:
            case "reserved" | "sending":
                return self._relieved(charge)
            case "unknown":
                return self._looked_up(charge)
            case "accepted":
                return self._looked_at(charge) or charge
            case _:
                return self.step(charge, stop)

    def _now(self, charge: Charge, taken: Charge | None) -> Charge:
        """The charge after an arrow, whoever took it."""
        return taken if taken is not None else self.till.ledger.charge(charge.charge_id)

    # ---- somebody else's, or left behind
    def _wait_for_its_owner(self, charge: Charge, stop: threading.Event) -> Charge:
        ledger = self.till.ledger
        if ledger.recovery(charge.charge_id).owner_is_gone:
            return self._relieved(charge)
        pause(stop, self.till.settings.poll_seconds)
        return ledger.charge(charge.charge_id)

    def _relieved(self, charge: Charge) -> Charge:
        ledger = self.till.ledger
        if charge.state == "reserved":
            return self._now(charge, ledger.void(charge.charge_id, "Its worker died before anything was sent."))
        why = "Its worker died while the request was being sent."
        return self._now(charge, ledger.mark_unknown(charge.charge_id, why))

    def _wait_for_the_list(self, charge: Charge, stop: threading.Event) -> Charge:
        after = self._looked_up(charge)
        if after.state != "unknown":
            return after
        if self.till.horizon > WORTH_WAITING:
            raise OutcomeUnknown(self._quarantined(charge, "It is not on the provider's list yet."))
        pause(stop, self.till.settings.poll_seconds)
        return after

    def _looked_up(self, charge: Charge) -> Charge:
        """Accepted when the provider's list holds it, voided when it surely never will, else as it was."""
        ledger = self.till.ledger
        try:
            found = self._on_the_list(charge)
        except Unreachable as error:
            raise OutcomeUnknown(self._quarantined(charge, str(error))) from None
        if found is not None:
            request_id, note = found.request_id, found.note
            return self._now(charge, ledger.mark_accepted(charge.charge_id, request_id=request_id, note=note))
        # Counted from the first look that missed it, not from our own record of the sending: that clock may have been
        # wrong, while `find` has just compared this one with the provider's.
        now = datetime.now(UTC)
        if now - ledger.note_missed(charge.charge_id, at=now) >= self.till.horizon:
            why = "Not on the provider's list after the safe horizon: never accepted."
            return self._now(charge, ledger.void_unknown(charge.charge_id, why))
        return charge

    def _on_the_list(self, charge: Charge) -> Found | None:
        return self._goods(charge).found(self.till)

    def _goods(self, charge: Charge) -> Goods:
        return goods_of(self.till, charge)

    def _quarantined(self, charge: Charge, why: str) -> str:
        return (
            f"It is not known whether the request for {self.clip_id} was accepted. {why} "
            f"${charge.reserved_usd:.2f} stays reserved and it is not sent again; run again later, or look at fal and "
            f"decide: aurora release {charge.charge_id}"
        )

    # ---- accepted -> completed
    def _follow(self, charge: Charge, stop: threading.Event) -> Charge:
        wait = self.till.settings.poll_seconds
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                if (after := self._looked_at(charge)) is not None:
                    return after
                was_reached = True
            except Unreachable:  # the paid job runs on; ask again
                was_reached = False
            if pause(stop, wait if was_reached else 3 * wait):
                return charge
        raise VideoUnusable(
            f"{self.clip_id} is still being made after {LONGEST_WAIT_SECONDS // 3600} hours; run "
            "again to go on waiting. It is not bought again."
        )

    def _looked_at(self, charge: Charge) -> Charge | None:
        """The charge when its job is over, None while it is not. Raises `Unreachable` on a passing fault."""
        try:
            state = self.till.fal.state(charge.endpoint, charge.request_id or "")
            return self._collect(charge, has_failed=bool(state.error)) if state.is_completed else None
        except Gone as gone:
            return self._recover(charge, gone)

    def _collect(self, charge: Charge, *, has_failed: bool) -> Charge:
        ledger = self.till.ledger
        try:
            result = self.till.fal.result(charge.endpoint, charge.request_id or "", has_failed=has_failed)
        except RequestRefused as error:
            if error.stops_the_run:  # a refused key says nothing about the job
                raise
            if error.may_be_billed:
                ledger.reject(charge.charge_id, str(error))
                raise
            self._assert_not_billed(charge, error)
            ledger.refuse(charge.charge_id, str(error))
            raise
        answer, units = result.answer, result.billable_units
        return self._now(charge, ledger.mark_completed(charge.charge_id, result=answer, billable_units=units))

    def _assert_not_billed(self, charge: Charge, error: RequestRefused) -> None:
        """fal does not bill for its own failures. Where its record says that it did, the clip is not bought again.

        An ordinary key may not read the record: then fal's word counts.
        """
        try:
            billed = self.till.fal.platform.bills([charge.request_id or ""]).get(charge.request_id or "")
        except Unreachable:
            return
        if billed:
            sentence = (
                f"{error} But its record says ${billed.normalize():f} for request {charge.request_id}; ask fal to take "
                f"that back. It is held and not asked again by itself: aurora release {charge.charge_id}"
            )
            self.till.ledger.reject(charge.charge_id, sentence)
            raise RequestRefused(sentence, may_be_billed=True) from None

    def _recover(self, charge: Charge, gone: Gone) -> Charge:
        """Results expire in an hour; the provider's list keeps the answer. A free draft is simply made again."""
        if (discarded := self.till.ledger.discard_draft(charge.charge_id, str(gone))) is not None:
            return discarded
        try:
            found = self._on_the_list(charge)
        except Unreachable as error:
            raise VideoUnusable(
                f"{gone} {error} Run again to look for {self.clip_id}; it is not bought again."
            ) from None
        if found is None or found.answer is None:
            self._lost(
                charge,
                f"{gone} {self.clip_id} was accepted as request {charge.request_id} and may be billed; ask fal "
                "about it. It is not bought again by itself.",
            )
        return self._now(
            charge, self.till.ledger.mark_completed(charge.charge_id, result=found.answer, billable_units=None)
        )

    def _lost(self, charge: Charge, sentence: str) -> NoReturn:
        """The provider itself says that there is nothing to fetch. For two days it may be mended; then it is held."""
        accepted_at = charge.accepted_at or charge.planned_at
        if charge.state != "settled" and datetime.now(UTC) - accepted_at >= GIVEN_UP_AFTER:
            sentence += f" ${charge.reserved_usd:.2f} stays held; not billed? aurora release {charge.charge_id}"
            self.till.ledger.give_up(charge.charge_id, sentence)
        raise VideoUnusable(sentence) from None

    # ---- completed -> stored -> settled
    def _fetch(self, charge: Charge, stop: threading.Event) -> Charge:
        ledger, store = self.till.ledger, self.till.store
        goods, told = self._goods(charge), ledger.recovery(charge.charge_id).result or {}
        content = goods.content_in(told)
        url = "" if content is not None else self._url(charge, goods, told)
        try:
            with store.workshop() as bench:
                half = bench / goods.file_name(url)
                if content is not None:
                    half.write_bytes(content)
                seen = self._download(url, half, goods, stop) if content is None else None
                sha256 = store.put(half)
        except VideoUnusable as unusable:  # a free draft is drawn again; what was paid is asked for again next time
            discarded = None if stop.is_set() else ledger.discard_draft(charge.charge_id, str(unusable))
            if discarded is None:
                raise
            return discarded
        except Gone as gone:
            if (discarded := ledger.discard_draft(charge.charge_id, str(gone))) is not None:
                return discarded
            self._lost(
                charge,
                f"{gone} {self.clip_id} was paid (request {charge.request_id}); ask fal for it. It is not bought "
                "again by itself.",
            )
        if seen is not None:
            remember_picture(store, sha256, seen)
        stored = ledger.mark_stored(charge.charge_id, video_sha256=sha256)
        return stored or ledger.note_video(charge.charge_id, video_sha256=sha256)

    def _url(self, charge: Charge, goods: Goods, told: dict[str, Any]) -> str:
        """Where the file is. A stored result that names no file of fal's is asked for once more: it may be mended."""
        url, is_known = goods.url_in(told), True
        if url is not None and self.till.fal.may_fetch(url):
            return url
        try:
            again = self.till.fal.result(charge.endpoint, charge.request_id or "", has_failed=False).answer
            if (found := goods.url_in(again)) is not None and self.till.fal.may_fetch(found):
                self.till.ledger.note_result(charge.charge_id, result=again)
                return found
            told = again
        except AuroraError as error:
            is_known = isinstance(error, Gone)
        if misplaced := goods.misplaced_in(told, self.till.fal.may_fetch):  # never given up: it is there
            raise VideoUnusable(
                f"The result of {self.clip_id} (request {charge.request_id}) {misplaced}. It is not bought again."
            )
        what = f"names no {goods.noun}" if url is None else f"names a file on '{host_in(url)}', not one of fal's hosts"
        sentence = (
            f"The result of {self.clip_id} {what} (request {charge.request_id}). It may be billed; it is not "
            "bought again by itself. Run again to ask for it again, or tell fal."
        )
        if is_known:
            self._lost(charge, sentence)
        raise VideoUnusable(sentence)  # it could not be asked again: that passes

    def _download(self, url: str, half: Path, goods: Goods, stop: threading.Event) -> Probe | None:
        for tries_left in reversed(range(DOWNLOAD_TRIES)):
            try:
                self.till.fal.download(url, half)
                return goods.looked_at(half, self.clip_id)
            except VideoUnusable:
                if not tries_left or pause(stop, self.till.settings.poll_seconds):
                    raise
        raise AssertionError  # the last try returned or raised

    def settle(self, charge: Charge) -> Charge:
        """What is stored is billed, a video by its length; the reservation becomes that bill."""
        bill = self._goods(charge).bill(self.till, charge)
        factor = self.till.settings.bill_factor
        return self._now(charge, self.till.ledger.settle(charge.charge_id, bill, breaker_factor=factor))
