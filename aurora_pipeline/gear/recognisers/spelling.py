"""Text -> how it sounds, so that two spellings of the same speech compare equal: 2026, twenty twenty-six; €, euro.

English goes through hibari's own pronunciation: numbers, symbols, homophones and American or British spelling all come
out as the same phonemes. Other languages are compared by folded letters, with numbers written out (unicode-rbnf, MIT)
and the commonest symbols as words.
"""

from __future__ import annotations

import difflib
import functools
import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .scripts import UNSPACED, bare, pieces

# A number can be read in several ways, and both sides choose their own: 1200, 12 hundred; 1998, 19 98; 9.30, 9 30;
# 555, 5 5 5.
READINGS = ("whole", "year", "pairs", "parts", "digits")

_NUMBER = re.compile(r"\d+")
_GROUPED = re.compile(r"(?<=\d)[.\s'’\u00a0\u202f](?=\d{3}(?!\d))")
_ENGLISH_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PARTED = re.compile(r"(?<=\d)[.:,](?=\d)")
_PRICE = re.compile(r"(?<=\d)[.,](\d\d)$")
_CURRENCY = re.compile(r"[$€£]\W*|euros?\W*|dollars?\W*|cents?\W*", re.IGNORECASE)
_SYMBOL_FIRST = re.compile(r"([$€£¥])\s?(\d[\d.,]*\d|\d)")
_ENGLISH_CLOCK = re.compile(r"\b(\d{1,2})\.(\d\d)(?=\s?[ap]\.?m\b)", re.IGNORECASE)
_SYMBOLS = {
    "de": {"€": "euro", "$": "dollar", "£": "pfund", "%": "prozent", "&": "und", "+": "plus", "°": "grad"},
    "es": {"€": "euros", "$": "dólares", "£": "libras", "%": "por ciento", "&": "y", "+": "más", "°": "grados"},
    "fr": {"€": "euros", "$": "dollars", "£": "livres", "%": "pour cent", "&": "et", "+": "plus", "°": "degrés"},
    "it": {"€": "euro", "$": "dollari", "£": "sterline", "%": "per cento", "&": "e", "+": "più", "°": "gradi"},
    "pt": {"€": "euros", "$": "dólares", "£": "libras", "%": "por cento", "&": "e", "+": "mais", "°": "graus"},
    "nl": {"€": "euro", "$": "dollar", "£": "pond", "%": "procent", "&": "en", "+": "plus", "°": "graden"},
}
# Sounds that one speaker tells apart and the next does not, or that depend on the word after.
_MERGED = str.maketrans({"ˈ": "", "ˌ": "", "ː": "", "T": "t", "ɾ": "t", "ᵊ": "ə", "ᵻ": "ɪ", "ɐ": "ə"})
_SAME_WORD = {"ði": "ðə", "A": "ə"}

_speaking = threading.Lock()


@dataclass(frozen=True)
class Form:
    """One spoken word (or character) of a text, and the index of the written piece it belongs to."""

    sound: str
    piece: int


def forms(text: str, language: str, reading: str = "whole") -> tuple[Form, ...]:
    """The spoken words of ``text``; ``language`` is a bare tag."""
    written = [bare(piece) for piece in pieces(text, language)]
    if language == "en":
        return tuple(_english(written, reading))
    return tuple(
        Form(sound, index) for piece, index in _as_read(written) for sound in _letters(piece, language, reading)
    )


