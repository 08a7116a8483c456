"""Who holds a charge: one process on one machine, and whether it is still there."""

from __future__ import annotations

import os
import socket
import sys


def this_owner() -> str:
    """``host/pid`` of this process."""
    return f"{socket.gethostname()}/{os.getpid()}"


def owner_is_gone(owner: str) -> bool:
    """True only when it is certain: the owner ran on this machine and its process no longer exists.

    Elsewhere (another host, or Windows, where asking would end the process) the charge's lease decides.
    """
    host, _, pid = owner.rpartition("/")
    if host != socket.gethostname() or not pid.isdecimal() or sys.platform == "win32":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
