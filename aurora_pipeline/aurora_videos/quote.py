"""What a campaign's videos would cost now, clip by clip, before anything is sent: the plan that is agreed to."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from ..errors import PriceUnknown
from ..gear.media_store import MediaStore
from ..models import read_models
from ..price_book import Price, read_price_book
from ..script_table import Campaign, Script, portrait_file
from ..script_table.records import SpeechSettings
from ..settings import Settings
from ..stage_tables import by_clip, read_rows
from ..tts_audio import Speech
from ..tts_audio.ears import unheard_by
from ..tts_audio.outdated import AS_SHIPPED, changed_since_spoken
from .approvals import approved_fingerprints, written_in
from .changes import changed_inputs
from .ledger import Ledger, open_ledger
from .ledger_tables import IN_DOUBT
from .quoted import HELD, MAY_BE_BOUGHT, Quote, Quoted, QuotedClip, Request
from .records import Charge, Video, Waiver
from .request import AuroraRequest, sent_image
from .spending import KINDS, Limits, scopes_of
from .suitability import Suitability, suitability_of
from .waivers import waived

One = TypeVar("One", bound=Quoted[Any])


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
        self.waived = waived(self.ledger, campaign.name)

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
        return Quote(self.campaign.name, self.settings.provider, each_once(clips), left)

    def _approved(self, requests: Sequence[AuroraRequest]) -> set[str]:
        """The fingerprints that a person said yes to, by command or in scripts.csv."""
        written = [written_in(each.script, each.fingerprint) for each in requests if each.script.approved]
        return approved_fingerprints(self.ledger, self.campaign.name, written)

    def _requests(self, speeches: Sequence[Speech]) -> list[AuroraRequest]:
        spoken = by_clip(speeches)
        image_of = functools.cache(
            lambda portrait: sent_image(portrait_file(self.settings, self.campaign.folder, portrait))
        )
        return [
            AuroraRequest(script, spoken[script.clip_id], image_of(script.portrait), self.models.named(script.model))
            for script in self.campaign.scripts
            if is_spoken(script, spoken.get(script.clip_id), self.campaign.speech, is_paid=self.is_paid)
        ]

    def _bought_before(self) -> dict[str, Charge]:
        """The charge behind each clip's present video: what a changed clip is compared with."""
        videos = read_rows(self.settings, "aurora_videos", self.campaign.name, Video)
        mine = {video.charge_id: video.clip_id for video in videos if video.provider == self.settings.provider}
        charges = self.ledger.charges(charge_ids=list(mine)) if mine else []
        return {mine[charge.charge_id]: charge for charge in charges}

    def _clip(self, request: AuroraRequest, charge: Charge | None, before: Charge | None) -> QuotedClip:
        changed = changed_inputs(before, request) if before is not None else ()
        standing, why = standing_of(request, charge, changed)
        waiver = self.waived.get((request.script.clip_id, request.speech.waived_as))
        if standing not in MAY_BE_BOUGHT and not _is_draft(charge):
            price, said = self._price_then(request, charge), _said_of(request.speech, waiver)
            return QuotedClip(request, price, charge, standing, why, said, waiver=waiver)
        fitness = suitability_of(self.store, self.campaign, request, waiver)
        if unheard := unheard_by(self.settings, self.campaign, request.speech):
            fitness = fitness.unfit_also(f"nobody has listened to its speech, and {unheard} can: make tts_audio again")
        held, why_held = self._held_back(request, standing, why, fitness)
        is_only_followed = standing == "in doubt" and held in HELD
        held, why_held = (standing, why) if is_only_followed else (held, why_held)
        price = self._price_then(request, charge)
        warnings = fitness.warnings if self.is_paid else fitness.said_of_a_draft
        clip = QuotedClip(request, price, charge, held, why_held, warnings, is_only_followed, waiver)
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
        return Price(charge.endpoint, charge.resolution, charge.usd_per_unit, day, day, charge.price_source)

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


def _said_of(speech: Speech, waiver: Waiver | None) -> tuple[str, ...]:
    """Of a clip that is bought already only this: that a person accepted what failed."""
    return (waiver.said,) if waiver is not None and speech.verdict == "fail" else ()


def _is_draft(charge: Charge | None) -> bool:
    return charge is not None and charge.provider == "studio"


def standing_of(request: Request, charge: Charge | None, changed: Sequence[str]) -> tuple[str, str]:
    """What the ledger says of a request, and why; ``changed`` names what differs from what its clip had before."""
    if charge is None or charge.state == "reserved":
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


def each_once(clips: tuple[One, ...]) -> tuple[One, ...]:
    """Two rows that ask for exactly the same are bought once: the first pays, the others reuse it."""
    first: dict[str, One] = {}
    for clip in clips:
        if clip.may_be_bought:
            first.setdefault(clip.request.fingerprint, clip)
    return tuple(
        replace(clip, standing="reused", why=f"{clip.request.script.campaign}/{one.clip_id}")
        if clip.may_be_bought and (one := first[clip.request.fingerprint]) is not clip
        else clip
        for clip in clips
    )


def is_spoken(
    script: Script, speech: Speech | None, asked: SpeechSettings = AS_SHIPPED, *, is_paid: bool = False
) -> bool:
    """True when ``speech`` says today's script, and is no draft where video ``is_paid``; else nothing is bought."""
    return speech is not None and not changed_since_spoken(script, speech, asked, is_paid=is_paid)


def standing_charges(settings: Settings, ledger: Ledger, fingerprints: Sequence[str]) -> dict[str, Charge]:
    """The charges that already cover requests. A bought video is never drafted over: it serves drafts too."""
    standing = ledger.live(settings.provider, fingerprints)
    if settings.provider == "studio":
        bought = ledger.live("fal", fingerprints)
        standing |= {key: charge for key, charge in bought.items() if charge.state == "settled" and charge.video_sha256}
    return standing


def is_kept(settings: Settings, clip: Quoted[Any]) -> bool:
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
