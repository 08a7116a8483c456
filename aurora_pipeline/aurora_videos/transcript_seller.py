"""Sells what a bought recogniser hears to tts_audio: each sound once ever, before any video of it is bought.

Only with provider `fal`: the local studio knows no better than the script what it has spoken, so that a draft is heard
by the offline recogniser or by nobody (`tts_audio.ears`).
"""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import SpendRefused, VideoUnusable
from ..gear.recognisers import Recogniser, Transcript
from ..gear.speech_endpoints import RecogniserModel
from ..script_table.records import Script
from .agreed import complete, line_now, payers
from .till import Till
from .transcript_request import QuotedTranscript, TranscriptRequest
from .unit_prices import UnitPrices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]


@dataclass(frozen=True)
class TranscriptSeller:
    """`tts_audio.buying.Ear` with one run's till. Safe for threads.

    ``lines`` are a quote's that was agreed to; without one of them nothing is bought, and what was accepted before is
    fetched all the same.
    """

    till: Till
    model: RecogniserModel
    prices: UnitPrices
    lines: Sequence[QuotedTranscript]

    def of(self, script: Script, said: str, sha256: str, seconds: float) -> Recogniser:
        """The recogniser of one clip, whose sound is ``sha256`` of the media store."""
        return _OfOneClip(self, TranscriptRequest(script, said, self.model, seconds, seconds, sha256))

    def transcript(self, request: TranscriptRequest, stop: threading.Event) -> Transcript:
        """What was heard, from the store if it is there.

        Raises `SpendRefused` for what nobody agreed to, `PriceUnknown`, `VideoUnusable` for an answer that holds no
        text, and what `Purchase.complete` raises.
        """
        live = self.till.ledger.live(self.till.settings.provider, [request.fingerprint]).get(request.fingerprint)
        charge = complete(self.till, self._line(QuotedTranscript(request, None, live, "new")), stop)
        answer = json.loads(self.till.store.require(charge.video_sha256 or "").read_bytes())
        try:
            return replace(self.model.transcript(answer), charge_id=charge.charge_id)
        except ValueError as error:
            raise VideoUnusable(
                f"{request.script.clip_id} was listened to, but {error} (request {charge.request_id}). It is not "
                "bought again; to go on without, set speech.listen to off in campaign.yaml."
            ) from None

    def _line(self, fresh: QuotedTranscript) -> QuotedTranscript:
        request, agreed = fresh.request, self._agreed.get(fresh.request.asked_as)
        is_not = f"{request.script.clip_id} is not listened to: hearing it with {self.model.name} is not bought"
        line = line_now(fresh, agreed, self.prices, is_not=is_not)
        if agreed is not None and line.may_be_bought and line.reserve_usd > agreed.reserve_usd:
            raise SpendRefused(
                f"{is_not} ({request.seconds:.0f} s are more than the {agreed.request.most_seconds:.0f} s that were "
                "agreed to; run again). Nothing was spent."
            )
        return line

    @functools.cached_property
    def _agreed(self) -> dict[str, QuotedTranscript]:
        return payers((line.request.asked_as, line) for line in self.lines)


@dataclass(frozen=True)
class _OfOneClip:
    """`gear.recognisers.Recogniser` for one clip; another clip's sound must not be played to it."""

    seller: TranscriptSeller
    request: TranscriptRequest

    @property
    def name(self) -> str:
        return self.request.model.name

    @property
    def version(self) -> str:
        return self.request.model.endpoint

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(tag.split("-")[0] for tag in self.request.model.languages)

    def hear(
        self, samples: Samples, rate: int, *, language: str, script: str, stop: threading.Event | None = None
    ) -> Transcript:
        return self.seller.transcript(self.request, stop or threading.Event())
