"""Facts about one clip -> verdict.  Every threshold of the pipeline's quality control, with where it comes from.

Sources: "media 5" is reference/media.md section 5, 28 planted defects and 20 good clips; "media 3" is its section on
loudness. Lengths and offsets were planted and caught there with no false alarm on good clips. ``fail`` means the clip
is not what was asked for; ``warn`` means that a person should look before publishing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..gear.probe import Probe
from ..script_table.records import DeliverySettings
from .records import Quality
from .sound import Loudness, peak_limit

if TYPE_CHECKING:
    from .hearing import Heard  # numpy is imported where clips are measured, not where verdicts are read

LENGTH_WARN_SECONDS = 0.5  # picture against speech: Aurora follows its audio to the frame, its pad is unknown (media 8)
LENGTH_FAIL_SECONDS = 1.0  # a second of somebody's sentence is gone
TRACKS_APART_SECONDS = 0.1  # media 5: a/v length mismatch, 3/3 caught; fal-ai/fal#1092 had 1.8 s
OFFSET_SECONDS = (
    0.05  # media 5: container offset; 45 ms is where viewers begin to notice sound that leads (ITU-R BT.1359)
)
IDENTITY_FAIL = 0.9  # media 5: good clips 0.99, half a file 0.67, wrong words 0.04
LAG_FAIL_SECONDS = 0.04  # media 5: one frame at 25 fps
BLACK_SECONDS = 0.12  # media 5: three frames, the shortest planted
BLACK_FAIL_SECONDS = 0.5  # no fade-in: a hole in the clip
FROZEN_SECONDS = 0.4  # media 5: only while speech sounds, or still low-noise pictures are accused
SILENT_SECONDS = 0.3  # media 5: beyond what the sent speech has
LOUDNESS_LU = 1.0  # media 3: platforms' own tolerance; the recipe lands within 0.2
MOUTH_MOTION = 1.2  # media 5: still mouths 0.89-0.95 grey levels, talking ones 2.3-22
FPS = 25.0  # what Aurora renders
FPS_APART = 0.1
SHORT_SIDES = {"480p": 480, "720p": 720}  # nominal: Aurora's tiers vary (448x832 was seen for 480p)

PASS, WARN, FAIL = "pass", "warn", "fail"


@dataclass(frozen=True)
class Facts:
    """Everything that was measured of one clip: the bought file, its sound, its picture, and the finished loudness."""

    speech_seconds: float
    resolution: str
    source: Probe
    heard: Heard
    black_seconds: float
    frozen_seconds: float
    mouth_motion: float | None
    loudness: Loudness


def judge(facts: Facts, delivery: DeliverySettings) -> tuple[str, str]:
    """The verdict, and its reasons as sentences (empty when it passes)."""
    findings = [*_lengths(facts), *_tracks(facts), *_sound(facts), *_picture(facts), *_loudness(facts, delivery)]
    verdict = FAIL if any(grade == FAIL for grade, _ in findings) else WARN if findings else PASS
    return verdict, " ".join(sentence for _, sentence in findings)


def quality_of(facts: Facts, delivery: DeliverySettings, *, campaign: str, clip_id: str, video_sha256: str) -> Quality:
    """The clip's row: facts and verdict."""
    verdict, reasons = judge(facts, delivery)
    return Quality(
        campaign=campaign,
        clip_id=clip_id,
        verdict=verdict,
        reasons=reasons,
        speech_seconds=facts.speech_seconds,
        video_seconds=facts.source.video_seconds,
        audio_seconds=facts.source.audio_seconds,
        black_seconds=facts.black_seconds,
        frozen_seconds=facts.frozen_seconds,
        silent_seconds=facts.heard.silent_seconds,
        width=facts.source.width,
        height=facts.source.height,
        fps=facts.source.fps,
        video_codec=facts.source.video_codec,
        loudness_lufs=facts.loudness.lufs,
        true_peak_dbtp=facts.loudness.true_peak_dbtp,
        mouth_motion=facts.mouth_motion,
        video_sha256=video_sha256,
        identity=facts.heard.identity,
        lag_seconds=facts.heard.lag_seconds,
    )


