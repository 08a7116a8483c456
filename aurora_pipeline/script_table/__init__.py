"""campaign.yaml + scripts.csv -> Script.  The whole table is validated before anything runs."""

from .campaigns import campaign_names, campaign_sha256, read_campaign
from .portraits import portrait_file
from .recordings import recording_file
from .records import Campaign, DeliverySettings, Script
from .starter import new_campaign

__all__ = [
    "Campaign",
    "DeliverySettings",
    "Script",
    "campaign_names",
    "campaign_sha256",
    "new_campaign",
    "portrait_file",
    "read_campaign",
    "recording_file",
]
