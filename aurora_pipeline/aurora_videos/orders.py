"""A line of a quote -> what the ledger is told before it is bought, and what the provider is sent.

A video's request names two uploads, and its speech's is named like the charge: that marks it, and so it does a
transcript's. Speech is asked for by its text alone, so the ledger keeps the whole request: nothing else would tell a
lost one from others.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from ..errors import PriceUnknown
from ..price_book import ANY_RESOLUTION, Price, billed_seconds
from .changes import inputs_of
from .quoted import Quoted, QuotedClip
from .records import SPEECH, TRANSCRIPT, VIDEO, Charge, Plan
from .speech_request import QuotedSpeech
from .till import Till
from .transcript_request import QuotedTranscript

Uploading = Callable[[Callable[[], str]], str]  # tries an upload again: it buys nothing


@dataclass(frozen=True)
class Sending:
    """A request as it goes out. ``audio_url`` is the upload it is found again by; None where nothing marks it."""

    arguments: dict[str, Any]
    audio_url: str | None = None


class Order(Protocol):
    """One purchase before it is sent."""

    def plan(self, till: Till) -> Plan:
        """A new charge. Raises `PriceUnknown` for what has no price."""
        ...

    def sending(self, till: Till, charge: Charge, uploading: Uploading) -> Sending:
        """What is sent for the charge, its media uploaded."""
        ...


def order_of(line: Quoted[Any]) -> Order:
    """The order of a line, by what it asks for."""
    if isinstance(line, QuotedSpeech):
        return SpeechOrder(line)
    if isinstance(line, QuotedClip):
        return VideoOrder(line)
    if isinstance(line, QuotedTranscript):
        return TranscriptOrder(line)
    raise TypeError(f"nothing here knows how to buy a {type(line).__name__}")


@dataclass(frozen=True)
class VideoOrder:
    """A clip's video."""

    line: QuotedClip

    def plan(self, till: Till) -> Plan:
        request, price = self.line.request, _price(self.line)
        return _plan(
            till,
            self.line,
            kind=VIDEO,
            resolution=price.resolution,
            audio_seconds=self.line.seconds,
            inputs=json.dumps(inputs_of(request), sort_keys=True),
            wanted_units=Decimal(billed_seconds(self.line.seconds)),
        )

    def sending(self, till: Till, charge: Charge, uploading: Uploading) -> Sending:
        request, fal, image = self.line.request, till.fal, self.line.request.image
        kind = "image/jpeg" if image.suffix in (".jpg", ".jpeg") else "image/png"
        name = f"{image.sha256[:16]}{image.suffix}"
        image_url = till.uploads.url_of(
            image.sha256,
            lambda: uploading(lambda: fal.upload(image.content, content_type=kind, file_name=name)),
        )
        audio_url = _marked_upload(till, charge, request.speech.sha256, uploading)
        return Sending(request.arguments(image_url=image_url, audio_url=audio_url), audio_url)


@dataclass(frozen=True)
class SpeechOrder:
    """One part of a script in a paid voice."""

    line: QuotedSpeech

    def plan(self, till: Till) -> Plan:
        request = self.line.request
        return _plan(
            till,
            self.line,
            kind=SPEECH,
            resolution=ANY_RESOLUTION,
            audio_seconds=0.0,
            inputs=json.dumps({"script": request.said, "voice": request.voice.name}, sort_keys=True),
            wanted_units=request.units,
            arguments=json.dumps(request.arguments, sort_keys=True),
        )

    def sending(self, till: Till, charge: Charge, uploading: Uploading) -> Sending:
        return Sending(self.line.request.arguments)


@dataclass(frozen=True)
class TranscriptOrder:
    """What a recogniser hears in one clip's speech."""

    line: QuotedTranscript

    def plan(self, till: Till) -> Plan:
        request = self.line.request
        return _plan(
            till,
            self.line,
            kind=TRANSCRIPT,
            resolution=ANY_RESOLUTION,
            audio_seconds=request.seconds,
            inputs=json.dumps({"sound": request.sha256, "recogniser": request.model.name}, sort_keys=True),
            wanted_units=request.units,
        )

    def sending(self, till: Till, charge: Charge, uploading: Uploading) -> Sending:
        audio_url = _marked_upload(till, charge, self.line.request.sha256, uploading)
        return Sending(self.line.request.arguments(audio_url), audio_url)


def _marked_upload(till: Till, charge: Charge, sha256: str, uploading: Uploading) -> str:
    """The URL of a sound for this purchase alone: the charge's id in its name is how a lost request is found again."""
    sound, unique = till.store.require(sha256).read_bytes(), f"{charge.charge_id}.wav"
    return uploading(lambda: till.fal.upload(sound, content_type="audio/wav", file_name=unique))


def _plan(till: Till, line: Quoted[Any], **differing: Any) -> Plan:
    request, price = line.request, _price(line)
    return Plan(
        charge_id=uuid.uuid4().hex,
        provider=till.settings.provider,
        fingerprint=request.fingerprint,
        campaign=request.script.campaign,
        clip_id=request.script.clip_id,
        run_id=till.run_id,
        endpoint=request.endpoint,
        usd_per_unit=price.usd_per_unit,
        unit=price.unit,
        price_source=price.source,
        reserved_usd=line.reserve_usd,
        **differing,
    )


def _price(line: Quoted[Any]) -> Price:
    if line.price is None:
        raise PriceUnknown(f"{line.clip_id} has no price, so it cannot be bought. Nothing was spent.")
    return line.price
