"""What `aurora check` says beside the files' own mistakes: what would stop or waste clips that are written well."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from ..errors import BadInput, PriceUnknown, Problem, SpeechFailed
from ..gear import voices
from ..gear.speech_endpoints import SpeechEndpoint
from ..gear.voices import Voice
from ..models import Model, read_models
from ..price_book import ANY_RESOLUTION, PriceBook, read_price_book
from ..script_table import Campaign, Script, portrait_file, read_campaign, recording_file
from ..script_table.lexicon import by_key, matched
from ..settings import Settings
from ..speech_models import read_speech_models
from ..tts_audio.ears import paid_listener
from ..tts_audio.recordings import read_recording

Found = TypeVar("Found")
Key = TypeVar("Key")

CLIPS_NAMED = 3
STOPS, DOUBTS = "x", "!"  # what a line begins with: clips that would not be made, and clips to look at


def read_all(settings: Settings, name: str) -> tuple[Campaign, PriceBook]:
    """The campaign and the price book. Raises `BadInput` with every problem of all their files."""
    problems: list[Problem] = []
    campaign = _read(lambda: read_campaign(settings, name), problems)
    book = _read(lambda: read_price_book(settings.price_book), problems)
    if campaign is None or book is None:
        raise BadInput(problems)
    return campaign, book


def doubts(settings: Settings, campaign: Campaign, book: PriceBook) -> Iterator[str]:
    """One sentence a price, a voice, a recording or a portrait that will not do, with the clips that it concerns."""
    yield from _prices(settings, campaign, book)
    yield from _voices(settings, campaign, book)
    yield from _recordings(settings, campaign)
    yield from _listener(settings, campaign, book)
    yield from _portraits(settings, campaign)


def _read(read: Callable[[], Found], problems: list[Problem]) -> Found | None:
    try:
        return read()
    except BadInput as error:
        problems.extend(error.problems)
        return None


def _prices(settings: Settings, campaign: Campaign, book: PriceBook) -> Iterator[str]:
    """A draft needs a price too: it says what the clip would have cost. Only its day may be past."""
    today, models = datetime.now(UTC).date(), read_models(settings.models)
    for (model, resolution), clip_ids in _clips(campaign, lambda each: _priced(models.named(each.model), each)).items():
        try:
            book.price(model, resolution, on=today, allow_expired=settings.provider != "fal")
        except PriceUnknown as unknown:
            yield f"{STOPS} {model} {resolution} ({_named(clip_ids)}): {unknown}"


def _priced(model: Model, script: Script) -> tuple[str, str]:
    return model.endpoint, script.resolution if model.takes("resolution") else ANY_RESOLUTION


def _voices(settings: Settings, campaign: Campaign, book: PriceBook) -> Iterator[str]:
    there = voices.read_voices(settings.voices)
    for name, clip_ids in _clips(campaign, lambda each: each.voice).items():
        voice = there.named(name)
        if voice is None:  # a recording
            continue
        if sentence := _unsold(settings, voice, book) if voice.is_paid else _unspoken(campaign, voice):
            yield f"{STOPS} {name} ({_named(clip_ids)}): {sentence}"


def _unsold(settings: Settings, voice: Voice, book: PriceBook) -> str:
    """Why a bought voice could not be bought; empty when it could."""
    try:
        model = read_speech_models(settings.speech_models).named(voice.speech_model)
    except ValueError as error:
        return str(error)
    return _unpriced(settings, model, book)


def _unpriced(settings: Settings, model: SpeechEndpoint, book: PriceBook) -> str:
    """Why a voice or recogniser has no price to be bought at; empty when it has one."""
    try:
        today, is_draft = datetime.now(UTC).date(), settings.provider != "fal"
        book.price(model.endpoint, on=today, unit=model.unit, allow_expired=is_draft)
    except PriceUnknown as unknown:
        return str(unknown)
    return ""


def _unspoken(campaign: Campaign, voice: Voice) -> str:
    """Why a voice of this machine cannot speak here; empty when it can."""
    if not voices.is_installed(voice.engine):
        return f"the engine {voice.engine} is not installed; run: {voices.how_to_install(voice.engine)}"
    sounds = by_key(entry for entry in campaign.speech.lexicon if entry.is_ipa)
    said = (script.text for script in campaign.scripts if script.voice == voice.name)
    words = next((words for text in said if sounds for words, entry in matched(text, sounds) if entry), None)
    if words is not None and not voices.engine(voice.engine).takes_ipa:
        shown = " ".join(words)
        return (
            f"the engine {voice.engine} takes no sounds, and the lexicon gives them for '{shown}'; write a respelling"
        )
    return ""


def _recordings(settings: Settings, campaign: Campaign) -> Iterator[str]:
    """Whether ffmpeg reads them; where and what a file is was looked at with the table."""
    for name, clip_ids in _clips(campaign, lambda each: each.audio).items():
        if name:
            file = recording_file(settings, campaign.folder, name)
            try:
                read_recording(file, shown=name, text="", stop=threading.Event())
            except SpeechFailed as failed:
                yield f"{STOPS} {name} ({_named(clip_ids)}): {failed}"


def _listener(settings: Settings, campaign: Campaign, book: PriceBook) -> Iterator[str]:
    """Who compares the words, if anybody. Raises `BadSetting` for a listener that does not exist."""
    ear = None if campaign.speech.listen == "off" else paid_listener(settings)
    if ear is not None and (sentence := _unpriced(settings, ear, book)):
        yield f"{STOPS} {ear.name}, which listens to the speech: {sentence}"


def _portraits(settings: Settings, campaign: Campaign) -> Iterator[str]:
    from ..aurora_videos.request import sent_image
    from ..aurora_videos.suitability import portrait_suitability
    from ..gear.media_store import MediaStore

    store, models = MediaStore(settings.media), read_models(settings.models)
    for (portrait, model), clip_ids in _clips(campaign, lambda each: (each.portrait, each.model)).items():
        image = sent_image(portrait_file(settings, campaign.folder, portrait))
        seen = portrait_suitability(store, campaign, models.named(model), image)
        for sentence in seen.unfit:
            yield f"{STOPS} {portrait} ({_named(clip_ids)}): {sentence}. Not bought as it is."
        for sentence in seen.warnings:
            yield f"{DOUBTS} {portrait} ({_named(clip_ids)}): {sentence}. Bought all the same: portrait_check is warn."


def _clips(campaign: Campaign, key: Callable[[Script], Key]) -> dict[Key, list[str]]:
    """The clips by what they have in common, in the order of the table."""
    found: dict[Key, list[str]] = {}
    for script in campaign.scripts:
        found.setdefault(key(script), []).append(script.clip_id)
    return found


def _named(clip_ids: Sequence[str]) -> str:
    more = len(clip_ids) - CLIPS_NAMED
    return ", ".join(clip_ids[:CLIPS_NAMED]) + (f" and {more} more" if more > 0 else "")
