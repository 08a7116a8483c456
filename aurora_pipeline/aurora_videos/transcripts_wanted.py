"""Campaign -> the clips that a bought recogniser is to hear, each with the length that it is priced by."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..errors import AuroraError
from ..gear.recognisers.languages import bare_tag
from ..gear.speech_endpoints import RecogniserModel
from ..script_table import Campaign, Script, recording_file
from ..settings import Settings
from ..stage_tables import by_clip
from ..tts_audio import Speech
from ..tts_audio.ears import paid_listener
from ..tts_audio.outdated import changed_since_spoken
from ..tts_audio.pace import seconds_to_say
from ..tts_audio.recordings import read_recording
from ..tts_audio.saying import saying_of
from .transcript_request import TranscriptRequest

# A slow voice takes twice as long as the usual one (tts_audio.pace), and every voice leaves silence at its ends.
SLOWEST, SILENCE_SECONDS = 3.0, 2.0


def transcripts_wanted(
    settings: Settings, campaign: Campaign, speeches: Sequence[Speech]
) -> Iterator[TranscriptRequest]:
    """A request for every clip whose words a paid recogniser is to compare; none where nobody is paid for that."""
    listener = paid_listener(settings)
    if listener is None or campaign.speech.listen == "off":
        return
    spoken = by_clip(speeches)
    for script in campaign.scripts:
        if script.text and listener.speaks(script.language):
            request = _request(settings, campaign, script, spoken.get(script.clip_id), listener)
            if request is not None:
                yield request


def expected_seconds(script: Script) -> float:
    """About how long a script takes to say, with its pauses."""
    return seconds_to_say(script.text, bare_tag(script.language)) + sum(pause.seconds for pause in script.pauses)


def _request(
    settings: Settings, campaign: Campaign, script: Script, speech: Speech | None, listener: RecogniserModel
) -> TranscriptRequest | None:
    """None for a recording that cannot be read: tts_audio tells."""
    said = saying_of(script, campaign.speech.lexicon).said
    if speech is not None and not changed_since_spoken(script, speech, campaign.speech):
        return TranscriptRequest(script, said, listener, speech.seconds, speech.seconds, speech.sha256)
    if script.audio:
        return _of_recording(settings, campaign, TranscriptRequest(script, said, listener, 0.0, 0.0))
    seconds = expected_seconds(script)
    return TranscriptRequest(script, said, listener, seconds, SLOWEST * seconds + SILENCE_SECONDS)


def _of_recording(settings: Settings, campaign: Campaign, unread: TranscriptRequest) -> TranscriptRequest | None:
    script = unread.script
    file = recording_file(settings, campaign.folder, script.audio)
    try:
        spoken = read_recording(file, shown=script.audio, text="", stop=threading.Event())
    except AuroraError:
        return None
    seconds = len(spoken.samples) / spoken.sample_rate
    return replace(unread, seconds=seconds, most_seconds=seconds)
