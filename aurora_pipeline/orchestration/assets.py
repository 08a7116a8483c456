"""The five stages as assets, one partition a campaign.

Each body gets the campaign, calls one function of the core and reports; nothing else belongs here. There is no IO
manager (stages hand over Parquet and media by themselves) and no retry policy (the core retries what may be retried,
and a run started again makes only what is missing).
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import dagster as dg

from ..aurora_videos import Video
from ..deliverables import Deliverable
from ..errors import AuroraError
from ..gear.secrets import scrub
from ..said import dollars
from ..script_table import Script
from ..stage_tables import StageTable, read_rows
from ..tts_audio import Speech
from . import metadata as show
from .contact_sheet import contact_sheet
from .partitions import campaigns
from .refusals import Waiting, assert_something_came, in_plain_words
from .resources import Aurora, max_usd_of

Materialized = dg.MaterializeResult[None]

NOTHING_SPENT = "Mend the cause and run again. Nothing was spent."
KEPT = "What was bought is kept; run again to make what is missing."


def _stage(
    name: str, row: type | None, *, deps: Sequence[dg.AssetsDefinition] = (), **special: Any
) -> Callable[[Callable[..., Materialized]], dg.AssetsDefinition]:
    """What all five have in common. The stage's word is the asset and its group."""
    decorate: Callable[[Callable[..., Materialized]], dg.AssetsDefinition] = dg.asset(
        name=name,
        group_name=name,
        deps=deps,
        partitions_def=campaigns,
        owners=["team:aurora"],
        code_version="1",
        tags={"aurora/stage": name},
        metadata={"dagster/column_schema": show.column_schema(row)} if row else {},
        **special,
    )
    return decorate


class Spending(dg.Config):
    """The most that this run may spend with provider fal, in US dollars; a cap that a person sets.

    It can only lower what the campaign's budget and AURORA_MAX_USD_PER_RUN allow, never raise it. Without any cap only
    approved rows are bought. Drafts are free and need none.
    """

    max_usd: float | None = None


def _assert_something_came(
    context: dg.AssetExecutionContext,
    aurora: Aurora,
    table: StageTable[Any],
    *,
    needs: str,
    cost: str,
    waiting: Waiting | None = None,
) -> None:
    """Raise a Failure when no clip passed this stage. The run ends here, so the warehouse is told why first."""
    if table.failures and not table.rows:
        try:
            aurora.stages.warehouse(aurora.job(context))
        except AuroraError as error:  # the Failure below is the one that people must read
            context.log.warning(scrub(f"The warehouse could not be told of it: {error}"))
    assert_something_came(table, stage=context.asset_key.to_user_string(), needs=needs, cost=cost, waiting=waiting)


@_stage("script_table", Script, kinds={"csv"})
def script_table(context: dg.AssetExecutionContext, aurora: dg.ResourceParam[Aurora]) -> Materialized:
    """Reads campaign.yaml and scripts.csv; every mistake is listed at once with its line. Free."""
    with in_plain_words(context, blames="scripts_valid"):
        campaign = aurora.stages.script_table(aurora.job(context))
    columns = ("clip_id", "voice", "language", "resolution", "portrait", "text")
    facts: dict[str, Any] = {
        "clips": len(campaign.scripts),
        "dagster/row_count": len(campaign.scripts),
        "title": campaign.title,
        "budget": "none" if campaign.budget_usd is None else dollars(campaign.budget_usd),
        "preview": show.table_of(campaign.scripts, columns),
    }
    return dg.MaterializeResult(metadata=facts, data_version=dg.DataVersion(campaign.sha256))


@_stage("tts_audio", Speech, deps=[script_table], kinds={"hibari", "audio"})
def tts_audio(context: dg.AssetExecutionContext, aurora: dg.ResourceParam[Aurora]) -> Materialized:
    """Speaks every script and listens to it, so that the seconds and the words are known before any video is bought.

    Free with voices of this machine. A paid voice is bought as video is: what a person approved, or up to a cap
    (max_usd of aurora_videos counts for both).
    """
    with in_plain_words(context, blames="speech_audible"):
        job = aurora.job(context, max_usd=max_usd_of(context.run))
        quote = aurora.affordable(job.settings, aurora.stages.quote_speech(job))
        table = aurora.stages.tts_audio(job, approved=quote)
        _assert_something_came(
            context, aurora, table, needs="script_table", cost=KEPT if quote.clips else NOTHING_SPENT
        )
    columns = ("clip_id", "seconds", "voice", "language", "engine", "verdict", "text")
    facts = show.counts(table) | show.fitted(table.rows) | show.heard(table.rows)
    facts |= show.waived(table.rows, aurora.waived(job.settings, job.campaign))
    facts |= {"preview": show.table_of(table.rows, columns)}
    return dg.MaterializeResult(metadata=facts, data_version=show.data_version(row.sha256 for row in table.rows))


