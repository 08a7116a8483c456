"""Campaign -> StageTable[Speech].  The same text in the same voice is spoken once, in any campaign.

A clip goes through three steps, each kept by what went into it: its sound (spoken, bought or recorded), that sound
fitted to billed seconds, and what is heard in it. Nothing is listened to twice either.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..errors import BadSetting, SpeechFailed
from ..gear import voices
from ..gear.media_store import MediaStore, key_of
from ..gear.recognisers import Nobody, Recogniser
from ..gear.voices import TimedWord, Voice
from ..models import Models, read_models
from ..parallel import Outcome, for_each, gather
from ..progress import Progress
from ..script_table.records import Campaign, Script
from ..settings import Settings
from ..stage_tables import Failure, StageTable
from . import fitting, listening
from .buying import Ear, Seller
from .ears import paid_listener
from .kept import Facts, Kept
from .records import WORD_TIME_ERROR_SECONDS, Finding, Heard, Speech, Word
from .saying import Saying, saying_of
from .sources import Source

STAGE = "tts_audio"
STAND_IN = Nobody("the studio stood in for the paid voice; what is bought is listened to")


def speak_campaign(
    settings: Settings,
    campaign: Campaign,
    progress: Progress,
    *,
    seller: Seller | None = None,
    recogniser: Recogniser | Nobody = listening.NOBODY,
    ear: Ear | None = None,
) -> StageTable[Speech]:
    """Every script of ``campaign`` as a WAV in the media store, laid out as ``tts_audio/<campaign>/<clip_id>.wav``.

    ``recogniser`` listens where nothing is paid for that, ``ear`` sells what a paid one hears. A clip that cannot be
    spoken (or heard, where that was asked for) becomes a `Failure`. Raises `BadSetting` for an engine that does not
    exist.
    """
    _assert_engine_exists(settings.tts_engine)
    speaker = _Speaker(settings, campaign, seller, recogniser, ear)
    total = len(campaign.scripts)

    def told(outcome: Outcome[Script, _Made], done: int) -> None:
        progress.advance(STAGE, done, total, _note(outcome))

    outcomes = for_each(campaign.scripts, speaker.speak, workers=speaker.workers, on_outcome=told)
    made, failed = gather(outcomes)
    return StageTable(
        rows=tuple(each.speech for each in made),
        failures=tuple(Failure(campaign.name, each.item.clip_id, STAGE, str(each.error)) for each in failed),
        made=sum(each.is_new for each in made),
    )


@dataclass(frozen=True)
class _Made:
    """A clip's speech, and whether it was made now (or found)."""

    speech: Speech
    is_new: bool


