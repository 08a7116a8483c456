"""data/speech_models.csv -> SpeechModels.  What every bought voice and recogniser is asked, answers and is billed by.

A row is an endpoint: what it calls the text (or the recording), the voice and the language, what is always sent, where
its answer holds the sound (or the transcript) and the words' times, and what is counted for the bill. An empty cell
means "no such field" or "not documented"; nothing is guessed. A further model is one row here and its price in
price_book.csv. Limits: one text or one recording a request; the sound comes back as a URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .gear import strict_csv, table_rows
from .gear.speech_endpoints import DEFAULT_VOICE, UNIT_RULES, UNITS, RecogniserModel, SpeechModel

__all__ = [
    "DEFAULT_VOICE",
    "SHIPPED",
    "RecogniserModel",
    "SpeechModel",
    "SpeechModels",
    "read_speech_models",
]

# The table a home uses that has none of its own: in a checkout a link to data/speech_models.csv, in a wheel a copy.
SHIPPED = Path(__file__).with_name("speech_models.csv")
KINDS = ("speech", "recogniser")
COUNTED = {"speech": "code_points", "recogniser": "seconds"}
REQUIRED = ("voice",)  # what an endpoint may refuse to do without, besides the text
FORMATS = ("mp3", "wav", "flac")
COLUMNS = strict_csv.Columns(
    ("name", "kind", "endpoint", "input", "languages", "answer", "unit", "counted", "unit_rule", "source"),
    ("voice", "voices", "required", "language", "extra", "words", "pronunciation", "format", "max_characters", "note"),
)

_FIELD = r"[A-Za-z_][A-Za-z0-9_]*"
_PATH = table_rows.matching(
    rf"{_FIELD}(\.{_FIELD})*", "write the provider's name of this field, such as text or audio.url"
)
_LANGUAGE = re.compile(r"([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?)(?:=(\S+))?")


@dataclass(frozen=True)
class SpeechModels:
    """Every row of one table, as the file orders them."""

    file: str
    speech: tuple[SpeechModel, ...]
    recognisers: tuple[RecogniserModel, ...]

    @property
    def rows(self) -> tuple[SpeechModel | RecogniserModel, ...]:
        return (*self.speech, *self.recognisers)

    def named(self, name: str) -> SpeechModel:
        """The speech model people call ``name``. ValueError with the sentence people read."""
        return _named(self.file, "speech model", name, self.speech)

    def recogniser(self, name: str) -> RecogniserModel:
        """The recogniser people call ``name``. ValueError with the sentence people read."""
        return _named(self.file, "recogniser", name, self.recognisers)

    def at(self, endpoint: str) -> SpeechModel | RecogniserModel | None:
        """The row of an endpoint, or None."""
        return next((row for row in self.rows if row.endpoint == endpoint), None)


Row = TypeVar("Row", SpeechModel, RecogniserModel)


def _named(file: str, what: str, name: str, rows: tuple[Row, ...]) -> Row:
    found = next((row for row in rows if row.name == name), None)
    if found is None:
        near = strict_csv.nearest(name, [row.name for row in rows]) if rows else "add its row"
        raise ValueError(f"there is no {what} '{name[:60]}' in {file}; {near}")
    return found


def read_speech_models(path: Path) -> SpeechModels:
    """The table in ``path``, or the shipped one when there is no such file. `BadInput` with every problem of it."""
    table = table_rows.read_rows(path, COLUMNS, shipped=SHIPPED)
    rows = [row for row in map(_Reader(table).row, table.rows) if row is not None]
    table.find_twins((row.line, "name", row.name) for row in rows)
    table.find_twins((row.line, "endpoint", row.endpoint) for row in rows)
    table.assert_good()
    speech = tuple(row for row in rows if isinstance(row, SpeechModel))
    return SpeechModels(table.file, speech, tuple(row for row in rows if isinstance(row, RecogniserModel)))


class _Reader:
    """Turns the table's rows into models and adds what is wrong with them to its problems."""

    def __init__(self, table: table_rows.TableRows) -> None:
        self.table, self.cell, self.add = table, table.cell, table.add

    def row(self, row: strict_csv.CsvRow) -> SpeechModel | RecogniserModel | None:
        """The row's model; None, and problems, when it has any."""
        before = len(self.table.problems)
        kind = self.cell(row, "kind", table_rows.one_of(KINDS)) or "speech"
        said: dict[str, Any] = {
            "name": self.cell(row, "name", table_rows.name_of(61)),
            "endpoint": self.cell(row, "endpoint", table_rows.endpoint("fal-ai/kokoro/french")),
            "input": self.cell(row, "input", _PATH),
            "answer": self.cell(row, "answer", _PATH),
            "unit": self.cell(row, "unit", table_rows.one_of(tuple(UNITS[kind]))),
            "unit_rule": self.cell(row, "unit_rule", table_rows.one_of(UNIT_RULES)),
            "source": self.cell(row, "source", str),
            "languages": self.cell(row, "languages", _languages) or {},
            "language_field": self.cell(row, "language", _PATH) or "",
            "extra": self.cell(row, "extra", table_rows.json_object('{"timestamps": true}')) or {},
            "words_path": self.cell(row, "words", _PATH) or "",
            "note": row.cells.get("note", ""),
            "line": row.line,
        }
        self.cell(row, "counted", table_rows.one_of((COUNTED[kind],)))
        voiced = self._of_speech(row, kind)
        self._assert_agrees(row, said, voiced)
        if len(self.table.problems) > before:
            return None
        return SpeechModel(**said, **voiced) if kind == "speech" else RecogniserModel(**said)

    def _of_speech(self, row: strict_csv.CsvRow, kind: str) -> dict[str, Any]:
        """What only a voice has; a recogniser's cells of it must be empty."""
        if kind == "recogniser":
            for name in ("voice", "voices", "required", "pronunciation", "format", "max_characters"):
                if row.cells.get(name, "").strip():
                    self.add(row.line, name, "is of a voice; empty it for a recogniser")
            return {}
        if not row.cells.get("format", "").strip():
            self.add(row.line, "format", f"is empty; write {' or '.join(FORMATS)}")
        return {
            "voice_field": self.cell(row, "voice", _PATH) or "",
            "voices": self.cell(row, "voices", table_rows.distinct_words) or (),
            "needs_voice": self.cell(row, "required", table_rows.one_of(REQUIRED)) is not None,
            "pronunciation": self.cell(row, "pronunciation", _markup) or "",
            "format": self.cell(row, "format", table_rows.one_of(FORMATS)) or "",
            "max_characters": self.cell(row, "max_characters", table_rows.whole_number(7)),
        }

    def _assert_agrees(self, row: strict_csv.CsvRow, said: Mapping[str, Any], voiced: Mapping[str, Any]) -> None:
        """What only several cells together can be wrong about."""
        if voiced.get("voices") and not voiced["voice_field"]:
            self.add(row.line, "voices", "are listed, but the column voice is empty; fill it in")
        if voiced.get("needs_voice") and not voiced["voices"]:
            self.add(row.line, "required", "names 'voice', but the column voices is empty; list at least the default")
        if not said["language_field"] and any("=" in text for text in row.cells.get("languages", "").split()):
            self.add(row.line, "languages", "have values, but the column language is empty; fill it in")
        paths = {"input": said["input"], "voice": voiced.get("voice_field"), "language": said["language_field"]}
        taken: dict[str, str] = dict.fromkeys(said["extra"], "extra")
        for column, path in paths.items():
            if path and (path in taken or path in taken.values()):
                self.add(row.line, column, f"'{path}' is sent twice; keep one")
            elif path:
                taken[path] = column


def _languages(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split():
        tag = _LANGUAGE.fullmatch(part)
        if tag is None:
            raise ValueError(f"holds '{part[:40]}'; write tags such as en pt-BR, or en=English where the value differs")
        found[tag[1]] = tag[2] or tag[1]
    return found


def _markup(text: str) -> str:
    if "{word}" not in text or "{ipa}" not in text:
        raise ValueError(f"is {text[:60]!r}; write the markup with {{word}} and {{ipa}} in it")
    return text