def _as_read(written: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The pieces and their indices; a price has its currency between its parts, where it is said: 19 € 99."""
    taken = -1
    for index, piece in enumerate(written):
        price, sign = _PRICE.search(piece), written[index + 1] if index + 1 < len(written) else ""
        if price and _CURRENCY.fullmatch(sign):
            yield from ((piece[: price.start()], index), (sign, index + 1), (price[1], index))
            taken = index + 1
        elif index != taken:
            yield piece, index


def number_words(value: int, language: str) -> str:
    """``value`` in words; its digits, where the language's rules are not known."""
    return _number(value, language, "whole")


def without_accents(text: str) -> str:
    """``text`` in small letters without accents."""
    return "".join(_unmarked(text))


def sounds_of(text: str, language: str, reading: str = "whole") -> str:
    """All of ``text`` as one string of sounds."""
    return "".join(form.sound for form in forms(text, language, reading))


def likeness(one: str, other: str, language: str) -> float:
    """How alike two short texts sound, 0 to 1; 1 when they can be read as the same."""
    readings = READINGS if _NUMBER.search(one + other) else READINGS[:1]
    ours = {sounds_of(one, language, reading) for reading in readings}
    theirs = {sounds_of(other, language, reading) for reading in readings}
    if ours & theirs:
        return 1.0
    ratio = difflib.SequenceMatcher(None, sounds_of(one, language), sounds_of(other, language), autojunk=False).ratio()
    return min(0.99, ratio)


def _english(written: Sequence[str], reading: str) -> Iterator[Form]:
    text = _ENGLISH_CLOCK.sub(r"\1:\2", unicodedata.normalize("NFKC", " ".join(written)))
    if reading == "parts":
        text = _PARTED.sub(" ", text)
    if reading != "whole":
        text = _NUMBER.sub(lambda found: _read(found[0], reading), _ENGLISH_GROUPED.sub("", text))
    tokens = _pronounced(text)
    for (_, phonemes), piece in zip(tokens, _owners(written, [name for name, _ in tokens]), strict=True):
        for word in phonemes.split():
            sound = "".join(letter for letter in word.translate(_MERGED) if letter.isalpha())
            if sound:
                yield Form(_SAME_WORD.get(sound, sound), piece)


def _pronounced(text: str) -> list[tuple[str, str]]:
    """(token, phonemes) of hibari; letters instead, where it cannot read the text."""
    from hibari.g2p.normalize import normalize

    with _speaking:
        letters = _g2p()
        try:
            tokens = letters.phonemize_tokens(letters.tokenize(normalize(text)))
        except (IndexError, KeyError, ValueError, TypeError, RuntimeError, RecursionError):
            return [(word, _folded(word)) for word in text.split()]
    return [(token.text, token.phonemes) for token in tokens if token.phonemes]


@functools.cache
def _g2p() -> Any:
    from ..onnx import keep_quiet

    keep_quiet()
    from hibari.g2p import G2P

    return G2P()


def _owners(written: Sequence[str], tokens: Sequence[str]) -> list[int]:
    """Which written piece each token belongs to: by spelling, and between matches in order."""
    owners, last = [0] * len(tokens), max(0, len(written) - 1)
    matcher = difflib.SequenceMatcher(None, [_folded(piece) for piece in written], [_folded(t) for t in tokens], False)
    for _, first, end, token_from, token_to in matcher.get_opcodes():
        for step, token in enumerate(range(token_from, token_to)):
            share = step * max(1, end - first) // max(1, token_to - token_from)
            owners[token] = min(last, (first if end > first else max(0, first - 1)) + share)
    return owners


def _letters(piece: str, language: str, reading: str) -> Iterator[str]:
    """The spoken words of one written piece, in folded letters."""
    text = _SYMBOL_FIRST.sub(r"\2 \1", unicodedata.normalize("NFKC", piece))
    text = _NUMBER.sub(lambda found: f" {_read(found[0], reading)} ", _GROUPED.sub("", text))
    text = _NUMBER.sub(lambda found: f" {_number(int(found[0]), language, reading)} ", text)
    for symbol, word in _SYMBOLS.get(language, {}).items():
        text = text.replace(symbol, f" {word} ")
    for word in re.split(r"[\W_]+", "".join(_unmarked(text))):
        yield from (word if language in UNSPACED else [word] if word else [])


def _read(digits: str, reading: str) -> str:
    if reading == "digits":
        return " ".join(digits)
    if reading == "pairs" and len(digits) == 4:
        return f"{digits[:2]} hundred" if digits.endswith("00") else f"{digits[:2]} {digits[2:]}"
    return digits


def _number(value: int, language: str, reading: str) -> str:
    """The number in words; its digits, where the language's rules are not known."""
    engine = _speller(language)
    if engine is None:
        return str(value)
    from unicode_rbnf import FormatPurpose

    purpose = FormatPurpose.YEAR if reading == "year" else FormatPurpose.CARDINAL
    return str(engine.format_number(value, purpose).text).replace("\u00ad", "")


@functools.cache
def _speller(language: str) -> Any:
    try:
        from unicode_rbnf import RbnfEngine

        engine = RbnfEngine.for_language(language)
        engine.format_number(1)
    except (ImportError, ValueError, KeyError, OSError):
        return None
    return engine


def _unmarked(text: str) -> Iterator[str]:
    """Letters without accents: recognisers set them, and leave them out, as they please."""
    for character in unicodedata.normalize("NFD", text.casefold()):
        if not ("\u0300" <= character <= "\u036f"):
            yield character


def _folded(word: str) -> str:
    return re.sub(r"[\W_]", "", "".join(_unmarked(word)))
