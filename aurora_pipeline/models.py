"""data/models.csv -> Models.  What every avatar model is called, asks for, refuses and is billed by: data, not code.

A row says how our inputs are named at the provider's endpoint, which resolutions there are, and the limits that are
checked before money is spent. An empty cell means "no such field" or "not known"; nothing is ever guessed. A further
model is one row here and its prices in price_book.csv. Limit: media go in as one image and one audio file by URL, and
the only unit rule is the second, rounded up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .errors import BadInput, Problem
from .gear import strict_csv

# The table a home uses that has none of its own: in a checkout a link to data/models.csv, in a wheel a copy of it.
SHIPPED = Path(__file__).with_name("models.csv")
DEFAULT_MODEL = "aurora"
MEDIA = ("image", "audio")
INPUTS = ("resolution", "prompt", "guidance_scale", "audio_guidance_scale")
ANY_RESOLUTION = "any"  # what the price book says of a model that has no resolution
UNIT_RULES = ("second_rounded_up",)
ALPHAS = ("blackened",)
LIMITS = ("min_seconds", "max_seconds", "min_pixels", "max_pixels", "max_aspect", "faces")
COLUMNS = strict_csv.Columns(
    ("name", "endpoint", *MEDIA, "source"),
    (*INPUTS, "resolutions", "required", "extra", *LIMITS, "alpha", "unit_rule", "note"),
)

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")
_ENDPOINT = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){1,7}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESOLUTION = re.compile(r"[0-9]{3,4}p")

Value = TypeVar("Value")


@dataclass(frozen=True)
class Model:
    """One row of the table.

    ``fields`` maps our input names (`MEDIA` and those of `INPUTS` the model has) to the provider's. ``resolutions`` has
    the default first and is empty when the model has none. ``required`` are inputs the provider demands; ``extra`` are
    arguments that are always sent. Lengths are seconds of speech; ``min_pixels`` is of the shorter side, ``max_pixels``
    of the longer, ``max_aspect`` longer by shorter; ``faces`` is how many the picture must show. None: not known.
    """

    name: str
    endpoint: str
    fields: Mapping[str, str]
    resolutions: tuple[str, ...]
    source: str
    required: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    min_seconds: float | None = None
    max_seconds: float | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_aspect: float | None = None
    faces: int | None = None
    blackens_alpha: bool = False
    note: str = ""
    line: int = 0

    @property
    def default_resolution(self) -> str:
        """What is rendered when nobody asks for anything else."""
        return self.resolutions[0] if self.resolutions else ANY_RESOLUTION

    @property
    def priced_resolutions(self) -> tuple[str, ...]:
        """The price book's resolution cells for this model."""
        return self.resolutions or (ANY_RESOLUTION,)

    @property
    def app(self) -> str:
        """Owner and alias: all of an endpoint that the URLs of its requests name."""
        return "/".join(self.endpoint.split("/")[:2])

    def takes(self, name: str) -> bool:
        """Whether the model has our input ``name`` (``prompt``, ``resolution``, ...)."""
        return name in self.fields


@dataclass(frozen=True)
class Models:
    """Every model of one table, as the file orders them."""

    file: str
    rows: tuple[Model, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.rows)

    @property
    def resolutions(self) -> tuple[str, ...]:
        """Every resolution some model has, smallest first."""
        found = {resolution for model in self.rows for resolution in model.resolutions}
        return tuple(sorted(found, key=lambda text: int(text[:-1])))

    def named(self, name: str) -> Model:
        """The model people call ``name``. Raises ValueError with the sentence people read."""
        found = next((model for model in self.rows if model.name == name), None)
        if found is None:
            raise ValueError(f"there is no model '{name[:60]}' in {self.file}; {strict_csv.nearest(name, self.names)}")
        return found

    def audio_field(self, endpoint: str) -> str:
        """What an endpoint calls the audio it is sent; fal's usual name for one that is no longer in the table."""
        at = (model for model in self.rows if model.endpoint == endpoint)
        return next((model.fields["audio"] for model in at), "audio_url")


def read_models(path: Path) -> Models:
    """The table in ``path``, or the shipped one when there is no such file. `BadInput` with every problem of it."""
    file = "/".join(path.parts[-2:])
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return read_models(SHIPPED) if path != SHIPPED else _unreadable(file, "No such file or directory")
    except OSError as error:
        return _unreadable(file, error.strerror or "unknown")
    table = strict_csv.read_table(content, COLUMNS, file=file)
    reader = _Reader(file, list(table.problems))
    rows = [reader.model(row) for row in table.rows]
    reader.compare(row for row in rows if row is not None)
    if reader.problems:
        raise BadInput(reader.problems)
    return Models(file, tuple(row for row in rows if row is not None))


def _unreadable(file: str, why: str) -> Models:
    raise BadInput([Problem(file, 0, "", f"cannot be read ({why}); restore it")])


