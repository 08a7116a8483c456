"""Every campaign once a night, when somebody turns it on: what is finished is kept, what failed is tried again."""

from collections.abc import Iterator, Sequence

import dagster as dg

from ..aurora_videos.affordable import is_capped
from ..settings import Settings
from .inbox import campaign_folders
from .jobs import run_campaign
from .partitions import registered
from .resources import Aurora

FREE = (dg.AssetKey("script_table"), dg.AssetKey("tts_audio"))


@dg.schedule(
    job=run_campaign,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
def nightly_campaigns(
    context: dg.ScheduleEvaluationContext, aurora: dg.ResourceParam[Aurora]
) -> Iterator[dg.RunRequest]:
    """Runs every registered campaign at 02:00 UTC. Off until somebody turns it on.

    With provider fal it buys only what a person has let it: rows approved with `aurora approve` or in scripts.csv, or
    anything within AURORA_MAX_USD_PER_RUN or AURORA_MAX_USD_PER_DAY. A campaign with neither is only prepared and
    quoted.
    """
    settings = aurora.read_settings()
    present = set(campaign_folders(settings))
    for name in registered(context.instance):
        if name in present:
            key = f"{name}:{context.scheduled_execution_time:%Y-%m-%d}"
            yield dg.RunRequest(run_key=key, partition_key=name, asset_selection=_selection(aurora, settings, name))


def _selection(aurora: Aurora, settings: Settings, campaign: str) -> Sequence[dg.AssetKey] | None:
    """Every stage, or only the free ones where nobody has said yes to anything."""
    may_go_on = settings.provider == "studio" or is_capped(settings) or aurora.has_approvals(settings, campaign)
    return None if may_go_on else list(FREE)
