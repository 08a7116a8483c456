"""The real fal-client, made safe for paid work with public names only (reference/fal_contract.md, findings 2 to 8).

* One submit is one POST. fal-client repeats its POST up to ten times; a request hook on the client's own httpx client
  raises on the second, with an exception that its retry loop does not catch.
* The answer is handed to `on_reply` (which writes it down) before fal-client itself sees it.
* URLs are rebuilt from the request id, so the key goes to no host that an answer names; nor does it go to the backup
  domain that fal-client tries by itself.
* With ``base_url`` every fal host is reached at ``base_url/<host>/...`` instead: the local studio.

Nothing here retries a submit. Reads (`state`, `result`) raise `Unreachable` on a passing fault; the caller waits.
"""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import fal_client
import httpx

from ..errors import AuroraError, BadSetting, OutcomeUnknown, RequestRefused, VideoUnusable
from .fal_answers import (
    BUSY_SECONDS,
    MALFORMED,
    Gone,
    RequestState,
    Result,
    Unreachable,
    busy_seconds,
    host_in,
    is_the_models,
    model_refusal,
    name_of,
    names_a_file,
    read_failure,
    reason_in,
    request_id_in,
    result_in,
    state_in,
    submit_refusal,
)
from .fal_platform import Platform

FAL_HOSTS = ("queue.fal.run", "fal.run", "rest.fal.ai", "v3.fal.media", "api.fal.ai")
MEDIA_HOSTS = ("fal.media", "fal.ai", "storage.googleapis.com")  # and their subdomains
STUDIO_KEY = "local-studio"
MAX_VIDEO_BYTES = 2 * 1024**3
DOWNLOAD_SECONDS = 120  # without a byte
READ_SECONDS = 30.0
START_TIMEOUT_SECONDS = 2 * 3600  # how long an orphan may wait in the queue; settings.py bounds the horizon by it


@dataclass
class _Submit:
    """One logical submit as it happens on the wire."""

    before_post: Callable[[], None]
    on_reply: Callable[[str, str], None]
    posts: int = 0
    bytes_were_sent: bool = False
    status_code: int | None = None
    request_id: str | None = None
    busy_seconds: float = BUSY_SECONDS

    def why_not_again(self) -> AuroraError:
        """The truth about the first POST, told instead of a second one."""
        if self.status_code == 429:
            return RequestRefused(
                "fal is busy (429) and took nothing; run again later. Nothing was spent.",
                busy_seconds=self.busy_seconds,
            )
        if self.status_code is None and not self.bytes_were_sent:
            return RequestRefused(
                "fal could not be reached, so nothing was sent; check the network and run again. Nothing was spent."
            )
        seen = f"HTTP {self.status_code}" if self.status_code else "the connection broke"
        return OutcomeUnknown(
            f"The request was sent and its answer was lost ({seen}), so it may have been accepted. "
            "Its money stays reserved; the next run looks it up at fal before anything else."
        )


