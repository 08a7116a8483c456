"""What a campaign's videos would cost now, clip by clip, before anything is sent: the plan that is agreed to."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal

from ..errors import PriceUnknown, SpendRefused
from ..gear.media_store import MediaStore
from ..models import read_models
from ..price_book import Price, billed_seconds, read_price_book
from ..script_table import Campaign, Script, portrait_file
from ..script_table.records import SpeechSettings
from ..settings import Settings
from ..stage_tables import by_clip, read_rows
from ..tts_audio import Speech
from ..tts_audio.outdated import AS_SHIPPED, changed_since_spoken
from .approvals import approve_as_written, standing_approvals
from .changes import changed_inputs
from .ledger import Ledger, open_ledger
from .ledger_tables import IN_DOUBT
from .records import Charge, Video
from .request import AuroraRequest, sent_image
from .spending import KINDS, Limits, scopes_of
from .suitability import Suitability, suitability_of

# Room for a provider that pads its video beyond the audio (unknown for Aurora; half a second is half the billing unit).
PADDING_SECONDS = 0.5
MAY_BE_BOUGHT = ("new", "changed", "in doubt")
HELD_BACK = "held back"
HELD = ("unfit", "not approved", HELD_BACK)


@dataclass(frozen=True)
class QuotedClip:
    """One clip of a quote. ``standing`` says what a run would do with it; ``why`` says why, where that is not plain.

    ========== ============================================================================================
    new        bought for the first time
    changed    bought again, because of what ``why`` names: script, voice, portrait, parameters
    in doubt   an earlier run broke off before it was surely accepted; bought if the provider does not know it
    under way  accepted already: only followed
    bought     here already: kept
    reused     another clip (``why``) has bought exactly this: kept, $0
    refused    the model said no to these inputs; may have been billed, so it is not asked again
    unfit      would be refused or wasted (``why``): not bought
    not approved   waits for a person's yes: not bought
    held back  a guard says no (``why``): its price, a budget or the breaker; not bought
    ========== ============================================================================================

    Only the first three may cost money from here on. ``usd`` is what is then expected to be billed, ``reserve_usd`` the
    worst case that will be reserved, ``list_usd`` the list price in any case. ``warnings`` are sentences about a clip
    that is bought all the same. ``only_followed`` is set for a clip in doubt that may not be bought anew: it is looked
    up and, if it was accepted, fetched. ``price`` is None only for one that is held back because it has none.
    """

    request: AuroraRequest
    price: Price | None
    charge: Charge | None
    standing: str
    why: str = ""
    warnings: tuple[str, ...] = ()
    only_followed: bool = False

    @property
    def clip_id(self) -> str:
        return self.request.script.clip_id

    @property
    def seconds(self) -> float:
        return self.request.speech.seconds

    @property
    def list_usd(self) -> Decimal:
        return billed_seconds(self.seconds) * self.usd_per_second

    @property
    def usd(self) -> Decimal:
        return self.list_usd if self.may_be_bought else Decimal(0)

    @property
    def may_be_bought(self) -> bool:
        return self.standing in MAY_BE_BOUGHT and not self.only_followed

    @property
    def reserve_usd(self) -> Decimal:
        return billed_seconds(self.seconds + PADDING_SECONDS) * self.usd_per_second

    @property
    def usd_per_second(self) -> Decimal:
        """Zero only for what is held back because nobody knows its price."""
        return self.price.usd_per_second if self.price is not None else Decimal(0)

    def held_back(self, why: str) -> QuotedClip:
        """The same, not to be bought; what may have been accepted is still looked up, and what is paid still fetched.

        ``why`` is a guard's sentence; that nothing was spent is said where it is told.
        """
        if self.standing == "in doubt":
            return replace(self, only_followed=True)
        is_twin = self.standing == "reused" and self.charge is None  # of one that would have been bought
        why = why.removesuffix(" Nothing was spent.").removesuffix(" Nothing more was spent.")
        return replace(self, standing=HELD_BACK, why=why) if self.may_be_bought or is_twin else self


@dataclass(frozen=True)
class Quote:
    """A whole campaign's quote. ``left`` is what each limited scope (campaign, run, day, month) has left, US dollars.

    It is empty when drafts are free.
    """

    campaign: str
    provider: str
    clips: tuple[QuotedClip, ...]
    left: dict[str, Decimal]

    @property
    def usd(self) -> Decimal:
        """Expected bill of what may be bought."""
        return sum((clip.usd for clip in self.clips), Decimal(0))

    @property
    def reserve_usd(self) -> Decimal:
        """Worst case of what may be bought: what a cap is compared with."""
        return sum((clip.reserve_usd for clip in self.to_buy), Decimal(0))

    @property
    def to_buy(self) -> tuple[QuotedClip, ...]:
        """Clips that this run may buy."""
        return tuple(clip for clip in self.clips if clip.may_be_bought)

    @property
    def held(self) -> tuple[QuotedClip, ...]:
        """Clips that are not bought although they are missing, each with its reason."""
        return tuple(clip for clip in self.clips if clip.standing in HELD)

    @property
    def left_usd(self) -> Decimal | None:
        """The least that any scope has left: what can still be reserved. None when nothing is limited."""
        return min(self.left.values(), default=None)

    def carried_out(self, later: Quote) -> Quote:
        """``later``, made just before buying, less what this quote held back when it was agreed to.

        Raises `SpendRefused` when it would buy anything that this one did not name, or anything for more.
        """
        back = {clip.request.fingerprint: clip.why for clip in self.clips if clip.standing == HELD_BACK}
        doubtful = {clip.request.fingerprint for clip in self.clips if clip.only_followed}
        back |= dict.fromkeys(doubtful, "it was not accepted after all, and nobody agreed to buy it now; run again.")
        named = [(clip, back.get(clip.request.fingerprint)) for clip in later.clips]
        later = replace(later, clips=tuple(clip if why is None else clip.held_back(why) for clip, why in named))
        self.assert_covers(later)
        return later

    def assert_covers(self, later: Quote) -> None:
        """Raise `SpendRefused` when ``later`` would buy anything that this quote did not name, or anything for more."""
        agreed = {clip.request.fingerprint: clip.reserve_usd for clip in self.to_buy}
        changed = [
            clip.clip_id if most is None else f"the price of {clip.clip_id} rose"
            for clip in later.to_buy
            if (most := agreed.get(clip.request.fingerprint)) is None or clip.reserve_usd > most
        ]
        if changed:
            raise SpendRefused(
                f"The campaign changed since it was quoted ({', '.join(changed)}); look at a new quote and agree "
                "again. Nothing was spent."
            )


def quote_campaign(
    settings: Settings, campaign: Campaign, speeches: Sequence[Speech], *, run_id: str, needs_approval: bool = False
) -> Quote:
    """Price every clip that has speech. Spends nothing.

    With ``needs_approval`` only rows that a person approved may be bought, whatever the campaign says: nobody is there
    to agree to the quote as a whole. With fal a clip whose price is missing or past its expiry is held back, unless it
    is paid for already; a draft without a price raises `PriceUnknown`.
    """
    return _Quoting(settings, campaign, needs_approval).quote(speeches, run_id)


class _Quoting:
    """One quote being made: what is read once for all its clips."""

    def __init__(self, settings: Settings, campaign: Campaign, needs_approval: bool) -> None:
        self.settings, self.campaign = settings, campaign
        self.ledger = open_ledger(settings.ledger)
        self.store = MediaStore(settings.media)
        self.book = read_price_book(settings.price_book)
        self.models = read_models(settings.models)
        self.is_paid = settings.provider == "fal"
        self.needs_approval = self.is_paid and (needs_approval or campaign.approval == "required")
        self.approved: set[str] = set()

    def quote(self, speeches: Sequence[Speech], run_id: str) -> Quote:
        requests = self._requests(speeches)
        charges = standing_charges(self.settings, self.ledger, [request.fingerprint for request in requests])
        before = self._bought_before()
        self.approved = self._approved(requests) if self.needs_approval else set()
        clips = tuple(
            self._clip(request, charges.get(request.fingerprint), before.get(request.script.clip_id))
            for request in requests
        )
        left = left_in_scopes(self.ledger, self.settings, self.campaign, run_id)
        return Quote(self.campaign.name, self.settings.provider, _each_once(clips), left)

    def _approved(self, requests: Sequence[AuroraRequest]) -> set[str]:
        """The fingerprints that a person said yes to, by command or in scripts.csv."""
        written = [(each.script.clip_id, each.fingerprint) for each in requests if each.script.approved]
        approve_as_written(self.ledger, self.campaign.name, written)
        return {each.fingerprint for each in standing_approvals(self.ledger, self.campaign.name)}

    def _requests(self, speeches: Sequence[Speech]) -> list[AuroraRequest]:
        spoken = by_clip(speeches)
        image_of = functools.cache(
            lambda portrait: sent_image(portrait_file(self.settings, self.campaign.folder, portrait))
        )
        return [
            AuroraRequest(script, spoken[script.clip_id], image_of(script.portrait), self.models.named(script.model))
            for script in self.campaign.scripts
            if is_spoken(script, spoken.get(script.clip_id), self.campaign.speech)
        ]

    def _bought_before(self) -> dict[str, Charge]:
        """The charge behind each clip's present video: what a changed clip is compared with."""
        videos = read_rows(self.settings, "aurora_videos", self.campaign.name, Video)
        mine = {video.charge_id: video.clip_id for video in videos if video.provider == self.settings.provider}
        charges = self.ledger.charges(charge_ids=list(mine)) if mine else []
        return {mine[charge.charge_id]: charge for charge in charges}

    def _clip(self, request: AuroraRequest, charge: Charge | None, before: Charge | None) -> QuotedClip:
        standing, why = _standing(request, charge, before)
        if standing not in MAY_BE_BOUGHT:
            return QuotedClip(request, self._price_then(request, charge), charge, standing, why)
        fitness = suitability_of(self.store, self.campaign, request)
        held, why_held = self._held_back(request, standing, why, fitness)
        is_only_followed = standing == "in doubt" and held in HELD
        held, why_held = (standing, why) if is_only_followed else (held, why_held)
        price = self._price_then(request, charge)
        clip = QuotedClip(request, price, charge, held, why_held, fitness.warnings, is_only_followed)
        try:
            return replace(clip, price=self._price(request, allow_expired=not self.is_paid))
        except PriceUnknown as unknown:
            if not self.is_paid:
                raise
            return clip.held_back(str(unknown))

    def _price(self, request: AuroraRequest, *, allow_expired: bool) -> Price:
        today = datetime.now(UTC).date()
        return self.book.price(request.endpoint, request.price_resolution, on=today, allow_expired=allow_expired)

    def _price_then(self, request: AuroraRequest, charge: Charge | None) -> Price | None:
        """What is only told: the book's price, however old, or the one that a charge was made at; None for neither."""
        with contextlib.suppress(PriceUnknown):
            return self._price(request, allow_expired=True)
        if charge is None:
            return None
        day = charge.planned_at.date()
        return Price(charge.endpoint, charge.resolution, charge.usd_per_second, day, day, charge.price_source)

    def _held_back(self, request: AuroraRequest, standing: str, why: str, fitness: Suitability) -> tuple[str, str]:
        """What paid video must pass first. Drafts are free: a bad one is how people see what is wrong."""
        if not self.is_paid:
            return standing, why
        if fitness.unfit:
            return "unfit", "; ".join(fitness.unfit)
        script = request.script
        if script.approved is False:
            return "not approved", "scripts.csv says approved: no"
        if self.needs_approval and request.fingerprint not in self.approved:
            edited = "it was changed since scripts.csv said yes; " if script.approved else ""
            return "not approved", f"{edited}run: aurora approve {self.campaign.name} {script.clip_id}"
        return standing, why


