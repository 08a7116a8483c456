"""What a campaign's videos would cost now, clip by clip, before anything is sent."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from ..gear.media_store import MediaStore
from ..price_book import Price, billed_seconds, read_price_book
from ..script_table import Campaign, portrait_file
from ..settings import Settings
from ..stage_tables import by_clip
from ..tts_audio import Speech
from .ledger import Ledger, open_ledger
from .records import Charge
from .request import ENDPOINT, AuroraRequest, sent_image

# Room for a provider that pads its video beyond the audio (unknown for Aurora; half a second is half the billing unit).
PADDING_SECONDS = 0.5


@dataclass(frozen=True)
class QuotedClip:
    """One clip of a quote. ``standing`` is ``new``, ``bought``, ``under way`` or ``held``; only ``new`` costs money.

    ``usd`` is what is expected to be billed if it is bought now, ``list_usd`` what the clip costs at the list price
    whether or not it is bought already, ``reserve_usd`` the worst case that will be reserved.
    """

    request: AuroraRequest
    price: Price
    worst_usd_per_second: Decimal
    charge: Charge | None
    standing: str

    @property
    def clip_id(self) -> str:
        return self.request.script.clip_id

    @property
    def seconds(self) -> float:
        return self.request.speech.seconds

    @property
    def list_usd(self) -> Decimal:
        return billed_seconds(self.seconds) * self.price.usd_per_second

    @property
    def usd(self) -> Decimal:
        return self.list_usd if self.standing == "new" else Decimal(0)

    @property
    def reserve_usd(self) -> Decimal:
        return billed_seconds(self.seconds + PADDING_SECONDS) * self.worst_usd_per_second


@dataclass(frozen=True)
class Quote:
    """A whole campaign's quote. ``left_usd`` is the budget not yet spent or held; None when drafts are free."""

    campaign: str
    provider: str
    clips: tuple[QuotedClip, ...]
    left_usd: Decimal | None

    @property
    def usd(self) -> Decimal:
        """Expected bill of what is new."""
        return sum((clip.usd for clip in self.clips), Decimal(0))

    @property
    def to_buy(self) -> tuple[QuotedClip, ...]:
        """Clips that have never been bought."""
        return tuple(clip for clip in self.clips if clip.standing == "new")


def quote_campaign(settings: Settings, campaign: Campaign, speeches: Sequence[Speech]) -> Quote:
    """Price every clip that has speech. Spends nothing.

    Raises `PriceUnknown` when a price is missing or (with fal) past its expiry.
    """
    ledger, spoken = open_ledger(settings.ledger), by_clip(speeches)
    book, today = read_price_book(settings.price_book), datetime.now(UTC).date()
    image_of = functools.cache(lambda portrait: sent_image(portrait_file(settings, campaign.folder, portrait)))
    clips = []
    for script in campaign.scripts:
        if script.clip_id not in spoken:
            continue
        request = AuroraRequest(script, spoken[script.clip_id], image_of(script.portrait))
        price = book.price(ENDPOINT, script.resolution, on=today, allow_expired=settings.provider == "studio")
        charge = ledger.find(settings.provider, request.fingerprint)
        worst = book.highest_usd_per_second(ENDPOINT, script.resolution)
        clips.append(QuotedClip(request, price, worst, charge, _standing(charge)))
    return Quote(campaign.name, settings.provider, tuple(clips), _left(settings, ledger, campaign))


def _standing(charge: Charge | None) -> str:
    if charge is None:
        return "new"
    if charge.state in ("rejected", "unknown"):
        return "held"
    return "bought" if charge.state in ("stored", "settled") else "under way"


def is_kept(settings: Settings, clip: QuotedClip) -> bool:
    """True when the clip is bought, settled and its video is in the store: nothing at all needs doing."""
    charge = clip.charge
    return (
        charge is not None
        and charge.state == "settled"
        and charge.video_sha256 is not None
        and MediaStore(settings.media).path(charge.video_sha256) is not None
    )


def budget_limit(settings: Settings, campaign: Campaign) -> Decimal | None:
    """The money this campaign may spend with the current provider; drafts are free and have no limit."""
    return campaign.budget_usd if settings.provider == "fal" else None


def _left(settings: Settings, ledger: Ledger, campaign: Campaign) -> Decimal | None:
    limit = budget_limit(settings, campaign)
    budget = ledger.budget(settings.provider, campaign.name)
    return None if limit is None else limit - budget.reserved_usd - budget.settled_usd
