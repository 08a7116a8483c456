"""One Video and its Speech -> its finished files in the media store, and what was measured of them.

Sound first (its loudness is worked out once), then every picture in one ffmpeg process, then every finished file is
decoded strictly from its first frame to its last before it may enter the store.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from pathlib import Path

from ..aurora_videos.records import Video
from ..errors import FfmpegFailed, VideoUnusable
from ..gear import ffmpeg
from ..gear.media_store import MediaStore
from ..gear.probe import Probe, decode_errors, probe
from ..script_table.records import DeliverySettings
from ..tts_audio.records import Speech
from . import picture, quality, sound
from .hearing import listen, overlap
from .records import Deliverable, Quality
from .seeing import find_face_region, mouth_motion

ALLOWANCE_SECONDS = 120.0  # before a stuck ffmpeg is ended: this, and
ALLOWANCE_PER_SECOND = 60.0  # this for every second of the clip, thirty times what it takes


@dataclass(frozen=True)
class Order:
    """One clip to deliver."""

    video: Video
    speech: Speech
    delivery: DeliverySettings


@dataclass(frozen=True)
class Finished:
    """One delivered clip. The rows' ``file`` is still empty: names are laid out by `deliver`."""

    deliverables: tuple[Deliverable, ...]
    quality: Quality


def finish(order: Order, store: MediaStore, stop: threading.Event | None = None) -> Finished:
    """Make, check and store every file of one clip.

    Raises `VideoUnusable` when the bought file is damaged, `FfmpegFailed` when a finished file is not sound.
    """
    bought = _stored(store, order.video.sha256, order, "video")
    speech = _stored(store, order.speech.sha256, order, "speech")
    source = checked_source(bought, order.video)
    with store.workshop() as bench:
        try:
            return _make(order, store, bench, bought=bought, speech=speech, source=source, stop=stop)
        except FfmpegFailed as failure:
            complaints = decode_errors(bought, stop=stop)
            if complaints:
                raise VideoUnusable(unusable(order.video, f"it cannot be decoded ({complaints[0]})")) from failure
            raise


def checked_source(file: Path, video: Video) -> Probe:
    """The bought file's probe. Raises `VideoUnusable` when it is cut short, unreadable or has no picture."""
    try:
        source = probe(file)
    except VideoUnusable as error:
        raise VideoUnusable(unusable(video, str(error))) from error
    if source.is_truncated:
        raise VideoUnusable(unusable(video, f"it is cut short after {source.video_seconds:.2f} s"))
    if not source.has_picture or not source.width or not source.rate:
        raise VideoUnusable(unusable(video, "it has no picture"))
    return source


def unusable(video: Video, why: str) -> str:
    """The sentence for a bought file that cannot be delivered: what it cost, that it is kept, and what to do."""
    cost = "Nothing was paid for it (a draft)" if video.is_draft else f"It was paid for ({video.usd} USD)"
    return (
        f"The video of clip '{video.clip_id}' cannot be used: {why}. {cost} and its file is kept, sha256 "
        f"{video.sha256[:12]}, request {video.request_id}; nothing more was spent. Compare it with the provider's own "
        "copy before making it again."
    )


def _stored(store: MediaStore, sha256: str, order: Order, what: str) -> Path:
    path = store.path(sha256)
    if path is None:
        raise VideoUnusable(
            f"The {what} of clip '{order.video.clip_id}' is no longer in the media store (sha256 {sha256[:12]}). "
            f"Run {'tts_audio' if what == 'speech' else 'aurora_videos'} again to bring it back. Nothing was spent."
        )
    return path


