"""A clip's speech, to be heard by a bought recogniser: what is asked, and when two requests are one purchase.

The quote comes before the speech: until that is made only its length can be guessed, and a request is known by what is
to be said. Once it is made the request is of those very bytes, and the same sound is heard once, in any campaign.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..gear.media_store import key_of
from ..gear.speech_endpoints import RecogniserModel
from ..script_table.records import Script
from .quoted import Quoted


@dataclass(frozen=True)
class TranscriptRequest:
    """The speech of ``script``, said as ``said``, to be heard by ``model``.

    ``sha256`` is its sound, empty while it is not made; ``seconds`` its length, then only expected, and
    ``most_seconds`` how long it may become before it has to be quoted again.
    """

    script: Script
    said: str
    model: RecogniserModel
    seconds: float
    most_seconds: float
    sha256: str = ""

    @property
    def endpoint(self) -> str:
        """The provider's name of the model."""
        return self.model.endpoint

    def arguments(self, audio_url: str) -> dict[str, Any]:
        """The JSON that is sent."""
        return self.model.arguments(audio_url, self.script.language)

    @property
    def fingerprint(self) -> str:
        """sha256 over the endpoint, everything it is sent and the sound's bytes; never URLs, campaigns or clips."""
        if not self.sha256:
            return self.asked_as
        return key_of(endpoint=self.endpoint, arguments=self.arguments(""), sound=self.sha256)

    @property
    def asked_as(self) -> str:
        """What an agreement is of: this row's words in this voice (or recording), before and after they are spoken."""
        script = self.script
        said = {"said": self.said, "text": script.text, "voice": script.voice, "recording": script.audio_sha256}
        return key_of(endpoint=self.endpoint, arguments=self.arguments(""), **said)

    @property
    def units(self) -> Decimal:
        """How many of the model's unit the bill is expected to count."""
        return self.model.units(self.seconds)

    @property
    def most_units(self) -> Decimal:
        """The most it may count: what is reserved."""
        return self.model.most_units(self.most_seconds)


@dataclass(frozen=True)
class QuotedTranscript(Quoted[TranscriptRequest]):
    """What hearing one clip costs: billed by its seconds."""

    @property
    def list_usd(self) -> Decimal:
        return self._usd(self.request.units)

    @property
    def reserve_usd(self) -> Decimal:
        return self._usd(self.request.most_units)

    def _usd(self, units: Decimal) -> Decimal:
        """Zero only for what is held back because nobody knows its price."""
        return self.price.usd(units) if self.price is not None else Decimal(0)
