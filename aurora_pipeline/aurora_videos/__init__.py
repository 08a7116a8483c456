"""Script + Speech -> Video.  Money is spent here and only here.

Read it in this order: `records` (the nouns), `request` (what is asked and when two requests are one), `quote` (what it
would cost), `ledger` (what may be bought), `purchase` (one clip, resumable), `render` (a campaign), `reconcile`
(afterwards: the bill).
"""

from .records import Charge, StageRun, Video

__all__ = ["Charge", "StageRun", "Video"]
