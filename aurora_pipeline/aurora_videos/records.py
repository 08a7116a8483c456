"""The nouns of this stage: a `Video` is a clip that was bought (or drafted) and is in the media store.

`Plan`, `Charge`, `Bill` and `Recovery` are one purchase as the ledger sees it: before, during, at the end, and when
somebody else has to go on with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ..models import DEFAULT_MODEL
from ..price_book import SECOND

VIDEO, SPEECH, TRANSCRIPT = "video", "speech", "transcript"
KINDS_OF_CHARGE = (VIDEO, SPEECH, TRANSCRIPT)


@dataclass(frozen=True)
class Video:
    """One talking-head video as the provider returned it, with what it cost.

    ``seconds`` is the measured length of the picture; ``billed_seconds`` is that rounded up. ``usd`` is the amount on
    the provider's bill for the charge; for ``is_draft`` videos it is what the local studio would have billed and
    nothing was paid. ``was_reused`` says that another clip had bought it already: then ``usd`` is 0 here, so that sums
    over videos never count a charge twice.
    """

    campaign: str
    clip_id: str
    provider: str
    is_draft: bool
    endpoint: str
    fingerprint: str
    charge_id: str
    request_id: str
    sha256: str
    speech_sha256: str
    portrait_sha256: str
    resolution: str
    width: int
    height: int
    fps: float
    seconds: float
    billed_seconds: int
    usd_per_second: Decimal
    usd: Decimal
    was_reused: bool
    model: str = DEFAULT_MODEL


@dataclass(frozen=True)
class Plan:
    """What one purchase would be: everything the ledger must hold before a byte is sent.

    ``kind`` is one of `KINDS_OF_CHARGE`; ``usd_per_unit`` is US dollars of one ``unit`` (of price_book.UNITS), of which
    ``wanted_units`` are expected on the bill. ``audio_seconds`` is the sound that is sent, 0 for speech. ``inputs`` is
    JSON of what the clip was made from, part by part: how a later quote says what changed. ``arguments`` is JSON of
    the whole request where no upload marks it: how a lost one is found again.
    """

    charge_id: str
    provider: str
    fingerprint: str
    campaign: str
    clip_id: str
    run_id: str
    endpoint: str
    resolution: str
    audio_seconds: float
    usd_per_unit: Decimal
    price_source: str
    reserved_usd: Decimal
    inputs: str | None = None
    kind: str = VIDEO
    unit: str = SECOND
    wanted_units: Decimal | None = None
    arguments: str | None = None


@dataclass(frozen=True)
class Bill:
    """What a finished purchase costs. ``source`` is ``measured``, ``reported`` or ``event``: who said so.

    ``seconds`` is None for what is not billed by the second. ``reported_usd`` is the provider's own count of units
    times its unit price; None when it named neither.
    """

    seconds: int | None
    usd: Decimal
    source: str
    reported_usd: Decimal | None = None


@dataclass(frozen=True)
class Recovery:
    """What a later worker needs to carry on with somebody's charge."""

    owner_is_gone: bool
    audio_url: str | None
    result: dict[str, Any] | None
    arguments: dict[str, Any] | None = None


@dataclass(frozen=True)
class Charge:
    """One purchase, as the ledger keeps it: written before anything is sent, settled once.

    ``state`` is one of the words of `ledger_tables.STATES`. ``reserved_usd`` is the worst case held inside the budget;
    ``billed_usd`` is the provider's bill. With provider ``studio`` nothing is paid: it is what it would be.
    ``reported_usd`` is what the provider's units came to at its own unit price; ``bill_source`` says whose word
    ``billed_usd`` is: ``measured``, ``reported`` or ``event`` (its billing record). ``sentence`` says why a charge was
    refused, voided or is unknown. ``inputs`` is JSON of what the clip was made from, part by part.

    ``kind`` says what was bought (`KINDS_OF_CHARGE`); ``usd_per_unit`` is the price of one ``unit``, of which
    ``wanted_units`` were expected when it was planned. ``video_sha256`` is the file that came back, whatever its kind;
    ``billed_seconds`` is of a video only.
    """

    charge_id: str
    provider: str
    fingerprint: str
    campaign: str
    clip_id: str
    run_id: str
    endpoint: str
    resolution: str
    state: str
    request_id: str | None
    audio_seconds: float
    usd_per_unit: Decimal
    price_source: str
    reserved_usd: Decimal
    billed_seconds: int | None
    billable_units: Decimal | None
    billed_usd: Decimal | None
    video_sha256: str | None
    sentence: str | None
    planned_at: datetime
    sent_at: datetime | None
    accepted_at: datetime | None
    settled_at: datetime | None
    inputs: str | None = None
    reported_usd: Decimal | None = None
    bill_source: str | None = None
    kind: str = VIDEO
    unit: str = SECOND
    wanted_units: Decimal | None = None

    @property
    def is_without_video(self) -> bool:
        """True when it was billed although the model refused the inputs: spent, and never asked for again."""
        return self.state == "settled" and self.video_sha256 is None


@dataclass(frozen=True)
class Waiver:
    """One person's yes to one clip's audio as it is, with the reason; ``speech_sha256`` is the speech's `waived_as`."""

    campaign: str
    clip_id: str
    speech_sha256: str
    reason: str
    waived_by: str
    waived_at: datetime

    @property
    def said(self) -> str:
        """``Waived by Ada: it is a pun``."""
        return f"Waived by {self.waived_by}: {self.reason}"


@dataclass(frozen=True)
class StageRun:
    """One execution of one stage for one campaign, from either door (``cli`` or ``dagster``)."""

    run_id: str
    campaign: str
    stage: str
    door: str
    provider: str
    version: str
    started_at: datetime
    ended_at: datetime
    rows: int
    made: int
    failures: int
    billed_usd: Decimal
    sentence: str | None
