"""The five stages as functions over one `Job`.  Both doors, the command line and Dagster, call these and nothing below.

Each stage reads what the stage before wrote (Parquet), does its work, writes its own table and records that it ran.
So a stage can be run alone, in another process or on another day, and finds everything it needs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .aurora_videos import StageRun, Video
from .deliverables import Deliverable, Delivered, Quality
from .errors import AuroraError, WarehouseLost
from .progress import Progress, Silent
from .script_table import Campaign, Script
from .settings import Settings
from .stage_tables import STAGES, Failure, StageTable, read_rows, write_rows, write_table
from .tts_audio import Speech

if TYPE_CHECKING:
    from .aurora_videos.quoted import Quote
    from .aurora_videos.reconcile import Reconciled
    from .aurora_videos.reconcile.compare import Window
    from .aurora_videos.speech_quote import SpeechQuote
    from .warehouse import CampaignFacts
    from .warehouse.known import RowReader

PARTING_SECONDS = 2.0  # how long a stage that was stopped, or failed, waits for a held ledger to write its own row
QUALITY = "deliverables.quality"  # the deliverables stage's second table


@dataclass(frozen=True)
class Job:
    """One campaign's run: ``door`` is ``cli`` or ``dagster``, ``run_id`` that door's name for the run.

    ``needs_approval`` is set where nobody agrees to the quote as a whole: then only rows that a person approved are
    bought.
    """

    settings: Settings
    campaign: str
    run_id: str
    door: str = "cli"
    needs_approval: bool = False
    progress: Progress = field(default_factory=Silent, repr=False)


@dataclass(frozen=True)
class Published:
    """What the warehouse stage wrote. Both paths are on this machine; ``campaign`` is the one that was loaded."""

    warehouse: Path
    report: Path
    campaign: str


@dataclass(frozen=True)
class Finished:
    """A whole run of a campaign, stage by stage."""

    campaign: Campaign
    speech: StageTable[Speech]
    videos: StageTable[Video]
    delivered: Delivered
    published: Published

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Why each missing clip is missing: the first stage that could not make it."""
        tables = (self.speech, self.videos, self.delivered.deliverables)
        return tuple(failure for table in tables for failure in table.failures)

    @property
    def made(self) -> int:
        """How many things were newly made; 0 means that there was nothing to do."""
        return self.speech.made + self.videos.made + self.delivered.deliverables.made


def script_table(job: Job) -> Campaign:
    """Read and validate the campaign's files. Raises `BadInput` with every problem at once."""
    from .script_table import read_campaign

    with _recorded(job, "script_table") as outcome:
        campaign = read_campaign(job.settings, job.campaign)
        table = StageTable(campaign.scripts)
        write_table(job.settings, "script_table", job.campaign, Script, table)
        outcome(table, Decimal(0))
    job.progress.advance("script_table", len(campaign.scripts), len(campaign.scripts))
    return campaign


def tts_audio(job: Job, *, approved: SpeechQuote | None = None) -> StageTable[Speech]:
    """Speak every script of the campaign and listen to it; what was spoken or heard before is kept.

    ``approved`` is the quote of paid speech and transcripts that somebody (or a cap) agreed to: with fal nothing else
    is bought. Raises `SpendRefused` when the campaign would now buy anything that it does not name.
    """
    from .aurora_videos.sellers import sellers_of
    from .script_table import read_campaign
    from .tts_audio.ears import recogniser_of
    from .tts_audio.speak import speak_campaign

    started_at = datetime.now(UTC)
    with _recorded(job, "tts_audio") as outcome:
        campaign, recogniser = read_campaign(job.settings, job.campaign), recogniser_of(job.settings)
        agreed = approved.carried_out(quote_speech(job)) if approved is not None else None
        with sellers_of(job.settings, campaign, agreed, run_id=job.run_id) as sellers:
            table = speak_campaign(
                job.settings, campaign, job.progress, seller=sellers.speech, recogniser=recogniser, ear=sellers.ear
            )
        write_table(job.settings, "tts_audio", job.campaign, Speech, table)
        outcome(table, _billed_since(job, started_at))
    return table


def aurora_videos(job: Job, *, approved: Quote | None = None) -> StageTable[Video]:
    """Buy (with fal) or draft (with the studio) every clip that is not bought yet.

    ``approved`` is the quote somebody (or a cap) agreed to: nothing it does not name is bought.
    """
    from .aurora_videos.render import render_campaign
    from .script_table import read_campaign

    started_at = datetime.now(UTC)
    with _recorded(job, "aurora_videos") as outcome:
        campaign = read_campaign(job.settings, job.campaign)
        speeches = read_rows(job.settings, "tts_audio", job.campaign, Speech)
        table = render_campaign(
            job.settings,
            campaign,
            speeches,
            run_id=job.run_id,
            progress=job.progress,
            approved=approved,
            needs_approval=job.needs_approval,
        )
        write_table(job.settings, "aurora_videos", job.campaign, Video, table)
        outcome(table, _billed_since(job, started_at))
    return table


