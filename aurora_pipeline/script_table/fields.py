"""The fields a row may leave to its campaign: what each may be, in one place for campaign.yaml and scripts.csv.

Each check takes the text as written and returns the value, or raises ValueError with the sentence people read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from functools import partial

from ..gear import strict_csv
from ..gear.voices.registry import DEFAULT_VOICE, QUALITIES, Voice, Voices
from ..models import DEFAULT_MODEL, INPUTS, Model, Models
from .pauses import has_mark
from .templates import BRACES

Check = Callable[[str], object]

FIELDS = ("portrait", "voice", "language", "model", *INPUTS)
# What is used when neither row nor campaign says so; scales are Aurora's documented defaults. The resolution is the
# model's own default.
FALLBACKS = {
    "voice": DEFAULT_VOICE,
    "model": DEFAULT_MODEL,
    "guidance_scale": "1",
    "audio_guidance_scale": "2",
}
MAX_TEXT_CHARACTERS = 5_000
MAX_PROMPT_CHARACTERS = 2_000
MAX_WORD_CHARACTERS = 100
MAX_SCALE = Decimal(5)
VOICES_NAMED = 3  # of more than a hundred

CLIP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\{\{|\}\}", re.DOTALL)
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>")
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
_FAL_KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[0-9a-f]{16,}", re.IGNORECASE)

FAL_KEY_SENTENCE = (
    "holds what looks like a fal key; take it out, put it into the environment variable FAL_KEY, and replace the key "
    "at fal.ai, because this file may have been shared"
)


def lines_with_a_key(text: str) -> list[int]:
    """Lines of ``text`` that hold something shaped like a fal key. Its value must never be repeated in a message."""
    return [number for number, line in enumerate(text.splitlines(), start=1) if _FAL_KEY.search(line)]


def clip_id(text: str) -> str:
    """A clip's name: part of file names, so only plain letters, digits, ``_`` and ``-``."""
    if not text:
        raise ValueError("is empty; give every row its own clip_id")
    if not CLIP_ID.fullmatch(text):
        raise ValueError(
            f"is {text[:70]!r}; use 1 to 64 letters (a-z), digits, '-' or '_', beginning with a letter or digit"
        )
    return text


def spoken_text(text: str) -> str:
    """What will be said, filled in and without its pauses, kept exactly as written."""
    if not text.strip():
        raise ValueError("is empty; write what is to be said, or delete the row")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"has {len(text):,} characters; {MAX_TEXT_CHARACTERS:,} is the most, split it into clips")
    assert_clean(text)
    assert_no_markup(text)
    if not any(character.isalnum() for character in text):
        raise ValueError("has no letters or digits to speak; write words")
    if any(len(word) > MAX_WORD_CHARACTERS and not _is_unspaced(word) for word in re.findall(r"\w+", text)):
        raise ValueError(f"has a word of more than {MAX_WORD_CHARACTERS} characters; put spaces between words")
    return text


def _is_unspaced(run: str) -> bool:
    """True for letters of languages that put no spaces between words."""
    return any(unicodedata.name(character, "").startswith(_UNSPACED) for character in run)


def filled_value(text: str) -> str:
    """What a table gives for a variable of a text: it is taken as it is, so it may hold no marks of its own."""
    for brace in BRACES:
        if brace in text:
            raise ValueError(f"holds {brace}, and a value is not filled in again; write the plain value")
    if has_mark(text):
        raise ValueError("holds a pause mark; write pauses into the text of scripts.csv")
    assert_clean(text)
    assert_no_markup(text)
    return text


def prompt(text: str) -> str:
    """The model's prompt."""
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise ValueError(f"has {len(text):,} characters; {MAX_PROMPT_CHARACTERS:,} is the most")
    assert_clean(text)
    return text


def voice(speakers: Voices, text: str) -> str:
    """The name of a voice there is."""
    if speakers.named(text) is None:
        near = _near(text, [known.name for known in speakers.rows])
        raise ValueError(f"there is no voice '{text[:60]}'; {near}")
    return text


def language(speakers: Voices, text: str) -> str:
    """A language some voice speaks; whether the row's voice does is asked by `spoken_language`."""
    if not speakers.speaking(text):
        raise ValueError(f"no voice speaks '{text[:60]}'; `aurora voices` lists the languages there are")
    return text


