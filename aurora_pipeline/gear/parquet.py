"""Frozen dataclasses <-> Parquet, through DuckDB's own writer.

DuckDB is a dependency anyway and pyarrow would be the largest wheel of the install, so this file is the one place
outside the warehouse that imports duckdb; it never opens a database file. Column types follow the dataclass's
annotations; nested values (word times) are stored as JSON text. Datetimes are aware and stored in UTC.
"""

from __future__ import annotations

import json
import os
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

Row = TypeVar("Row")

_SQL_TYPES: dict[Any, str] = {
    str: "VARCHAR",
    bool: "BOOLEAN",
    int: "BIGINT",
    float: "DOUBLE",
    Decimal: "DECIMAL(18,6)",
    datetime: "TIMESTAMP",
}


def write(file: Path, kind: type[Row], rows: Sequence[Row]) -> None:
    """Write ``rows`` (instances of the dataclass ``kind``) to ``file``, atomically."""
    import duckdb

    columns = {name: _sql_type(hint) for name, hint in _hints(kind).items()}
    values = [[_to_sql(getattr(row, name)) for row in rows] for name in columns]
    selected = ", ".join(f"unnest(?::{sql_type}[]) AS {name}" for name, sql_type in columns.items())
    file.parent.mkdir(parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with duckdb.connect() as memory:
            memory.execute(f"CREATE TABLE written AS SELECT {selected}", values)
            memory.execute(f"COPY written TO '{_quoted(half)}' (FORMAT parquet, COMPRESSION zstd)")
        os.replace(half, file)
    finally:
        half.unlink(missing_ok=True)


def read(file: Path, kind: type[Row]) -> list[Row]:
    """Rows of ``file`` as instances of ``kind``; a column the file lacks takes the field's default."""
    import duckdb

    hints = _hints(kind)
    with duckdb.connect() as memory:
        found = memory.execute("SELECT * FROM read_parquet(?)", [str(file)])
        names = [column[0] for column in found.description or []]
        records = found.fetchall()
    wanted = [(index, name) for index, name in enumerate(names) if name in hints]
    return [kind(**{name: _from_sql(record[index], hints[name]) for index, name in wanted}) for record in records]


def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _bare(hint: Any) -> Any:
    """``X | None`` -> X."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return next(part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is typing.Literal:
        return type(typing.get_args(hint)[0])
    return hint


def _sql_type(hint: Any) -> str:
    return _SQL_TYPES.get(_bare(hint), "VARCHAR")


def _to_sql(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, tuple):
        return json.dumps(
            [asdict(item) if is_dataclass(item) and not isinstance(item, type) else item for item in value]
        )
    return value


def _from_sql(value: Any, hint: Any) -> Any:
    bare = _bare(hint)
    if value is None:
        return None
    if bare is datetime:
        return value.replace(tzinfo=UTC)
    if typing.get_origin(bare) is tuple:
        return _nested(json.loads(value), typing.get_args(bare)[0])
    return value


def _nested(items: Iterable[Any], kind: Any) -> tuple[Any, ...]:
    return tuple(kind(**item) if is_dataclass(kind) and isinstance(kind, type) else item for item in items)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
