"""The `.sql` files under ``sql/``: one statement a file, its first two lines say what it is for.

Comments of tables and columns are written once, beside the column they describe, and become ``COMMENT ON`` here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# In the order they are loaded; `published` is one row about the file itself.
TABLES = ("campaigns", "clips", "charges", "artifacts", "derivations", "speech", "videos", "deliverables", "quality",
          "runs", "reconciliations", "published")  # fmt: skip
_COLUMN = re.compile(r"^    (?P<name>[a-z_0-9]+) [A-Z].*?,? {2}-- (?P<comment>.+)$", re.MULTILINE)
_REQUIRED = re.compile(r"^    ([a-z_0-9]+) [A-Z].* NOT NULL,? {2}--", re.MULTILINE)
_PARAMETER = re.compile(r"\$([a-z_][a-z_0-9]*)")


@dataclass(frozen=True)
class Statement:
    """One file: its first line, its second, and the whole text."""

    name: str
    purpose: str
    row: str
    sql: str

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names that must be bound, in the order they first appear."""
        without_comments = re.sub(r"--[^\n]*", "", self.sql)
        return tuple(dict.fromkeys(_PARAMETER.findall(without_comments)))

    @property
    def column_comments(self) -> dict[str, str]:
        """Column -> its comment, of a CREATE TABLE statement."""
        return {found["name"]: found["comment"] for found in _COLUMN.finditer(self.sql)}

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Columns of a CREATE TABLE statement that must not be NULL."""
        return tuple(_REQUIRED.findall(self.sql))


@cache
def statement(folder: str, name: str) -> Statement:
    """``sql/<folder>/<name>.sql``."""
    sql = (files(__package__) / "sql" / folder / f"{name}.sql").read_text(encoding="utf-8")
    purpose, row = (line.removeprefix("--").strip() for line in sql.splitlines()[:2])
    return Statement(name, purpose, row, sql)


@cache
def question_names() -> tuple[str, ...]:
    """Every shipped question, by name."""
    folder = files(__package__) / "sql" / "questions"
    return tuple(sorted(file.name.removesuffix(".sql") for file in folder.iterdir() if file.name.endswith(".sql")))


def schema_sha256() -> str:
    """Hash over the table definitions: a file made by others must be rebuilt, not written to."""
    return hashlib.sha256("\n".join(statement("schema", table).sql for table in TABLES).encode()).hexdigest()


def create_tables() -> list[str]:
    """Statements that make every table and comment on it and its columns."""
    made = []
    for table in TABLES:
        schema = statement("schema", table)
        made.append(schema.sql)
        made.append(f"COMMENT ON TABLE {table} IS {_text(f'{schema.purpose} {schema.row}')}")
        made.extend(
            f"COMMENT ON COLUMN {table}.{column} IS {_text(comment)}"
            for column, comment in schema.column_comments.items()
        )
    return made


def create_views() -> list[str]:
    """Statements that make the macro and a commented view for each question that needs no parameter."""
    macro = statement("schema", "lineage.macro")
    made = [macro.sql, f"COMMENT ON MACRO TABLE lineage IS {_text(f'{macro.purpose} {macro.row}')}"]
    for name in question_names():
        question = statement("questions", name)
        if not question.parameters:
            made.append(f"CREATE OR REPLACE VIEW {name} AS\n{question.sql}")
            made.append(f"COMMENT ON VIEW {name} IS {_text(f'{question.purpose} {question.row}')}")
    return made


def _text(comment: str) -> str:
    # COMMENT ON takes no bound value; the text is our own, from the shipped file.
    return "'" + comment.replace("'", "''") + "'"
