"""The file a rebuild replaces -> what nothing else remembers.

Stage tables hold today's clips only. What older finished files were made from (artifacts, derivations), and the title
and budget of a campaign whose folder is gone, are taken from the private file or, when that is lost, from the newest
published version that can be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..settings import Settings
from .publish import OFFLINE, private_file, quoted, versions
from .rows import Row
from .statements import statement

if TYPE_CHECKING:
    import duckdb

REMEMBERED = ("campaigns", "artifacts", "derivations")
ROWS_AT_ONCE = 10_000


def remembered(settings: Settings) -> Iterator[tuple[str, list[Row]]]:
    """Table and some of its rows, again and again; the caller holds the publish lock.

    Rows may come twice when a file turns out to be damaged half way and an older one is asked instead.
    """
    import duckdb

    for file in (private_file(settings), *reversed(versions(settings))):
        try:
            yield from _rows_of(file)
        except duckdb.Error:  # missing, damaged or without our tables: that is why it is rebuilt
            continue
        return


def _rows_of(file: Path) -> Iterator[tuple[str, list[Row]]]:
    import duckdb

    with duckdb.connect(config=OFFLINE) as connection:
        connection.execute(f"ATTACH '{quoted(file)}' AS old (READ_ONLY)")
        for table in REMEMBERED:
            for rows in _table(connection, table):
                yield table, rows


def _table(connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[list[Row]]:
    """Rows as this version has them; nothing when the older table lacks a column that must be filled."""
    found = connection.table(f"old.{table}")
    if not set(statement("schema", table).required_columns) <= set(found.columns):
        return
    unknown = dict.fromkeys(statement("load", f"insert_{table}").parameters)
    while some := found.fetchmany(ROWS_AT_ONCE):
        yield [unknown | dict(zip(found.columns, row, strict=True)) for row in some]
