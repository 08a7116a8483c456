"""A row of the speech table as fal's side of it: which arguments its endpoint takes, and the 422 of what it refuses.

Stricter than fal in three places, so that what works here works there: a text is required everywhere (American English
Kokoro speaks an empty one), it is `LONGEST_TEXT` at most where no limit is documented (a voice cannot be stopped in
mid-speech), and an argument that decides the shape of the answer must be sent as the table has it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationError, create_model

from ..gear.word_answers import at
from ..speech_models import RecogniserModel, SpeechModel
from .models import refusal_of
from .refusals import Refusal, internal_error

SHAPES_THE_ANSWER = "output_format"
LONGEST_TEXT = 10_000  # characters: some ten minutes of speech
AUTO = "auto"  # the word of fal's language lists for "find it out"
_SPOKEN = StringConstraints(strip_whitespace=False, min_length=1, pattern=r"\S")


@dataclass(frozen=True)
class AskedToSpeak:
    """A text to be spoken. ``language`` is a tag, empty when nobody said; ``voice`` is empty for the default one."""

    model: SpeechModel
    text: str
    voice: str
    language: str
    wants_words: bool


@dataclass(frozen=True)
class AskedToHear:
    """A recording to be written down. ``language`` is as for `AskedToSpeak`."""

    model: RecogniserModel
    audio: str
    language: str


def read_asked(model: SpeechModel | RecogniserModel, arguments: Any) -> AskedToSpeak | AskedToHear | Refusal:
    """The arguments as the endpoint reads them, or its 422."""
    try:
        _schema(model.name, model).model_validate(arguments)
    except ValidationError as error:
        return refusal_of(error)
    language = _language(model, at(arguments, model.language_field) if model.language_field else None)
    if isinstance(model, RecogniserModel):
        return AskedToHear(model, str(at(arguments, model.input)), language)
    wanted = model.extra.get(SHAPES_THE_ANSWER)
    if wanted is not None and at(arguments, SHAPES_THE_ANSWER) != wanted:
        return internal_error(
            f"The studio answers {model.endpoint} with {SHAPES_THE_ANSWER} '{wanted}' only: how fal answers without it "
            f"is not documented. Send {SHAPES_THE_ANSWER}."
        )
    voice = at(arguments, model.voice_field) if model.voice_field else None
    wants_words = bool(model.words_path and at(arguments, model.words_path) is True)
    return AskedToSpeak(model, str(at(arguments, model.input)), str(voice or ""), language, wants_words)


def json_schema(model: SpeechModel | RecogniserModel) -> dict[str, Any]:
    """The endpoint's arguments, for the studio's own documentation."""
    return _schema(model.name, model).model_json_schema()


def _language(model: SpeechModel | RecogniserModel, value: Any) -> str:
    """The tag of a language as the endpoint names it; of an endpoint with one language, that one."""
    if value is not None:
        return next((tag for tag, theirs in model.languages.items() if theirs == value), "")
    return next(iter(model.languages)) if len(model.languages) == 1 else ""


def _schema(name: str, model: SpeechModel | RecogniserModel) -> type[BaseModel]:
    """An endpoint's arguments under the provider's names. Anything else that is sent is ignored, as pydantic does."""
    languages = tuple(dict.fromkeys(model.languages.values()))
    if isinstance(model, RecogniserModel):
        return _made(name, model.input, ("", (), False), model.language_field, (), None, "")
    told = model.words_path if model.words_path in model.extra else ""
    voice = (model.voice_field, model.voices, model.needs_voice)
    allowed, longest = (*languages, AUTO), model.max_characters or LONGEST_TEXT
    return _made(name, model.input, voice, model.language_field, allowed, longest, told)


@functools.lru_cache(maxsize=256)
def _made(
    name: str,
    text: str,
    voiced: tuple[str, tuple[str, ...], bool],
    language: str,
    languages: tuple[str, ...],
    longest: int | None,
    told: str,
) -> type[BaseModel]:
    kinds: dict[str, Any] = {}
    voice, voices, is_needed = voiced
    spoken = Annotated[str, _SPOKEN] if longest is None else Annotated[str, _SPOKEN, Field(max_length=longest)]
    _put(kinds, text, (spoken, Field(description="The text that is spoken, or the URL of the sound.")))
    if voice:
        kind = Literal[voices] if voices else str
        field = Field(... if is_needed else None, description="Which voice; the studio takes its nearest own.")
        _put(kinds, voice, (kind if is_needed else kind | None, field))
    if language:
        allowed = Literal[languages] if languages else str
        _put(kinds, language, (allowed | None, Field(None, description="The language.")))
    if told:
        _put(kinds, told, (bool, Field(default=False, description="Whether the answer tells when words are heard.")))
    return create_model(f"{name} input", **kinds)


def _put(kinds: dict[str, Any], path: str, kind: Any) -> None:
    """A field under a dotted path: what is inside others is a model of its own."""
    name, _, rest = path.partition(".")
    if rest:
        inner: dict[str, Any] = {}
        _put(inner, rest, kind)
        kind = (create_model(name, **inner) | None, None)
    kinds[name] = kind
