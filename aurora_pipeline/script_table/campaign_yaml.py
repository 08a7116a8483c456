"""campaign.yaml -> CampaignFile, with every problem and its line.

YAML is read as a tree of marked nodes, never as values: so ``language: no`` is seen before it becomes False, a
repeated key before the last one wins, and a ``!!python`` tag before anything acts on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..gear.strict_csv import decoded, nearest
from ..models import Models
from . import fields
from .records import DeliverySettings

if TYPE_CHECKING:
    from yaml.nodes import Node

# A campaign.yaml is a screenful. The cap is what makes alias bombs and deep nesting cheap to refuse.
MAX_BYTES = 64_000
KEYS = ("name", "budget_usd", "approval", "portrait_check", "defaults", "deliverables")
APPROVALS = ("required", "no")
PORTRAIT_CHECKS = ("hold", "warn")
DELIVERY_KEYS = ("renditions", "short_side", "fit", "loudness_lufs", "true_peak_dbtp")
RENDITIONS = ("9x16", "1x1", "16x9")
FITS = ("crop", "pad")
MAX_TITLE_CHARACTERS = 200

_CORE = "tag:yaml.org,2002:"
_SECRET_KEY = re.compile(r"(fal|api|secret).*(key|id)|secret|token|password|credential", re.IGNORECASE)


@dataclass(frozen=True)
class CampaignFile:
    """What campaign.yaml says. ``defaults`` holds checked texts by field; ``broken`` names those already reported."""

    title: str = ""
    budget_usd: Decimal | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    lines: Mapping[str, int] = field(default_factory=dict)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    approval: str = "no"
    portrait_check: str = "hold"


def read_campaign_yaml(content: bytes, *, file: str, models: Models) -> tuple[CampaignFile, list[Problem]]:
    """What the file says and everything wrong with it. Never raises for bad content, never repeats a key's value."""
    reader = _Reader(file, models)
    root = reader.tree(content)
    if root is None:
        return CampaignFile(broken=frozenset(fields.FIELDS)), reader.problems
    entries = reader.entries(root, KEYS, "")
    defaults, broken, lines = reader.defaults(entries.get("defaults"))
    return (
        CampaignFile(
            title=reader.value(entries.get("name"), "name", _title) or "",
            budget_usd=reader.value(entries.get("budget_usd"), "budget_usd", _budget, is_number=True),
            defaults=defaults,
            broken=broken,
            lines=lines,
            delivery=reader.delivery(entries.get("deliverables")),
            approval=reader.value(entries.get("approval"), "approval", _approval, is_bool=True) or "no",
            portrait_check=reader.value(entries.get("portrait_check"), "portrait_check", _portrait_check) or "hold",
        ),
        reader.with_name_required(entries),
    )


