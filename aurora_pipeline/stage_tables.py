"""A stage's result as rows, and as one Parquet file per campaign and stage.

A clip that fails does not fail its neighbours: good rows and failures travel side by side, and a failure says why in
one sentence. Files are written to a temporary name and renamed, so that no reader ever sees half a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from .gear import parquet
from .settings import Settings

Row = TypeVar("Row")
Other = TypeVar("Other")

STAGES = ("script_table", "tts_audio", "aurora_videos", "deliverables", "warehouse")


@dataclass(frozen=True)
class Failure:
    """Why one clip did not pass one stage."""

    campaign: str
    clip_id: str
    stage: str
    sentence: str


@dataclass(frozen=True)
class StageTable(Generic[Row]):
    """Rows that are good, failures with their reason, and how many rows were newly made (the rest were kept)."""

    rows: tuple[Row, ...]
    failures: tuple[Failure, ...] = ()
    made: int = 0


def table_file(settings: Settings, stage: str, campaign: str) -> Path:
    """Parquet file of one campaign's rows of one stage; ``stage.part`` is a second table of that stage."""
    folder, _, part = stage.partition(".")
    return settings.stage_folder(folder) / ".".join(filter(None, (campaign, part, "parquet")))


def failures_file(settings: Settings, stage: str, campaign: str) -> Path:
    """Parquet file of one campaign's failures in one stage."""
    return table_file(settings, f"{stage}.failures", campaign)


def write_table(settings: Settings, stage: str, campaign: str, kind: type[Row], table: StageTable[Row]) -> None:
    """Replace the stage's tables of this campaign, each atomically."""
    write_rows(settings, stage, campaign, kind, table.rows)
    parquet.write(failures_file(settings, stage, campaign), Failure, table.failures)


def write_rows(settings: Settings, stage: str, campaign: str, kind: type[Row], rows: Sequence[Row]) -> None:
    """Replace one table of this campaign, atomically."""
    parquet.write(table_file(settings, stage, campaign), kind, rows)


def read_rows(settings: Settings, stage: str, campaign: str, kind: type[Row]) -> tuple[Row, ...]:
    """Rows another stage (or another process) wrote; empty when the stage has not run yet."""
    return _read(table_file(settings, stage, campaign), kind)


def read_failures(settings: Settings, stage: str, campaign: str) -> tuple[Failure, ...]:
    """Failures of a stage; empty when the stage has not run yet."""
    return _read(failures_file(settings, stage, campaign), Failure)


def _read(file: Path, kind: type[Other]) -> tuple[Other, ...]:
    return tuple(parquet.read(file, kind)) if file.exists() else ()


def by_clip(rows: Sequence[Row]) -> dict[str, Row]:
    """Rows keyed by ``clip_id``."""
    return {row.clip_id: row for row in rows}  # type: ignore[attr-defined]  # every stage row has a clip_id
