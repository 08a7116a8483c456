"""Rows survive Parquet exactly, whatever is in them, and a table is replaced whole."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aurora_pipeline.gear import parquet
from aurora_pipeline.settings import Settings
from aurora_pipeline.stage_tables import Failure, StageTable, read_failures, read_rows, write_rows, write_table


@dataclass(frozen=True)
class Part:
    name: str
    seconds: float


@dataclass(frozen=True)
class Thing:
    clip_id: str
    count: int | None
    usd: Decimal
    seconds: float
    is_good: bool
    at: datetime | None
    parts: tuple[Part, ...] = ()


THINGS = st.builds(
    Thing,
    clip_id=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    count=st.none() | st.integers(-(2**63), 2**63 - 1),
    usd=st.decimals(-1_000_000, 1_000_000, places=6),
    seconds=st.floats(allow_nan=False, allow_infinity=False),
    is_good=st.booleans(),
    at=st.none() | st.datetimes(timezones=st.just(UTC)),
    parts=st.lists(st.builds(Part, st.text(), st.floats(allow_nan=False, allow_infinity=False)), max_size=3).map(tuple),
)


@hypothesis.settings(deadline=None, max_examples=50)  # the first call imports duckdb
@given(rows=st.lists(THINGS, max_size=5))
def test_any_row_comes_back_as_it_was(rows, tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "it's a table.parquet"

    parquet.write(file, Thing, rows)

    assert parquet.read(file, Thing) == rows


def test_times_come_back_in_utc(tmp_path):
    local = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    parquet.write(tmp_path / "t.parquet", Thing, [Thing("a", 1, Decimal(1), 1.0, True, local)])

    (row,) = parquet.read(tmp_path / "t.parquet", Thing)

    assert row.at == local
    assert row.at.tzinfo is UTC


@pytest.fixture
def settings(tmp_path):
    return Settings(root=tmp_path, output=tmp_path / "output")


def test_rows_and_failures_travel_side_by_side(settings):
    table = StageTable((Part("a", 1.0),), (Failure("spring", "b", "tts_audio", "because"),))

    write_table(settings, "tts_audio", "spring", Part, table)

    assert read_rows(settings, "tts_audio", "spring", Part) == table.rows
    assert read_failures(settings, "tts_audio", "spring") == table.failures


def test_a_second_table_of_a_stage_lies_beside_the_first(settings):
    write_rows(settings, "deliverables.quality", "spring", Part, [Part("a", 1.0)])

    assert (settings.output / "deliverables" / "spring.quality.parquet").exists()
    assert read_rows(settings, "deliverables", "spring", Part) == ()


def test_a_stage_that_has_not_run_has_no_rows(settings):
    assert read_rows(settings, "tts_audio", "spring", Part) == ()


def test_a_table_that_cannot_be_written_leaves_the_old_one_and_no_litter(settings, monkeypatch):
    write_rows(settings, "tts_audio", "spring", Part, [Part("old", 1.0)])
    monkeypatch.setattr(parquet.os, "replace", _fail)

    with pytest.raises(OSError, match="disk full"):
        write_rows(settings, "tts_audio", "spring", Part, [Part("new", 1.0)])

    assert [path.name for path in Path(settings.output / "tts_audio").iterdir()] == ["spring.parquet"]


def _fail(*args):
    raise OSError("disk full")
