"""`aurora up`: Dagster's web page and daemon on a home that lasts."""

from __future__ import annotations

import sys

import click

from ..settings import from_environment


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port on 127.0.0.1.")
def up(*, port: int) -> None:
    """Start Dagster for this folder: campaigns as partitions, backfills, checks. Ctrl-C stops it."""
    from ..orchestration.up import up as start

    sys.exit(start(from_environment(), port=port))
