"""`aurora studio`: the local stand-in for fal, in the foreground."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..settings import Settings, from_environment


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--scenario",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of faults to inject: see how your own campaign survives them.",
)
@click.option("--instant", is_flag=True, help="Still DRAFT cards at next to no CPU, for load tests.")
@click.option("--latency", type=click.FloatRange(min=0), help="With --instant: seconds a request takes.")
@click.option("--concurrency", type=click.IntRange(min=1), help="With --instant: how many at the same time.")
def studio(*, port: int, scenario: Path | None, instant: bool, latency: float | None, concurrency: int | None) -> None:
    """Run the local studio: fal's protocol on loopback, free drafts. The pipeline starts its own when it needs one."""
    if not instant and (latency is not None or concurrency is not None):
        raise click.UsageError("--latency and --concurrency go with --instant; add it.")
    options = {"--scenario": scenario, "--latency": latency, "--concurrency": concurrency}
    said = [text for name, value in options.items() if value is not None for text in (name, str(value))]
    command = [*_command(from_environment(), port), *(["--instant"] if instant else []), *said]
    os.execv(command[0], command)  # noqa: S606 - this program becomes it: signals and its exit code need no messenger


def _command(settings: Settings, port: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "aurora_pipeline.studio",
        "--folder",
        str(settings.studio_folder),
        "--price-book",
        str(settings.price_book),
        "--port",
        str(port),
        "--workers",
        str(settings.requests_in_flight),
    ]
