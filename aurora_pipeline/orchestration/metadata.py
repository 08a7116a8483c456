"""Rows -> what Dagster's page shows: counts, seconds, dollars, tables and a contact sheet.

Decimals become floats only here, and stand beside their exact text. Paths are relative to the output folder: a page
may be read on another machine.
"""

import dataclasses
import hashlib
import types
import typing
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from ..errors import BadInput, Problem
from ..price_book import billed_seconds
from ..settings import Settings
from ..stage_tables import Failure, StageTable
from ..tts_audio import Speech

if TYPE_CHECKING:
    from ..aurora_videos.quoted import Quote
    from ..aurora_videos.waivers import Waived

ROWS_SHOWN = 20
TEXT_SHOWN = 160

_COLUMN_TYPES = {str: "string", int: "int", float: "float", bool: "bool", Decimal: "decimal"}


def column_schema(kind: type) -> dg.TableSchema:
    """The columns of a stage's Parquet table, from its record."""
    hints = typing.get_type_hints(kind)
    columns = [_column(field.name, hints[field.name]) for field in dataclasses.fields(kind)]
    return dg.TableSchema(columns=columns)


def _column(name: str, hint: Any) -> dg.TableColumn:
    parts = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    bare = next(part for part in parts if part is not type(None))
    nullable = type(None) in parts
    return dg.TableColumn(name, _COLUMN_TYPES.get(bare, "json"), constraints=dg.TableColumnConstraints(nullable))


def table_of(rows: Sequence[Any], columns: Sequence[str]) -> dg.TableMetadataValue:
    """At most `ROWS_SHOWN` rows with ``columns``, which may be fewer than the record has."""
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    records = [dg.TableRecord({name: _cell(getattr(row, name)) for name in columns}) for row in rows[:ROWS_SHOWN]]
    return dg.MetadataValue.table(records, schema)


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 3)
    text = str(value)
    return text if len(text) <= TEXT_SHOWN else f"{text[: TEXT_SHOWN - 1]}…"


def failures_table(failures: Sequence[Failure]) -> dg.TableMetadataValue:
    """Which clip did not pass, and the sentence that says why."""
    return table_of(failures, ("clip_id", "sentence"))


def problems_table(error: BadInput) -> dg.TableMetadataValue:
    """Every problem of the user's files with its place."""
    return table_of(error.problems, [field.name for field in dataclasses.fields(Problem)])


def counts(table: StageTable[Any]) -> dict[str, Any]:
    """How many clips there are, how many were made now, kept from before, or failed, and why."""
    found: dict[str, Any] = {
        "clips": len(table.rows),
        "dagster/row_count": len(table.rows),
        "made": table.made,
        "kept": len(table.rows) - table.made,
        "failed": len(table.failures),
    }
    return found | ({"failures": failures_table(table.failures)} if table.failures else {})


def fitted(speeches: Sequence[Speech]) -> dict[str, Any]:
    """Seconds as they will be sent, what fitting took away, and how many billed seconds fewer that makes."""
    whole = [(speech.spoken_seconds or speech.seconds, speech.seconds) for speech in speeches]
    return {
        "seconds": round(sum(after for _, after in whole), 3),
        "seconds_taken_away": round(sum(before - after for before, after in whole), 3),
        "billed_seconds_saved": sum(billed_seconds(before) - billed_seconds(after) for before, after in whole),
    }


def heard(speeches: Sequence[Speech]) -> dict[str, Any]:
    """How many clips pass, warn and fail the ear, and who compared their words: nobody, and why, is said too."""
    verdicts = Counter(speech.verdict for speech in speeches)
    listeners = sorted({_listener(speech.recogniser) for speech in speeches})
    counts = {f"heard_{verdict}": verdicts[verdict] for verdict in ("pass", "warn", "fail")}
    return {**counts, "words_compared_by": "; ".join(listeners) or "nobody"}


def waived(speeches: Sequence[Speech], waivers: "Waived") -> dict[str, Any]:
    """Who accepted speech that failed, and why; nothing where nobody did, or it was made anew since."""
    mine = [waivers.get((each.clip_id, each.waived_as)) for each in speeches if each.verdict == "fail"]
    told = [each for each in mine if each is not None]
    return {"waived": table_of(told, ("clip_id", "waived_by", "reason", "waived_at"))} if told else {}


def _listener(recogniser: str) -> str:
    name, _, why = recogniser.partition(": ")
    return f"nobody ({why})" if name == "none" else recogniser or "nobody"


def money(label: str, usd: Decimal) -> dict[str, Any]:
    """``label`` as a number a chart can draw, and as exact text."""
    return {label: float(usd), f"{label}_exact": f"{usd:f}"}


def quoted(quote: "Quote") -> dict[str, Any]:
    """What was quoted before anything was bought: expected, worst case, what each limit left, and what was held."""
    if quote.provider == "studio":
        return {}
    facts: dict[str, Any] = {"provider": quote.provider, "clips_to_buy": len(quote.to_buy)}
    facts |= money("usd_quoted", quote.usd) | money("usd_at_most", quote.reserve_usd)
    for kind, left in quote.left.items():
        facts |= money(f"usd_left_{kind}", left)
    if quote.held:
        facts["held"] = table_of(quote.held, ("clip_id", "standing", "why", "list_usd"))
    return facts


def path_of(settings: Settings, file: Path) -> dg.PathMetadataValue:
    """A file's place as other machines may read it."""
    return dg.MetadataValue.path(settings.inside_output(file))


def data_version(facts: Iterable[str]) -> dg.DataVersion:
    """One version for a set of fingerprints, whatever their order: the same work keeps downstream fresh."""
    return dg.DataVersion(hashlib.sha256("\n".join(sorted(facts)).encode()).hexdigest())


def check_result(
    sentence: str, *, passed: bool, is_warning: bool = False, metadata: Mapping[str, Any] | None = None
) -> dg.AssetCheckResult:
    """A check's verdict; ``sentence`` says why, also when it passes."""
    severity = dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(passed=passed, severity=severity, description=sentence, metadata=dict(metadata or {}))
