"""The name of a portrait -> its file: first in the campaign's own folder, then in data/avatars.

A name may leave out the extension. It never leads outside these two folders: no absolute path, no ``..``, no address,
no symbolic link to elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import BadInput, Problem
from ..gear import images
from ..gear.media_store import sha256_of
from ..gear.strict_csv import nearest
from ..settings import Settings
from .inside import assert_stays_inside, file_inside

# Found without an extension too, so that "export it as PNG" is said instead of "does not exist".
_FOREIGN_SUFFIXES = (".heic", ".heif", ".svg", ".pdf", ".psd")


def portrait_file(settings: Settings, campaign_folder: Path, portrait: str) -> Path:
    """The file of ``portrait``. Raises `BadInput` whose one problem says where it was looked for."""
    try:
        return _found(settings, campaign_folder, portrait)
    except ValueError as error:
        shown = (campaign_folder / "campaign.yaml").name
        raise BadInput([Problem(shown, 0, "portrait", str(error))]) from error


class Portraits:
    """The portraits of one campaign, each looked at once however many rows use it."""

    def __init__(self, settings: Settings, campaign_folder: Path) -> None:
        self._settings, self._folder = settings, campaign_folder
        self._unfit: dict[str, str] = {}
        self._sha256: dict[str, str] = {}

    def sentence(self, portrait: str) -> str:
        """Why ``portrait`` cannot be used and how to mend it; empty when it can."""
        if portrait not in self._unfit:
            self._unfit[portrait] = self._look_at(portrait)
        return self._unfit[portrait]

    def sha256(self, portrait: str) -> str:
        """Hex sha256 of the file as it lies on disk; empty when there is none."""
        if portrait not in self._sha256:
            self._sha256[portrait] = self._hashed(portrait)
        return self._sha256[portrait]

    def _hashed(self, portrait: str) -> str:
        try:
            return sha256_of(_found(self._settings, self._folder, portrait))
        except (OSError, ValueError):
            return ""

    def _look_at(self, portrait: str) -> str:
        try:
            images.portrait_as_sent(_found(self._settings, self._folder, portrait))
        except ValueError as error:
            return str(error)
        except BadInput as unfit:
            return f"'{portrait}' {unfit.problems[0].sentence}"
        return ""


def _found(settings: Settings, campaign_folder: Path, portrait: str) -> Path:
    assert_stays_inside(portrait, what="picture", where="the campaign's folder or data/avatars")
    file = file_inside((campaign_folder, settings.avatars), portrait, _candidates)
    if file is None:
        raise ValueError(_nowhere(settings, campaign_folder, portrait))
    return file


def _candidates(folder: Path, portrait: str) -> list[Path]:
    """The file itself, or the one that has this name and an image's extension."""
    exact = folder / portrait
    if exact.is_file() or exact.is_symlink():
        return [exact]
    if not exact.parent.is_dir():
        return []
    suffixes = (*images.SUFFIXES, *_FOREIGN_SUFFIXES)
    named = [file for file in exact.parent.iterdir() if file.stem == exact.name and file.suffix.lower() in suffixes]
    if len(named) > 1:
        raise ValueError(f"'{portrait}' could be {' or '.join(sorted(file.name for file in named))}; write one in full")
    return named


def _nowhere(settings: Settings, campaign_folder: Path, portrait: str) -> str:
    folders = (campaign_folder, settings.avatars)
    files = [file for folder in folders if folder.is_dir() for file in folder.iterdir()]
    names = sorted({file.stem for file in files if file.suffix.lower() in images.SUFFIXES})
    choice = nearest(portrait, names) if names else "add an image there"
    return f"there is no portrait '{portrait[:80]}' in the campaign's folder or data/avatars; {choice}"
