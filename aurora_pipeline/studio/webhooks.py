"""Completed requests -> signed POSTs to the receivers that their submits named (`?fal_webhook=URL`).

A delivery is written with the completion of its request and tried until a 2xx answers it: once, and ten times more over
two hours. It survives a restart of the studio, and may come twice: a receiver tells by the request id.

Signed as fal signs: Ed25519 over request id, user id, timestamp and the hash of the body, one a line; the public key is
at rest.fal.ai/.well-known/jwks.json. A video's URL names the host by which the request came in, so a receiver without
a proxy needs the studio on a fixed --port when it restarts in between.

Where it may post: the open internet, and this machine, because that is where a developer's receiver runs. A submit
needs a key that no web page can send unasked, redirects are not followed, the body is of our making, and nothing of the
answer is handed to anybody: so a job cannot read this machine by it. Hosts of the local network are refused, as for
inputs.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from ..errors import StudioFailed
from .addresses import CannotFetch, pinned
from .answers import webhook_body
from .book import Book
from .book_tables import now
from .deliveries import Delivery
from .faults import Faults
from .news import News
from .webhook_faults import WebhookTrouble

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DELAYS = tuple(7.0 * 2**number for number in range(10))  # seconds before each repetition: ten in two hours
ANSWER_SECONDS = 15
USER_ID = "local-studio"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SigningKey:
    """The studio's own pair of keys, made once for each folder."""

    private: Ed25519PrivateKey

    @classmethod
    def of(cls, file: Path) -> SigningKey:
        """The key in ``file``, which is made, for its owner's eyes only, when there is none. Raises `StudioFailed`."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if not file.exists():
            _write_private(file, Ed25519PrivateKey.generate())
        try:
            private = serialization.load_pem_private_key(file.read_bytes(), password=None)
        except ValueError:
            private = None
        if not isinstance(private, Ed25519PrivateKey):
            raise StudioFailed(f"{file} is not an Ed25519 key; remove it and start the studio again.")
        return cls(private)

    def jwks(self) -> dict[str, Any]:
        """The public key, as receivers fetch it."""
        x = base64.urlsafe_b64encode(self.private.public_key().public_bytes_raw()).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "x": x}]}

    def headers(self, request_id: str, body: bytes, timestamp: int) -> dict[str, str]:
        """The four headers by which a receiver knows that the body is ours and fresh."""
        signed = "\n".join([request_id, USER_ID, str(timestamp), hashlib.sha256(body).hexdigest()])
        return {
            "X-Fal-Webhook-Request-Id": request_id,
            "X-Fal-Webhook-User-Id": USER_ID,
            "X-Fal-Webhook-Timestamp": str(timestamp),
            "X-Fal-Webhook-Signature": self.private.sign(signed.encode()).hex(),
        }


class Outbox:
    """Sends what is due; ``delays`` are the seconds before each repetition."""

    def __init__(
        self, book: Book, key: SigningKey, *, news: News, delays: Sequence[float] = DELAYS, faults: Faults | None = None
    ) -> None:
        self.faults = faults or Faults()
        self.book = book
        self.key = key
        self.news = news
        self.delays = tuple(delays)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._loop = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop sending; what is under way is due again at the next start."""
        tasks = [*self._under_way.values(), *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            for delivery in self.book.deliveries.due():
                if delivery.request_id not in self._under_way:
                    self._under_way[delivery.request_id] = asyncio.create_task(self._deliver(delivery))
            await self.news.wait(self._seconds_to_next())

    def _seconds_to_next(self) -> float | None:
        # what is under way is due as well; it tells the news when it is done
        next_at = self.book.deliveries.next_at()
        if next_at is None:
            return None
        seconds = (next_at - now()).total_seconds()
        return seconds if seconds > 0 else ANSWER_SECONDS

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            why = await self.send(delivery)
        except Exception as error:  # a delivery that cannot be made must not stop the others; it is tried again
            log.exception("webhook of %s failed", delivery.request_id)
            why = type(error).__name__
        finally:
            del self._under_way[delivery.request_id]
        if why:
            log.info("%s webhook attempt %d failed: %s", delivery.request_id, delivery.attempts + 1, why)
            self.book.deliveries.failed(delivery, why, self.delays)
        else:
            self.book.deliveries.delivered(delivery)
        self.news.tell()

    async def send(self, delivery: Delivery) -> str:
        """Post once; returns why it did not arrive, empty when it did."""
        request = self.book.require(delivery.request_id)
        body = json.dumps(webhook_body(self.book, request)).encode()
        trouble = WebhookTrouble(self.faults, delivery)
        await trouble.wait()
        headers = trouble.signed(self.key.headers(delivery.request_id, body, int(now().timestamp())))
        whys = [await post(delivery.url, body, headers) for _ in range(trouble.times)]
        return whys[0] if whys else ""


async def post(url: str, body: bytes, headers: dict[str, str]) -> str:
    """One POST; returns why it was not taken, empty when it was."""
    try:
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS, follow_redirects=False) as client,
        ):
            there = await pinned(url, may_be_here=True)
            kind = {"Content-Type": "application/json", "User-Agent": "fal-webhooks/local-studio"}
            request = client.build_request(
                "POST", there.url, content=body, headers={**kind, **headers, **there.headers}
            )
            request.extensions |= there.extensions
            answer = await client.send(request, stream=True)
            await answer.aclose()
    except (CannotFetch, TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__
    return "" if answer.is_success else f"its receiver answered HTTP {answer.status_code}"


def _write_private(file: Path, key: Ed25519PrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization

    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    half = file.with_name(f".{file.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
        target.write(pem)
    os.replace(half, file)
