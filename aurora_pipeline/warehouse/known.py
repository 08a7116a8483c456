"""Ledger + stage tables + data/campaigns -> every campaign there ever was, as far as it can still be read.

A rebuild must not lose spending because somebody removed a folder or broke a CSV: the ledger says which campaigns there
are, and the script table's Parquet which clips they had.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from ..errors import AuroraError
from ..script_table.records import Campaign, DeliverySettings, Script
from ..settings import Settings
from ..stage_tables import read_rows

Row = TypeVar("Row")


class RowReader(Protocol):
    """How a stage's rows are read: strictly (`read_rows`), or as far as possible (`readable_rows`)."""

    def __call__(self, settings: Settings, stage: str, campaign: str, kind: type[Row]) -> tuple[Row, ...]: ...


def known_campaigns(settings: Settings) -> Iterator[Campaign]:
    """Every campaign that was ever run, by name: as its files are now, or else as it was last run."""
    for name in sorted(_names(settings)):
        yield _campaign(settings, name)


def readable_rows(settings: Settings, stage: str, campaign: str, kind: type[Row]) -> tuple[Row, ...]:
    """As `read_rows`, but none where the table is damaged or of another version: a rebuild takes what it can."""
    import duckdb

    try:
        return read_rows(settings, stage, campaign, kind)
    except (duckdb.Error, TypeError, ValueError):
        return ()


def _names(settings: Settings) -> set[str]:
    from ..aurora_videos.ledger import open_ledger

    ledger = open_ledger(settings.ledger)
    tables = [file.stem for file in settings.stage_folder("script_table").glob("*.parquet")]
    return {
        *(charge.campaign for charge in ledger.charges()),
        *(run.campaign for run in ledger.stage_runs()),
        *(name for name in tables if "." not in name),  # <campaign>.failures.parquet is a second table
    }


def _campaign(settings: Settings, name: str) -> Campaign:
    from ..script_table import read_campaign

    try:
        return read_campaign(settings, name)
    except (AuroraError, OSError):  # gone or broken: told of when somebody runs it, not here
        scripts = readable_rows(settings, "script_table", name, Script)
        folder = settings.campaigns / name
        return Campaign(name, name, None, folder, DeliverySettings(), scripts, sha256="")
