"""Models run on this machine and tell nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aurora_pipeline.gear import faces

FINDS_A_FACE = """
from aurora_pipeline.gear.faces import _session, MODELS
_session(next(MODELS.glob("*.onnx")).name)
"""
SPEAKS = """
from aurora_pipeline.gear.voices.hibari import HibariEngine
HibariEngine()
"""


@pytest.mark.parametrize("work", [FINDS_A_FACE, SPEAKS], ids=["faces", "speech"])
def test_onnxruntime_keeps_no_record_to_send_home(work: str, tmp_path: Path) -> None:
    assert list(faces.MODELS.glob("*.onnx"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    subprocess.run([sys.executable, "-c", work], env=environment, check=True, timeout=120)

    assert list(tmp_path.rglob("*")) == []  # with telemetry it leaves a device id and a database there
