"""Can a voice read a text?  An engine skips letters of other alphabets in silence, and the clip is paid all the same.

What is asked is whether the voice knows the letters, not whether it says them well.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Mapping

from ..gear.voices import Voice
from . import lexicon
from .records import Pronunciation

MAX_WORDS_SHOWN = 5


def assert_readable(text: str, voice: Voice, entries: Mapping[tuple[str, ...], Pronunciation]) -> None:
    """Raise ValueError, with the sentence people read, for words that ``voice`` would skip.

    Words of the lexicon are read as it says them; ``entries`` is by `lexicon.key`.
    """
    scripts = (*voice.scripts, "MODIFIER LETTER")
    respelled = (word for entry in entries.values() if not entry.is_ipa for word in entry.said.split())
    if all(_is_read(word, scripts) for word in (*text.split(), *respelled)):
        return  # most texts, and ten times as fast
    unread = dict.fromkeys(word for word in _said(text, entries) if not _is_read(word, scripts))
    if unread:
        shown = ", ".join(f"'{lexicon.parted(word)[1][:40]}'" for word in list(unread)[:MAX_WORDS_SHOWN])
        more = f" and {len(unread) - MAX_WORDS_SHOWN} more" if len(unread) > MAX_WORDS_SHOWN else ""
        raise ValueError(
            f"has {shown}{more}, whose letters the voice '{voice.name}' ({voice.language}) cannot read; choose a voice "
            "of that language, or say in campaign.yaml's lexicon how the word is spoken"
        )


def _said(text: str, entries: Mapping[tuple[str, ...], Pronunciation]) -> Iterator[str]:
    for words, entry in lexicon.matched(text, entries):
        if entry is None:
            yield from words
        elif not entry.is_ipa:
            yield from entry.said.split()


@functools.lru_cache(maxsize=65_536)
def _is_read(word: str, scripts: tuple[str, ...]) -> bool:
    letters = (character for character in unicodedata.normalize("NFKC", word) if character.isalpha())
    return all(unicodedata.name(letter, "").startswith(scripts) for letter in letters)
