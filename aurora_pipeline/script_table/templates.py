"""A text with ``{{ names }}`` -> the text with their values.

Plain substitution is the whole language: a name is letters, digits and ``_``; there are no expressions, filters or
loops, and a value is never looked at again. So nothing that somebody writes into a table can run, or reach further.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..gear.strict_csv import column_name

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"\w+")
BRACES = ("{{", "}}")


@dataclass(frozen=True)
class Variable:
    """A place that a value is filled into. Names match columns whatever their case."""

    name: str


@dataclass(frozen=True)
class Template:
    """A text cut at its variables. ``wrong`` holds a sentence for everything in it that is no template."""

    parts: tuple[str | Variable, ...]
    wrong: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The variables, each once, in the order of the text."""
        return tuple(dict.fromkeys(part.name for part in self.parts if isinstance(part, Variable)))

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with its values, which are taken as they are. KeyError for a missing one."""
        return "".join(values[part.name] if isinstance(part, Variable) else part for part in self.parts)


def template(text: str) -> Template:
    """Any text at all: what is wrong with its braces is told, never raised."""
    parts, wrong = [], []
    for part in _parts(text):
        if isinstance(part, Variable) and not _NAME.fullmatch(part.name):
            wrong.append(_bad_expression(part.name))
        elif isinstance(part, str) and (brace := next((brace for brace in BRACES if brace in part), None)):
            wrong.append(_unbalanced(brace))
        else:
            parts.append(Variable(variable_name(part.name)) if isinstance(part, Variable) else part)
    return Template(tuple(parts), tuple(dict.fromkeys(wrong)))


def variable_name(written: str) -> str:
    """A variable's name as columns and texts share it: ``First Name`` of a header is ``first_name``."""
    return column_name(unicodedata.normalize("NFC", written))


def _parts(text: str) -> Iterator[str | Variable]:
    """Text and what stands between braces, in turn; empty texts are left out."""
    at = 0
    for found in _EXPRESSION.finditer(text):
        if found.start() > at:
            yield text[at : found.start()]
        yield Variable(found.group(1).strip())
        at = found.end()
    if at < len(text):
        yield text[at:]


def _bad_expression(written: str) -> str:
    if not written:
        return "holds {{ }} without a name; write the name of a column between the braces"
    return (
        f"holds {{{{ {written[:40]} }}}}, which is not a name; between the braces is one column's name of letters, "
        "digits and '_', and nothing is reckoned there"
    )


def _unbalanced(brace: str) -> str:
    if brace == "{{":
        return "opens {{ without closing it; write {{ name }}"
    return "closes }} without opening it; write {{ name }}"
