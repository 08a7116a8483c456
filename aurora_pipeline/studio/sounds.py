"""Speech jobs: a text is spoken, or a recording is heard; how, is in `speaking` and `hearing`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from . import hearing, inputs, speaking
from .asked import AskedToHear, AskedToSpeak
from .book import Answer, Book
from .pricing import Bill, Prices, told
from .render_faults import Trouble
from .results import Made, stoppable
from .speaking import SpokenSound
from .spoken_book import SpokenFile
from .storage import Files

TELLS_LENGTH = "fal-ai/minimax/"  # these answer duration_ms


@dataclass(frozen=True)
class Sounds:
    """Makes what speech endpoints answer."""

    book: Book
    files: Files
    prices: Prices
    instant_seconds: float | None  # None: voices of this machine really speak

    async def make(self, asked: AskedToSpeak | AskedToHear, bench: Path, trouble: Trouble) -> Made:
        """One job's result. Raises `Refused` and what ``trouble`` raises."""
        if isinstance(asked, AskedToSpeak):
            return await self._speech(asked, bench, trouble)
        return await self._transcript(asked, bench, trouble)

    async def _speech(self, asked: AskedToSpeak, bench: Path, trouble: Trouble) -> Made:
        units = asked.model.units(asked.text)
        await trouble.begin(lambda: self.prices.sound_bill(asked.model, units, 0.0))
        if self.instant_seconds is not None:
            await asyncio.sleep(self.instant_seconds)
            spoken = await asyncio.to_thread(speaking.speak_at_once, asked, bench)
        else:
            spoken = await stoppable(partial(speaking.speak, asked, bench))
        self.book.spoken.add(spoken.sha256, SpokenFile(asked.text, spoken.language, spoken.words))
        if trouble.strikes:
            await stoppable(partial(trouble.spoil_sound, spoken.file, spoken.seconds))
        bill = self.prices.sound_bill(asked.model, units, spoken.seconds)
        answer = Answer(asked.model.answer, _said(asked, spoken))
        return Made(spoken.file, spoken.name, spoken.content_type, bill, trouble, answer, _what(bill, units))

    async def _transcript(self, asked: AskedToHear, bench: Path, trouble: Trouble) -> Made:
        audio = await inputs.fetch(asked.audio, asked.model.input, bench / "audio", self.files)
        seconds = await asyncio.to_thread(inputs.sound_seconds, audio, asked.model.input, asked.audio)
        units = asked.model.units(seconds)
        bill = self.prices.sound_bill(asked.model, units, seconds)
        await trouble.begin(lambda: bill)
        if spoken := hearing.known(self.book.spoken, audio):
            body = hearing.known_answer(asked, spoken)
        else:
            body = await asyncio.to_thread(hearing.hear, asked, audio)
        return Made(None, "", "", bill, trouble, Answer("", body), _what(bill, units))


def _said(asked: AskedToSpeak, spoken: SpokenSound) -> dict[str, Any]:
    """What the answer says beside the file's address."""
    parent = asked.model.answer.split(".")[0]
    said: dict[str, Any] = {parent: {"file_size": spoken.file.stat().st_size}} if "." in asked.model.answer else {}
    if asked.wants_words:
        said[asked.model.words_path] = speaking.timestamps(spoken.words)
    if asked.model.endpoint.startswith(TELLS_LENGTH):
        said["duration_ms"] = round(spoken.seconds * 1000)
    return said


def _what(bill: Bill, units: Decimal) -> str:
    return f"{units.normalize():f} x {told(bill.unit)}"
