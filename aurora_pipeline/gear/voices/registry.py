"""gear/voices.csv and a home's own data/voices.csv -> Voices.  Voices are data: a new one is a row, not code.

A row is a voice of an engine of this machine, or of a bought endpoint (``fal:<name in speech_models.csv>``). Its
quality is stated plainly, for the robotic ones speak far more languages than the good ones:

    neural   a trained network: close to a person's reading
    plain    recorded or statistical speech of the 2000s: clear, a little flat (SVOX Pico, Open JTalk)
    robotic  synthesised by rules: intelligible to those who know the language, never natural (eSpeak NG)
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import strict_csv, table_rows
from .alphabets import ALPHABETS

DEFAULT_VOICE = "heart"
ENGINES = ("hibari", "nanotts", "openjtalk", "piper", "espeak")
QUALITIES = ("neural", "plain", "robotic")
PAID = "fal:"
SHIPPED = Path(__file__).parents[1] / "voices.csv"
COLUMNS = strict_csv.Columns(
    ("voice", "engine", "language", "engine_voice", "quality", "scripts", "description"), ("pitch", "formant")
)
# Which engines can move a voice's pitch, and its formants; the others would pass over it in silence.
MOVES = {"pitch": ("hibari", "nanotts", "openjtalk", "espeak"), "formant": ("hibari",)}
# What people write for a language, and the tag its voices carry.
SAME_LANGUAGE = {"no": "nb", "cmn": "zh", "iw": "he", "in": "id", "fil": "tl"}

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MODEL = re.compile(re.escape(PAID) + r"[a-z0-9][a-z0-9._-]{0,60}")


@dataclass(frozen=True)
class Voice:
    """A voice people choose by ``name``. ``pitch`` and ``formant`` multiply the engine voice's own (1 leaves it).

    ``engine`` is one of `ENGINES` (local and free), or ``fal:<speech model>`` (paid). ``engine_voice`` is what the
    engine calls it; a Piper voice's is its file's path with a mark of its content, so that another file is another
    voice. ``scripts`` are what the Unicode names of the letters it reads begin with. ``file`` is where a Piper voice
    lies on this machine: never part of a record.
    """

    name: str
    engine: str
    language: str
    engine_voice: str
    pitch: float
    formant: float
    description: str
    quality: str = "neural"
    scripts: tuple[str, ...] = ("LATIN",)
    file: Path | None = field(default=None, repr=False, compare=False)

    @property
    def is_paid(self) -> bool:
        """True when speaking costs money."""
        return self.engine.startswith(PAID)

    @property
    def speech_model(self) -> str:
        """The row of speech_models.csv that a paid voice belongs to; empty for a voice of this machine."""
        return self.engine.removeprefix(PAID) if self.is_paid else ""

    @property
    def made_of(self) -> tuple[str, str, str, float, float]:
        """All that decides how it sounds."""
        return self.engine, self.engine_voice, self.language, self.pitch, self.formant

    def speaks(self, language: str) -> bool:
        """True for the voice's own tag (``de-DE``, any case, ``_`` for ``-``) and for its bare language (``de``).

        A voice of no region (``de``) speaks them all (``de-AT``).
        """
        asked, own = _tag(language), _tag(self.language)
        return asked in (own, own.split("-")[0]) or asked.split("-")[0] == own


@dataclass(frozen=True)
class Voices:
    """Every voice there is, in the order of the files: the shipped ones, then a home's own."""

    rows: tuple[Voice, ...]

    def named(self, name: str) -> Voice | None:
        """The voice of that name, or None."""
        return next((voice for voice in self.rows if voice.name == name), None)

    def definition_of(self, name: str) -> str:
        """What a home's own voice is made of, as a sha256: its row may be edited. Empty for a shipped voice."""
        voice, ours = self.named(name), shipped().named(name)
        if voice is None or (ours is not None and voice.made_of == ours.made_of):
            return ""
        return hashlib.sha256(repr(voice.made_of).encode()).hexdigest()

    def speaking(self, language: str) -> tuple[Voice, ...]:
        """The voices that speak ``language``; empty when none does."""
        return tuple(voice for voice in self.rows if voice.speaks(language))


