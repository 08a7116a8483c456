"""`aurora studio`: the local stand-in for fal, in the foreground."""

from __future__ import annotations

import subprocess
import sys

import click

from ..settings import from_environment


@click.command()
@click.option("--port", default=8765, show_default=True, help="Port on 127.0.0.1.")
def studio(*, port: int) -> None:
    """Run the local studio: fal's protocol on loopback, free drafts. The pipeline starts its own when it needs one."""
    settings = from_environment()
    command = [
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
    try:
        sys.exit(subprocess.run(command, check=False).returncode)
    except KeyboardInterrupt:
        sys.exit(0)