def deliverables(job: Job) -> Delivered:
    """Master and renditions of every video, at one loudness, with what was measured of them."""
    from .deliverables.deliver import deliver_campaign
    from .script_table import read_campaign

    with _recorded(job, "deliverables") as outcome:
        campaign = read_campaign(job.settings, job.campaign)
        speeches = read_rows(job.settings, "tts_audio", job.campaign, Speech)
        videos = read_rows(job.settings, "aurora_videos", job.campaign, Video)
        delivered = deliver_campaign(job.settings, campaign, speeches, videos, job.progress)
        write_table(job.settings, "deliverables", job.campaign, Deliverable, delivered.deliverables)
        write_rows(job.settings, QUALITY, job.campaign, Quality, delivered.quality.rows)
        outcome(delivered.deliverables, Decimal(0))
    return delivered


def warehouse(job: Job) -> Published:
    """Load this campaign's facts into DuckDB, publish the file, and write the campaign's report."""
    from .script_table import read_campaign
    from .warehouse.load import load_campaign
    from .warehouse.report import write_report

    with _recorded(job, "warehouse") as outcome:
        facts = gather_facts(job.settings, read_campaign(job.settings, job.campaign))
        try:
            load_campaign(job.settings, facts)
        except WarehouseLost:  # missing, damaged or another version's: everything in it is kept elsewhere
            rebuild_warehouse(job.settings)
        report = write_report(job.settings, facts)
        outcome(StageTable(facts.campaign.scripts), Decimal(0))
    job.progress.advance("warehouse", 1, 1)
    return Published(job.settings.warehouse, report, job.campaign)


def rebuild_warehouse(settings: Settings) -> None:
    """Make the warehouse anew from the ledger and the stage tables of every campaign that was ever run.

    A campaign whose folder is gone or broken keeps its charges, its runs and whatever else can be read.
    """
    from .warehouse.known import known_campaigns, readable_rows
    from .warehouse.load import rebuild

    rebuild(settings, (gather_facts(settings, each, read=readable_rows) for each in known_campaigns(settings)))


def quote_speech(job: Job) -> SpeechQuote:
    """What the campaign's paid speech, and hearing it, would cost now; no lines where neither is. Spends nothing."""
    from .aurora_videos.speech_quote import quote_speech as quote
    from .script_table import read_campaign

    campaign = read_campaign(job.settings, job.campaign)
    speeches = read_rows(job.settings, "tts_audio", job.campaign, Speech)
    return quote(job.settings, campaign, speeches, run_id=job.run_id, needs_approval=job.needs_approval)


def quote_campaign(job: Job) -> Quote:
    """What the campaign would cost now, from the speech that has been made. Spends nothing."""
    from .aurora_videos.quote import quote_campaign as quote
    from .script_table import read_campaign

    speeches = read_rows(job.settings, "tts_audio", job.campaign, Speech)
    campaign = read_campaign(job.settings, job.campaign)
    return quote(job.settings, campaign, speeches, run_id=job.run_id, needs_approval=job.needs_approval)


def run_campaign(
    job: Job,
    *,
    approve: Callable[[Quote], Quote] = lambda quote: quote,
    approve_speech: Callable[[SpeechQuote], SpeechQuote] = lambda quote: quote,
) -> Finished:
    """All five stages in order. A clip that fails is left behind with its reason; its neighbours go on.

    ``approve_speech(quote)`` is asked before paid speech is bought, ``approve(quote)`` once everything is spoken and
    before any video is; each returns what was agreed to (the quote, or less of it), or raises `SpendRefused` to stop.
    """
    campaign = script_table(job)
    job.settings.assert_may_spend(campaign.budget_usd)
    speech = tts_audio(job, approved=approve_speech(quote_speech(job)))
    quote = approve(quote_campaign(job))
    return Finished(campaign, speech, aurora_videos(job, approved=quote), deliverables(job), warehouse(job))


