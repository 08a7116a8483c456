"""The queue: by priority, then first in, first out; as many at once as there are render workers.

    IN_QUEUE -> IN_PROGRESS -> COMPLETED      (there is no FAILED: a failed request is COMPLETED with a refusal)

State lives in the book; this module moves it. A request is billed in the transaction that completes it, so a studio
that dies in the middle renders it again and bills it once. A worker that dies is tried again, unless the client forbade
it; fal tries ten times, but a local renderer that died three times on one request dies of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..gear.probe import probe
from ..models import Model
from . import inputs
from .asked import AskedToHear, AskedToSpeak, read_asked
from .book import Book, Request
from .book_tables import now
from .faults import Faults
from .models import Arguments, read_arguments
from .news import News
from .pricing import Bill, Prices
from .refusals import BLAMED_ON, Refusal, Refused, cancelled, internal_error, refuse
from .render_faults import Broken, RenderLost, Trouble
from .renderer import Order, Renderer, RenderRefused, WorkerDied
from .request_errors import runner_lost, waited_too_long
from .results import Made, stoppable
from .sounds import Sounds
from .storage import Files
from .terms import Terms

BOOK_SECONDS = 1.0  # between two tries to write
FRAMES_PER_LOG = 25  # one log entry a second of video is enough to watch

ATTEMPTS = 3

log = logging.getLogger(__name__)


class Jobs:
    """Takes requests in, renders them, answers how they are doing."""

    def __init__(
        self,
        *,
        book: Book,
        files: Files,
        prices: Prices,
        workers: Sequence[Renderer],
        bench: Path,
        faults: Faults,
        instant_seconds: float | None = None,
    ) -> None:
        self.book = book
        self.files = files
        self.prices = prices
        self.workers = workers
        self.bench = bench
        self.faults = faults
        self.sounds = Sounds(book=book, files=files, prices=prices, instant_seconds=instant_seconds)
        self.news = News()
        self.webhooks = News()  # of requests that ended and have one to be sent
        self._deadlines = News()
        self._calls = asyncio.Semaphore(0)  # one for each submit: it wakes one idle worker, not all of them
        self._renders: dict[str, asyncio.Task[Made]] = {}
        self._troubles: dict[str, Trouble] = {}  # of what is being made
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Put back what a dead studio left unfinished, then begin."""
        if again := self.book.put_back_unfinished():
            log.info("%d unfinished requests are back in the queue", again)
        self.files.sweep()
        self._loops = [asyncio.create_task(self._work(worker)) for worker in self.workers]
        self._loops.append(asyncio.create_task(self._give_up_late()))

    async def stop(self) -> None:
        """Stop rendering; what was in progress is put back by the next start."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self.workers))

    # ---- what the routes ask
    def submit(self, endpoint: str, arguments: Any, terms: Terms | None = None) -> Request:
        """Take a request in. Arguments that the model refuses are answered at the result, as fal does."""
        read = self._read(endpoint, arguments)
        refusal = read if isinstance(read, Refusal) else None
        request = self.book.add(str(uuid.uuid4()), endpoint, arguments, refusal, terms)
        log.info("%s %s", request.request_id, "refused" if request.refusal else "queued")
        self.news.tell()
        self._tell_webhook(request)
        self._calls.release()
        if request.terms.start_seconds is not None:
            self._deadlines.tell()
        return request

    def cancel(self, request: Request) -> tuple[int, str]:
        """HTTP status and word of a cancel (for a request that exists)."""
        if request.state == "COMPLETED":
            return 400, "ALREADY_COMPLETED"
        if request.state == "IN_QUEUE":
            self._fail(request, cancelled())
            self.news.tell()
            return 200, "OK"
        trouble = self._troubles.get(request.request_id)
        if (render := self._renders.get(request.request_id)) and not (trouble and trouble.ignores_cancel):
            render.cancel()
        return 202, "CANCELLATION_REQUESTED"

    async def _give_up_late(self) -> None:
        """End what its client no longer wants to be started."""
        while True:
            late = self.book.waited_too_long()
            for request in late:
                self._fail(request, waited_too_long(request.terms.start_seconds))
            if late:
                self.news.tell()
            deadline = self.book.next_deadline()
            await self._deadlines.wait(None if deadline is None else (deadline - now()).total_seconds())

    # ---- one worker's life
    async def _work(self, worker: Renderer) -> None:
        while True:
            request = None
            try:
                if request := self.book.take_next():
                    self.news.tell()
                    await self._serve(request, worker)
                    self.news.tell()
                else:
                    await self._calls.acquire()
            except sqlite3.Error:  # a full disk, or somebody else's lock: the queue outlives that too
                log.exception("the studio's book could not be written; it is tried again")
                await self._begin_again(request)

    async def _begin_again(self, request: Request | None) -> None:
        """A request whose end could not be written waits again, as soon as the book can be written."""
        while True:
            await asyncio.sleep(BOOK_SECONDS)
            with contextlib.suppress(sqlite3.Error):
                if request is not None:
                    self.book.put_back(request.request_id)
                return

    async def _serve(self, request: Request, worker: Renderer) -> None:
        """Bring one request to its end, whatever happens to it."""
        try:
            with tempfile.TemporaryDirectory(dir=self.bench) as bench:
                self._complete(request, await self._cancellable(request, worker, Path(bench)))
        except asyncio.CancelledError:
            loop = asyncio.current_task()
            if loop is not None and loop.cancelling():
                raise  # the studio stops; the request stays IN_PROGRESS and is put back at the next start
            trouble = self._troubles.get(request.request_id)
            self._fail(request, cancelled(), trouble.bill_of_cancel() if trouble else None)
        except RenderLost:
            self._log(request, "the rendering was lost; it waits again", level="ERROR")
            self.book.put_back(request.request_id)
        except Refused as refused:
            self._fail(request, refused.refusal, refused.bill if isinstance(refused, Broken) else None)
        except WorkerDied as died:
            self._lose(request, str(died))
        except Exception:  # the queue must outlive any one request; the trace is in the log
            log.exception("%s failed", request.request_id)
            self._fail(request, internal_error("The studio failed; its log says why."))
        finally:
            self._troubles.pop(request.request_id, None)

    async def _cancellable(self, request: Request, worker: Renderer, bench: Path) -> Made:
        render = asyncio.create_task(self._make(request, worker, bench))
        self._renders[request.request_id] = render
        try:
            return await render
        finally:
            del self._renders[request.request_id]

    async def _make(self, request: Request, worker: Renderer, bench: Path) -> Made:
        read = self._read(request.endpoint, request.arguments)
        if isinstance(read, Refusal):
            raise Refused(read)
        if isinstance(read, Arguments):
            return await self._render(request, read, worker, bench)
        self._log(request, "speaking" if isinstance(read, AskedToSpeak) else "listening")
        return await self.sounds.make(read, bench, self._trouble(request))

    def _trouble(self, request: Request) -> Trouble:
        trouble = self._troubles[request.request_id] = Trouble(self.faults, request.request_id)
        return trouble

    async def _render(self, request: Request, read: Arguments, worker: Renderer, bench: Path) -> Made:
        self._log(request, "fetching image and audio")
        portrait = await inputs.fetch(read.image, read.model.fields["image"], bench / "portrait", self.files)
        audio = await inputs.fetch(read.audio, read.model.fields["audio"], bench / "audio", self.files)
        await asyncio.to_thread(inputs.check_portrait, portrait, read)
        seconds = await asyncio.to_thread(inputs.check_speech, audio, read)
        self._log(request, f"rendering {seconds:.1f} s of speech at {read.resolution}")
        trouble = self._trouble(request)
        await trouble.begin(lambda: self.prices.bill(read.model, read.resolution, seconds))
        order = Order(portrait, audio, bench / "output.mp4", read.drawn_resolution, request.started_at)
        try:
            made = await worker.render(order, self._frame_log(request))
        except RenderRefused as answer:
            raise _blame(answer, read) from answer
        if made is None or trouble.strikes:
            made = await stoppable(partial(trouble.spoil, order.target, _picture_seconds))
        bill = self.prices.bill(read.model, read.resolution, made)
        return Made(order.target, "output.mp4", "video/mp4", bill, trouble, None, f"{bill.billable_seconds} s")

    def _read(self, endpoint: str, arguments: Any) -> Arguments | AskedToSpeak | AskedToHear | Refusal:
        model = self.prices.model(endpoint)
        if model is None:  # it was taken out of the table or the price book since
            return internal_error(f"This studio has no model {endpoint} any more.")
        return read_arguments(model, arguments) if isinstance(model, Model) else read_asked(model, arguments)

    def _complete(self, request: Request, made: Made) -> None:
        bill = made.trouble.billed(made.bill)
        self._log(request, f"done: {made.what} would have cost ${bill.usd}" if bill else "done: no bill")
        file_id = None
        if made.file is not None:
            life = request.terms.file_seconds
            file_id = self.files.adopt(made.file, made.name, made.content_type, life).file_id
        self.book.complete(request.request_id, file_id, bill, made.answer)
        self._tell_webhook(request)

    def _lose(self, request: Request, why: str) -> None:
        """A worker died over it: it waits again, at its old place, or fails when that was often enough."""
        if not request.terms.may_retry or request.attempts >= ATTEMPTS:
            self._fail(request, runner_lost(why, request.attempts))
            return
        self._log(request, f"the render worker failed ({why}); it waits again", level="ERROR")
        self.book.put_back(request.request_id)

    def _fail(self, request: Request, refusal: Refusal, bill: Bill | None = None) -> None:
        self._log(request, f"{refusal.error_type}: {refusal.error}", level="ERROR")
        self.book.fail(request.request_id, refusal, bill)
        self._tell_webhook(request)

    def _tell_webhook(self, request: Request) -> None:
        if request.terms.webhook:
            self.webhooks.tell()

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


def _picture_seconds(file: Path) -> float:
    return probe(file).video_seconds


def _blame(answer: RenderRefused, asked: Arguments) -> Refused:
    """A worker's typed refusal as a 422 when it is about the inputs, else our fault: 500."""
    if answer.error_type not in BLAMED_ON:
        return Refused(internal_error(f"The render worker failed: {answer.sentence}"))
    ours = BLAMED_ON[answer.error_type]
    url = asked.image if ours == "image" else asked.audio
    return refuse(answer.error_type, answer.sentence, argument=asked.model.fields[ours], value=url)
