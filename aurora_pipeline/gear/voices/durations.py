"""A speech model with one more output: how long it holds each sound, which exports leave inside.

A model file is protobuf, and protobuf merges repeated fields, so some 40 appended bytes name an inner tensor as an
output (reference/studio.md, 2), without the package onnx; the sound stays bit-identical.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..onnx import keep_quiet


def session_with(tensor: str, model: Path) -> tuple[Any, bool]:
    """(onnxruntime session of one thread, whether its last output is ``tensor``, of float32).

    A model without that tensor still speaks; its word times are estimated. OSError when the file cannot be read, and
    onnxruntime's own RuntimeError when it is no model.
    """
    keep_quiet()
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    content = model.read_bytes()
    try:
        session = onnxruntime.InferenceSession(_with_output(content, tensor), options, ["CPUExecutionProvider"])
    except (Fail, InvalidGraph):
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"]), False
    return session, session.get_outputs()[-1].name == tensor


def _with_output(model: bytes, tensor: str) -> bytes:
    """``model`` with ``tensor`` (float32) as one more output: ModelProto.graph.output, appended."""
    element_type = bytes([8, 1])  # TypeProto.Tensor.elem_type = FLOAT
    kind = _field(2, _field(1, element_type))
    return model + _field(7, _field(12, _field(1, tensor.encode()) + kind))


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field."""
    length, varint = len(content), b""
    while length > 127:
        varint += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + varint + bytes([length]) + content
