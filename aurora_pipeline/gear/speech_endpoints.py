"""A bought voice's or recogniser's endpoint: what it is asked, where its answer holds what, what its bill counts.

Values only: the rows are read by `speech_models`, the requests sent by whoever pays.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from . import strict_csv
from .recognisers.port import HeardWord, Transcript
from .voices import TimedWord
from .voices.word_times import mapped
from .word_answers import at, timed_words

# Units (of price_book.UNITS) by kind, and how many of what is counted make one.
UNITS = {
    "speech": {"1000_characters": 1000, "character": 1},
    "recogniser": {"minute": 60, "second": 1},
}
UNIT_RULES = ("exact", "rounded_up", "rounded_down_at_least_one")
UNIT_DIGITS = 6  # of a minute: 60 microseconds of sound
DEFAULT_VOICE = "default"  # what a voice row says for the first of the listed voices, or for the endpoint's own

_CORE = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)


@dataclass(frozen=True)
class SpeechEndpoint:
    """What both kinds of row say. ``languages`` maps tags (``en``, ``pt-BR``) to the values of ``language_field``."""

    name: str
    endpoint: str
    input: str
    answer: str
    unit: str
    unit_rule: str
    source: str
    languages: Mapping[str, str]
    language_field: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    words_path: str = ""
    note: str = ""
    line: int = 0

    @property
    def app(self) -> str:
        """Owner and alias: all of an endpoint that the URLs of its requests name."""
        return "/".join(self.endpoint.split("/")[:2])

    def speaks(self, language: str) -> bool:
        """Whether the row names ``language``, or its bare tag, or, of a bare tag, any of its regions."""
        return self._value_of(language) is not None

    def _value_of(self, language: str) -> str | None:
        """What ``language_field`` is sent for a language tag; None for a language the row does not name."""
        asked = language.strip().replace("_", "-").lower()
        values = {tag.lower(): value for tag, value in self.languages.items()}
        if asked in values:
            return values[asked]
        bare = asked.split("-")[0]
        if bare in values:
            return values[bare]
        return next((value for tag, value in values.items() if "-" not in asked and tag.split("-")[0] == asked), None)

    def _counted(self, count: Decimal, kind: str) -> Decimal:
        exact = count / UNITS[kind][self.unit]
        if self.unit_rule == "exact":
            rounded = round(exact, UNIT_DIGITS)
            return exact if exact == rounded else rounded  # as short as it can be told
        return Decimal(math.ceil(exact)) if self.unit_rule == "rounded_up" else Decimal(max(1, math.floor(exact)))


@dataclass(frozen=True)
class SpeechModel(SpeechEndpoint):
    """A bought voice's endpoint. ``voices`` are its documented ones, the default first; empty without such a list.

    ``needs_voice`` is an endpoint that refuses a request without a voice.
    ``pronunciation`` is the markup that takes IPA, with ``{word}`` and ``{ipa}``; ``format`` is that of its files.
    """

    voice_field: str = ""
    voices: tuple[str, ...] = ()
    needs_voice: bool = False
    pronunciation: str = ""
    format: str = "mp3"
    max_characters: int | None = None

    @property
    def takes_ipa(self) -> bool:
        return bool(self.pronunciation)

    @property
    def tells_words(self) -> bool:
        """Whether its answer may hold the words' times."""
        return bool(self.words_path)

    def sent_text(self, text: str, ipa: Mapping[int, str] | None = None) -> str:
        """The text as it is sent and counted: with the markup of the words (by index) that ``ipa`` has.

        ValueError for IPA that the endpoint has no markup for.
        """
        if not ipa:
            return text
        if not self.pronunciation:
            raise ValueError(f"{self.name} takes no IPA; write these words as they are said instead")
        parts = re.split(r"(\s+)", text.strip())
        for index, said in ipa.items():
            if 0 <= index * 2 < len(parts) and (core := _CORE.match(parts[index * 2])):
                marked = self.pronunciation.replace("{word}", core[2]).replace("{ipa}", said.strip("/"))
                parts[index * 2] = f"{core[1]}{marked}{core[3]}"
        return "".join(parts)

    def arguments(self, text: str, voice: str, language: str, ipa: Mapping[int, str] | None = None) -> dict[str, Any]:
        """What the endpoint is sent. ValueError, with the sentence people read, for what it would refuse."""
        sent, value = self.sent_text(text, ipa), self._value_of(language)
        if not text.strip():
            raise ValueError(f"{self.name} needs a text; this one is empty")
        if self.max_characters is not None and len(sent) > self.max_characters:
            raise ValueError(
                f"{self.name} takes {self.max_characters:,} characters at most, and this text has {len(sent):,}; "
                "split it"
            )
        if value is None:
            raise ValueError(f"{self.name} does not speak '{language[:20]}'; it speaks {', '.join(self.languages)}")
        arguments = _merged(self.extra, self.input, sent)
        if sent_voice := self._spoken_by(voice):
            arguments = _merged(arguments, self.voice_field, sent_voice)
        return _merged(arguments, self.language_field, value) if self.language_field else arguments

    def _spoken_by(self, voice: str) -> str:
        """The voice that is sent: empty for the endpoint's own. ValueError for one that it does not have."""
        if voice in ("", DEFAULT_VOICE):
            return self.voices[0] if self.voices else ""
        if not self.voice_field:
            raise ValueError(f"{self.name} has one voice only; name it '{DEFAULT_VOICE}' and not '{voice[:60]}'")
        if self.voices and voice not in self.voices:
            raise ValueError(f"{self.name} has no voice '{voice[:60]}'; {strict_csv.nearest(voice, self.voices)}")
        return voice

    def units(self, text: str, ipa: Mapping[int, str] | None = None) -> Decimal:
        """How many of its unit the bill is expected to count for a text (in code points, as it is sent)."""
        return self._counted(Decimal(len(self.sent_text(text, ipa))), "speech")

    def most_units(self, text: str, ipa: Mapping[int, str] | None = None) -> Decimal:
        """The most that is reasonable, for reserving: rounded up to whole units, and one at least."""
        per_unit = UNITS["speech"][self.unit]
        return Decimal(max(1, math.ceil(Decimal(len(self.sent_text(text, ipa))) / per_unit)))

    def audio_url(self, answer: Any) -> str:
        """Where the sound is. ValueError for an answer without it."""
        url = at(answer, self.answer)
        if not isinstance(url, str) or not url:
            raise ValueError(f"the answer of {self.endpoint} has no {self.answer}")
        return url

    def words(self, answer: Any, text: str) -> tuple[TimedWord, ...] | None:
        """When each word of ``text`` is heard; None where the answer does not say it in a shape that is known."""
        heard = timed_words(at(answer, self.words_path)) if self.words_path else None
        return mapped(text, heard) if heard else None


