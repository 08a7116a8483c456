"""What a campaign's paid speech, and hearing it, would cost now, line by line, before anything is sent.

Speech is exact, for text can be counted; what is heard is billed by its length, which is guessed until it is spoken.
Both are quoted, agreed to and bought before the videos, whose seconds nobody knows until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from ..errors import PriceUnknown
from ..gear.voices import read_voices
from ..models import read_models
from ..price_book import Price, billed_seconds, read_price_book
from ..script_table import Campaign, Script
from ..settings import Settings
from ..speech_models import read_speech_models
from ..tts_audio import Speech
from ..tts_audio.saying import saying_of
from .approvals import HEARING_BY_THE_TABLE, SPEECH_BY_THE_TABLE, approved_fingerprints, written_in
from .ledger import open_ledger
from .quote import each_once, left_in_scopes, standing_charges, standing_of
from .quoted import MAY_BE_BOUGHT, AnyQuote
from .records import Charge
from .request import price_resolution
from .speech_request import QuotedSpeech, SpeechRequest
from .transcript_request import QuotedTranscript, TranscriptRequest
from .transcripts_wanted import expected_seconds, transcripts_wanted

AnyLine = QuotedSpeech | QuotedTranscript
Line = TypeVar("Line", QuotedSpeech, QuotedTranscript)


@dataclass(frozen=True)
class SpeechQuote(AnyQuote[AnyLine]):
    """The quote of a campaign's paid speech, a line for each part between a clip's pauses, and of hearing it.

    ``video_usd`` is what the videos of clips without speech may then cost, US dollars, guessed from their texts.
    """

    video_usd: Decimal = Decimal(0)

    @property
    def parts(self) -> tuple[QuotedSpeech, ...]:
        """The lines of what is to be said."""
        return tuple(line for line in self.clips if isinstance(line, QuotedSpeech))

    @property
    def transcripts(self) -> tuple[QuotedTranscript, ...]:
        """The lines of what is to be heard."""
        return tuple(line for line in self.clips if isinstance(line, QuotedTranscript))


def quote_speech(
    settings: Settings, campaign: Campaign, speeches: Sequence[Speech], *, run_id: str, needs_approval: bool = False
) -> SpeechQuote:
    """Price every part of a script that a paid voice says, and what a paid recogniser hears. Spends nothing.

    ``speeches`` are what was made so far: hearing that is priced by its length, other clips by that of their texts.
    ``needs_approval`` as for `quote_campaign`. A text that its endpoint would refuse is left out: tts_audio tells.
    """
    return _Quoting(settings, campaign, needs_approval).quote(speeches, run_id)


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

    def quote(self, speeches: Sequence[Speech], run_id: str) -> SpeechQuote:
        said = [request for script in self.campaign.scripts for request in self._requests(script)]
        heard = list(transcripts_wanted(self.settings, self.campaign, speeches))
        prints = [each.fingerprint for each in said] + [each.fingerprint for each in heard]
        charges = standing_charges(self.settings, self.ledger, prints)
        may_say, may_hear = self._approved(said, SPEECH_BY_THE_TABLE), self._approved(heard, HEARING_BY_THE_TABLE)
        lines: tuple[AnyLine, ...] = (
            *(self._line(QuotedSpeech, each, charges.get(each.fingerprint), may_say) for each in said),
            *(self._line(QuotedTranscript, each, charges.get(each.fingerprint), may_hear) for each in heard),
        )
        left = left_in_scopes(self.ledger, self.settings, self.campaign, run_id) if lines else {}
        unspoken = {line.clip_id for line in lines if line.standing not in ("bought", "reused") and not _is_made(line)}
        usd = self._video_usd([script for script in self.campaign.scripts if script.clip_id in unspoken])
        return SpeechQuote(self.campaign.name, self.settings.provider, each_once(lines), left, usd)

    def _approved(self, requests: Sequence[SpeechRequest] | Sequence[TranscriptRequest], by: str) -> set[str]:
        """What people said yes to; where nobody has to be asked, all of it."""
        if not self.needs_approval:
            return {each.asked_as for each in requests}
        written = [written_in(each.script, each.asked_as) for each in requests if each.script.approved]
        return approved_fingerprints(self.ledger, self.campaign.name, written, by=by)

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

    def _line(
        self,
        line_of: Callable[[Any, Price | None, Charge | None, str, str], Line],
        request: SpeechRequest | TranscriptRequest,
        charge: Charge | None,
        approved: set[str],
    ) -> Line:
        line = line_of(request, None, charge, *standing_of(request, charge, ()))
        is_agreed = request.script.approved is not False and request.asked_as in approved
        if line.standing in MAY_BE_BOUGHT and self.is_paid and not is_agreed:
            line = self._unapproved(line)
        try:
            return replace(line, price=self._price(request))
        except PriceUnknown as unknown:
            return line.held_back(str(unknown)) if self.is_paid else line

    def _unapproved(self, line: Line) -> Line:
        if line.standing == "in doubt":
            return replace(line, only_followed=True)
        is_no, ask = line.request.script.approved is False, f"aurora approve {self.campaign.name} {line.clip_id}"
        return replace(line, standing="not approved", why="scripts.csv says approved: no" if is_no else f"run: {ask}")

    def _price(self, request: SpeechRequest | TranscriptRequest) -> Price:
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
            usd += price.usd(billed_seconds(expected_seconds(script)))
        return usd


def _is_made(line: AnyLine) -> bool:
    """Whether its speech is there already, and only to be heard: then its video is quoted as usual."""
    return isinstance(line, QuotedTranscript) and bool(line.request.sha256)
