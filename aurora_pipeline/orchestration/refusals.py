"""Our errors -> `dagster.Failure`, in the sentences people read; and the gates that stand before money.

A mistake of the user, a refusal, or a stop is not retried by Dagster. An error nobody foresaw keeps its stack trace,
unless the trace would show a secret.
"""

import contextlib
import traceback
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from ..errors import AuroraError, BadInput, OverBudget
from ..gear.secrets import scrub
from ..stage_tables import StageTable
from .metadata import failures_table, problems_table

if TYPE_CHECKING:
    from ..aurora_videos.quote import Quote


@contextlib.contextmanager
def in_plain_words(context: dg.AssetExecutionContext, *, blames: str | None = None) -> Iterator[None]:
    """Turn what the core raises into a Failure whose description is the error's own sentences.

    ``blames`` names the asset's check that turns red with it: a step that fails never reaches its checks.
    """
    try:
        yield
    except (AuroraError, dg.Failure) as error:
        failure = failure_of(error) if isinstance(error, AuroraError) else error
        if blames is not None:
            context.log_event(_red(context, blames, failure))
        raise failure from None
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        if scrub(told) == told:
            raise
        raise dg.Failure(scrub(f"{type(error).__name__}: {error}"), allow_retries=False) from None


def _red(context: dg.AssetExecutionContext, check: str, failure: dg.Failure) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=check,
        passed=False,
        metadata=failure.metadata,
        description=failure.description,
        partition=context.partition_key,
    )


def failure_of(error: AuroraError) -> dg.Failure:
    """The Failure a page shows for one of our errors; `BadInput` brings its table of problems."""
    metadata: dict[str, Any] = {"error": type(error).__name__}
    if isinstance(error, BadInput):
        metadata["problems"] = problems_table(error)
    return dg.Failure(scrub(str(error)), metadata=metadata, allow_retries=False)


def assert_something_came(table: StageTable[Any], *, stage: str, needs: str, cost: str) -> None:
    """Raise a Failure when no clip passed ``stage``: the partition is then FAILED, never an empty success."""
    if table.rows:
        return
    if not table.failures:
        raise dg.Failure(f"{stage} has nothing to work on yet; materialize {needs} first. Nothing was spent.",
                         allow_retries=False)  # fmt: skip
    count, first = len(table.failures), table.failures[0]
    raise dg.Failure(
        scrub(f"No clip passed {stage}: {count} failed. {first.clip_id}: {first.sentence}\n{cost}"),
        metadata={"failed": count, "failures": failures_table(table.failures)},
        allow_retries=False,
    )


def assert_affordable(quote: "Quote", max_usd: float | None) -> None:
    """Raise `OverBudget` before anything is sent when the quote exceeds what is left, or this run's own ``max_usd``.

    A cap is compared with the worst case of the bill: what may be reserved, not what is expected.

    The same gate is the check `within_budget`; it is here again since a check is no gate for a run of one asset.
    """
    if (sentence := why_not_affordable(quote)) is not None:
        raise OverBudget(sentence)
    if max_usd is not None and quote.reserve_usd > Decimal(str(max_usd)):
        raise OverBudget(
            f"{quote.campaign}: {len(quote.to_buy)} new clips may cost up to {dollars(quote.reserve_usd)}, above this "
            f"run's max_usd of {dollars(Decimal(str(max_usd)))}. Raise max_usd or make fewer clips. Nothing was spent."
        )


def why_not_affordable(quote: "Quote") -> str | None:
    """One sentence when the quote does not fit what is left of the budget; None when it does, or drafts are free."""
    if quote.left_usd is None or quote.usd <= quote.left_usd:
        return None
    return (
        f"{quote.campaign}: {len(quote.to_buy)} new clips are quoted at {dollars(quote.usd)}, but "
        f"{dollars(quote.left_usd)} of the budget is left. Raise budget_usd in campaign.yaml or shorten the scripts. "
        "Nothing was spent."
    )


def dollars(usd: Decimal) -> str:
    """``$1.40``; a fraction of a cent is shown, never rounded away."""
    cents = f"{usd:.2f}"
    return f"${cents}" if Decimal(cents) == usd else f"${usd.normalize():f}"
