"""Campaign -> StageTable[Speech].  The same text in the same voice is spoken once, in any campaign.

What is kept is found by its inputs, not by its bytes: engines may answer the same text with other bytes on another
machine or version of onnxruntime, and new bytes would make a bought video look unbought. So the version in the key is
the voice package's own, and a kept WAV is used again as long as the media store holds it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadSetting, Interrupted, SpeechFailed
from ..gear import voices
from ..gear.media_store import MediaStore, key_of
from ..parallel import Outcome, for_each, gather
from ..progress import Progress
from ..script_table.records import Campaign, Script
from ..settings import Settings
from ..stage_tables import Failure, StageTable
from .records import Speech, Word

STAGE = "tts_audio"
# Counts our own changes to what an engine's samples become; raising it makes every clip new (and bought again).
REVISION = 1


def speak_campaign(settings: Settings, campaign: Campaign, progress: Progress) -> StageTable[Speech]:
    """Every script of ``campaign`` as a WAV in the media store, laid out as ``tts_audio/<campaign>/<clip_id>.wav``.

    A clip that cannot be spoken becomes a `Failure`. Raises `BadSetting` for an engine that does not exist.
    """
    _assert_engine_exists(settings.tts_engine)
    speaker = _Speaker(settings, MediaStore(settings.media))
    total = len(campaign.scripts)

    def told(outcome: Outcome[Script, _Made], done: int) -> None:
        progress.advance(STAGE, done, total, _note(outcome))

    outcomes = for_each(campaign.scripts, speaker.speak, workers=settings.workers, on_outcome=told)
    made, failed = gather(outcomes)
    return StageTable(
        rows=tuple(each.speech for each in made),
        failures=tuple(Failure(campaign.name, each.item.clip_id, STAGE, str(each.error)) for each in failed),
        made=sum(each.is_new for each in made),
    )


@dataclass(frozen=True)
class _Made:
    """A clip's speech, and whether it was spoken now (or found)."""

    speech: Speech
    is_new: bool


class _Speaker:
    """Speaks one clip after another, from many threads."""

    def __init__(self, settings: Settings, store: MediaStore) -> None:
        self.settings, self.store = settings, store
        self._guard = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def speak(self, script: Script, stop: threading.Event) -> _Made:
        voice = _voice_of(script, self.settings.tts_engine)
        engine = voices.engine(voice.engine)
        key = _key(engine, voice, script.text)
        with self._turn(key):  # two rows with the same text wait for one synthesis
            kept = self._kept(key)
            # Between clips, for no engine can be stopped in one: measured, 4 s for the longest text there may be.
            if kept is None and stop.is_set():
                raise Interrupted(f"{script.clip_id} was not spoken: the run was asked to stop. Nothing was spent.")
            facts = kept or self._speak_anew(engine, voice, script.text, key)
        self.store.lay_out(facts["sha256"], self._readable(script))
        return _Made(_speech(script, engine, voice, facts), is_new=kept is None)

    def _turn(self, key: str) -> threading.Lock:
        with self._guard:
            return self._turns.setdefault(key, threading.Lock())

    def _kept(self, key: str) -> dict[str, Any] | None:
        """What was remembered of an earlier synthesis, when its WAV is still there."""
        facts = self.store.recall(key)
        return facts if facts is not None and self.store.path(str(facts.get("sha256"))) is not None else None

    def _speak_anew(self, engine: voices.Engine, voice: voices.Voice, text: str, key: str) -> dict[str, Any]:
        from .listening import assert_audible, assert_readable
        from .wav import write_wav

        assert_readable(text, voice)
        spoken = engine.speak(text, voice)
        assert_audible(spoken, text)
        with self.store.workshop() as bench:
            write_wav(bench / "speech.wav", spoken)
            sha256 = self.store.put(bench / "speech.wav")
        facts = {
            "sha256": sha256,
            "seconds": len(spoken.samples) / spoken.sample_rate,
            "sample_rate": spoken.sample_rate,
            "word_times": spoken.word_times,
            "words": [[word.text, word.start_seconds, word.end_seconds] for word in spoken.words],
        }
        self.store.remember(key, facts)
        return facts

    def _readable(self, script: Script) -> Path:
        return self.settings.stage_folder(STAGE) / script.campaign / f"{script.clip_id}.wav"


def _assert_engine_exists(asked: str) -> None:
    if asked != "auto" and asked not in voices.ENGINES:
        engines = ", ".join(voices.ENGINES)
        raise BadSetting(f"The speech engine is set to '{asked}'; use auto, {engines}. Nothing was spent.")


def _voice_of(script: Script, asked_engine: str) -> voices.Voice:
    """The script's voice. Raises `SpeechFailed` when it is not one of the engine that was asked for."""
    voice = voices.voice_named(script.voice)
    if voice is None:
        raise SpeechFailed(f"There is no voice '{script.voice}'; choose one of gear/voices.csv. Nothing was spent.")
    if asked_engine not in ("auto", voice.engine):
        able = [known.name for known in voices.voices() if known.engine == asked_engine]
        raise SpeechFailed(
            f"The voice '{voice.name}' belongs to the engine {voice.engine}, but AURORA_TTS_ENGINE is "
            f"'{asked_engine}'; set it to auto, or use one of: {', '.join(able)}. Nothing was spent."
        )
    if not voice.speaks(script.language):
        raise SpeechFailed(
            f"The voice '{voice.name}' speaks {voice.language}, not {script.language}. Nothing was spent."
        )
    return voice


def _key(engine: voices.Engine, voice: voices.Voice, text: str) -> str:
    return key_of(
        stage=STAGE,
        revision=REVISION,
        engine=engine.name,
        version=engine.version,
        voice=voice.engine_voice,
        pitch=voice.pitch,
        formant=voice.formant,
        language=voice.language,
        text=text,
    )


def _speech(script: Script, engine: voices.Engine, voice: voices.Voice, facts: Mapping[str, Any]) -> Speech:
    return Speech(
        campaign=script.campaign,
        clip_id=script.clip_id,
        sha256=facts["sha256"],
        seconds=facts["seconds"],
        sample_rate=facts["sample_rate"],
        engine=engine.name,
        engine_version=engine.version,
        voice=voice.name,
        language=voice.language,
        text=script.text,
        word_times=facts["word_times"],
        words=tuple(Word(text, start, end) for text, start, end in facts["words"]),
    )


def _note(outcome: Outcome[Script, _Made]) -> str:
    """``price: 4.9 s in voice heart``."""
    clip_id, result = outcome.item.clip_id, outcome.result
    if result is None:
        return f"{clip_id}: {outcome.error}"
    kept = "" if result.is_new else " (kept)"
    return f"{clip_id}: {result.speech.seconds:.1f} s in voice {result.speech.voice}{kept}"
