"""`aurora approve`: a person says yes to exact purchases, to be made now or later."""

from __future__ import annotations

import click


@click.command()
@click.argument("campaign")
@click.argument("clips", nargs=-1, metavar="[CLIP]...")
@click.option("--all", "is_all", is_flag=True, help="Every clip of the campaign.")
@click.option("--list", "is_list", is_flag=True, help="Say what is approved now, by whom, and whether it still holds.")
@click.option("--withdraw", "is_withdrawn", is_flag=True, help="Take approvals back. What was bought stays bought.")
@click.option("--by", metavar="NAME", help="Who approves; your login name unless given.")
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask.")
def approve(
    campaign: str,
    clips: tuple[str, ...],
    *,
    is_all: bool,
    is_list: bool,
    is_withdrawn: bool,
    by: str | None,
    is_agreed: bool,
) -> None:
    """Approve CLIPs of CAMPAIGN for buying, exactly as they are today; spends nothing.

    Runs of Dagster without a cap buy only approved rows, and so does every run of a campaign with approval: required.
    """
    from .approving import approve_clips, list_approvals, withdraw_approvals
    from .asking import person

    if is_list:
        list_approvals(campaign)
        return
    if not clips and not is_all:
        raise click.UsageError("Name the clips, or add --all for every clip of the campaign.")
    if is_withdrawn:
        withdraw_approvals(campaign, clips, by=person(by))
        return
    approve_clips(campaign, clips, by=person(by), is_agreed=is_agreed)
