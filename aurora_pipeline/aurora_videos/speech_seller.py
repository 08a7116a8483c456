"""Sells paid voices to tts_audio: each part of a script is bought, or drafted, once ever.

With provider `studio` nothing is paid: the local studio speaks, and what it said is a draft; only speech that was
bought before serves a draft better. With provider `fal` the same till, ledger and limits count as for video.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ..errors import RequestRefused, SpeechFailed, SpendRefused
from ..gear.media_store import MediaStore
from ..gear.voices import TimedWord, Voice, read_voices
from ..price_book import PriceBook, read_price_book
from ..script_table.records import Campaign, Script
from ..settings import Settings
from ..speech_models import SpeechModels, read_speech_models
from ..tts_audio.buying import Bought
from ..tts_audio.saying import Part
from .ledger import open_ledger
from .ledger_tables import IN_DOUBT
from .purchase import Purchase
from .quote import limits_of
from .records import Charge
from .speech_quote import SpeechQuote
from .speech_request import QuotedSpeech, SpeechRequest
from .till import Till
from .unit_prices import UnitPrices, unit_prices

LOCKED = "Nothing more is asked for: fal refused the account or key. Mend that at fal, then run again."


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
        charge = self._complete(self._line(request, live), stop)
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
        """Guards keep nothing that is paid from being fetched: what was accepted is followed without a price."""
        if self.lines is None:
            return self._draft(request, live)
        if live is not None and live.state not in ("reserved", *IN_DOUBT):
            return QuotedSpeech(request, None, live, "under way")
        line = self._agreed.get(request.fingerprint)
        if line is not None and line.may_be_bought:
            return self.prices.guarded(replace(line, request=request, charge=live))
        if live is not None and live.state in IN_DOUBT:
            return QuotedSpeech(request, None, live, "in doubt", only_followed=True)
        why = line.why.removesuffix(".") if line is not None and line.why else "`aurora run` quotes it and asks first"
        raise SpendRefused(
            f"{request.script.clip_id} is not spoken: its speech in the voice '{request.voice.name}' is not bought "
            f"({why}). Nothing was spent."
        )

    def _draft(self, request: SpeechRequest, live: Charge | None) -> QuotedSpeech:
        today = datetime.now(UTC).date()
        price = self.book.price(request.endpoint, on=today, unit=request.model.unit, allow_expired=True)
        return QuotedSpeech(request, price, live, "new")

    @functools.cached_property
    def _agreed(self) -> dict[str, QuotedSpeech]:
        """The quote's lines; of twins the one that pays."""
        found: dict[str, QuotedSpeech] = {}
        for line in self.lines or ():
            if line.may_be_bought or line.request.fingerprint not in found:
                found[line.request.fingerprint] = line
        return found

    def _complete(self, line: QuotedSpeech, stop: threading.Event) -> Charge:
        if self.till.is_locked.is_set():
            raise RequestRefused(LOCKED, stops_the_run=True)
        try:
            return Purchase(self.till, line).complete(stop)
        except RequestRefused as refused:
            if refused.stops_the_run:
                self.till.is_locked.set()
            raise

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


@contextlib.contextmanager
def seller_of(
    settings: Settings, campaign: Campaign, agreed: SpeechQuote | None, *, run_id: str
) -> Iterator[SpeechSeller | None]:
    """One run's seller; None where the campaign asks for no paid voice, or fal without its key.

    The local studio drafts them, free. From fal is bought what ``agreed`` names, and nothing without it; what was
    accepted before is fetched in any case. Raises `SpendRefused` when the campaign would now buy anything else than
    was agreed to, or was not asked for on purpose.
    """
    is_paid = settings.provider == "fal"
    if not asks_for_paid_voices(settings, campaign) or (is_paid and not settings.fal_key_is_set):
        yield None
        return
    if is_paid and agreed is not None and agreed.to_buy:
        settings.assert_may_spend(campaign.budget_usd)
    from ..gear.fal import connect
    from .render import provider_url

    with provider_url(settings) as base_url:
        fal = connect(base_url)
        prices = unit_prices(fal.platform, agreed) if is_paid and agreed is not None else UnitPrices({}, {})
        ledger, store = open_ledger(settings.ledger), MediaStore(settings.media)
        till = Till(settings, run_id, limits_of(settings, campaign), ledger, store, fal, prices.usd)
        yield SpeechSeller(
            till,
            read_speech_models(settings.speech_models),
            read_price_book(settings.price_book),
            prices,
            (agreed.clips if agreed is not None else ()) if is_paid else None,
        )


def asks_for_paid_voices(settings: Settings, campaign: Campaign) -> bool:
    """Whether some script is said by a voice that costs money."""
    voices = read_voices(settings.voices)
    asked = [voices.named(script.voice) for script in campaign.scripts if not script.audio]
    return any(voice is not None and voice.is_paid for voice in asked)