def _make(
    order: Order, store: MediaStore, bench: Path, *,
    bought: Path, speech: Path, source: Probe, stop: threading.Event | None,
) -> Finished:  # fmt: skip
    wav, track = bench / "aligned.wav", bench / "sound.m4a"
    seconds = picture_seconds(source)
    spoken = ffmpeg.source(bought, format="mp4", err_detect="explode") if source.has_audio else ffmpeg.source(speech)
    sound.align(spoken.audio, wav, seconds=seconds, stop=stop)
    loudness = sound.encode(wav, track, delivery=order.delivery, seconds=seconds, stop=stop)

    face = find_face_region(bought)
    plan = picture.plan_for(source, delivery=order.delivery, face=face)
    allowance = ALLOWANCE_SECONDS + ALLOWANCE_PER_SECOND * seconds
    mark = bench / "mark.png" if order.video.is_draft else None
    if mark is not None:
        picture.draw_mark(mark)
    graph = picture.build_graph(bought, track, bench, plan, mark=mark)
    ran = ffmpeg.run(graph, stop=stop, timeout_seconds=allowance)

    heard = listen(wav, speech, stop=stop)
    spans = picture.read_spans(ran.stderr, seconds=seconds)
    facts = quality.Facts(
        speech_seconds=order.speech.seconds,
        resolution=order.video.resolution,
        source=source,
        heard=heard,
        black_seconds=round(math.fsum(end - start for start, end in spans.black), 3),
        frozen_seconds=overlap(list(spans.frozen), list(heard.sounding)),
        mouth_motion=mouth_motion(ran.stdout) if face else None,
        loudness=loudness,
    )
    names = ["master", *(shape.name for shape in plan.shapes)]
    rows = [_finished_film(bench / f"{name}.mp4", name, order, store, stop) for name in names]
    return Finished((*rows, _finished_poster(bench / "poster.jpg", order, store)), _quality(facts, order))


def picture_seconds(source: Probe) -> float:
    """How long the finished clip is: from the file's first moment to the end of its picture."""
    begins = min(source.video_start, source.audio_start) if source.has_audio else source.video_start
    return source.video_start - begins + source.video_seconds


def _quality(facts: quality.Facts, order: Order) -> Quality:
    video = order.video
    return quality.quality_of(
        facts, order.delivery, campaign=video.campaign, clip_id=video.clip_id, video_sha256=video.sha256
    )


def _finished_film(
    file: Path, rendition: str, order: Order, store: MediaStore, stop: threading.Event | None
) -> Deliverable:
    made = probe(file)
    loudness = _decoded(file, seconds=made.audio_seconds, stop=stop)
    size = file.stat().st_size
    return Deliverable(
        campaign=order.video.campaign,
        clip_id=order.video.clip_id,
        rendition=rendition,
        is_draft=order.video.is_draft,
        sha256=store.put(file),
        file="",
        bytes=size,
        width=made.width,
        height=made.height,
        fps=made.fps,
        seconds=made.video_seconds,
        video_codec=made.video_codec,
        audio_codec=made.audio_codec,
        loudness_lufs=loudness.lufs,
        true_peak_dbtp=loudness.true_peak_dbtp,
        video_sha256=order.video.sha256,
    )


def _decoded(file: Path, *, seconds: float, stop: threading.Event | None) -> sound.Loudness:
    """Decode a finished file strictly to its last frame, and measure its loudness on the way."""
    import ffmpeg as graph

    made = ffmpeg.source(file, format="mp4", err_detect="explode", threads=1)
    both = graph.merge_outputs(made.video.output("-", format="null"), sound.metered(made.audio, seconds=seconds))
    return sound.read_loudness(ffmpeg.run(both.global_args("-xerror"), stop=stop).stderr)


def _finished_poster(file: Path, order: Order, store: MediaStore) -> Deliverable:
    from PIL import Image

    with Image.open(file) as image:
        image.load()
        width, height = image.size
    size = file.stat().st_size
    return Deliverable(
        order.video.campaign, order.video.clip_id, "poster", order.video.is_draft, store.put(file), "", size,
        width, height, None, None, None, None, None, None, order.video.sha256,
    )  # fmt: skip
