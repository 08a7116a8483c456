"""A home whose `aurora` buys at a studio that plays fal: the real command, the real fal-client over HTTPS."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from aurora_pipeline.aurora_videos import ledger_tables
from aurora_pipeline_tests.conftest import REPOSITORY, write_campaign
from aurora_pipeline_tests.fal_proxy import FalProxy
from aurora_pipeline_tests.studio_bench import Running

KEY = "paid-speech:not-a-secret-5f1d"


@dataclass
class Shop:
    """``home`` is the folder of data, ``folder`` the studio's."""

    home: Path
    folder: Path
    studio: Running
    run: Callable[..., subprocess.CompletedProcess[str]]

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.home, *arguments, **environment)

    def charges(self, kind: str) -> list[dict[str, Any]]:
        """The ledger's, oldest first. Nothing of it stays open: these tests read the file's bytes too."""
        engine = sa.create_engine(f"sqlite:///{self.home}/data/output/ledger.sqlite", poolclass=sa.NullPool)
        table = ledger_tables.charges
        with engine.connect() as db:
            rows = db.execute(sa.select(table).where(table.c.kind == kind).order_by(table.c.planned_at)).mappings()
            return [dict(row) for row in rows]

    def requests(self, *endpoints: str) -> list[dict[str, Any]]:
        """What fal was asked for: video, and of the other endpoints named."""
        return self.studio.listed() + [item for each in endpoints for item in self.studio.listed(endpoint_id=each)]

    def billed(self, charges: list[dict[str, Any]]) -> Decimal:
        """What fal billed for these charges."""
        events = self.studio.billing_events(*(charge["request_id"] for charge in charges))
        return sum((Decimal(str(event["cost_total"])) for event in events), Decimal(0))

    def write(self, rows: list[str], *, campaign: str = "spring", voice: str, extra: str = "") -> None:
        write_campaign(self.home, campaign, rows, extra=extra)
        file = self.home / "data" / "campaigns" / campaign / "campaign.yaml"
        file.write_text(file.read_text().replace("portrait: ana", f"portrait: ana, voice: {voice}"), encoding="utf-8")

    def by(self, *faults: dict[str, Any]) -> None:
        """Break the studio so; whole again without any."""
        answer = self.studio.http.put("/_studio/scenario", json={"seed": 7, "faults": list(faults)})
        assert answer.status_code == 200, answer.text

    def assert_nowhere(self, secret: str) -> None:
        """No file of the home holds it."""
        for file in self.home.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes(), file


@contextlib.contextmanager
def opened_shop(launch: Callable[..., Running], aurora: Callable[..., Any], home: Path, folder: Path) -> Iterator[Shop]:
    """A shop with the shipped tables, for as long as the block lasts."""
    studio = launch(folder / "fal", "--instant", is_fake=False)
    for table in ("price_book.csv", "speech_models.csv"):
        shutil.copy(REPOSITORY / "data" / table, home / "data")
        shutil.copy(REPOSITORY / "data" / table, folder / "fal")
    with FalProxy(studio.url, folder) as proxy:
        fal = {"AURORA_PROVIDER": "fal", "FAL_KEY": KEY, "AURORA_POLL_SECONDS": "0.1", **proxy.environment}
        yield Shop(home, folder / "fal", studio, lambda *args, **more: aurora(*args, **{**fal, **more}))
