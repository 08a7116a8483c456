"""The core as Dagster's door sees it: one plain object, handed to every asset, check, sensor and schedule.

It keeps functions and no values: settings are read when work starts, and a key is never here to be printed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import dagster as dg

from .. import pipeline
from ..deliverables import Delivered
from ..pipeline import Job, Published
from ..script_table import Campaign
from ..settings import Settings, from_environment
from ..stage_tables import StageTable
from ..tts_audio import Speech
from .progress import DagsterProgress

if TYPE_CHECKING:
    from ..aurora_videos import Video
    from ..aurora_videos.quote import Quote


class Stages(Protocol):
    """The five stages and the quote; `pipeline` is the real thing, tests have a cheap one."""

    def script_table(self, job: Job) -> Campaign: ...
    def tts_audio(self, job: Job) -> StageTable[Speech]: ...
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


@dataclass(frozen=True)
class Aurora:
    """What this code location calls. Every field is a function of the core, so that tests can hand in another."""

    stages: Stages = pipeline
    read_settings: Callable[[], Settings] = from_environment
    read_campaign: Callable[[Settings, str], Campaign] = _read_campaign
    campaign_sha256: Callable[[Settings, str], str] = _campaign_sha256

    def job(self, context: dg.AssetExecutionContext) -> Job:
        """This asset step as the core's `Job`."""
        progress = DagsterProgress(context)
        return Job(self.read_settings(), context.partition_key, context.run.run_id, door="dagster", progress=progress)

    def job_of_check(self, context: dg.AssetCheckExecutionContext) -> Job:
        """A check's `Job`: it reads what the stages wrote, and reports no progress."""
        return Job(self.read_settings(), context.partition_key, context.run.run_id, door="dagster")