def _standing(request: AuroraRequest, charge: Charge | None, before: Charge | None) -> tuple[str, str]:
    if charge is None or charge.state == "reserved":
        changed = changed_inputs(before, request) if before is not None else ()
        return ("changed", ", ".join(changed)) if changed else ("new", "")
    if charge.state in IN_DOUBT:
        return "in doubt", charge.sentence or ""
    if charge.state == "rejected" or charge.is_without_video:
        return "refused", charge.sentence or ""
    if charge.state not in ("stored", "settled"):
        return "under way", ""
    script = request.script
    is_own = (charge.campaign, charge.clip_id) == (script.campaign, script.clip_id)
    return ("bought", "") if is_own else ("reused", f"{charge.campaign}/{charge.clip_id}")


def _each_once(clips: tuple[QuotedClip, ...]) -> tuple[QuotedClip, ...]:
    """Two rows that ask for exactly the same are bought once: the first pays, the others reuse it."""
    first: dict[str, QuotedClip] = {}
    for clip in clips:
        if clip.may_be_bought:
            first.setdefault(clip.request.fingerprint, clip)
    return tuple(
        replace(clip, standing="reused", why=f"{clip.request.script.campaign}/{one.clip_id}")
        if clip.may_be_bought and (one := first[clip.request.fingerprint]) is not clip
        else clip
        for clip in clips
    )


