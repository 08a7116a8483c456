"""One run's sellers for tts_audio: who speaks and who listens where that is paid for, at one till."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from ..gear.media_store import MediaStore
from ..gear.speech_endpoints import RecogniserModel
from ..gear.voices import read_voices
from ..price_book import read_price_book
from ..script_table.records import Campaign
from ..settings import Settings
from ..speech_models import read_speech_models
from ..tts_audio.ears import paid_listener
from .ledger import Ledger, open_ledger
from .ledger_tables import UNFINISHED, charges
from .quote import limits_of
from .speech_quote import SpeechQuote
from .speech_seller import SpeechSeller
from .till import Till
from .transcript_seller import TranscriptSeller
from .unit_prices import UnitPrices, listed_usd, unit_prices


@dataclass(frozen=True)
class Sellers:
    """Each None where the campaign needs none, or fal's key is missing."""

    speech: SpeechSeller | None = None
    ear: TranscriptSeller | None = None


@contextlib.contextmanager
def sellers_of(settings: Settings, campaign: Campaign, agreed: SpeechQuote | None, *, run_id: str) -> Iterator[Sellers]:
    """The sellers of one run.

    The local studio drafts paid voices, free. From fal is bought what ``agreed`` names; what was accepted before is
    waited for. Without ``agreed`` (a quote is being made) nothing is bought or waited for, and what is ready is
    fetched. Raises `SpendRefused` when it was not asked for on purpose.
    """
    is_paid, speaks, listener = settings.provider == "fal", _speaks(settings, campaign), _listener(settings, campaign)
    if not (speaks or listener) or (is_paid and not settings.fal_key_is_set):
        yield Sellers()
        return
    if is_paid and agreed is not None and agreed.to_buy:
        settings.assert_may_spend(campaign.budget_usd)
    from ..gear.fal import connect
    from .render import provider_url

    with provider_url(settings) as base_url:
        fal = connect(base_url)
        ledger, store, waits = open_ledger(settings.ledger), MediaStore(settings.media), True
        prices = UnitPrices({}, {})
        if is_paid and agreed is not None:
            prices = unit_prices(fal.platform, agreed)
        elif is_paid:
            waits, prices = False, UnitPrices(listed_usd(fal.platform, _unfinished_at(ledger)), {})
        till = Till(settings, run_id, limits_of(settings, campaign), ledger, store, fal, prices.usd, waits=waits)
        models, book = read_speech_models(settings.speech_models), read_price_book(settings.price_book)
        parts = (agreed.parts if agreed is not None else ()) if is_paid else None
        heard = agreed.transcripts if agreed is not None else ()
        yield Sellers(
            SpeechSeller(till, models, book, prices, parts) if speaks else None,
            TranscriptSeller(till, listener, prices, heard) if listener else None,
        )


def _unfinished_at(ledger: Ledger) -> list[str]:
    """The endpoints of fal's where something is under way, whoever works on it."""
    where = (charges.c.provider == "fal") & charges.c.state.in_(UNFINISHED)
    with ledger.reading() as db:
        return list(db.execute(sa.select(charges.c.endpoint).where(where).distinct()).scalars())


def _listener(settings: Settings, campaign: Campaign) -> RecogniserModel | None:
    """The recogniser that is paid for hearing this campaign."""
    return None if campaign.speech.listen == "off" else paid_listener(settings)


def _speaks(settings: Settings, campaign: Campaign) -> bool:
    """Whether some script is said by a voice that costs money."""
    voices = read_voices(settings.voices)
    asked = [voices.named(script.voice) for script in campaign.scripts if not script.audio]
    return any(voice is not None and voice.is_paid for voice in asked)
