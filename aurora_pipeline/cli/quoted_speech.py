"""A quote of paid speech as people read it, before the videos' own; and its part of the JSON.

Signs are those of a video quote (quoted.py). A clip has a line for each part between its pauses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import click

from ..aurora_videos.affordable import left_in_words, once_each
from ..aurora_videos.quoted import HELD
from ..aurora_videos.speech_quote import SpeechQuote
from ..aurora_videos.speech_request import QuotedSpeech
from ..said import counted, dollars, expected
from .quoted import COLOURS, SIGNS, WIDEST_NAME, folded


def show_speech_quote(quote: SpeechQuote) -> None:
    """The quote on stdout: a line a part, then the totals."""
    for line in [*_lines(quote), "", *_totals(quote)]:
        click.echo(line)


def parts_to_buy(quote: SpeechQuote) -> str:
    """``3 clips``, or ``3 clips (5 parts)`` where some have pauses."""
    clips, parts = len({line.clip_id for line in quote.to_buy}), len(quote.to_buy)
    return counted(clips, "clip") + (f" ({parts} parts)" if parts != clips else "")


def _lines(quote: SpeechQuote) -> Iterator[str]:
    width = min(max((len(line.clip_id) for line in quote.clips), default=4), WIDEST_NAME)
    money = "if bought" if quote.provider == "studio" else "cost now"
    yield f"  {'clip':<{width}}  {'characters':>10}  {money:>9}  voice"
    for line in quote.clips:
        sign, usd = SIGNS[line.standing], line.list_usd if quote.provider == "studio" else line.usd
        numbers = f"{len(line.request.said):>10,}  {dollars(usd):>9}"
        start = f"{sign} {line.clip_id:<{width}}  {numbers}  {line.request.voice.name}  "
        yield click.style(folded(start, _action_of(line)), fg=COLOURS.get(sign))


def _action_of(line: QuotedSpeech) -> str:
    if line.standing == "bought":
        is_draft = line.charge is not None and line.charge.provider == "studio"
        return "drafted" if is_draft else "bought"
    if line.standing == "reused":
        return f"reused from {line.why}"
    return f"{line.standing}: {line.why}" if line.why else line.standing


def _totals(quote: SpeechQuote) -> Iterator[str]:
    if quote.provider == "studio":
        price = expected(_list_usd(quote), sum((line.reserve_usd for line in once_each(quote.clips)), Decimal(0)))
        yield f"This speech is drafted by the studio, $0.00. Buying it from fal would cost {price}."
        return
    standing = Counter(line.standing for line in quote.clips)
    price = f" for {expected(quote.usd, quote.reserve_usd)}" if quote.to_buy else ""
    yield f"speech to buy  {parts_to_buy(quote)}{price}"
    kept = standing["bought"] + standing["reused"]
    if kept:
        yield f"speech kept    {counted(kept, 'part')}"
    if quote.held:
        kinds = ", ".join(f"{standing[name]} {name}" for name in HELD if standing[name])
        yield f"speech held    {counted(len(quote.held), 'part')} ({kinds})"
    if quote.video_usd:
        yield f"their videos   about {dollars(quote.video_usd)} by the length of the texts; quoted once they are spoken"
    if quote.left:
        yield f"left           {left_in_words(quote)}"


def _list_usd(quote: SpeechQuote) -> Decimal:
    return sum((line.list_usd for line in once_each(quote.clips)), Decimal(0))


def speech_facts(quote: SpeechQuote) -> dict[str, Any]:
    """The same for machines."""
    return {
        "parts": [_part_facts(line) for line in quote.clips],
        "to_buy": len(quote.to_buy),
        "held": len(quote.held),
        "usd": quote.usd if quote.provider == "fal" else Decimal(0),
        "at_most_usd": quote.reserve_usd if quote.provider == "fal" else Decimal(0),
        "list_usd": _list_usd(quote),
        "video_usd_guessed": quote.video_usd,
    }


def _part_facts(line: QuotedSpeech) -> dict[str, Any]:
    return {
        "clip_id": line.clip_id,
        "standing": line.standing,
        "why": line.why,
        "voice": line.request.voice.name,
        "endpoint": line.request.endpoint,
        "said": line.request.said,
        "units": line.request.units,
        "unit": line.request.model.unit,
        "usd": line.usd,
        "at_most_usd": line.reserve_usd if line.may_be_bought else Decimal(0),
        "list_usd": line.list_usd,
        "fingerprint": line.request.fingerprint,
        "charge_id": line.charge.charge_id if line.charge else None,
    }
