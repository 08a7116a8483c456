"""CSV bytes -> rows and located problems.  Never pandas: it shifts cells at an unquoted comma and makes "NA" a NaN.

Every cell stays the text it is. What can be read without guessing is (byte order mark, ``,`` ``;`` or tab, any line
ending, case and spaces of headers); what cannot be is a problem with its line, and no cell is ever guessed.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..errors import Problem

SEPARATORS = (",", ";", "\t")
MAX_BYTES = 32_000_000
MAX_ROWS = 5_000
# The csv module's own limit, process-wide: a longer cell is an error of that row, never a truncated cell.
MAX_CELL_CHARACTERS = 131_072


@dataclass(frozen=True)
class Columns:
    """What a file's header may and must name. ``takes_others``: whoever reads the rows judges other names."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    takes_others: bool = False
    max_rows: int | None = None

    @property
    def known(self) -> tuple[str, ...]:
        return self.required + self.optional


@dataclass(frozen=True)
class CsvRow:
    """One row: the line it starts on (an editor's numbering) and its cells by column name, exactly as written."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """The rows that could be read, every problem of the file's form, and the header's names and line."""

    rows: tuple[CsvRow, ...]
    problems: tuple[Problem, ...]
    header: tuple[str, ...] = ()
    header_line: int = 1


def read_table(content: bytes, columns: Columns, *, file: str) -> CsvTable:
    """Rows of a CSV file with a header. ``file`` is the name problems carry. Never raises for bad content."""
    problems: list[Problem] = []
    text = decoded(content, file=file, problems=problems)
    if text is None:
        return CsvTable((), tuple(problems))
    records = _records(text, _separator(text, columns), file=file, problems=problems)
    line, cells = next(records, (1, []))
    if not cells:
        if not problems:
            problems.append(Problem(file, 0, "", f"is empty; its header is {','.join(columns.required)}"))
        return CsvTable((), tuple(problems))
    names = [column_name(cell) for cell in cells]
    problems.extend(header_problems := list(_header_problems(names, columns, file=file, line=line)))
    rows = _rows(records, names, columns, file=file, problems=problems)
    if not rows and not problems:
        problems.append(Problem(file, 0, "", "holds no rows; write at least one row below the header"))
    return CsvTable(() if header_problems else tuple(rows), tuple(problems), tuple(names), line)


def decoded(content: bytes, *, file: str, problems: list[Problem]) -> str | None:
    """Text of UTF-8 ``content``; None and one problem when it is too large or not UTF-8 (never guessed)."""
    if len(content) > MAX_BYTES:
        problems.append(Problem(file, 0, "", f"is larger than {MAX_BYTES // 1_000_000} MB; split it"))
        return None
    if b"\0" in content:
        sentence = "holds NUL bytes (it looks like UTF-16); save it as UTF-8 (in Excel: 'CSV UTF-8')"
        problems.append(Problem(file, content[: content.index(b"\0")].count(b"\n") + 1, "", sentence))
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, line = content[error.start], content[: error.start].count(b"\n") + 1
        sentence = (
            f"byte 0x{byte:02x} is not UTF-8 (an older Windows encoding?); save it as UTF-8 (in Excel: 'CSV UTF-8')"
        )
        problems.append(Problem(file, line, "", sentence))
        return None


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for a near miss of one of ``known``, else what there is to choose from."""
    choices = list(known)
    close = difflib.get_close_matches(name.lower(), choices, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f"use one of: {', '.join(choices)}"


def column_name(header: str) -> str:
    """``Clip ID`` -> ``clip_id``."""
    return re.sub(r"[\s-]+", "_", header.strip().lower())


def _rows(
    records: Iterator[tuple[int, list[str]]],
    names: Sequence[str],
    columns: Columns,
    *,
    file: str,
    problems: list[Problem],
) -> list[CsvRow]:
    """What is below the header."""
    rows: list[CsvRow] = []
    most = columns.max_rows or MAX_ROWS
    for line, cells in records:
        if len(rows) == most:
            problems.append(Problem(file, line, "", f"is row {most + 1}; split the file, {most} is the most"))
            break
        if len(cells) != len(names):
            problems.append(Problem(file, line, "", _count_sentence(len(cells), len(names))))
        else:
            rows.append(CsvRow(line, dict(zip(names, cells, strict=True))))
    return rows


def _count_sentence(found: int, wanted: int) -> str:
    if found > wanted:
        return f"has {found} cells but the header has {wanted}; an unquoted comma? Put that text in double quotes"
    return f"has {found} cells but the header has {wanted}; fill in the missing cells (they may be empty)"


def _separator(text: str, columns: Columns) -> str:
    """The separator under which the header line names the most columns we know; a comma when none does."""
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")

    def names_known(separator: str) -> int:
        cells = next(csv.reader([first], delimiter=separator), [])
        return sum(column_name(cell) in columns.known for cell in cells)

    try:
        return max(SEPARATORS, key=names_known)
    except csv.Error:
        return SEPARATORS[0]


def _header_problems(names: Sequence[str], columns: Columns, *, file: str, line: int) -> Iterator[Problem]:
    for number, name in enumerate(names, start=1):
        if not name:
            yield Problem(file, line, "", f"the header's column {number} has no name; name it or delete the column")
        elif name in names[: number - 1]:
            yield Problem(file, line, name, "is in the header twice; delete one of the two columns")
        elif name not in columns.known and not columns.takes_others:
            yield Problem(file, line, name, f"is not a column of this file; {nearest(name, columns.known)}")
    for name in columns.required:
        if name not in names:
            yield Problem(file, line, name, "is missing from the header; add this column")


def _records(text: str, separator: str, *, file: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """(starting line, cells) of every row that is not blank. A broken quote ends it: what follows cannot be trusted."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problems.append(Problem(file, *_broken(text, line, separator, str(error))))
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _broken(text: str, line: int, separator: str, reason: str) -> tuple[int, str, str]:
    if "field limit" in reason:
        return line, "", f"has a cell of more than {MAX_CELL_CHARACTERS} characters (a quote that is never closed?)"
    opened = _last_opened_quote(text, line, separator, stops_at_a_stray="expected after" in reason)
    if "end of data" in reason:
        return opened, "", 'opens a double quote that is never closed; close it, or write "" for a quote in the text'
    return opened, "", 'has text after a closing double quote; write "" for a quote in the text, or close it later'


def _last_opened_quote(text: str, line: int, separator: str, *, stops_at_a_stray: bool) -> int:
    """The line on which the quote that breaks the row starting at ``line`` was opened."""
    quoted, at_cell_start, opened = False, True, line
    for here, content in enumerate(io.StringIO(text, newline=""), start=1):
        if here < line:
            continue
        characters = iter(enumerate(content))
        for index, character in characters:
            if quoted and character == '"':
                if content[index + 1 : index + 2] == '"':
                    next(characters)
                    continue
                quoted = False
                if stops_at_a_stray and content[index + 1 : index + 2] not in (separator, "\r", "\n", ""):
                    return opened
            elif not quoted and at_cell_start and character == '"':
                quoted, opened = True, here
            at_cell_start = not quoted and character in (separator, "\r", "\n")
    return opened
