"""The name of somebody's own recording -> its file: first in the campaign's folder, then in data/recordings.

Written in full, with its extension. Whether it holds sound that can be read is asked when it is used (tts_audio).
"""

from __future__ import annotations

from pathlib import Path

from ..errors import BadInput, Problem
from ..gear.media_store import sha256_of
from ..gear.strict_csv import nearest
from ..settings import Settings
from .inside import assert_stays_inside, file_inside

MAX_BYTES = 200_000_000
FOLDER = "recordings"  # of data/, beside the portraits' folder
_WHERE = f"the campaign's folder or data/{FOLDER}"
_OTHER_FILES = (".csv", ".yaml", ".yml", ".txt", ".md", ".png", ".jpg", ".jpeg", ".webp")


def recording_file(settings: Settings, campaign_folder: Path, audio: str) -> Path:
    """The file of a row's ``audio``. Raises `BadInput` whose one problem says where it was looked for."""
    try:
        return _found(settings, campaign_folder, audio)
    except ValueError as error:
        raise BadInput([Problem("scripts.csv", 0, "audio", str(error))]) from error


class Recordings:
    """The recordings of one campaign, each looked at once however many rows use it."""

    def __init__(self, settings: Settings, campaign_folder: Path) -> None:
        self._settings, self._folder = settings, campaign_folder
        self._unfit: dict[str, str] = {}
        self._sha256: dict[str, str] = {}

    def sentence(self, audio: str) -> str:
        """Why ``audio`` cannot be used and how to mend it; empty when it can."""
        if audio not in self._unfit:
            self._unfit[audio] = self._look_at(audio)
        return self._unfit[audio]

    def sha256(self, audio: str) -> str:
        """Hex sha256 of the file as it lies on disk; empty when it cannot be used."""
        if audio not in self._sha256:
            self._sha256[audio] = self._hashed(audio)
        return self._sha256[audio]

    def _look_at(self, audio: str) -> str:
        try:
            file = _found(self._settings, self._folder, audio)
            with file.open("rb"):
                return ""
        except ValueError as error:
            return str(error)
        except OSError as error:
            return f"'{audio[:80]}' cannot be read ({error.strerror}); check the file"

    def _hashed(self, audio: str) -> str:
        try:
            return sha256_of(_found(self._settings, self._folder, audio))
        except (OSError, ValueError):
            return ""


def _found(settings: Settings, campaign_folder: Path, audio: str) -> Path:
    assert_stays_inside(audio, what="recording", where=_WHERE)
    folders = (campaign_folder, settings.avatars.with_name(FOLDER))
    file = file_inside(folders, audio, _candidates)
    if file is None:
        raise ValueError(_nowhere(folders, audio))
    if not file.is_file():  # a folder, a pipe or a device: reading it may never end
        raise ValueError(f"'{audio[:80]}' is not a file; name a sound file")
    size = file.stat().st_size
    if not size:
        raise ValueError(f"'{audio[:80]}' is an empty file; save the recording again")
    if size > MAX_BYTES:
        raise ValueError(
            f"'{audio[:80]}' has {size / 1e6:,.0f} MB; {MAX_BYTES // 1_000_000} is the most, save it as MP3 or M4A"
        )
    return file


def _candidates(folder: Path, audio: str) -> list[Path]:
    file = folder / audio
    return [file] if file.exists() or file.is_symlink() else []


def _nowhere(folders: tuple[Path, ...], audio: str) -> str:
    files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
    names = sorted({file.name for file in files if file.is_file() and file.suffix.lower() not in _OTHER_FILES})
    choice = nearest(audio, names) if names else "put the recording there"
    return f"there is no recording '{audio[:80]}' in {_WHERE}; {choice}"