def is_on_target(lufs: float, true_peak_dbtp: float, delivery: DeliverySettings) -> bool:
    """True for a finished file's loudness as it was promised: near enough to its target, and under `peak_limit`."""
    return abs(lufs - float(delivery.loudness_lufs)) <= LOUDNESS_LU and true_peak_dbtp < peak_limit(delivery)


Finding = tuple[str, str]


def _lengths(facts: Facts) -> list[Finding]:
    video, speech = facts.source.video_seconds, facts.speech_seconds
    apart = abs(video - speech)
    if apart <= LENGTH_WARN_SECONDS:
        return []
    grade = FAIL if apart > LENGTH_FAIL_SECONDS else WARN
    cause = "it is likely cut short" if video < speech else "it runs on after the speech"
    return [(grade, f"The video lasts {video:.2f} s and the speech {speech:.2f} s: {cause}.")]


def _tracks(facts: Facts) -> list[Finding]:
    source, found = facts.source, []
    if not source.has_audio:
        return [(FAIL, "The video came without sound; the speech was laid under it, so watch its lips before use.")]
    if abs(source.video_seconds - source.audio_seconds) > TRACKS_APART_SECONDS:
        lengths = f"picture {source.video_seconds:.2f} s, sound {source.audio_seconds:.2f} s"
        found.append((WARN, f"Picture and sound are not equally long ({lengths})."))
    offset = source.audio_start - source.video_start
    if abs(offset) > OFFSET_SECONDS:
        order = "after" if offset > 0 else "before"
        found.append((WARN, f"The sound begins {abs(offset):.2f} s {order} the picture."))
    return found


def _sound(facts: Facts) -> list[Finding]:
    heard, found = facts.heard, []
    if heard.identity < IDENTITY_FAIL:
        found.append((FAIL, f"The sound is not the speech that was sent (likeness {heard.identity:.2f} of 1)."))
    elif abs(heard.lag_seconds) > LAG_FAIL_SECONDS:
        when = "late" if heard.lag_seconds > 0 else "early"
        found.append((FAIL, f"The speech is heard {abs(heard.lag_seconds):.2f} s too {when}."))
    if heard.silent_seconds >= SILENT_SECONDS:
        found.append((WARN, f"{heard.silent_seconds:.2f} s are silent where the speech is not."))
    return found


def _picture(facts: Facts) -> list[Finding]:
    found: list[Finding] = []
    if facts.black_seconds >= BLACK_SECONDS:
        grade = FAIL if facts.black_seconds >= BLACK_FAIL_SECONDS else WARN
        found.append((grade, f"The picture is black for {facts.black_seconds:.2f} s."))
    if facts.frozen_seconds > FROZEN_SECONDS:
        found.append((WARN, f"The picture stands still for {facts.frozen_seconds:.2f} s of speech."))
    if facts.mouth_motion is not None and facts.mouth_motion < MOUTH_MOTION:
        found.append((WARN, f"The mouth hardly moves ({facts.mouth_motion:.1f} grey levels between frames)."))
    short_side = min(facts.source.width, facts.source.height)
    wanted = SHORT_SIDES.get(facts.resolution)
    if wanted is not None and short_side != wanted:
        size = f"{facts.source.width}x{facts.source.height}"
        found.append((WARN, f"The video is {size}; {facts.resolution} was asked for."))
    if abs(facts.source.fps - FPS) > FPS_APART:
        found.append((WARN, f"The video has {facts.source.fps:.2f} frames a second, not {FPS:.0f}."))
    return found


def _loudness(facts: Facts, delivery: DeliverySettings) -> list[Finding]:
    loudness, target = facts.loudness, float(delivery.loudness_lufs)
    if loudness.is_silent:
        return [(FAIL, "The clip is silent.")]
    found: list[Finding] = []
    short = target - loudness.lufs
    if abs(short) > LOUDNESS_LU:
        why = "its peaks, or the noise that more gain would raise, forbid more" if short > 0 else "it came out too loud"
        found.append((WARN, f"The clip is at {loudness.lufs:.1f} LUFS instead of {target:g}: {why}."))
    if loudness.true_peak_dbtp >= (limit := peak_limit(delivery)):
        found.append((WARN, f"Its true peak is {loudness.true_peak_dbtp:.1f} dBTP, not under {limit:g}."))
    return found
