"""The core as Dagster's door sees it: one plain object, handed to every asset, check, sensor and schedule.

It keeps functions and no values: settings are read when work starts, and a key is never here to be printed.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import dagster as dg

from .. import pipeline
from ..deliverables import Delivered
from ..errors import BadInput
from ..pipeline import Job, Published
from ..script_table import Campaign
from ..settings import Settings, from_environment
from ..stage_tables import StageTable
from ..tts_audio import Speech
from .progress import DagsterProgress
from .refusals import Waiting, usd_of_config, waiting_of

if TYPE_CHECKING:
    from ..aurora_videos import Video
    from ..aurora_videos.quoted import Quote
    from ..aurora_videos.reconcile import Reconciled
    from ..aurora_videos.speech_quote import SpeechQuote
    from ..aurora_videos.waivers import Waived


class Stages(Protocol):
    """The five stages and the quote; `pipeline` is the real thing, tests have a cheap one."""

    def script_table(self, job: Job) -> Campaign: ...
    def quote_speech(self, job: Job) -> "SpeechQuote": ...
    def tts_audio(self, job: Job, *, approved: "SpeechQuote | None" = None) -> StageTable[Speech]: ...
    def aurora_videos(self, job: Job, *, approved: "Quote | None" = None) -> "StageTable[Video]": ...
    def deliverables(self, job: Job) -> Delivered: ...
    def warehouse(self, job: Job) -> Published: ...
    def quote_campaign(self, job: Job) -> "Quote": ...


def _read_campaign(settings: Settings, campaign: str) -> Campaign:
    from ..script_table import read_campaign

    return read_campaign(settings, campaign)


def _campaign_sha256(settings: Settings, campaign: str) -> str:
    from ..script_table import campaign_sha256

    return campaign_sha256(settings, campaign)


def _has_approvals(settings: Settings, campaign: str) -> bool:
    """A person said yes to some row: with `aurora approve`, or in scripts.csv. False while the files are broken."""
    from ..aurora_videos.approvals import standing_approvals
    from ..aurora_videos.ledger import open_ledger

    if standing_approvals(open_ledger(settings.ledger), campaign):
        return True
    with contextlib.suppress(BadInput):
        return any(script.approved for script in _read_campaign(settings, campaign).scripts)
    return False


def _affordable(settings: Settings, quote: Any) -> Any:
    from ..aurora_videos.affordable import affordable

    return affordable(settings, quote)


def _waived(settings: Settings, campaign: str) -> "Waived":
    from ..aurora_videos.ledger import open_ledger
    from ..aurora_videos.waivers import waived

    return waived(open_ledger(settings.ledger), campaign)


def _why_stopped(settings: Settings) -> tuple[str, ...]:
    from ..aurora_videos.breaker import open_trips
    from ..aurora_videos.ledger import open_ledger

    return tuple(trip.sentence for trip in open_trips(open_ledger(settings.ledger), "fal"))


def _spent_so_far(settings: Settings, run_id: str) -> str:
    from ..aurora_videos.spent import spent_so_far

    return spent_so_far(settings, run_id)


@dataclass(frozen=True)
class Aurora:
    """What this code location calls. Every field is a function of the core, so that tests can hand in another."""

    stages: Stages = pipeline
    read_settings: Callable[[], Settings] = from_environment
    read_campaign: Callable[[Settings, str], Campaign] = _read_campaign
    campaign_sha256: Callable[[Settings, str], str] = _campaign_sha256
    spent_so_far: Callable[[Settings, str], str] = _spent_so_far
    reconcile_bills: Callable[[Settings], "Reconciled"] = pipeline.reconcile_bills
    bills_to_reconcile: Callable[[Settings], int] = pipeline.bills_to_reconcile
    has_approvals: Callable[[Settings, str], bool] = _has_approvals
    affordable: Callable[[Settings, Any], Any] = _affordable  # a quote of either kind, as it may be carried out
    why_stopped: Callable[[Settings], tuple[str, ...]] = _why_stopped
    waived: Callable[[Settings, str], "Waived"] = _waived

    def job(self, context: dg.AssetExecutionContext, *, max_usd: float | None = None) -> Job:
        """This asset step as the core's `Job`. Raises `BadSetting` for a ``max_usd`` that is no amount."""
        return replace(self._job(context.partition_key, context.run, max_usd), progress=DagsterProgress(context))

    def job_of_check(self, context: dg.AssetCheckExecutionContext, *, max_usd: float | None = None) -> Job:
        """A check's `Job`: it reads what the stages wrote, and reports no progress."""
        return self._job(context.partition_key, context.run, max_usd)

    def waiting(self, job: Job, quote: "Quote") -> Waiting | None:
        """The clips of a quote that wait for a person's yes; a campaign with approval: required wants it row by row."""
        is_required = self.read_campaign(job.settings, job.campaign).approval == "required"
        return waiting_of(quote, cap_helps=job.needs_approval and not is_required)

    def _job(self, campaign: str, run: dg.DagsterRun, max_usd: float | None) -> Job:
        """Nobody agrees to a quote here: without a cap that a person set, only rows that a person approved are bought.

        The run's own cap becomes part of the settings, so that the ledger keeps it with every single claim.
        """
        from ..aurora_videos.affordable import capped, is_capped

        settings = capped(self.read_settings(), usd_of_config(max_usd))
        needs_approval = settings.provider == "fal" and not is_capped(settings)
        return Job(settings, campaign, run.run_id, door="dagster", needs_approval=needs_approval)


def max_usd_of(run: dg.DagsterRun) -> float | None:
    """``max_usd`` of the run's config, for a check: it configures another step than the check's. None when not set."""
    config: Any = run.run_config
    for key in ("ops", "aurora_videos", "config", "max_usd"):
        config = config.get(key) if isinstance(config, Mapping) else None
    return float(config) if isinstance(config, int | float) else None
