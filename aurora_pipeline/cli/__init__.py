"""People's door: the `aurora` command.

stdout is the answer, stderr is the talk. Exit 0: done; 1: an error with a sentence; 2: wrong usage. Nothing heavy is
imported before a command runs, so that `aurora --help` answers at once.
"""

from __future__ import annotations

import importlib
import sys

import click

from .. import __version__
from ..errors import AuroraError

# Command -> module of this package that holds it, in the order people meet them.
COMMANDS = {
    "demo": "run",
    "run": "run",
    "new": "campaigns",
    "check": "campaigns",
    "quote": "quote",
    "ask": "ask",
    "release": "release",
    "up": "up",
    "studio": "studio",
}


class _Lazy(click.Group):
    """Lists every command without importing it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f".{COMMANDS[cmd_name]}", __name__), cmd_name)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aurora")
def aurora() -> None:
    """Scripts in, finished talking-avatar videos out; every second traced to its row, cost and quality.

    Drafts from the local studio are free and need no key. Paid video needs AURORA_PROVIDER=fal, FAL_KEY and a
    budget_usd in the campaign.
    """


def main() -> None:
    """Entry point: turns our errors into sentences and exit codes."""
    try:
        aurora(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nStopped. What was finished is kept and nothing is bought twice; run again to go on.", err=True)
        sys.exit(130)
    except AuroraError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except OSError as error:  # a full or read-only disk, a folder that is a file: the user's to mend, not a bug
        where = f"{error.filename} cannot be used" if error.filename else "The disk cannot be used"
        click.echo(
            f"{where} ({error.strerror or type(error).__name__}); free it, or set AURORA_OUTPUT to a folder that can "
            "be written. What was bought before is kept.",
            err=True,
        )
        sys.exit(1)
