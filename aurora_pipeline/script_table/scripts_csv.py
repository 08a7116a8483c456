"""scripts.csv + the campaign's defaults -> Script rows, with every problem of every row at once."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from decimal import Decimal

from ..errors import Problem
from ..gear import strict_csv
from ..models import DEFAULT_MODEL, INPUTS, Model, Models
from . import fields
from .campaign_yaml import CampaignFile
from .portraits import Portraits
from .records import Script

COLUMNS = strict_csv.Columns(("clip_id", "text"), (*fields.FIELDS, "approved"))


def read_rows(content: bytes, *, file: str) -> strict_csv.CsvTable:
    """The rows of scripts.csv, cells as written. A fal key in the file is the only problem told of it."""
    leaks = fields.lines_with_a_key(content.decode("utf-8", errors="replace"))
    if leaks:
        return strict_csv.CsvTable((), tuple(Problem(file, line, "", fields.FAL_KEY_SENTENCE) for line in leaks))
    return strict_csv.read_table(content, COLUMNS, file=file)


def portrait_name(row: strict_csv.CsvRow, defaults: CampaignFile) -> str:
    """The portrait a row asks for: its own, else the campaign's."""
    return row.cells.get("portrait", "").strip() or defaults.defaults.get("portrait", "")


def model_name(row: strict_csv.CsvRow, defaults: CampaignFile) -> str:
    """The model a row asks for: its own, else the campaign's, else Aurora."""
    return row.cells.get("model", "").strip() or defaults.defaults.get("model", DEFAULT_MODEL)


class ScriptReader:
    """Turns rows into `Script`s and collects what is wrong with them."""

    def __init__(self, campaign: str, file: str, yaml: CampaignFile, portraits: Portraits, models: Models) -> None:
        self.campaign, self.file, self.yaml, self.portraits = campaign, file, yaml, portraits
        self.models, self.checks = models, fields.checks(models)
        self.problems: list[Problem] = []

    def scripts(self, rows: Iterable[strict_csv.CsvRow]) -> tuple[Script, ...]:
        """The rows that are good; `problems` tells of the others."""
        rows = tuple(rows)
        self._find_twins(rows)
        return tuple(script for script in map(self._script, rows) if script is not None)

    def _script(self, row: strict_csv.CsvRow) -> Script | None:
        before = len(self.problems)
        clip_id = self._checked(row, "clip_id", fields.clip_id, row.cells["clip_id"].strip())
        text = self._checked(row, "text", fields.spoken_text, row.cells["text"])
        said = {name: self._field(row, name) for name in fields.FIELDS if name not in INPUTS}
        model = self.models.named(str(said["model"])) if said["model"] else None
        said |= {name: self._input(row, name, model) for name in INPUTS}
        approved = self._checked(row, "approved", fields.approved, row.cells.get("approved", "").strip())
        language = self._language(row, said)
        portrait = str(said["portrait"] or "")
        self._look_at_portrait(row, portrait)
        if len(self.problems) > before or self.yaml.broken:
            return None
        return Script(
            campaign=self.campaign,
            clip_id=str(clip_id),
            text=str(text),
            portrait=portrait,
            portrait_sha256=self.portraits.sha256(portrait),
            voice=str(said["voice"]),
            language=language,
            resolution=str(said["resolution"]),
            prompt=str(said["prompt"]) if said["prompt"] else None,
            guidance_scale=Decimal(str(said["guidance_scale"])),
            audio_guidance_scale=Decimal(str(said["audio_guidance_scale"])),
            line=row.line,
            model=str(said["model"]),
            approved=None if approved is None else bool(approved),
        )

    def _add(self, row: strict_csv.CsvRow, column: str, sentence: str) -> None:
        self.problems.append(Problem(self.file, row.line, column, sentence))

    def _checked(self, row: strict_csv.CsvRow, column: str, check: fields.Check, text: str) -> object:
        try:
            return check(text)
        except ValueError as error:
            self._add(row, column, str(error))
            return None

    def _field(self, row: strict_csv.CsvRow, name: str) -> object:
        """The row's own value, else the campaign's (already checked), else the documented one."""
        own = row.cells.get(name, "").strip()
        if own:
            return self._checked(row, name, self.checks[name], own)
        if name in self.yaml.broken:
            return None
        text = self.yaml.defaults.get(name, fields.FALLBACKS.get(name, ""))
        return self.checks[name](text) if text else None

    def _input(self, row: strict_csv.CsvRow, name: str, model: Model | None) -> object:
        """A field that models differ in. A default the row's model has no use for is left out; its own cell is not."""
        own = row.cells.get(name, "").strip()
        if model is None:
            return self._checked(row, name, self.checks[name], own) if own else None
        if not model.takes(name):
            if own:
                self._add(row, name, f"is filled in, but the model '{model.name}' has no {name}; empty this cell")
            return model.default_resolution if name == "resolution" else fields.FALLBACKS.get(name)
        if name == "resolution":
            return self._resolution(row, own, model)
        found = self._field(row, name)
        if name in model.required and not found and not own and name not in self.yaml.broken:
            self._add(row, name, f"is empty, but the model '{model.name}' needs a {name}; write one")
        return found

    def _resolution(self, row: strict_csv.CsvRow, own: str, model: Model) -> object:
        if own or "resolution" in self.yaml.broken:
            return self._checked(row, "resolution", lambda text: fields.resolution(text, model), own) if own else None
        default = self.yaml.defaults.get("resolution", model.default_resolution)
        try:
            return fields.resolution(default, model)
        except ValueError as error:
            self._add(row, "resolution", f"by campaign.yaml's default {error}")
            return None

    def _language(self, row: strict_csv.CsvRow, said: dict[str, object]) -> str:
        """The language tag of the row's voice, when that voice speaks what was asked for."""
        voice, asked = said["voice"], said["language"]
        if voice is None:
            return ""
        try:
            return fields.spoken_language(str(voice), str(asked or ""))
        except ValueError as error:
            is_own = bool(row.cells.get("language", "").strip())
            self._add(row, "language", str(error) if is_own else f"by campaign.yaml's default {error}")
            return ""

    def _look_at_portrait(self, row: strict_csv.CsvRow, portrait: str) -> None:
        is_own = bool(row.cells.get("portrait", "").strip())
        if not portrait:
            if "portrait" not in self.yaml.broken and not is_own:
                self._add(row, "portrait", "is empty and campaign.yaml gives no defaults.portrait; name a portrait")
        elif is_own and (sentence := self.portraits.sentence(portrait)):
            self._add(row, "portrait", sentence)

    def _find_twins(self, rows: Iterable[strict_csv.CsvRow]) -> None:
        """Clips whose files would collide: the same clip_id, or one that differs only by case or Unicode form."""
        seen: dict[str, tuple[str, int]] = {}
        for row in rows:
            clip_id = row.cells["clip_id"].strip()
            folded = unicodedata.normalize("NFC", clip_id).casefold()
            if not folded:
                continue
            if folded in seen:
                first, line = seen[folded]
                how = "is also" if first == clip_id else f"differs only by upper and lower case from '{first}'"
                self._add(row, "clip_id", f"'{clip_id[:70]}' {how} on line {line}; give each row its own clip_id")
            seen.setdefault(folded, (clip_id, row.line))
