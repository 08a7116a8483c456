"""Every campaign once a night, when somebody turns it on: what is finished is kept, what failed is tried again."""

from collections.abc import Iterator

import dagster as dg

from .inbox import campaign_folders
from .jobs import run_campaign
from .partitions import registered
from .resources import Aurora


@dg.schedule(
    job=run_campaign,
    cron_schedule="0 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
def nightly_campaigns(
    context: dg.ScheduleEvaluationContext, aurora: dg.ResourceParam[Aurora]
) -> Iterator[dg.RunRequest]:
    """Runs every registered campaign at 02:00 UTC. With provider fal it only prepares and quotes; people buy."""
    settings = aurora.read_settings()
    is_free = settings.provider == "studio"
    selection = None if is_free else [dg.AssetKey("script_table"), dg.AssetKey("tts_audio")]
    present = set(campaign_folders(settings))
    for name in registered(context.instance):
        if name in present:
            key = f"{name}:{context.scheduled_execution_time:%Y-%m-%d}"
            yield dg.RunRequest(run_key=key, partition_key=name, asset_selection=selection)