class _Speaker:
    """Makes one clip's speech after another, from many threads."""

    def __init__(
        self,
        settings: Settings,
        campaign: Campaign,
        seller: Seller | None,
        recogniser: Recogniser | Nobody,
        ear: Ear | None,
    ) -> None:
        self.settings, self.campaign, self.recogniser, self.ear = settings, campaign, recogniser, ear
        self.is_heard_for_money = paid_listener(settings) is not None
        self.kept = Kept(MediaStore(settings.media))
        self.source = Source(settings, campaign, self.kept, seller)
        self.voices = voices.read_voices(settings.voices)
        self.models: Models = read_models(settings.models)

    @property
    def workers(self) -> int:
        """Who is paid is waited for, not worked for: then as many clips at a time as requests may be in flight."""
        asked = {script.voice for script in self.campaign.scripts if not script.audio}
        is_paid = self.is_heard_for_money or any(voice.is_paid for voice in self.voices.rows if voice.name in asked)
        return max(self.settings.workers, self.settings.requests_in_flight if is_paid else 0)

    def speak(self, script: Script, stop: threading.Event) -> _Made:
        """One row's speech. Raises `SpeechFailed`, or what buying raises."""
        voice = None if script.audio else self._voice_of(script)
        saying = saying_of(script, self.campaign.speech.lexicon)
        sound, is_new = self.source.sound(script, voice, saying, stop)
        fitted, is_fitted_now = self._fitted(script, sound)
        shown = self.settings.stage_folder(STAGE) / script.campaign / f"{script.clip_id}.wav"
        self.kept.store.lay_out(fitted["sha256"], shown)
        heard = self._heard(script, saying, sound, fitted, stop)
        said = "" if script.audio else saying.said
        return _Made(
            _speech(script, voice, said, sound, fitted, heard, self.campaign.speech.seconds), is_new or is_fitted_now
        )

    def _fitted(self, script: Script, sound: Facts) -> tuple[Facts, bool]:
        """The sound in as few billed seconds as the campaign's ``speech.seconds`` allows."""
        mode = self.campaign.speech.seconds
        # Speech kept from before there was fitting may have been bought as it is: it is left alone.
        if mode == "off" or "pauses" not in sound:
            return _as_it_is(sound), False
        least = float(self.models.named(script.model).min_seconds or 0)
        key = key_of(
            stage=STAGE, fitting=fitting.REVISION, mode=mode, sound=sound["sha256"], least=least, pauses=sound["pauses"]
        )

        def make() -> Facts:
            samples, rate = self.kept.samples(sound["sha256"])
            planned = fitting.plan(samples, rate, mode, untouched=sound["pauses"], least_seconds=least)
            if planned.is_whole:
                return _as_it_is(sound)
            made = fitting.apply(planned, samples, rate)
            return {
                "sha256": self.kept.put_wav(made, rate),
                "seconds": len(made) / rate,
                "trimmed_seconds": planned.trimmed_seconds,
                "shaved_seconds": planned.shaved_seconds,
                "tempo": planned.tempo,
                "words": [[w.text, w.start_seconds, w.end_seconds] for w in planned.moved_words(_words(sound))],
            }

        return self.kept.once(key, make)

    def _heard(self, script: Script, saying: Saying, sound: Facts, fitted: Facts, stop: threading.Event) -> Heard:
        """What is heard in the sound as it will be sent."""
        recogniser = STAND_IN if sound.get("is_draft") else self._recogniser_of(script, saying.said, fitted)
        # Only where it is not for want of the extra: what was kept before there were other reasons stays as it is.
        also = (
            {} if not isinstance(recogniser, Nobody) or recogniser == listening.NOBODY else {"nobody": recogniser.why}
        )
        key = key_of(
            stage=STAGE,
            listening=listening.REVISION,
            sha256=fitted["sha256"],
            text=script.text,
            language=script.language,
            pauses=[pause.seconds for pause in script.pauses],
            is_recording=bool(script.audio_sha256),
            recogniser="" if isinstance(recogniser, Nobody) else f"{recogniser.name} {recogniser.version}",
            **also,
        )

        def make() -> Facts:
            samples, rate = self.kept.samples(fitted["sha256"])
            heard = listening.listen(
                samples,
                rate,
                text=script.text,
                language=script.language,
                words=_words(fitted),
                recogniser=recogniser,
                pauses_seconds=[pause.seconds for pause in script.pauses],
                pronounced=() if script.audio else saying.pronounced,
                is_recording=bool(script.audio_sha256),
                stop=stop,
            )
            return asdict(heard)

        heard = _remembered(self.kept.once(key, make)[0])
        for finding in heard.findings:
            if finding.check == "silent":  # no speech at all: there is nothing to draft or to look at either
                raise SpeechFailed(finding.sentence)
        return heard

    def _recogniser_of(self, script: Script, said: str, fitted: Facts) -> Recogniser | Nobody:
        """Who listens to this clip, or nobody and why. Raises `SpeechFailed` when it was to be paid for, and cannot."""
        if self.campaign.speech.listen == "off":
            return Nobody("speech.listen is off in campaign.yaml")
        if not self.is_heard_for_money:
            return self.recogniser
        if not script.text:
            return Nobody("the recording has no text to compare with")
        if self.ear is None:
            raise SpeechFailed(
                f"{script.clip_id} is not listened to: '{self.settings.listener}' is paid, and nothing may be bought "
                "here. Nothing was spent."
            )
        return self.ear.of(script, said, fitted["sha256"], fitted["seconds"])

    def _voice_of(self, script: Script) -> Voice:
        """The script's voice. Raises `SpeechFailed` when it is not one of the engine that was asked for."""
        voice, asked = self.voices.named(script.voice), self.settings.tts_engine
        if voice is None:
            raise SpeechFailed(f"There is no voice '{script.voice}'; run: aurora voices. Nothing was spent.")
        if asked not in ("auto", voice.engine):
            able = [known.name for known in self.voices.rows if known.engine == asked]
            raise SpeechFailed(
                f"The voice '{voice.name}' belongs to the engine {voice.engine}, but AURORA_TTS_ENGINE is '{asked}'; "
                f"set it to auto, or use one of: {', '.join(able[:12])}. Nothing was spent."
            )
        if not voice.speaks(script.language):
            raise SpeechFailed(
                f"The voice '{voice.name}' speaks {voice.language}, not {script.language}. Nothing was spent."
            )
        return voice