def reconcile_bills(settings: Settings, window: Window | None = None) -> Reconciled:
    """Compare charges with the provider's bill and the stored files; the rows go to the ledger and the warehouse.

    Only reads at the provider. Raises `SpendRefused` without fal's key and `Unreachable` when its records cannot be
    read; then nothing was changed.
    """
    from .aurora_videos.reconcile.compare import reconcile_bills as compare

    found = compare(settings, window)
    if found.rows:
        _publish_reconciliations(settings, [row.subject for row in found.rows])
    return found


def bills_to_reconcile(settings: Settings) -> int:
    """How many charges of the provider are younger than 48 hours, still open, or still without their bill."""
    from .aurora_videos.ledger import open_ledger
    from .aurora_videos.reconcile.compare import Window, due_charges

    return len(due_charges(open_ledger(settings.ledger), settings.provider, Window(), at=datetime.now(UTC)))


def _publish_reconciliations(settings: Settings, subjects: Sequence[str]) -> None:
    from .aurora_videos.ledger import open_ledger
    from .aurora_videos.reconcile.kept import kept
    from .warehouse.load import load_reconciliations

    ledger, wanted = open_ledger(settings.ledger), set(subjects)
    charges = [charge for charge in ledger.charges() if charge.charge_id in wanted]
    try:
        load_reconciliations(settings, kept(ledger), charges)
    except WarehouseLost:
        rebuild_warehouse(settings)


def gather_facts(settings: Settings, campaign: Campaign, *, read: RowReader = read_rows) -> CampaignFacts:
    """Everything the stages and the ledger hold about one campaign, as it is now."""
    from .aurora_videos.ledger import open_ledger
    from .aurora_videos.reconcile.kept import kept
    from .aurora_videos.waivers import standing_waivers
    from .warehouse import CampaignFacts

    name, ledger = campaign.name, open_ledger(settings.ledger)
    videos, speeches = read(settings, "aurora_videos", name, Video), read(settings, "tts_audio", name, Speech)
    used = [video.charge_id for video in videos]
    used += [each for speech in speeches for each in (*speech.charge_ids, speech.transcript_charge_id) if each]
    return CampaignFacts(
        campaign=campaign,
        speeches=speeches,
        videos=videos,
        deliverables=read(settings, "deliverables", name, Deliverable),
        quality=read(settings, QUALITY, name, Quality),
        failures=tuple(failure for stage in STAGES for failure in read(settings, f"{stage}.failures", name, Failure)),
        charges=tuple(ledger.charges(campaign=name, charge_ids=used)),
        stage_runs=tuple(ledger.stage_runs(campaign=name)),
        reconciliations=tuple(kept(ledger, campaign=name)),
        waivers=tuple(standing_waivers(ledger, name)),
    )


@contextlib.contextmanager
def _recorded(job: Job, stage: str) -> Iterator[Callable[..., None]]:
    """Record the stage's run in the ledger, also when it raises; the body says what came out."""
    from .aurora_videos.ledger import open_ledger

    ledger = open_ledger(job.settings.ledger)  # a stage whose run could not be written down does not begin
    started_at, rows, made, failures, billed, sentence = datetime.now(UTC), 0, 0, 0, Decimal(0), None

    def outcome(table: StageTable[object], billed_usd: Decimal) -> None:
        nonlocal rows, made, failures, billed
        rows, made, failures, billed = len(table.rows), table.made, len(table.failures), billed_usd

    try:
        yield outcome
    except AuroraError as error:
        sentence = str(error)
        raise
    except BaseException as error:
        # What is no Exception came from outside: Ctrl-C, SIGTERM, or Dagster's Terminate.
        sentence = f"It ended in {type(error).__name__}." if isinstance(error, Exception) else "It was stopped."
        raise
    finally:
        run = StageRun(
            job.run_id,
            job.campaign,
            stage,
            job.door,
            job.settings.provider,
            __version__,
            started_at,
            datetime.now(UTC),
            rows,
            made,
            failures,
            billed,
            sentence,
        )
        if sentence is None:
            ledger.record_stage_run(run)
        else:  # what ended it is told, and soon, whoever may hold the ledger
            with contextlib.suppress(AuroraError):
                ledger.record_stage_run(run, patience=PARTING_SECONDS)


def _billed_since(job: Job, started_at: datetime) -> Decimal:
    """What was settled for this campaign while the stage ran, also for requests that an earlier run had sent."""
    from .aurora_videos.ledger import open_ledger

    charges = open_ledger(job.settings.ledger).charges(campaign=job.campaign)
    settled = [charge for charge in charges if charge.settled_at is not None and charge.settled_at >= started_at]
    mine = [charge for charge in settled if charge.provider == job.settings.provider]
    return sum((charge.billed_usd or Decimal(0) for charge in mine), Decimal(0))
