"""A folder of data/campaigns -> Campaign.  Everything is validated before anything runs, and told of all at once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import BadInput, Problem
from ..gear.media_store import key_of, sha256_of
from ..gear.strict_csv import CsvRow, nearest
from ..gear.voices.registry import Voices, read_voices
from ..models import DEFAULT_MODEL, SHIPPED, Models, read_models
from ..settings import Settings
from .audience import Audience, audience_file, read_audience
from .campaign_yaml import CampaignFile, read_campaign_yaml
from .lexicon import unused
from .portraits import Portraits
from .recordings import Recordings
from .records import Campaign
from .script_reader import Choices, ScriptReader
from .scripts_csv import audio_name, model_name, portrait_name, read_rows, voice_name

YAML, CSV = "campaign.yaml", "scripts.csv"
# The name is a partition key, a folder and part of file names (reference/reliability.md, cases 46 to 50).
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_NAME_RULE = "use 1 to 63 small letters, digits, '-' or '_', beginning with a letter or digit"


def campaign_names(settings: Settings) -> tuple[str, ...]:
    """The campaigns there are, sorted: folders with a lawful name that hold a campaign.yaml."""
    if not settings.campaigns.is_dir():
        return ()
    folders = settings.campaigns.iterdir()
    return tuple(sorted(each.name for each in folders if NAME.fullmatch(each.name) and (each / YAML).is_file()))


def read_campaign(settings: Settings, name: str) -> Campaign:
    """The campaign ``name``. Raises `BadInput` with every problem of its campaign.yaml, scripts.csv and portraits.

    A broken table of models or of voices is told of first, alone: without it no row can be judged.
    """
    source = _Source.of(settings, name)
    models, speakers = read_models(settings.models), read_voices(settings.voices)
    yaml, problems = read_campaign_yaml(source.yaml, file=source.yaml_file, models=models, speakers=speakers)
    audience = source.audience(yaml)
    choices = Choices(
        Portraits(settings, source.folder), Recordings(settings, source.folder), models, speakers, audience
    )
    table = read_rows(source.csv, file=source.csv_file)
    reader = ScriptReader(name, source.csv_file, yaml, choices)
    scripts = reader.scripts(table)
    problems += [*_default_portrait_problem(source, yaml, choices.portraits), *audience.problems, *table.problems]
    problems += [*reader.problems, *_unused_words(source, yaml, reader.texts)]
    if problems:
        raise BadInput(problems)
    return Campaign(
        name=name,
        title=yaml.title,
        budget_usd=yaml.budget_usd,
        folder=source.folder,
        delivery=yaml.delivery,
        scripts=scripts,
        sha256=_sha256(source, yaml, table.rows, models),
        approval=yaml.approval,
        portrait_check=yaml.portrait_check,
        speech=yaml.speech,
    )


def campaign_sha256(settings: Settings, name: str) -> str:
    """What a sensor watches: a hash of both files and the files they name, also while they are broken.

    For a campaign without problems it equals ``read_campaign(settings, name).sha256``. Raises `BadInput` only for a
    name no campaign can have.
    """
    assert_lawful(settings, name)
    folder = settings.campaigns / name
    source = _Source(settings, folder, _bytes_or_none(folder / YAML), _bytes_or_none(folder / CSV))
    models = _models(settings)
    yaml, _ = read_campaign_yaml(source.yaml, file=YAML, models=models, speakers=_speakers(settings))
    return _sha256(source, yaml, read_rows(source.csv, file=CSV).rows, models)


def assert_lawful(settings: Settings, name: str) -> None:
    """Raise `BadInput` for a name that cannot be a campaign's."""
    if not NAME.fullmatch(name):
        file = _shown(settings, settings.campaigns)
        raise BadInput([Problem(file, 0, "", f"cannot hold a campaign called {name[:80]!r}; {_NAME_RULE}")])


def shown_folder(settings: Settings, name: str) -> str:
    """The campaign's folder as messages name it: relative to the root, with forward slashes."""
    return _shown(settings, settings.campaigns / name)


