"""Standard input: one pickled `Order`. Does it in this process and prints what that took, as one line of JSON."""

from __future__ import annotations

import json
import os
import pickle
import resource
import sys
import time
from collections.abc import Callable

from aurora_pipeline_tests.faults import preload, workers  # noqa: F401 - imports are not what is measured

MIB = 1024  # ru_maxrss is in KiB on Linux


def main() -> None:
    """Run the order that comes in on standard input."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    order: workers.Order = pickle.load(sys.stdin.buffer)  # noqa: S301 - our own parent's bytes
    workers.prepare(order)
    ways: dict[str, Callable[[], object]] = {
        "measured": lambda: workers.KINDS["ours"](order),
        "measured naive": lambda: workers.KINDS["naive"](order),
        "mapped": lambda: _mapped(order),
    }
    started, before = time.perf_counter(), _cpu_seconds()
    ways[order.kind]()
    facts = {"wall_seconds": time.perf_counter() - started, "cpu_seconds": _cpu_seconds() - before}
    answers.write(json.dumps(facts | {"peak_mib": _peak_mib()}) + "\n")
    answers.close()


def _mapped(order: workers.Order) -> None:
    from .one_op_a_clip import run

    run(order)


def _cpu_seconds() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_mib() -> float:
    """Of the largest process: ours, or one of its children."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / MIB


if __name__ == "__main__":
    main()
