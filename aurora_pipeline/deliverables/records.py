"""The nouns of this stage: a finished file (`Deliverable`) and what was measured of its clip (`Quality`)."""

from __future__ import annotations

from dataclasses import dataclass

from ..stage_tables import StageTable


@dataclass(frozen=True)
class Deliverable:
    """One finished file. ``rendition`` is ``master``, ``9x16``, ``1x1``, ``16x9`` or ``poster``.

    ``file`` is the readable name, relative to the output folder. Loudness is integrated LUFS and dBTP, measured on the
    finished file; both are None for a poster (as are fps, seconds and the codecs). ``video_sha256`` is the source.
    """

    campaign: str
    clip_id: str
    rendition: str
    is_draft: bool
    sha256: str
    file: str
    bytes: int
    width: int
    height: int
    fps: float | None
    seconds: float | None
    video_codec: str | None
    audio_codec: str | None
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    video_sha256: str


@dataclass(frozen=True)
class Quality:
    """What was measured of one clip, and the verdict: ``pass``, ``warn`` or ``fail``, with ``reasons`` in sentences.

    Measured on the bought video and its master; seconds and dB as named. ``*_seconds`` of black, frozen and silent are
    totals over the clip: frozen while speech sounds, silence beyond what the speech itself has. ``identity`` (0 to
    1) is how alike the clip's sound and the sent speech are, ``lag_seconds`` how late it is heard.
    """

    campaign: str
    clip_id: str
    verdict: str
    reasons: str
    speech_seconds: float
    video_seconds: float
    audio_seconds: float
    black_seconds: float
    frozen_seconds: float
    silent_seconds: float
    width: int
    height: int
    fps: float
    video_codec: str
    loudness_lufs: float | None
    true_peak_dbtp: float | None
    mouth_motion: float | None
    video_sha256: str
    identity: float | None = None
    lag_seconds: float | None = None


@dataclass(frozen=True)
class Delivered:
    """What the stage made: finished files, and the measured quality of each clip."""

    deliverables: StageTable[Deliverable]
    quality: StageTable[Quality]
