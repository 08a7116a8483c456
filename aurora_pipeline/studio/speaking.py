"""Text -> a sound file, spoken by the voices of this machine, in place of a bought voice. Everything is marked DRAFT.

The nearest local voice speaks: of the asked language and, where there is one, of its region; a low one for Kokoro's
male voices. Limit: where neither the endpoint nor the request says the language, Latin letters are read as English.
"""

from __future__ import annotations

import hashlib
import struct
import threading
import unicodedata
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SpeechFailed
from ..gear import ffmpeg
from ..gear.voices import Spoken, TimedWord, Voice, engine, is_installed, shipped
from .asked import AskedToSpeak
from .refusals import refuse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

COMMENT = "DRAFT: local studio speech, not a bought voice"
CONTENT_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac"}
ENCODERS = {
    "wav": ("-c:a", "pcm_s16le"),
    "mp3": ("-c:a", "libmp3lame", "-b:a", "128k", "-ar", "44100"),
    "flac": ("-c:a", "flac"),
}
ENGLISH = "en-US"
LATIN = "LATIN"
SECONDS_A_WORD = 0.3  # of an instant voice, which says nothing
INSTANT_RATE = 16_000
LONGEST_INSTANT_SECONDS = 60.0


@dataclass(frozen=True)
class SpokenSound:
    """A finished file, and what it says."""

    file: Path
    name: str
    content_type: str
    sha256: str
    seconds: float
    language: str
    words: tuple[TimedWord, ...]


def speak(asked: AskedToSpeak, bench: Path, stop: threading.Event) -> SpokenSound:
    """The text spoken, and encoded as the endpoint does. Raises `Refused` when no voice here can speak it."""
    voice, spoken = _spoken(asked)
    plain, file = bench / "speech.wav", bench / f"output.{asked.model.format}"
    _write_wav(plain, spoken.samples, spoken.sample_rate)
    arguments = ["-i", ffmpeg.target(plain), *ENCODERS[asked.model.format], "-metadata", f"comment={COMMENT}"]
    ffmpeg.run([*arguments, ffmpeg.target(file)], stop=stop)
    seconds = len(spoken.samples) / spoken.sample_rate
    return _sound(file, asked.model.format, seconds, voice.language, spoken.words)


def speak_at_once(asked: AskedToSpeak, bench: Path) -> SpokenSound:
    """A real WAV of a quiet tone, about as long as the text takes: for load tests. It says nothing.

    The tone is the text's own, so that two texts are two sounds: their videos are never taken for one.
    """
    words = asked.text.split()
    seconds = min(LONGEST_INSTANT_SECONDS, max(0.5, SECONDS_A_WORD * len(words)))
    each = seconds / len(words)
    times = tuple(
        TimedWord(word, round(index * each, 3), round((index + 0.8) * each, 3)) for index, word in enumerate(words)
    )
    file = bench / "output.wav"
    file.write_bytes(_tone(seconds, _hertz(asked.text)))
    return _sound(file, "wav", seconds, asked.language or ENGLISH, times)


def timestamps(words: Iterable[TimedWord]) -> list[dict[str, Any]]:
    """The times of words as ElevenLabs writes them: of every character, in one stretch."""
    letters: list[tuple[str, float, float]] = []
    for word in words:
        if letters:
            letters.append((" ", letters[-1][2], max(letters[-1][2], word.start_seconds)))
        step = (word.end_seconds - word.start_seconds) / max(1, len(word.text))
        letters += [
            (letter, word.start_seconds + index * step, word.start_seconds + (index + 1) * step)
            for index, letter in enumerate(word.text)
        ]
    return [
        {
            "characters": [letter for letter, _, _ in letters],
            "character_start_times_seconds": [round(start, 3) for _, start, _ in letters],
            "character_end_times_seconds": [round(end, 3) for _, _, end in letters],
        }
    ]


def _spoken(asked: AskedToSpeak) -> tuple[Voice, Spoken]:
    """The first voice that can speak it, and what it said. Raises `Refused`."""
    language, failures = asked.language or _language_of(asked.text), []
    for voice in _nearest(language, asked.voice):
        try:
            spoken = engine(voice.engine).speak(asked.text, voice)
        except SpeechFailed as error:
            failures.append(str(error))
            continue
        if len(spoken.samples):
            return voice, spoken
        failures.append(f"{voice.name} has nothing to say to it.")
    why = " ".join(failures) or f"No voice of this machine speaks '{language}'."
    sentence = f"The local studio cannot speak this text. {why} fal's own endpoint might."
    raise refuse("unsupported_language", sentence, argument=asked.model.input, value=asked.text)


def _local() -> list[Voice]:
    """The voices that can speak here now."""
    free = [voice for voice in shipped().rows if not voice.is_paid]
    installed = {name for name in {voice.engine for voice in free} if is_installed(name)}
    return [voice for voice in free if voice.engine in installed]


def _nearest(language: str, theirs: str) -> list[Voice]:
    """The local voices of a language, the likest first."""
    asked, bare = language.lower(), language.split("-", maxsplit=1)[0].lower()
    local = [voice for voice in _local() if voice.speaks(bare)]
    wants_low = len(theirs) > 2 and theirs[1:3] == "m_"  # Kokoro's am_adam, bm_lewis
    return sorted(local, key=lambda v: (v.language.lower() != asked, v.pitch if wants_low else abs(v.pitch - 1)))


def _language_of(text: str) -> str:
    """A guess for a text of which nobody says it: English for Latin letters, else what speaks its script."""
    scripts = [unicodedata.name(letter, "?").split()[0] for letter in text if letter.isalpha()]
    script = max(set(scripts), key=scripts.count) if scripts else LATIN
    if script == LATIN:
        return ENGLISH
    found = (voice.language for voice in _local() if script in voice.scripts)
    return next(found, f"{script.title()} letters")


def _write_wav(file: Path, samples: NDArray[np.float32], rate: int) -> None:
    import numpy as np

    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def _hertz(text: str) -> float:
    """From 200 up to 400, in steps that no ear hears and every file shows."""
    return 200 + int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32 * 200


def _tone(seconds: float, hertz: float) -> bytes:
    """A WAV with the DRAFT comment (a LIST chunk of INFO), written without any encoder."""
    import numpy as np

    times = np.arange(round(seconds * INSTANT_RATE)) / INSTANT_RATE
    sound = (np.sin(2 * np.pi * hertz * times) * 1600).astype("<i2").tobytes()
    comment = COMMENT.encode() + b"\0" * (2 - len(COMMENT) % 2)
    info = b"INFO" + b"ICMT" + struct.pack("<I", len(comment)) + comment
    shape = struct.pack("<HHIIHH", 1, 1, INSTANT_RATE, INSTANT_RATE * 2, 2, 16)
    chunks = ((b"fmt ", shape), (b"LIST", info), (b"data", sound))
    body = b"WAVE" + b"".join(name + struct.pack("<I", len(content)) + content for name, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _sound(file: Path, kind: str, seconds: float, language: str, words: tuple[TimedWord, ...]) -> SpokenSound:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return SpokenSound(file, f"output.{kind}", CONTENT_TYPES[kind], digest, seconds, language, words)
