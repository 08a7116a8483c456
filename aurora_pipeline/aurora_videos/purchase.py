"""One clip's purchase, from its claim to its settlement, resumable at every step.

Each step looks at the ledger's state, does one thing, and writes the next state. A step that somebody else (another
clip, run or machine) already took is not taken again. Killed anywhere, the next run goes on from the written state.
"""

from __future__ import annotations

import math
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..errors import AuroraError, Interrupted, OutcomeUnknown, RequestRefused, VideoUnusable
from ..gear.fal import FalConnection
from ..gear.fal_answers import Gone, Unreachable
from ..gear.media_store import MediaStore
from ..gear.probe import probe
from ..parallel import pause
from ..price_book import billed_seconds
from ..settings import Settings
from .ledger import Ledger, Plan
from .quote import QuotedClip
from .records import Charge
from .request import ENDPOINT

# After this long a readable list that does not hold a request proves that it was never accepted: POST time-out + the
# longest wait to start + the longest run + the list's own delay. The studio lists a request before it answers.
HORIZON = {"fal": timedelta(hours=5), "studio": timedelta(seconds=3)}
WORTH_WAITING = timedelta(minutes=1)  # a horizon this short is waited out instead of left to the next run
LONGEST_WAIT_SECONDS = 6 * 3600
DOWNLOAD_TRIES = 4


