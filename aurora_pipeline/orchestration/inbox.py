"""A campaign folder that appears or changes starts by itself: drafts are made; with provider fal it is only prepared.

The cursor remembers each campaign's files and how often they have changed, as JSON name -> [sha256, times]. A run key
is for ever, so it carries both: a tick that is repeated starts nothing twice, and going back to an earlier text, or
bringing a removed campaign back, does start again. A campaign with mistakes is not registered; the tick says which.
"""

import json
import time
from pathlib import Path

import dagster as dg

from ..errors import AuroraError
from ..gear.secrets import scrub
from ..settings import Settings
from .jobs import prepare_campaign, run_campaign
from .partitions import campaigns, registered
from .resources import Aurora

SETTLED_SECONDS = 5
Seen = tuple[str, int]  # a campaign's content hash ("" once it is removed), and how often it was seen to change


@dg.sensor(
    jobs=[prepare_campaign, run_campaign],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def campaign_inbox(context: dg.SensorEvaluationContext, aurora: dg.ResourceParam[Aurora]) -> dg.SensorResult:
    """Starts campaigns whose folder in data/campaigns is new or was changed; never spends."""
    try:
        settings = aurora.read_settings()
    except AuroraError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    seen = _remembered(context.cursor)
    found, complaints = _changed(aurora, settings, seen)
    for complaint in complaints:
        context.log.warning(complaint)
    new = sorted(set(found) - set(registered(context.instance)))
    there = campaign_folders(settings)
    kept_in_mind = {name: kept if name in there else ("", kept[1]) for name, kept in seen.items()}
    return dg.SensorResult(
        dynamic_partitions_requests=[campaigns.build_add_request(new)] if new else [],
        run_requests=[_request(settings, name, *kept) for name, kept in sorted(found.items())],
        skip_reason=None if found else "\n".join(complaints) or "No campaign is new or changed.",
        cursor=json.dumps(kept_in_mind | found, sort_keys=True),
    )


def _remembered(cursor: str | None) -> dict[str, Seen]:
    """What earlier ticks saw. A cursor of the first version held the hash alone: seen once."""
    entries = json.loads(cursor or "{}").items()
    return {name: (kept, 1) if isinstance(kept, str) else (kept[0], kept[1]) for name, kept in entries}


def campaign_folders(settings: Settings) -> list[str]:
    """Every folder of data/campaigns, also those that `script_table.campaign_names` would not call a campaign.

    A tick must be able to say what is wrong with them.
    """
    if not settings.campaigns.is_dir():
        return []
    return sorted(folder.name for folder in settings.campaigns.iterdir() if _is_campaign(folder))


def _is_campaign(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith((".", "_"))


def _changed(aurora: Aurora, settings: Settings, seen: dict[str, Seen]) -> tuple[dict[str, Seen], list[str]]:
    """Valid campaigns that are new or changed, as they are now; and the sentences of those with mistakes."""
    found: dict[str, Seen] = {}
    complaints = []
    for name in campaign_folders(settings):
        if not _is_settled(settings.campaigns / name):
            continue
        try:
            sha256 = aurora.campaign_sha256(settings, name)
            before, times = seen.get(name, ("", 0))
            if before != sha256:
                aurora.read_campaign(settings, name)
                found[name] = (sha256, times + 1)
        except AuroraError as error:
            complaints.append(scrub(str(error)))
    return found, complaints


def _is_settled(folder: Path) -> bool:
    """True when no file was written in the last seconds: a spreadsheet that is being saved is left alone."""
    try:
        written = max((file.stat().st_mtime for file in folder.rglob("*") if file.is_file()), default=0.0)
    except FileNotFoundError:  # an editor's temporary file went while we looked: somebody is writing
        return False
    # A time in the future (another machine's clock) must not hold a campaign back for ever.
    return not 0 <= time.time() - written < SETTLED_SECONDS


def _request(settings: Settings, name: str, sha256: str, times: int) -> dg.RunRequest:
    job = run_campaign if settings.provider == "studio" else prepare_campaign
    return dg.RunRequest(run_key=f"{name}:{sha256[:12]}:{times}", partition_key=name, job_name=job.name)