def read_voices(home_file: Path | None) -> Voices:
    """The shipped voices and those of ``home_file``, which need not be there; its rows replace voices of their name.

    Paths of Piper voices are relative to the folder of ``home_file``. Raises `BadInput` with every problem of it.
    """
    rows = {voice.name: voice for voice in shipped().rows}
    if home_file is not None and home_file.exists():
        rows |= {voice.name: voice for voice in _read(home_file)}
    return Voices(tuple(rows.values()))


@functools.cache
def shipped() -> Voices:
    """The voices that come with the package."""
    return Voices(_read(SHIPPED))


def _tag(language: str) -> str:
    """``pt_BR`` -> ``pt-br``, ``no`` -> ``nb``."""
    bare, *rest = language.strip().replace("_", "-").lower().split("-")
    return "-".join([SAME_LANGUAGE.get(bare, bare), *rest])


def _read(path: Path) -> tuple[Voice, ...]:
    table = table_rows.read_rows(path, COLUMNS)
    reader = _Reader(table, path.parent)
    rows = tuple(voice for voice in map(reader.voice, table.rows) if voice is not None)
    names = ((row.line, row.cells.get("voice", "").strip()) for row in table.rows)
    table.find_twins((line, "voice", name) for line, name in names if name)
    table.assert_good()
    return rows


class _Reader:
    """Turns the table's rows into voices and adds what is wrong with them to its problems."""

    def __init__(self, table: table_rows.TableRows, folder: Path) -> None:
        self.table, self.folder, self.cell, self.add = table, folder, table.cell, table.add

    def voice(self, row: strict_csv.CsvRow) -> Voice | None:
        """The row's voice; None, and problems, when it has any."""
        before = len(self.table.problems)
        said: dict[str, Any] = {
            "name": self.cell(row, "voice", table_rows.name_of(61)),
            "engine": self.cell(row, "engine", _engine),
            "language": self.cell(row, "language", _language),
            "engine_voice": self.cell(row, "engine_voice", str),
            "quality": self.cell(row, "quality", table_rows.one_of(QUALITIES, joined=", ")),
            "scripts": self.cell(row, "scripts", table_rows.known_words(ALPHABETS)),
            "pitch": self.cell(row, "pitch", _factor) or 1.0,
            "formant": self.cell(row, "formant", _factor) or 1.0,
            "description": self.cell(row, "description", str),
        }
        for name, engines in MOVES.items():
            if said["engine"] and said[name] != 1.0 and said["engine"] not in engines:
                self.add(row.line, name, f"is no matter of {said['engine']}; empty it (of {', '.join(engines)} it is)")
        if said["engine"] == "piper" and said["engine_voice"]:
            said |= self._piper_file(row, said["engine_voice"])
        return Voice(**said) if len(self.table.problems) == before else None

    def _piper_file(self, row: strict_csv.CsvRow, written: str) -> dict[str, Any]:
        from .piper_files import marked

        file = (self.folder / written.partition("#")[0]).resolve()
        missing = [each.name for each in (file, file.with_name(f"{file.name}.json")) if not each.is_file()]
        if missing:
            folder = Path(self.folder.name, written).parent.as_posix()
            sentence = f"has no file {' and no '.join(missing)} in {folder}/; put the Piper voice's two files there"
            self.add(row.line, "engine_voice", sentence)
            return {}
        return {"engine_voice": marked(written, file), "file": file}


def _engine(text: str) -> str:
    if text not in ENGINES and not _MODEL.fullmatch(text):
        raise ValueError(f"is '{text[:60]}'; use {', '.join(ENGINES)}, or {PAID}NAME of a row of speech_models.csv")
    return text


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise ValueError(f"is '{text[:40]}'; write a tag such as de, en-GB or es-419")
    return text


def _factor(text: str) -> float:
    if not re.fullmatch(r"[0-9](\.[0-9]{1,3})?", text) or not 0.5 <= float(text) <= 2.0:
        raise ValueError(f"is '{text[:40]}'; write a number from 0.5 to 2, or leave it empty")
    return float(text)
