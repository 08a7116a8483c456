"""Does a clip's speech still say what its script asks for?  Asked before video is bought, and before it is delivered.

Stages run alone and on different days, and their rows meet by ``clip_id`` only.
"""

from __future__ import annotations

from ..gear.recognisers.languages import bare_tag
from ..script_table.records import Script, SpeechSettings
from .records import Speech
from .saying import saying_of

AS_SHIPPED = SpeechSettings()


def changed_since_spoken(
    script: Script, speech: Speech, asked: SpeechSettings = AS_SHIPPED, *, is_paid: bool = False
) -> list[str]:
    """What of the script, or of the campaign's ``asked`` settings, is no longer what was spoken.

    With ``is_paid`` also that a studio stood in for the voice: no video is bought for a draft.
    """
    # Speech of an earlier version does not tell what was said; then it was said as written.
    said = "" if script.audio else saying_of(script, asked.lexicon).said
    is_another_text = script.text != speech.text  # which is said otherwise, too: once is enough
    is_said_so = is_another_text or bool(script.audio) or said == (speech.said or " ".join(speech.text.split()))
    changed = {
        "text": is_another_text,
        "voice": (script.voice, script.voice_sha256) != (speech.voice, speech.voice_sha256) and not script.audio,
        "recording": script.audio_sha256 != speech.recording_sha256,
        "language": not _is_same_language(script.language, speech.language),
        "pronunciation or pauses": not is_said_so,
        "seconds": bool(speech.seconds_mode) and speech.seconds_mode != asked.seconds,
        "draft speech": is_paid and speech.is_draft,
    }
    return [name for name, has_changed in changed.items() if has_changed]


def _is_same_language(asked: str, spoken: str) -> bool:
    """``en`` or nothing asks for no more than ``en-US`` gives; the dialect is the voice's."""
    return not asked.strip() or bare_tag(asked) == bare_tag(spoken)
