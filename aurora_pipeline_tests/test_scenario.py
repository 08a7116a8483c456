"""Scenario files: what they may say, whom they strike, and how a running studio takes another one."""

from __future__ import annotations

import subprocess
import textwrap
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from aurora_pipeline.errors import BadInput
from aurora_pipeline.studio import scenario as scenario_module
from aurora_pipeline.studio.fault_kinds import KINDS
from aurora_pipeline.studio.faults import Faults
from aurora_pipeline.studio.places import place_of
from aurora_pipeline.studio.scenario import Fault, Scenario, read_scenario
from aurora_pipeline_tests.broken_studio import (
    KEY,
    QUEUE,
    V1,
    Broken,
    at,
    command,
    running,
    until_struck,
)


# ---- what a file may say
def _examples() -> str:
    text = scenario_module.__doc__ or ""
    return textwrap.dedent(text[text.index("One example a fault") :].split("\n\n", 1)[1])


def test_every_fault_has_an_example_in_the_documentation_and_every_example_is_read() -> None:
    scenario = read_scenario(_examples().encode(), file="examples")

    assert {fault.name for fault in scenario.faults} == set(KINDS)


def test_an_empty_file_breaks_nothing() -> None:
    assert read_scenario(b"", file="s.yaml") == read_scenario(b"{}", file="s.yaml") == Scenario()


@pytest.mark.parametrize(
    ("on", "strikes"),
    [
        ("3", [3]),
        ("[1, 3]", [1, 3]),
        ("'2-'", [2, 3, 4, 5, 6, 7, 8]),
        ("'2-5'", [2, 3, 4, 5]),
        ("every 3", [3, 6]),
        ("[1, '4-5', every 4]", [1, 4, 5, 8]),
    ],
)
def test_numbers_are_named_singly_in_lists_in_ranges_and_by_every(on: str, strikes: list[int]) -> None:
    (fault,) = read_scenario(f"faults: [{{fault: hang, at: submit, on: {on}}}]".encode(), file="s").faults

    assert [number for number in range(1, 9) if fault.strikes(number, "submit", seed=0)] == strikes


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("faults: 3", "line 1, faults: must be a list; begin each fault with '- fault: NAME'"),
        ("sed: 3", "line 1, sed: is not a setting of the file; did you mean 'seed'?"),
        ("seed: x", "line 1, seed: is 'x'; use a whole number from 0 to 1000000000"),
        ("- a", "line 1: the file must hold keys and values; its keys are: seed, faults"),
        ("faults: [", "line 1: is not valid YAML ("),
        ("faults:\n  - at: submit", "line 2, fault: is missing; begin each entry with '- fault: NAME'"),
        (
            "faults:\n  - fault: lose_anser",
            "line 2, fault: is 'lose_anser', which is none; did you mean 'lose_answer'?",
        ),
        ("faults:\n  - fault: hang", "line 2, at: is missing; say where 'hang' happens: submit, run, status"),
        ("faults:\n  - {fault: hang, at: submitt}", "line 2, at: is 'submitt'; did you mean 'submit'?"),
        (
            "faults:\n  - {fault: silent, at: submit}",
            "line 2, at: 'silent' does not happen at submit; use one of: render",
        ),
        ("faults:\n  - {fault: hang, at: submit, on: 0}", "line 2, on: is '0'; numbers begin at 1"),
        ("faults:\n  - {fault: hang, at: submit, on: 5-2}", "do not run backwards"),
        (
            "faults:\n  - {fault: hang, at: submit, on: often}",
            'is \'often\'; write 3, [1, 3], "2-", "2-5" or "every 5"',
        ),
        ("faults:\n  - {fault: hang, at: submit, on: 1, probability: 0.5}", "stands beside 'on'; keep one of the two"),
        ("faults:\n  - {fault: hang, at: submit, probability: 5}", "is '5'; write a share from 0 to 1, such as 0.05"),
        (
            "faults:\n  - {fault: hang, at: submit, per: job}",
            "is job, but requests at submit name no job; leave it out",
        ),
        ("faults:\n  - {fault: hang, at: submit, times: 0}", "is '0'; use a whole number from 1 to 1000000000"),
        ("faults:\n  - {fault: hang, at: submit, after: maybe}", "line 2, after: is 'maybe'; write true or false"),
        (
            "faults:\n  - {fault: hang, at: submit, seconds: 3}",
            "seconds: is not a setting of 'hang'; use one of: fault, at",
        ),
        (
            "faults:\n  - fault: hang\n    at: submit\n    at: status",
            "line 4, at: is written twice; keep one of the two",
        ),
        ("faults:\n  - {fault: late_answer, at: submit}", "line 2, seconds: is missing"),
        ("faults:\n  - {fault: late_answer, at: submit, seconds: -1}", "is '-1'; write seconds, such as 2.5"),
        ("faults:\n  - {fault: answer, at: submit, status: 99}", "is '99'; use a whole number from 200 to 599"),
        ("faults:\n  - {fault: answer, at: submit, status: 500, body: xml}", "body: is 'xml'; use one of: nginx, html"),
        ("faults:\n  - {fault: answer, at: submit, status: 429, headers: [a]}", "write names and texts such as"),
        ("faults:\n  - {fault: error, type: no_face}", "line 2, type: is 'no_face'; "),
        ("faults:\n  - {fault: without, at: submit, keys: 3}", "write a list of keys such as [status_url, video.url]"),
        ("faults:\n  - {fault: replace, at: status, keys: [a]}", "write keys and values such as {status: PAUSED}"),
        ("faults:\n  - {fault: replace, at: status, keys: {a: 2026-01-01}}", "holds what JSON cannot; write dates in"),
        (
            "faults:\n  - {fault: elsewhere, at: submit, keys: [a], base: here}",
            "write a URL such as http://127.0.0.1:9",
        ),
        ("faults:\n  - {fault: odd_size, size: 3x4}", "size: is '3x4'; write even sides such as 448x832"),
        ("faults:\n  - {fault: bill}", "line 2, bill: needs one of factor or usd"),
        ("faults:\n  - {fault: bill, usd: -1}", "is '-1'; write a number from 0 to a billion, such as '0.50'"),
        ("faults:\n  - {fault: without, at: requests, keys: [*.x]}", "is not valid YAML"),
        ("seed: &a 3\nfaults: *a", "line 2: refers to '*a'; write it out, or put a key with * in quotes"),
        ("seed: !!python/object:os.system 3", "line 1, seed: cannot be read as a plain value; put it in quotes"),
    ],
)
def test_a_wrong_scenario_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_scenario(text.encode(), file="s.yaml")

    assert problem in str(refused.value)


