"""data/models.csv -> Models.  What every avatar model is called, asks for, refuses and is billed by: data, not code.

A row says how our inputs are named at the provider's endpoint, which resolutions there are, and the limits that are
checked before money is spent. An empty cell means "no such field" or "not known"; nothing is ever guessed. A further
model is one row here and its prices in price_book.csv. Limit: media go in as one image and one audio file by URL, and
the only unit rule is the second, rounded up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .gear import strict_csv, table_rows

# The table a home uses that has none of its own: in a checkout a link to data/models.csv, in a wheel a copy of it.
SHIPPED = Path(__file__).with_name("models.csv")
DEFAULT_MODEL = "aurora"
MEDIA = ("image", "audio")
INPUTS = ("resolution", "prompt", "guidance_scale", "audio_guidance_scale")
ANY_RESOLUTION = "any"  # what the price book says of a model that has no resolution
UNIT_RULES = ("second_rounded_up",)
ALPHAS = ("blackened",)
WHOLE_LIMITS = ("min_pixels", "max_pixels", "faces")
LIMITS = ("min_seconds", "max_seconds", "min_pixels", "max_pixels", "max_aspect", "faces")
COLUMNS = strict_csv.Columns(
    ("name", "endpoint", *MEDIA, "source"),
    (*INPUTS, "resolutions", "required", "extra", *LIMITS, "alpha", "unit_rule", "note"),
)

_FIELD = table_rows.matching(r"[A-Za-z_][A-Za-z0-9_]*", "write the provider's name of this field, such as image_url")
_RESOLUTION = re.compile(r"[0-9]{3,4}p")


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
    table = table_rows.read_rows(path, COLUMNS, shipped=SHIPPED)
    reader = _Reader(table)
    rows = tuple(model for model in map(reader.model, table.rows) if model is not None)
    reader.compare(rows)
    table.assert_good()
    return Models(table.file, rows)


class _Reader:
    """Turns the table's rows into models and adds what is wrong with them to its problems."""

    def __init__(self, table: table_rows.TableRows) -> None:
        self.table, self.cell, self.add = table, table.cell, table.add

    def model(self, row: strict_csv.CsvRow) -> Model | None:
        """The row's model; None, and problems, when it has any."""
        before = len(self.table.problems)
        fields = {name: self.cell(row, name, _FIELD) for name in (*MEDIA, *INPUTS)}
        has = {name: text for name, text in fields.items() if text}
        said: dict[str, Any] = {
            "name": self.cell(row, "name", table_rows.name_of(41)),
            "endpoint": self.cell(row, "endpoint", table_rows.endpoint("fal-ai/creatify/aurora")),
            "resolutions": self.cell(row, "resolutions", _resolutions) or (),
            "source": self.cell(row, "source", str),
            "required": self.cell(row, "required", table_rows.known_words(INPUTS)) or (),
            "extra": self.cell(row, "extra", table_rows.json_object('{"num_frames": 145}')) or {},
            **{name: self.cell(row, name, _limit(name)) for name in LIMITS},
            "blackens_alpha": self.cell(row, "alpha", table_rows.one_of(ALPHAS)) is not None,
            "note": row.cells.get("note", ""),
        }
        self.cell(row, "unit_rule", table_rows.one_of(UNIT_RULES))
        self._assert_agrees(row, has, said)
        return Model(fields=has, line=row.line, **said) if len(self.table.problems) == before else None

    def compare(self, models: Sequence[Model]) -> None:
        """Names and endpoints must be one model's alone, and the default must be there."""
        self.table.find_twins((model.line, "name", model.name) for model in models)
        self.table.find_twins((model.line, "endpoint", model.endpoint) for model in models)
        if DEFAULT_MODEL not in {model.name for model in models} and not self.table.problems:
            self.add(0, "name", f"has no row '{DEFAULT_MODEL}', the model of campaigns that name none; add it again")

    def _assert_agrees(self, row: strict_csv.CsvRow, has: Mapping[str, str], said: Mapping[str, Any]) -> None:
        """What only several cells together can be wrong about."""
        if bool(said["resolutions"]) != ("resolution" in has):
            sentence = "and resolution belong together; fill in both, or empty both for a model without resolutions"
            self.add(row.line, "resolutions", sentence)
        for name in said["required"]:
            if name not in has:
                self.add(row.line, "required", f"names '{name}', but the column {name} is empty; fill it in")
        twice = sorted({text for text in has.values() if list(has.values()).count(text) > 1})
        for text in (*twice, *sorted(set(has.values()) & set(said["extra"]))):
            self.add(row.line, "extra" if text in said["extra"] else "image", f"'{text}' is sent twice; keep one")
        for low, high in (("min_seconds", "max_seconds"), ("min_pixels", "max_pixels")):
            if said[low] is not None and said[high] is not None and said[low] > said[high]:
                self.add(row.line, low, f"is more than {high}; swap the two")


def _resolutions(text: str) -> tuple[str, ...]:
    found = table_rows.distinct_words(text)
    for resolution in found:
        if not _RESOLUTION.fullmatch(resolution):
            raise ValueError(f"holds '{resolution[:40]}'; write them as 720p 480p, the default first")
    return found


def _limit(name: str) -> Callable[[str], float]:
    return table_rows.whole_number(6) if name in WHOLE_LIMITS else table_rows.positive_number