@dataclass
class FalConnection:
    """A fal_client.SyncClient with the guards above. Safe to share between threads."""

    client: fal_client.SyncClient
    base_url: str = ""
    _thread: threading.local = field(default_factory=threading.local, repr=False)

    def __post_init__(self) -> None:
        self._http = route(self.client, self.base_url)
        self._http.event_hooks["request"].insert(0, self._guard_request)
        self._http.event_hooks["response"].append(self._keep_reply)
        # Reads need none of fal-client's repeating and backing up, and its two layers of httpx cost twice one's CPU.
        patience = min(READ_SECONDS, self.client.default_timeout)
        self._reads = httpx.Client(headers=self._http.headers, timeout=patience, trust_env=not self.base_url)
        self._reads.event_hooks = {"request": [*_rerouting(self.base_url), self._assert_is_fals]}

    # ---- the paid call
    def submit(
        self,
        endpoint: str,
        arguments: dict[str, Any],
        *,
        before_post: Callable[[], None],
        on_reply: Callable[[str, str], None],
    ) -> str:
        """Send one request, once; returns its request id.

        ``before_post()`` runs as the last act before the wire; ``on_reply(request_id, body)`` before fal-client sees
        the answer. Raises `RequestRefused` when nothing was accepted, `OutcomeUnknown` when it may have been.
        """
        self._thread.submit = submit = _Submit(before_post, on_reply)
        try:
            self.client.submit(endpoint, arguments, start_timeout=START_TIMEOUT_SECONDS)
        except fal_client.FalClientHTTPError as error:
            raise submit_refusal(error) from None
        except (httpx.HTTPError, *MALFORMED):
            raise submit.why_not_again() from None
        finally:
            self._thread.submit = None
        if submit.request_id is None:
            raise submit.why_not_again()
        return submit.request_id

    def _guard_request(self, request: httpx.Request) -> None:
        submit: _Submit | None = getattr(self._thread, "submit", None)
        if request.method != "POST":
            submit = None
        request.extensions["trace"] = functools.partial(self._watch, submit)
        if request.method == "PUT":  # fal-client waits for ever on an upload that hangs
            request.extensions["timeout"] = httpx.Timeout(self.client.default_timeout).as_dict()
        if submit is None:
            return
        if submit.posts:
            raise submit.why_not_again()
        submit.posts = 1
        submit.before_post()

    def _watch(self, submit: _Submit | None, event: str, info: Mapping[str, Any]) -> None:
        """httpcore's public trace: the last moment at which it is certain that nothing left this machine."""
        if not event.endswith("send_request_headers.started") or info["request"].method == b"CONNECT":
            return  # a proxy is asked for a tunnel without the key
        # fal-client tries queue.falrun.com with the same headers when queue.fal.run cannot be connected to. Whoever
        # may be there, our settings do not name them, so the key does not go.
        host = info["request"].url.host.decode("ascii")
        if not self._is_fals(host):
            raise submit.why_not_again() if submit else _foreign(host)
        if submit is not None:
            submit.bytes_were_sent = True

    def _is_fals(self, host: str) -> bool:
        return host in (*FAL_HOSTS, urlsplit(self.base_url).hostname)

    def _assert_is_fals(self, request: httpx.Request) -> None:
        """The key goes with every read: fal-client makes these URLs too, from the environment among other things."""
        if not self._is_fals(request.url.host):
            raise _foreign(request.url.host)

    def _keep_reply(self, response: httpx.Response) -> None:
        submit: _Submit | None = getattr(self._thread, "submit", None)
        if submit is None or response.request.method != "POST":
            return
        submit.status_code = response.status_code
        submit.busy_seconds = busy_seconds(response)
        if response.status_code == 200:
            body = response.read().decode("utf-8", "replace")
            submit.request_id = request_id_in(body)
            if submit.request_id is not None:
                submit.on_reply(submit.request_id, body)

    # ---- reads
    def state(self, endpoint: str, request_id: str) -> RequestState:
        """Where the request is in the queue. Raises `Unreachable` on any passing fault, `Gone` when it is forgotten.

        fal-client's own status would repeat a failed poll for a minute, deaf to being stopped.
        """
        try:
            response = self._reads.get(self.client.get_handle(endpoint, request_id).status_url)
        except httpx.HTTPError as error:
            raise Unreachable(f"fal did not say how the request is doing ({name_of(error)}).") from None
        if response.status_code not in (200, 202):
            raise read_failure(response.status_code, "did not say how the request is doing")
        return state_in(response)

    def result(self, endpoint: str, request_id: str, *, has_failed: bool) -> Result:
        """The finished job's answer.

        Raises `RequestRefused` with the model's reason when the job failed, `Gone` when the result has expired, and
        `Unreachable` on a passing fault: a gateway's answer is never taken for the model's. What names a file is a
        result whatever the status said.
        """
        try:
            response = self._reads.get(self.client.get_handle(endpoint, request_id).response_url)
        except httpx.HTTPError as error:
            raise Unreachable(f"fal did not hand out the result ({name_of(error)}).") from None
        if response.status_code == 200:
            result = result_in(response)
            if not has_failed or names_a_file(result.answer):
                return result
        if response.status_code == 422 or (has_failed and is_the_models(response)):
            raise model_refusal(response, is_free=bool(self.base_url))
        raise read_failure(response.status_code, "did not hand out the result")

    def withdraw(self, endpoint: str, request_id: str) -> bool:
        """Take a request out of the queue; True when fal says that it will not run (and so is not billed).

        Anything else is False: a running job is never signalled on purpose, because fal may bill it all the same.
        """
        try:
            if not self.state(endpoint, request_id).is_queued:
                return False
            answer = self._reads.put(self.client.get_handle(endpoint, request_id).cancel_url)
            return answer.status_code == 200 and answer.json().get("status") == "OK"
        except (AuroraError, httpx.HTTPError, *MALFORMED):
            return False

    @property
    def platform(self) -> Platform:
        """fal's own records: prices, requests and bills."""
        return Platform(self._reads, is_fal=not self.base_url)

    # ---- media
    def upload(self, data: bytes, *, content_type: str, file_name: str) -> str:
        """Store bytes at the provider; returns their URL. Raises `RequestRefused`: nothing was bought yet."""
        kind = {"image": "portrait", "audio": "speech"}.get(content_type.partition("/")[0], "file")
        try:
            # No fall-back repository: it would send the key along with the bytes to a third host (fal_contract.md 7).
            repository: Literal["fal", "fal_v3"] = "fal" if self.base_url else "fal_v3"
            return str(self.client.upload(data, content_type, file_name, repository=repository, fallback_repository=[]))
        except fal_client.FalClientHTTPError as error:
            # Never a doubt: an upload buys nothing, whatever became of it.
            why = f"HTTP {error.status_code}: {reason_in(error.response)}"
            raise RequestRefused(
                f"The {kind} could not be uploaded ({why}); run again. Nothing was spent.",
                stops_the_run=error.status_code in (401, 402, 403),
            ) from None
        except (httpx.HTTPError, *MALFORMED) as error:
            raise RequestRefused(
                f"The {kind} could not be uploaded ({name_of(error)}); run again. Nothing was spent."
            ) from None

    def download(self, url: str, target: Path) -> None:
        """Fetch a result's file whole.

        Raises `Gone` when the provider no longer has it, `VideoUnusable` for a host or body that cannot be trusted.
        """
        if not self.may_fetch(url):
            raise VideoUnusable(
                f"The result names a file on '{host_in(url)}', which is not one of fal's hosts; it was not "
                "fetched. The purchase is kept: tell fal, then run again."
            )
        try:
            _stream(self._plain, self._here(url), target)
        except httpx.HTTPStatusError as error:
            if error.response.status_code in (404, 410):
                raise Gone("fal no longer has the file.") from None
            raise VideoUnusable(f"The file could not be downloaded (HTTP {error.response.status_code}).") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise VideoUnusable(f"The file could not be downloaded ({name_of(error)}).") from None

    @functools.cached_property
    def _plain(self) -> httpx.Client:
        """A client without the key, for files. One for all of them: each new one reads the CA bundle, 60 ms of CPU."""
        return httpx.Client(trust_env=not self.base_url, timeout=DOWNLOAD_SECONDS, follow_redirects=False)

    def _here(self, url: str) -> str:
        """A studio's file at the studio's present address: its port is another one after a restart."""
        parts = urlsplit(url)
        if self.base_url and parts.hostname in ("127.0.0.1", "localhost"):
            return f"{self.base_url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return url

    def may_fetch(self, url: str) -> bool:
        """True for a file on one of the provider's own hosts."""
        try:
            parts = urlsplit(self._here(url))
            host = parts.hostname or ""
        except ValueError:  # no URL at all
            return False
        if self.base_url and f"{parts.scheme}://{parts.netloc}" == self.base_url:
            return True
        return parts.scheme == "https" and any(host == known or host.endswith(f".{known}") for known in MEDIA_HOSTS)


