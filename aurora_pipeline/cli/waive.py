"""`aurora waive`: a person accepts speech that listening held back."""

from __future__ import annotations

import click

LONGEST_REASON = 500


@click.command()
@click.argument("campaign")
@click.argument("clips", nargs=-1, metavar="[CLIP]...")
@click.option("--reason", metavar="TEXT", help="Why it is good as it is; kept with your name.")
@click.option("--list", "is_list", is_flag=True, help="Say what is waived now, by whom and why, and whether it holds.")
@click.option("--withdraw", "is_withdrawn", is_flag=True, help="Take waivers back.")
@click.option("--by", metavar="NAME", help="Who waives; your login name unless given.")
def waive(
    campaign: str, clips: tuple[str, ...], *, reason: str | None, is_list: bool, is_withdrawn: bool, by: str | None
) -> None:
    """Let CLIPs of CAMPAIGN be bought although what is heard in their speech failed. Spends nothing.

    A waiver is of that very audio: speech that is made anew must be heard, and waived, anew.
    """
    from ..gear.fal_answers import plain
    from .asking import person
    from .waiving import list_waivers, take_back, waive_clips

    if is_list:
        list_waivers(campaign)
        return
    if not clips:
        raise click.UsageError("Name the clips.")
    if is_withdrawn:
        take_back(campaign, clips, by=person(by))
        return
    if not (why := plain(reason or "")):
        raise click.UsageError("Say why: add --reason TEXT.")
    if len(why) > LONGEST_REASON:
        raise click.UsageError(f"The reason has {len(why)} letters; {LONGEST_REASON} are kept. Say it shorter.")
    waive_clips(campaign, clips, reason=why, by=person(by))
