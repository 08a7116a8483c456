"""The provider's bill beside the ledger and the files, four times a day: an asset, its check, a job and a schedule.

It has no partitions: a bill is the account's, and what no charge knows belongs to no campaign. The schedule is on from
the start, since this only reads at the provider; what it writes is the ledger's own record of what was billed.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from ..gear.secrets import scrub
from ..said import dollars
from . import metadata as show
from .assets import aurora_videos
from .refusals import in_plain_words
from .resources import Aurora

if TYPE_CHECKING:
    from ..aurora_videos.reconcile import Reconciled, Reconciliation

CHECK = "bills_agree"
SENTENCES_SHOWN = 3


@dg.asset(
    group_name="aurora_videos",
    deps=[aurora_videos],
    kinds={"fal"},
    owners=["team:aurora"],
    code_version="1",
    tags={"aurora/stage": "aurora_videos"},
    check_specs=[
        dg.AssetCheckSpec(
            CHECK, asset="bill_reconciliation", description="No charge, bill or file needs a person to look at it."
        )
    ],
)
def bill_reconciliation(context: dg.AssetExecutionContext, aurora: dg.ResourceParam[Aurora]) -> dg.MaterializeResult:  # type: ignore[type-arg]  # dagster takes a parameter for a second output
    """Compares every charge of the last 48 hours with the provider's bill and with the stored file. Free.

    The ledger takes over what was really billed; nothing that is held is freed. Differences are rows with a sentence.
    """
    with in_plain_words(context):
        found = aurora.reconcile_bills(aurora.read_settings())
    return dg.MaterializeResult(metadata=_facts(found), check_results=[_verdict(found)])


def _facts(found: "Reconciled") -> dict[str, Any]:
    totals = found.totals
    facts: dict[str, Any] = {
        "provider": found.provider,
        "compared": len(found.rows),
        "dagster/row_count": len(found.rows),
        "differences": len(found.differences),
        "for_a_person": len(found.for_a_person),
        "corrected": found.corrected,
        "bill_is_readable": found.is_bill_readable,
    }
    for name in ("expected_usd", "reported_usd", "event_usd", "file_usd"):
        facts |= show.money(name, getattr(totals, name))
    columns = ("campaign", "clip_id", "verdict", "expected_usd", "reported_usd", "event_usd", "file_usd", "sentence")
    return facts | ({"what_differs": show.table_of(found.differences, columns)} if found.differences else {})


def _verdict(found: "Reconciled") -> dg.AssetCheckResult:
    """Red with the first sentences; all of them are in the asset's table and in the warehouse."""
    waiting = found.for_a_person
    said = _sentences(waiting) if waiting else _quiet(found)
    return dg.AssetCheckResult(check_name=CHECK, passed=not waiting, description=scrub(said))


def _quiet(found: "Reconciled") -> str:
    """How many rows have which verdict, when none needs a person."""
    verdicts = Counter(row.verdict for row in found.rows)
    if not verdicts:
        return "Nothing to compare: no charge is that young or still open."
    counts = ", ".join(f"{verdict}: {number}" for verdict, number in verdicts.most_common())
    return f"Nobody is needed. {counts}; {dollars(found.totals.event_usd)} billed, as the provider says."


def _sentences(rows: "Sequence[Reconciliation]") -> str:
    more = len(rows) - SENTENCES_SHOWN
    said = [row.sentence for row in rows[:SENTENCES_SHOWN]]
    return " ".join([*said, *([f"And {more} more: `aurora ask bill_differences`."] if more > 0 else [])])


reconcile_bills_job = dg.define_asset_job(
    "reconcile_bills_job",
    selection=dg.AssetSelection.assets("bill_reconciliation"),
    description="Compares charges with the provider's bill and the stored files. Reads only; free.",
)


@dg.schedule(
    job=reconcile_bills_job,
    cron_schedule="0 */6 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def reconcile_bills(
    context: dg.ScheduleEvaluationContext, aurora: dg.ResourceParam[Aurora]
) -> dg.RunRequest | dg.SkipReason:
    """Compares bills every six hours while fal has charges younger than 48 hours, or still open. It never spends."""
    settings = aurora.read_settings()
    if settings.provider != "fal":
        return dg.SkipReason("AURORA_PROVIDER is studio: drafts are free and nothing is billed.")
    if not aurora.bills_to_reconcile(settings):
        return dg.SkipReason("No charge with fal is younger than 48 hours or still open.")
    return dg.RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}")