def test_every_problem_of_a_scenario_is_told_at_once() -> None:
    with pytest.raises(BadInput) as refused:
        read_scenario(b"seed: x\nfaults:\n  - {fault: hang}\n  - {fault: hank, at: any}\n", file="s.yaml")

    assert str(refused.value).startswith("s.yaml has 3 problems:")


# ---- who is struck
def _struck(seed: int, places: list[str]) -> list[tuple[str, int]]:
    faults = Faults(Scenario(seed, (Fault(1, "late_answer", ("submit", "status"), probability=0.3),)))
    return [(strike.place, strike.number) for place in places for strike in faults.strikes(place)]


def test_the_same_seed_strikes_the_same_requests_in_whatever_order_places_mix() -> None:
    turns, blocks = ["submit", "status"] * 100, ["submit"] * 100 + ["status"] * 100

    assert sorted(_struck(7, turns)) == sorted(_struck(7, blocks))
    assert _struck(7, turns) != _struck(8, turns)
    assert 30 < len(_struck(7, turns)) < 90


def test_a_fault_strikes_no_more_often_than_its_times() -> None:
    faults = Faults(Scenario(0, (Fault(1, "hang", ("submit",), times=2),)))

    assert [len(faults.strikes("submit")) for _ in range(4)] == [1, 1, 0, 0]


def test_what_follows_a_fault_that_ends_the_exchange_does_not_strike() -> None:
    rules = (Fault(1, "clock", ("any",)), Fault(2, "hang", ("submit",)), Fault(3, "truncate", ("submit",)))

    assert [strike.fault.name for strike in Faults(Scenario(0, rules)).strikes("submit")] == ["clock", "hang"]


