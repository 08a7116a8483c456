"""The same faults at the same points, met by a campaign whose voice is bought; and by one that buys speech and video.

Speech goes through the ledger of video, so the cells of cells.py hold for it too, but for what is about pictures and
uploads and for what others tell already. Where something else is right for speech, or is called otherwise, it is said
here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from .cells import CELLS, Cell
from .homes import BOTH, SPEECH

VIDEO_ONLY = frozenset(
    {
        "input URL expired at render time",
        "odd size 448x832",
        "30 fps",
        "the provider's file has no picture",
    }
)
# What another cell tells already, once the wire and the waiting are known to be the same for both.
TOLD_BY_OTHERS = frozenset(
    {
        "hangs, request not taken",
        "answer cut in half",
        "408",
        "409",
        "402",
        "nginx 504 after acceptance",
        "200 without URLs",
        "200 that is not JSON",
        "redirected, not taken",
        "one poll answers 404",
        "one poll answers 429",
        "one poll answers 403",
        "one poll is HTML",
        "a poll hangs",
        "an unknown state",
        "a poll without its keys",
        "rendering lost and begun again",
        "no runner (503)",
        "result is HTML once",
        "result hangs",
        "403",
        "connection lost",
        "hangs",
        "video longer than the speech",
        "the provider's file is HTML",
        "list is not JSON",
        "no price at the provider",
        "proxies set",
    }
)
OTHERWISE: Mapping[str, Mapping[str, Any]] = {
    "429": {"name": "rate limit (429)"},
    "500 after acceptance": {"name": "500 after acceptance (the error comes, the request is taken)"},
    "nginx 503, not taken": {"name": "error before accept (503, not taken)"},
    "answer lost after acceptance": {"name": "drop after accept (answer lost)"},
    "one poll answers 500": {"name": "500 on one poll"},
    "the job fails with 504": {"name": "queue time-out (504 generation_timeout)"},
    "result expired though paid": {"name": "expired result, recovered from the list"},
    "result without a video URL once": {"name": "result without an audio URL once"},
    "results name no video until that is mended": {"name": "results name no sound until that is mended"},
    "video shorter than the speech": {"name": "shorter than its text takes"},
    "the provider's file is truncated": {"name": "truncated audio"},
    "no audio track": {"name": "silent audio", "quarantined": 1},
    "list shows every entry twice": {"name": "double answer: the list shows every entry twice"},
    # A part reserves $0.05, a whole unit, and is billed a tenth of a cent: a second one does not fit any more.
    "a budget for half the campaign": {"budget_usd": Decimal("0.05")},
    "kill -9: mark_sending after, then find before": {
        "name": "kill -9: mark_sending after, then alike before",
        "kills": ("mark_sending after", "alike before"),
    },
    "kill -9: POST sent, then find after": {
        "name": "kill -9: POST sent, then alike after",
        "kills": ("POST sent", "alike after"),
    },
}


def _queue_timeout() -> Cell:
    fault = {"fault": "error", "at": "render", "on": 1, "type": "startup_timeout", "billed": False}
    return Cell("queue time-out (504 startup_timeout)", "speech: render", (fault,), buys=SPEECH)


def _of_speech() -> Iterator[Cell]:
    for cell in CELLS:
        if cell.name not in VIDEO_ONLY | TOLD_BY_OTHERS and not _is_about_uploads(cell):
            faults = tuple(_of_sound(fault) for fault in cell.faults)
            speech = replace(cell, point=f"speech: {cell.point}", faults=faults, buys=SPEECH)
            yield replace(speech, **OTHERWISE.get(cell.name, {}))


def _is_about_uploads(cell: Cell) -> bool:
    return cell.point == "upload" or any(kill.startswith("upload") for kill in cell.kills)


def _of_sound(fault: Mapping[str, Any]) -> dict[str, Any]:
    """The fault where an answer names a sound instead of a video."""
    keys = fault.get("keys")
    if not isinstance(keys, list):
        return dict(fault)
    return {**fault, "keys": ["audio.url" if key == "video.url" else key for key in keys]}


def _both(name: str, *faults: Mapping[str, Any], **options: Any) -> Cell:
    return Cell(name, "speech and video", faults, buys=BOTH, **options)


TOGETHER = (
    _both("every second answer lost", {"fault": "lose_answer", "at": "submit", "on": "every 2"}),
    _both("every result expired", {"fault": "expired", "at": "result"}),
    _both("every third poll 502", {"fault": "answer", "at": "status", "on": "every 3", "status": 502}),
    _both("kill -9: settle in (2.), then answer received (2.)", kills=("settle in", "answer received"), nth=2),
    _both("four workers", workers=4),
)

SPEECH_CELLS: tuple[Cell, ...] = (*_of_speech(), _queue_timeout(), *TOGETHER)
QUICK = (
    "drop after accept (answer lost)",
    "error before accept (503, not taken)",
    "queue time-out (504 generation_timeout)",
    "expired result, recovered from the list",
    "silent audio",
    "truncated audio",
    "kill -9: mark_accepted in",
    "kill -9: settle in",
    "kill -9: POST sent",
    "two campaigns want the same clips",
    "without the one-POST guard: answer lost",
    "every second answer lost",
)
QUICK_SPEECH_CELLS = tuple(cell for cell in SPEECH_CELLS if cell.name in QUICK)
