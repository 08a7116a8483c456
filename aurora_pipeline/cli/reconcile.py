"""`aurora reconcile`: the ledger beside the provider's bill and the stored files."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from ..errors import AuroraError
from ..settings import Settings, from_environment

if TYPE_CHECKING:
    from ..aurora_videos.reconcile import Reconciled, Reconciliation

MOST_HOURS = 24 * 366 * 10.0


@click.command()
@click.argument("campaign", required=False)
@click.option(
    "--since", "hours", type=click.FloatRange(0, MOST_HOURS), help="Charges of the last so many hours (default 48)."
)
@click.option("--all", "is_all", is_flag=True, help="Every charge there ever was.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def reconcile(campaign: str | None, *, hours: float | None, is_all: bool, as_json: bool) -> None:
    """Compare what the ledger believes with the provider's bill and the stored files, of CAMPAIGN or of all.

    Only reads at the provider. The ledger takes over what was really billed; nothing that is held is freed. Ends with
    1 when something needs a person.
    """
    from ..aurora_videos.reconcile.compare import ALL, Window
    from ..aurora_videos.reconcile.verdicts import BILLED_WITHIN
    from ..pipeline import reconcile_bills

    if hours is not None and math.isnan(hours):
        raise click.UsageError("--since takes a number of hours, such as 48.")
    if is_all and hours is not None:
        raise click.UsageError("--all goes back to the first charge; leave --since out.")
    settings = from_environment()
    if campaign is not None:
        _assert_is_known(settings, campaign)
    since = ALL if is_all else BILLED_WITHIN if hours is None else timedelta(hours=hours)
    found = reconcile_bills(settings, Window(campaign, since))
    click.echo(_json(found) if as_json else "\n".join(_told(found)))
    for sentence in _stopped(settings):
        click.echo(sentence, err=True)
    if found.for_a_person:
        sys.exit(1)


def _assert_is_known(settings: Settings, campaign: str) -> None:
    """A misspelt name must not pass for a campaign without differences."""
    from ..aurora_videos.ledger import open_ledger
    from ..script_table import campaign_names

    if campaign not in campaign_names(settings) and not open_ledger(settings.ledger).charges(campaign=campaign):
        raise AuroraError(
            f"There is no campaign '{campaign}', and nothing was ever bought for one. Nothing was changed."
        )


# ---- for people
def _told(found: Reconciled) -> Iterator[str]:
    from ..said import counted

    who = "fal" if found.provider == "fal" else "the local studio"
    if not found.rows:
        yield f"Nothing to compare: no charge with {who} is that young or still open."
        return
    yield from _differences(found)
    agreeing = len(found.rows) - len(found.differences)
    yield f"{counted(agreeing, 'charge')} {'agrees' if agreeing == 1 else 'agree'} with {who}."
    yield _totals(found)
    if found.corrected:
        yield f"The ledger took over {who}'s record for {counted(found.corrected, 'charge')}."
    if not found.is_bill_readable:
        yield (
            "This key may not read fal's billing events, so units and files were compared only; set FAL_ADMIN_KEY to "
            "an admin key to compare the bill itself."
        )
    if found.provider == "studio":
        yield "These are drafts: the amounts are what they would have cost, and nothing was paid."


def _differences(found: Reconciled) -> Iterator[str]:
    if not found.differences:
        return
    width = max(len(_name(row)) for row in found.differences)
    yield (f"{'clip':<{width}}  {'verdict':<23}  {'expected':>9}  {'reported':>9}  {'billed':>9}  {'file':>9}")
    for row in found.differences:
        amounts = (row.expected_usd, row.reported_usd, row.event_usd, row.file_usd)
        yield f"{_name(row):<{width}}  {row.verdict:<23}  " + "  ".join(f"{_usd(usd):>9}" for usd in amounts)
    yield ""
    yield from (row.sentence for row in found.differences)
    yield ""


def _name(row: Reconciliation) -> str:
    return f"{row.campaign}/{row.clip_id}" if row.campaign else f"request {row.subject[:12]}"


def _usd(usd: Decimal | None) -> str:
    from ..said import dollars

    return "-" if usd is None else dollars(usd)


def _totals(found: Reconciled) -> str:
    totals = found.totals
    billed = _usd(totals.event_usd) if found.is_bill_readable else "not readable"
    return (
        f"Expected {_usd(totals.expected_usd)}; reported {_usd(totals.reported_usd)}; billed {billed}; by the files "
        f"{_usd(totals.file_usd)}."
    )


def _stopped(settings: Settings) -> Iterator[str]:
    """A bill that was corrected may have tripped the breaker: said here, not only at the next purchase."""
    from ..aurora_videos.breaker import open_trips
    from ..aurora_videos.ledger import open_ledger

    for trip in open_trips(open_ledger(settings.ledger), settings.provider):
        yield f"Buying is stopped: {trip.sentence} Ask about it, then: aurora budget --close-breaker REASON"


# ---- for machines
def _json(found: Reconciled) -> str:
    told = {
        "provider": found.provider,
        "is_draft": found.provider == "studio",
        "is_bill_readable": found.is_bill_readable,
        "corrected": found.corrected,
        "needs_a_person": len(found.for_a_person),
        "totals": asdict(found.totals),
        "rows": [asdict(row) | {"needs_a_person": row.needs_a_person} for row in found.rows],
    }
    return json.dumps(told, default=_plain, indent=2)


def _plain(value: Any) -> str:
    """Dollars as exact text, moments as ISO 8601."""
    return value.isoformat() if isinstance(value, datetime) else f"{value:f}"
