"""ASGI middleware that does to requests and answers what the scenario says. Behind the gate: paths name fal's hosts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import broken_answers as answers
from .broken_answers import Answer
from .fault_kinds import KINDS
from .faults import Faults, Strike, die
from .places import place_of

Drop = Callable[[tuple[str, int]], None]


@dataclass(frozen=True)
class Exchange:
    """One request on its way through."""

    scope: Scope
    receive: Receive
    send: Send
    app: ASGIApp
    drop: Drop

    async def read(self) -> None:
        """Take the request's body in, so that a client always fails at the answer, never while it still sends."""
        while (message := await self.receive())["type"] == "http.request" and message.get("more_body"):
            pass

    async def close(self) -> None:
        """Close the connection, and be done when it is gone."""
        self.drop(self.scope["client"])
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def answered(self) -> Answer:
        """What the studio answers, held back."""
        held = _Held()
        await self.app(self.scope, self.receive, held.send)
        return held.answer()

    async def tell(self, answer: Answer) -> None:
        """Send an answer, or as much of it as is to come."""
        if answer.is_lost:
            await self.close()
            return
        await self.send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        is_cut = answer.sent_bytes is not None
        await self.send({"type": "http.response.body", "body": answer.body[: answer.sent_bytes], "more_body": is_cut})
        if is_cut:
            await self.close()


@dataclass
class _Held:
    start: Message = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.parts.append(message.get("body", b""))

    def answer(self) -> Answer:
        return Answer(self.start["status"], tuple(self.start["headers"]), b"".join(self.parts))


class Breaking:
    """Applies the faults that strike a request; a request without any passes untouched."""

    def __init__(self, app: ASGIApp, faults: Faults, drop: Drop) -> None:
        self.app = app
        self.faults = faults
        self.drop = drop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place, job = place_of(scope["method"], scope["path"]) if scope["type"] == "http" else ("", None)
        strikes = self.faults.strikes(place, job) if place else []
        if not strikes:
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, self.app, self.drop)
        record = partial(self._record, strikes, job, scope)
        if place == "stream":
            record(None)
            await self._stream(exchange, strikes)
        else:
            await self._answer(exchange, strikes, record)

    def _record(self, strikes: Sequence[Strike], job: str | None, scope: Scope, answer: Answer | None) -> None:
        request_id = job or (answer.header("x-fal-request-id") if answer else None)
        for strike in strikes:
            self.faults.record(strike, request_id=request_id, method=scope["method"], path=scope["path"])

    async def _answer(
        self, exchange: Exchange, strikes: Sequence[Strike], record: Callable[[Answer | None], None]
    ) -> None:
        last = strikes[-1].fault
        is_done = not KINDS[last.name].ends or last.name == "lose_answer" or bool(last.options.get("after"))
        answer = await exchange.answered() if is_done else None
        if answer is None:
            await exchange.read()
        record(answer)
        if (answer := await self._ending(exchange, strikes[-1], answer)) is None:
            return
        for strike in strikes:
            answer = answers.changed(answer, strike.fault.name, strike.fault.options)
        if answer.delay_seconds:
            await self.faults.pause(answer.delay_seconds)
        await exchange.tell(answer)

    async def _ending(self, exchange: Exchange, strike: Strike, answer: Answer | None) -> Answer | None:
        """The answer that the last fault puts in place of the studio's; None when the exchange is over."""
        fault, scope = strike.fault, exchange.scope
        if fault.name == "die":
            die()
        if fault.name == "hang":
            await self._hang(exchange)
        if fault.name in ("lose_request", "hang"):
            await exchange.close()
            return None
        if fault.name == "redirect":
            # without a base the client knows us by fal's own host names, the first part of the path here
            path = f"{scope['state']['way_in'].base or 'https:/'}{scope['path']}"
            return answers.redirected(fault.options, path=path, query=scope["query_string"].decode("latin-1"))
        return _instead(fault.name, fault.options) or answer

    async def _hang(self, exchange: Exchange) -> None:
        """Until the client leaves or the scenario is over."""
        waits = [asyncio.ensure_future(exchange.receive()), asyncio.ensure_future(self.faults.pause(None))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _stream(self, exchange: Exchange, strikes: Sequence[Strike]) -> None:
        """Server-sent events are changed as they come; nothing is done by them that could be lost."""
        ending = strikes[-1]
        if KINDS[ending.fault.name].ends and ending.fault.name != "lose_answer":
            if (answer := await self._ending(exchange, ending, None)) is not None:
                await exchange.tell(answer)
            return
        for strike in strikes:
            if strike.fault.name == "late_answer":
                await self.faults.pause(strike.fault.options["seconds"])
        await exchange.app(exchange.scope, exchange.receive, _Events(exchange, strikes).send)


class _Events:
    """Sends the events of one stream on, changed."""

    def __init__(self, exchange: Exchange, strikes: Sequence[Strike]) -> None:
        self.exchange = exchange
        self.strikes = strikes
        self.is_closed = False

    async def send(self, message: Message) -> None:
        if self.is_closed:
            return
        if message["type"] == "http.response.start":
            await self.exchange.send({**message, "headers": list(self._broken(message["headers"]).headers)})
            return
        event = self._event(message.get("body", b""))
        if event.is_lost or event.sent_bytes is not None:
            self.is_closed = True
            await self.exchange.send({**message, "body": event.body[: event.sent_bytes or 0], "more_body": True})
            self.exchange.drop(self.exchange.scope["client"])
            return
        await self.exchange.send({**message, "body": event.body})

    def _broken(self, headers: Sequence[tuple[bytes, bytes]]) -> Answer:
        """The stream's head: only the clock changes it."""
        answer = Answer(200, tuple(headers), b"")
        for strike in self.strikes:
            if strike.fault.name == "clock":
                answer = answers.changed(answer, "clock", strike.fault.options)
        return answer

    def _event(self, body: bytes) -> Answer:
        if not body.startswith(b"data: "):
            return Answer(200, (), body)
        answer = Answer(200, (), body.removeprefix(b"data: ").strip())
        for strike in self.strikes:
            answer = answers.changed(answer, strike.fault.name, strike.fault.options)
        return replace(answer, body=b"data: " + answer.body + b"\n\n")


def _instead(name: str, options: answers.Options) -> Answer | None:
    if name == "answer":
        return answers.other(options)
    if name == "locked":
        return answers.other({"status": 403})
    if name == "expired":
        return answers.other({"status": 404, "detail": answers.EXPIRED})
    if name == "file_gone":
        return answers.other({"status": options["status"], "body": "html"})
    return None


class Dated:
    """ASGI middleware: the Date header, once, and where a fault has set it, that one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._second, self._text = 0, b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start" and not any(name == b"date" for name, _ in message["headers"]):
                message["headers"] = [*message["headers"], (b"date", self._now())]
            await send(message)

        await self.app(scope, receive, dated if scope["type"] == "http" else send)

    def _now(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, answers.http_date(second).encode()
        return self._text
