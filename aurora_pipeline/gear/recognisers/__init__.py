"""Samples and the script they should say -> a transcript.  Offline, from wheels that carry their model, or none at all.

Everything a recogniser needs lies in its wheels: no download, no key, no GPU. It is imported when it first hears.
"""

from .port import HeardWord, Nobody, Recogniser, ScriptWord, Transcript
from .registry import NOT_INSTALLED, offline

__all__ = ["NOT_INSTALLED", "HeardWord", "Nobody", "Recogniser", "ScriptWord", "Transcript", "offline"]
