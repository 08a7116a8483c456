"""Sells paid voices to tts_audio: each part of a script is bought, or drafted, once ever.

With provider `studio` nothing is paid: the local studio speaks, and what it said is a draft; only speech that was
bought before serves a draft better. With provider `fal` the same till, ledger and limits count as for video.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..errors import SpeechFailed
from ..gear.voices import TimedWord, Voice
from ..price_book import PriceBook
from ..script_table.records import Script
from ..speech_models import SpeechModels
from ..tts_audio.buying import Bought
from ..tts_audio.saying import Part
from .agreed import complete, line_now, payers
from .records import Charge
from .speech_request import QuotedSpeech, SpeechRequest
from .till import Till
from .unit_prices import UnitPrices


@dataclass(frozen=True)
class SpeechSeller:
    """`tts_audio.buying.Seller` with one run's till. Safe for threads.

    ``lines`` are a quote's that was agreed to: only what may be bought by them is, and what is held back says why.
    None is for drafts, which are free. What was accepted before is fetched in any case.
    """

    till: Till
    models: SpeechModels
    book: PriceBook
    prices: UnitPrices = field(default_factory=lambda: UnitPrices({}, {}))
    lines: Sequence[QuotedSpeech] | None = None

    def speech(self, script: Script, voice: Voice, part: Part, stop: threading.Event) -> Bought:
        """``part`` in a paid ``voice``, from the store if it is there.

        Raises `SpeechFailed` for what the voice cannot say, `PriceUnknown`, and what `Purchase.complete` raises.
        """
        request = self._request(script, voice, part)
        if (bought := self._bought_at_fal(request)) is not None:
            return self._told(request, bought, is_new=False)
        live = self.till.ledger.live(self.till.settings.provider, [request.fingerprint]).get(request.fingerprint)
        charge = complete(self.till, self._line(request, live), stop)
        was_settled = live is not None and live.state == "settled" and live.charge_id == charge.charge_id
        return self._told(request, charge, is_new=not was_settled)

    def _request(self, script: Script, voice: Voice, part: Part) -> SpeechRequest:
        try:
            request = SpeechRequest(script, voice, part, self.models.named(voice.speech_model))
            _ = request.arguments
        except ValueError as error:
            said = str(error)
            raise SpeechFailed(f"{script.clip_id} cannot be spoken: {said}. Nothing was spent.") from None
        return request

    def _bought_at_fal(self, request: SpeechRequest) -> Charge | None:
        """What was paid serves drafts too."""
        bought = self.till.ledger.live("fal", [request.fingerprint]).get(request.fingerprint)
        is_here = bought is not None and bought.state == "settled" and self._holds(bought)
        return bought if is_here else None

    def _holds(self, charge: Charge) -> bool:
        return self.till.store.path(charge.video_sha256 or "-") is not None

    def _line(self, request: SpeechRequest, live: Charge | None) -> QuotedSpeech:
        if self.lines is None:
            return self._draft(request, live)
        voice = request.voice.name
        return line_now(
            QuotedSpeech(request, None, live, "new"),
            self._agreed.get(request.fingerprint),
            self.prices,
            is_not=f"{request.script.clip_id} is not spoken: its speech in the voice '{voice}' is not bought",
        )

    def _draft(self, request: SpeechRequest, live: Charge | None) -> QuotedSpeech:
        today = datetime.now(UTC).date()
        price = self.book.price(request.endpoint, on=today, unit=request.model.unit, allow_expired=True)
        return QuotedSpeech(request, price, live, "new")

    @functools.cached_property
    def _agreed(self) -> dict[str, QuotedSpeech]:
        return payers((line.request.fingerprint, line) for line in self.lines or ())

    def _told(self, request: SpeechRequest, charge: Charge, *, is_new: bool) -> Bought:
        return Bought(
            sha256=charge.video_sha256 or "",
            charge_id=charge.charge_id,
            words=self._words(request, charge),
            is_draft=charge.provider == "studio",
            is_new=is_new,
        )

    def _words(self, request: SpeechRequest, charge: Charge) -> tuple[TimedWord, ...] | None:
        if not request.model.tells_words:
            return None
        answer = self.till.ledger.recovery(charge.charge_id).result or {}
        return request.model.words(answer, request.part.text)