def _assert_engine_exists(asked: str) -> None:
    if asked != "auto" and asked not in voices.ENGINES:
        engines = ", ".join(voices.ENGINES)
        raise BadSetting(f"The speech engine is set to '{asked}'; use auto, {engines}. Nothing was spent.")


def _as_it_is(sound: Facts) -> Facts:
    return {"sha256": sound["sha256"], "seconds": sound["seconds"], "words": sound["words"]}


def _words(facts: Facts) -> tuple[TimedWord, ...]:
    return tuple(TimedWord(text, start, end) for text, start, end in facts["words"])


def _remembered(facts: Facts) -> Heard:
    """What was kept of an earlier listening, as JSON left it."""
    aligned = facts["aligned"]
    nested = {
        "findings": tuple(Finding(**row) for row in facts["findings"]),
        "words_that_differ": tuple(facts["words_that_differ"]),
        "aligned": None if aligned is None else tuple(Word(**row) for row in aligned),
    }
    return Heard(**{**facts, **nested})


def _speech(
    script: Script, voice: Voice | None, said: str, sound: Facts, fitted: Facts, heard: Heard, mode: str
) -> Speech:
    kind = sound["word_times"]
    words: Sequence[Word] = tuple(Word(*word) for word in fitted["words"])
    if kind == "estimated" and heard.aligned is not None:
        kind, words = "aligned", heard.aligned
    return Speech(
        campaign=script.campaign,
        clip_id=script.clip_id,
        sha256=fitted["sha256"],
        seconds=fitted["seconds"],
        sample_rate=sound["sample_rate"],
        engine=sound.get("engine") or (voice.engine if voice else ""),
        engine_version=sound.get("engine_version", ""),
        voice=voice.name if voice else "",
        language=voice.language if voice else script.language,
        text=script.text,
        word_times=kind,
        words=tuple(words),
        said=said,
        voice_sha256=script.voice_sha256,
        recording_sha256=script.audio_sha256,
        spoken_seconds=sound["seconds"],
        seconds_mode=mode,
        trimmed_seconds=fitted.get("trimmed_seconds", 0.0),
        shaved_seconds=fitted.get("shaved_seconds", 0.0),
        tempo=fitted.get("tempo", 1.0),
        word_times_error_seconds=WORD_TIME_ERROR_SECONDS[kind] if words else None,
        charge_ids=tuple(sound.get("charge_ids", ())),
        is_draft=sound.get("is_draft", False),
        **{name: value for name, value in vars(heard).items() if name != "aligned"},
    )


def _note(outcome: Outcome[Script, _Made]) -> str:
    """``price: 4.9 s in voice heart``."""
    clip_id, result = outcome.item.clip_id, outcome.result
    if result is None:
        return f"{clip_id}: {outcome.error}"
    speech = result.speech
    how = f"in voice {speech.voice}" if speech.voice else "as recorded"
    kept = "" if result.is_new else " (kept)"
    wrong = "" if speech.verdict == "pass" else f", {speech.verdict}: {speech.findings[0].sentence}"
    return f"{clip_id}: {speech.seconds:.1f} s {how}{kept}{wrong}"
