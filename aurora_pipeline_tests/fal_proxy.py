"""fal's own host names, answered by a local studio: for clients that cannot be told where else to go.

    client --CONNECT queue.fal.run:443--> proxy --TLS, by a throw-away authority--> studio, with the real Host header

A client is pointed here by HTTPS_PROXY and SSL_CERT_FILE alone; nothing of its code is touched. Any host that is not
fal's is refused, so a client under test reaches nothing of the world outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import trustme

FAL_HOSTS = ("queue.fal.run", "fal.run", "rest.fal.ai", "v3.fal.media", "api.fal.ai")
CHUNK_BYTES = 256 * 1024
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FalProxy:
    """A proxy in front of one studio, in a thread of its own for as long as the ``with`` block lasts.

    ``connected`` names the hosts that were asked for, ``refused`` those that are not fal's.
    """

    def __init__(self, studio_url: str, folder: Path) -> None:
        self.studio = (str(urlsplit(studio_url).hostname), int(urlsplit(studio_url).port or 80))
        self.certificates = folder / "throw_away_authority.pem"
        self.connected: list[str] = []
        self.refused: list[str] = []
        self._port = self._tls_port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._is_ready = threading.Event()

    @property
    def environment(self) -> dict[str, str]:
        """All that a client needs to be told."""
        return {"HTTPS_PROXY": f"http://127.0.0.1:{self._port}", "SSL_CERT_FILE": str(self.certificates)}

    def __enter__(self) -> FalProxy:
        self._thread.start()
        assert self._is_ready.wait(20)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._open())
        self._is_ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _open(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.certificates)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*FAL_HOSTS).configure_cert(context)
        # two doors: the one for CONNECT hands raw bytes on to the one that ends TLS
        tls = await asyncio.start_server(self._to_studio, "127.0.0.1", 0, ssl=context)
        plain = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self._port, self._tls_port = (server.sockets[0].getsockname()[1] for server in (plain, tls))

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, *_ = request.split()
            host = target.rpartition(":")[0]
            self.connected.append(host)
            if method != "CONNECT" or host not in FAL_HOSTS:
                self.refused.append(target)
                writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
                writer.close()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _join((reader, writer), await asyncio.open_connection("127.0.0.1", self._tls_port))

    async def _to_studio(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await _join((reader, writer), await asyncio.open_connection(*self.studio))


async def _join(one: Streams, other: Streams) -> None:
    """Carry bytes both ways until either side has ended."""
    await asyncio.gather(_carry(one[0], other[1]), _carry(other[0], one[1]))


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while chunk := await source.read(CHUNK_BYTES):
            target.write(chunk)
            await target.drain()
    target.close()