def is_spoken(script: Script, speech: Speech | None, asked: SpeechSettings = AS_SHIPPED) -> bool:
    """True when ``speech`` says today's script; anything else must not be bought for it."""
    return speech is not None and not changed_since_spoken(script, speech, asked)


def standing_charges(settings: Settings, ledger: Ledger, fingerprints: Sequence[str]) -> dict[str, Charge]:
    """The charges that already cover requests. A bought video is never drafted over: it serves drafts too."""
    standing = ledger.live(settings.provider, fingerprints)
    if settings.provider == "studio":
        bought = ledger.live("fal", fingerprints)
        standing |= {key: charge for key, charge in bought.items() if charge.state == "settled" and charge.video_sha256}
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


def limits_of(settings: Settings, campaign: Campaign) -> Limits:
    """The most that may be spent with the current provider, by scope; drafts are free and have no limits."""
    if settings.provider != "fal":
        return Limits()
    return Limits(
        campaign_usd=campaign.budget_usd,
        run_usd=settings.max_usd_per_run,
        day_usd=settings.max_usd_per_day,
        month_usd=settings.max_usd_per_month,
    )


def left_in_scopes(ledger: Ledger, settings: Settings, campaign: Campaign, run_id: str) -> dict[str, Decimal]:
    """What each limited scope has left, US dollars; never below zero."""
    limits, names = limits_of(settings, campaign), scopes_of(campaign.name, run_id, datetime.now(UTC))
    limited = {kind: limit for kind in KINDS if (limit := limits.of(kind)) is not None}
    taken = {kind: ledger.spending(settings.provider, kind, names[kind]).taken_usd for kind in limited}
    return {kind: max(limit - taken[kind], Decimal(0)) for kind, limit in limited.items()}