@pytest.mark.parametrize(
    ("method", "path", "place"),
    [
        ("POST", "/queue.fal.run/fal-ai/creatify/aurora", ("submit", None)),
        ("POST", "/queue.fal.run/veed/fabric-1.0", ("submit", None)),
        ("GET", "/queue.fal.run/fal-ai/creatify/requests/r/status", ("status", "r")),
        ("GET", "/queue.fal.run/fal-ai/creatify/requests/r/status/stream", ("stream", "r")),
        ("GET", "/queue.fal.run/fal-ai/creatify/requests/r", ("result", "r")),
        ("PUT", "/queue.fal.run/fal-ai/creatify/requests/r/cancel", ("cancel", "r")),
        ("POST", "/fal.run/fal-ai/creatify/aurora", ("run", None)),
        ("POST", "/rest.fal.ai/storage/auth/token", ("token", None)),
        ("POST", "/rest.fal.ai/storage/upload/initiate", ("initiate", None)),
        ("POST", "/v3.fal.media/files/upload", ("upload", None)),
        ("PUT", "/v3.fal.media/files/f/a.png", ("upload", "f")),
        ("POST", "/v3.fal.media/files/upload/multipart", ("multipart", None)),
        ("PUT", "/v3.fal.media/files/f/a.png/multipart/u/2", ("part", "f")),
        ("POST", "/v3.fal.media/files/f/a.png/multipart/u/complete", ("complete", "f")),
        ("GET", "/v3.fal.media/files/f/a.mp4", ("download", "f")),
        ("HEAD", "/v3.fal.media/files/f/a.mp4", ("", None)),
        ("GET", "/api.fal.ai/v1/models/requests/by-endpoint", ("requests", None)),
        ("GET", "/api.fal.ai/v1/models/billing-events", ("billing", None)),
        ("GET", "/_studio/faults", ("", None)),
    ],
)
def test_requests_are_counted_where_they_belong(method: str, path: str, place: tuple[str, str | None]) -> None:
    assert place_of(method, path) == place


# ---- the scenario itself
def test_the_same_seed_breaks_the_same_submits_of_a_real_studio(broken: Broken) -> None:
    def codes(seed: int) -> list[int]:
        broken.by({"fault": "answer", "at": "submit", "probability": 0.4, "status": 418}, seed=seed)
        return [broken.http.post(QUEUE, json={}).status_code for _ in range(25)]

    first = codes(3)

    assert codes(3) == first
    assert codes(4) != first
    assert 0 < first.count(418) < 25


def test_a_wrong_scenario_is_refused_and_the_old_one_stays(broken: Broken) -> None:
    broken.by({"fault": "answer", "at": "submit", "status": 418})

    answer = broken.http.put("/_studio/scenario", content=b"faults:\n  - fault: explode\n")

    assert answer.status_code == 422
    assert "line 2, fault: is 'explode', which is none" in answer.json()["detail"]
    assert broken.http.post(QUEUE, json={}).status_code == 418


def test_a_scenario_needs_a_key_as_everything_else_does(broken: Broken) -> None:
    assert httpx.put(f"{broken.url}/_studio/scenario", content=b"{}", trust_env=False).status_code == 401


def test_whatever_hangs_is_let_go_by_the_next_scenario(broken: Broken) -> None:
    broken.by(at("account", "hang"))
    seen: list[Exception] = []

    def ask() -> None:
        try:
            httpx.get(f"{broken.url}{V1}/account/billing", headers=KEY, trust_env=False, timeout=60)
        except httpx.RemoteProtocolError as error:
            seen.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    until_struck(broken)
    broken.by()
    asking.join(30)

    assert len(seen) == 1


def test_a_studio_does_not_start_with_a_wrong_scenario(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("faults:\n  - fault: explode\n    at: submit\n")

    ran = subprocess.run(
        command(tmp_path / "s", "--scenario", str(file)), capture_output=True, text=True, timeout=60, check=False
    )

    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"{file} has 1 problem:\n    line 2, fault: is 'explode', which is none; " in ran.stderr


def test_a_scenario_file_holds_from_the_first_request(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text("faults:\n  - {fault: answer, at: submit, on: 1, status: 418}\n")

    with running(tmp_path / "s", "--scenario", str(file)) as broken:
        assert [broken.http.post(QUEUE, json={}).status_code for _ in range(2)] == [418, 200]


def test_the_command_for_people_takes_a_scenario_and_says_what_is_wrong_with_it(aurora: Any, new_home: Any) -> None:
    home = new_home()
    (home / "broken.yaml").write_text("faults:\n  - fault: explode\n    at: submit\n")

    ran = aurora(home, "studio", "--port", "0", "--scenario", "broken.yaml")
    alone = aurora(home, "studio", "--latency", "2")

    assert (ran.returncode, alone.returncode) == (1, 2)
    assert "line 2, fault: is 'explode', which is none; " in ran.stderr
    assert "--latency and --concurrency go with --instant; add it." in alone.stderr