@_stage("aurora_videos", Video, deps=[tts_audio], kinds={"fal", "mp4"}, pool="fal")
def aurora_videos(
    context: dg.AssetExecutionContext, config: Spending, aurora: dg.ResourceParam[Aurora]
) -> Materialized:
    """Buys every clip that is not bought yet (provider fal), or drafts it for free (provider studio).

    The only stage that spends. It buys what a person approved (`aurora approve`), or everything up to a cap that a
    person set: max_usd here, AURORA_MAX_USD_PER_RUN or AURORA_MAX_USD_PER_DAY. What was bought before, in any
    campaign, is never bought again.
    """
    with in_plain_words(context, blames="all_videos_made"):
        job = aurora.job(context, max_usd=config.max_usd)
        quote = aurora.affordable(job.settings, aurora.stages.quote_campaign(job))
        table = aurora.stages.aurora_videos(job, approved=quote)
        _assert_something_came(context, aurora, table, needs="tts_audio", cost=KEPT, waiting=aurora.waiting(job, quote))
    versions = (f"{row.fingerprint} {row.sha256}" for row in table.rows)
    facts = _video_facts(table) | show.quoted(quote)
    return dg.MaterializeResult(metadata=facts, data_version=show.data_version(versions))


def _video_facts(table: StageTable[Video]) -> dict[str, Any]:
    paid = sum((row.usd for row in table.rows if not row.is_draft), Decimal(0))
    drafted = sum((row.usd for row in table.rows if row.is_draft), Decimal(0))
    columns = ("clip_id", "provider", "is_draft", "resolution", "seconds", "billed_seconds", "usd", "was_reused")
    facts = show.counts(table) | show.money("usd_paid", paid) | show.money("usd_drafts_would_cost", drafted)
    return facts | {
        "bill": f"{dollars(paid)} paid; the drafts would have cost {dollars(drafted)}.",
        "drafts": sum(row.is_draft for row in table.rows),
        "seconds": round(sum(row.seconds for row in table.rows), 3),
        "billed_seconds": sum(row.billed_seconds for row in table.rows),
        "preview": show.table_of(table.rows, columns),
    }


@_stage("deliverables", Deliverable, deps=[aurora_videos], kinds={"ffmpeg"}, pool="ffmpeg")
def deliverables(context: dg.AssetExecutionContext, aurora: dg.ResourceParam[Aurora]) -> Materialized:
    """Masters every video, cuts its renditions at one loudness, and measures what was made. Free."""
    with in_plain_words(context, blames="deliverables_complete"):
        job = aurora.job(context)
        table = aurora.stages.deliverables(job).deliverables
        _assert_something_came(context, aurora, table, needs="aurora_videos", cost=KEPT)
    columns = ("clip_id", "rendition", "width", "height", "seconds", "loudness_lufs", "file")
    sheet = contact_sheet(job.settings, table.rows)
    clips = len({row.clip_id for row in table.rows})  # a clip has several files
    facts = show.counts(table) | {
        "clips": clips,
        "kept": clips - table.made,
        "files": len(table.rows),
        "megabytes": round(sum(row.bytes for row in table.rows) / 1e6, 1),
        "preview": show.table_of(table.rows, columns),
    }
    facts |= {"contact_sheet": sheet} if sheet else {}
    return dg.MaterializeResult(metadata=facts, data_version=show.data_version(row.sha256 for row in table.rows))


@_stage("warehouse", None, deps=[deliverables], kinds={"duckdb"})
def warehouse(context: dg.AssetExecutionContext, aurora: dg.ResourceParam[Aurora]) -> Materialized:
    """Loads the campaign into DuckDB and writes its report: what each second cost, and where it came from. Free."""
    with in_plain_words(context):
        job = aurora.job(context)
        published = aurora.stages.warehouse(job)
    settings, name = job.settings, context.partition_key
    # The published name, not the versioned copy that the symlink points to today.
    warehouse_file = published.warehouse.relative_to(settings.output).as_posix()
    facts = {"warehouse": dg.MetadataValue.path(warehouse_file), "report": show.path_of(settings, published.report)}
    versions = [row.sha256 for row in read_rows(settings, "deliverables", name, Deliverable)]
    return dg.MaterializeResult(metadata=facts, data_version=show.data_version(versions))
