"""The orchestrator's own way, to compare with: dynamic mapping, one op and one process a clip, plain fal-client."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from aurora_pipeline_tests.faults.workers import Order, make_naively

ORDER = "AURORA_BENCHMARK_ORDER"  # file with the pickled order; every op's process reads it
AT_A_TIME = 40


@dg.op(out=dg.DynamicOut(str))
def clips() -> Iterator[dg.DynamicOutput[str]]:
    """Every clip of the campaign."""
    for clip_id in sorted(_order().home.speech_sha256s().values()):
        yield dg.DynamicOutput(clip_id, mapping_key=clip_id)


@dg.op
def video(clip_id: str) -> None:
    """One clip, made by `subscribe`."""
    make_naively(_order(), clip_id)


@dg.job(executor_def=dg.multiprocess_executor.configured({"max_concurrent": AT_A_TIME}))
def one_op_a_clip() -> None:
    """clips -> video, once for each."""
    clips().map(video)


def run(order: Order) -> None:
    """Execute the job with an instance of its own. Raises when a step fails."""
    file = order.home.root / "order.pickle"
    file.write_bytes(pickle.dumps(order))
    os.environ[ORDER] = str(file)
    folder = order.home.root / "dagster"
    folder.mkdir()
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        dg.execute_job(dg.reconstructable(one_op_a_clip), instance=instance, raise_on_error=True)


def _order() -> Order:
    order: Order = pickle.loads(Path(os.environ[ORDER]).read_bytes())  # noqa: S301 - our own file
    return order
