"""Does a clip's speech still say what its script asks for?  Asked before video is bought, and before it is delivered.

Stages run alone and on different days, and their rows meet by ``clip_id`` only.
"""

from __future__ import annotations

from ..script_table.records import Script
from .records import Speech


def changed_since_spoken(script: Script, speech: Speech) -> list[str]:
    """Which of the script's ``text``, ``voice`` and ``language`` are no longer those that were spoken."""
    changed = {
        "text": script.text != speech.text,
        "voice": script.voice != speech.voice,
        "language": not _is_same_language(script.language, speech.language),
    }
    return [name for name, has_changed in changed.items() if has_changed]


def _is_same_language(asked: str, spoken: str) -> bool:
    """``en`` or nothing asks for no more than ``en-US`` gives; the dialect is the voice's."""
    return not asked.strip() or _primary(asked) == _primary(spoken)


def _primary(tag: str) -> str:
    return tag.strip().replace("_", "-").split("-")[0].lower()
