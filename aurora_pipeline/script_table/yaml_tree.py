"""The bytes of a YAML file -> its nodes, with every problem and its line.

YAML is read as a tree of marked nodes, never as values: so ``language: no`` is seen before it becomes False, a
repeated key before the last one wins, and a ``!!python`` tag before anything acts on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..gear.strict_csv import decoded, nearest
from . import fields

if TYPE_CHECKING:
    from yaml.nodes import Node

# A campaign.yaml is a screenful. The cap is what makes alias bombs and deep nesting cheap to refuse.
MAX_BYTES = 64_000
CORE = "tag:yaml.org,2002:"
_SECRET_KEY = re.compile(r"(fal|api|secret).*(key|id)|secret|token|password|credential", re.IGNORECASE)


class YamlReader:
    """Walks the nodes of one file and collects its problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, where: Node | int, column: str, sentence: str) -> None:
        line = where if isinstance(where, int) else where.start_mark.line + 1
        self.problems.append(Problem(self.file, line, column, sentence))

    def tree(self, content: bytes) -> Node | None:
        """The file's root mapping, or None and a problem. An empty file is an empty mapping."""
        import yaml

        if len(content) > MAX_BYTES:
            self.add(0, "", f"is larger than {MAX_BYTES // 1000} KB; keep only the campaign's settings in it")
            return None
        text = decoded(content, file=self.file, problems=self.problems)
        if text is None:
            return None
        for line in fields.lines_with_a_key(text):
            self.add(line, "", fields.FAL_KEY_SENTENCE)
        if self.problems:
            return None
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            self.add(
                _line_of(error), "", f"is not valid YAML ({_reason_of(error)}); correct this line or the one above"
            )
            return None
        except RecursionError:
            self.add(0, "", "is nested too deeply; write plain keys and values")
            return None
        return yaml.MappingNode(f"{CORE}map", []) if root is None else root

    def entries(self, node: Node | None, allowed: tuple[str, ...], prefix: str) -> dict[str, Node]:
        """The mapping's values by key, without the ones that are null; unknown and repeated keys are problems."""
        from yaml.nodes import MappingNode, ScalarNode

        if node is None:
            return {}
        if not isinstance(node, MappingNode) or node.tag != f"{CORE}map":
            self.add(node, prefix.rstrip("."), f"must hold keys and values; its keys are: {', '.join(allowed)}")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else "?"
            if name in found:
                first = found[name].start_mark.line + 1
                self.add(key, prefix + name, f"is written twice (first on line {first}); keep one of the two")
            elif name in allowed:
                found[name] = value
            elif _SECRET_KEY.search(name):
                self.add(key, prefix + name[:40], fields.FAL_KEY_SENTENCE)
            else:
                self.add(key, prefix + name[:40], f"is not a setting; {nearest(name, allowed)}")
        return {name: value for name, value in found.items() if value.tag != f"{CORE}null"}

    def value(
        self,
        node: Node | None,
        column: str,
        check: Callable[[str], Any],
        *,
        is_number: bool = False,
        is_bool: bool = False,
    ) -> Any:
        """The checked value of a plain scalar; None when absent or wrong. ``is_bool``: a bare no is the word "no"."""
        if node is None:
            return None
        is_word = is_bool and node.tag == f"{CORE}bool"
        text = str(node.value) if is_word else self.text(node, column, is_number=is_number, check=check)
        if text is None:
            return None
        try:
            return check(text)
        except ValueError as error:
            self.add(node, column, str(error))
            return None

    def text(self, node: Node, column: str, *, is_number: bool, check: Callable[[str], Any]) -> str | None:
        """A scalar's text as written. What YAML would turn into something else must be quoted."""
        from yaml.nodes import ScalarNode

        kind = node.tag.removeprefix(CORE)
        if not node.tag.startswith(CORE) or "/" in kind:
            self.add(
                node, column, f"has the tag {node.tag.replace(CORE, '!!')[:60]}; write the plain value without a tag"
            )
        elif not isinstance(node, ScalarNode):
            self.add(node, column, "is a list or a group of keys; write one plain value")
        elif kind == "str" or (is_number and kind in ("int", "float")):
            return str(node.value).strip()
        elif kind == "bool":
            sentence = f"is an unquoted {node.value}, which YAML reads as true or false; "
            self.add(
                node, column, sentence + ("write a number" if is_number else f"write it in quotes: '{node.value}'")
            )
        else:
            self.add(node, column, _unquoted(str(node.value), kind, check))
        return None

    def pairs(self, node: Node | None, column: str) -> list[tuple[str, Node, Node]]:
        """(key as written, its node, the value's node) of a mapping whose keys are the user's own words."""
        from yaml.nodes import MappingNode, ScalarNode

        if node is None:
            return []
        if not isinstance(node, MappingNode) or node.tag != f"{CORE}map":
            self.add(node, column, "must hold keys and values, one a line")
            return []
        return [(str(key.value) if isinstance(key, ScalarNode) else "", key, value) for key, value in node.value]


def _line_of(error: Exception) -> int:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return int(mark.line) + 1 if mark is not None else 0


def _reason_of(error: Exception) -> str:
    reason = str(getattr(error, "problem", "") or getattr(error, "reason", "") or "it cannot be read")
    return reason.encode("unicode_escape").decode()[:120]


def _unquoted(text: str, kind: str, check: Callable[[str], Any]) -> str:
    """What to say of a number, day or null where text is needed: what is wrong with the value itself, if anything."""
    try:
        check(text)
    except ValueError as error:
        return str(error)
    return f"is an unquoted {text[:40]}, which YAML reads as {kind}; write it in quotes: '{text[:40]}'"