def language_tag(text: str) -> str:
    """The language of somebody's own recording: any there is, whether or not a voice speaks it."""
    if not _LANGUAGE_TAG.fullmatch(text):
        raise ValueError(f"is '{text[:40]}'; write a language's tag such as en, pt-BR or sv")
    return text.replace("_", "-")


def spoken_language(speakers: Voices, voice_name: str, asked: str) -> str:
    """The voice's own language tag, when it is what was ``asked`` for (or nothing was)."""
    found = speakers.named(voice_name)
    if found is None or not asked or found.speaks(asked):
        return found.language if found else asked
    able = _best(list(speakers.speaking(asked)))
    raise ValueError(f"is '{asked}', but the voice '{voice_name}' speaks {found.language}; voices for it: {able}")


def _near(text: str, names: list[str]) -> str:
    near = strict_csv.nearest(text, names)
    return near if len(names) <= VOICES_NAMED or near.startswith("did you mean") else "`aurora voices` lists them"


def _best(able: list[Voice]) -> str:
    """The voices of this machine first, then the better ones."""
    able.sort(key=lambda known: (known.is_paid, QUALITIES.index(known.quality)))
    more = f" and {len(able) - VOICES_NAMED} more (see `aurora voices`)" if len(able) > VOICES_NAMED else ""
    return ", ".join(known.name for known in able[:VOICES_NAMED]) + more


def resolution(text: str, model: Model) -> str:
    """One of the model's."""
    if text not in model.resolutions:
        choice = " or ".join(sorted(model.resolutions, key=lambda known: int(known[:-1])))
        whose = "" if model.name == DEFAULT_MODEL else f" with the model '{model.name}'"
        raise ValueError(f"is '{text[:40]}'; use {choice}{whose}")
    return text


def scale(text: str) -> Decimal:
    """One of the guidance scales."""
    number = plain_number(text, example="1.5")
    if not 0 <= number <= MAX_SCALE:
        raise ValueError(f"is {text}; use a number from 0 to {MAX_SCALE}")
    if number != round(number, 3):
        raise ValueError(f"is {text}; use at most three decimals")
    return number


def plain_number(text: str, *, example: str) -> Decimal:
    """A number as people write it: no NaN, exponent, unit or thousands separator."""
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        raise ValueError(f"is '{text}'; write decimals with a point: {text.replace(',', '.')}")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise ValueError(f"is '{text[:40]}'; write a plain number such as {example}")
    return Decimal(text)


def portrait(text: str) -> str:
    """Only its form; the file is looked at by `portraits`."""
    assert_clean(text)
    return text


def assert_no_markup(text: str) -> None:
    """Raise ValueError for what looks like HTML or SSML."""
    if markup := _MARKUP.search(text):
        raise ValueError(f"holds the markup {markup.group()[:40]!r}; scripts are spoken as plain text, take it out")


def assert_clean(text: str) -> None:
    """Raise ValueError for control characters and placeholders that nothing fills in."""
    if control := _CONTROL.search(text):
        raise ValueError(f"holds the control character U+{ord(control.group()):04X}; delete it")
    if placeholder := _PLACEHOLDER.search(text):
        raise ValueError(f"still holds the placeholder {placeholder.group()[:40]!r}; fill it in")


def approved(text: str) -> bool | None:
    """A row's own word on being bought."""
    words = {"": None, "yes": True, "no": False}
    if text.casefold() not in words:
        raise ValueError(f"is '{text[:40]}'; write yes or no, or leave it empty")
    return words[text.casefold()]


def checks(models: Models, speakers: Voices) -> dict[str, Check]:
    """Every field's check, with the models and voices of their tables. A row's resolution is checked with its model."""

    def model(text: str) -> str:
        return models.named(text).name

    def any_resolution(text: str) -> str:
        if text not in models.resolutions:
            raise ValueError(f"is '{text[:40]}'; use {' or '.join(models.resolutions)}")
        return text

    return {
        "portrait": portrait,
        "voice": partial(voice, speakers),
        "language": partial(language, speakers),
        "model": model,
        "resolution": any_resolution,
        "prompt": prompt,
        "guidance_scale": scale,
        "audio_guidance_scale": scale,
    }
