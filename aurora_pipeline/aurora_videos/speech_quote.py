"""What a campaign's paid speech would cost now, part by part, before anything is sent: exact, for text can be counted.

It is quoted, agreed to and bought before the videos, whose seconds nobody knows until it is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from ..errors import PriceUnknown
from ..gear.voices import read_voices
from ..models import read_models
from ..price_book import Price, billed_seconds, read_price_book
from ..script_table import Campaign, Script
from ..settings import Settings
from ..speech_models import read_speech_models
from ..tts_audio.saying import saying_of
from .approvals import SPEECH_BY_THE_TABLE, approved_fingerprints
from .ledger import open_ledger
from .quote import each_once, left_in_scopes, standing_charges, standing_of
from .quoted import MAY_BE_BOUGHT, AnyQuote
from .records import Charge
from .request import price_resolution
from .speech_request import QuotedSpeech, SpeechRequest

CHARACTERS_A_SECOND = 14  # read speech is 12 to 18 characters a second; measured: hibari 14 to 15


@dataclass(frozen=True)
class SpeechQuote(AnyQuote[QuotedSpeech]):
    """The quote of a campaign's paid speech; a clip has a line for each part between its pauses.

    ``video_usd`` is what the videos of clips without speech may then cost, US dollars, guessed from their texts.
    """

    video_usd: Decimal = Decimal(0)


def quote_speech(settings: Settings, campaign: Campaign, *, run_id: str, needs_approval: bool = False) -> SpeechQuote:
    """Price every part of a script that a paid voice says; empty where there is none. Spends nothing.

    ``needs_approval`` as for `quote_campaign`. A text that its endpoint would refuse is left out: tts_audio tells.
    """
    return _Quoting(settings, campaign, needs_approval).quote(run_id)


class _Quoting:
    """One quote being made: what is read once for all its lines."""

    def __init__(self, settings: Settings, campaign: Campaign, needs_approval: bool) -> None:
        self.settings, self.campaign = settings, campaign
        self.ledger = open_ledger(settings.ledger)
        self.book = read_price_book(settings.price_book)
        self.voices = read_voices(settings.voices)
        self.models = read_speech_models(settings.speech_models)
        self.is_paid = settings.provider == "fal"
        self.needs_approval = self.is_paid and (needs_approval or campaign.approval == "required")

    def quote(self, run_id: str) -> SpeechQuote:
        requests = [request for script in self.campaign.scripts for request in self._requests(script)]
        prints = [request.fingerprint for request in requests]
        charges = standing_charges(self.settings, self.ledger, prints)
        written = [(each.script.clip_id, each.fingerprint) for each in requests if each.script.approved]
        approved = self._approved(written) if self.needs_approval else set(prints)
        lines = tuple(self._line(request, charges.get(request.fingerprint), approved) for request in requests)
        left = left_in_scopes(self.ledger, self.settings, self.campaign, run_id) if requests else {}
        unspoken = {line.clip_id for line in lines if line.standing not in ("bought", "reused")}
        usd = self._video_usd([script for script in self.campaign.scripts if script.clip_id in unspoken])
        return SpeechQuote(self.campaign.name, self.settings.provider, each_once(lines), left, usd)

    def _approved(self, written: Sequence[tuple[str, str]]) -> set[str]:
        return approved_fingerprints(self.ledger, self.campaign.name, written, by=SPEECH_BY_THE_TABLE)

    def _requests(self, script: Script) -> Iterator[SpeechRequest]:
        voice = None if script.audio else self.voices.named(script.voice)
        if voice is None or not voice.is_paid:
            return
        try:
            model = self.models.named(voice.speech_model)
            parts = saying_of(script, self.campaign.speech.lexicon).parts
            requests = [SpeechRequest(script, voice, part, model) for part in parts]
            _ = [request.arguments for request in requests]
        except ValueError:
            return
        yield from requests

    def _line(self, request: SpeechRequest, charge: Charge | None, approved: set[str]) -> QuotedSpeech:
        standing, why = standing_of(request, charge, ())
        line = QuotedSpeech(request, None, charge, standing, why)
        is_agreed = request.script.approved is not False and request.fingerprint in approved
        if standing in MAY_BE_BOUGHT and self.is_paid and not is_agreed:
            line = self._unapproved(line)
        try:
            return replace(line, price=self._price(request))
        except PriceUnknown as unknown:
            return line.held_back(str(unknown)) if self.is_paid else line

    def _unapproved(self, line: QuotedSpeech) -> QuotedSpeech:
        if line.standing == "in doubt":
            return replace(line, only_followed=True)
        is_no, ask = line.request.script.approved is False, f"aurora approve {self.campaign.name} {line.clip_id}"
        return replace(line, standing="not approved", why="scripts.csv says approved: no" if is_no else f"run: {ask}")

    def _price(self, request: SpeechRequest) -> Price:
        today = datetime.now(UTC).date()
        return self.book.price(request.endpoint, on=today, unit=request.model.unit, allow_expired=not self.is_paid)

    def _video_usd(self, scripts: Sequence[Script]) -> Decimal:
        models, today, usd = read_models(self.settings.models), datetime.now(UTC).date(), Decimal(0)
        for script in scripts:
            model = models.named(script.model)
            resolution = price_resolution(model, script)
            try:
                price = self.book.price(model.endpoint, resolution, on=today, allow_expired=True)
            except PriceUnknown:
                continue
            usd += price.usd(billed_seconds(len(script.text) / CHARACTERS_A_SECOND))
        return usd
