"""`Progress` -> Dagster: a log line for each clip, and now and then an observation that the asset's page shows.

An observation costs 15 ms and a row for ever, a log line 5 ms (reference/dagster.md 2.4): both are throttled.
"""

import math
import time
from collections.abc import Callable

import dagster as dg

OBSERVE_EVERY_SECONDS = 10.0
OBSERVE_EVERY_SHARE = 0.1
LINES_AT_MOST = 200


class DagsterProgress:
    """Tells one asset step's page how far it is. Called from the step's main thread only."""

    def __init__(self, context: dg.AssetExecutionContext, now: Callable[[], float] = time.monotonic) -> None:
        self.context, self.now = context, now
        self.observed_at, self.observed, self.logged = now(), 0, -math.inf

    def advance(self, stage: str, done: int, total: int, note: str = "") -> None:
        if done == total or done - self.logged >= total / LINES_AT_MOST:
            self.logged = done
            self.context.log.info(f"{stage}: {done} of {total}{f', {note}' if note else ''}")
        if 0 < done < total and self._is_due(done, total):
            self.observed_at, self.observed = self.now(), done
            self._observe(done, total, note)

    def _is_due(self, done: int, total: int) -> bool:
        share, seconds = (done - self.observed) / total, self.now() - self.observed_at
        # Never more than about ten a stage by share, and in a slow stage one each ten seconds.
        return share >= OBSERVE_EVERY_SHARE or (seconds >= OBSERVE_EVERY_SECONDS and done > self.observed)

    def _observe(self, done: int, total: int, note: str) -> None:
        self.context.log_event(
            dg.AssetObservation(
                self.context.asset_key,
                partition=self.context.partition_key,
                metadata={"done": done, "total": total, "note": note},
            )
        )
