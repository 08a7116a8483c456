"""A quote as people read it, like the plan of an infrastructure tool; and as JSON for machines.

One line a clip with its sign: `+` new, `~` changed, `=` kept, `>` under way, `?` in doubt, `!` refused, `x` unfit,
`.` not approved or held back. What needs room comes last in a line, so that it folds on a narrow screen without hiding
a number.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import click

from ..aurora_videos.affordable import left_in_words, once_each
from ..aurora_videos.quoted import HELD, HELD_BACK, Quote, QuotedClip
from ..aurora_videos.speech_quote import SpeechQuote
from ..aurora_videos.suitability import NOT_AS_IT_IS
from ..said import counted, dollars, expected

SIGNS = {
    "new": "+",
    "changed": "~",
    "in doubt": "?",
    "under way": ">",
    "bought": "=",
    "reused": "=",
    "refused": "!",
    "unfit": "x",
    "not approved": ".",
    HELD_BACK: ".",
}
COLOURS = {"+": "green", "~": "yellow", "?": "yellow", ">": "cyan", "!": "red", "x": "red", ".": "yellow"}
WIDEST_NAME = 28  # a longer clip_id pushes its own line, not everybody's
NARROWEST_ACTION = 24


def show_quote(quote: Quote) -> None:
    """The quote on stdout: a line a clip, what is doubtful about them, the totals."""
    for line in [*_clip_lines(quote), "", *_warnings(quote), *totals(quote)]:
        click.echo(line)


def totals(quote: Quote) -> Iterator[str]:
    """What is bought, kept, reused and held, each with its dollars, and what every limit leaves."""
    if quote.provider == "studio":
        yield from _draft_totals(quote)
        return
    standing = Counter(clip.standing for clip in quote.clips)
    kinds = _kinds(standing, ("new", "changed", "in doubt"))
    price = f" for {expected(quote.usd, quote.reserve_usd)}" if quote.to_buy else ""
    yield f"to buy     {counted(len(quote.to_buy), 'clip')}{kinds}{price}"
    if standing["under way"]:
        yield f"under way  {counted(standing['under way'], 'clip')}, paid for by what is reserved already"
    if standing["bought"]:
        yield f"kept       {counted(standing['bought'], 'clip')}"
    if standing["reused"]:
        saved = dollars(_list_usd(clip for clip in quote.clips if clip.standing == "reused"))
        yield f"reused     {counted(standing['reused'], 'clip')}, which saves {saved}"
    if quote.held:
        usd, kinds = dollars(_list_usd(once_each(quote.held))), _kinds(standing, HELD)
        yield f"held       {counted(len(quote.held), 'clip')}{kinds}, which would cost {usd}"
    if standing["refused"]:
        yield f"refused    {counted(standing['refused'], 'clip')}, not asked again; `aurora budget {quote.campaign}`"
    if quote.left:
        yield f"left       {left_in_words(quote)}"


def _draft_totals(quote: Quote) -> Iterator[str]:
    drafts = [clip for clip in quote.clips if _is_draft(clip)]
    paid = once_each(drafts)
    price = expected(_list_usd(paid), sum((clip.reserve_usd for clip in paid), Decimal(0)))
    clips = "1 clip" if len(drafts) == 1 else f"all {counted(len(drafts), 'clip')}"
    held = sum(any(said.startswith(NOT_AS_IT_IS) for said in clip.warnings) for clip in drafts)
    without = f" {held} of them would not be bought as {'it is' if held == 1 else 'they are'}." if held else ""
    yield f"These are free drafts, $0.00. Buying {clips} from fal would cost {price}.{without}"
    bought = len(quote.clips) - len(drafts)
    if bought:
        yield f"{counted(bought, 'clip')} {'is' if bought == 1 else 'are'} bought already and kept."


def _kinds(standing: Counter[str], names: Sequence[str]) -> str:
    there = [f"{standing[name]} {name}" for name in names if standing[name]]
    return f" ({', '.join(there)})" if there else ""


def _list_usd(clips: Iterable[QuotedClip]) -> Decimal:
    return sum((clip.list_usd for clip in clips), Decimal(0))


def _is_draft(clip: QuotedClip) -> bool:
    return clip.charge is None or clip.charge.provider == "studio"


# ---- a clip's line
def _clip_lines(quote: Quote) -> Iterator[str]:
    width = min(max((len(clip.clip_id) for clip in quote.clips), default=4), WIDEST_NAME)
    money = "if bought" if quote.provider == "studio" else "cost now"
    yield f"  {'clip':<{width}}  {'seconds':>7}  {'price/s':>8}  {money:>9}"
    for clip in quote.clips:
        usd = clip.list_usd if quote.provider == "studio" and _is_draft(clip) else clip.usd
        price = dollars(clip.price.usd_per_second) if clip.price is not None else "unknown"
        numbers = f"{clip.seconds:>7.2f}  {price:>8}  {dollars(usd):>9}"
        sign = SIGNS[clip.standing]
        start = f"{sign} {clip.clip_id:<{width}}  {numbers}  "
        yield click.style(folded(start, action_of(clip)), fg=COLOURS.get(sign))


def action_of(clip: QuotedClip) -> str:
    """What a run does with the clip, and why: ``changed: script``, ``reused from spring/a``, ``unfit: ...``."""
    if clip.standing == "bought":
        return "drafted" if _is_draft(clip) else "bought"
    if clip.standing == "reused":
        return f"reused from {clip.why}"
    if clip.standing == "unfit":
        return f"unfit: {clip.why}; {dollars(clip.list_usd)} would be wasted"
    if clip.standing == "not approved":
        return f"not approved; {clip.why}"
    return f"{clip.standing}: {clip.why}" if clip.why else clip.standing


def _warnings(quote: Quote) -> Iterator[str]:
    warned = [(clip.clip_id, sentence) for clip in quote.clips for sentence in clip.warnings]
    yield from (folded(f"{clip_id}: ", sentence) for clip_id, sentence in warned)
    if warned:
        yield ""


def folded(start: str, text: str) -> str:
    """The text behind ``start``, folded under itself on a terminal; a log keeps it in one line."""
    room = shutil.get_terminal_size().columns - len(start)
    if not sys.stdout.isatty() or room < NARROWEST_ACTION:
        return f"{start}{text}"
    return start + f"\n{' ' * len(start)}".join(textwrap.wrap(text, room) or [""])


# ---- for machines
def quote_json(quote: Quote, speech: SpeechQuote) -> str:
    """The same as JSON; dollars are strings, so that no reader makes binary fractions of them."""
    from .quoted_speech import speech_facts

    told = {
        "campaign": quote.campaign,
        "provider": quote.provider,
        "clips": [_clip_facts(clip) for clip in quote.clips],
        "to_buy": len(quote.to_buy),
        "held": len(quote.held),
        "usd": quote.usd if quote.provider == "fal" else Decimal(0),
        "at_most_usd": quote.reserve_usd if quote.provider == "fal" else Decimal(0),
        "list_usd": _list_usd(quote.clips),
        "held_usd": _list_usd(once_each(quote.held)),
        "reuse_saves_usd": _list_usd(clip for clip in quote.clips if clip.standing == "reused"),
        "left_usd": quote.left,
    }
    if speech.clips:
        told["speech"] = speech_facts(speech)
    return json.dumps(told, indent=2, default=_exact)


def _clip_facts(clip: QuotedClip) -> dict[str, Any]:
    script, speech = clip.request.script, clip.request.speech
    return {
        "clip_id": clip.clip_id,
        "standing": clip.standing,
        "why": clip.why,
        "warnings": clip.warnings,
        "speech_verdict": speech.verdict,
        "speech_findings": [finding.sentence for finding in speech.findings],
        "waived_by": clip.waiver.waived_by if clip.waiver else None,
        "waived_reason": clip.waiver.reason if clip.waiver else None,
        "model": script.model,
        "resolution": script.resolution,
        "seconds": clip.seconds,
        "usd_per_second": clip.price.usd_per_second if clip.price is not None else None,
        "usd": clip.usd,
        "at_most_usd": clip.reserve_usd if clip.may_be_bought else Decimal(0),
        "list_usd": clip.list_usd,
        "fingerprint": clip.request.fingerprint,
        "charge_id": clip.charge.charge_id if clip.charge else None,
    }


def _exact(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no JSON form here.")