class _Reader:
    """Turns rows into models and collects what is wrong with them."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file, self.problems = file, problems

    def model(self, row: strict_csv.CsvRow) -> Model | None:
        """The row's model; None, and problems, when it has any."""
        before = len(self.problems)
        fields = {name: self._cell(row, name, _field) for name in (*MEDIA, *INPUTS)}
        has = {name: text for name, text in fields.items() if text}
        said: dict[str, Any] = {
            "name": self._cell(row, "name", _name),
            "endpoint": self._cell(row, "endpoint", _endpoint),
            "resolutions": self._cell(row, "resolutions", _resolutions) or (),
            "source": self._cell(row, "source", str),
            "required": self._cell(row, "required", _required) or (),
            "extra": self._cell(row, "extra", _extra) or {},
            **{name: self._cell(row, name, _limit_check(name)) for name in LIMITS},
            "blackens_alpha": self._cell(row, "alpha", _one_of(ALPHAS)) is not None,
            "note": row.cells.get("note", ""),
        }
        self._cell(row, "unit_rule", _one_of(UNIT_RULES))
        self._assert_agrees(row, has, said)
        return Model(fields=has, line=row.line, **said) if len(self.problems) == before else None

    def compare(self, models: Iterable[Model]) -> None:
        """Names and endpoints must be one model's alone, and the default must be there."""
        seen: dict[str, Model] = {}
        for model in models:
            for column, text in (("name", model.name), ("endpoint", model.endpoint)):
                if text in seen:
                    self._add(model.line, column, f"'{text}' is also on line {seen[text].line}; keep one of the two")
                seen.setdefault(text, model)
        if DEFAULT_MODEL not in seen and not self.problems:
            self._add(0, "name", f"has no row '{DEFAULT_MODEL}', the model of campaigns that name none; add it again")

    def _add(self, line: int, column: str, sentence: str) -> None:
        self.problems.append(Problem(self.file, line, column, sentence))

    def _cell(self, row: strict_csv.CsvRow, name: str, check: Callable[[str], Value]) -> Value | None:
        """The checked value of a cell; None when it is empty or wrong."""
        text = row.cells.get(name, "").strip()
        if not text:
            if name in COLUMNS.required:
                self._add(row.line, name, "is empty")
            return None
        try:
            return check(text)
        except ValueError as error:
            self._add(row.line, name, str(error))
            return None

    def _assert_agrees(self, row: strict_csv.CsvRow, has: Mapping[str, str], said: Mapping[str, Any]) -> None:
        """What only several cells together can be wrong about."""
        if bool(said["resolutions"]) != ("resolution" in has):
            sentence = "and resolution belong together; fill in both, or empty both for a model without resolutions"
            self._add(row.line, "resolutions", sentence)
        for name in said["required"]:
            if name not in has:
                self._add(row.line, "required", f"names '{name}', but the column {name} is empty; fill it in")
        twice = sorted({text for text in has.values() if list(has.values()).count(text) > 1})
        for text in (*twice, *sorted(set(has.values()) & set(said["extra"]))):
            self._add(row.line, "extra" if text in said["extra"] else "image", f"'{text}' is sent twice; keep one")
        for low, high in (("min_seconds", "max_seconds"), ("min_pixels", "max_pixels")):
            if said[low] is not None and said[high] is not None and said[low] > said[high]:
                self._add(row.line, low, f"is more than {high}; swap the two")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"is {text[:60]!r}; use small letters, digits, '.', '-' or '_', beginning with a letter")
    return text


def _endpoint(text: str) -> str:
    if not _ENDPOINT.fullmatch(text) or ".." in text:
        raise ValueError(f"is {text[:80]!r}; write it as the provider does, such as fal-ai/creatify/aurora")
    return text


def _field(text: str) -> str:
    if not _FIELD.fullmatch(text):
        raise ValueError(f"is {text[:60]!r}; write the provider's name of this field, such as image_url")
    return text


def _resolutions(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(text.split()))
    for resolution in found:
        if not _RESOLUTION.fullmatch(resolution):
            raise ValueError(f"holds '{resolution[:40]}'; write them as 720p 480p, the default first")
    return found


def _required(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(text.split()))
    for name in found:
        if name not in INPUTS:
            raise ValueError(f"holds '{name[:40]}'; {strict_csv.nearest(name, INPUTS)}")
    return found


def _extra(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        json.dumps(found, allow_nan=False)
        return {str(name): value for name, value in found.items()}
    except (ValueError, AttributeError):
        raise ValueError(f'is {text[:60]!r}; write a JSON object such as {{"num_frames": 145}}') from None


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"is '{text[:40]}'; use {' or '.join(words)}")
        return text

    return check


def _limit_check(name: str) -> Callable[[str], float]:
    is_whole = name in ("min_pixels", "max_pixels", "faces")

    def check(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,6}" + ("" if is_whole else r"(\.[0-9]{1,3})?"), text) or not float(text):
            raise ValueError(
                f"is '{text[:40]}'; write a positive {'whole ' if is_whole else ''}number, or leave it empty"
            )
        return int(text) if is_whole else float(text)

    return check
