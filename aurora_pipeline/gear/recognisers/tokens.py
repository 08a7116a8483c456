"""Text <-> Whisper's tokens: byte-level pair merging with the merges that lie beside the model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

# Pieces that are never merged with their neighbours: a word with the space before it, digits, signs, English clitics.
_PIECES = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def _letters_of_bytes() -> list[str]:
    """The printable letter that stands for each byte in the vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


_LETTERS = _letters_of_bytes()
_BYTES = {letter: byte for byte, letter in enumerate(_LETTERS)}


class Tokens:
    """The vocabulary and its merges."""

    def __init__(self, vocabulary: Sequence[str], merges: Sequence[Sequence[str]]) -> None:
        self.vocabulary = vocabulary
        self._ids = {token: number for number, token in reversed(list(enumerate(vocabulary)))}
        self._ranks = {(left, right): rank for rank, (left, right) in enumerate(merges)}
        self.first_special = self._ids["<|endoftext|>"]

    def named(self, special: str) -> int:
        """The number of a special token, such as ``transcribe`` or ``en``. Raises KeyError."""
        return self._ids[f"<|{special}|>"]

    def encode(self, text: str) -> list[int]:
        return [self._ids[token] for piece in _PIECES.findall(text) for token in self._merged(piece)]

    def spelled(self, number: int) -> bytes:
        """The bytes of a token; a character may be spread over several."""
        if number >= self.first_special:
            return b""
        return bytes(_BYTES[letter] for letter in self.vocabulary[number])

    def is_spoken(self, number: int) -> bool:
        """True for what holds a letter or a digit, or part of one: what a comma may be is nobody's error."""
        text = self.spelled(number).decode("utf-8", errors="replace")
        return any(character.isalnum() or character == "\ufffd" for character in text)

    def decode(self, numbers: Sequence[int]) -> str:
        return b"".join(self.spelled(number) for number in numbers).decode("utf-8", errors="replace")

    def _merged(self, piece: str) -> list[str]:
        parts = [_LETTERS[byte] for byte in piece.encode()]
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, len(self._ranks)) for pair in pairwise(parts)]
            best = min(ranks)
            if best == len(self._ranks):
                break
            at = ranks.index(best)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return parts
