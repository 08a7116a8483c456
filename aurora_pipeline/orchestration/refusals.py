"""Our errors -> `dagster.Failure`, in the sentences people read; and what is said when nothing may be bought.

A mistake of the user, a refusal, or a stop is not retried by Dagster. An error nobody foresaw keeps its stack trace,
unless the trace would show a secret.
"""

import contextlib
import math
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from ..aurora_videos.affordable import waiting_clips, waiting_for_approval
from ..errors import AuroraError, BadInput, BadSetting
from ..gear.secrets import scrub
from ..stage_tables import StageTable
from .metadata import failures_table, problems_table
from .stopping import told_when_stopped

if TYPE_CHECKING:
    from ..aurora_videos.quoted import Quote


@contextlib.contextmanager
def in_plain_words(context: dg.AssetExecutionContext, *, blames: str | None = None) -> Iterator[None]:
    """Turn what the core raises into a Failure whose description is the error's own sentences.

    ``blames`` names the asset's check that turns red with it: a step that fails never reaches its checks.
    """
    try:
        with told_when_stopped(context):
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


def assert_something_came(
    table: StageTable[Any], *, stage: str, needs: str, cost: str, waiting: "Waiting | None" = None
) -> None:
    """Raise a Failure when no clip passed ``stage``: the partition is then FAILED, never an empty success.

    ``waiting`` are clips that only want a person's yes: then it says how they get it.
    """
    if table.rows:
        return
    if not table.failures:
        raise dg.Failure(f"{stage} has nothing to work on yet; materialize {needs} first. Nothing was spent.",
                         allow_retries=False)  # fmt: skip
    count, first = len(table.failures), table.failures[0]
    told = f"No clip passed {stage}: {count} failed. {first.clip_id}: {first.sentence}\n{cost}"
    if waiting is not None:
        is_all = {failure.clip_id for failure in table.failures} == waiting.clip_ids
        told = f"{waiting.sentence} Nothing was spent." if is_all else f"{waiting.sentence}\n{told}"
    raise dg.Failure(
        scrub(told),
        metadata={"failed": count, "failures": failures_table(table.failures)},
        allow_retries=False,
    )


@dataclass(frozen=True)
class Waiting:
    """Clips that wait for a person's yes; ``sentence`` says what they cost and how they get it."""

    clip_ids: frozenset[str]
    sentence: str


def waiting_of(quote: "Quote", *, cap_helps: bool) -> Waiting | None:
    """Who waits for approval, if anybody. ``cap_helps`` where a cap is as good as a yes to every row."""
    if (waiting := waiting_for_approval(quote)) is None:
        return None
    or_cap = ", or set max_usd in the run's config" if cap_helps else ""
    sentence = f"{waiting}: run `aurora approve {quote.campaign} --all`{or_cap}."
    return Waiting(frozenset(clip.clip_id for clip in waiting_clips(quote)), sentence)


def usd_of_config(max_usd: float | None) -> Decimal | None:
    """A run's own cap as dollars. Raises `BadSetting` for what is no amount."""
    if max_usd is None:
        return None
    if not math.isfinite(max_usd) or max_usd < 0:
        raise BadSetting(f"max_usd is {max_usd}; use dollars, such as 25 or 25.50. Nothing was spent.")
    return Decimal(str(max_usd))