class _Reader:
    """Walks the nodes of one file and collects its problems."""

    def __init__(self, file: str, models: Models) -> None:
        self.file, self.models, self.checks = file, models, fields.checks(models)
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
        return yaml.MappingNode(f"{_CORE}map", []) if root is None else root

    def entries(self, node: Node | None, allowed: tuple[str, ...], prefix: str) -> dict[str, Node]:
        """The mapping's values by key, without the ones that are null; unknown and repeated keys are problems."""
        from yaml.nodes import MappingNode, ScalarNode

        if node is None:
            return {}
        if not isinstance(node, MappingNode) or node.tag != f"{_CORE}map":
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
        return {name: value for name, value in found.items() if value.tag != f"{_CORE}null"}

    def with_name_required(self, entries: Mapping[str, Node]) -> list[Problem]:
        if "name" not in entries and not any(problem.column == "name" for problem in self.problems):
            self.add(1, "name", "is missing; write the campaign's title, such as name: Spring offer")
        return self.problems

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
        is_word = is_bool and node.tag == f"{_CORE}bool"
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

        kind = node.tag.removeprefix(_CORE)
        if not node.tag.startswith(_CORE) or "/" in kind:
            self.add(
                node, column, f"has the tag {node.tag.replace(_CORE, '!!')[:60]}; write the plain value without a tag"
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

    def defaults(self, node: Node | None) -> tuple[dict[str, str], frozenset[str], dict[str, int]]:
        """(checked texts, names of the broken ones, lines) of the campaign's defaults."""
        good: dict[str, str] = {}
        before = len(self.problems)
        entries = self.entries(node, fields.FIELDS, "defaults.")
        for name, value in entries.items():
            is_number = name.endswith("_scale")
            check = self.checks[name]
            checked = self.value(value, f"defaults.{name}", check, is_number=is_number)
            if checked is not None and str(checked):
                good[name] = str(checked)
        self._assert_voice_speaks(good, entries)
        self._assert_model_renders(good, entries)
        reported = {problem.column.removeprefix("defaults.") for problem in self.problems[before:]}
        broken = frozenset(fields.FIELDS) if "defaults" in reported else reported & set(fields.FIELDS)
        return good, frozenset(broken), {name: value.start_mark.line + 1 for name, value in entries.items()}

    def _assert_voice_speaks(self, good: Mapping[str, str], entries: Mapping[str, Node]) -> None:
        """A default voice that does not speak the default language is one problem here, not one of every row."""
        if "voice" in good and "language" in good:
            try:
                fields.spoken_language(good["voice"], good["language"])
            except ValueError as error:
                self.add(entries["language"], "defaults.language", str(error))

    def _assert_model_renders(self, good: Mapping[str, str], entries: Mapping[str, Node]) -> None:
        """The same of a default model and a default resolution; one without resolutions ignores the default."""
        model = self.models.named(good["model"]) if "model" in good else None
        if model is not None and model.resolutions and "resolution" in good:
            try:
                fields.resolution(good["resolution"], model)
            except ValueError as error:
                self.add(entries["resolution"], "defaults.resolution", str(error))

    def delivery(self, node: Node | None) -> DeliverySettings:
        """How finished files are to look; what is absent keeps its default."""
        entries = self.entries(node, DELIVERY_KEYS, "deliverables.")
        checks = {"short_side": _short_side, "fit": _fit, "loudness_lufs": _loudness, "true_peak_dbtp": _true_peak}
        said = {
            name: self.value(entries.get(name), f"deliverables.{name}", check, is_number=name != "fit")
            for name, check in checks.items()
        }
        if "renditions" in entries:
            said["renditions"] = self.renditions(entries["renditions"])
        return DeliverySettings(**{name: value for name, value in said.items() if value is not None})

    def renditions(self, node: Node) -> tuple[str, ...] | None:
        from yaml.nodes import SequenceNode

        column = "deliverables.renditions"
        if not isinstance(node, SequenceNode) or node.tag != f"{_CORE}seq":
            self.add(node, column, f"must be a list such as [{', '.join(RENDITIONS)}]")
            return None
        shapes = [self.value(item, column, _rendition) for item in node.value]
        repeated = {shape for shape in shapes if shape and shapes.count(shape) > 1}
        for shape in sorted(repeated):
            self.add(node, column, f"names {shape} twice; keep one")
        return None if repeated or None in shapes else tuple(shapes)


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


def _title(text: str) -> str:
    if not text:
        raise ValueError("is empty; write the campaign's title")
    if len(text) > MAX_TITLE_CHARACTERS:
        raise ValueError(f"has {len(text)} characters; {MAX_TITLE_CHARACTERS} is the most")
    return fields.prompt(text)


def _budget(text: str) -> Decimal:
    if re.match(r"[$€£]|.*\b(usd|dollars?)\b", text, re.IGNORECASE):
        raise ValueError(f"is '{text[:40]}'; write only the number of dollars, such as 25")
    usd = fields.plain_number(text, example="25 or 25.50")
    if usd <= 0:
        raise ValueError(f"is {text}; write a positive number of dollars, or delete the line to forbid spending")
    if usd != round(usd, 2):
        raise ValueError(f"is {text}; write dollars and whole cents")
    return usd


def _approval(text: str) -> str:
    if text.casefold() not in APPROVALS:
        raise ValueError(f"is '{text[:40]}'; use required or no")
    return text.casefold()


def _portrait_check(text: str) -> str:
    if text not in PORTRAIT_CHECKS:
        raise ValueError(f"is '{text[:40]}'; use hold or warn")
    return text


def _short_side(text: str) -> int:
    pixels = fields.plain_number(text, example="1080")
    if pixels % 2 or not 240 <= pixels <= 2160:
        raise ValueError(f"is {text}; use an even number of pixels from 240 to 2160")
    return int(pixels)


def _fit(text: str) -> str:
    if text not in FITS:
        raise ValueError(f"is '{text[:40]}'; use {' or '.join(FITS)}")
    return text


def _loudness(text: str) -> Decimal:
    lufs = fields.plain_number(text, example="-14")
    if not -30 <= lufs <= -8:
        raise ValueError(f"is {text}; use LUFS from -30 to -8 (most platforms play at -14)")
    return lufs


def _true_peak(text: str) -> Decimal:
    dbtp = fields.plain_number(text, example="-1.5")
    if not -9 <= dbtp <= -1:
        raise ValueError(f"is {text}; use dBTP from -9 to -1 (louder peaks distort when platforms code them again)")
    return dbtp


def _rendition(text: str) -> str:
    if text not in RENDITIONS:
        raise ValueError(f"is '{text[:40]}'; use {', '.join(RENDITIONS)}")
    return text
