"""What goes wrong with one rendering: it is late, lost or refused, its file is broken, its bill is wrong."""

from __future__ import annotations

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
        for strike in self.strikes:
            faults.record(strike, request_id=request_id)

    @property
    def ignores_cancel(self) -> bool:
        return self._has("ignores_cancel")

    async def begin(self, bill: Callable[[], Bill]) -> None:
        """What happens before there is a video. Raises `Broken` or `RenderLost`; ``bill`` is what it would cost."""
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

    def billed(self, bill: Bill) -> Bill | None:
        """The bill as it is sent; None for none."""
        if self._has("not_billed"):
            return None
        for strike in self.strikes:
            if strike.fault.name == "bill":
                bill = _absurd(bill, **strike.fault.options)
        return bill

    def spoil(self, file: Path, measure: Callable[[Path], float]) -> float:
        """Break the file; returns the seconds that are billed."""
        seconds = measure(file)
        for strike in self.strikes:
            name = strike.fault.name
            if name in VIDEO_FAULTS:
                VIDEO_FAULTS[name](file, strike.fault.options, seconds)
            if name in RESIZED:
                seconds = measure(file)
        return seconds

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
def _cut(file: Path, options: Options, seconds: float) -> None:
    _again(file, ["-c", "copy", "-t", f"{max(0.04, seconds - options['seconds']):.3f}"])


def _stretch(file: Path, options: Options, seconds: float) -> None:  # noqa: ARG001 - every video fault takes the same
    more = f"tpad=stop_mode=clone:stop_duration={options['seconds']:g}"
    _again(file, ["-vf", more, *ENCODED, "-c:a", "copy"])


def _silence(file: Path, options: Options, seconds: float) -> None:  # noqa: ARG001 - every video fault takes the same
    _again(file, ["-c", "copy", "-an"])


def _blind(file: Path, options: Options, seconds: float) -> None:  # noqa: ARG001 - every video fault takes the same
    _again(file, ["-c", "copy", "-vn"])


def _resize(file: Path, options: Options, seconds: float) -> None:  # noqa: ARG001 - every video fault takes the same
    width, height = options["size"]
    _again(file, ["-vf", f"scale={width}:{height},setsar=1", *ENCODED, "-c:a", "copy"])


def _retime(file: Path, options: Options, seconds: float) -> None:  # noqa: ARG001 - every video fault takes the same
    _again(file, ["-vf", f"fps={options['fps']}", *ENCODED, "-c:a", "copy"])


def _truncate(file: Path, options: Options, seconds: float) -> None:  # noqa: ARG001 - every video fault takes the same
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2 if options["bytes"] is None else options["bytes"]])


def _empty(file: Path, options: Options, seconds: float) -> None:  # noqa: ARG001 - every video fault takes the same
    file.write_bytes(b"")


def _page(file: Path, options: Options, seconds: float) -> None:  # noqa: ARG001 - every video fault takes the same
    file.write_text(PAGE.format("404 Not Found"), encoding="utf-8")


VIDEO_FAULTS: dict[str, Callable[[Path, Options, float], None]] = {
    "shorter": _cut,
    "longer": _stretch,
    "silent": _silence,
    "no_picture": _blind,
    "odd_size": _resize,
    "fps": _retime,
    "truncated": _truncate,
    "zero_bytes": _empty,
    "html": _page,
}


def _again(file: Path, arguments: Sequence[str]) -> None:
    """The file through ffmpeg once more, in its place."""
    half = file.with_name(f".again.{file.name}")
    source = ["-protocol_whitelist", "file,pipe", "-i", ffmpeg.target(file)]
    ffmpeg.run([*source, *arguments, "-movflags", "+faststart", ffmpeg.target(half)])
    half.replace(file)
