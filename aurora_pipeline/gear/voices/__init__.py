"""Text -> samples and word times.  The voices there are (gear/voices.csv) and the engines that speak them.

Everything here comes from wheels that carry their own models: no download, no key, no GPU. An engine is imported when
it first speaks, never before, so listing voices costs nothing.
"""

from .engines import Engine, Spoken, TimedWord, engine
from .registry import DEFAULT_VOICE, ENGINES, Voice, voice_named, voices, voices_speaking

__all__ = [
    "DEFAULT_VOICE",
    "ENGINES",
    "Engine",
    "Spoken",
    "TimedWord",
    "Voice",
    "engine",
    "voice_named",
    "voices",
    "voices_speaking",
]
