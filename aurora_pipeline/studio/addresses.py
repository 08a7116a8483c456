"""Where the studio may connect to: the open internet, and nothing of the neighbourhood it runs in.

A host is resolved once, every address it has is judged, and the connection then goes to the number: what a name means
cannot change in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import Any

import httpx


class CannotFetch(Exception):
    """Why a URL is not connected to, or gave nothing; a job's becomes a 422 file_download_error."""


@dataclass(frozen=True)
class Pinned:
    """A URL with its host replaced by an address, and what httpx needs to speak to that host there."""

    url: httpx.URL
    headers: dict[str, str]
    extensions: dict[str, Any]


async def pinned(url: str, *, may_be_here: bool = False) -> Pinned:
    """The URL by number. Raises `CannotFetch` unless every address of its host is of the open internet.

    With ``may_be_here`` loopback is allowed as well.
    """
    there = httpx.URL(url)
    address = await _address(there, may_be_here=may_be_here)
    return Pinned(there.copy_with(host=address), {"Host": there.netloc.decode("ascii")}, {"sni_hostname": there.host})


async def _address(url: httpx.URL, *, may_be_here: bool) -> str:
    if url.scheme not in ("http", "https") or not url.host:
        raise CannotFetch("it is not an http, https or data URL")
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise CannotFetch(f"the host '{url.host}' is not known") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(_is_allowed(address, may_be_here=may_be_here) for address in addresses):
        raise CannotFetch(f"the host '{url.host}' is not on the open internet")
    return addresses[0]


def _is_allowed(address: str, *, may_be_here: bool) -> bool:
    number = ipaddress.ip_address(address.partition("%")[0])
    bare = getattr(number, "ipv4_mapped", None) or number
    return bool((bare.is_global and not bare.is_multicast) or (may_be_here and bare.is_loopback))
