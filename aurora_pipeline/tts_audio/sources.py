"""Script -> its sound as an engine, a seller or a person gave it: the first of a clip's steps, each kept once."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Interrupted, SpeechFailed
from ..gear import voices
from ..gear.media_store import key_of, sha256_of
from ..gear.voices import Spoken, TimedWord, Voice, WordTimes
from ..script_table import recording_file
from ..script_table.records import Campaign, Script
from ..settings import Settings
from .buying import Bought, Seller
from .kept import Facts, Kept
from .recordings import read_recording
from .saying import Part, Saying

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

# Counts our own changes to what an engine's samples become; raising it makes every clip new (and bought again).
REVISION = 1
_BEST_FIRST: tuple[WordTimes, ...] = ("engine", "aligned", "estimated")
RECORDING, RECORDING_VERSION = "recording", "2"


@dataclass(frozen=True)
class Source:
    """Where a clip's sound comes from. `sound` is asked once per clip."""

    settings: Settings
    campaign: Campaign
    kept: Kept
    seller: Seller | None

    def sound(self, script: Script, voice: Voice | None, saying: Saying, stop: threading.Event) -> tuple[Facts, bool]:
        """What is known of the sound (``sha256``, ``seconds``, ``words``, ...), and whether it was made now."""
        if voice is None:
            return self._recorded(script, stop)
        if voice.is_paid:
            return self._bought(script, voice, saying, stop)
        return self._spoken(script, voice, saying, stop)

    # ---- somebody's own recording
    def _recorded(self, script: Script, stop: threading.Event) -> tuple[Facts, bool]:
        key = key_of(stage="tts_audio", recording=script.audio_sha256, version=RECORDING_VERSION, text=script.text)

        def make() -> Facts:
            with self.kept.store.workshop() as bench:
                file = self._as_checked(script, bench)
                spoken = read_recording(file, shown=script.audio, text=script.text, stop=stop)
            return self._facts(spoken, spoken.words, engine=RECORDING, version=RECORDING_VERSION)

        return self.kept.once(key, make)

    def _as_checked(self, script: Script, bench: Path) -> Path:
        """A copy of the very bytes the row was checked with: an editor may save the file again at any moment."""
        file = recording_file(self.settings, self.campaign.folder, script.audio)
        copy = bench / f"recording{file.suffix}"
        shutil.copyfile(file, copy)
        if sha256_of(copy) != script.audio_sha256:
            raise SpeechFailed(
                f"The recording '{script.audio}' of {script.clip_id} was saved again while this run went on; run again "
                "to take it as it is now. Nothing was spent."
            )
        return copy

    # ---- an engine of this machine
    def _spoken(self, script: Script, voice: Voice, saying: Saying, stop: threading.Event) -> tuple[Facts, bool]:
        engine, is_plain = voices.engine(voice.engine), saying.said == " ".join(script.text.split())

        def make() -> Facts:
            # Between clips, for no engine can be stopped in one: measured, 4 s for the longest text there may be.
            if stop.is_set():
                raise Interrupted(f"{script.clip_id} was not spoken: the run was asked to stop. Nothing was spent.")
            # As written where nothing is pronounced: an engine may read a line's end as a sentence's.
            texts = [script.text] if is_plain else [part.text for part in saying.parts]
            spoken = [engine.speak(text, voice, part.ipa) for text, part in zip(texts, saying.parts, strict=True)]
            whole, words, pauses = joined(list(zip(saying.parts, spoken, strict=True)))
            return self._facts(whole, words, engine=engine.name, version=engine.version, pauses=pauses)

        # Left out where nothing is pronounced or paused: what was spoken before there were such things stays as it is.
        also = {} if is_plain else {"said": saying.said}
        return self.kept.once(_key(engine, voice, script.text, **also), make)

    # ---- an endpoint that is paid
    def _bought(self, script: Script, voice: Voice, saying: Saying, stop: threading.Event) -> tuple[Facts, bool]:
        if self.seller is None:
            raise SpeechFailed(f"The voice '{voice.name}' is paid, and nothing may be bought here. Nothing was spent.")
        bought = [self.seller.speech(script, voice, part, stop) for part in saying.parts]
        files = [(each.sha256, part.pause_seconds) for each, part in zip(bought, saying.parts, strict=True)]
        key = key_of(stage="tts_audio", revision=REVISION, bought=files, text=script.text)

        def make() -> Facts:
            heard = [(part, self._played(each, part, stop)) for each, part in zip(bought, saying.parts, strict=True)]
            whole, words, pauses = joined(heard)
            return self._facts(whole, words, engine=voice.engine, version="", pauses=pauses)

        facts, is_new = self.kept.once(key, make)
        # Of the purchase and not of the bytes, which may be the same.
        how = {"charge_ids": [each.charge_id for each in bought], "is_draft": any(each.is_draft for each in bought)}
        return {**facts, **how}, is_new

    def _played(self, bought: Bought, part: Part, stop: threading.Event) -> Spoken:
        file = self.kept.store.require(bought.sha256)
        sound = read_recording(file, shown="the bought speech", text=part.text, stop=stop)
        if bought.words is None:
            return sound
        return Spoken(sound.samples, sound.sample_rate, bought.words, "engine")

    def _facts(
        self,
        spoken: Spoken,
        words: tuple[TimedWord, ...],
        *,
        engine: str,
        version: str,
        pauses: tuple[tuple[float, float], ...] = (),
    ) -> Facts:
        return {
            "sha256": self.kept.put_wav(spoken.samples, spoken.sample_rate),
            "seconds": len(spoken.samples) / spoken.sample_rate,
            "sample_rate": spoken.sample_rate,
            "engine": engine,
            "engine_version": version,
            "word_times": spoken.word_times,
            "words": [[word.text, word.start_seconds, word.end_seconds] for word in words],
            "pauses": pauses,
        }


