"""eSpeak NG's data folder under a path short enough for it.

Its buffer for paths holds 158 bytes (measured: 158 works, 165 fails; the same is told of Macs in
bootphon/phonemizer#196 and OHF-Voice/piper1-gpl#272). Virtual environments in deep folders have longer ones.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from ...errors import SpeechFailed

LONGEST_PATH_BYTES = 150  # of the folder; the files in it are opened by short names


def near_enough(folder: str) -> bytes:
    """``folder``, or, where its path is too long, a link to it (or a copy) in a temporary folder, gone at exit."""
    path = os.fsencode(folder)
    if len(path) <= LONGEST_PATH_BYTES:
        return path
    for place in dict.fromkeys((tempfile.gettempdir(), os.path.abspath(os.sep), os.getcwd())):  # noqa: PTH100, PTH109
        near = _linked(Path(folder), place)
        if near is not None and len(near) <= LONGEST_PATH_BYTES:
            return near
    raise SpeechFailed(
        f"The engine espeak cannot open its data: the path {folder} is longer than {LONGEST_PATH_BYTES} bytes, and so "
        f"is the temporary folder's ({tempfile.gettempdir()}); set TMPDIR to a folder with a short path. Nothing was "
        "spent."
    )


def _linked(folder: Path, place: str) -> bytes | None:
    """A temporary folder in ``place`` that holds the data under its own name; None where nothing can be written."""
    try:
        made = Path(tempfile.mkdtemp(prefix="aurora-", dir=place))
    except OSError:
        return None
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    near = made / folder.name
    try:
        near.symlink_to(folder, target_is_directory=True)
    except OSError:  # Windows, where links need a privilege
        shutil.copytree(folder, near)
    return os.fsencode(near)