@dataclass(frozen=True)
class Purchase:
    """Everything one purchase needs. `complete` is the only thing callers use."""

    settings: Settings
    clip: QuotedClip
    run_id: str
    limit_usd: Decimal | None
    ledger: Ledger
    store: MediaStore
    fal: FalConnection

    def complete(self, stop: threading.Event) -> Charge:
        """The settled charge whose video is in the store.

        Raises `RequestRefused`, `OutcomeUnknown`, `OverBudget`, `VideoUnusable` or `Interrupted`, each saying what it
        cost; the ledger holds where to go on.
        """
        charge, is_ours = self.ledger.claim(self._plan(), limit_usd=self.limit_usd)
        while not self._is_finished(charge):
            if stop.is_set():
                if is_ours:
                    self.ledger.void(charge.charge_id, "Stopped before anything was sent.")
                raise Interrupted(
                    f"{self.clip.clip_id} was stopped while {charge.state}; run again to go on. It is not bought twice."
                )
            if charge.state in ("refused", "voided"):  # by whoever held it: the fingerprint is free again
                charge, is_ours = self.ledger.claim(self._plan(), limit_usd=self.limit_usd)
            else:
                self._step(charge, is_ours, stop)
                charge = self.ledger.charge(charge.charge_id)
        return charge

    def _plan(self) -> Plan:
        script, price = self.clip.request.script, self.clip.price
        return Plan(
            charge_id=uuid.uuid4().hex,
            provider=self.settings.provider,
            fingerprint=self.clip.request.fingerprint,
            campaign=script.campaign,
            clip_id=script.clip_id,
            run_id=self.run_id,
            endpoint=ENDPOINT,
            resolution=script.resolution,
            audio_seconds=self.clip.seconds,
            usd_per_second=price.usd_per_second,
            price_source=price.source,
            reserved_usd=self.clip.reserve_usd,
        )

    def _is_finished(self, charge: Charge) -> bool:
        return charge.state == "settled" and self.store.path(charge.video_sha256 or "-") is not None

    def _step(self, charge: Charge, is_ours: bool, stop: threading.Event) -> None:
        match charge.state:
            case "reserved" if is_ours:
                self._send(charge)
            case "reserved" | "sending":
                self._wait_for_its_owner(charge, stop)
            case "unknown":
                self._look_it_up(charge, stop)
            case "accepted":
                self._follow(charge, stop)
            case "stored" if self.store.path(charge.video_sha256 or "-") is not None:
                self._settle(charge)
            case "completed" | "stored" | "settled":  # if the store lost the file it is fetched, never bought, again
                self._fetch(charge, stop)
            case "rejected":
                raise RequestRefused(charge.sentence or "Aurora refused these inputs.", may_be_billed=True)
            case _:
                raise AuroraError(f"{self.clip.clip_id} is in an unexpected state '{charge.state}'.")

    # ---- reserved -> sending -> accepted
    def _send(self, charge: Charge) -> None:
        try:
            image_url, audio_url = self._upload(charge)
            self.fal.submit(
                charge.endpoint,
                self.clip.request.arguments(image_url=image_url, audio_url=audio_url),
                before_post=lambda: self._about_to_send(charge, audio_url),
                on_reply=lambda request_id, body: self._accepted(charge, request_id, body),
            )
        except OutcomeUnknown as error:  # looked up at once: a lost answer is usually on the provider's list already
            self.ledger.mark_unknown(charge.charge_id, str(error))
        except BaseException as error:
            self._let_go(charge, error)
            raise

    def _let_go(self, charge: Charge, error: BaseException) -> None:
        """Write down how a purchase ended before it was accepted, so that nobody waits for this worker."""
        if isinstance(error, RequestRefused) and error.may_be_billed:
            self.ledger.reject(charge.charge_id, str(error))
        elif isinstance(error, RequestRefused):
            self.ledger.refuse(charge.charge_id, str(error))
        why = str(error) or type(error).__name__
        if not self.ledger.void(charge.charge_id, why):  # still only reserved: nothing was sent
            self.ledger.mark_unknown(charge.charge_id, why)  # sent: it may have been accepted

    def _upload(self, charge: Charge) -> tuple[str, str]:
        # The charge's id in the audio's name makes its URL unique to this purchase: how a lost request is found again.
        request, name = self.clip.request, charge.charge_id
        speech = self.store.require(request.speech.sha256)
        image = request.image
        image_type = "image/jpeg" if image.suffix in (".jpg", ".jpeg") else "image/png"
        image_url = self.fal.upload(image.content, content_type=image_type, file_name=name + image.suffix)
        audio_url = self.fal.upload(speech.read_bytes(), content_type="audio/wav", file_name=f"{name}.wav")
        return image_url, audio_url

    def _about_to_send(self, charge: Charge, audio_url: str) -> None:
        if not self.ledger.mark_sending(charge.charge_id, audio_url=audio_url):
            raise OutcomeUnknown(f"{self.clip.clip_id}: another worker took this charge over; run again.")

    def _accepted(self, charge: Charge, request_id: str, body: str) -> None:
        self.ledger.mark_accepted(charge.charge_id, request_id=request_id, reply=body)

    # ---- somebody else's, or left behind
    def _wait_for_its_owner(self, charge: Charge, stop: threading.Event) -> None:
        if not self.ledger.recovery(charge.charge_id).owner_is_gone:
            pause(stop, self.settings.poll_seconds)
        elif charge.state == "reserved":
            self.ledger.void(charge.charge_id, "Its worker died before anything was sent.")
        else:
            self.ledger.mark_unknown(charge.charge_id, "Its worker died while the request was being sent.")

    def _look_it_up(self, charge: Charge, stop: threading.Event) -> None:
        try:
            found = self._on_the_list(charge)
        except Unreachable as error:
            raise OutcomeUnknown(self._quarantined(charge, str(error))) from None
        if found is not None:
            self.ledger.mark_accepted(charge.charge_id, request_id=found[0])
            return
        # Counted from the first look that missed it, not from our own record of the sending: that clock may have been
        # wrong, while `find` has just compared this one with the provider's.
        now, horizon = datetime.now(UTC), HORIZON[charge.provider]
        missing_for = now - self.ledger.note_missed(charge.charge_id, at=now)
        if missing_for >= horizon:
            why = "Not on the provider's list after the safe horizon: never accepted."
            self.ledger.void_unknown(charge.charge_id, why)
        elif horizon > WORTH_WAITING:
            raise OutcomeUnknown(self._quarantined(charge, "It is not on the provider's list yet."))
        else:
            pause(stop, self.settings.poll_seconds)

    def _on_the_list(self, charge: Charge) -> tuple[str, dict[str, Any] | None] | None:
        audio_url = self.ledger.recovery(charge.charge_id).audio_url or ""
        return self.fal.find(charge.endpoint, audio_url, since=charge.sent_at or charge.planned_at)

    def _quarantined(self, charge: Charge, why: str) -> str:
        return (
            f"It is not known whether the request for {self.clip.clip_id} was accepted. {why} "
            f"${charge.reserved_usd:.2f} stays reserved and it is not sent again; run again later."
        )

    # ---- accepted -> completed -> stored -> settled
    def _follow(self, charge: Charge, stop: threading.Event) -> None:
        deadline = datetime.now(UTC) + timedelta(seconds=LONGEST_WAIT_SECONDS)
        while datetime.now(UTC) < deadline:
            try:
                state = self.fal.state(charge.endpoint, charge.request_id or "")
                if state.is_completed:
                    return self._collect(charge, has_failed=bool(state.error))
            except Unreachable:  # the paid job runs on; ask again
                pause(stop, 3 * self.settings.poll_seconds)
            except Gone as gone:
                return self._recover(charge, gone)
            if pause(stop, self.settings.poll_seconds):
                return None
        raise VideoUnusable(
            f"{self.clip.clip_id} is still being made after {LONGEST_WAIT_SECONDS // 3600} hours; run "
            "again to go on waiting. It is not bought again."
        )

    def _collect(self, charge: Charge, *, has_failed: bool) -> None:
        try:
            result = self.fal.result(charge.endpoint, charge.request_id or "", has_failed=has_failed)
        except RequestRefused as error:
            if not error.stops_the_run:  # a refused key says nothing about the job
                end = self.ledger.reject if error.may_be_billed else self.ledger.refuse
                end(charge.charge_id, str(error))
            raise
        self.ledger.mark_completed(charge.charge_id, result=result.answer, billable_units=result.billable_units)

    def _recover(self, charge: Charge, gone: Gone) -> None:
        """Results expire in an hour; the provider's list keeps the answer. A free draft is simply made again."""
        if self.ledger.discard_draft(charge.charge_id, str(gone)):
            return
        found = self._on_the_list(charge)
        if found is None or found[1] is None:
            raise VideoUnusable(
                f"{gone} {self.clip.clip_id} was accepted as request {charge.request_id} and may be billed; ask fal "
                "about it. It is not bought again by itself."
            )
        self.ledger.mark_completed(charge.charge_id, result=found[1], billable_units=None)

    def _fetch(self, charge: Charge, stop: threading.Event) -> None:
        url = self._video_url(charge)
        try:
            with self.store.workshop() as bench:
                half = bench / "video.mp4"
                self._download(url, half, stop)
                sha256 = self.store.put(half)
        except Gone as gone:
            if self.ledger.discard_draft(charge.charge_id, str(gone)):
                return
            raise VideoUnusable(
                f"{gone} {self.clip.clip_id} was paid (request {charge.request_id}); ask fal for it. It is not bought "
                "again by itself."
            ) from None
        if not self.ledger.mark_stored(charge.charge_id, video_sha256=sha256):
            self.ledger.note_video(charge.charge_id, video_sha256=sha256)

    def _assert_whole(self, half: Path) -> None:
        """Junk or a cut file is never stored: it would pass as a video ever after (reliability.md 0.6)."""
        seen = probe(half)
        if seen.is_truncated or not seen.has_picture:
            raise VideoUnusable(
                f"The video of {self.clip.clip_id} arrived incomplete; run again to fetch it again. It is not bought "
                "again."
            )

    def _video_url(self, charge: Charge) -> str:
        result: dict[str, Any] = self.ledger.recovery(charge.charge_id).result or {}
        video = result.get("video")
        url = video.get("url") if isinstance(video, dict) else None
        if not isinstance(url, str):
            raise VideoUnusable(
                f"The result of {self.clip.clip_id} names no video (request {charge.request_id}). It "
                "may be billed; it is not bought again by itself."
            )
        return url

    def _download(self, url: str, half: Path, stop: threading.Event) -> None:
        for last in (False,) * (DOWNLOAD_TRIES - 1) + (True,):
            try:
                self.fal.download(url, half)
                return self._assert_whole(half)
            except VideoUnusable:
                if last or pause(stop, self.settings.poll_seconds):
                    raise
        return None

    def _settle(self, charge: Charge) -> None:
        seconds = probe(self.store.require(charge.video_sha256 or "")).video_seconds
        # The provider's own count where it is the higher one: the budget must never believe less than the bill.
        units = max(billed_seconds(seconds), math.ceil(charge.billable_units or 0))
        self.ledger.settle(charge.charge_id, billed_seconds=units, billed_usd=units * charge.usd_per_second)
