"""The second table of a campaign -> Audience: who its templates are filled in for."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Problem
from ..gear import strict_csv
from . import fields
from .inside import file_inside
from .templates import variable_name

ID = "audience_id"
COLUMNS = strict_csv.Columns((ID,), takes_others=True, max_rows=100_000)


@dataclass(frozen=True)
class Member:
    """One row: its values by variable, without those that are broken."""

    audience_id: str
    line: int
    values: Mapping[str, str]


@dataclass(frozen=True)
class Audience:
    """Everybody of the table. ``file`` is the name that people wrote; it is empty where a campaign has no audience.

    ``columns`` are the variables, ``audience_id`` among them. ``is_known`` is False when the table could not be read:
    then nobody can say which variables there are.
    """

    file: str = ""
    shown: str = ""
    columns: tuple[str, ...] = ()
    header_line: int = 1
    members: tuple[Member, ...] = ()
    is_known: bool = True
    problems: tuple[Problem, ...] = field(default=(), compare=False)


def audience_file(folder: Path, name: str) -> Path:
    """The table's file in the campaign's folder. ValueError with the sentence people read when there is none."""
    file = file_inside((folder,), name, lambda where, what: [where / what] if (where / what).exists() else [])
    if file is None:
        raise ValueError(f"there is no file '{name[:80]}' in the campaign's folder; put the table there")
    if not file.is_file():
        raise ValueError(f"'{name[:80]}' is not a file; name a CSV file of the campaign's folder")
    return file


def read_audience(content: bytes, *, file: str, shown: str) -> Audience:
    """The table and everything wrong with it. ``shown`` is how messages name it."""
    leaks = fields.lines_with_a_key(content.decode("utf-8", errors="replace"))
    if leaks:
        problems = tuple(Problem(shown, line, "", fields.FAL_KEY_SENTENCE) for line in leaks)
        return Audience(file, shown, is_known=False, problems=problems)
    table = strict_csv.read_table(content, COLUMNS, file=shown)
    reader = _Reader(shown, list(table.problems))
    names = reader.names(table)
    members = tuple(reader.member(row, names) for row in table.rows)
    reader.find_twins(members)
    return Audience(
        file=file,
        shown=shown,
        columns=tuple(dict.fromkeys(names.values())),
        header_line=table.header_line,
        members=tuple(member for member in members if member.audience_id),
        is_known=bool(table.rows),
        problems=tuple(reader.problems),
    )


class _Reader:
    """Collects what is wrong with the table."""

    def __init__(self, shown: str, problems: list[Problem]) -> None:
        self.shown, self.problems = shown, problems

    def names(self, table: strict_csv.CsvTable) -> dict[str, str]:
        """The header's columns -> variables. Two that only their Unicode form tells apart are one too many."""
        found: dict[str, str] = {}
        for column in table.header:
            if column and column not in found and variable_name(column) in found.values():
                sentence = "is in the header twice; delete one of the two columns"
                self.problems.append(Problem(self.shown, table.header_line, column, sentence))
            found[column] = variable_name(column)
        return found

    def member(self, row: strict_csv.CsvRow, names: Mapping[str, str]) -> Member:
        values = {}
        for column, cell in row.cells.items():
            try:
                values[names[column]] = fields.filled_value(cell.strip())
            except ValueError as error:
                self.problems.append(Problem(self.shown, row.line, column, str(error)))
        return Member(self._id(row), row.line, values)

    def _id(self, row: strict_csv.CsvRow) -> str:
        audience_id = row.cells[ID].strip()
        try:
            return fields.clip_id(audience_id)
        except ValueError as error:
            sentence = str(error).replace("clip_id", ID)
            self.problems.append(Problem(self.shown, row.line, ID, sentence))
            return ""

    def find_twins(self, members: tuple[Member, ...]) -> None:
        seen: dict[str, Member] = {}
        for member in members:
            folded = unicodedata.normalize("NFC", member.audience_id).casefold()
            first = seen.setdefault(folded, member)
            if folded and first is not member:
                is_same = first.audience_id == member.audience_id
                how = "is also" if is_same else f"differs only by upper and lower case from '{first.audience_id}'"
                sentence = f"'{member.audience_id}' {how} on line {first.line}; give each row its own {ID}"
                self.problems.append(Problem(self.shown, member.line, ID, sentence))
