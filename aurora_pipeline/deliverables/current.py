"""Is a clip's video still the one its script asks for?

Stages run alone and on different days, and their rows meet by ``clip_id`` only: what was said, by whom, with which face
and model, and how large must be asked again before a film is shown under today's name. Limit: the prompt and scales are
not on a `Video`; a change of these alone is seen by aurora_videos, not here.
"""

from __future__ import annotations

from ..aurora_videos.records import Video
from ..errors import VideoUnusable
from ..script_table.records import Script, SpeechSettings
from ..tts_audio.outdated import AS_SHIPPED, changed_since_spoken
from ..tts_audio.records import Speech


def assert_current(script: Script, speech: Speech, video: Video, asked: SpeechSettings = AS_SHIPPED) -> None:
    """Raise `VideoUnusable` when the script changed since its speech or video was made."""
    unspoken, unfilmed = changed_since_spoken(script, speech, asked), _unfilmed(script, speech, video)
    if not (changed := unspoken + unfilmed):
        return
    if unspoken and "speech" in changed:
        changed.remove("speech")  # it follows from the rest
    raise VideoUnusable(
        f"Clip '{script.clip_id}' was not delivered: its {' and '.join(changed)} changed since its video was made; run "
        f"{'tts_audio and aurora_videos' if unspoken else 'aurora_videos'} again. What was bought is kept."
    )


def _unfilmed(script: Script, speech: Speech, video: Video) -> list[str]:
    changed = {
        "speech": video.speech_sha256 != speech.sha256,
        "portrait": video.portrait_sha256 != script.portrait_sha256,
        "resolution": video.resolution != script.resolution,
        "model": video.model != script.model,
    }
    return [name for name, has_changed in changed.items() if has_changed]
