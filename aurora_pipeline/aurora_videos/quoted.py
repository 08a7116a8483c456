"""The nouns of a quote: what may be bought, clip by clip, and the plan that is agreed to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Generic, Protocol, Self, TypeVar

from ..errors import SpendRefused
from ..price_book import Price, billed_seconds
from ..script_table import Script
from .records import Charge, Waiver
from .request import AuroraRequest

# Room for a provider that pads its video beyond the audio (unknown for Aurora; half a second is half the billing unit).
PADDING_SECONDS = 0.5
MAY_BE_BOUGHT = ("new", "changed", "in doubt")
HELD_BACK = "held back"
HELD = ("unfit", "not approved", HELD_BACK)


class Request(Protocol):
    """Something that can be bought for one clip; equal fingerprints are bought once."""

    @property
    def script(self) -> Script: ...

    @property
    def endpoint(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...


Asked_co = TypeVar("Asked_co", bound=Request, covariant=True)


@dataclass(frozen=True)
class Quoted(Generic[Asked_co]):
    """One purchase of a quote. ``standing`` says what a run would do with it, ``why`` why, where that is not plain.

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

    request: Asked_co
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
    def list_usd(self) -> Decimal:
        """What it costs in any case, US dollars, as expected."""
        raise NotImplementedError

    @property
    def reserve_usd(self) -> Decimal:
        """The worst case of it, US dollars."""
        raise NotImplementedError

    @property
    def usd(self) -> Decimal:
        return self.list_usd if self.may_be_bought else Decimal(0)

    @property
    def may_be_bought(self) -> bool:
        return self.standing in MAY_BE_BOUGHT and not self.only_followed

    def held_back(self, why: str) -> Self:
        """The same, not to be bought; what may have been accepted is still looked up, and what is paid still fetched.

        ``why`` is a guard's sentence; that nothing was spent is said where it is told.
        """
        if self.standing == "in doubt":
            return replace(self, only_followed=True)
        is_twin = self.standing == "reused" and self.charge is None  # of one that would have been bought
        why = why.removesuffix(" Nothing was spent.").removesuffix(" Nothing more was spent.")
        return replace(self, standing=HELD_BACK, why=why) if self.may_be_bought or is_twin else self


@dataclass(frozen=True)
class QuotedClip(Quoted[AuroraRequest]):
    """One clip's video: billed by the started second. ``waiver`` is a person's for what was heard in its speech."""

    waiver: Waiver | None = None

    @property
    def seconds(self) -> float:
        return self.request.speech.seconds

    @property
    def list_usd(self) -> Decimal:
        return billed_seconds(self.seconds) * self.usd_per_second

    @property
    def reserve_usd(self) -> Decimal:
        return billed_seconds(self.seconds + PADDING_SECONDS) * self.usd_per_second

    @property
    def usd_per_second(self) -> Decimal:
        """Zero only for what is held back because nobody knows its price."""
        return self.price.usd_per_second if self.price is not None else Decimal(0)


Line_co = TypeVar("Line_co", bound=Quoted[Any], covariant=True)


@dataclass(frozen=True)
class AnyQuote(Generic[Line_co]):
    """A whole campaign's quote, of its videos or of its paid speech.

    ``left`` is what each limited scope (campaign, run, day, month) has left, US dollars; empty when drafts are free.
    """

    campaign: str
    provider: str
    clips: tuple[Line_co, ...]
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
    def to_buy(self) -> tuple[Line_co, ...]:
        """Clips that this run may buy."""
        return tuple(clip for clip in self.clips if clip.may_be_bought)

    @property
    def held(self) -> tuple[Line_co, ...]:
        """Clips that are not bought although they are missing, each with its reason."""
        return tuple(clip for clip in self.clips if clip.standing in HELD)

    @property
    def left_usd(self) -> Decimal | None:
        """The least that any scope has left: what can still be reserved. None when nothing is limited."""
        return min(self.left.values(), default=None)

    def carried_out(self, later: Self) -> Self:
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

    def assert_covers(self, later: Self) -> None:
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


@dataclass(frozen=True)
class Quote(AnyQuote[QuotedClip]):
    """The quote of a campaign's videos."""
