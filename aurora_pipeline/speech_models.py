"""data/speech_models.csv -> SpeechModels.  What every bought voice and recogniser is asked, answers and is billed by.

A row is an endpoint: what it calls the text (or the recording), the voice and the language, what is always sent, where
its answer holds the sound (or the transcript) and the words' times, and what is counted for the bill. An empty cell
means "no such field" or "not documented"; nothing is guessed. A further model is one row here and its price in
price_book.csv. Limits: one text or one recording a request; the sound comes back as a URL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import BadInput, Problem
from .gear import strict_csv
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

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,7}")
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_LANGUAGE = re.compile(r"([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})?)(?:=(\S+))?")

Value = TypeVar("Value")


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
    file = "/".join(path.parts[-2:])
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if path != SHIPPED:
            return read_speech_models(SHIPPED)
        raise _unreadable(file, error) from error
    except OSError as error:
        raise _unreadable(file, error) from error
    table = strict_csv.read_table(content, COLUMNS, file=file)
    reader = _Reader(file, list(table.problems))
    rows = [row for row in map(reader.row, table.rows) if row is not None]
    reader.compare(rows)
    if reader.problems:
        raise BadInput(reader.problems)
    speech = tuple(row for row in rows if isinstance(row, SpeechModel))
    return SpeechModels(file, speech, tuple(row for row in rows if isinstance(row, RecogniserModel)))


def _unreadable(file: str, error: OSError) -> BadInput:
    return BadInput([Problem(file, 0, "", f"cannot be read ({error.strerror or 'unknown'}); restore it")])


class _Reader:
    """Turns rows into models and collects what is wrong with them."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file, self.problems = file, problems

    def row(self, row: strict_csv.CsvRow) -> SpeechModel | RecogniserModel | None:
        """The row's model; None, and problems, when it has any."""
        before = len(self.problems)
        kind = self._cell(row, "kind", _one_of(KINDS)) or "speech"
        said: dict[str, Any] = {
            "name": self._cell(row, "name", _name),
            "endpoint": self._cell(row, "endpoint", _endpoint),
            "input": self._cell(row, "input", _path),
            "answer": self._cell(row, "answer", _path),
            "unit": self._cell(row, "unit", _one_of(tuple(UNITS[kind]))),
            "unit_rule": self._cell(row, "unit_rule", _one_of(UNIT_RULES)),
            "source": self._cell(row, "source", str),
            "languages": self._cell(row, "languages", _languages) or {},
            "language_field": self._cell(row, "language", _path) or "",
            "extra": self._cell(row, "extra", _extra) or {},
            "words_path": self._cell(row, "words", _path) or "",
            "note": row.cells.get("note", ""),
            "line": row.line,
        }
        self._cell(row, "counted", _one_of((COUNTED[kind],)))
        voiced = self._of_speech(row, kind)
        self._assert_agrees(row, said, voiced)
        if len(self.problems) > before:
            return None
        return SpeechModel(**said, **voiced) if kind == "speech" else RecogniserModel(**said)

    def _of_speech(self, row: strict_csv.CsvRow, kind: str) -> dict[str, Any]:
        """What only a voice has; a recogniser's cells of it must be empty."""
        if kind == "recogniser":
            for name in ("voice", "voices", "required", "pronunciation", "format", "max_characters"):
                if row.cells.get(name, "").strip():
                    self._add(row.line, name, "is of a voice; empty it for a recogniser")
            return {}
        if not row.cells.get("format", "").strip():
            self._add(row.line, "format", f"is empty; write {' or '.join(FORMATS)}")
        return {
            "voice_field": self._cell(row, "voice", _path) or "",
            "voices": self._cell(row, "voices", _words) or (),
            "needs_voice": self._cell(row, "required", _one_of(REQUIRED)) is not None,
            "pronunciation": self._cell(row, "pronunciation", _markup) or "",
            "format": self._cell(row, "format", _one_of(FORMATS)) or "",
            "max_characters": self._cell(row, "max_characters", _whole),
        }

    def compare(self, rows: Iterable[SpeechModel | RecogniserModel]) -> None:
        """Names and endpoints must be one row's alone."""
        seen: dict[tuple[str, str], int] = {}
        for row in rows:
            for column, text in (("name", row.name), ("endpoint", row.endpoint)):
                if (line := seen.setdefault((column, text), row.line)) != row.line:
                    self._add(row.line, column, f"'{text}' is also on line {line}; keep one of the two")

    def _add(self, line: int, column: str, sentence: str) -> None:
        self.problems.append(Problem(self.file, line, column, sentence))

    def _cell(self, row: strict_csv.CsvRow, name: str, check: Callable[[str], Value]) -> Value | None:
        """The checked value of a cell; None when it is empty or wrong."""
        text = row.cells.get(name, "").strip()
        if not text:
            if name in COLUMNS.required:
                self._add(row.line, name, "is empty")
            return None
        try:
            return check(text)
        except ValueError as error:
            self._add(row.line, name, str(error))
            return None

    def _assert_agrees(self, row: strict_csv.CsvRow, said: Mapping[str, Any], voiced: Mapping[str, Any]) -> None:
        """What only several cells together can be wrong about."""
        if voiced.get("voices") and not voiced["voice_field"]:
            self._add(row.line, "voices", "are listed, but the column voice is empty; fill it in")
        if voiced.get("needs_voice") and not voiced["voices"]:
            self._add(row.line, "required", "names 'voice', but the column voices is empty; list at least the default")
        if not said["language_field"] and any("=" in text for text in row.cells.get("languages", "").split()):
            self._add(row.line, "languages", "have values, but the column language is empty; fill it in")
        paths = {"input": said["input"], "voice": voiced.get("voice_field"), "language": said["language_field"]}
        taken: dict[str, str] = dict.fromkeys(said["extra"], "extra")
        for column, path in paths.items():
            if path and (path in taken or path in taken.values()):
                self._add(row.line, column, f"'{path}' is sent twice; keep one")
            elif path:
                taken[path] = column


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"is {text[:60]!r}; use small letters, digits, '.', '-' or '_', beginning with a letter")
    return text


def _endpoint(text: str) -> str:
    if not _ENDPOINT.fullmatch(text) or ".." in text:
        raise ValueError(f"is {text[:80]!r}; write it as the provider does, such as fal-ai/kokoro/french")
    return text


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError(f"is {text[:60]!r}; write the provider's name of this field, such as text or audio.url")
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.split()))


def _languages(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in text.split():
        tag = _LANGUAGE.fullmatch(part)
        if tag is None:
            raise ValueError(f"holds '{part[:40]}'; write tags such as en pt-BR, or en=English where the value differs")
        found[tag[1]] = tag[2] or tag[1]
    return found


def _extra(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        json.dumps(found, allow_nan=False)
        return {str(name): value for name, value in found.items()}
    except (ValueError, AttributeError):
        raise ValueError(f'is {text[:60]!r}; write a JSON object such as {{"timestamps": true}}') from None


def _markup(text: str) -> str:
    if "{word}" not in text or "{ipa}" not in text:
        raise ValueError(f"is {text[:60]!r}; write the markup with {{word}} and {{ipa}} in it")
    return text


def _whole(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise ValueError(f"is '{text[:40]}'; write a positive whole number, or leave it empty")
    return int(text)


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"is '{text[:40]}'; use {' or '.join(words)}")
        return text

    return check
