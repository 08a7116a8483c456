"""A row of the model table as fal's side of it: which arguments its endpoint takes, and the 422 of what it refuses."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field, ValidationError, create_model

from ..models import Model
from .refusals import Refusal, echo

MAX_SCALE = 5
_DEFAULT_SCALES = {"guidance_scale": 1, "audio_guidance_scale": 2}  # Aurora's documented ones


@dataclass(frozen=True)
class Arguments:
    """What a model was asked for, by our names. ``resolution`` is the price book's word for it."""

    model: Model
    image: str
    audio: str
    resolution: str

    @property
    def drawn_resolution(self) -> str:
        """What the studio draws: 720p for a model that has no say in it."""
        return self.resolution if self.model.takes("resolution") else "720p"


def read_arguments(model: Model, arguments: Any) -> Arguments | Refusal:
    """The arguments as the model reads them, or its 422."""
    try:
        read = _schema(model.name, tuple(model.fields.items()), model.resolutions, model.required).model_validate(
            arguments
        )
    except ValidationError as error:
        return refusal_of(error)
    said = read.model_dump()
    resolution = said[model.fields["resolution"]] if model.takes("resolution") else model.default_resolution
    return Arguments(model, said[model.fields["image"]], said[model.fields["audio"]], resolution)


def json_schema(model: Model) -> dict[str, Any]:
    """The endpoint's arguments, for the studio's own documentation."""
    return _schema(model.name, tuple(model.fields.items()), model.resolutions, model.required).model_json_schema()


@functools.lru_cache(maxsize=256)
def _schema(
    name: str, fields: tuple[tuple[str, str], ...], resolutions: tuple[str, ...], required: tuple[str, ...]
) -> type[BaseModel]:
    """A model's arguments under the provider's names. Anything else that is sent is ignored, as pydantic does."""
    kinds: dict[str, Any] = {}
    for ours, theirs in fields:
        kind, default = _kind(ours, resolutions)
        kinds[theirs] = (kind, ... if ours in required else default)
    return create_model(f"{name} input", **kinds)


def _kind(ours: str, resolutions: tuple[str, ...]) -> tuple[Any, Any]:
    """The type and default of one of our inputs."""
    if ours in ("image", "audio"):
        return str, Field(description=f"URL of the {'portrait' if ours == 'image' else 'speech'}.")
    if ours == "prompt":
        return str | None, Field(None, description="Text guidance; the studio's drawing does not follow it.")
    if ours == "resolution":
        return Literal[resolutions], resolutions[0]
    return float, Field(_DEFAULT_SCALES[ours], ge=0, le=MAX_SCALE)


def refusal_of(error: ValidationError) -> Refusal:
    """Pydantic's findings as fal words them: a value that is none of those allowed is `one_of`."""
    detail = []
    for found in error.errors():
        item = {**dict(found), "loc": ["body", *found["loc"]], "input": echo(found["input"])}
        if found["type"] == "literal_error":
            allowed = [word.strip("' ") for word in str(found["ctx"]["expected"]).replace(" or ", ",").split(",")]
            item |= {"type": "one_of", "ctx": {"expected": allowed}, "url": "https://docs.fal.ai/errors#one_of"}
        detail.append(item)
    return Refusal(422, {"detail": detail}, str(detail[0]["msg"]), str(detail[0]["type"]))


@dataclass(frozen=True)
class Documented:
    """An endpoint as the OpenAPI page shows it."""

    name: str
    endpoint: str
    arguments: dict[str, Any]


def document(app: FastAPI, served: Callable[[], Iterable[Documented]]) -> None:
    """Let the OpenAPI page show every endpoint of the tables with its own arguments, in place of ``{endpoint}``."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = dict(plain())
        schema["paths"] = dict(_paths(schema["paths"], tuple(served())))
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _paths(paths: dict[str, Any], models: tuple[Documented, ...]) -> Iterable[tuple[str, Any]]:
    for path, operations in paths.items():
        if "{endpoint}" not in path:
            yield path, operations
            continue
        for model in models:
            post = {**operations["post"], "summary": f"{operations['post']['summary']} ({model.name})"}
            post["operationId"] = f"{post['operationId']}_{model.name}"
            post["parameters"] = [each for each in post.get("parameters", []) if each["name"] != "endpoint"]
            post["requestBody"] = {"content": {"application/json": {"schema": model.arguments}}}
            yield path.replace("{endpoint}", model.endpoint), {"post": post}
