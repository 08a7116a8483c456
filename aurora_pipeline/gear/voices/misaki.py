"""IPA -> the sounds hibari was trained on (misaki's American English ones), or what it cannot say.

The model's list of symbols is longer than its training: a French nasal vowel has a number there and no sound. So what
English does not have is refused by name, with the nearest English writing left to the author.
"""

from __future__ import annotations

import unicodedata

from ...errors import SpeechFailed

# Longest first when read. What is one sound of two signs in IPA is one letter in misaki.
_SOUNDS = {
    # diphthongs
    "eɪ": "A", "ei": "A", "aɪ": "I", "ai": "I", "aj": "I", "ɑɪ": "I", "oʊ": "O", "ou": "O", "əʊ": "O", "aʊ": "W",
    "au": "W", "ɑʊ": "W", "ɔɪ": "Y", "ɔi": "Y", "oɪ": "Y", "oi": "Y", "ɛɪ": "A",
    # vowels before r
    "ɝ": "ɜɹ", "ɚ": "əɹ", "ɜɹ": "ɜɹ", "ɜr": "ɜɹ", "ɜ": "ɜɹ",
    # vowels
    "i": "i", "ɪ": "ɪ", "ᵻ": "ᵻ", "ɨ": "ᵻ", "e": "ɛ", "ɛ": "ɛ", "æ": "æ", "a": "ɑ", "ɑ": "ɑ", "ɒ": "ɑ", "ɔ": "ɔ",
    "o": "O", "ʊ": "ʊ", "u": "u", "ʉ": "u", "ʌ": "ʌ", "ɐ": "ə", "ə": "ə", "ᵊ": "ᵊ",
    # consonants
    "tʃ": "ʧ", "t͡ʃ": "ʧ", "ʧ": "ʧ", "dʒ": "ʤ", "d͡ʒ": "ʤ", "ʤ": "ʤ", "t͡s": "ts", "r": "ɹ", "ɹ": "ɹ", "ɻ": "ɹ",
    "g": "ɡ", "ɡ": "ɡ", "ɾ": "T", "ɫ": "l", "ɱ": "m", "ʍ": "w", "hw": "w", "l̩": "ᵊl", "n̩": "ᵊn", "m̩": "ᵊm",
    **{sound: sound for sound in "bdfhjklmnpstvwzðŋʃʒθʔ"},
    # stress; length and the dot between syllables say nothing American English hears
    "ˈ": "ˈ", "'": "ˈ", "ˌ": "ˌ", "ː": "", "ˑ": "", ":": "", ".": "", "ʰ": "", "̯": "", "͡": "", "‿": "", "-": "",
    " ": " ",
}  # fmt: skip
_LONGEST = max(map(len, _SOUNDS))
_VOICELESS, _SIBILANTS = "ptkfθ", "szʃʒʧʤ"


def sounds_of(ipa: str, word: str) -> str:
    """``əˈɹɔːɹə`` -> ``əɹˈɔɹə``: misaki's letters, the stress before its vowel. ``word`` is what errors name.

    Raises `SpeechFailed` for a sound English does not have.
    """
    written = unicodedata.normalize("NFC", ipa.strip())
    found, at = [], 0
    while at < len(written):
        size = next((size for size in range(_LONGEST, 0, -1) if written[at : at + size] in _SOUNDS), 0)
        if not size:
            is_mark = at and unicodedata.combining(written[at])
            raise SpeechFailed(_unknown(written[at - 1 : at + 1] if is_mark else written[at], ipa, word))
        found.append(_SOUNDS[written[at : at + size]])
        at += size
    said = _stress_before_vowel("".join(found).replace("ɹɹ", "ɹ"))
    if not any(letter in _VOWELS for letter in said):
        raise SpeechFailed(
            f"The IPA /{ipa}/ of '{word}' has no vowel; write all of the word's sounds. Nothing was spent."
        )
    return said


def with_possessive(sounds: str) -> str:
    """The sounds of ``Aurora's`` from those of ``Aurora``."""
    if sounds[-1] in _VOICELESS:
        return f"{sounds}s"
    return f"{sounds}ᵻz" if sounds[-1] in _SIBILANTS else f"{sounds}z"


_VOWELS = frozenset("AIOWYiuæɑəɛɜɪɔʊʌᵻᵊ")


def _stress_before_vowel(sounds: str) -> str:
    """IPA marks the stressed syllable, misaki its vowel: ``ˈstrit`` -> ``stɹˈit``. Unmarked: on the first."""
    placed, waiting = [], "" if "ˈ" in sounds else "ˈ"
    for sound in sounds:
        if sound in "ˈˌ":
            waiting = sound
            continue
        if waiting and sound in _VOWELS:
            placed.append(waiting)
            waiting = ""
        placed.append(sound)
    return "".join(placed)


def _unknown(sound: str, ipa: str, word: str) -> str:
    name = unicodedata.name(sound[-1], "").capitalize()
    return (
        f"hibari speaks American English and has no sound '{sound}' ({name}), which the IPA /{ipa}/ of '{word}' asks "
        "for; write its nearest English sound. Nothing was spent."
    )
