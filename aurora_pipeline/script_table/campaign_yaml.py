"""campaign.yaml -> CampaignFile, with every problem and its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from ..errors import Problem
from ..gear.voices.registry import Voices
from ..models import Models
from . import fields
from .delivery_yaml import read_delivery
from .inside import assert_stays_inside
from .records import DeliverySettings, SpeechSettings
from .speech_yaml import read_lexicon, read_speech
from .yaml_tree import YamlReader

if TYPE_CHECKING:
    from yaml.nodes import Node

KEYS = (
    "name",
    "budget_usd",
    "approval",
    "portrait_check",
    "audience",
    "defaults",
    "speech",
    "lexicon",
    "deliverables",
)
APPROVALS = ("required", "no")
PORTRAIT_CHECKS = ("hold", "warn")
MAX_TITLE_CHARACTERS = 200


@dataclass(frozen=True)
class CampaignFile:
    """What campaign.yaml says. ``defaults`` holds checked texts by field; ``broken`` names those already reported.

    ``audience`` is the file that its table is in; ``lines`` are those of the defaults and of ``audience``, and
    ``lexicon_lines`` those of the lexicon's words.
    """

    title: str = ""
    budget_usd: Decimal | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    lines: Mapping[str, int] = field(default_factory=dict)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    approval: str = "no"
    portrait_check: str = "hold"
    audience: str = ""
    speech: SpeechSettings = field(default_factory=SpeechSettings)
    lexicon_lines: Mapping[str, int] = field(default_factory=dict)


def read_campaign_yaml(
    content: bytes, *, file: str, models: Models, speakers: Voices
) -> tuple[CampaignFile, list[Problem]]:
    """What the file says and everything wrong with it. Never raises for bad content, never repeats a key's value."""
    reader = _Reader(file, models, speakers)
    root = reader.tree(content)
    if root is None:
        return CampaignFile(broken=frozenset((*fields.FIELDS, "audience"))), reader.problems
    entries = reader.entries(root, KEYS, "")
    defaults, broken, lines = reader.defaults(entries.get("defaults"))
    audience = reader.value(entries.get("audience"), "audience", _audience)
    lexicon, lexicon_lines = read_lexicon(reader, entries.get("lexicon"))
    if "audience" in entries:
        lines["audience"] = entries["audience"].start_mark.line + 1
        broken |= {"audience"} if audience is None else set()
    return (
        CampaignFile(
            title=reader.value(entries.get("name"), "name", _title) or "",
            budget_usd=reader.value(entries.get("budget_usd"), "budget_usd", _budget, is_number=True),
            defaults=defaults,
            broken=broken,
            lines=lines,
            delivery=read_delivery(reader, entries.get("deliverables")),
            approval=reader.value(entries.get("approval"), "approval", _approval, is_bool=True) or "no",
            portrait_check=reader.value(entries.get("portrait_check"), "portrait_check", _portrait_check) or "hold",
            audience=audience or "",
            speech=read_speech(reader, entries.get("speech"), lexicon),
            lexicon_lines=lexicon_lines,
        ),
        reader.with_name_required(entries),
    )


class _Reader(YamlReader):
    """What needs the tables of models and voices, and the file's own rules."""

    def __init__(self, file: str, models: Models, speakers: Voices) -> None:
        super().__init__(file)
        self.models, self.speakers, self.checks = models, speakers, fields.checks(models, speakers)

    def with_name_required(self, entries: Mapping[str, Node]) -> list[Problem]:
        if "name" not in entries and not any(problem.column == "name" for problem in self.problems):
            self.add(1, "name", "is missing; write the campaign's title, such as name: Spring offer")
        return self.problems

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
                fields.spoken_language(self.speakers, good["voice"], good["language"])
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


def _audience(text: str) -> str:
    if not text:
        raise ValueError("is empty; name the table's file, such as audience.csv, or delete the line")
    assert_stays_inside(text, what="table", where="the campaign's folder")
    return text
