"""The queue: first in, first out, as many at once as there are render workers.

    IN_QUEUE -> IN_PROGRESS -> COMPLETED      (there is no FAILED: a failed request is COMPLETED with a refusal)

State lives in the book; this module moves it. A request is billed in the transaction that completes it, so a studio
that dies in the middle renders it again and bills it once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..gear.probe import probe
from . import inputs
from .aurora import BLAMED_ON, Refusal, Refused, cancelled, internal_error, refuse, validate
from .book import Book, Request
from .pricing import Prices
from .renderer import Order, RenderRefused, Worker, WorkerDied
from .storage import Files

FRAMES_PER_LOG = 25  # one log entry a second of video is enough to watch

log = logging.getLogger(__name__)


class News:
    """Wakes everybody who waits for the next change. Nothing is missed as long as one looks, then waits, in one go."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        told, self._event = self._event, asyncio.Event()
        told.set()

    async def wait(self, seconds: float | None = None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)


@dataclass(frozen=True)
class Rendered:
    """A finished file, not yet stored; ``seconds`` of its picture as measured."""

    file: Path
    resolution: str
    seconds: float


class Jobs:
    """Takes requests in, renders them, answers how they are doing."""

    def __init__(self, *, book: Book, files: Files, prices: Prices, workers: Sequence[Worker], bench: Path) -> None:
        self.book = book
        self.files = files
        self.prices = prices
        self.workers = workers
        self.bench = bench
        self.news = News()
        self._renders: dict[str, asyncio.Task[Rendered]] = {}
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Put back what a dead studio left unfinished, then begin."""
        if again := self.book.put_back_unfinished():
            log.info("%d unfinished requests are back in the queue", again)
        self._loops = [asyncio.create_task(self._work(worker)) for worker in self.workers]

    async def stop(self) -> None:
        """Stop rendering; what was in progress is put back by the next start."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self.workers))

    # ---- what the routes ask
    def submit(self, endpoint: str, arguments: Any) -> Request:
        """Take a request in. Arguments that Aurora refuses are answered at the result, as fal does."""
        read = validate(arguments)
        request = self.book.add(str(uuid.uuid4()), endpoint, arguments, read if isinstance(read, Refusal) else None)
        log.info("%s %s", request.request_id, "refused" if request.refusal else "queued")
        self.news.tell()
        return request

    def cancel(self, request: Request) -> tuple[int, str]:
        """HTTP status and word of a cancel (for a request that exists)."""
        if request.state == "COMPLETED":
            return 400, "ALREADY_COMPLETED"
        if request.state == "IN_QUEUE":
            self._fail(request, cancelled())
            self.news.tell()
            return 200, "OK"
        if render := self._renders.get(request.request_id):
            render.cancel()
        return 202, "CANCELLATION_REQUESTED"

    # ---- one worker's life
    async def _work(self, worker: Worker) -> None:
        while True:
            if request := self.book.take_next():
                self.news.tell()
                await self._serve(request, worker)
                self.news.tell()
            else:
                await self.news.wait()

    async def _serve(self, request: Request, worker: Worker) -> None:
        """Bring one request to its end, whatever happens to it."""
        try:
            with tempfile.TemporaryDirectory(dir=self.bench) as bench:
                self._complete(request, await self._cancellable(request, worker, Path(bench)))
        except asyncio.CancelledError:
            loop = asyncio.current_task()
            if loop is not None and loop.cancelling():
                raise  # the studio stops; the request stays IN_PROGRESS and is put back at the next start
            self._fail(request, cancelled())
        except Refused as refused:
            self._fail(request, refused.refusal)
        except WorkerDied as died:
            self._fail(request, internal_error(f"The render worker failed: {died}."))
        except Exception:  # the queue must outlive any one request; the trace is in the log
            log.exception("%s failed", request.request_id)
            self._fail(request, internal_error("The studio failed; its log says why."))

    async def _cancellable(self, request: Request, worker: Worker, bench: Path) -> Rendered:
        render = asyncio.create_task(self._render(request, worker, bench))
        self._renders[request.request_id] = render
        try:
            return await render
        finally:
            del self._renders[request.request_id]

    async def _render(self, request: Request, worker: Worker, bench: Path) -> Rendered:
        read = validate(request.arguments)
        if isinstance(read, Refusal):
            raise Refused(read)
        self._log(request, "fetching image and audio")
        portrait = await inputs.fetch(read.image_url, "image_url", bench / "portrait", self.files)
        audio = await inputs.fetch(read.audio_url, "audio_url", bench / "audio", self.files)
        await asyncio.to_thread(inputs.check_portrait, portrait, read.image_url)
        seconds = await asyncio.to_thread(inputs.check_speech, audio, read.audio_url)
        self._log(request, f"rendering {seconds:.1f} s of speech at {read.resolution}")
        order = Order(portrait, audio, bench / "output.mp4", read.resolution)
        try:
            await worker.render(order, self._frame_log(request))
        except RenderRefused as answer:
            raise _blame(answer, read.model_dump()) from answer
        measured = await asyncio.to_thread(probe, order.target)
        return Rendered(order.target, read.resolution, measured.video_seconds)

    def _complete(self, request: Request, made: Rendered) -> None:
        bill = self.prices.bill(made.resolution, made.seconds)
        self._log(request, f"done: {bill.billable_seconds} s would have cost ${bill.usd}")
        file = self.files.adopt(made.file, "output.mp4", "video/mp4")
        self.book.complete(request.request_id, file.file_id, bill)

    def _fail(self, request: Request, refusal: Refusal) -> None:
        self._log(request, f"{refusal.error_type}: {refusal.error}", level="ERROR")
        self.book.fail(request.request_id, refusal)

    def _frame_log(self, request: Request) -> Callable[[int, int], None]:
        last = 0

        def on_frame(frame: int, of: int) -> None:
            nonlocal last
            if frame >= of or frame - last >= FRAMES_PER_LOG:
                last = frame
                self._log(request, f"rendered {frame} of {of} frames")
                self.news.tell()

        return on_frame

    def _log(self, request: Request, message: str, level: str = "INFO") -> None:
        self.book.log(request.request_id, message, level)
        log.info("%s %s", request.request_id, message)


def _blame(answer: RenderRefused, arguments: dict[str, Any]) -> Refused:
    """A worker's typed refusal as a 422 when it is about the inputs, else our fault: 500."""
    if answer.error_type not in BLAMED_ON:
        return Refused(internal_error(f"The render worker failed: {answer.sentence}"))
    return refuse(answer.error_type, answer.sentence, value=arguments[BLAMED_ON[answer.error_type]])
