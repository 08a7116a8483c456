"""`aurora release`: a person decides what the ledger must not."""

from __future__ import annotations

import click

from ..errors import AuroraError
from ..settings import from_environment


@click.command()
@click.argument("charge")
@click.option("--yes", "is_agreed", is_flag=True, help="Do not ask.")
def release(charge: str, *, is_agreed: bool) -> None:
    """Free the money held by a CHARGE that was refused or lost, after you saw at fal that it was not billed.

    Its clip may then be bought again. `aurora ask held_charges` lists them.
    """
    from ..aurora_videos.ledger import open_ledger
    from ..aurora_videos.ledger_tables import HELD_FOR_A_PERSON

    ledger = open_ledger(from_environment().ledger)
    known = {row.charge_id: row for row in ledger.charges()}.get(charge)
    if known is None or known.state not in HELD_FOR_A_PERSON:
        raise AuroraError(f"There is no held charge '{charge}'; `aurora ask held_charges` lists them.")
    click.echo(f"{known.campaign}/{known.clip_id}: ${known.reserved_usd:.2f} held, {known.state}. {known.sentence}")
    if not is_agreed:
        click.confirm("Was it surely not billed?", abort=True, err=True)
    if ledger.release(charge, "Released by a person.") is None:
        state = ledger.charge(charge).state
        raise AuroraError(
            f"Meanwhile somebody else moved charge '{charge}' on: it is {state}, so it was not released. Nothing was "
            "changed; `aurora ask held_charges` lists what is held now."
        )
    click.echo("Released. The next run may buy this clip again.")
