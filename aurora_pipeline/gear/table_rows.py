"""A strict CSV file of this project's own tables -> checked values, and everything wrong with it in one `BadInput`.

`TableRows` reads the file, hands out each cell through a check, and keeps each refusal with its file, line and column;
the checks that several tables share are below it. A check takes a cell's text, returns its value, and raises ValueError
with the rest of a sentence that begins with the column's name. Limit: what several cells say together is judged by
whoever reads the table, who adds it with `TableRows.add`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import BadInput, Problem
from . import strict_csv

Value = TypeVar("Value")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,7}")


@dataclass(frozen=True)
class TableRows:
    """The rows of one file as written, and the problems found so far; ``file`` is how these name it."""

    file: str
    columns: strict_csv.Columns
    rows: tuple[strict_csv.CsvRow, ...]
    problems: list[Problem]

    def add(self, line: int, column: str, sentence: str) -> None:
        """One more problem."""
        self.problems.append(Problem(self.file, line, column, sentence))

    def cell(self, row: strict_csv.CsvRow, column: str, check: Callable[[str], Value]) -> Value | None:
        """The checked value of a cell; None when it is empty or wrong. Spaces around it do not count."""
        text = row.cells.get(column, "").strip()
        if not text:
            if column in self.columns.required:
                self.add(row.line, column, "is empty")
            return None
        try:
            return check(text)
        except ValueError as error:
            self.add(row.line, column, str(error))
            return None

    def find_twins(self, written: Iterable[tuple[int, str, str]]) -> None:
        """What must be one row's alone, as (line, column, text): a text that a column holds twice is a problem."""
        seen: dict[tuple[str, str], int] = {}
        for line, column, text in written:
            if (first := seen.setdefault((column, text), line)) != line:
                self.add(line, column, f"'{text}' is also on line {first}; keep one of the two")

    def assert_good(self) -> None:
        """`BadInput` with every problem, if there is any."""
        if self.problems:
            raise BadInput(self.problems)


def read_rows(path: Path, columns: strict_csv.Columns, *, shipped: Path | None = None) -> TableRows:
    """The rows of ``path``, or of ``shipped`` when there is no such file. `BadInput` for a file that cannot be read."""
    file = "/".join(path.parts[-2:])
    try:
        content = path.read_bytes()
    except OSError as error:
        if isinstance(error, FileNotFoundError) and shipped is not None and path != shipped:
            return read_rows(shipped, columns)
        sentence = f"cannot be read ({error.strerror or 'unknown'}); restore it"
        raise BadInput([Problem(file, 0, "", sentence)]) from error
    table = strict_csv.read_table(content, columns, file=file)
    return TableRows(file, columns, table.rows, list(table.problems))


# ---------------------------------------------------------------- checks


def matching(pattern: str, advice: str) -> Callable[[str], str]:
    """A text of which all matches ``pattern``."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"is {text[:60]!r}; {advice}")
        return text

    return check


def name_of(characters: int) -> Callable[[str], str]:
    """A name people type, of at most so many characters."""
    advice = "use small letters, digits, '.', '-' or '_', beginning with a letter"
    return matching(rf"[a-z0-9][a-z0-9._-]{{0,{characters - 1}}}", advice)


def endpoint(example: str) -> Callable[[str], str]:
    """A provider's endpoint: a path of two to eight parts that climbs nowhere."""

    def check(text: str) -> str:
        if not _ENDPOINT.fullmatch(text) or ".." in text:
            raise ValueError(f"is {text[:80]!r}; write it as the provider does, such as {example}")
        return text

    return check


def one_of(words: tuple[str, ...], *, joined: str = " or ") -> Callable[[str], str]:
    """One of a few words."""

    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"is '{text[:40]}'; use {joined.join(words)}")
        return text

    return check


def distinct_words(text: str) -> tuple[str, ...]:
    """The words of a cell, each once, in its order."""
    return tuple(dict.fromkeys(text.split()))


def known_words(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    """Words out of ``known``, each once, in the cell's order."""

    def check(text: str) -> tuple[str, ...]:
        found = distinct_words(text)
        for word in found:
            if word not in known:
                raise ValueError(f"holds '{word[:40]}'; {strict_csv.nearest(word, known)}")
        return found

    return check


def json_object(example: str) -> Callable[[str], dict[str, Any]]:
    """A JSON object of plain values: neither NaN nor Infinity, which no JSON has."""

    def check(text: str) -> dict[str, Any]:
        try:
            found = json.loads(text)
            json.dumps(found, allow_nan=False)
            return {str(name): value for name, value in found.items()}
        except (ValueError, AttributeError):
            raise ValueError(f"is {text[:60]!r}; write a JSON object such as {example}") from None

    return check


def whole_number(digits: int) -> Callable[[str], int]:
    """A positive whole number of at most so many digits."""

    def check(text: str) -> int:
        if not re.fullmatch(rf"[0-9]{{1,{digits}}}", text) or not int(text):
            raise ValueError(f"is '{text[:40]}'; write a positive whole number, or leave it empty")
        return int(text)

    return check


def positive_number(text: str) -> float:
    """A positive number of at most six digits before the point and three behind it."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) or not float(text):
        raise ValueError(f"is '{text[:40]}'; write a positive number, or leave it empty")
    return float(text)
