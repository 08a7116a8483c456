"""What analysts ask -> a frame.

The published file is attached read-only to a database in memory: nothing is locked, scratch tables land in memory, and
a new call sees a newer version. Money comes back as `Decimal`, exact to the micro-dollar (``.astype(float)`` to plot).
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import WarehouseFailed
from ..settings import Settings
from .publish import OFFLINE, quoted
from .records import Question
from .statements import question_names, statement

if TYPE_CHECKING:
    import duckdb
    import pandas as pd


def questions() -> tuple[Question, ...]:
    """Every shipped question, by name."""
    shipped = [statement("questions", name) for name in question_names()]
    return tuple(Question(s.name, s.purpose, s.row, s.sql, s.parameters) for s in shipped)


def ask(settings: Settings, name: str, **parameters: Any) -> pd.DataFrame:
    """The answer to a shipped question. Raises `WarehouseFailed` for an unknown name or a missing parameter."""
    question = next((question for question in questions() if question.name == name), None)
    if question is None:
        raise WarehouseFailed(_unknown(name))
    if set(parameters) != set(question.parameters):
        wanted = ", ".join(question.parameters) or "nothing"
        given = ", ".join(sorted(parameters)) or "nothing"
        raise WarehouseFailed(f"The question '{name}' must be given {wanted}; it was given {given}.")
    return frame(settings, question.sql, **parameters)


def frame(settings: Settings, sql: str, **parameters: Any) -> pd.DataFrame:
    """Rows of one SELECT over the published file; ``$name`` in it is bound to the parameter of that name."""
    import duckdb
    import pandas as pd

    with reading(settings) as connection:
        try:
            answer = connection.execute(sql, parameters or None)
            names = [column[0] for column in answer.description or []]
            return pd.DataFrame(answer.fetchall(), columns=names)
        except duckdb.Error as error:
            raise WarehouseFailed(f"DuckDB cannot answer this: {error}") from error


@contextlib.contextmanager
def reading(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees the published tables and views by their bare names, as of now."""
    import duckdb

    with duckdb.connect(config=OFFLINE) as connection:
        _attach(settings, connection)
        connection.execute("SET search_path = 'memory,warehouse'")
        yield connection


def _attach(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    import duckdb

    version = _published(settings)
    while True:
        try:
            connection.execute(f"ATTACH '{quoted(version)}' AS warehouse (READ_ONLY)")
        except duckdb.Error as error:
            newer = _published(settings)
            if newer == version:
                raise WarehouseFailed(_unreadable(settings, error)) from error
            version = newer  # publishers removed the version while we were opening it
        else:
            return


def _published(settings: Settings) -> Path:
    if not settings.warehouse.exists():
        raise WarehouseFailed(
            f"No warehouse has been published yet ({settings.warehouse.name} is not there); "
            "run a campaign through its last stage, warehouse, first."
        )
    return settings.warehouse.resolve()


def _unreadable(settings: Settings, error: Exception) -> str:
    reason = str(error).splitlines()[0]
    if "set lock" in reason:
        return (
            f"Another program has {settings.warehouse.name} open for writing; close it there, or open it there "
            f"read-only. The next run publishes a new version, which can be read at once. ({reason})"
        )
    return f"{settings.warehouse.name} cannot be read ({reason}); run a campaign's warehouse stage to publish it again."


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, question_names(), n=1, cutoff=0.4)
    meant = f" Did you mean '{near[0]}'?" if near else ""
    return f"There is no question '{name}'.{meant} There are: {', '.join(question_names())}."