def connect(base_url: str = "") -> FalConnection:
    """fal itself with ``FAL_KEY``, or with ``base_url`` the studio that listens there.

    Raises `BadSetting` for a key that cannot be a key; its value is never shown.
    """
    if base_url:
        _keep_loopback_off_proxies()
        return FalConnection(fal_client.SyncClient(key=STUDIO_KEY), base_url)
    key = os.environ.get("FAL_KEY", "")
    if not re.fullmatch(r"[\x21-\x7e]+", key) or key[:1] in "'\"":
        raise BadSetting("FAL_KEY is empty or holds spaces, quotes or line breaks; copy it again. Nothing was spent.")
    client = fal_client.SyncClient(key=key)
    _assert_asks_fal(client)
    return FalConnection(client)


def _assert_asks_fal(client: fal_client.SyncClient) -> None:
    host = host_in(client.get_handle("any/app", "any").status_url)
    if host not in FAL_HOSTS:
        raise BadSetting(
            f"FAL_QUEUE_RUN_HOST or FAL_RUN_HOST sends fal's client to '{host}', and your key with it; unset both. "
            "Nothing was spent."
        )


def _foreign(host: str) -> RequestRefused:
    return RequestRefused(f"fal cannot be reached, and its client's '{host}' is not asked. Nothing was spent.")


def route(client: fal_client.SyncClient, base_url: str) -> httpx.Client:
    """Point an unmodified fal-client at ``base_url``; returns its own httpx client.

    Sends and returns nothing by itself; an empty ``base_url`` changes nothing.
    """
    http: httpx.Client = client.get_handle("any/app", "any").client
    hooks = http.event_hooks
    hooks["request"] = _rerouting(base_url)
    http.event_hooks = hooks
    # httpx hands out the live lists, so that hooks can be added in order
    return http


def _rerouting(base_url: str) -> list[Callable[[httpx.Request], None]]:
    return [lambda request: _to_base(request, base_url)] if base_url else []


def _to_base(request: httpx.Request, base_url: str) -> None:
    if request.url.host in FAL_HOSTS:
        request.url = httpx.URL(f"{base_url}/{request.url.host}{request.url.raw_path.decode('ascii')}")
        request.headers["Host"] = request.url.netloc.decode("ascii")


def _stream(plain: httpx.Client, url: str, target: Path) -> None:
    with plain.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response, target.open("wb") as file:
        response.raise_for_status()
        written = 0
        for chunk in response.iter_bytes():
            written += file.write(chunk)
            if written > MAX_VIDEO_BYTES:
                raise VideoUnusable("The file is larger than 2 GiB; it was not fetched. The purchase is kept.")
    promised = response.headers.get("Content-Length")
    if written == 0 or (promised is not None and int(promised) != written):
        raise VideoUnusable(
            f"The download ended after {written} of {promised} bytes; run again to fetch it again. "
            "It is not bought again."
        )


def _keep_loopback_off_proxies() -> None:
    # fal-client's transport reads proxies from the environment and would send loopback there too.
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        if "127.0.0.1" not in hosts:
            os.environ[name] = ",".join([*hosts, "127.0.0.1"])
