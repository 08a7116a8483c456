"""A row of scripts.csv -> the words of its clips: filled in from its own columns, or once for everybody it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from ..errors import Problem
from ..gear import strict_csv
from . import fields
from .audience import Audience, Member
from .pauses import Marked, joined, marked
from .records import Pause
from .templates import Template, template, variable_name

# Of one row: a mistake in a text is a mistake for everybody it is for, and nobody reads a thousand lines of it.
MAX_PROBLEMS_A_ROW = 20


@dataclass(frozen=True)
class Wording:
    """The words of one clip. ``member`` is who it is for, or None."""

    text: str
    pauses: tuple[Pause, ...]
    member: Member | None = None


@dataclass(frozen=True)
class Cut:
    """A text cut at its pauses, and its pieces at their variables."""

    marks: Marked
    pieces: tuple[Template, ...]

    @classmethod
    def of(cls, text: str) -> Cut:
        marks = marked(text)
        return cls(marks, tuple(map(template, marks.pieces)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for piece in self.pieces for name in piece.names))

    @property
    def wrong(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.marks.wrong, *(wrong for piece in self.pieces for wrong in piece.wrong))))

    def filled(self, values: Mapping[str, str]) -> tuple[str, tuple[Pause, ...]]:
        """The text and its pauses. ValueError for a pause that has no words on one of its sides."""
        return joined([piece.filled(values) for piece in self.pieces], self.marks.seconds)


class Filler:
    """Fills in the texts of one campaign and collects what is wrong with them.

    ``is_complete`` turns False when a text could not be filled in, so that not all words are known.
    """

    def __init__(
        self,
        file: str,
        table: strict_csv.CsvTable,
        audience: Audience,
        known: strict_csv.Columns,
        *,
        is_audience_known: bool = True,
    ) -> None:
        self.file, self.table, self.audience, self.known = file, table, audience, known.known
        self.is_audience_known = is_audience_known and audience.is_known
        self.columns = {variable_name(name): name for name in table.header if name and name not in known.known}
        self.problems: list[Problem] = []
        self.is_complete = self.is_audience_known
        self._cuts = {row.line: Cut.of(row.cells["text"]) for row in table.rows}
        self._empty: set[tuple[int, str]] = set()

    def cut(self, row: strict_csv.CsvRow) -> Cut:
        return self._cuts[row.line]

    def is_for_the_audience(self, row: strict_csv.CsvRow) -> bool:
        """True when the row's text uses a column of the audience's: then it is one clip for each of its rows."""
        return any(name in self.audience.columns for name in self.cut(row).names)

    def clips(self) -> int:
        """How many clips all rows make."""
        return sum(len(self.audience.members) if self.is_for_the_audience(row) else 1 for row in self.table.rows)

    def told(self) -> list[Problem]:
        """The problems since this was last asked."""
        told, self.problems = self.problems, []
        return told

    # ---- headers
    def idle_columns(self) -> list[Problem]:
        """A problem for every column that no text uses, and for every name that is a column of both tables."""
        used = {name for cut in self._cuts.values() for name in cut.names}
        line = self.table.header_line
        for name, column in self.columns.items():
            if name in self.audience.columns:
                continue
            if name not in used:
                near = strict_csv.nearest(column, self.known)
                sentence = f"is not a column of this file, and no text uses {{{{ {column[:40]} }}}}; {near}"
                self.problems.append(Problem(self.file, line, column, sentence))
        for name in self.audience.columns:
            self._find_idle(name, used)
        return self.told()

    def _find_idle(self, name: str, used: set[str]) -> None:
        audience = self.audience
        if name in self.columns or name in self.known:
            sentence = "is also a column of scripts.csv; rename one of the two"
        elif name not in used and name != "audience_id":
            sentence = f"is not used: no text of scripts.csv has {{{{ {name[:40]} }}}}; use it or delete the column"
        elif audience.columns == ("audience_id",) and name not in used:
            sentence = "is the only column, and no text of scripts.csv uses it; add columns to fill in"
        else:
            return
        self.problems.append(Problem(audience.shown, audience.header_line, name, sentence))

    # ---- rows
    def wordings(self, row: strict_csv.CsvRow, look: Callable[[str], None]) -> list[Wording]:
        """The words of every clip of ``row``. ``look`` raises ValueError for a text that cannot be spoken."""
        cut, before = self.cut(row), len(self.problems)
        for sentence in (*cut.wrong, *self._missing(cut)):
            self._add(row, "text", sentence)
        own = self._own_values(row, cut)
        if len(self.problems) > before or not all(self._is_known(name) for name in cut.names):
            self.is_complete = False
            return []
        members: Iterable[Member | None] = self.audience.members if self.is_for_the_audience(row) else (None,)
        return list(self._filled(row, cut, own, members, look))

    def _filled(
        self,
        row: strict_csv.CsvRow,
        cut: Cut,
        own: Mapping[str, str],
        members: Iterable[Member | None],
        look: Callable[[str], None],
    ) -> Iterator[Wording]:
        bad = 0
        for member in members:
            if member is not None and not self._has_all(member, cut, row):
                self.is_complete = False
                continue
            try:
                text, pauses = cut.filled(own if member is None else {**own, **member.values})
                look(text)
            except ValueError as error:
                bad += 1
                if bad <= MAX_PROBLEMS_A_ROW:
                    self._add(row, "text", self._told(str(error), member))
                continue
            yield Wording(text, pauses, member)
        if bad > MAX_PROBLEMS_A_ROW:
            self._add(row, "text", f"has mistakes for {bad - MAX_PROBLEMS_A_ROW} more rows of {self.audience.file}")

    def _told(self, sentence: str, member: Member | None) -> str:
        if member is None:
            return sentence
        return f"filled in for line {member.line} of {self.audience.file} ({member.audience_id}) {sentence}"

    def _is_known(self, name: str) -> bool:
        return name in self.columns or name in self.audience.columns

    def _missing(self, cut: Cut) -> Iterator[str]:
        """A sentence for every variable that no column fills in."""
        choices = sorted({*self.columns, *self.audience.columns})
        where = (
            f"neither scripts.csv nor {self.audience.file} has" if self.audience.file else "scripts.csv does not have"
        )
        for name in cut.names:
            if name in self.known:
                yield (
                    f"uses {{{{ {name} }}}}, but that column says how the clip is made; put the words into a column of "
                    "another name"
                )
            elif not self._is_known(name) and self.is_audience_known:
                near = strict_csv.nearest(name, choices) if choices else "add the column"
                yield f"uses {{{{ {name[:40]} }}}}, a column that {where}; {near}"

    def _own_values(self, row: strict_csv.CsvRow, cut: Cut) -> dict[str, str]:
        values = {}
        for name in cut.names:
            column = self.columns.get(name)
            if column is None:
                continue
            values[name] = row.cells[column].strip()
            if not values[name]:
                self._add(row, column, "is empty, but this row's text uses it; fill it in")
                continue
            try:
                fields.filled_value(values[name])
            except ValueError as error:
                self._add(row, column, str(error))
        return values

    def _has_all(self, member: Member, cut: Cut, row: strict_csv.CsvRow) -> bool:
        """Whether the member has a value for every variable of the text; an empty one is told once."""
        needed = [name for name in cut.names if name in self.audience.columns]
        for name in needed:
            if member.values.get(name) == "" and (member.line, name) not in self._empty:
                self._empty.add((member.line, name))
                sentence = f"is empty, but the text on line {row.line} of scripts.csv uses it; fill it in"
                self.problems.append(Problem(self.audience.shown, member.line, name, sentence))
        return all(member.values.get(name) for name in needed)

    def _add(self, row: strict_csv.CsvRow, column: str, sentence: str) -> None:
        self.problems.append(Problem(self.file, row.line, column, sentence))
