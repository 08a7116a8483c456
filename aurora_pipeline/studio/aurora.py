"""What Aurora accepts, and the bodies it refuses with (reference/creatify_aurora_api.md, fal_contract.md "Errors").

A refusal is a value: it is stored with the request and handed out again at every later fetch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

ENDPOINT = "fal-ai/creatify/aurora"
RESOLUTIONS = ("480p", "720p")
MAX_AUDIO_SECONDS = 300
LONGEST_ECHO = 2000  # characters of a refused value that are sent back; a data: URI may hold megabytes

# What a render worker may blame on its inputs, and the argument each is about. Any other word of its is our fault: 500.
BLAMED_ON = {
    "file_download_error": "image_url",
    "image_load_error": "image_url",
    "unsupported_image_format": "image_url",
    "face_detection_error": "image_url",
    "image_too_small": "image_url",
    "image_too_large": "image_url",
    "unsupported_audio_format": "audio_url",
    "audio_duration_too_short": "audio_url",
    "audio_duration_too_long": "audio_url",
}


class AuroraInput(BaseModel):
    """Arguments of fal-ai/creatify/aurora."""

    image_url: str = Field(description="URL of the portrait.")
    audio_url: str = Field(description="URL of the speech; at most 300 seconds.")
    prompt: str | None = Field(None, description="Text guidance; the studio's drawing does not follow it.")
    guidance_scale: float = Field(1, ge=0, le=5)
    audio_guidance_scale: float = Field(2, ge=0, le=5)
    resolution: Literal["480p", "720p"] = "720p"


@dataclass(frozen=True)
class Refusal:
    """How a job failed: the HTTP status and body of its result, and the queue's short words for it."""

    status_code: int
    body: dict[str, Any]
    error: str
    error_type: str


@dataclass
class Refused(Exception):
    """Raised while a job is made; ``refusal`` is its answer."""

    refusal: Refusal = field()


def validate(arguments: Any) -> AuroraInput | Refusal:
    """The arguments as Aurora reads them, or its 422."""
    try:
        return AuroraInput.model_validate(arguments)
    except ValidationError as error:
        found = error.errors()
    detail = [{**dict(item), "loc": ["body", *item["loc"]], "input": _echo(item["input"])} for item in found]
    return Refusal(422, {"detail": detail}, str(found[0]["msg"]), str(found[0]["type"]))


def refuse(error_type: str, sentence: str, *, argument: str = "", value: Any = None, **context: Any) -> Refused:
    """A typed 422 about one argument (the one its type is always about, unless named), as fal's models answer."""
    item: dict[str, Any] = {
        "loc": ["body", argument or BLAMED_ON[error_type]],
        "msg": sentence,
        "type": error_type,
        "url": f"https://docs.fal.ai/errors#{error_type}",
        "input": _echo(value),
    }
    if context:
        item["ctx"] = context
    return Refused(Refusal(422, {"detail": [item]}, sentence, error_type))


def internal_error(sentence: str) -> Refusal:
    """The model broke; never billed."""
    item = {"loc": ["body"], "msg": sentence, "type": "internal_server_error"}
    return Refusal(500, {"detail": [item]}, sentence, "internal_server_error")


def cancelled() -> Refusal:
    """The client asked to stop; the studio does stop, and bills nothing."""
    sentence = "The request was cancelled by the client."
    return Refusal(499, {"detail": sentence, "error_type": "client_cancelled"}, sentence, "client_cancelled")


def _echo(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _echo(inner) for name, inner in value.items()}
    return f"{value[:LONGEST_ECHO]}..." if isinstance(value, str) and len(value) > LONGEST_ECHO else value
