"""Who is using this studio. A lease is an open connection, so a killed user's lease ends with its process.

A studio that was started for a run stops by itself: 3 seconds after its last user left, or when none ever came.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator

FIRST_LEASE_SECONDS = 30.0
UNUSED_SECONDS = 3.0
HEARTBEAT_SECONDS = 1.0


class Leases:
    """Counts users: leases, and clients that wait on an open connection for a result."""

    def __init__(self) -> None:
        self.users = 0
        self.is_closing = False
        self._idle_since = time.monotonic()
        self._patience = FIRST_LEASE_SECONDS

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1
            self._idle_since, self._patience = time.monotonic(), UNUSED_SECONDS

    async def heartbeat(self) -> AsyncIterator[bytes]:
        """The body of a lease: a byte a second for as long as both sides are there."""
        with self.hold():
            while not self.is_closing:
                yield b":"
                await asyncio.sleep(HEARTBEAT_SECONDS)

    async def close_when_unused(self, close: Callable[[], None]) -> None:
        """Call ``close`` once nobody has used the studio for its patience; no lease is given from then on."""
        while self.users or time.monotonic() - self._idle_since < self._patience:
            await asyncio.sleep(0.25)
        self.is_closing = True
        close()
