"""One partition a campaign; its key is the campaign folder's name.

A clip is a row, never a partition: a page of 20 campaigns of 5,000 clips would hold more keys than Dagster's page can.
"""

import dagster as dg

# Partition sets are global to a Dagster instance, hence the prefix (dagster#29693).
campaigns = dg.DynamicPartitionsDefinition(name="aurora_campaigns")


def registered(instance: dg.DagsterInstance) -> list[str]:
    """Names of the campaigns that are partitions already."""
    return sorted(instance.get_dynamic_partitions("aurora_campaigns"))
