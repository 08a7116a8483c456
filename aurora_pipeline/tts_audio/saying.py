"""Script -> what an engine is told: the text with the campaign's pronunciations, cut where pauses are marked.

The audience reads the text as written, so each written word remembers what was said for it: times of the said words are
brought back onto the written ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..gear.voices import TimedWord
from ..script_table import lexicon
from ..script_table.records import Pause, Pronunciation, Script


@dataclass(frozen=True)
class Piece:
    """``written`` words of the script that are said as ``said``; ``ipa`` are its sounds where the lexicon has them."""

    written: tuple[str, ...]
    said: str
    ipa: str = ""


@dataclass(frozen=True)
class Part:
    """The words between two pauses, and the silence that follows them (0 at the end)."""

    pieces: tuple[Piece, ...]
    pause_seconds: float

    @property
    def text(self) -> str:
        """What the engine is given."""
        return " ".join(piece.said for piece in self.pieces)

    @property
    def ipa(self) -> dict[int, str]:
        """IPA by the index of a whitespace-separated word of ``text``."""
        found, index = {}, 0
        for piece in self.pieces:
            if piece.ipa:
                found[index] = piece.ipa
            index += len(piece.said.split())
        return found

    def written_times(self, said: Sequence[TimedWord]) -> list[TimedWord]:
        """Times of the written words from those of the words of ``text``."""
        times, index = [], 0
        for piece in self.pieces:
            count = len(piece.said.split())
            heard = said[index : index + count]
            index += count
            times += _shared(piece.written, heard)
        return times


@dataclass(frozen=True)
class Saying:
    """A whole script as it is said."""

    parts: tuple[Part, ...]

    @property
    def said(self) -> str:
        """One line that tells all of it: respelled, with sounds between slashes and pauses in brackets."""
        return " ".join(_shown(part) for part in self.parts)

    @property
    def pronounced(self) -> tuple[tuple[int, int], ...]:
        """The runs of written words (first, and end not included) that are said otherwise than written."""
        found, index = [], 0
        for piece in (piece for part in self.parts for piece in part.pieces):
            end = index + len(piece.written)
            if piece.ipa or piece.said != " ".join(piece.written):
                found.append((index, end))
            index = end
        return tuple(found)


def saying_of(script: Script, entries: Sequence[Pronunciation]) -> Saying:
    """The script's words with the campaign's pronunciations, in parts."""
    pieces = tuple(_pronounced(script.text, lexicon.by_key(entries)))
    return Saying(tuple(_parts(pieces, script.pauses)))


def _pronounced(text: str, entries: lexicon.Entries) -> Iterator[Piece]:
    """The rule of which words an entry is for is the lexicon's."""
    for written, entry in lexicon.matched(text, entries):
        yield Piece(written, written[0]) if entry is None else _piece(written, entry)


def _piece(written: tuple[str, ...], entry: Pronunciation) -> Piece:
    """What stands around the words, and an English possessive, stays beside what is said for them."""
    before, after = lexicon.parted(written[0])[0], lexicon.parted(written[-1])[2]
    if entry.is_ipa:  # the engine needs one word to hang the sounds on
        return Piece(written, "-".join(written), entry.said)
    return Piece(written, f"{before}{entry.said}{after}")


def _parts(pieces: Sequence[Piece], pauses: Sequence[Pause]) -> Iterator[Part]:
    """Cut after so many written words; a pause inside a pronounced phrase comes after the phrase."""
    waiting, part, written = sorted(pauses, key=lambda pause: pause.after_words), [], 0
    for piece in pieces:
        part.append(piece)
        written += len(piece.written)
        due = [pause for pause in waiting if pause.after_words <= written]
        if due:
            yield Part(tuple(part), sum(pause.seconds for pause in due))
            waiting, part = waiting[len(due) :], []
    if part:
        yield Part(tuple(part), 0.0)


def _shown(part: Part) -> str:
    words = " ".join(f"{piece.said}/{piece.ipa}/" if piece.ipa else piece.said for piece in part.pieces)
    return f"{words} [pause {part.pause_seconds:g}s]" if part.pause_seconds else words


def _shared(written: Sequence[str], heard: Sequence[TimedWord]) -> list[TimedWord]:
    """The span of the words heard, divided among the written ones by their letters."""
    if not heard:
        return []
    start, end = heard[0].start_seconds, heard[-1].end_seconds
    weights = [len(word) + 1 for word in written]
    edges = [start]
    for weight in weights:
        edges.append(edges[-1] + (end - start) * weight / sum(weights))
    edges[-1] = end
    spans = zip(written, pairwise(edges), strict=True)
    return [TimedWord(word, round(begin, 3), round(stop, 3)) for word, (begin, stop) in spans]
