"""How counts and money are said in a sentence, at both doors."""

from __future__ import annotations

from decimal import Decimal


def counted(number: int, noun: str) -> str:
    """``1 clip``, ``2 clips``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def expected(usd: Decimal, at_most: Decimal) -> str:
    """``$1.40, $1.68 at most``; only the one amount when both are the same."""
    return dollars(usd) if usd == at_most else f"{dollars(usd)}, {dollars(at_most)} at most"


def dollars(usd: Decimal) -> str:
    """``$1.40``; a fraction of a cent is shown, never rounded away."""
    cents = f"{usd:.2f}"
    return f"${cents}" if Decimal(cents) == usd else f"${usd.normalize():f}"
