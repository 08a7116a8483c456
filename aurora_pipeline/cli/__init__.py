"""People's door: the `aurora` command.

stdout is the answer, stderr is the talk. Exit 0: done; 1: an error with a sentence; 2: wrong usage; 130 and 143:
stopped by Ctrl-C and SIGTERM. Nothing heavy is imported before a command runs, so that `aurora --help` answers at once.
"""

from __future__ import annotations

import importlib
import sys

import click

from .. import __version__
from ..errors import AuroraError
from .stopping import STOPPED, Stop

# Command -> module of this package that holds it, in the order people meet them.
COMMANDS = {
    "demo": "run",
    "run": "run",
    "new": "campaigns",
    "check": "campaigns",
    "voices": "voices",
    "quote": "quote",
    "approve": "approve",
    "waive": "waive",
    "budget": "budget",
    "ask": "ask",
    "release": "release",
    "reconcile": "reconcile",
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
    """Entry point: turns our errors into sentences and exit codes, and a signal into an orderly end."""
    stop = Stop()
    with stop.listening():
        try:
            aurora(standalone_mode=False, obj=stop)
        except BaseException as ended:  # noqa: BLE001 - a library may have made anything of the interrupt
            if stop.was_asked:
                click.echo(f"\n{stop.sentence()}", err=True)
                stop.leave()
            sys.exit(_told(ended))


def _told(ended: BaseException) -> int:
    """The exit code of a command that did not end by itself, once its reason is told. What is a bug is raised again."""
    match ended:
        case click.exceptions.Exit():
            return ended.exit_code
        case click.ClickException():
            ended.show()
            return ended.exit_code
        case click.Abort():  # the question was answered by the end of the input
            click.echo(f"\n{STOPPED}", err=True)
            return 130
        case AuroraError():
            click.echo(str(ended), err=True)
            return 1
        case OSError():  # a full or read-only disk, a folder that is a file: the user's to mend, not a bug
            click.echo(_unusable(ended), err=True)
            return 1
    raise ended


def _unusable(error: OSError) -> str:
    where = f"{error.filename} cannot be used" if error.filename else "The disk cannot be used"
    return (
        f"{where} ({error.strerror or type(error).__name__}); free it, or set AURORA_OUTPUT to a folder that can "
        "be written. What was bought before is kept."
    )
