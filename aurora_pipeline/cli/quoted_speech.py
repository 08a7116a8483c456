"""A quote of paid speech, and of hearing it, as people read it, before the videos' own; and its part of the JSON.

Signs are those of a video quote (quoted.py). A clip has a line for each part between its pauses; hearing costs so
little that its clips are told together, and only those that are held back one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import ROUND_UP, Decimal
from typing import Any, TypeVar

import click

from ..aurora_videos.affordable import left_in_words, once_each
from ..aurora_videos.quoted import HELD, Quoted
from ..aurora_videos.speech_quote import SpeechQuote
from ..aurora_videos.speech_request import QuotedSpeech
from ..aurora_videos.transcript_request import QuotedTranscript
from ..said import counted, dollars, expected
from .quoted import COLOURS, SIGNS, WIDEST_NAME, folded

One = TypeVar("One", bound=Quoted[Any])


def show_speech_quote(quote: SpeechQuote) -> None:
    """The quote on stdout: a line a part, then the totals."""
    for line in [*(_lines(quote) if quote.parts else ()), *_held_transcripts(quote), "", *_totals(quote)]:
        click.echo(line)


def said_to_buy(quote: SpeechQuote) -> str:
    """``the speech of 3 clips (5 parts)`` where some have pauses, ``and the hearing of 4 clips``."""
    parts, heard = _to_buy(quote.parts), _to_buy(quote.transcripts)
    said = [f"the speech of {_clips(parts)}"] if parts else []
    return " and ".join([*said, f"the hearing of {_clips(heard)}"] if heard else said)


def _to_buy(lines: Sequence[One]) -> list[One]:
    return [line for line in lines if line.may_be_bought]


def _clips(lines: Sequence[Quoted[Any]]) -> str:
    """``3 clips``, or ``3 clips (5 parts)`` where some have pauses."""
    clips, parts = len({line.clip_id for line in lines}), len(lines)
    return counted(clips, "clip") + (f" ({parts} parts)" if parts != clips else "")


def _lines(quote: SpeechQuote) -> Iterator[str]:
    width = min(max((len(line.clip_id) for line in quote.parts), default=4), WIDEST_NAME)
    money = "if bought" if quote.provider == "studio" else "cost now"
    yield f"  {'clip':<{width}}  {'characters':>10}  {money:>9}  voice"
    for line in quote.parts:
        sign, usd = SIGNS[line.standing], line.list_usd if quote.provider == "studio" else line.usd
        numbers = f"{len(line.request.said):>10,}  {dollars(usd):>9}"
        start = f"{sign} {line.clip_id:<{width}}  {numbers}  {line.request.voice.name}  "
        yield click.style(folded(start, _action_of(line)), fg=COLOURS.get(sign))


def _held_transcripts(quote: SpeechQuote) -> Iterator[str]:
    width = min(max((len(line.clip_id) for line in quote.transcripts), default=4), WIDEST_NAME)
    for line in quote.transcripts:
        if line.standing in (*HELD, "refused"):
            sign = SIGNS[line.standing]
            start = f"{sign} {line.clip_id:<{width}}  heard by {line.request.model.name}  "
            yield click.style(folded(start, _action_of(line)), fg=COLOURS.get(sign))


def _action_of(line: Quoted[Any]) -> str:
    if line.standing == "bought":
        is_draft = line.charge is not None and line.charge.provider == "studio"
        return "drafted" if is_draft else "bought"
    if line.standing == "reused":
        return f"reused from {line.why}"
    return f"{line.standing}: {line.why}" if line.why else line.standing


def _totals(quote: SpeechQuote) -> Iterator[str]:
    if quote.provider == "studio":
        price = _price(once_each(quote.parts))
        yield f"This speech is drafted by the studio, $0.00. Buying it from fal would cost {price}."
        return
    if quote.parts:
        yield from _totals_of("speech", "part", quote.parts)
    if quote.transcripts:
        yield from _totals_of("hearing", "clip", quote.transcripts)
    if quote.video_usd:
        yield f"their videos   about {dollars(quote.video_usd)} by the length of the texts; quoted once they are spoken"
    if quote.left:
        yield f"left           {left_in_words(quote)}"


def _totals_of(what: str, noun: str, lines: Sequence[Quoted[Any]]) -> Iterator[str]:
    """What is bought, kept and held of one kind."""
    to_buy, standing = _to_buy(lines), Counter(line.standing for line in lines)
    by = f" by {lines[0].request.model.name}" if what == "hearing" else ""
    price = f"{by} for {_price(to_buy)}" if to_buy else ""
    yield f"{f'{what} to buy':<15}{_clips(to_buy)}{price}"
    if kept := standing["bought"] + standing["reused"]:
        yield f"{f'{what} kept':<15}{counted(kept, noun)}"
    if held := sum(standing[name] for name in HELD):
        kinds = ", ".join(f"{standing[name]} {name}" for name in HELD if standing[name])
        yield f"{f'{what} held':<15}{counted(held, noun)} ({kinds})"


def _price(lines: Sequence[Quoted[Any]]) -> str:
    """A length that is only guessed has no more than hundredths of a cent."""
    usd = sum((line.list_usd for line in lines), Decimal(0))
    usd = (
        usd.quantize(Decimal("0.0001"), ROUND_UP) if any(isinstance(line, QuotedTranscript) for line in lines) else usd
    )
    return expected(usd, sum((line.reserve_usd for line in lines), Decimal(0)))


def speech_facts(quote: SpeechQuote) -> dict[str, Any]:
    """The same for machines."""
    return {
        "parts": [_part_facts(line) for line in quote.parts],
        "transcripts": [_transcript_facts(line) for line in quote.transcripts],
        "to_buy": len(quote.to_buy),
        "held": len(quote.held),
        "usd": quote.usd if quote.provider == "fal" else Decimal(0),
        "at_most_usd": quote.reserve_usd if quote.provider == "fal" else Decimal(0),
        "list_usd": sum((line.list_usd for line in once_each(quote.clips)), Decimal(0)),
        "video_usd_guessed": quote.video_usd,
    }


def _part_facts(line: QuotedSpeech) -> dict[str, Any]:
    request = line.request
    return _facts(line) | {"voice": request.voice.name, "said": request.said, "units": request.units}


def _transcript_facts(line: QuotedTranscript) -> dict[str, Any]:
    request = line.request
    recogniser = {"recogniser": request.model.name, "seconds": round(request.seconds, 3)}
    return _facts(line) | recogniser | {"is_spoken": bool(request.sha256), "units": request.units}


def _facts(line: QuotedSpeech | QuotedTranscript) -> dict[str, Any]:
    return {
        "clip_id": line.clip_id,
        "standing": line.standing,
        "why": line.why,
        "endpoint": line.request.endpoint,
        "unit": line.request.model.unit,
        "usd": line.usd,
        "at_most_usd": line.reserve_usd if line.may_be_bought else Decimal(0),
        "list_usd": line.list_usd,
        "fingerprint": line.request.fingerprint,
        "charge_id": line.charge.charge_id if line.charge else None,
    }
