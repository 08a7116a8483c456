"""What Dagster loads: `dagster-webserver -w workspace.yaml`, `dg dev` and `aurora up` all come in here."""

from typing import Any

import dagster as dg

from .orchestration import assets, checks
from .orchestration.inbox import campaign_inbox
from .orchestration.jobs import prepare_campaign, run_campaign
from .orchestration.nightly import nightly_campaigns
from .orchestration.reconciliation import bill_reconciliation, reconcile_bills, reconcile_bills_job
from .orchestration.resources import Aurora


def build_defs(**overrides: Any) -> dg.Definitions:
    """The code location. ``overrides`` are fields of `Aurora`: tests hand in cheap stages and their own settings."""
    return dg.Definitions(
        assets=[*dg.load_assets_from_modules([assets]), bill_reconciliation],
        asset_checks=dg.load_asset_checks_from_modules([checks]),
        jobs=[prepare_campaign, run_campaign, reconcile_bills_job],
        sensors=[campaign_inbox],
        schedules=[nightly_campaigns, reconcile_bills],
        resources={"aurora": Aurora(**overrides)},
        # The graph is a chain, so steps gain nothing from processes of their own; and a killed run then leaves no
        # orphaned step behind that goes on spending (reference/dagster.md 3.2).
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Loaded by Dagster; nothing is read before this."""
    return build_defs()