def joined(parts: list[tuple[Part, Spoken]]) -> tuple[Spoken, tuple[TimedWord, ...], tuple[tuple[float, float], ...]]:
    """The parts one after the other with their pauses between, the written words' times, and where the pauses are.

    The silence that an engine itself leaves at a pause's two sides counts as part of the pause.
    """
    import numpy as np

    rate, pieces, words, pauses, passed = parts[0][1].sample_rate, [], [], [], 0
    for number, (part, spoken) in enumerate(parts):
        begin, end = _sound_between(spoken, is_first=number == 0, is_last=number == len(parts) - 1)
        late = passed / rate - begin / rate
        words += [_later(word, late) for word in part.written_times(spoken.words)]
        pieces.append(spoken.samples[begin:end])
        passed += end - begin
        if part.pause_seconds and number < len(parts) - 1:
            silence = round(part.pause_seconds * rate)
            pauses.append((passed / rate, (passed + silence) / rate))
            pieces.append(np.zeros(silence, np.float32))
            passed += silence
    kind: WordTimes = max((spoken.word_times for _, spoken in parts), key=_BEST_FIRST.index)
    times = tuple(words)
    return Spoken(np.concatenate(pieces), rate, times, kind), times, tuple(pauses)


def _later(word: TimedWord, seconds: float) -> TimedWord:
    start, end = word.start_seconds + seconds, word.end_seconds + seconds
    return TimedWord(word.text, round(max(0.0, start), 3), round(max(0.0, end), 3))


def _sound_between(spoken: Spoken, *, is_first: bool, is_last: bool) -> tuple[int, int]:
    """The samples to keep of one part: without the silence that would lengthen a marked pause beside it."""
    from .fitting import plan

    whole = len(spoken.samples)
    ((start, end),) = plan(spoken.samples, spoken.sample_rate, "trim").kept
    begin = 0 if is_first else round(start * spoken.sample_rate)
    return begin, whole if is_last else min(whole, round(end * spoken.sample_rate))


def _key(engine: voices.Engine, voice: Voice, text: str, **also: str) -> str:
    return key_of(
        stage="tts_audio",
        revision=REVISION,
        engine=engine.name,
        version=engine.version,
        voice=voice.engine_voice,
        pitch=voice.pitch,
        formant=voice.formant,
        language=voice.language,
        text=text,
        **also,
    )
