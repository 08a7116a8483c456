"""scripts.csv + the campaign's defaults -> Script rows, with every problem of every row at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..errors import Problem
from ..gear import strict_csv
from ..gear.voices.registry import Voices
from ..models import INPUTS, Model, Models
from . import fields, lexicon
from .audience import Audience
from .campaign_yaml import CampaignFile
from .filling import MAX_PROBLEMS_A_ROW, Filler, Wording
from .letters import assert_readable
from .portraits import Portraits
from .recordings import Recordings
from .records import Script
from .scripts_csv import COLUMNS, audio_name
from .twins import Named, twin_clips, twin_rows

MAX_CLIPS = 100_000


@dataclass(frozen=True)
class Choices:
    """What rows choose from."""

    portraits: Portraits
    recordings: Recordings
    models: Models
    speakers: Voices
    audience: Audience


class ScriptReader:
    """Turns rows into `Script`s and collects what is wrong with them.

    ``texts`` are those that are to be spoken, or None when one could not be filled in.
    """

    def __init__(self, campaign: str, file: str, yaml: CampaignFile, choices: Choices) -> None:
        self.campaign, self.file, self.yaml, self.choices = campaign, file, yaml, choices
        self.checks = fields.checks(choices.models, choices.speakers)
        self.entries = lexicon.by_key(yaml.speech.lexicon)
        self.problems: list[Problem] = []
        self.texts: list[str] | None = None

    def scripts(self, table: strict_csv.CsvTable) -> tuple[Script, ...]:
        """The clips of the rows that are good; `problems` tells of the others."""
        audience = self.choices.audience
        filler = Filler(self.file, table, audience, COLUMNS, is_audience_known="audience" not in self.yaml.broken)
        if (clips := filler.clips()) > MAX_CLIPS:
            sentence = f"makes {clips:,} clips with {audience.file}; {MAX_CLIPS:,} is the most, split it"
            self.problems.append(Problem(self.file, 0, "", sentence))
            return ()
        twins = twin_rows(self.file, table.rows)
        self.problems += [*filler.idle_columns(), *twins.values()]
        worded = [(row, *self._worded(row, filler)) for row in table.rows]
        self._find_twin_clips((row, wordings) for row, _, wordings in worded if row.line not in twins)
        if filler.is_complete and all(clips for _, _, clips in worded):
            self.texts = [clip.text for _, _, clips in worded for clip in clips]
        return () if self.problems else tuple(self._scripts(worded))

    def _worded(self, row: strict_csv.CsvRow, filler: Filler) -> tuple[dict[str, Any], list[Wording]]:
        """What all clips of the row have in common, and the words of each."""
        self._checked(row, "clip_id", fields.clip_id, row.cells["clip_id"].strip())
        if audio_name(row):
            chosen = self._common(row) | self._recorded(row, filler)
            wordings = filler.wordings(row, self._look_at_recorded_text)
        else:
            chosen = self._common(row) | self._spoken(row)
            wordings = filler.wordings(row, lambda text: self._look_at_text(text, str(chosen["voice"] or "")))
        self.problems += filler.told()
        return chosen, wordings

    def _scripts(self, worded: Iterable[tuple[strict_csv.CsvRow, dict[str, Any], list[Wording]]]) -> Iterator[Script]:
        if self.yaml.broken:
            return
        for row, chosen, wordings in worded:
            for wording in wordings:
                yield Script(
                    campaign=self.campaign,
                    clip_id=_clip_id(row, wording),
                    text=wording.text,
                    pauses=wording.pauses,
                    line=row.line,
                    **chosen,
                )

    # ---- what all clips of a row have in common
    def _common(self, row: strict_csv.CsvRow) -> dict[str, Any]:
        said = {name: self._field(row, name) for name in ("portrait", "model")}
        model = self.choices.models.named(str(said["model"])) if said["model"] else None
        inputs = {name: self._input(row, name, model) for name in INPUTS}
        portrait = str(said["portrait"] or "")
        self._look_at_portrait(row, portrait)
        scales = {name: Decimal(str(value or 0)) for name, value in inputs.items() if name.endswith("_scale")}
        return {
            "portrait": portrait,
            "portrait_sha256": self.choices.portraits.sha256(portrait) if portrait else "",
            "model": str(said["model"]),
            "resolution": str(inputs["resolution"]),
            "prompt": str(inputs["prompt"]) if inputs["prompt"] else None,
            "approved": self._checked(row, "approved", fields.approved, row.cells.get("approved", "").strip()),
            **scales,
        }

    def _spoken(self, row: strict_csv.CsvRow) -> dict[str, Any]:
        """The voice that speaks the row's text, and its language."""
        voice, asked = self._field(row, "voice"), self._field(row, "language")
        made_of = self.choices.speakers.definition_of(str(voice or ""))
        return {"voice": voice, "language": self._language(row, voice, asked), "voice_sha256": made_of}

    def _recorded(self, row: strict_csv.CsvRow, filler: Filler) -> dict[str, Any]:
        """The row's own recording. Nobody speaks it, but its language still says what is to be heard."""
        audio = audio_name(row)
        if sentence := self.choices.recordings.sentence(audio):
            self._add(row, "audio", sentence)
        if row.cells.get("voice", "").strip():
            self._add(
                row, "voice", "is filled in beside audio, and a recording has its own voice; empty one of the two"
            )
        if filler.cut(row).marks.seconds:
            self._add(row, "text", "holds a pause mark, but audio is a recording, which pauses by itself; take it out")
        if filler.is_for_the_audience(row):
            whose = self.choices.audience.file
            self._add(row, "audio", f"says the same to everybody, but the text uses a column of {whose}; empty one")
        return {
            "voice": "",
            "language": self._recorded_language(row),
            "audio": audio,
            "audio_sha256": self.choices.recordings.sha256(audio),
        }

    def _recorded_language(self, row: strict_csv.CsvRow) -> str:
        """The row's own language, else the campaign's, else that of the voice other rows have."""
        own = row.cells.get("language", "").strip()
        if own:
            return str(self._checked(row, "language", fields.language_tag, own) or "")
        voice = self.choices.speakers.named(self.yaml.defaults.get("voice", fields.FALLBACKS["voice"]))
        return self.yaml.defaults.get("language", "") or (voice.language if voice else "")

    # ---- the words of a clip
    def _look_at_text(self, text: str, voice: str) -> None:
        fields.spoken_text(text)
        speaker = self.choices.speakers.named(voice)
        if speaker is not None:
            assert_readable(text, speaker, self.entries)

    def _look_at_recorded_text(self, text: str) -> None:
        if text.strip():
            fields.spoken_text(text)

    def _find_twin_clips(self, rows: Iterable[tuple[strict_csv.CsvRow, list[Wording]]]) -> None:
        named = []
        for row, wordings in rows:
            bad = 0
            for wording in wordings:
                clip_id = _clip_id(row, wording)
                if fields.CLIP_ID.fullmatch(clip_id) or wording.member is None:
                    named.append(Named(clip_id, row.line, wording.member))
                elif (bad := bad + 1) <= MAX_PROBLEMS_A_ROW:
                    self._add(row, "clip_id", self._too_long(clip_id, wording))
        self.problems += twin_clips(self.file, named, self.choices.audience.file)

    def _too_long(self, clip_id: str, wording: Wording) -> str:
        line = wording.member.line if wording.member else 0
        whose = f"line {line} of {self.choices.audience.file}"
        return f"with {whose} makes '{clip_id}' of {len(clip_id)} characters; 64 is the most, shorten one of the two"

    # ---- one cell
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

    def _language(self, row: strict_csv.CsvRow, voice: object, asked: object) -> str:
        """The language tag of the row's voice, when that voice speaks what was asked for."""
        if voice is None:
            return ""
        try:
            return fields.spoken_language(self.choices.speakers, str(voice), str(asked or ""))
        except ValueError as error:
            is_own = bool(row.cells.get("language", "").strip())
            self._add(row, "language", str(error) if is_own else f"by campaign.yaml's default {error}")
            return ""

    def _look_at_portrait(self, row: strict_csv.CsvRow, portrait: str) -> None:
        is_own = bool(row.cells.get("portrait", "").strip())
        if not portrait:
            if "portrait" not in self.yaml.broken and not is_own:
                self._add(row, "portrait", "is empty and campaign.yaml gives no defaults.portrait; name a portrait")
        elif is_own and (sentence := self.choices.portraits.sentence(portrait)):
            self._add(row, "portrait", sentence)


def _clip_id(row: strict_csv.CsvRow, wording: Wording) -> str:
    clip_id = row.cells["clip_id"].strip()
    return clip_id if wording.member is None else f"{clip_id}-{wording.member.audience_id}"
