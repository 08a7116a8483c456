"""What `aurora approve` does: a person says yes to exact purchases.

What is approved is a fingerprint: the very script, voice, portrait and parameters that fal will be asked for, whether
the clip was only drafted so far or not. An edited row must be approved again.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import click

from ..aurora_videos import approvals
from ..aurora_videos.affordable import once_each, waiting_clips
from ..aurora_videos.ledger import open_ledger
from ..aurora_videos.quoted import Quote, Quoted, QuotedClip
from ..errors import AuroraError
from ..gear.strict_csv import nearest
from ..pipeline import Job, quote_campaign, quote_speech, script_table, tts_audio
from ..said import counted, expected
from ..settings import from_environment
from .approving_speech import approve_speech
from .asking import assert_agreed
from .quoted import show_quote
from .screen import progress_on_screen, show_failures


def _job(campaign: str) -> Job:
    """Buying is quoted as from fal, also where drafts are made; no key is needed to know a price."""
    settings = replace(from_environment(), provider="fal")
    return Job(settings, campaign, run_id=uuid.uuid4().hex, door="cli", needs_approval=True)


# ---- approving
def approve_clips(campaign: str, names: Sequence[str], *, by: str, is_agreed: bool) -> None:
    """Approve the clips named, or all that wait, once they were shown and agreed to. Raises `AuroraError`."""
    if approve_speech(_job(campaign), names, by=by, is_agreed=is_agreed):
        return
    quote = _spoken_quote(campaign)
    asked = _named(quote, names) if names else quote.clips
    if names:
        _assert_approvable(asked)
    shown = replace(quote, clips=tuple(asked))
    waiting = waiting_clips(shown)
    show_quote(shown)
    if not waiting:
        click.echo("\nNo clip waits for approval. Nothing was changed.")
        return
    assert_agreed(
        f"\nApprove {counted(len(waiting), 'clip')} for {_price(waiting)}, in the name of {by}?",
        is_agreed=is_agreed,
        nobody=AuroraError("This approves buying and nobody is here to agree; add --yes. Nothing was approved."),
        declined=AuroraError("Not approved. Nothing was changed."),
    )
    ledger = open_ledger(from_environment().ledger)
    pairs = [(clip.clip_id, clip.request.fingerprint) for clip in waiting]
    approvals.approve(ledger, campaign, pairs, by=by)
    click.echo(f"\n{by} approved {counted(len(waiting), 'clip')} of {campaign}.")
    _say_what_may_be_bought(campaign, [clip for clip in quote.clips if clip.may_be_bought or clip in waiting])


def _spoken_quote(campaign: str) -> Quote:
    """Today's quote from fal, once every script is spoken (free): the seconds and the fingerprint need it."""
    job = _job(campaign)
    with progress_on_screen() as progress:
        free = replace(job, settings=from_environment(), progress=progress)
        script_table(free)
        unspoken = tts_audio(free).failures
    show_failures(unspoken)
    return quote_campaign(job)


def _assert_approvable(clips: Sequence[QuotedClip]) -> None:
    """A clip asked for by name is approved or refused with a reason, never passed over."""
    for clip in clips:
        if clip.standing == "unfit":
            raise AuroraError(f"{clip.clip_id} cannot be bought as it is: {clip.why}. Mend it, then approve it. "
                              "Nothing was approved.")  # fmt: skip
        if clip.request.script.approved is False:
            raise AuroraError(f"scripts.csv says approved: no for {clip.clip_id}; empty that cell first. "
                              "Nothing was approved.")  # fmt: skip


def _named(quote: Quote, names: Sequence[str]) -> tuple[QuotedClip, ...]:
    known = {clip.clip_id: clip for clip in quote.clips}
    for name in names:
        if name not in known:
            raise AuroraError(
                f"Nothing was approved: {quote.campaign} has no clip '{name}' that was spoken; {nearest(name, known)}"
            )
    return tuple(known[name] for name in dict.fromkeys(names))


def _say_what_may_be_bought(campaign: str, clips: Sequence[QuotedClip]) -> None:
    click.echo(
        f"Now {counted(len(clips), 'clip')} may be bought for {_price(clips)}: "
        f"`aurora run {campaign}` with AURORA_PROVIDER=fal, or Dagster. Edit a row, and it must be approved again."
    )


def _price(clips: Sequence[Quoted[Any]]) -> str:
    paid = once_each(clips)
    usd = sum((clip.list_usd for clip in paid), Decimal(0))
    return expected(usd, sum((clip.reserve_usd for clip in paid), Decimal(0)))


# ---- looking, and taking back
def list_approvals(campaign: str) -> None:
    """What is approved now, by whom, and whether it still holds."""
    job = _job(campaign)
    standing = approvals.standing_approvals(open_ledger(job.settings.ledger), job.campaign)
    if not standing:
        click.echo(f"Nothing of {job.campaign} is approved.")
        return
    today: dict[tuple[str, str], Quoted[Any]] = {
        (clip.clip_id, clip.request.fingerprint): clip for clip in quote_campaign(job).clips
    }
    today |= {(line.clip_id, line.request.asked_as): line for line in quote_speech(job).clips}
    width = max(len(approval.clip_id) for approval in standing)
    for approval in standing:
        clip = today.get((approval.clip_id, approval.fingerprint))
        when = f"{approval.approved_at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{approval.clip_id:<{width}}  {approval.approved_by}, {when}: {_holds(clip)}")


def _holds(clip: Quoted[Any] | None) -> str:
    if clip is None:
        return "no longer holds, the row was changed since"
    if clip.may_be_bought:
        return f"may be bought for {_price([clip])}"
    return clip.standing


def withdraw_approvals(campaign: str, names: Sequence[str], *, by: str) -> None:
    """Take back the approvals of the clips named, or of all. Raises `AuroraError` for one that has none."""
    ledger = open_ledger(from_environment().ledger)
    known = {approval.clip_id for approval in approvals.standing_approvals(ledger, campaign)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise AuroraError(f"{', '.join(unknown)} of {campaign} is not approved; `aurora approve {campaign} "
                          "--list` says what is. Nothing was withdrawn.")  # fmt: skip
    ended = approvals.withdraw(ledger, campaign, names or known, by=by)
    click.echo(f"{by} withdrew {counted(ended, 'approval')} of {campaign}. What was bought stays bought.")
