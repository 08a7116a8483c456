"""Videos + Speeches of a campaign -> Deliverables and Quality.

What was delivered before, from the same video and speech under the same settings, is recalled from the media store;
only its readable names are laid out again. A name goes when the clip left the campaign or something at least as good
took its place; a clip that failed keeps what it had, and no draft removes a bought film. Bytes stay in the store.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..aurora_videos.records import Video
from ..errors import VideoUnusable
from ..gear.media_store import MediaStore, key_of
from ..parallel import Outcome, for_each
from ..progress import Progress
from ..script_table.records import Campaign, Script
from ..settings import Settings
from ..stage_tables import Failure, StageTable, by_clip
from ..tts_audio.records import Speech
from .current import assert_current
from .records import Deliverable, Delivered, Quality

STAGE = "deliverables"
RECIPE_VERSION = 2  # raise it whenever the same inputs would give other bytes or facts, or a record changes
OUR_NAMES = re.compile(r"(?:master|poster|\d+x\d+)(?P<draft>\.DRAFT)?\.(?:mp4|jpg)")


@dataclass(frozen=True)
class _Clip:
    deliverables: tuple[Deliverable, ...]
    quality: Quality
    is_new: bool


def deliver_campaign(
    settings: Settings, campaign: Campaign, speeches: Sequence[Speech], videos: Sequence[Video], progress: Progress
) -> Delivered:
    """Deliver every video of the campaign, several clips at a time; ``made`` counts the clips that were not kept.

    A clip whose file is damaged, or whose script changed since, becomes a `Failure` row and its neighbours go on.
    Interrupting keeps what is finished.
    """
    scripts, spoken = by_clip(campaign.scripts), by_clip(speeches)
    wanted = [video for video in videos if video.clip_id in scripts]

    def work(video: Video, stop: threading.Event) -> _Clip:
        speech = _current_speech(campaign, scripts[video.clip_id], spoken.get(video.clip_id), video)
        return _deliver(settings, campaign, video, speech, stop)

    def tell(outcome: Outcome[Video, _Clip], done: int) -> None:
        progress.advance(STAGE, done, len(wanted), _note(outcome))

    outcomes = for_each(wanted, work, workers=settings.workers, on_outcome=tell)
    clips = [outcome.result for outcome in outcomes if outcome.result is not None]
    failures = tuple(
        Failure(campaign.name, outcome.item.clip_id, STAGE, str(outcome.error)) for outcome in outcomes if outcome.error
    )
    rows = tuple(row for clip in clips for row in clip.deliverables)
    _remove_other_names(settings, campaign, rows)
    made = sum(clip.is_new for clip in clips)
    return Delivered(
        StageTable(rows, failures, made), StageTable(tuple(clip.quality for clip in clips), failures, made)
    )


def file_name(rendition: str, *, is_draft: bool) -> str:
    """``master.mp4``, ``9x16.DRAFT.mp4``, ``poster.jpg``: a draft says so in its name."""
    return f"{rendition}{'.DRAFT' if is_draft else ''}.{'jpg' if rendition == 'poster' else 'mp4'}"


def _current_speech(campaign: Campaign, script: Script, speech: Speech | None, video: Video) -> Speech:
    if speech is None:
        raise VideoUnusable(
            f"Clip '{video.clip_id}' has a video but no speech to compare it with. Run tts_audio again; the video is "
            "kept. Nothing was spent."
        )
    assert_current(script, speech, video, campaign.speech)
    return speech


def _deliver(settings: Settings, campaign: Campaign, video: Video, speech: Speech, stop: threading.Event) -> _Clip:
    store = MediaStore(settings.media)
    key = _key(campaign, video, speech)
    clip = _recalled(store, key) or _made(store, key, campaign, video, speech, stop)
    return _laid_out(settings, store, campaign, video, clip)


def _key(campaign: Campaign, video: Video, speech: Speech) -> str:
    return key_of(
        stage=STAGE,
        recipe=RECIPE_VERSION,
        video=video.sha256,
        speech=speech.sha256,
        speech_seconds=speech.seconds,
        resolution=video.resolution,
        is_draft=video.is_draft,
        delivery=asdict(campaign.delivery),
    )


def _recalled(store: MediaStore, key: str) -> _Clip | None:
    """What was made before, if every byte of it is still in the store."""
    kept = store.recall(key)
    if kept is None:
        return None
    rows = tuple(Deliverable(**row) for row in kept["deliverables"])
    if any(store.path(row.sha256) is None for row in rows):
        return None
    return _Clip(rows, Quality(**kept["quality"]), is_new=False)


def _made(
    store: MediaStore, key: str, campaign: Campaign, video: Video, speech: Speech, stop: threading.Event
) -> _Clip:
    from .clip import Order, finish  # numpy, PyAV and the face finder: only where clips are really made

    finished = finish(Order(video, speech, campaign.delivery), store, stop)
    rows = [asdict(row) for row in finished.deliverables]
    store.remember(key, {"deliverables": rows, "quality": asdict(finished.quality)})
    return _Clip(finished.deliverables, finished.quality, is_new=True)


def _laid_out(settings: Settings, store: MediaStore, campaign: Campaign, video: Video, clip: _Clip) -> _Clip:
    """The clip under its readable names; its rows say whose they are, for what is recalled may be another's."""
    folder = settings.stage_folder(STAGE) / campaign.name / video.clip_id
    rows = []
    for row in clip.deliverables:
        name = folder / file_name(row.rendition, is_draft=row.is_draft)
        store.lay_out(row.sha256, name)
        file = name.relative_to(settings.output).as_posix()
        rows.append(replace(row, campaign=campaign.name, clip_id=video.clip_id, file=file))
    quality = replace(clip.quality, campaign=campaign.name, clip_id=video.clip_id)
    return replace(clip, deliverables=tuple(rows), quality=quality)


def _remove_other_names(settings: Settings, campaign: Campaign, rows: Sequence[Deliverable]) -> None:
    """Remove our own names that ``rows`` replace, or whose clip left; a file somebody else put there stays."""
    scripts, drafts, keep = by_clip(campaign.scripts), {row.clip_id for row in rows if row.is_draft}, defaultdict(set)
    for row in rows:
        keep[row.clip_id].add(Path(row.file).name)
    for folder in _folders(settings.stage_folder(STAGE) / campaign.name):
        if folder.name in scripts and folder.name not in keep:
            continue  # it failed, or was not made this time: what was delivered before stays
        for file in list(folder.iterdir()):
            ours = OUR_NAMES.fullmatch(file.name)
            if ours and file.name not in keep[folder.name] and (ours["draft"] or folder.name not in drafts):
                file.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def _folders(home: Path) -> Iterable[Path]:
    return [folder for folder in home.iterdir() if folder.is_dir()] if home.is_dir() else []


def _note(outcome: Outcome[Video, _Clip]) -> str:
    if outcome.result is None:
        return f"{outcome.item.clip_id}: failed"
    clip = outcome.result
    return f"{outcome.item.clip_id}: {'delivered' if clip.is_new else 'kept'}, quality {clip.quality.verdict}"
