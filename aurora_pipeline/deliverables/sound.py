"""A clip's sound -> one AAC track at the campaign's loudness, made once and copied into every rendition.

Two-pass loudnorm misses its target on short speech by up to 3 LU and goes dynamic without saying so; measuring,
gaining, limiting true peaks and correcting what the limiter took away lands within 0.2 LU (reference/media.md 3, gl3).
Sound is made stereo before anything is measured: ffmpeg's up-mix of mono lowers each channel by 3 dB, and a limiter
set before it sees peaks that are not there. Limit: 30 dB of gain; what is quieter is flagged, not dug out of its noise.
"""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import FfmpegFailed
from ..gear import ffmpeg
from ..script_table.records import DeliverySettings

SAMPLE_RATE = 48_000
AAC_BITRATE = "192k"  # at 96k the coder overshoots peaks by 2 dB; at 192k by 0.02 (reference/media.md 3)
SILENT_BELOW_LUFS = -60.0
GAIN_CAP_DB = 30.0
ROUNDS = 3
CLOSE_ENOUGH_LU = 0.1
OVERCORRECT = 1.25  # a limiter gives back less than it is given
PEAK_LIMIT_DBTP = -1.0  # of the finished AAC: what platforms ask for
PEAK_TOLERANCE_DB = 0.5  # AAC adds up to this much to the true peak it was given
PEAK_STEP_DB = 0.5
PEAK_STEPS = 6
SHORTEST_MEASURABLE_SECONDS = 0.5  # the meter's gate is 0.4 s: shorter sound is repeated to be measured
REPEATED_TO_SECONDS = 3.0
NO_PEAK_DBTP = -120.0  # digital silence has no peak; a number travels better than -inf


@dataclass(frozen=True)
class Loudness:
    """EBU R128 integrated loudness and true peak, to a tenth."""

    lufs: float
    true_peak_dbtp: float

    @property
    def is_silent(self) -> bool:
        return self.lufs < SILENT_BELOW_LUFS


@dataclass(frozen=True)
class Levelling:
    """What is done to a clip's sound: gain, a true-peak limiter where peaks would pass its ceiling, and a last trim."""

    gain_db: float = 0.0
    limit_dbtp: float | None = None
    trim_db: float = 0.0


def align(sound: Any, wav: Path, *, seconds: float, stop: threading.Event | None = None) -> None:
    """Write ``sound`` (an ffmpeg audio stream) as 48 kHz stereo, from the picture's first moment to its last.

    An audio-only pass forgets a late start unless gaps are filled from time zero (``first_pts=0``).
    """
    aligned = (
        sound.filter("aresample", SAMPLE_RATE, **{"async": 1}, first_pts=0)
        .filter("apad")
        .filter("atrim", start=0, end=f"{seconds:.6f}")
        .filter("asetpts", "PTS-STARTPTS")
        .filter("aformat", channel_layouts="stereo")
    )
    # -xerror: damage in a bought file must be heard of, not concealed
    written = aligned.output(ffmpeg.target(wav), format="wav", acodec="pcm_f32le", fflags="+bitexact")
    ffmpeg.run(written.global_args("-xerror"), stop=stop)


def measure(path: Path, *, seconds: float, stop: threading.Event | None = None) -> Loudness:
    """Loudness of a file's sound. ``seconds`` is its length (very short sound is measured repeated)."""
    return _measure(ffmpeg.source(path).audio, seconds=seconds, stop=stop)


def level(wav: Path, *, delivery: DeliverySettings, seconds: float, stop: threading.Event | None = None) -> Levelling:
    """How to bring aligned sound to the campaign's loudness. Silence is left as it is."""
    target, ceiling = float(delivery.loudness_lufs), float(delivery.true_peak_dbtp)
    raw = measure(wav, seconds=seconds, stop=stop)
    if raw.is_silent:
        return Levelling()
    levelling = Levelling(gain_db=min(target - raw.lufs, GAIN_CAP_DB))
    if raw.true_peak_dbtp + levelling.gain_db <= ceiling:
        return levelling
    for _ in range(ROUNDS):
        levelling = Levelling(gain_db=levelling.gain_db, limit_dbtp=ceiling)
        heard = _measure(levelled(ffmpeg.source(wav).audio, levelling), seconds=seconds, stop=stop)
        missing = target - heard.lufs
        if abs(missing) < CLOSE_ENOUGH_LU:
            break
        levelling = Levelling(min(levelling.gain_db + OVERCORRECT * missing, GAIN_CAP_DB), limit_dbtp=ceiling)
    return levelling


