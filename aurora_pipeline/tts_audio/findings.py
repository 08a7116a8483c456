"""Measures and comparisons -> sentences: what is wrong with a clip's sound, where, how to mend it, what it cost.

A fail is worth holding a clip back for; a warn is worth a person's ear. Each threshold is named with what was measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from ..gear.recognisers import Transcript
from ..gear.recognisers.languages import STRONG_LANGUAGES
from ..gear.recognisers.scripts import UNSPACED
from .acoustics import Acoustics
from .pace import FAST_FAIL, FAST_WARN, SLOW_FAIL, SLOW_WARN, UNSURE, Pace
from .records import Finding, Word
from .wording import Comparison, Difference

WARN, FAIL = "warn", "fail"
UNSPENT = "Nothing was spent."

QUIETEST_PEAK = 0.02  # of full scale; measured: speech of either engine peaks at 0.2 to 0.94
QUIETEST_RMS = 0.003  # about -50 dBFS over the whole clip; measured: 0.03 (hibari) to 0.19 (nanotts)
# Our voices lie between -27.5 and -14.3 LUFS, and the delivered clip is levelled anyway: this asks whether there is a
# voice to level, and whether somebody recorded into the red.
QUIET_WARN_LUFS, QUIET_FAIL_LUFS, LOUD_WARN_LUFS = -36.0, -48.0, -8.0
# Share of samples in cut tops. Good clips: at most 0.0005 (SVOX Pico cuts a top or two itself); 3 dB into the limit:
# 0.0002 to 0.02; 8 dB, which anybody hears: 0.02 to 0.07.
CLIPPED_WARN, CLIPPED_FAIL = 0.001, 0.005
# Of the sound, above 0.8 of its top: clean speech of five voices at most 0.041, also as MP3; clipped by 10 dB and saved
# at 44.1 kHz, as MP3 or AAC 0.05 to 0.35, by 14 dB 0.10 to 0.42. By 20 dB an encoder's overshoot may hide it again.
CROWDED_WARN, CROWDED_FAIL = 0.06, 0.15
# Our voices leave up to 0.5 s before and 0.95 s after the words (trimmed, where the campaign allows it).
END_WARN_SECONDS, END_FAIL_SECONDS = 1.2, 2.5
PAUSE_WARN_SECONDS, PAUSE_FAIL_SECONDS = 1.5, 2.5  # between sentences: 0.9 s at most on 40 lines
MEANT_TOLERANCE_SECONDS = 0.9  # an asked pause comes on top of the one that the sentence makes itself
# A recogniser's guess at the language: right, and this sure, on 40 of 41 clips in five languages (not on "Yes.").
# A robotic voice (eSpeak) it takes for Latvian or Welsh: what is so hard to hear is never held against its words.
LANGUAGE_SURE = 0.7
# Asked to hear English, Whisper translates German: then few words are missing, and its own ear for languages tells.
LANGUAGE_CERTAIN, TRANSLATED_WORD_ERROR = 0.9, 0.1
FEWEST_WORDS_FOR_LANGUAGE = 4
LANGUAGE_WORD_ERROR = 0.4  # and the words must not be there either: names and slogans are foreign everywhere
# Where a recogniser is weak: held back only when nearly nothing of the script can be in the sound.
HOPELESS_LIKELIHOOD, HOPELESS_SHARE, HOPELESS_WORD_ERROR = 0.001, 0.8, 0.9
# Elsewhere: when most words differ and the recogniser would have written few of them. Good clips: at most 0.13 and a
# middle likelihood above 0.4; a German text read by an English voice: 0.78 and 0.006.
LOST_WORD_ERROR, LOST_LIKELIHOOD = 0.5, 0.02
MOST_TOLD = 4  # differences in one sentence; the rest is counted


def silent(text: str, *, is_recording: bool) -> Finding:
    about = (
        " in what was made of this text; write it in the voice's own language"
        if text and not is_recording
        else " in this recording; record it again, or check that the right file and channel were saved"
    )
    return Finding("silent", FAIL, f"No speech can be heard{about}. {UNSPENT}")


def of_sound(
    sound: Acoustics, text: str, pauses_seconds: Sequence[float], *, is_recording: bool = False
) -> Iterator[Finding]:
    """Level, clipping, silences. Of silence nothing else is said."""
    if 10 ** (sound.peak_dbfs / 20) < QUIETEST_PEAK or sound.rms < QUIETEST_RMS:
        yield silent(text, is_recording=is_recording)
        return
    yield from _clipping(sound)
    if is_recording and sound.clipped_share <= CLIPPED_WARN:  # a voice is not resampled after it was clipped
        yield from _crowded(sound)
    yield from _loudness(sound.loudness_lufs)
    for name, seconds in (("before", sound.leading_seconds), ("after", sound.trailing_seconds)):
        if seconds > END_WARN_SECONDS:
            yield Finding(
                "silence",
                FAIL if seconds > END_FAIL_SECONDS else WARN,
                f"There are {seconds:.1f} s of silence {name} the words, and video is billed for them; cut them off, "
                f"or set the campaign's `speech: seconds: trim`. {UNSPENT}",
            )
    yield from _pauses(sound, pauses_seconds)


def of_pace(pace: Pace, language: str) -> Iterator[Finding]:
    """Far too fast or far too slow for the language. Of a text too short to have a pace nothing is said."""
    unsure = 1.0 if pace.is_sure else UNSURE
    rate = (
        f"{pace.characters_per_second:.1f} characters a second"
        if language in UNSPACED
        else f"{pace.words_per_minute:.0f} words a minute"
    )
    times = f"{rate}, {pace.of_usual:.1f} times the language's usual pace"
    if pace.of_usual > FAST_WARN * unsure:
        verdict = FAIL if pace.of_usual > FAST_FAIL * unsure else WARN
        mend = "slow the recording down or take another voice, and check that all of the script is spoken"
        yield Finding("pace", verdict, f"The speech is too fast ({times}); {mend}. {UNSPENT}")
    elif pace.of_usual < SLOW_WARN / unsure:
        verdict = FAIL if pace.of_usual < SLOW_FAIL / unsure else WARN
        mend = "check that it says nothing beside the script, and write numbers and symbols as words"
        yield Finding("pace", verdict, f"The speech is too slow ({times}); {mend}. {UNSPENT}")


def of_words(
    comparison: Comparison, transcript: Transcript, language: str, times: Sequence[Word], said: str
) -> Iterator[Finding]:
    """What differs from the script. ``times`` are those of its pieces, ``said`` names the recogniser."""
    is_strong = language in STRONG_LANGUAGES or transcript.script is None
    wrong = comparison.wrong if is_strong and _is_clear(transcript, language, len(times)) else ()
    doubtful = [each for each in comparison.differences if each.is_doubtful and not each.unjudged]
    unjudged = [each for each in comparison.differences if each.is_doubtful and each.unjudged]
    if wrong:
        yield Finding("text", FAIL, _told(wrong, times, UNSPENT))
    elif _is_hopeless(comparison, transcript) or (is_strong and _is_lost(comparison, transcript)):
        yield Finding(
            "text",
            FAIL,
            f"Most of the script cannot be made out ({said} heard '{_short(transcript.text)}'); listen to the "
            f"clip, and check its voice and language. {UNSPENT}",
        )
    elif doubtful:
        yield Finding("text", WARN, _told(doubtful, times, f"It may be only {said} that misheard. {UNSPENT}"))
    elif unjudged:
        yield Finding("text", WARN, _unjudged(unjudged))


def of_language(comparison: Comparison, transcript: Transcript, language: str) -> Iterator[Finding]:
    """Another language than the script's, when the script's words are missing as well."""
    heard, probability = transcript.language, transcript.language_probability
    if not heard or heard == language or probability < LANGUAGE_SURE:
        return
    if language not in STRONG_LANGUAGES and not _is_hopeless(comparison, transcript):
        return  # a recogniser that hardly knows the script's language takes it for another
    is_translated = _is_surely_another(transcript, language) and comparison.word_error >= TRANSLATED_WORD_ERROR
    if comparison.word_error >= LANGUAGE_WORD_ERROR or is_translated:
        yield Finding(
            "language",
            FAIL,
            f"The speech sounds like '{heard}' ({probability:.0%} sure), but the script's language is '{language}', "
            f"and {comparison.word_error:.0%} of its words cannot be heard; choose a voice of the script's language, "
            f"or mend the row's language. {UNSPENT}",
        )


def of_wordless_language(transcript: Transcript, language: str) -> Iterator[Finding]:
    """Another language than the row says, of a recording whose words nobody wrote down."""
    if _is_surely_another(transcript, language) and len(transcript.text.split()) >= FEWEST_WORDS_FOR_LANGUAGE:
        yield Finding(
            "language",
            WARN,
            f"The recording sounds like '{transcript.language}' ({transcript.language_probability:.0%} sure), but the "
            f"row's language is '{language}'; mend one of them. {UNSPENT}",
        )


def _is_surely_another(transcript: Transcript, language: str) -> bool:
    """Both languages are known well, and the recogniser is as good as certain."""
    heard = transcript.language
    are_known = language in STRONG_LANGUAGES and heard in STRONG_LANGUAGES
    return are_known and heard != language and transcript.language_probability >= LANGUAGE_CERTAIN


def _clipping(sound: Acoustics) -> Iterator[Finding]:
    if sound.clipped_share <= CLIPPED_WARN:
        return
    where = ", ".join(f"{moment:.1f}" for moment in sound.clipped[:MOST_TOLD])
    yield Finding(
        "clipping",
        FAIL if sound.clipped_share > CLIPPED_FAIL else WARN,
        f"The sound is clipped in {len(sound.clipped)} places ({where} s{' and on' * (len(sound.clipped) > MOST_TOLD)};"
        f" {sound.clipped_share:.1%} of it); record it again at a lower level, since turning it down mends nothing. "
        f"{UNSPENT}",
    )


def _crowded(sound: Acoustics) -> Iterator[Finding]:
    if sound.crowded_share > CROWDED_WARN:
        yield Finding(
            "clipping",
            FAIL if sound.crowded_share > CROWDED_FAIL else WARN,
            f"The sound was clipped before it was saved as it is ({sound.crowded_share:.0%} of it lies just below its "
            f"top); record it again at a lower level, since turning it down mends nothing. {UNSPENT}",
        )


def _loudness(lufs: float) -> Iterator[Finding]:
    if lufs < QUIET_WARN_LUFS:
        verdict = FAIL if lufs < QUIET_FAIL_LUFS else WARN
        mend = "record it again nearer to the microphone, or turn it up"
        yield Finding("loudness", verdict, f"The speech is very quiet ({lufs:.1f} LUFS); {mend}. {UNSPENT}")
    elif lufs > LOUD_WARN_LUFS:
        mend = "turn it down before its peaks are cut"
        yield Finding("loudness", WARN, f"The speech is very loud ({lufs:.1f} LUFS); {mend}. {UNSPENT}")


def _pauses(sound: Acoustics, meant_seconds: Sequence[float]) -> Iterator[Finding]:
    """Long silences between words, without those that the script asks for."""
    meant = sorted(meant_seconds)
    for start, end in sorted(sound.pauses, key=lambda pause: pause[0] - pause[1]):
        seconds = end - start
        if seconds <= PAUSE_WARN_SECONDS:
            return
        asked = next((each for each in meant if seconds - MEANT_TOLERANCE_SECONDS <= each), None)
        if asked is not None:
            meant.remove(asked)
            continue
        yield Finding(
            "silence",
            FAIL if seconds > PAUSE_FAIL_SECONDS else WARN,
            f"There are {seconds:.1f} s of silence between the words, from {start:.1f} to {end:.1f} s; cut them out, "
            f"or write [pause {seconds:.1f}s] there if they are meant. {UNSPENT}",
        )


def _is_clear(transcript: Transcript, language: str, words: int) -> bool:
    """False when the recogniser cannot even tell the language of the speech."""
    if not transcript.language or words < FEWEST_WORDS_FOR_LANGUAGE:
        return True
    return transcript.language == language and transcript.language_probability >= LANGUAGE_SURE


def _is_hopeless(comparison: Comparison, transcript: Transcript) -> bool:
    laid = transcript.script or ()
    lost = sum(word.likelihood < HOPELESS_LIKELIHOOD for word in laid)
    return bool(laid) and lost / len(laid) >= HOPELESS_SHARE and comparison.judged_error >= HOPELESS_WORD_ERROR


def _is_lost(comparison: Comparison, transcript: Transcript) -> bool:
    laid = enumerate(transcript.script or ())
    likelihoods = [word.likelihood for index, word in laid if index not in comparison.unjudged]
    return (
        bool(likelihoods)
        and comparison.judged_error >= LOST_WORD_ERROR
        and statistics.median(likelihoods) < LOST_LIKELIHOOD
    )


def _told(differences: Sequence[Difference], times: Sequence[Word], ending: str) -> str:
    told = "; ".join(_one(difference, times) for difference in differences[:MOST_TOLD])
    more = f"; and {len(differences) - MOST_TOLD} more" if len(differences) > MOST_TOLD else ""
    return (
        f"The speech does not say what the script says: {told}{more}. Listen to it; write the words as they are "
        f"spoken, give the campaign's lexicon their pronunciation, or choose another voice. {ending}"
    )


def _unjudged(differences: Sequence[Difference]) -> str:
    """A telephone number, an address, a sign: the remedy is to write it out."""
    told = "; ".join(f"'{_short(each.script)}' (heard: '{_short(each.heard)}')" for each in differences[:MOST_TOLD])
    return (
        f"Whether this is said as it should be cannot be judged: {told}. Listen to it, and write it as it is spoken "
        f"('five five five, oh one nine nine', 'aurora dot io', 'for example'). {UNSPENT}"
    )


def _one(difference: Difference, times: Sequence[Word]) -> str:
    at = times[min(difference.first, len(times) - 1)].start_seconds if times else None
    where = f"at {at:.1f} s " if at is not None else ""
    script, heard = _short(difference.script), _short(difference.heard)
    if not heard:
        return f"{where}'{script}' is missing"
    if not script:
        return f"{where}it adds '{heard}'"
    return f"{where}it says '{heard}' instead of '{script}'"


def _short(text: str) -> str:
    plain = text.strip(' .,;:!?¿¡…"“”„«»()')
    return plain if len(plain) <= 60 else f"{plain[:57]}..."
