"""Script + Speech -> Video.  Money is spent here and only here."""

from .records import Video

__all__ = ["Video"]
