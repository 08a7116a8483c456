"""`aurora budget`: where the money stands, and what holds it."""

from __future__ import annotations

import click

from ..settings import from_environment


@click.command()
@click.argument("campaign", required=False)
@click.option("--close-breaker", "reason", metavar="REASON", help="Let buying go on after an absurd bill; say why.")
@click.option("--by", metavar="NAME", help="Who lets it go on; your login name unless given.")
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask.")
def budget(campaign: str | None, *, reason: str | None, by: str | None, is_agreed: bool) -> None:
    """Say what is reserved, settled and left: of each campaign (or of CAMPAIGN), today and this month.

    Also which charges hold money that only a person can free, and whether buying is stopped.
    """
    from .asking import person
    from .money import close_breaker, show_budgets

    if reason is not None:
        close_breaker(from_environment(), reason, by=person(by), is_agreed=is_agreed)
    else:
        show_budgets(from_environment(), campaign)
