"""Something changed: whoever waits for it looks again."""

from __future__ import annotations

import asyncio
import contextlib


class News:
    """Wakes everybody who waits for the next change. Nothing is missed as long as one looks, then waits, in one go."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        told, self._event = self._event, asyncio.Event()
        told.set()

    async def wait(self, seconds: float | None = None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
