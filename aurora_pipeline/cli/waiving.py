"""What `aurora waive` does: a person's name and reason are kept for one clip's audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from ..aurora_videos.ledger import open_ledger
from ..aurora_videos.waivers import standing_waivers, waive, waived, withdraw_waivers
from ..errors import AuroraError
from ..gear.fal_answers import plain
from ..gear.strict_csv import nearest
from ..said import counted
from ..script_table import read_campaign
from ..settings import from_environment
from ..stage_tables import by_clip, read_rows
from ..tts_audio import Speech


def _spoken(campaign: str) -> dict[str, Speech]:
    settings = from_environment()
    read_campaign(settings, campaign)  # a campaign that does not exist, or is broken, is told of first
    return by_clip(read_rows(settings, "tts_audio", campaign, Speech))


def waive_clips(campaign: str, names: Sequence[str], *, reason: str, by: str) -> None:
    """Waive what was heard in the clips named. Raises `AuroraError` for one that needs no waiver, and waives none."""
    spoken = _spoken(campaign)
    ledger = open_ledger(from_environment().ledger)
    standing = waived(ledger, campaign)
    for name in (names := list(dict.fromkeys(names))):
        _assert_needs_a_waiver(campaign, name, spoken)
        if (before := standing.get((name, spoken[name].waived_as))) is not None:
            raise AuroraError(f"{name} is waived already by {before.waived_by}: {before.reason}. To say it anew, take "
                              f"that back: aurora waive {campaign} {name} --withdraw. Nothing was waived.")  # fmt: skip
    waive(ledger, campaign, [(name, spoken[name].waived_as) for name in names], reason=reason, by=by)
    for name in names:
        click.echo(f"{name}: {plain(spoken[name].why_it_failed)}")
    click.echo(f"\n{by} waived {counted(len(names), 'clip')} of {campaign}: {reason}")
    click.echo("It is of this very audio: new speech must be heard anew.")


def _assert_needs_a_waiver(campaign: str, name: str, spoken: Mapping[str, Speech]) -> None:
    if not spoken:
        raise AuroraError(f"Nothing of {campaign} is spoken yet; run: aurora quote {campaign}. Nothing was waived.")
    if name not in spoken:
        raise AuroraError(f"{campaign} has no clip '{plain(name)}' that was spoken; {nearest(name, spoken)}. "
                          "Nothing was waived.")  # fmt: skip
    if spoken[name].verdict != "fail":
        raise AuroraError(f"Nothing holds {name} back: listening says {spoken[name].verdict}. Nothing was waived.")


def list_waivers(campaign: str) -> None:
    """What is waived now, by whom and why, and whether its audio is still the clip's."""
    spoken, standing = _spoken(campaign), standing_waivers(open_ledger(from_environment().ledger), campaign)
    if not standing:
        click.echo(f"Nothing of {campaign} is waived.")
    for each in standing:
        now = spoken.get(each.clip_id)
        holds = (
            "holds" if now is not None and now.waived_as == each.speech_sha256 else "no longer holds, it is spoken anew"
        )
        click.echo(f"{each.clip_id}  {each.waived_by}, {each.waived_at:%Y-%m-%d %H:%M} UTC: {each.reason} ({holds})")


def take_back(campaign: str, names: Sequence[str], *, by: str) -> None:
    """Withdraw the waivers of the clips named. Raises `AuroraError` for one that has none."""
    ledger = open_ledger(from_environment().ledger)
    known = {each.clip_id for each in standing_waivers(ledger, campaign)}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise AuroraError(f"{', '.join(unknown)} of {campaign} is not waived; `aurora waive {campaign} --list` says "
                          "what is. Nothing was withdrawn.")  # fmt: skip
    ended = withdraw_waivers(ledger, campaign, names, by=by)
    click.echo(f"{by} withdrew {counted(ended, 'waiver')} of {campaign}.")