def encode(
    wav: Path, aac: Path, *, delivery: DeliverySettings, seconds: float, stop: threading.Event | None = None
) -> Loudness:
    """Level and encode aligned sound; returns the loudness of the AAC as it decodes.

    The coder may push peaks over `peak_limit`: then the whole track is made 0.5 dB quieter, and again.
    """
    levelling, limit = level(wav, delivery=delivery, seconds=seconds, stop=stop), peak_limit(delivery)
    for step in range(PEAK_STEPS + 1):
        trimmed = Levelling(levelling.gain_db, levelling.limit_dbtp, trim_db=-PEAK_STEP_DB * step)
        _encode(levelled(ffmpeg.source(wav).audio, trimmed), aac, stop=stop)
        heard = measure(aac, seconds=seconds, stop=stop)
        if heard.true_peak_dbtp < limit or heard.is_silent:
            break
    return heard


def peak_limit(delivery: DeliverySettings) -> float:
    """What a finished file's true peak must stay under (dBTP): what was asked for and what coding adds, at most -1."""
    return min(float(delivery.true_peak_dbtp) + PEAK_TOLERANCE_DB, PEAK_LIMIT_DBTP)


def levelled(sound: Any, levelling: Levelling) -> Any:
    """``sound`` with ``levelling`` applied. Peaks are limited at 192 kHz, where they show between 48 kHz samples."""
    if levelling.gain_db:
        sound = sound.filter("volume", f"{levelling.gain_db:.3f}dB")
    if levelling.limit_dbtp is not None:
        limit = f"{10 ** (levelling.limit_dbtp / 20):.6f}"
        fast = {"limit": limit, "attack": 1, "release": 60, "level": "false", "latency": "true"}
        sound = sound.filter("aresample", 4 * SAMPLE_RATE).filter("alimiter", **fast)
        sound = sound.filter("aresample", SAMPLE_RATE)
    if levelling.trim_db:
        sound = sound.filter("volume", f"{levelling.trim_db:.3f}dB")
    return sound


def _encode(sound: Any, aac: Path, *, stop: threading.Event | None) -> None:
    options = {"acodec": "aac", "audio_bitrate": AAC_BITRATE, "flags:a": "+bitexact", "fflags": "+bitexact"}
    ffmpeg.run(sound.output(ffmpeg.target(aac), format="mp4", map_metadata=-1, **options), stop=stop)


def metered(sound: Any, *, seconds: float) -> Any:
    """An output that sends ``sound`` through the loudness meter; see `read_loudness`."""
    if 0 < seconds < SHORTEST_MEASURABLE_SECONDS:
        sound = sound.filter("aloop", loop=math.ceil(REPEATED_TO_SECONDS / seconds), size="2e9")
    meter = sound.filter("aformat", channel_layouts="stereo").filter("ebur128", peak="true", framelog="quiet")
    return meter.output("-", format="null")


def _measure(sound: Any, *, seconds: float, stop: threading.Event | None) -> Loudness:
    return read_loudness(ffmpeg.run(metered(sound, seconds=seconds), stop=stop).stderr)


def read_loudness(log: str) -> Loudness:
    """The last summary of ebur128 in ffmpeg's log."""
    summary = log.rpartition("Summary:")[2]
    loudness = re.search(r"\bI:\s+(-?inf|-?[\d.]+) LUFS", summary)
    peak = re.search(r"Peak:\s+(-?inf|-?[\d.]+) dBFS", summary)
    if loudness is None or peak is None:
        raise FfmpegFailed(f"ffmpeg's loudness meter said nothing that can be read. Its last lines:\n{log[-800:]}")
    return Loudness(max(float(loudness[1]), -70.0), max(float(peak[1]), NO_PEAK_DBTP))
