"""CampaignFacts -> the private file -> a published version.

One campaign's rows are replaced in one transaction, so a reader sees the campaign before or after, never between.
Three tables are brought up to date by their key and nothing is removed from them: charges, which another campaign may
reuse, and artifacts and derivations, because a file that was published last week must still lead to what it says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..aurora_videos.reconcile import Reconciliation
from ..aurora_videos.records import Charge
from ..errors import WarehouseLost
from ..settings import Settings
from .history import remembered
from .publish import REBUILD_HINT, private_file, publish, publish_lock, writing
from .records import CampaignFacts, Publication
from .rows import Row, charge_rows, reconciliation_rows, table_rows
from .statements import TABLES, create_tables, create_views, schema_sha256, statement

if TYPE_CHECKING:
    import duckdb

_KEPT_BY_KEY = ("charges", "artifacts", "derivations")


def load_campaign(settings: Settings, facts: CampaignFacts) -> Publication:
    """Replace exactly this campaign's rows and publish.

    Raises `WarehouseLost` when the private file is missing, damaged or of another version (see `rebuild`), and
    `WarehouseFailed` when another publisher holds the lock for a minute. Whatever happens, the last good file stays.
    """
    file = private_file(settings)
    with publish_lock(settings):
        if not file.exists():
            _assert_nothing_was_published(settings, file)
        with writing(settings, file) as connection:
            _assert_ours(settings, connection)
            counts, now = _replace(settings, connection, facts), _sign(connection)
        return Publication(publish(settings), settings.warehouse, now, counts)


def load_reconciliations(
    settings: Settings, reconciliations: Sequence[Reconciliation], charges: Sequence[Charge]
) -> Publication:
    """Replace every campaign's reconciliations, bring these charges up to date, and publish.

    Raises as `load_campaign` does.
    """
    rows = {"charges": charge_rows(charges), "reconciliations": reconciliation_rows(reconciliations)}
    file = private_file(settings)
    with publish_lock(settings):
        if not file.exists():
            _assert_nothing_was_published(settings, file)
        with writing(settings, file) as connection:
            _assert_ours(settings, connection)
            connection.execute("DELETE FROM reconciliations")
            for table, new in rows.items():
                if new:
                    _insert(connection, table, new)
            now = _sign(connection)
        return Publication(publish(settings), settings.warehouse, now, {table: len(new) for table, new in rows.items()})


def rebuild(settings: Settings, all_facts: Iterable[CampaignFacts]) -> Publication:
    """Make the private file anew from all campaigns, and publish: the same content as loading them one by one.

    ``all_facts`` is read under the publish lock. What only the file that is replaced remembers is taken over.
    """
    file = private_file(settings)
    new = file.with_name(".rebuild.duckdb")
    with publish_lock(settings):
        _forget(new)
        counts = dict.fromkeys(TABLES, 0)
        with writing(settings, new) as connection:
            _create(connection)
            for table, rows in remembered(settings):
                _insert(connection, table, rows)
            for facts in all_facts:
                for table, count in _replace(settings, connection, facts).items():
                    counts[table] += count
            now = _sign(connection)
        _forget(file)  # with its .wal, which must not be replayed into the new file
        os.replace(new, file)
        return Publication(publish(settings), settings.warehouse, now, counts)


def _forget(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.with_name(f"{file.name}.wal").unlink(missing_ok=True)


def _assert_nothing_was_published(settings: Settings, file: Path) -> None:
    if os.path.lexists(settings.warehouse):
        raise WarehouseLost(f"{settings.inside_output(file)} is missing. {REBUILD_HINT}")
    _forget(file)


def _assert_ours(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables in a new file; refuse a file whose tables another version made."""
    import duckdb

    name = settings.inside_output(private_file(settings))
    try:
        found = connection.execute("SELECT schema_sha256 FROM published").fetchall()
    except duckdb.CatalogException:
        if os.path.lexists(settings.warehouse):
            raise WarehouseLost(f"{name} has lost its tables. {REBUILD_HINT}") from None
        _create(connection)
        return
    if found != [(schema_sha256(),)]:
        raise WarehouseLost(f"{name} was made by another version of aurora_pipeline. {REBUILD_HINT}")


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    for sql in create_tables():
        connection.execute(sql)


def _replace(settings: Settings, connection: duckdb.DuckDBPyConnection, facts: CampaignFacts) -> dict[str, int]:
    rows = table_rows(settings, facts)
    for table, new in rows.items():
        if table not in _KEPT_BY_KEY:
            connection.execute(statement("load", f"delete_{table}").sql, {"campaign": facts.campaign.name})
        if new:
            _insert(connection, table, new)
    return {table: len(new) for table, new in rows.items()}


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[Row]) -> None:
    insert = statement("load", f"insert_{table}")
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in insert.parameters}
    connection.execute(insert.sql, columns)


def _sign(connection: duckdb.DuckDBPyConnection) -> datetime:
    """Bring the views up to date and say how fresh the file is."""
    for sql in create_views():
        connection.execute(sql)
    now = datetime.now(UTC)
    connection.execute(statement("load", "delete_published").sql)
    facts = {"published_at": now.replace(tzinfo=None), "version": __version__, "schema_sha256": schema_sha256()}
    connection.execute(statement("load", "insert_published").sql, facts)
    return now
