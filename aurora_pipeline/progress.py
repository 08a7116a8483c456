"""How the core tells a door (terminal, Dagster) what it is doing, without knowing which door it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives progress; called from the thread that started the stage, never from workers."""

    def advance(self, stage: str, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total`` clips of ``stage`` are finished; ``note`` is one short human sentence."""


class Silent:
    """Progress nobody watches."""

    def advance(self, stage: str, done: int, total: int, note: str = "") -> None:
        return None
