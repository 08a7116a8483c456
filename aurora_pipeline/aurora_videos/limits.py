"""Portrait and speech against the model's limits, before money: what would be refused, or bought and thrown away.

Sizes and lengths are facts of the files as they will be sent, so they hold a clip back for good. What the face finder
says is a belief (it was made for photographs of people): a campaign may overrule it with ``portrait_check: warn``.
Looking at a portrait takes about half a second and is remembered in the media store, so it is done once.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from ..gear.media_store import MediaStore, key_of
from ..models import Model
from .request import SentImage

# Written into what is remembered: another way of looking must look again.
WAY_OF_LOOKING = 1


@dataclass(frozen=True)
class SeenPortrait:
    """A portrait as it is sent: pixels, and how many faces were found on it, large and small."""

    width: int
    height: int
    is_transparent: bool
    faces: int


def look_at(store: MediaStore, image: SentImage) -> SeenPortrait:
    """What the bytes to be sent show; remembered by their sha256."""
    key = key_of(portrait=image.sha256, way_of_looking=WAY_OF_LOOKING)
    if (known := store.recall(key)) is not None:
        return SeenPortrait(**known)
    from PIL import Image

    from ..gear.faces import every_face

    with Image.open(io.BytesIO(image.content)) as picture:
        faces = len(every_face(picture))
        seen = SeenPortrait(picture.width, picture.height, picture.has_transparency_data, faces)
    store.remember(key, asdict(seen))
    return seen


def unfit_for(model: Model, *, portrait: SeenPortrait, seconds: float) -> tuple[str, ...]:
    """Why the model would refuse or spoil these files for sure, in sentences; empty when it would not.

    ``seconds`` is the speech's length. A limit that the table does not know is not checked.
    """
    return (*_of_speech(model, seconds), *_of_portrait(model, portrait))


def unfit_portrait(model: Model, portrait: SeenPortrait) -> tuple[str, ...]:
    """The same of the portrait alone, before there is speech."""
    return tuple(_of_portrait(model, portrait))


def doubts_of(model: Model, *, portrait: SeenPortrait) -> tuple[str, ...]:
    """What the face finder has against the portrait, in sentences; empty when nothing, or when faces do not matter."""
    wanted = model.faces
    if wanted is None or portrait.faces == wanted:
        return ()
    shown = "no face" if not portrait.faces else _faces(portrait.faces)
    return (f"the portrait shows {shown}; {model.name} animates {'one' if wanted == 1 else wanted}",)


def _of_speech(model: Model, seconds: float) -> Iterator[str]:
    length = f"the speech is {seconds:.2f} s long; {model.name}"
    if model.max_seconds is not None and seconds > model.max_seconds:
        yield f"{length} takes at most {model.max_seconds:g} s, so split the text into several rows"
    if model.min_seconds is not None and seconds < model.min_seconds:
        yield f"{length} needs at least {model.min_seconds:g} s, so write more text"


def _of_portrait(model: Model, portrait: SeenPortrait) -> Iterator[str]:
    short, long = sorted((portrait.width, portrait.height))
    size = f"the portrait is {portrait.width}x{portrait.height} pixels; {model.name}"
    if model.min_pixels is not None and short < model.min_pixels:
        yield f"{size} needs at least {model.min_pixels} on the shorter side, so use a larger picture"
    if model.max_pixels is not None and long > model.max_pixels:
        yield f"{size} takes at most {model.max_pixels} on the longer side, so save it smaller"
    if model.max_aspect is not None and long > model.max_aspect * short:
        yield f"{size} takes a longer side of at most {model.max_aspect:g} times the shorter, so crop it"
    if model.blackens_alpha and portrait.is_transparent:
        yield f"the portrait has transparent parts, which {model.name} turns black; save it without them"


def _faces(count: int) -> str:
    return "1 face" if count == 1 else f"{count} faces"
