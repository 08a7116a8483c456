"""The ports through which a paid voice, and a paid recogniser's transcripts, are bought.

This stage knows what is to be said and heard, not how anything is paid: `aurora_videos`, where money is spent and only
there, keeps the sellers, and `pipeline` hands them in.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from ..gear.recognisers import Recogniser
from ..gear.voices import TimedWord, Voice
from ..script_table.records import Script
from .saying import Part


@dataclass(frozen=True)
class Bought:
    """The sound of one part as the provider returned it: a file of the media store, in any format.

    ``words`` are the times of the words of the part's text, where the endpoint tells them. ``is_new`` is False when
    it had been bought before.
    """

    sha256: str
    charge_id: str
    words: tuple[TimedWord, ...] | None
    is_draft: bool
    is_new: bool


class Seller(Protocol):
    """Buys speech, each part once ever."""

    def speech(self, script: Script, voice: Voice, part: Part, stop: threading.Event) -> Bought:
        """``part`` of ``script`` in a paid ``voice``. Raises what a purchase raises (see `errors`)."""
        ...


class Ear(Protocol):
    """Buys transcripts, each of one sound once ever."""

    def of(self, script: Script, said: str, sha256: str, seconds: float) -> Recogniser:
        """The recogniser of one clip; its ``hear`` buys, and raises what a purchase raises.

        ``said`` is the script as it is said, ``sha256`` its sound in the media store, and ``seconds`` its length.
        """
        ...
