"""Bytes of a scenario file -> Scenario, or every problem with its line.

YAML is read as a tree of marked nodes, as a campaign's is: `on:` is a key here, though YAML reads it as true.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, Problem
from ..gear.strict_csv import decoded, nearest
from . import fault_kinds as kinds
from .scenario import Fault, Scenario, Span

if TYPE_CHECKING:
    from yaml.nodes import Node

MAX_BYTES = 256_000
MAX_DEPTH = 20  # PyYAML's time grows with the square of it
ROOT_KEYS = ("seed", "faults")
RULE_KEYS = ("fault", "at", "on", "per", "probability", "times")
_SPAN = re.compile(r"(?P<first>\d+)(?P<dash>-(?P<last>\d+)?)?|every (?P<step>\d+)")

Entries = dict[str, tuple[Any, "Node"]]


def parsed(content: bytes, *, file: str) -> Scenario:
    """Raises `BadInput`."""
    reader = _Reader(file)
    scenario = reader.scenario(content)
    if reader.problems:
        raise BadInput(reader.problems)
    return scenario


class _Reader:
    """Walks the nodes of one file and collects its problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def add(self, where: Node | int, column: str, sentence: str) -> None:
        line = where if isinstance(where, int) else where.start_mark.line + 1
        self.problems.append(Problem(self.file, line, column, sentence))

    def scenario(self, content: bytes) -> Scenario:
        root = self.tree(content)
        if root is None:
            return Scenario()
        entries = self.entries(root, ROOT_KEYS, "the file")
        seed = self.checked(entries, "seed", kinds.whole(0), 0)
        _, node = entries.get("faults", ([], None))
        return Scenario(seed, tuple(fault for fault in self.faults(node) if fault is not None))

    def tree(self, content: bytes) -> Node | None:
        """The file's root; None for an empty file, and for what is not YAML (a problem then)."""
        import yaml

        if len(content) > MAX_BYTES:
            self.add(0, "", f"is larger than {MAX_BYTES // 1000} KB; a scenario is a list of faults")
            return None
        written = decoded(content, file=self.file, problems=self.problems)
        if written is None:
            return None
        try:
            depth = 0
            for event in yaml.parse(written, Loader=yaml.SafeLoader):
                depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
                if depth > MAX_DEPTH:
                    line = event.start_mark.line + 1 if event.start_mark else 0
                    self.add(line, "", f"is nested more than {MAX_DEPTH} deep; a scenario is a list of faults")
                    return None
                if isinstance(event, yaml.AliasEvent):
                    line = event.start_mark.line + 1 if event.start_mark else 0
                    self.add(line, "", f"refers to '*{event.anchor}'; write it out, or put a key with * in quotes")
                    return None
            return yaml.compose(written, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, RecursionError) as error:
            mark: Any = getattr(error, "problem_mark", None)
            reason = str(getattr(error, "problem", None) or "it cannot be read")[:120]
            self.add(
                mark.line + 1 if mark else 0, "", f"is not valid YAML ({reason}); correct this line or the one above"
            )
            return None

    def entries(self, node: Node, allowed: tuple[str, ...], what: str) -> Entries:
        """Values and their nodes by key; unknown and repeated keys are problems."""
        from yaml.nodes import MappingNode, ScalarNode

        if not isinstance(node, MappingNode):
            self.add(node, "", f"{what} must hold keys and values; its keys are: {', '.join(allowed)}")
            return {}
        found: Entries = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, ScalarNode) else "?"
            if name in found:
                self.add(key, name, "is written twice; keep one of the two")
            elif name not in allowed:
                self.add(key, name[:40], f"is not a setting of {what}; {nearest(name, allowed)}")
            else:
                found[name] = (self.plain(value, name), value)
        return found

    def plain(self, node: Node, column: str) -> Any:
        """A node as Python reads it; dates and tags are problems where text or numbers are meant."""
        import yaml

        try:
            return yaml.constructor.SafeConstructor().construct_document(node)
        except (yaml.YAMLError, ValueError, TypeError):
            self.add(node, column, "cannot be read as a plain value; put it in quotes")
            return None

    def checked(self, entries: Entries, name: str, check: kinds.Check, default: Any) -> Any:
        """The checked value of a key, or ``default`` where it is absent or wrong (a problem then)."""
        if name not in entries:
            return default
        value, node = entries[name]
        try:
            return check(value)
        except ValueError as error:
            self.add(node, name, str(error))
            return default

    def faults(self, node: Node | None) -> list[Fault | None]:
        from yaml.nodes import SequenceNode

        if node is None:
            return []
        if not isinstance(node, SequenceNode):
            self.add(node, "faults", "must be a list; begin each fault with '- fault: NAME'")
            return []
        return [self.fault(number, item) for number, item in enumerate(node.value, 1)]

    def fault(self, rule: int, node: Node) -> Fault | None:
        name = self.name(node)
        if name is None:
            return None
        kind = kinds.KINDS[name]
        entries = self.entries(node, (*RULE_KEYS, *kind.options), f"'{name}'")
        self.assert_consistent(name, entries, node)
        places = self.places(entries, name, kind, node)
        return Fault(
            rule=rule,
            name=name,
            at=places,
            on=self.checked(entries, "on", spans, ()),
            per_job=self.per_job(entries, places),
            probability=self.checked(entries, "probability", kinds.probability, None),
            times=self.checked(entries, "times", kinds.whole(1), None),
            options=self.options(entries, kind, node),
        )

    def name(self, node: Node) -> str | None:
        """The fault's name; None and a problem when there is none that we know."""
        from yaml.nodes import MappingNode

        found = [value for key, value in node.value if key.value == "fault"] if isinstance(node, MappingNode) else []
        if not found:
            self.add(node, "fault", "is missing; begin each entry with '- fault: NAME'")
            return None
        name = str(found[0].value)
        if name in kinds.KINDS:
            return name
        self.add(found[0], "fault", f"is '{name[:40]}', which is none; {nearest(name, kinds.KINDS)}")
        return None

    def assert_consistent(self, name: str, entries: Entries, node: Node) -> None:
        if "on" in entries and "probability" in entries:
            self.add(entries["probability"][1], "probability", "stands beside 'on'; keep one of the two")
        either = kinds.EXACTLY_ONE.get(name)
        if either and sum(option in entries for option in either) != 1:
            self.add(node, name, f"needs one of {' or '.join(either)}")

    def places(self, entries: Entries, name: str, kind: kinds.Kind, node: Node) -> tuple[str, ...]:
        if "at" not in entries:
            if len(kind.places) == 1:
                return kind.places
            self.add(node, "at", f"is missing; say where '{name}' happens: {', '.join(kind.places)}")
            return ()
        value, where = entries["at"]
        places = value if isinstance(value, list) and value else [value]
        for place in places:
            if place not in kinds.PLACES:
                self.add(where, "at", f"is '{str(place)[:40]}'; {nearest(str(place), kinds.PLACES)}")
            elif place not in kind.places:
                self.add(where, "at", f"'{name}' does not happen at {place}; use one of: {', '.join(kind.places)}")
        return tuple(str(place) for place in places)

    def per_job(self, entries: Entries, places: tuple[str, ...]) -> bool:
        is_per_job = bool(self.checked(entries, "per", kinds.one_of("studio", "job"), "studio") == "job")
        nameless = [place for place in places if place not in kinds.WITH_JOB]
        if is_per_job and nameless:
            self.add(entries["per"][1], "per", f"is job, but requests at {nameless[0]} name no job; leave it out")
        return is_per_job

    def options(self, entries: Entries, kind: kinds.Kind, node: Node) -> dict[str, Any]:
        said = {}
        for name, option in kind.options.items():
            if name not in entries and option.default is kinds.NEEDED:
                self.add(node, name, "is missing")
            said[name] = self.checked(entries, name, option.check, option.default)
        return said


def spans(value: Any) -> tuple[Span, ...]:
    """What `on` says. ValueError for anything else."""
    return tuple(_span(item) for item in (value if isinstance(value, list) and value else [value]))


def _span(value: Any) -> Span:
    found = None if isinstance(value, bool) else _SPAN.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f'is \'{str(value)[:40]}\'; write 3, [1, 3], "2-", "2-5" or "every 5"')
    first = int(found["step"] or found["first"])
    last = first if not found["step"] and not found["dash"] else int(found["last"]) if found["last"] else None
    if first < 1 or (last is not None and last < first):
        raise ValueError(f"is '{str(value)[:40]}'; numbers begin at 1 and do not run backwards")
    return Span(first, last, int(found["step"] or 1))
