"""Terminate in Dagster's page -> the run's log says what was spent, and the run ends as CANCELED.

Dagster raises in the step's main thread, and the core drains its workers on the way out (`parallel.for_each`, 7 s). Two
things are left to do here: say what it cost, and keep a library's own exception from passing for a failure.
"""

import contextlib
from collections.abc import Iterator

import dagster as dg

from ..gear.secrets import scrub

STOPPED = "Stopped. What was finished is kept and nothing is bought twice; materialize again to go on."


@contextlib.contextmanager
def told_when_stopped(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Log what this run has spent when it is stopped inside the block; other exceptions pass."""
    try:
        yield
    except BaseException as ended:
        if not _is_a_stop(ended):
            raise
        context.log.warning(scrub(f"{STOPPED} {_spent(context)}"))
        raise dg.DagsterExecutionInterruptedError from None


def _is_a_stop(ended: BaseException | None) -> bool:
    """Also when a library made its own of the interrupt: duckdb raises RuntimeError("Query interrupted") from it."""
    while ended is not None:
        if isinstance(ended, dg.DagsterExecutionInterruptedError):
            return True
        ended = ended.__cause__ or ended.__context__
    return False


def _spent(context: dg.AssetExecutionContext) -> str:
    aurora = context.resources.aurora
    try:
        return str(aurora.spent_so_far(aurora.read_settings(), context.run.run_id))
    except Exception as error:  # noqa: BLE001 - a ledger that cannot be read must not turn a stop into a failure
        return f"What was spent is in the ledger, which could not be read now ({type(error).__name__})."
