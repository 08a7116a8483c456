"""Pronunciations: which words of a text they are for, and what may be written into one.

The rule: a text's words are what stands between its spaces. Punctuation around a word and an English ``'s`` at its end
are left alone; the rest must be the entry, whole, whatever its upper and lower case. A phrase is several such words in
a row with nothing but spaces between, and the longest entry that fits counts.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import fields
from .records import Pronunciation

MAX_CHARACTERS = 200
_POSSESSIVE = re.compile(r"['’][sS]\Z")
_LETTERS = (
    "abcdefghijklmnopqrstuvwxyzæçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɝɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢβθχᵻᵿⱱꞎ"
)
_MARKS = "ˈˌːˑ.‿|‖ʰʷʲˠˤⁿˡʼ˞˥˦˧˨˩↗↘ꜛꜜ -"
IPA = frozenset(_LETTERS + _MARKS)


def parted(word: str) -> tuple[str, str, str]:
    """A word of a text as (punctuation before it, the word itself, punctuation or ``'s`` after it)."""
    begin, end = 0, len(word)
    while begin < end and not _is_of_a_word(word[begin]):
        begin += 1
    while end > begin and not _is_of_a_word(word[end - 1]):
        end -= 1
    possessive = _POSSESSIVE.search(word[begin:end])
    if possessive and possessive.start():
        end = begin + possessive.start()
    return word[:begin], word[begin:end], word[end:]


def key(phrase: str) -> tuple[str, ...]:
    """What an entry's words and those of a text are compared by."""
    return tuple(unicodedata.normalize("NFC", word).casefold() for word in phrase.split())


Entries = Mapping[tuple[str, ...], Pronunciation]


def matched(text: str, entries: Entries) -> Iterator[tuple[tuple[str, ...], Pronunciation | None]]:
    """The text's words in turn as written: a word without an entry alone, those of an entry with it."""
    words = text.split()
    cores = [_core(word) for word in words]
    longest = max(map(len, entries), default=0)
    index = 0
    while index < len(words):
        for count in range(min(longest, len(words) - index), 0, -1):
            entry = entries.get(tuple(cores[index : index + count]))
            if entry is not None and _are_together(words[index : index + count]):
                break
        else:
            count, entry = 1, None
        yield tuple(words[index : index + count]), entry
        index += count


def by_key(lexicon: Iterable[Pronunciation]) -> Entries:
    """The entries by `key`."""
    return {key(entry.word): entry for entry in lexicon}


def unused(lexicon: Sequence[Pronunciation], texts: Iterable[str]) -> tuple[Pronunciation, ...]:
    """The entries whose words no text has."""
    left = dict(by_key(lexicon))
    for text in texts:
        if not left:
            break
        words = text.split()
        cores = [_core(word) for word in words]
        for count in {len(words) for words in left}:
            for index in range(len(cores) - count + 1):
                phrase = tuple(cores[index : index + count])
                if phrase in left and _are_together(words[index : index + count]):
                    del left[phrase]
    return tuple(left.values())


def _are_together(words: Sequence[str]) -> bool:
    """Whether nothing but spaces stands between the words of a phrase: ``New, York`` is not New York."""
    return not any(parted(word)[2] for word in words[:-1]) and not any(parted(word)[0] for word in words[1:])


@functools.lru_cache(maxsize=65_536)
def _core(word: str) -> str:
    return unicodedata.normalize("NFC", parted(word)[1]).casefold()


def entry_word(text: str) -> str:
    """An entry's word or phrase. ValueError with the sentence people read."""
    if not text.strip() or len(text) > fields.MAX_WORD_CHARACTERS:
        raise ValueError(f"must be one word or a phrase of words, of at most {fields.MAX_WORD_CHARACTERS} characters")
    fields.assert_clean(text)
    for word in text.split():
        before, core, after = parted(word)
        if not core or not any(character.isalnum() for character in core):
            raise ValueError(f"has '{word[:40]}', which is no word; write words only")
        if before or after:
            extra = before or after
            raise ValueError(f"has {extra!r} beside a word, which is left as it is when a text is read; write '{core}'")
    return " ".join(text.split())


def pronunciation(word: str, text: str) -> Pronunciation:
    """How ``word`` is said: a respelling, or sounds between slashes. ValueError with the sentence people read."""
    if not text:
        raise ValueError("is empty; write how the word is said, such as Kree-ay-tih-fye or /əˈɹɔːɹə/")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"has {len(text)} characters; {MAX_CHARACTERS} is the most")
    if text.startswith("/") or text.endswith("/"):
        return Pronunciation(word, _ipa(text), is_ipa=True)
    fields.assert_clean(text)
    fields.assert_no_markup(text)
    if not any(character.isalnum() for character in text):
        raise ValueError("has no letters to say; write how the word is said, such as Kree-ay-tih-fye")
    return Pronunciation(word, " ".join(text.split()))


def _ipa(text: str) -> str:
    sounds = unicodedata.normalize("NFD", text[1:-1]).strip().replace("c\u0327", "ç")
    if len(text) < 2 or not text.endswith("/") or not text.startswith("/") or "/" in sounds:
        raise ValueError(f"is {text[:40]!r}; write sounds between two slashes, such as /əˈɹɔːɹə/")
    for sound in sounds:
        if sound not in IPA and not unicodedata.combining(sound):
            raise ValueError(_no_sound(sound))
    if not any(sound in _LETTERS for sound in sounds):
        raise ValueError(f"is {text[:40]!r}; write sounds of the phonetic alphabet, such as /əˈɹɔːɹə/")
    return unicodedata.normalize("NFC", sounds)


def _no_sound(character: str) -> str:
    look_alike = {"'": "ˈ", ":": "ː", "’": "ʼ", ",": "ˌ"}.get(character)
    hint = f"write {look_alike}" if look_alike else "write how it sounds in IPA, or a respelling without slashes"
    return f"holds '{character}' (U+{ord(character):04X}), which is not in the phonetic alphabet; {hint}"


def _is_of_a_word(character: str) -> bool:
    """Letters, digits, ``_``, and marks: in many scripts a vowel is a mark, also at a word's end."""
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")
