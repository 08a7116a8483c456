"""A home with one campaign whose speech is made already: a worker has nothing to do but buy.

Every clip has a WAV of its own (seeded noise), so that its bytes say which clip a request at the studio was for,
whatever the ledger believes.
"""

from __future__ import annotations

import csv
import hashlib
import random
import shutil
import wave
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from aurora_pipeline.gear.media_store import MediaStore
from aurora_pipeline.script_table import Campaign, read_campaign
from aurora_pipeline.settings import Settings
from aurora_pipeline.stage_tables import StageTable, write_table
from aurora_pipeline.tts_audio import Speech

REPOSITORY = Path(__file__).resolve().parents[2]
ENDPOINT = "fal-ai/creatify/aurora"
SAMPLE_RATE = 16_000
# Billed as 1, 2, 2 and 3 s; a few lengths only, since the studio keeps a picture stream for each.
LENGTHS_SECONDS = (0.8, 1.2, 1.92, 2.4)
TEXT = "A clip of the fault table."
POLL_SECONDS = 0.1
HORIZON_SECONDS = 4.5  # more than a POST may take (3 s: workers.PATIENCE_SECONDS) and the list may be late (1 s)


@dataclass(frozen=True)
class Home:
    """A folder as `aurora new` makes it, and what may be spent there."""

    root: Path
    campaign: str
    budget_usd: Decimal

    @property
    def output(self) -> Path:
        return self.root / "data" / "output"

    def settings(self, **changes: Any) -> Settings:
        """Paid settings whose waits are scaled down to the studio's."""
        known = {field.name for field in fields(Settings)}
        wanted = {"poll_seconds": POLL_SECONDS, "requests_in_flight": 4, "horizon_seconds": HORIZON_SECONDS} | changes
        return Settings(
            root=self.root,
            output=self.output,
            provider="fal",
            fal_key_is_set=True,
            **{name: value for name, value in wanted.items() if name in known},
        )

    def speech_sha256s(self) -> dict[str, str]:
        """Clip by the sha256 of its speech."""
        from aurora_pipeline.stage_tables import read_rows

        rows = read_rows(self.settings(), "tts_audio", self.campaign, Speech)
        return {row.sha256: row.clip_id for row in rows}


def new_home(
    root: Path, *, clips: int, budget_usd: Decimal = Decimal(100), name: str = "spring", like: Home | None = None
) -> Home:
    """Make ``root`` with one campaign of ``clips`` spoken clips; different roots never share a clip.

    ``like`` is a home where the portrait was looked at before: finding its face again would cost a second each time.
    """
    data = root / "data"
    (data / "avatars").mkdir(parents=True, exist_ok=True)
    for file in ("price_book.csv", "models.csv"):
        if (REPOSITORY / "data" / file).exists():
            shutil.copy(REPOSITORY / "data" / file, data)
    shutil.copy(REPOSITORY / "data" / "avatars" / "ana.png", data / "avatars")
    home = Home(root, name, budget_usd)
    if like is not None:
        shutil.copytree(MediaStore(like.settings().media).folder / "remembered", home.settings().media / "remembered")
    return add_campaign(home, clips=clips)


def add_campaign(home: Home, *, clips: int, copy_of: Home | None = None) -> Home:
    """Write ``home``'s campaign into its folder; with ``copy_of`` it says and sounds the same as that one."""
    folder = home.root / "data" / "campaigns" / home.campaign
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "campaign.yaml").write_text(
        f"name: Fault table\nbudget_usd: {home.budget_usd}\ndefaults: {{portrait: ana, resolution: 480p}}\n",
        encoding="utf-8",
    )
    with (folder / "scripts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("clip_id", "text"), *((f"c{n:04}", TEXT) for n in range(clips))])
    campaign = read_campaign(home.settings(), home.campaign)
    seed = f"{(copy_of or home).root}/{(copy_of or home).campaign}"
    rows = tuple(_speech(home, campaign, n, seed) for n in range(clips))
    write_table(home.settings(), "tts_audio", home.campaign, Speech, StageTable(rows))
    return home


def _speech(home: Home, campaign: Campaign, number: int, seed: str) -> Speech:
    script, seconds = campaign.scripts[number], LENGTHS_SECONDS[number % len(LENGTHS_SECONDS)]
    store = MediaStore(home.settings().media)
    with store.workshop() as bench:
        _write_noise(bench / "speech.wav", seconds, f"{seed}/{number}")
        sha256 = store.put(bench / "speech.wav")
    return Speech(
        campaign=campaign.name,
        clip_id=script.clip_id,
        sha256=sha256,
        seconds=seconds,
        sample_rate=SAMPLE_RATE,
        engine="noise",
        engine_version="1",
        voice=script.voice,
        language=script.language or "en",
        text=script.text,
        word_times="engine",
        words=(),
    )


def _write_noise(file: Path, seconds: float, seed: str) -> None:
    noise = random.Random(hashlib.sha256(seed.encode()).digest())
    with wave.open(str(file), "wb") as sound:
        sound.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        # a 50 ms pattern of its own, repeated: distinct bytes at no cost
        pattern = b"".join(noise.randrange(-900, 900).to_bytes(2, "little", signed=True) for _ in range(800))
        frames = round(seconds * SAMPLE_RATE) * 2
        sound.writeframes((pattern * (frames // len(pattern) + 1))[:frames])
