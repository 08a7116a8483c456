"""Fault x point, as data: every line under "What a client must survive" (reference/fal_contract.md), at its points.

A `Cell` says what is broken and what must come of it. Faults are the studio's own scenario rules (studio/scenario.py);
kills are names of boundaries.py. Without more words a cell demands: every clip delivered, billed once, and the ledger
equal to the studio's bill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from .boundaries import LEDGER_STEPS
from .homes import VIDEO

FOREIGN = "http://127.0.0.2:{port}"  # a host the settings do not name; `canary.Listener` counts what it is sent


@dataclass(frozen=True)
class Cell:
    """One fault at one point.

    ``quarantined`` clips end held for a person; None where timing decides between held and delivered.
    ``differs`` says, in words for the reader, why ledger and bill honestly differ; empty demands equality.
    ``twice`` is a double bill that the provider makes against its own rules. ``stops`` demands that buying stopped.
    ``bites`` turns the judgement round: our guard is off, and double billing must show.
    ``how`` each kill strikes: kill, freeze, interrupt (Ctrl-C). ``buys`` is what the campaign asks for: video, whose
    speech is there already, speech, or both.
    """

    name: str
    point: str
    faults: tuple[Mapping[str, Any], ...] = ()
    kills: tuple[str, ...] = ()
    nth: int = 1
    how: str = "kill"
    clips: int = 3
    quarantined: int | None = 0
    differs: str = ""
    twice: int = 0
    stops: bool = False
    bites: bool = False
    guards: str = ""
    budget_usd: Decimal = Decimal(100)
    workers: int = 1
    campaigns: int = 1
    patience_seconds: float = 40.0
    horizon_seconds: float | None = None
    lease_seconds: float = 0.0
    environment: Mapping[str, str] | None = None
    buys: str = VIDEO


def _fault(fault: str, at: str | list[str], on: Any = None, **options: Any) -> dict[str, Any]:
    return {"fault": fault, "at": at} | ({} if on is None else {"on": on}) | options


def _submit(name: str, fault: str, on: Any = 1, **options: Any) -> Cell:
    return Cell(name, "submit", (_fault(fault, "submit", on, **options),))


def _wait(name: str, fault: str, on: Any = 1, **options: Any) -> Cell:
    return Cell(name, "wait", (_fault(fault, "status", on, **options),))


def _result(name: str, fault: str, on: Any = 1, **options: Any) -> Cell:
    return Cell(name, "result", (_fault(fault, "result", on, **options),))


def _download(name: str, fault: str, on: Any = 1, **options: Any) -> Cell:
    return Cell(name, "download", (_fault(fault, "download", on, **options),))


def _render(name: str, fault: str, quarantined: int = 0, **options: Any) -> Cell:
    return Cell(name, "render", (_fault(fault, "render", 1, **options),), quarantined=quarantined)


def _lookup(name: str, fault: str, **options: Any) -> Cell:
    """The answer to the first submit is lost, and the list that would tell is not to be trusted either."""
    lost = _fault("lose_answer", "submit", 1)
    return Cell(name, "list", (lost, _fault(fault, "requests", **options)))


def _kill(*kills: str, nth: int = 1, faults: tuple[Mapping[str, Any], ...] = ()) -> Cell:
    occasion = f" ({nth}.)" if nth > 1 else ""
    return Cell(f"kill -9: {', then '.join(kills)}{occasion}", "kill", faults, kills=kills, nth=nth)


SUBMIT = (
    _submit("answer lost after acceptance", "lose_answer"),
    _submit("request lost on the way", "lose_request"),
    _submit("answer later than the time-out", "late_answer", seconds=5),
    _submit("hangs, request taken", "hang", after=True),
    _submit("hangs, request not taken", "hang", after=False),
    _submit("provider dies after taking it", "die", after=True),
    _submit("provider dies before taking it", "die", after=False),
    _submit("answer cut in half", "truncate"),
    _submit("408", "answer", status=408),
    _submit("409", "answer", status=409),
    _submit("429", "answer", status=429),
    _submit("nginx 502 after acceptance", "answer", status=502, after=True),
    _submit("nginx 503, not taken", "answer", status=503),
    _submit("nginx 504 after acceptance", "answer", status=504, after=True),
    _submit("500 after acceptance", "answer", status=500, after=True),
    _submit("401", "answer", status=401),
    _submit("402", "answer", status=402),
    _submit("account locked from the second on", "locked", on="2-"),
    Cell("422 at submit", "submit", (_fault("answer", "submit", 1, status=422),), quarantined=1),
    _submit("200 without URLs", "without", keys=["status_url", "response_url", "cancel_url"]),
    _submit("200 without a request id", "without", keys=["request_id"]),
    _submit("200 that is not JSON", "not_json"),
    _submit("redirected, not taken", "redirect"),
    _submit("redirected after acceptance", "redirect", after=True),
    _submit("status and result URLs name another host", "elsewhere", on=None, keys=["status_url", "response_url"],
            base=FOREIGN),
)  # fmt: skip

WAIT = (
    _wait("one poll answers 500", "answer", status=500),
    _wait("one poll answers 404", "answer", status=404),
    _wait("one poll answers 429", "answer", status=429),
    _wait("one poll answers 403", "answer", status=403),
    _wait("one poll is HTML", "not_json"),
    _wait("polls are dropped", "lose_answer", on=[1, 2, 4]),
    _wait("a poll hangs", "hang", on=2),
    _wait("nginx 502 to every third poll", "answer", on="every 3", status=502),
    _wait("a long queue", "replace", on="1-9", keys={"status": "IN_QUEUE", "queue_position": 4711}),
    _wait("an unknown state", "replace", on=[1, 2], keys={"status": "PAUSED"}),
    _wait("a poll without its keys", "without", on=[1, 2], keys=["logs", "queue_position"]),
    Cell("a job that never ends", "wait", (_fault("never_ends", "render", 1),), patience_seconds=12.0),
    _render("a slow job", "slow", seconds=2),
    _render("provider dies while rendering", "die"),
    _render("rendering lost and begun again", "restart"),
)

RESULT = (
    _render("the job fails with 500", "error", type="internal_server_error", billed=False),
    _render("the job fails with 504", "error", type="generation_timeout", billed=False),
    _render("no runner (503)", "error", type="runner_connection_error", billed=False),
    _render("422, billed", "error", type="face_detection_error", billed=True, quarantined=1),
    _render("422, not billed", "error", type="content_policy_violation", billed=False, quarantined=1),
    _render("input URL expired at render time", "error", type="file_download_error", argument="audio_url",
            billed=False, quarantined=1),
    _render("COMPLETED with an error", "completed_with_error", billed=False, quarantined=1),
    _result("result expired though paid", "expired", on=None),
    _result("result answers 500 once", "answer", status=500),
    _result("result is HTML once", "not_json"),
    _result("result cut in half", "truncate"),
    _result("result hangs", "hang"),
    _result("result without a video URL once", "without", keys=["video.url"]),
    _result("result names another host once", "elsewhere", keys=["video.url"], base=FOREIGN),
    _result("results name no video until that is mended", "without", on=None, keys=["video.url"]),
)  # fmt: skip

DOWNLOAD = (
    _download("403", "answer", status=403),
    _download("404", "file_gone", status=404),
    _download("410", "file_gone", status=410),
    _download("cut in half, twice", "truncate", on=[1, 2]),
    _download("connection lost", "lose_answer"),
    _download("hangs", "hang"),
    _download("zero bytes", "answer", status=200, body="empty"),
    _download("an HTML page", "answer", status=200, body="html"),
    _render("video shorter than the speech", "shorter", seconds=0.3),
    _render("video longer than the speech", "longer", seconds=0.4),
    _render("no audio track", "silent"),
    _render("odd size 448x832", "odd_size", size="448x832"),
    _render("30 fps", "fps", fps=30),
    _render("the provider's file has no picture", "no_picture", quarantined=1),
    _render("the provider's file is truncated", "truncated", quarantined=1),
    _render("the provider's file is empty", "zero_bytes", quarantined=1),
    _render("the provider's file is HTML", "html", quarantined=1),
)

UPLOAD = (
    Cell("no upload URL (503)", "upload", (_fault("answer", "initiate", 1, status=503),)),
    Cell("no upload URL (HTML)", "upload", (_fault("not_json", "initiate", 1),)),
    Cell("upload fails with 500", "upload", (_fault("answer", "upload", 2, status=500),)),
    Cell("upload connection lost", "upload", (_fault("lose_request", "upload", 2),)),
    Cell("upload hangs", "upload", (_fault("hang", "upload", 1),)),
)

LOOKUP = (
    _lookup("list answers 500", "answer", status=500),
    _lookup("list is not JSON", "not_json"),
    _lookup("list without payloads", "without", keys=["items.*.json_input", "items.*.json_output"]),
    _lookup("list a second late", "late_records", seconds=1),
    _lookup("list shows every entry twice", "repeated"),
    _lookup("list's clock two hours off", "clock", seconds=7200),
)

MONEY = (
    Cell("an absurd bill ($40,500)", "money", (_fault("bill", "render", 1, usd="40500"),), clips=16, stops=True,
         differs="the provider's bill alone is beyond the budget: the breaker stops buying, reconciliation names it"),
    Cell("a result without a bill", "money", (_fault("not_billed", "render", 1),),
         differs="the provider has not billed one clip: reconciliation names it"),
    Cell("billed without a result", "money", (_fault("billed_without_result", "render", 1),), quarantined=1),
    Cell("units missing", "money", (_fault("units", "result", 1, **{"is": "missing"}),)),
    Cell("units wrong (12.5)", "money", (_fault("units", "result", 1, **{"is": "12.5"}),), clips=16, stops=True,
         differs="its units said more than its bill: the lower bill is believed once it is 48 hours old"),
    Cell("unit price changed", "money", (_fault("price", "pricing", unit_price="0.50"),)),
    Cell("billed by the minute", "money", (_fault("price", "pricing", unit="minute"),)),
    Cell("no price at the provider", "money", (_fault("unpriced", "pricing"),)),
    Cell("a budget for half the campaign", "money", clips=8, budget_usd=Decimal("0.70"), stops=True),
)  # fmt: skip

KILLS = (
    *(_kill(f"{step} {moment}") for step in LEDGER_STEPS for moment in ("before", "in", "after")),
    _kill("upload before"),
    _kill("upload after"),
    _kill("upload after", nth=2),
    _kill("POST begun"),
    _kill("POST sent"),
    _kill("answer received"),
    _kill("state before", nth=2),
    _kill("state after", nth=3),
    _kill("result before"),
    _kill("result after"),
    _kill("download half"),
    _kill("rename before"),
    _kill("rename after"),
    _kill("mark_sending after", "find before"),
    _kill("POST sent", "find after"),
    _kill("mark_sending after", "mark_unknown in"),
    _kill("mark_sending after", "note_missed after"),
    _kill("mark_sending after", "void_unknown in"),
    _kill("mark_sending after", "void_unknown after"),
    replace(_kill("answer received", "answer received", "answer received"), clips=24),
)

TOGETHER = (
    Cell("four workers, one campaign", "together", workers=4, clips=6),
    Cell("two campaigns want the same clips", "together", campaigns=2),
    Cell("four workers, answers lost", "together", (_fault("lose_answer", "submit", "every 2"),), workers=4, clips=6),
    Cell("a frozen worker wakes after its lease", "together", kills=("mark_sending before",), how="freeze", clips=1,
         lease_seconds=1.5),
    Cell("Ctrl-C while some wait and some run", "together", (_fault("slow", "render", seconds=1),),
         kills=("state after",), nth=3, how="interrupt", clips=6),
    Cell("Ctrl-C, and the provider ignores the cancel", "together",
         (_fault("slow", "render", seconds=1), _fault("ignores_cancel", "render")), kills=("state after",), nth=3,
         how="interrupt", clips=6),
    Cell("proxies set", "environment",
         environment={"HTTP_PROXY": FOREIGN, "HTTPS_PROXY": FOREIGN, "ALL_PROXY": FOREIGN}),
)  # fmt: skip

BITES = (
    Cell("without the one-POST guard: answer lost", "bites", (_fault("lose_answer", "submit", 1),),
         guards="no one-POST guard", bites=True, quarantined=None),
    Cell("horizon (0.2 s) below the real delay of the list (2 s)", "bites",
         (_fault("lose_answer", "submit", 1), _fault("late_records", "requests", seconds=2)),
         horizon_seconds=0.2, bites=True, quarantined=None),
)  # fmt: skip

CELLS: tuple[Cell, ...] = (
    *SUBMIT, *WAIT, *RESULT, *DOWNLOAD, *UPLOAD, *LOOKUP, *MONEY, *KILLS, *TOGETHER, *BITES,
)  # fmt: skip
