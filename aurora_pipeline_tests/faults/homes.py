"""A home with one campaign whose speech is made already, or is to be bought: a worker has nothing to do but buy.

Every clip has a WAV of its own (seeded noise), so that its bytes say which clip a request at the studio was for,
whatever the ledger believes. Bought speech says a text of its own, and so tells the same.
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
from aurora_pipeline.stage_tables import StageTable, read_rows, write_table
from aurora_pipeline.tts_audio import Speech

REPOSITORY = Path(__file__).resolve().parents[2]
ENDPOINT = "fal-ai/creatify/aurora"
SPEECH_ENDPOINT = "fal-ai/elevenlabs/tts/turbo-v2.5"
PAID_VOICE = "eleven-turbo-rachel-en"
VIDEO, SPEECH, BOTH = "video", "speech", "both"  # what a campaign buys
SAMPLE_RATE = 16_000
# Billed as 1, 2, 2 and 3 s; a few lengths only, since the studio keeps a picture stream for each.
LENGTHS_SECONDS = (0.8, 1.2, 1.92, 2.4)
TEXT = "A clip of the fault table."
WORDS_A_LINE = (3, 4, 6, 8)  # the studio's instant voice takes 0.3 s for each
POLL_SECONDS = 0.1
HORIZON_SECONDS = 4.5  # more than a POST may take (3 s: workers.PATIENCE_SECONDS) and the list may be late (1 s)


@dataclass(frozen=True)
class Home:
    """A folder as `aurora new` makes it, what may be spent there, and on what (``video``, ``speech`` or ``both``)."""

    root: Path
    campaign: str
    budget_usd: Decimal
    buys: str = VIDEO

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
        rows = read_rows(self.settings(), "tts_audio", self.campaign, Speech)
        return {row.sha256: row.clip_id for row in rows}

    def wanted(self) -> dict[str, str]:
        """``kind/campaign/clip`` of everything that is to be bought, by what a request for it shows (`subject_of`).

        The video of a clip without speech shows nothing yet: it is there under a name that no request has.
        """
        texts = {script.clip_id: script.text for script in read_campaign(self.settings(), self.campaign).scripts}
        found: dict[str, str] = {}
        if self.buys != VIDEO:
            found |= {subject_of(text.encode()): f"{SPEECH}/{self.campaign}/{clip}" for clip, text in texts.items()}
        if self.buys != SPEECH:
            sounds = {clip: sha256 for sha256, clip in self.speech_sha256s().items()}
            unspoken = {clip: f"no sound of {self.root}/{self.campaign}/{clip}" for clip in texts}
            found |= {sha256: f"{VIDEO}/{self.campaign}/{clip}" for clip, sha256 in (unspoken | sounds).items()}
        return found


def subject_of(content: bytes) -> str:
    """What names a purchase whatever the ledger believes: of the sound that was sent, or of the text, its sha256."""
    return hashlib.sha256(content).hexdigest()


def new_home(
    root: Path,
    *,
    clips: int,
    budget_usd: Decimal = Decimal(100),
    name: str = "spring",
    like: Home | None = None,
    buys: str = VIDEO,
) -> Home:
    """Make ``root`` with one campaign of ``clips`` clips; different roots never share a clip.

    ``like`` is a home where the portrait was looked at before: finding its face again would cost a second each time.
    """
    data = root / "data"
    (data / "avatars").mkdir(parents=True, exist_ok=True)
    for file in ("price_book.csv", "models.csv", "speech_models.csv"):
        if (REPOSITORY / "data" / file).exists():
            shutil.copy(REPOSITORY / "data" / file, data)
    shutil.copy(REPOSITORY / "data" / "avatars" / "ana.png", data / "avatars")
    home = Home(root, name, budget_usd, buys)
    if like is not None:
        shutil.copytree(MediaStore(like.settings().media).folder / "remembered", home.settings().media / "remembered")
    return add_campaign(home, clips=clips)


def add_campaign(home: Home, *, clips: int, copy_of: Home | None = None) -> Home:
    """Write ``home``'s campaign into its folder; with ``copy_of`` it says and sounds the same as that one."""
    folder = home.root / "data" / "campaigns" / home.campaign
    folder.mkdir(parents=True, exist_ok=True)
    seed = f"{(copy_of or home).root}/{(copy_of or home).campaign}"
    is_bought = home.buys != VIDEO
    voice, said = (f", voice: {PAID_VOICE}", "speech: {seconds: off, listen: off}\n") if is_bought else ("", "")
    (folder / "campaign.yaml").write_text(
        f"name: Fault table\nbudget_usd: {home.budget_usd}\n"
        f"defaults: {{portrait: ana, resolution: 480p{voice}}}\n{said}",
        encoding="utf-8",
    )
    with (folder / "scripts.csv").open("w", encoding="utf-8", newline="") as file:
        lines = ((f"c{n:04}", _line(f"{seed}/{n}", n) if is_bought else TEXT) for n in range(clips))
        csv.writer(file).writerows([("clip_id", "text"), *lines])
    if is_bought:
        return home
    campaign = read_campaign(home.settings(), home.campaign)
    rows = tuple(_speech(home, campaign, n, seed) for n in range(clips))
    write_table(home.settings(), "tts_audio", home.campaign, Speech, StageTable(rows))
    return home


def _line(seed: str, number: int) -> str:
    """A line that nobody says elsewhere; of a few lengths only, as `LENGTHS_SECONDS`."""
    dice = random.Random(hashlib.sha256(seed.encode()).digest())
    words = ("".join(dice.choices("bdfklmnprst", k=3)) for _ in range(WORDS_A_LINE[number % len(WORDS_A_LINE)]))
    return f"{' '.join(''.join(letter + dice.choice('aeiou') for letter in word) for word in words)}.".capitalize()


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
