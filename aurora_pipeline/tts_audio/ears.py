"""AURORA_LISTENER -> who compares speech with its script before it is paid for."""

from __future__ import annotations

from ..errors import BadSetting
from ..gear import recognisers
from ..gear.recognisers import Recogniser
from ..settings import Settings

CHOICES = ("auto", "whisper", "off")


def recogniser_of(settings: Settings) -> Recogniser | None:
    """``auto`` is the offline recogniser where it is installed; None where nobody compares the words.

    Raises `BadSetting` for a listener that does not exist or is not installed.
    """
    asked = settings.listener
    if asked not in CHOICES:
        raise BadSetting(f"AURORA_LISTENER is '{asked}'; use {', '.join(CHOICES)}. Nothing was spent.")
    found = None if asked == "off" else recognisers.offline()
    if asked == "whisper" and found is None:
        raise BadSetting(
            "AURORA_LISTENER is 'whisper', which is not installed; run: pip install 'aurora-pipeline[listen]', or "
            "unset it. Nothing was spent."
        )
    return found