@dataclass(frozen=True)
class RecogniserModel(SpeechEndpoint):
    """A bought recogniser's endpoint."""

    def arguments(self, audio_url: str, language: str) -> dict[str, Any]:
        """What the endpoint is sent. A language that the row does not name is left for it to find out."""
        arguments, value = _merged(self.extra, self.input, audio_url), self._value_of(language)
        return _merged(arguments, self.language_field, value) if self.language_field and value else arguments

    def transcript(self, answer: Any) -> Transcript:
        """What was heard, and in what language where the answer says it in the field it is asked by.

        How sure it is of that is believed where it says so (ElevenLabs' language_probability, 0 to 1), and otherwise
        that it is. ValueError for an answer without a text.
        """
        text = at(answer, self.answer)
        if not isinstance(text, str):
            raise ValueError(f"the answer of {self.endpoint} has no {self.answer}")  # noqa: TRY004 - somebody else's JSON
        words = timed_words(at(answer, self.words_path)) if self.words_path else None
        heard = tuple(HeardWord(word.text, word.start_seconds, word.end_seconds) for word in words or ())
        tags = {value: tag for tag, value in self.languages.items()}
        found = str(at(answer, self.language_field) or "") if self.language_field else ""
        sure = _share(at(answer, "language_probability")) if found else 0.0
        return Transcript(text, heard or tuple(map(HeardWord, text.split())), None, tags.get(found, found), sure)

    def units(self, seconds: float) -> Decimal:
        """How many of its unit the bill is expected to count for a recording of so many seconds."""
        return self._counted(_length(seconds), "recogniser")

    def most_units(self, seconds: float) -> Decimal:
        """The most that is reasonable, for reserving: rounded up to whole units, and one at least."""
        return Decimal(max(1, math.ceil(_length(seconds) / UNITS["recogniser"][self.unit])))


def _merged(arguments: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the arguments with ``value`` under a dotted path."""
    name, _, rest = path.partition(".")
    return {**arguments, name: _merged(arguments.get(name, {}), rest, value) if rest else value}


def _share(told: Any) -> float:
    """A probability as it is told; 1 where none is."""
    is_one = isinstance(told, int | float) and not isinstance(told, bool) and 0 <= told <= 1
    return float(told) if is_one else 1.0


def _length(seconds: float) -> Decimal:
    if not 0 <= seconds < math.inf:
        raise ValueError(f"a length of {seconds} s cannot be billed")
    return Decimal(str(round(seconds, 3)))
