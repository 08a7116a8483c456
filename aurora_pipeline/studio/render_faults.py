"""What goes wrong with one rendering: it is late, lost or refused, its file is broken, its bill is wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..gear import ffmpeg
from .broken_answers import PAGE, Options
from .fault_kinds import ERROR_TYPES, MODEL_ERRORS
from .faults import Faults, Strike, die
from .pricing import Bill
from .refusals import Refusal, Refused

REFUSING = ("error", "completed_with_error", "billed_without_result")
RESIZED = ("shorter", "longer")  # these are billed at the length they are left with
ENCODED = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]


@dataclass
class Broken(Refused):
    """A refusal on purpose; ``bill`` is what it costs all the same."""

    bill: Bill | None = field(default=None)


class RenderLost(Exception):
    """The provider lost this rendering; the request waits again."""


class Trouble:
    """The faults that strike one rendering, decided when it begins."""

    def __init__(self, faults: Faults, request_id: str) -> None:
        self.faults = faults
        self.request_id = request_id
        self.strikes: Sequence[Strike] = faults.strikes("render", request_id)
        self._cost: Callable[[], Bill] | None = None
        for strike in self.strikes:
            faults.record(strike, request_id=request_id)

    @property
    def ignores_cancel(self) -> bool:
        return self._has("ignores_cancel")

    async def begin(self, bill: Callable[[], Bill]) -> None:
        """What happens before there is a video. Raises `Broken` or `RenderLost`; ``bill`` is what it would cost."""
        self._cost = bill
        for strike in self.strikes:
            name, options = strike.fault.name, strike.fault.options
            if name == "never_ends":
                await self.faults.pause(None)
            if "seconds" in options and name in ("slow", "error"):
                await self.faults.pause(options["seconds"])
            if name == "die":
                die()
            if name == "restart":
                raise RenderLost
            if name in REFUSING:
                is_billed = name == "billed_without_result" or options["billed"]
                raise Broken(_refusal(name, options), self.billed(bill()) if is_billed else None)

    def bill_of_cancel(self) -> Bill | None:
        """What a job costs that was cancelled while it ran: nothing, unless the scenario bills it."""
        return self.billed(self._cost()) if self._cost and self._has("billed_cancel") else None

    def billed(self, bill: Bill) -> Bill | None:
        """The bill as it is sent; None for none."""
        if self._has("not_billed"):
            return None
        for strike in self.strikes:
            if strike.fault.name == "bill":
                bill = _absurd(bill, **strike.fault.options)
        return bill

    def spoil(self, file: Path, measure: Callable[[Path], float], stop: threading.Event) -> float:
        """Break the video; returns the seconds that are billed. Ends early when ``stop`` is set (`Interrupted`)."""
        seconds = measure(file)
        for strike in self.strikes:
            name = strike.fault.name
            if name in VIDEO_FAULTS:
                VIDEO_FAULTS[name](file, strike.fault.options, seconds, stop)
            if name in RESIZED:
                seconds = measure(file)
        return seconds

    def spoil_sound(self, file: Path, seconds: float, stop: threading.Event) -> None:
        """Break a voice's file, as far as the fault makes sense without a picture; its bill is by its text."""
        for strike in self.strikes:
            if strike.fault.name in SOUND_FAULTS:
                SOUND_FAULTS[strike.fault.name](file, strike.fault.options, seconds, stop)

    def _has(self, name: str) -> bool:
        return any(strike.fault.name == name for strike in self.strikes)


def _refusal(name: str, options: Options) -> Refusal:
    error_type = options.get("type", "internal_server_error")
    sentence = options.get("message") or f"The studio was told to fail with {error_type}."
    if name == "completed_with_error":
        return Refusal(200, {"error": sentence, "error_type": error_type}, sentence, error_type)
    if error_type not in MODEL_ERRORS:
        body: dict[str, Any] = {"detail": sentence, "error_type": error_type}
    else:
        where = [options["argument"]] if options.get("argument") else []
        item = {"loc": ["body", *where], "msg": sentence, "type": error_type}
        body = {"detail": [item | {"url": f"https://docs.fal.ai/errors#{error_type}", "input": None}]}
    return Refusal(ERROR_TYPES[error_type], body, sentence, error_type)


def _absurd(bill: Bill, *, factor: Decimal | None, usd: Decimal | None) -> Bill:
    """The bill at another amount: units follow, so that units times unit price are still the amount."""
    usd = bill.usd * factor if factor is not None else usd
    return bill if usd is None else bill.of(usd)


# ---- files
Spoil = Callable[[Path, Options, float, threading.Event], None]


def _cut(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:
    _again(file, ["-c", "copy", "-t", f"{max(0.04, seconds - options['seconds']):.3f}"], stop)


def _stretch(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    more = f"tpad=stop_mode=clone:stop_duration={options['seconds']:g}"
    _again(file, ["-vf", more, *ENCODED, "-c:a", "copy"], stop)


def _silence(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    _again(file, ["-c", "copy", "-an"], stop)


def _blind(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    _again(file, ["-c", "copy", "-vn"], stop)


def _resize(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    width, height = options["size"]
    _again(file, ["-vf", f"scale={width}:{height},setsar=1", *ENCODED, "-c:a", "copy"], stop)


def _retime(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    _again(file, ["-vf", f"fps={options['fps']}", *ENCODED, "-c:a", "copy"], stop)


def _truncate(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2 if options["bytes"] is None else options["bytes"]])


def _empty(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    file.write_bytes(b"")


def _page(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    file.write_text(PAGE.format("404 Not Found"), encoding="utf-8")


def _stretch_sound(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    _again(file, ["-af", f"apad=pad_dur={options['seconds']:g}"], stop)


def _hush(file: Path, options: Options, seconds: float, stop: threading.Event) -> None:  # noqa: ARG001
    _again(file, ["-af", "volume=0"], stop)


_BYTES: dict[str, Spoil] = {"truncated": _truncate, "zero_bytes": _empty, "html": _page}
VIDEO_FAULTS: dict[str, Spoil] = {
    "shorter": _cut,
    "longer": _stretch,
    "silent": _silence,
    "no_picture": _blind,
    "odd_size": _resize,
    "fps": _retime,
    **_BYTES,
}
SOUND_FAULTS: dict[str, Spoil] = {"shorter": _cut, "longer": _stretch_sound, "silent": _hush, **_BYTES}


def _again(file: Path, arguments: Sequence[str], stop: threading.Event) -> None:
    """The file through ffmpeg once more, in its place."""
    half = file.with_name(f".again.{file.name}")
    source = ["-protocol_whitelist", "file,pipe", "-i", ffmpeg.target(file)]
    faststart = ["-movflags", "+faststart"] if file.suffix == ".mp4" else []
    ffmpeg.run([*source, *arguments, *faststart, ffmpeg.target(half)], stop=stop)
    half.replace(file)
