"""The nouns of speech: `Speech`, its `Word` times, and what was `Heard` when it was listened to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

# How far off word times are on average, by where they come from. Measured on the engines that know their own times:
# benchmarks/speech_engines.py; an engine's own are exact to its grid (hibari's is 25 ms).
WORD_TIME_ERROR_SECONDS = {"engine": 0.025, "aligned": 0.06, "estimated": 0.075}


@dataclass(frozen=True)
class Word:
    """One word of the script as written, and when it is heard (seconds from the start of the audio)."""

    text: str
    start_seconds: float
    end_seconds: float


@dataclass(frozen=True)
class Finding:
    """One thing heard that may be wrong: ``check`` names what was asked, ``verdict`` is ``warn`` or ``fail``."""

    check: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Heard:
    """What listening to a clip found, before anything is paid for it.

    ``verdict`` is the worst of ``findings``, or ``pass``. ``recogniser`` is its name and version, or ``none: `` and
    why; without one the text was not compared and ``word_error`` is None (else the share of the script's words that
    were not heard, 0 to 1). Levels are LUFS and dBFS; the silences are seconds. ``transcript_charge_id`` is the
    ledger's where the transcript was bought.
    """

    verdict: str
    findings: tuple[Finding, ...]
    recogniser: str
    transcript: str
    word_error: float | None
    words_that_differ: tuple[str, ...]
    loudness_lufs: float | None
    peak_dbfs: float
    leading_seconds: float
    trailing_seconds: float
    longest_pause_seconds: float
    words_per_minute: float
    language_heard: str
    transcript_charge_id: str = ""
    aligned: tuple[Word, ...] | None = None


@dataclass(frozen=True)
class Speech:
    """One clip's voice: a mono 16-bit WAV in the media store, as it will be sent.

    ``seconds`` is counted from the samples; ``spoken_seconds`` is what it was before ``trimmed_seconds`` of silence
    were taken from its ends, ``shaved_seconds`` from its pauses and it was played ``tempo`` times as fast, as
    ``seconds_mode`` (off, trim or fit) asks. ``said`` is what the engine was told: respelled, with pauses marked.
    ``word_times`` says where ``words`` come from: ``engine`` (exact), ``aligned`` with what a recogniser heard, or
    ``estimated``. ``voice_sha256`` is the script's. ``recording_sha256`` is the file of somebody's own recording,
    which has no voice. ``charge_ids`` are the ledger's where the speech was bought, and ``is_draft`` where a studio
    stood in for the paid voice. The rest is what listening found: see `Heard`.
    """

    campaign: str
    clip_id: str
    sha256: str
    seconds: float
    sample_rate: int
    engine: str
    engine_version: str
    voice: str
    language: str
    text: str
    word_times: str
    words: tuple[Word, ...]
    said: str = ""
    recording_sha256: str = ""
    spoken_seconds: float = 0.0
    seconds_mode: str = ""
    trimmed_seconds: float = 0.0
    shaved_seconds: float = 0.0
    tempo: float = 1.0
    word_times_error_seconds: float | None = None
    charge_ids: tuple[str, ...] = ()
    is_draft: bool = False
    verdict: str = "pass"
    findings: tuple[Finding, ...] = field(default=())
    recogniser: str = ""
    transcript: str = ""
    word_error: float | None = None
    words_that_differ: tuple[str, ...] = ()
    loudness_lufs: float | None = None
    peak_dbfs: float | None = None
    leading_seconds: float | None = None
    trailing_seconds: float | None = None
    longest_pause_seconds: float | None = None
    words_per_minute: float | None = None
    language_heard: str = ""
    transcript_charge_id: str = ""
    voice_sha256: str = ""

    @property
    def waived_as(self) -> str:
        """What a waiver is of, as a sha256: the sound, and of a recording also the text that it should say."""
        if not self.recording_sha256:
            return self.sha256
        return hashlib.sha256(f"{self.sha256} {self.text}".encode()).hexdigest()

    @property
    def is_unheard(self) -> bool:
        """True when nobody compared it with its text; `recogniser` says why."""
        return self.recogniser.startswith("none: ")

    @property
    def why_it_failed(self) -> str:
        """What listening holds against it, in sentences; empty when nothing does."""
        return " ".join(finding.sentence for finding in self.findings if finding.verdict == "fail")
