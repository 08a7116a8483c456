"""One part of a script in a paid voice: what is asked of its endpoint, and when two requests are one purchase.

The words between two pauses are one request, so a line that is said in two campaigns, or a sentence that stays when
the one behind its pause is edited, is bought once.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..gear.media_store import key_of
from ..gear.speech_endpoints import SpeechModel
from ..gear.voices import Voice
from ..price_book import Price
from ..script_table.records import Script
from ..tts_audio.saying import Part
from .quoted import Quoted


@dataclass(frozen=True)
class SpeechRequest:
    """``part`` of ``script``, to be said by ``voice``, which is one of ``model``'s."""

    script: Script
    voice: Voice
    part: Part
    model: SpeechModel

    @property
    def endpoint(self) -> str:
        """The provider's name of the model."""
        return self.model.endpoint

    @property
    def arguments(self) -> dict[str, Any]:
        """The JSON that is sent. ValueError, with the sentence people read, for what the endpoint would refuse."""
        return self.model.arguments(self.part.text, self.voice.engine_voice, self.voice.language, self.part.ipa)

    @property
    def fingerprint(self) -> str:
        """sha256 over the endpoint and everything it is sent; never campaigns, clips or our names of voices."""
        return key_of(endpoint=self.endpoint, arguments=self.arguments)

    @property
    def asked_as(self) -> str:
        """What an agreement is of: the purchase itself, for a text is known before."""
        return self.fingerprint

    @property
    def said(self) -> str:
        """The text as it is sent, with its markup."""
        return self.model.sent_text(self.part.text, self.part.ipa)

    @property
    def units(self) -> Decimal:
        """How many of the model's unit the bill is expected to count."""
        return self.model.units(self.part.text, self.part.ipa)

    @property
    def most_units(self) -> Decimal:
        """The most it may count: what is reserved."""
        return self.model.most_units(self.part.text, self.part.ipa)


@dataclass(frozen=True)
class QuotedSpeech(Quoted[SpeechRequest]):
    """One part's speech: billed by its characters, so its price is known before."""

    @property
    def list_usd(self) -> Decimal:
        return _usd(self.price, self.request.units)

    @property
    def reserve_usd(self) -> Decimal:
        return _usd(self.price, self.request.most_units)


def _usd(price: Price | None, units: Decimal) -> Decimal:
    """Zero only for what is held back because nobody knows its price."""
    return price.usd(units) if price is not None else Decimal(0)
