"""One clip's purchase, from its claim to its settlement, resumable at every step.

Each step looks at the ledger's state, does one thing, and writes the next state. A step that somebody else (another
clip, run or machine) already took is not taken again. Killed anywhere, the next run goes on from the written state.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import AuroraError, Interrupted, OutcomeUnknown, RequestRefused, SpendRefused, VideoUnusable
from ..gear.fal_answers import Gone, Unreachable
from ..gear.probe import Probe, probe
from ..parallel import pause
from .bills import bill_of
from .changes import inputs_of
from .ledger import Plan
from .ledger_tables import CLOSED, WITHDRAWN
from .pictures import picture_of, remember_picture
from .quote import QuotedClip
from .records import Charge
from .till import Till

WORTH_WAITING = timedelta(minutes=1)  # a horizon this short is waited out instead of left to the next run
LONGEST_WAIT_SECONDS = 6 * 3600
UPLOAD_TRIES = 3
DOWNLOAD_TRIES = 4
ANEW_TRIES = 2  # how often one run begins a clip again whose draft was lost, or whose charge somebody closed
BUSY_TRIES = 20  # a 429 took nothing, so asking again later buys nothing twice


@dataclass(frozen=True)
class Purchase:
    """One clip at the till. `complete` is the only thing callers use."""

    till: Till
    clip: QuotedClip

    def complete(self, stop: threading.Event) -> Charge:
        """The settled charge whose video is in the store.

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
        request, price = self.clip.request, self.clip.price
        return Plan(
            charge_id=uuid.uuid4().hex,
            provider=self.till.settings.provider,
            fingerprint=request.fingerprint,
            campaign=request.script.campaign,
            clip_id=request.script.clip_id,
            run_id=self.till.run_id,
            endpoint=request.endpoint,
            resolution=price.resolution,
            audio_seconds=self.clip.seconds,
            usd_per_second=price.usd_per_second,
            price_source=price.source,
            reserved_usd=self.clip.reserve_usd,
            inputs=json.dumps(inputs_of(request), sort_keys=True),
        )

    def _is_finished(self, charge: Charge) -> bool:
        return charge.state == "settled" and self._holds(charge)

    def _holds(self, charge: Charge) -> bool:
        return self.till.store.path(charge.video_sha256 or "-") is not None

    def _step(self, charge: Charge, is_ours: bool, stop: threading.Event) -> Charge:
        match charge.state:
            case "reserved" if is_ours:
                return self._send(charge, stop)
            case "reserved" | "sending":
                return self._wait_for_its_owner(charge, stop)
            case "unknown":
                return self._look_it_up(charge, stop)
            case "settled" if charge.is_without_video:
                raise RequestRefused(f"{charge.sentence} It was billed ${charge.billed_usd:.2f}.", may_be_billed=True)
            case "accepted":
                return self._follow(charge, stop)
            case "stored" if self._holds(charge):
                return self._settle(charge)
            case "completed" | "stored" | "settled":  # if the store lost the file it is fetched, never bought, again
                return self._fetch(charge, stop)
            case "rejected":
                raise RequestRefused(charge.sentence or "Aurora refused these inputs.", may_be_billed=True)
            case _:
                raise AuroraError(f"{self.clip.clip_id} is in an unexpected state '{charge.state}'.")

    def _now(self, charge: Charge, taken: Charge | None) -> Charge:
        """The charge after an arrow, whoever took it."""
        return taken if taken is not None else self.till.ledger.charge(charge.charge_id)

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
            image_url, audio_url = self._upload(charge, stop)
            self.till.fal.submit(
                charge.endpoint,
                self.clip.request.arguments(image_url=image_url, audio_url=audio_url),
                before_post=lambda: self._about_to_send(charge, audio_url, stop),
                on_reply=lambda request_id, body: self._accepted(charge, request_id, body),
            )
        except OutcomeUnknown as error:  # looked up at once: a lost answer is usually on the provider's list already
            ledger.mark_unknown(charge.charge_id, str(error))
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

    def _upload(self, charge: Charge, stop: threading.Event) -> tuple[str, str]:
        request, fal = self.clip.request, self.till.fal
        image, speech = request.image, self.till.store.require(request.speech.sha256).read_bytes()
        kind = "image/jpeg" if image.suffix in (".jpg", ".jpeg") else "image/png"
        name = f"{image.sha256[:16]}{image.suffix}"
        image_url = self.till.uploads.url_of(
            image.sha256,
            lambda: self._tried_again(lambda: fal.upload(image.content, content_type=kind, file_name=name), stop),
        )
        # The charge's id in the audio's name makes its URL unique to this purchase: how a lost request is found again.
        unique = f"{charge.charge_id}.wav"
        return image_url, self._tried_again(
            lambda: fal.upload(speech, content_type="audio/wav", file_name=unique), stop
        )

    def _tried_again(self, upload: Callable[[], str], stop: threading.Event) -> str:
        """An upload buys nothing, so a broken one is repeated; a refused account is not asked again."""
        for tries_left in reversed(range(UPLOAD_TRIES)):
            try:
                return upload()
            except RequestRefused as refused:
                if refused.stops_the_run or not tries_left or pause(stop, self.till.settings.poll_seconds):
                    raise
        raise AssertionError  # the last try returned or raised

    def _about_to_send(self, charge: Charge, audio_url: str, stop: threading.Event) -> None:
        if stop.is_set():
            raise Interrupted(f"{self.clip.clip_id} was stopped before it was sent; run again to go on.")
        if not self.till.ledger.mark_sending(charge.charge_id, audio_url=audio_url):
            raise OutcomeUnknown(f"{self.clip.clip_id}: another worker took this charge over; run again.")

    def _accepted(self, charge: Charge, request_id: str, body: str) -> None:
        self.till.ledger.mark_accepted(charge.charge_id, request_id=request_id, reply=body)

    # ---- somebody else's, or left behind
    def _wait_for_its_owner(self, charge: Charge, stop: threading.Event) -> Charge:
        ledger = self.till.ledger
        if not ledger.recovery(charge.charge_id).owner_is_gone:
            pause(stop, self.till.settings.poll_seconds)
            return ledger.charge(charge.charge_id)
        if charge.state == "reserved":
            return self._now(charge, ledger.void(charge.charge_id, "Its worker died before anything was sent."))
        why = "Its worker died while the request was being sent."
        return self._now(charge, ledger.mark_unknown(charge.charge_id, why))

    def _look_it_up(self, charge: Charge, stop: threading.Event) -> Charge:
        try:
            found = self._on_the_list(charge)
        except Unreachable as error:
            raise OutcomeUnknown(self._quarantined(charge, str(error))) from None
        if found is not None:
            return self._now(charge, self.till.ledger.mark_accepted(charge.charge_id, request_id=found[0]))
        # Counted from the first look that missed it, not from our own record of the sending: that clock may have been
        # wrong, while `find` has just compared this one with the provider's.
        now, horizon = datetime.now(UTC), self.till.horizon
        if now - self.till.ledger.note_missed(charge.charge_id, at=now) >= horizon:
            why = "Not on the provider's list after the safe horizon: never accepted."
            return self._now(charge, self.till.ledger.void_unknown(charge.charge_id, why))
        if horizon > WORTH_WAITING:
            raise OutcomeUnknown(self._quarantined(charge, "It is not on the provider's list yet."))
        pause(stop, self.till.settings.poll_seconds)
        return charge

    def _on_the_list(self, charge: Charge) -> tuple[str, dict[str, Any] | None] | None:
        audio_url = self.till.ledger.recovery(charge.charge_id).audio_url or ""
        return self.till.fal.platform.find(charge.endpoint, audio_url, since=charge.sent_at or charge.planned_at)

    def _quarantined(self, charge: Charge, why: str) -> str:
        return (
            f"It is not known whether the request for {self.clip.clip_id} was accepted. {why} "
            f"${charge.reserved_usd:.2f} stays reserved and it is not sent again; run again later, or look at fal and "
            f"decide: aurora release {charge.charge_id}"
        )

    # ---- accepted -> completed -> stored -> settled
    def _follow(self, charge: Charge, stop: threading.Event) -> Charge:
        fal, wait = self.till.fal, self.till.settings.poll_seconds
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                state = fal.state(charge.endpoint, charge.request_id or "")
                if state.is_completed:
                    return self._collect(charge, has_failed=bool(state.error))
                was_reached = True
            except Unreachable:  # the paid job runs on; ask again
                was_reached = False
            except Gone as gone:
                return self._recover(charge, gone)
            if pause(stop, wait if was_reached else 3 * wait):
                return charge
        raise VideoUnusable(
            f"{self.clip.clip_id} is still being made after {LONGEST_WAIT_SECONDS // 3600} hours; run "
            "again to go on waiting. It is not bought again."
        )

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
        found = self._on_the_list(charge)
        if found is None or found[1] is None:
            raise VideoUnusable(
                f"{gone} {self.clip.clip_id} was accepted as request {charge.request_id} and may be billed; ask fal "
                "about it. It is not bought again by itself."
            )
        return self._now(
            charge, self.till.ledger.mark_completed(charge.charge_id, result=found[1], billable_units=None)
        )

    def _fetch(self, charge: Charge, stop: threading.Event) -> Charge:
        ledger, store = self.till.ledger, self.till.store
        url = self._video_url(charge)
        try:
            with store.workshop() as bench:
                half = bench / "video.mp4"
                seen = self._download(url, half, stop)
                sha256 = store.put(half)
        except VideoUnusable as unusable:  # a free draft is drawn again; what was paid is asked for again next time
            discarded = None if stop.is_set() else ledger.discard_draft(charge.charge_id, str(unusable))
            if discarded is None:
                raise
            return discarded
        except Gone as gone:
            if (discarded := ledger.discard_draft(charge.charge_id, str(gone))) is not None:
                return discarded
            raise VideoUnusable(
                f"{gone} {self.clip.clip_id} was paid (request {charge.request_id}); ask fal for it. It is not bought "
                "again by itself."
            ) from None
        remember_picture(store, sha256, seen)
        stored = ledger.mark_stored(charge.charge_id, video_sha256=sha256)
        return stored or ledger.note_video(charge.charge_id, video_sha256=sha256)

    def _assert_whole(self, half: Path) -> Probe:
        """Junk or a cut file is never stored: it would pass as a video ever after (reliability.md 0.6)."""
        seen = probe(half)
        if seen.is_truncated or not seen.has_picture:
            raise VideoUnusable(
                f"The video of {self.clip.clip_id} arrived incomplete; run again to fetch it again. It is not bought "
                "again."
            )
        return seen

    def _video_url(self, charge: Charge) -> str:
        """Where the video is. A stored result that names no file of fal's is asked for once more: it may be mended."""
        url = _url_in(self.till.ledger.recovery(charge.charge_id).result or {})
        if url is not None and self.till.fal.may_fetch(url):
            return url
        with contextlib.suppress(AuroraError):
            again = self.till.fal.result(charge.endpoint, charge.request_id or "", has_failed=False).answer
            if (found := _url_in(again)) is not None and self.till.fal.may_fetch(found):
                self.till.ledger.note_result(charge.charge_id, result=again)
                return found
        what = (
            "names no video" if url is None else f"names a file on '{urlsplit(url).hostname}', not one of fal's hosts"
        )
        raise VideoUnusable(
            f"The result of {self.clip.clip_id} {what} (request {charge.request_id}). It may be billed; it is not "
            "bought again by itself. Run again to ask for it again, or tell fal."
        )

    def _download(self, url: str, half: Path, stop: threading.Event) -> Probe:
        for tries_left in reversed(range(DOWNLOAD_TRIES)):
            try:
                self.till.fal.download(url, half)
                return self._assert_whole(half)
            except VideoUnusable:
                if not tries_left or pause(stop, self.till.settings.poll_seconds):
                    raise
        raise AssertionError  # the last try returned or raised

    def _settle(self, charge: Charge) -> Charge:
        seconds = picture_of(self.till.store, charge.video_sha256 or "").seconds
        bill = bill_of(charge, seconds, unit_usd=self.till.unit_usd.get(charge.endpoint))
        factor = self.till.settings.bill_factor
        return self._now(charge, self.till.ledger.settle(charge.charge_id, bill, breaker_factor=factor))


def _url_in(result: dict[str, Any]) -> str | None:
    video = result.get("video")
    url = video.get("url") if isinstance(video, dict) else None
    return url if isinstance(url, str) else None
