"""`aurora ask`: the warehouse's questions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..settings import Settings, from_environment

if TYPE_CHECKING:
    import pandas as pd

    from ..warehouse import Question

# A spreadsheet takes a cell that begins so for a formula; what people wrote must stay what they wrote.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("question", required=False)
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED, metavar="[--NAME VALUE]...")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
def ask(question: str | None, parameters: tuple[str, ...], *, as_csv: bool) -> None:
    """Answer a QUESTION from the warehouse; without one, list the questions.

    Some questions need a value, such as `aurora ask lineage --file-sha256 VALUE`: the sha256 of a file, or the file.
    """
    from ..warehouse.questions import ask as answer_of
    from ..warehouse.questions import questions

    if question is None:
        _list(questions())
        return
    settings = from_environment()
    known = next((known for known in questions() if known.name == question), None)
    given = _given(settings, known, parameters) if known else {}
    answer = answer_of(settings, question, **given)
    click.echo(_csv(answer) if as_csv else _table(answer))


def _list(known: Sequence[Question]) -> None:
    width = max(len(question.name) for question in known)
    for question in known:
        needs = "".join(f" Needs {_option(name)}." for name in question.parameters)
        click.echo(f"{question.name:<{width}}  {question.asks}{needs}")


# ---- what was given
def _given(settings: Settings, question: Question, words: Sequence[str]) -> dict[str, str]:
    given = _pairs(question, words)
    for name in question.parameters:
        if name not in given:
            raise click.UsageError(f"The question '{question.name}' needs {_option(name)} VALUE. {_meaning(name)}")
    return {
        name: _sha256(settings, name, value) if name.endswith("_sha256") else value for name, value in given.items()
    }


def _pairs(question: Question, words: Sequence[str]) -> dict[str, str]:
    """``--name value`` and ``--name=value`` -> {name: value}."""
    given: dict[str, str] = {}
    left = iter(words)
    for word in left:
        option, is_joined, value = word.partition("=")
        name = option.removeprefix("--").replace("-", "_")
        if not option.startswith("--") or name not in question.parameters:
            takes = ", ".join(map(_option, question.parameters)) or "no value"
            raise click.UsageError(f"The question '{question.name}' does not take '{option}'; it takes {takes}.")
        given[name] = value if is_joined else next(left, "")
        if not given[name]:
            raise click.UsageError(f"{option} needs a value. {_meaning(name)}")
    return given


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _meaning(name: str) -> str:
    return "Give a file's sha256 (64 hex digits) or its path." if name.endswith("_sha256") else ""


def _sha256(settings: Settings, name: str, value: str) -> str:
    """A hash as it is; a file's own hash for a path, as seen from here or as the warehouse writes it."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", value):
        return value.lower()
    file = next((file for file in (Path(value), settings.output / value) if file.is_file()), None)
    if file is None:
        raise click.UsageError(
            f"{_option(name)} is '{value}', which is neither a sha256 (64 hex digits) nor a file here or in "
            f"{settings.output.name}/."
        )
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


# ---- how it is printed
def _csv(answer: pd.DataFrame) -> str:
    text: str = answer.map(_no_formula).to_csv(index=False)
    return text.rstrip("\n")


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(_FORMULA) else value
    return text.replace("\r", " ")  # Python's csv does not quote it, and a spreadsheet would begin a row there


def _table(answer: pd.DataFrame) -> str:
    if answer.empty:
        return "No rows."
    money = [name for name in answer.columns if "usd" in name]
    written = {name: answer[name].map(_rate if "_usd_per_" in name else _usd) for name in money}
    text: str = answer.assign(**written).to_string(index=False)
    return text


def _usd(amount: Decimal | None) -> str:
    return f"{amount:.2f}" if isinstance(amount, Decimal) else ""


def _rate(amount: Decimal | None) -> str:
    """Dollars a second: at two decimals, campaigns that differ by a seventh would look alike."""
    return f"{amount:.4f}" if isinstance(amount, Decimal) else ""
