"""Text -> samples and word times.  The voices there are (gear/voices.csv) and the engines that speak them.

Engines come from wheels that carry their own models: no download, no key, no GPU; a Piper voice is a file the user
brings. An engine is imported when it first speaks, never before, so listing voices costs nothing. A paid voice has no
engine here: whoever pays speaks to its endpoint.
"""

from .engines import NO_IPA, Engine, Spoken, TimedWord, WordTimes, engine, how_to_install, is_installed
from .registry import (
    DEFAULT_VOICE,
    ENGINES,
    QUALITIES,
    Voice,
    Voices,
    read_voices,
    shipped,
)

__all__ = [
    "DEFAULT_VOICE",
    "ENGINES",
    "NO_IPA",
    "QUALITIES",
    "Engine",
    "Spoken",
    "TimedWord",
    "Voice",
    "Voices",
    "WordTimes",
    "engine",
    "how_to_install",
    "is_installed",
    "read_voices",
    "shipped",
]
