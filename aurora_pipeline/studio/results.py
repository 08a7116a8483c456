"""What a job makes, whatever its model; and work in a thread that ends when its job does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .book import Answer
from .pricing import Bill
from .render_faults import Trouble

Value = TypeVar("Value")


@dataclass(frozen=True)
class Made:
    """A finished result, not yet stored: its file, where it has one, its words, and what it costs.

    ``what`` is its measure as the log tells it.
    """

    file: Path | None
    name: str
    content_type: str
    bill: Bill
    trouble: Trouble
    answer: Answer | None
    what: str


async def stoppable(work: Callable[[threading.Event], Value]) -> Value:
    """What ``work`` returns, from a thread. Cancelled, it is told to stop: nobody waits for its ffmpeg."""
    stop = threading.Event()
    try:
        return await asyncio.to_thread(work, stop)
    finally:
        stop.set()
