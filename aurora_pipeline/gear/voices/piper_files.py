"""A Piper voice's two files -> a mark of their content: another file under the same name is another voice."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

SAMPLED_BYTES = 1 << 16
SAMPLES = 32


def marked(written: str, model: Path) -> str:
    """``voices/joe.onnx`` -> ``voices/joe.onnx@1f3870be274f``: the path as written and a mark of what lies there.

    The mark is of the size, of `SAMPLES` parts spread over the model and of all of its settings: reading 60 MB whole
    would cost every command a tenth of a second, and a model trained further differs everywhere.
    """
    config = model.with_name(f"{model.name}.json")
    stamp = tuple((each.stat().st_size, each.stat().st_mtime_ns) for each in (model, config))
    return f"{written}@{_mark(model, config, stamp)}"


@functools.lru_cache(maxsize=64)
def _mark(model: Path, config: Path, stamp: tuple[tuple[int, int], ...]) -> str:
    size = stamp[0][0]
    digest = hashlib.sha256(str(size).encode())
    with model.open("rb") as content:
        for number in range(SAMPLES):
            content.seek(max(0, (size - SAMPLED_BYTES) * number // (SAMPLES - 1)))
            digest.update(content.read(SAMPLED_BYTES))
    digest.update(config.read_bytes())
    return digest.hexdigest()[:12]
