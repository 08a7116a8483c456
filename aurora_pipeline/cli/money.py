"""What `aurora budget` tells: limits, reserved, settled, left; what is held; whether buying is stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import click

from ..aurora_videos import breaker
from ..aurora_videos.budgets import Budget, Standing, campaigns_with_charges, standing_of
from ..aurora_videos.ledger import open_ledger
from ..aurora_videos.records import Charge
from ..errors import AuroraError, BadInput
from ..said import counted, dollars
from ..script_table import campaign_names, read_campaign
from ..settings import Settings
from .asking import assert_agreed


def show_budgets(settings: Settings, campaign: str | None) -> None:
    """The standing of all campaigns, or of one, on stdout; what could not be read on stderr."""
    limits, problems = _limits(settings, campaign)
    for line in _told(standing_of(settings, limits)):
        click.echo(line)
    for problem in problems:
        click.echo(problem, err=True)


def _limits(settings: Settings, campaign: str | None) -> tuple[dict[str, Decimal | None], list[str]]:
    """Each campaign's budget_usd, and what kept us from reading some. One that is asked for by name must be readable,
    unless money was spent on it: then the folder may be gone."""
    spent = campaigns_with_charges(settings)
    names = [campaign] if campaign is not None else sorted({*campaign_names(settings), *spent})
    limits: dict[str, Decimal | None] = {}
    problems = []
    for name in names:
        try:
            limits[name] = read_campaign(settings, name).budget_usd
        except BadInput as error:
            if name == campaign and name not in spent:
                raise
            limits[name] = None
            problems.append(f"{error}\n  Until then {name} is shown without its limit.")
    return limits, problems


# ---- what is told
def _told(standing: Standing) -> Iterator[str]:
    yield from _table(standing)
    if not standing.has_charges:
        yield "Nothing was ever bought from fal here."
    if standing.under_way:
        holding = dollars(_reserved(standing.under_way))
        verb = "is" if len(standing.under_way) == 1 else "are"
        yield f"{counted(len(standing.under_way), 'clip')} {verb} under way, up to {holding}; the next run goes on."
    yield from _held(standing.held)
    for trip in standing.trips:
        yield f"Buying is stopped since {trip.tripped_at:%Y-%m-%d %H:%M} UTC: {trip.sentence}"
    if standing.trips:
        yield "  Ask fal about it, then: aurora budget --close-breaker REASON"


def _table(standing: Standing) -> Iterator[str]:
    names = [_name(budget) for budget in standing.budgets]
    width = max(len(name) for name in [*names, "each run"])
    yield f"{'US dollars':<{width}}  {'limit':>10}  {'reserved':>10}  {'settled':>10}  {'left':>10}"
    for name, each in zip(names, standing.budgets, strict=True):
        money = (each.limit_usd, each.spending.reserved_usd, each.spending.settled_usd, each.left_usd)
        yield f"{name:<{width}}  " + "  ".join(f"{_or_none(usd):>10}" for usd in money)
    yield f"{'each run':<{width}}  {_or_none(standing.run_usd):>10}"
    yield ""


def _name(budget: Budget) -> str:
    return {"day": f"today, {budget.name}", "month": f"month, {budget.name}"}.get(budget.kind, budget.name)


def _or_none(usd: Decimal | None) -> str:
    return "no limit" if usd is None else dollars(usd)


def _held(charges: Sequence[Charge]) -> Iterator[str]:
    if charges:
        yield f"{dollars(_reserved(charges))} is held until a person decides, by {counted(len(charges), 'charge')}:"
    for charge in charges:
        yield (
            f"  {charge.campaign}/{charge.clip_id}: {dollars(charge.reserved_usd)}, {charge.state} since "
            f"{charge.planned_at:%Y-%m-%d}. {charge.sentence or ''}".rstrip()
        )
        yield f"    surely not billed? aurora release {charge.charge_id}"


def _reserved(charges: Sequence[Charge]) -> Decimal:
    return sum((charge.reserved_usd for charge in charges), Decimal(0))


# ---- the breaker
def close_breaker(settings: Settings, reason: str, *, by: str, is_agreed: bool) -> None:
    """A person lets buying go on; the ledger keeps who and why. Raises `AuroraError` when nobody agrees."""
    ledger = open_ledger(settings.ledger)
    trips = breaker.open_trips(ledger, "fal")
    if not trips:
        click.echo("Buying is not stopped. Nothing was changed.")
        return
    for trip in trips:
        click.echo(trip.sentence)
    assert_agreed(
        f"May buying from fal go on, in the name of {by}?",
        is_agreed=is_agreed,
        nobody=AuroraError("This lets buying go on and nobody is here to agree; add --yes. Nothing was changed."),
        declined=AuroraError("Buying stays stopped. Nothing was changed."),
    )
    breaker.close(ledger, "fal", by=by, reason=reason)
    click.echo(f"Buying may go on. The ledger keeps {by}'s reason: {reason.strip()}")