@dataclass(frozen=True)
class _Source:
    """A campaign's two files as bytes; None for one that cannot be read."""

    settings: Settings
    folder: Path
    yaml_bytes: bytes | None
    csv_bytes: bytes | None

    @classmethod
    def of(cls, settings: Settings, name: str) -> _Source:
        assert_lawful(settings, name)
        folder = settings.campaigns / name
        if not folder.is_dir():
            names = campaign_names(settings)
            sentence = f"does not exist; {nearest(name, names)}" if names else "does not exist; make a campaign first"
            raise BadInput([Problem(_shown(settings, folder), 0, "", sentence)])
        problems: list[Problem] = []
        found = [_bytes(settings, folder / file, problems) for file in (YAML, CSV)]
        if problems:
            raise BadInput(problems)
        return cls(settings, folder, *found)

    @property
    def yaml(self) -> bytes:
        return self.yaml_bytes or b""

    @property
    def csv(self) -> bytes:
        return self.csv_bytes or b""

    def audience(self, yaml: CampaignFile) -> Audience:
        """The table that campaign.yaml names, with its problems; nobody where it names none."""
        if not yaml.audience:
            return Audience()
        shown = _shown(self.settings, self.folder / yaml.audience)
        try:
            content = audience_file(self.folder, yaml.audience).read_bytes()
        except ValueError as error:
            problem = Problem(self.yaml_file, yaml.lines["audience"], "audience", str(error))
        except OSError as error:
            problem = Problem(shown, 0, "", f"cannot be read ({error.strerror}); check the file")
        else:
            return read_audience(content, file=yaml.audience, shown=shown)
        return Audience(yaml.audience, shown, is_known=False, problems=(problem,))

    def audience_sha256(self, yaml: CampaignFile) -> str:
        try:
            return sha256_of(audience_file(self.folder, yaml.audience))
        except (OSError, ValueError):
            return ""

    @property
    def yaml_file(self) -> str:
        return _shown(self.settings, self.folder / YAML)

    @property
    def csv_file(self) -> str:
        return _shown(self.settings, self.folder / CSV)


def _shown(settings: Settings, path: Path) -> str:
    return Path(os.path.relpath(path, settings.root)).as_posix()


def _bytes(settings: Settings, path: Path, problems: list[Problem]) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problems.append(Problem(_shown(settings, path), 0, "", "does not exist; a campaign needs this file"))
    except OSError as error:
        problems.append(Problem(_shown(settings, path), 0, "", f"cannot be read ({error.strerror}); check the file"))
    return None


def _bytes_or_none(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _default_portrait_problem(source: _Source, yaml: CampaignFile, portraits: Portraits) -> list[Problem]:
    """A broken default is one problem of campaign.yaml, not one of every row that uses it."""
    default = yaml.defaults.get("portrait")
    if not default or not (sentence := portraits.sentence(default)):
        return []
    return [Problem(source.yaml_file, yaml.lines["portrait"], "defaults.portrait", sentence)]


def _unused_words(source: _Source, yaml: CampaignFile, texts: Iterable[str] | None) -> list[Problem]:
    """Words of the lexicon that no text has: misspelled, or left over."""
    idle = () if texts is None else unused(yaml.speech.lexicon, texts)
    sentence = "is in no text of scripts.csv; correct or delete the entry"
    return [
        Problem(source.yaml_file, yaml.lexicon_lines[entry.word], f"lexicon.{entry.word[:40]}", sentence)
        for entry in idle
    ]


def _models(settings: Settings) -> Models:
    """The model table, or the shipped one while the home's is broken."""
    try:
        return read_models(settings.models)
    except BadInput:
        return read_models(SHIPPED)


def _speakers(settings: Settings) -> Voices:
    """The voices, or the shipped ones while the home's own are broken."""
    try:
        return read_voices(settings.voices)
    except BadInput:
        return read_voices(None)


def _sha256(source: _Source, yaml: CampaignFile, rows: Iterable[CsvRow], models: Models) -> str:
    rows, portraits = tuple(rows), Portraits(source.settings, source.folder)
    used = sorted({portrait_name(row, yaml) for row in rows})
    return key_of(
        campaign_yaml=_hex(source.yaml_bytes),
        scripts_csv=_hex(source.csv_bytes),
        portraits={name: portraits.sha256(name) for name in used if name},
        **_also(source, yaml, rows, models),
    )


def _also(source: _Source, yaml: CampaignFile, rows: tuple[CsvRow, ...], models: Models) -> dict[str, object]:
    """What only some campaigns have: left out of the others, whose hash stays what it always was."""
    also: dict[str, object] = {}
    others = {model_name(row, yaml) for row in rows} - {DEFAULT_MODEL}
    if others:
        also["models"] = {each.name: asdict(each) for each in models.rows if each.name in others}
    recordings = Recordings(source.settings, source.folder)
    if named := sorted({audio for row in rows if (audio := audio_name(row))}):
        also["recordings"] = {audio: recordings.sha256(audio) for audio in named}
    speakers = _speakers(source.settings)
    voices = sorted({voice_name(row, yaml) for row in rows if not audio_name(row)})
    if own := {voice: made_of for voice in voices if (made_of := speakers.definition_of(voice))}:
        also["voices"] = own
    if yaml.audience:
        also["audience"] = source.audience_sha256(yaml)
    return also


def _hex(content: bytes | None) -> str:
    return "" if content is None else hashlib.sha256(content).hexdigest()
