"""What a campaign's videos would cost now, clip by clip, before anything is sent."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from ..errors import SpendRefused
from ..gear.media_store import MediaStore
from ..price_book import Price, billed_seconds, read_price_book
from ..script_table import Campaign, Script, portrait_file
from ..settings import Settings
from ..stage_tables import by_clip
from ..tts_audio import Speech
from ..tts_audio.outdated import changed_since_spoken
from .ledger import Ledger, open_ledger
from .records import Charge
from .request import ENDPOINT, AuroraRequest, sent_image

# Room for a provider that pads its video beyond the audio (unknown for Aurora; half a second is half the billing unit).
PADDING_SECONDS = 0.5


@dataclass(frozen=True)
class QuotedClip:
    """One clip of a quote. ``standing`` is ``new``, ``in doubt``, ``under way``, ``bought`` or ``refused``.

    Only ``new`` and ``in doubt`` may cost money from here on (in doubt: an earlier run broke off before the request
    was surely accepted; should the provider not know it, it is bought after all). ``usd`` is what is then expected to
    be billed, ``reserve_usd`` the worst case that will be reserved, ``list_usd`` the list price in any case.
    """

    request: AuroraRequest
    price: Price
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
        return self.list_usd if self.may_be_bought else Decimal(0)

    @property
    def may_be_bought(self) -> bool:
        return self.standing in ("new", "in doubt")

    @property
    def reserve_usd(self) -> Decimal:
        return billed_seconds(self.seconds + PADDING_SECONDS) * self.price.usd_per_second


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
    def reserve_usd(self) -> Decimal:
        """Worst case of what may be bought: what a cap is compared with."""
        return sum((clip.reserve_usd for clip in self.to_buy), Decimal(0))

    @property
    def to_buy(self) -> tuple[QuotedClip, ...]:
        """Clips that this run may buy."""
        return tuple(clip for clip in self.clips if clip.may_be_bought)

    def assert_covers(self, later: Quote) -> None:
        """Raise `SpendRefused` when ``later`` would buy anything that this quote did not name, or for more."""
        agreed = {clip.request.fingerprint for clip in self.to_buy}
        added = [clip.clip_id for clip in later.to_buy if clip.request.fingerprint not in agreed]
        if added or later.reserve_usd > self.reserve_usd:
            raise SpendRefused(
                f"The campaign changed since it was quoted ({', '.join(added) or 'a price rose'}); look at a new "
                "quote and agree again. Nothing was spent."
            )


def quote_campaign(settings: Settings, campaign: Campaign, speeches: Sequence[Speech]) -> Quote:
    """Price every clip that has speech. Spends nothing.

    Raises `PriceUnknown` when a price is missing or (with fal) past its expiry.
    """
    ledger = open_ledger(settings.ledger)
    book, today = read_price_book(settings.price_book), datetime.now(UTC).date()
    requests = _requests(settings, campaign, speeches)
    standing = standing_charges(settings, ledger, [request.fingerprint for request in requests])
    clips = []
    for request in requests:
        resolution, charge = request.script.resolution, standing.get(request.fingerprint)
        price = book.price(ENDPOINT, resolution, on=today, allow_expired=settings.provider == "studio")
        clips.append(QuotedClip(request, price, charge, _standing(charge)))
    return Quote(campaign.name, settings.provider, tuple(clips), _left(settings, ledger, campaign))


def _requests(settings: Settings, campaign: Campaign, speeches: Sequence[Speech]) -> list[AuroraRequest]:
    spoken = by_clip(speeches)
    image_of = functools.cache(lambda portrait: sent_image(portrait_file(settings, campaign.folder, portrait)))
    return [
        AuroraRequest(script, spoken[script.clip_id], image_of(script.portrait))
        for script in campaign.scripts
        if is_spoken(script, spoken.get(script.clip_id))
    ]


def _standing(charge: Charge | None) -> str:
    if charge is None or charge.state == "reserved":
        return "new"
    if charge.state in ("sending", "unknown"):
        return "in doubt"
    if charge.state == "rejected":
        return "refused"
    return "bought" if charge.state in ("stored", "settled") else "under way"


def is_spoken(script: Script, speech: Speech | None) -> bool:
    """True when ``speech`` says today's script; anything else must not be bought for it."""
    return speech is not None and not changed_since_spoken(script, speech)


def standing_charges(settings: Settings, ledger: Ledger, fingerprints: Sequence[str]) -> dict[str, Charge]:
    """The charges that already cover requests. A bought video is never drafted over: it serves drafts too."""
    standing = ledger.live(settings.provider, fingerprints)
    if settings.provider == "studio":
        bought = ledger.live("fal", fingerprints)
        standing |= {key: charge for key, charge in bought.items() if charge.state == "settled"}
    return standing


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
