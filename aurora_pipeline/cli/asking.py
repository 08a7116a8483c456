"""A person's yes, and who the person is."""

from __future__ import annotations

import getpass
import sys

import click

from ..errors import AuroraError, BadSetting
from ..gear.fal_answers import plain

LONGEST_NAME = 100


def assert_agreed(question: str, *, is_agreed: bool, nobody: AuroraError, declined: AuroraError) -> None:
    """Ask on stderr and raise ``declined`` unless the answer is yes; ``nobody`` where there is nobody to ask."""
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise nobody
    if not click.confirm(question, default=False, err=True):
        raise declined


def person(by: str | None) -> str:
    """Who decides: the name given, or the login name. Raises `BadSetting` where there is neither."""
    if by is not None and plain(by):
        return plain(by)[:LONGEST_NAME]
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise BadSetting("This machine does not say who you are; add --by NAME. Nothing was changed.") from error
