"""The ``speech`` and the ``lexicon`` of campaign.yaml -> SpeechSettings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import lexicon
from .records import Pronunciation, SpeechSettings
from .yaml_tree import YamlReader

if TYPE_CHECKING:
    from yaml.nodes import Node

CHOICES = {"seconds": ("off", "trim", "fit"), "listen": ("hold", "warn", "off")}


def read_speech(reader: YamlReader, node: Node | None, lexicon: tuple[Pronunciation, ...]) -> SpeechSettings:
    """How speech is made; what is absent keeps its default. ``off`` needs no quotes."""
    entries = reader.entries(node, tuple(CHOICES), "speech.")
    said = {
        name: reader.value(entries.get(name), f"speech.{name}", _one_of(choices), is_bool=True)
        for name, choices in CHOICES.items()
    }
    return SpeechSettings(**{name: value for name, value in said.items() if value is not None}, lexicon=lexicon)


def read_lexicon(reader: YamlReader, node: Node | None) -> tuple[tuple[Pronunciation, ...], dict[str, int]]:
    """The pronunciations, and the line of each word's entry."""
    found: dict[tuple[str, ...], Pronunciation] = {}
    lines: dict[str, int] = {}
    for written, key, value in reader.pairs(node, "lexicon"):
        column = f"lexicon.{' '.join(written.split())[:40]}"
        try:
            word = lexicon.entry_word(written)
        except ValueError as error:
            reader.add(key, column, str(error))
            continue
        said = reader.value(value, column, _said_of(word))
        twin = found.get(lexicon.key(word))
        if twin is not None:
            reader.add(key, column, f"is written twice (first on line {lines[twin.word]}); keep one of the two")
        elif said is not None:
            found[lexicon.key(word)] = said
            lines[word] = key.start_mark.line + 1
    return tuple(found.values()), lines


def _said_of(word: str) -> Callable[[str], Pronunciation]:
    return lambda text: lexicon.pronunciation(word, text)


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is '{text[:40]}'; use {', '.join(choices[:-1])} or {choices[-1]}")
        return text

    return check
