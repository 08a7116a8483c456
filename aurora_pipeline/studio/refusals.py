"""The bodies a job ends with when it ends badly (reference/fal_contract.md, "Errors").

A refusal is a value: it is stored with the request and handed out again at every later fetch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LONGEST_ECHO = 2000  # characters of a refused value that are sent back; a data: URI may hold megabytes

# What a render worker may blame on its inputs, and which of them. Any other word of its is our fault, a 500.
BLAMED_ON = {
    "file_download_error": "image",
    "image_load_error": "image",
    "unsupported_image_format": "image",
    "face_detection_error": "image",
    "image_too_small": "image",
    "image_too_large": "image",
    "unsupported_audio_format": "audio",
    "audio_duration_too_short": "audio",
    "audio_duration_too_long": "audio",
}


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


def refuse(error_type: str, sentence: str, *, argument: str, value: Any = None, **context: Any) -> Refused:
    """A typed 422 about one argument (by the provider's own name of it), as fal's models answer."""
    item: dict[str, Any] = {
        "loc": ["body", argument],
        "msg": sentence,
        "type": error_type,
        "url": f"https://docs.fal.ai/errors#{error_type}",
        "input": echo(value),
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


def echo(value: Any) -> Any:
    """A refused value as it is sent back: whole when it is short."""
    if isinstance(value, dict):
        return {name: echo(inner) for name, inner in value.items()}
    return f"{value[:LONGEST_ECHO]}..." if isinstance(value, str) and len(value) > LONGEST_ECHO else value
