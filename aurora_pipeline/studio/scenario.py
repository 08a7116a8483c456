"""Scenario file -> Scenario: how the studio is to break, on purpose and reproducibly.

    seed: 7                       # for probabilities; 0 when left out
    faults:
      - fault: lose_answer        # what happens; its options stand beside it
        at: submit                # where it happens
        on: [1, 3]                # at which requests of that place

`python -m aurora_pipeline.studio --scenario FILE`, `aurora studio --scenario FILE`, or `PUT /_studio/scenario` with the
YAML (or JSON) as its body: the counters start again and whatever hangs, waits or never ends goes on at once, so `{}`
heals a studio. A wrong file is answered with every problem and its line (422), and a studio does not start with one.
Counters live in memory: a studio that is started again counts from 1, by its --scenario or by none.
`GET /_studio/faults` tells what was injected: {"seed", "seen": {place: requests so far}, "injected": [{"fault", "at",
"number", "rule" (1 is the file's first), "request_id" or null, "method", "path", "when"}]}. Each is also a log line.

at      submit, run (fal.run), status, stream, result, cancel (queue); token, initiate, upload (POST v3, or PUT to an
        upload URL), multipart (create), part, complete, download (GET only) (storage); requests (the list), billing,
        pricing, account, usage (platform); any (all of these); render (a job begins); webhook (a delivery).
        One place, or a list of places: [status, result], each counted by itself.
on      the n-th request of that place, from 1: 3, [1, 3], "2-" (from the second on), "2-5", "every 5". Left out: all.
per     studio (default) counts all requests of the place together; job counts each queue request's own (each file's at
        download): `at: status, on: 1, per: job` is the first poll of every job. Not at places that name neither.
probability  0.05 instead of `on`: decided by seed, rule and number alone, so the same order gives the same faults;
        with `per: job` by the order in which the jobs were first seen there, too.
times   at most so often.

All faults that fit a request are applied in the file's order, until one drops or answers instead of the studio.

    Wire (any place but render and webhook). "Done" means the studio acted: a job queued, a file stored.
    lose_request                          read, not done, connection closed without an answer
    lose_answer                           done, then closed without an answer
    late_answer  seconds: 20              done, answered so much later
    hang         after: true|false        no answer until the client leaves; done first (default false) or not
    die          after: true|false        the studio kills itself (SIGKILL), after or before (default) it was done
    truncate     bytes: 40                done; Content-Length promises more than comes (default: half of it comes)
    answer       status: 502, body: nginx|html|json|empty|text, detail: TEXT, headers: {Name: value}, after: true|false
                                          another answer; done first (after: true) or not (default). The body follows
                                          the status when left out: 502, 503, 504 as nginx, else JSON; 429 and 503
                                          carry Retry-After: 1
    locked       after: true|false        403 "User is locked. Reason: Exhausted balance. ..."
    expired      (result)                 404, while the list keeps the answer
    file_gone    status: 404|410 (download)
    redirect     status: 307, to: URL, after: true|false     to: the same address when left out, with ?redirected=1
    not_json                              done; HTML under the status and type of the real answer
    without      keys: [status_url, items.*.json_input]      done; keys left out; a dot goes inside, * is every entry
    replace      keys: {status: PAUSED, queue_position: 4711}     done; values set, also where there were none
    elsewhere    keys: [status_url, video.url], base: "http://127.0.0.1:9"    done; these URLs name another host
    clock        seconds: 86400           the Date header is off by so much (negative: behind)
    At stream, whole events are changed; lose_answer and truncate close it at its first event.

    Jobs (render). A job that is rendered again after `restart` or a dead studio is the next number.
    error        type: face_detection_error, billed: true|false, argument: audio_url, message: TEXT, seconds: 0
                                          any type of the contract: the typed 422s, internal_server_error,
                                          downstream_service_unavailable (500), generation_timeout (504),
                                          request_timeout, startup_timeout (504), runner_* (503),
                                          runner_incomplete_response (502), internal_error (500), bad_request (400)
    completed_with_error  billed: true|false     COMPLETED with error and error_type; the result is 200 without a video
    slow         seconds: 30              IN_PROGRESS so much longer
    never_ends                            IN_PROGRESS until it is cancelled
    restart                               the rendering is lost, the job waits again at its old place; billed once
    die                                   the studio kills itself while it renders
    ignores_cancel                        a cancel while running is answered 202, and the job completes and is billed
    billed_cancel                         a cancel while running ends the job (499), and it is billed all the same
    Videos (render), billed as they were rendered; shorter and longer as they are.
    shorter seconds: 1 | longer seconds: 1 (at most 600) | silent | no_picture | odd_size size: 448x832 | fps fps: 30
    truncated bytes: 2000 (default half) | zero_bytes | html
    A voice has no picture: no_picture, odd_size and fps leave it as it is. Its bill is by its text, not its length.
    Money
    bill         factor: 100, or usd: "40500" (render)      the bill is absurd
    not_billed   (render)                 a result without a bill
    billed_without_result (render)        a bill, and the result answers 500 for ever
    units        is: missing, or "12.5" (result)      the x-fal-billable-units header
    price        unit_price: "0.50", unit: minute, currency: EUR (pricing)
    unpriced     (pricing)                an empty list
    late_records seconds: 60 (requests, billing)      what is younger than that is not listed yet
    repeated     (requests, billing)      every entry twice
    Webhooks (webhook; number counts first deliveries)
    duplicate | none | bad_signature | late seconds: 5

One example a fault, and what a client must survive:

    faults:
      - {fault: lose_answer, at: submit, on: 1}                         # answer lost after acceptance
      - {fault: lose_request, at: submit, probability: 0.05}
      - {fault: late_answer, at: submit, on: 2, seconds: 20}
      - {fault: hang, at: submit, on: 3, after: true}
      - {fault: die, at: submit, on: 4, after: true}                    # provider dies between doing and telling
      - {fault: truncate, at: [submit, result, download], on: 5}
      - {fault: answer, at: submit, on: 6, status: 429, headers: {Retry-After: "3"}}      # 408 and 409 alike
      - {fault: answer, at: submit, on: 7, status: 502, after: true}    # nginx gave up waiting; the job is queued
      - {fault: answer, at: status, on: "every 3", status: 500}         # a single 5xx poll; 404, HTML alike
      - {fault: answer, at: submit, on: 8, status: 401}                 # 402 alike
      - {fault: locked, at: submit, on: "9-"}                           # balance out in mid-campaign
      - {fault: redirect, at: submit, on: 10}
      - {fault: not_json, at: submit, on: 11}
      - {fault: without, at: submit, on: 12, keys: [status_url, response_url, cancel_url]}
      - {fault: replace, at: status, on: 1, per: job, keys: {status: PAUSED}}             # an unknown state
      - {fault: replace, at: status, on: "1-50", keys: {status: IN_QUEUE, queue_position: 4711}}   # a long queue
      - {fault: elsewhere, at: submit, on: 13, keys: [status_url, response_url], base: "http://127.0.0.1:9"}
      - {fault: elsewhere, at: result, on: 1, keys: [video.url], base: "http://127.0.0.1:9"}
      - {fault: without, at: result, on: 2, keys: [video.url]}
      - {fault: clock, at: any, seconds: -7200}
      - {fault: expired, at: result, on: 3}
      - {fault: file_gone, at: download, on: 1, status: 410}
      - {fault: answer, at: token, on: "1-3", status: 503}              # the token endpoint is down
      - {fault: answer, at: part, on: 2, status: 500}                   # one part of a large upload fails
      - {fault: error, at: render, on: 1, type: file_download_error, argument: audio_url}   # input URL expired
      - {fault: error, at: render, on: 2, type: content_policy_violation, billed: true}
      - {fault: completed_with_error, at: render, on: 3}
      - {fault: slow, at: render, on: 4, seconds: 30}
      - {fault: never_ends, at: render, on: 5}
      - {fault: restart, at: render, on: 6}
      - {fault: ignores_cancel, at: render, on: 7}
      - {fault: billed_cancel, at: render, on: 20}
      - {fault: shorter, at: render, on: 8, seconds: 1}
      - {fault: longer, at: render, on: 9, seconds: 2}
      - {fault: silent, at: render, on: 10}
      - {fault: no_picture, at: render, on: 11}
      - {fault: odd_size, at: render, on: 12, size: 448x832}
      - {fault: fps, at: render, on: 13, fps: 30}
      - {fault: truncated, at: render, on: 14}
      - {fault: zero_bytes, at: render, on: 15}
      - {fault: html, at: render, on: 16}
      - {fault: bill, at: render, on: 17, usd: "40500"}
      - {fault: not_billed, at: render, on: 18}
      - {fault: billed_without_result, at: render, on: 19}
      - {fault: units, at: result, on: 4, is: missing}
      - {fault: price, at: pricing, unit_price: "0.50"}
      - {fault: unpriced, at: pricing, on: 2}
      - {fault: late_records, at: [requests, billing], seconds: 60}
      - {fault: without, at: requests, on: 1, keys: [items.*.json_input, items.*.json_output]}
      - {fault: repeated, at: requests, on: 2}
      - {fault: replace, at: account, keys: {credits.current_balance: 0}}
      - {fault: duplicate, at: webhook, on: 1}
      - {fault: none, at: webhook, on: 2}
      - {fault: bad_signature, at: webhook, on: 3}
      - {fault: late, at: webhook, on: 4, seconds: 5}
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Span:
    """Numbers from ``first`` to ``last`` (None: no end), every ``step``-th."""

    first: int
    last: int | None
    step: int = 1

    def holds(self, number: int) -> bool:
        is_inside = number >= self.first and (self.last is None or number <= self.last)
        return is_inside and (number - self.first) % self.step == 0


@dataclass(frozen=True)
class Fault:
    """One entry of the file. ``rule`` is its place there, from 1; ``on`` is empty for every request."""

    rule: int
    name: str
    at: tuple[str, ...]
    on: tuple[Span, ...] = ()
    per_job: bool = False
    probability: float | None = None
    times: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def strikes(self, number: int, key: str, *, seed: int, job: int | None = None) -> bool:
        """Whether it fits the ``number``-th request counted under ``key``: the same for the same seed, always.

        ``job`` is the place in line of the job whose requests are counted, from 1; None: everybody's are.
        """
        if self.probability is None:
            return not self.on or any(span.holds(number) for span in self.on)
        counted = key if job is None else f"{key}/job {job}"
        drawn = random.Random(f"{seed}/{self.rule}/{counted}/{number}").random()  # noqa: S311 - reproducible on purpose
        return drawn < self.probability


@dataclass(frozen=True)
class Scenario:
    """Everything that is to go wrong."""

    seed: int = 0
    faults: tuple[Fault, ...] = ()


def read_scenario(content: bytes, *, file: str) -> Scenario:
    """The scenario of a file's bytes. Raises `BadInput` with every problem and its line."""
    from .scenario_file import parsed

    return parsed(content, file=file)
