"""Dagster's door: Dagster and only Dagster.  No stage imports anything from here.

An asset body gets the campaign, calls one function of `pipeline`, and reports metadata. Nothing is read at import: the
environment is read when a run, a check or a tick starts.

    partitions   one partition a campaign          resources   the core, as assets see it (tests hand in their own)
    assets       the five stages                   checks      what must hold of each, with the reason when it does not
    jobs         prepare (free) and run            inbox       a sensor: a dropped or edited campaign starts by itself
    nightly      a schedule                        progress    `Progress` -> log lines and observations
    reconciliation   the bill beside the ledger and the files: an asset, its check and a schedule
    refusals     our errors -> Failures people can read, and the gates before money
    metadata     rows -> what the page shows       home, up, webserver   what `aurora up` starts

No file here says `from __future__ import annotations`: Dagster 1.13 reads parameter annotations at definition time.
"""
