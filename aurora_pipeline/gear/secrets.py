"""Text -> the same text without anything secret.  Every sentence that quotes a provider, a URL or a trace goes through.

Limit: it knows the key of this process's environment and the shapes that secrets travel in; it cannot know others.
"""

from __future__ import annotations

import os
import re

HIDDEN = "***"
KEYS = ("FAL_KEY", "FAL_ADMIN_KEY")
SHORTEST_PART = 6  # characters; a shorter part of a key is no secret, and hiding it would blank ordinary words

_QUERY = re.compile(r"(\w+://[^\s?'\"<>]+)\?[^\s'\"<>]*")  # signatures and tokens live there
_LOGIN = re.compile(r"(\w+://)[^\s/@'\"<>]+@")  # a database URL's user and password
# A header, a line of curl, a dictionary or a list of pairs.
_AUTHORIZATION = re.compile(
    r"(\bauthorization(?:\s*[:=]\s*|['\"]\s*[:=,]\s*)(?:b?['\"])?)(?:(?:key|bearer|basic|token)\s+)?[^\s'\",;)}\]]+",
    re.IGNORECASE,
)


def scrub(text: str) -> str:
    """``text`` without fal's keys (or their part after ``:``), URL queries and logins, and Authorization values."""
    bare = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    bare = _LOGIN.sub(rf"\1{HIDDEN}@", _QUERY.sub(r"\1", bare))
    for name in KEYS:
        for secret in _secrets(os.environ.get(name, "").strip()):
            bare = bare.replace(secret, HIDDEN)
    return bare


def _secrets(key: str) -> list[str]:
    """The whole key first, so that its parts are not hidden one by one. The part before ``:`` only names the key."""
    parts = [part for part in key.split(":")[1:] if len(part) >= SHORTEST_PART]
    return [key, *parts] if key else []
