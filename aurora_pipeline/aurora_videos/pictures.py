"""What a stored video looks like: measured once, remembered by its content."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..gear.media_store import MediaStore, key_of

if TYPE_CHECKING:
    from ..gear.probe import Probe


@dataclass(frozen=True)
class Picture:
    """Size in pixels, frames a second, and the length of the picture in seconds: what a provider bills by."""

    width: int
    height: int
    fps: float
    seconds: float


def picture_of(store: MediaStore, sha256: str) -> Picture:
    """The picture of a stored video. Raises FileNotFoundError when the store does not hold it."""
    if (known := store.recall(_key(sha256))) is not None:
        return Picture(**known)
    from ..gear.probe import probe

    return remember_picture(store, sha256, probe(store.require(sha256)))


def remember_picture(store: MediaStore, sha256: str, seen: Probe) -> Picture:
    """Keep what was measured of a video, so that it need not be opened again."""
    picture = Picture(seen.width, seen.height, seen.fps, seen.video_seconds)
    store.remember(_key(sha256), asdict(picture))
    return picture


def _key(sha256: str) -> str:
    return key_of(picture_of=sha256)
