"""campaign.yaml + scripts.csv -> Script.  The whole table is validated before anything runs."""

from .records import Campaign, DeliverySettings, Script

__all__ = ["Campaign", "DeliverySettings", "Script"]
