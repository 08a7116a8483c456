"""scripts.csv -> its rows, and what a row asks for."""

from __future__ import annotations

from ..errors import Problem
from ..gear import strict_csv
from ..models import DEFAULT_MODEL
from . import fields
from .campaign_yaml import CampaignFile

# Other columns are for the texts' own variables; filling.py tells of those that no text uses.
COLUMNS = strict_csv.Columns(("clip_id", "text"), (*fields.FIELDS, "approved", "audio"), takes_others=True)


def read_rows(content: bytes, *, file: str) -> strict_csv.CsvTable:
    """The rows of scripts.csv, cells as written. A fal key in the file is the only problem told of it."""
    leaks = fields.lines_with_a_key(content.decode("utf-8", errors="replace"))
    if leaks:
        return strict_csv.CsvTable((), tuple(Problem(file, line, "", fields.FAL_KEY_SENTENCE) for line in leaks))
    return strict_csv.read_table(content, COLUMNS, file=file)


def portrait_name(row: strict_csv.CsvRow, defaults: CampaignFile) -> str:
    """The portrait a row asks for: its own, else the campaign's."""
    return row.cells.get("portrait", "").strip() or defaults.defaults.get("portrait", "")


def model_name(row: strict_csv.CsvRow, defaults: CampaignFile) -> str:
    """The model a row asks for: its own, else the campaign's, else Aurora."""
    return row.cells.get("model", "").strip() or defaults.defaults.get("model", DEFAULT_MODEL)


def voice_name(row: strict_csv.CsvRow, defaults: CampaignFile) -> str:
    """The voice a row asks for: its own, else the campaign's, else the usual one."""
    return row.cells.get("voice", "").strip() or defaults.defaults.get("voice", fields.FALLBACKS["voice"])


def audio_name(row: strict_csv.CsvRow) -> str:
    """The recording a row brings along; empty where its text is spoken."""
    return row.cells.get("audio", "").strip()
