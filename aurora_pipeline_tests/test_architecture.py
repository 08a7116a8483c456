"""What the layout promises, beyond what import-linter can say."""

import subprocess
import sys

import pytest

HEAVY = ("dagster", "pandas", "duckdb", "fal_client", "numpy", "PIL", "av", "onnxruntime", "sqlalchemy", "rich")


def _loaded_after(code):
    report = f"import sys\n{code}\nprint(*sorted(set(m.split('.')[0] for m in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import aurora_pipeline.pipeline",
        "from aurora_pipeline.cli import aurora; aurora(['--help'], standalone_mode=False)",
        "from aurora_pipeline.settings import from_environment; from_environment({})",
    ],
)
def test_nothing_heavy_is_imported_until_it_is_used(code):
    assert _loaded_after(code).isdisjoint(HEAVY)


def test_the_core_runs_without_dagster():
    stages = ("script_table", "tts_audio.speak", "aurora_videos.render", "deliverables.deliver", "warehouse.publish")
    code = "\n".join(f"import aurora_pipeline.{stage}" for stage in stages)

    assert "dagster" not in _loaded_after(code)
