"""Stopping is clean: Ctrl-C, SIGTERM and a second signal, in every stage, against real processes.

Each test runs the `aurora` command in a process of its own and prints the seconds it took to be gone (`pytest -s`).
The studio is the real one; where a test must know what is queued and what runs, its renderer waits for a file to go.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from aurora_pipeline import pipeline
from aurora_pipeline.aurora_videos.ledger import Ledger, open_ledger
from aurora_pipeline.aurora_videos.records import Charge, StageRun
from aurora_pipeline.cli.stopping import AT_ONCE, STOPPED, Stop
from aurora_pipeline.gear.studio_process import studio
from aurora_pipeline.settings import Settings, from_environment
from aurora_pipeline_tests.conftest import ALONE
from aurora_pipeline_tests.patient_studio import (
    PatientStudio,
    asking,
    ffmpegs_of,
    make_film,
    patient_studio,
    processes_of,
    tell,
    until,
)

ENDS_WITHIN_SECONDS = 10  # the requirement, from the signal to the end of the process
STUDIO_ENDS_WITHIN_SECONDS = 20  # 3 s without a user, then up to 3 s to close and 2 s for a renderer; the rest is load
ROWS = ["one,Good morning.", "two,Good day to you.", "three,Good evening to all."]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}

# ---------------------------------------------------------------- what the tests look at


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bought video as a test needs it: 2 s that are soon delivered."""
    return make_film(tmp_path_factory.mktemp("film") / "short.mp4", seconds=2, size="320x240")


@pytest.fixture
def patient(tmp_path: Path, film: Path) -> Iterator[PatientStudio]:
    with patient_studio(tmp_path / "studio", film) as running:
        yield running


@dataclass
class Running:
    """An `aurora` command at work in a home of its own."""

    process: subprocess.Popen[str]
    home: Path
    said: Path

    @property
    def settings(self) -> Settings:
        return from_environment({"AURORA_HOME": str(self.home)})

    def charges(self) -> list[Charge]:
        return list(Ledger(self.settings.ledger).charges())

    def states(self) -> list[str]:
        return sorted(charge.state for charge in self.charges())

    def stage_run(self, stage: str) -> StageRun:
        return next(run for run in Ledger(self.settings.ledger).stage_runs() if run.stage == stage)

    def wait_until(self, is_so: Callable[[], Any]) -> None:
        """Poll another process's state; it must come about while the command is at work."""
        came = until(lambda: is_so() or self.process.poll() is not None, seconds=120)
        assert self.process.poll() is None, f"it ended before it could be stopped:\n{self.said.read_text()}"
        assert came, f"what was waited for never came about:\n{self.said.read_text()}"

    def stop(self, number: int, doing: str) -> str:
        """Send the signal; what the command said once it is gone. Fails when it takes longer than it may."""
        since = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(ENDS_WITHIN_SECONDS)
        tell(f"{signal.Signals(number).name} while {doing}: gone after {time.monotonic() - since:.2f} s")
        return self.said.read_text()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start `aurora ...` in a home; whatever is still there at the end is ended."""
    with contextlib.ExitStack() as stack:

        def start(home: Path, *arguments: str, stdin: int = subprocess.DEVNULL, **environment: str) -> Running:
            said = tmp_path / f"said{time.monotonic_ns()}"
            clean = {name: value for name, value in os.environ.items() if not name.startswith(("AURORA_", "FAL_"))}
            process = subprocess.Popen(
                [sys.executable, "-m", "aurora_pipeline", *arguments],
                env=clean | ALONE | {"AURORA_HOME": str(home), "AURORA_POLL_SECONDS": "0.1"} | environment,
                cwd=home,
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=stack.enter_context(said.open("w")),
                text=True,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return Running(process, home, said)

        yield start


# ---------------------------------------------------------------- while videos are made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_videos_are_made_queued_ones_are_withdrawn_and_the_running_one_is_fetched_next_time(
    number: signal.Signals,
    new_home: Callable[..., Path],
    begin: Callable[..., Running],
    aurora: Callable[..., Any],
    patient: PatientStudio,
) -> None:
    home, environment = new_home(spring=ROWS), {"AURORA_STUDIO_URL": patient.url, "AURORA_REQUESTS_IN_FLIGHT": "3"}
    patient.hold()
    run = begin(home, "run", "spring", **environment)
    run.wait_until(lambda: sorted(patient.requests().values()) == ["IN_PROGRESS", "IN_QUEUE", "IN_QUEUE"])
    run.wait_until(lambda: run.states() == ["accepted"] * 3)
    said = run.stop(number, "one video is made and two are queued")

    assert run.process.returncode == CODES[number]
    assert STOPPED in said
    assert "Traceback" not in said
    assert processes_of(home) == []
    assert sorted(patient.requests().values()) == ["CANCELLED", "CANCELLED", "IN_PROGRESS"]
    (running,) = [charge for charge in run.charges() if charge.state == "accepted"]
    assert run.stage_run("aurora_videos").sentence == "It was stopped."

    patient.release()
    again = aurora(home, "run", "spring", **environment)

    assert again.returncode == 0, again.stderr
    settled = [charge for charge in run.charges() if charge.state == "settled"]
    assert sorted(charge.clip_id for charge in settled) == ["one", "three", "two"]
    assert running.request_id in {charge.request_id for charge in settled}
    assert len(patient.requests()) == 5  # two of them withdrawn
    assert set(patient.bills()) == {charge.request_id for charge in settled}


def test_a_stop_says_what_was_spent_and_what_may_still_be_billed(
    new_home: Callable[..., Path], begin: Callable[..., Running], patient: PatientStudio
) -> None:
    from aurora_pipeline.aurora_videos.spent import spent_so_far

    home = new_home(spring=ROWS[:1])
    patient.hold()
    run = begin(home, "run", "spring", AURORA_STUDIO_URL=patient.url)
    run.wait_until(lambda: "IN_PROGRESS" in patient.requests().values() and run.states() == ["accepted"])

    said = run.stop(signal.SIGINT, "one video is made")

    (charge,) = run.charges()
    assert said.rstrip().endswith(f"{STOPPED} {spent_so_far(run.settings, charge.run_id)}")


def test_a_provider_that_hangs_cannot_keep_a_stopped_run_alive(
    new_home: Callable[..., Path], begin: Callable[..., Running], patient: PatientStudio
) -> None:
    home = new_home(spring=ROWS[:1])
    patient.hold()
    run = begin(home, "run", "spring", AURORA_STUDIO_URL=patient.url)
    run.wait_until(lambda: run.states() == ["accepted"])
    patient.freeze()
    run.wait_until(patient.owes_an_answer)

    said = run.stop(signal.SIGTERM, "the provider does not answer")

    assert run.process.returncode == 143
    assert STOPPED in said
    assert run.states() == ["accepted"]
    assert processes_of(home) == []


def test_a_second_signal_ends_at_once(
    new_home: Callable[..., Path], begin: Callable[..., Running], patient: PatientStudio
) -> None:
    home = new_home(spring=ROWS[:1])
    patient.hold()
    run = begin(home, "run", "spring", AURORA_STUDIO_URL=patient.url)
    run.wait_until(lambda: run.states() == ["accepted"])
    patient.freeze()
    run.wait_until(patient.owes_an_answer)
    run.process.send_signal(signal.SIGINT)
    run.wait_until(lambda: is_stopping(run.process.pid))

    said = run.stop(signal.SIGINT, "it waits for a provider that does not answer (second Ctrl-C)")

    assert run.process.returncode == 130
    assert AT_ONCE in said
    assert STOPPED not in said
    assert processes_of(home) == []


def is_stopping(pid: int) -> bool:
    """Whether the first signal has been taken: none of its kind is pending in the process any more."""
    status = Path(f"/proc/{pid}/status").read_text()
    pending = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd"))]
    return not any(mask >> (signal.SIGINT - 1) & 1 for mask in pending)


def test_a_stopped_run_leaves_no_studio_renderer_or_ffmpeg_and_its_render_is_billed_once(
    new_home: Callable[..., Path], begin: Callable[..., Running], aurora: Callable[..., Any]
) -> None:
    home = new_home(spring=[f"long,{'This clip is long enough to be caught while its head is being drawn. ' * 3}"])
    run = begin(home, "run", "spring")
    run.wait_until(lambda: any("studio.head.worker" in command for command in processes_of(home)))
    run.wait_until(lambda: ffmpegs_of(home))

    run.stop(signal.SIGTERM, "its own studio draws a head")

    since = time.monotonic()
    assert until(lambda: not processes_of(home), seconds=STUDIO_ENDS_WITHIN_SECONDS), processes_of(home)
    tell(f"its studio, renderer and ffmpeg: gone {time.monotonic() - since:.2f} s after it")
    assert run.states() == ["accepted"]

    again = aurora(home, "run", "spring")

    assert again.returncode == 0, again.stderr
    assert run.states() == ["settled"]
    with studio(run.settings.studio_folder, run.settings.price_book, workers=1) as url, asking(url) as http:
        answers = PatientStudio(run.process, home, url, http)
        assert list(answers.bills()) == list(answers.requests()) == [run.charges()[0].request_id]


# ---------------------------------------------------------------- while speech and deliverables are made


@pytest.mark.parametrize("voice", ["heart", "pico-en-gb"])
def test_stopped_while_it_speaks_the_finished_speech_is_kept_and_nothing_is_bought(
    voice: str, new_home: Callable[..., Path], begin: Callable[..., Running]
) -> None:
    if voice == "pico-en-gb":
        pytest.importorskip("py_nanotts")
    text = "It goes on and on for quite a while before it comes to its end. " * 60
    home = new_home(spring=[f"short,Good morning.,{voice}", *(f"clip{n},{n} {text},{voice}" for n in range(11))])
    table = home / "data" / "campaigns" / "spring" / "scripts.csv"
    table.write_text(table.read_text().replace("clip_id,text", "clip_id,text,voice"))
    run = begin(home, "run", "spring")
    wavs = home / "data" / "output" / "tts_audio" / "spring"
    run.wait_until(lambda: list(wavs.glob("*.wav")))

    said = run.stop(signal.SIGTERM, f"it speaks as {voice}")

    assert run.process.returncode == 143
    assert STOPPED in said
    assert 1 <= len(list(wavs.glob("*.wav"))) < 12
    assert run.stage_run("tts_audio").sentence == "It was stopped."
    assert run.charges() == []
    assert processes_of(home) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_deliverables_are_made_every_ffmpeg_ends_and_no_video_is_bought_again(
    number: signal.Signals,
    new_home: Callable[..., Path],
    begin: Callable[..., Running],
    aurora: Callable[..., Any],
    tmp_path: Path,
) -> None:
    film = make_film(tmp_path / "long.mp4", seconds=4, size="960x540")
    home = new_home(spring=ROWS[:2])
    with patient_studio(tmp_path / "studio", film) as patient:
        run = begin(home, "run", "spring", AURORA_STUDIO_URL=patient.url)
        run.wait_until(lambda: any("libx264" in command for command in ffmpegs_of(home)))
        run.stop(number, "ffmpeg makes deliverables")

        assert run.process.returncode == CODES[number]
        assert processes_of(home) == []
        assert run.stage_run("deliverables").sentence == "It was stopped."
        assert list((home / "data" / "output" / "media" / ".workshop").iterdir()) == []
        before = patient.requests()

        again = aurora(home, "run", "spring", AURORA_STUDIO_URL=patient.url)

        assert "2 clips are finished" in again.stdout, again.stderr
        assert run.states() == ["settled", "settled"]
        assert patient.requests() == before
        assert len(patient.bills()) == 2


# ---------------------------------------------------------------- the other doors of the command line


def test_ctrl_c_at_the_question_buys_nothing(new_home: Callable[..., Path], begin: Callable[..., Running]) -> None:
    home = new_home(spring=ROWS[:1])
    ours, terminal = os.openpty()
    run = begin(home, "run", "spring", stdin=terminal, AURORA_PROVIDER="fal", FAL_KEY="not-a-key")
    run.wait_until(lambda: "Buy 1 clip for" in run.said.read_text())

    said = run.stop(signal.SIGINT, "it asks")

    os.close(ours)
    os.close(terminal)
    assert run.process.returncode == 130
    assert STOPPED in said
    assert run.charges() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_studio_in_the_foreground_ends_in_order(
    number: signal.Signals, new_home: Callable[..., Path], begin: Callable[..., Running]
) -> None:
    home = new_home()
    run = begin(home, "studio", "--port", "0")
    run.wait_until(lambda: "Application startup complete" in run.said.read_text())

    said = run.stop(number, "the studio serves")

    assert run.process.returncode == 0
    assert "Traceback" not in said
    assert processes_of(home) == []


def test_a_ctrl_c_that_was_ignored_from_the_start_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as for `aurora run ... &` in a script
    try:
        with Stop().listening():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_held_ledger_keeps_a_stopped_stage_no_longer_than_it_can_wait_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "PARTING_SECONDS", 0.01)
    settings = Settings(root=tmp_path, output=tmp_path / "output")
    held = FileLock(f"{settings.ledger.removeprefix('sqlite:///')}.lock")

    with held_when_it_is_stopped(pipeline.Job(settings, "spring", "r"), held):
        assert open_ledger(settings.ledger).stage_runs() == []


@contextlib.contextmanager
def held_when_it_is_stopped(job: pipeline.Job, held: FileLock) -> Iterator[None]:
    """A stage that is stopped while somebody else holds the ledger; it is held until the block ends."""
    try:
        with pipeline._recorded(job, "tts_audio"):
            held.acquire()
            signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        yield
    finally:
        held.release()


def test_a_ledger_that_cannot_be_read_does_not_keep_a_stop_from_being_told() -> None:
    def spent() -> str:
        raise OSError("the disk is gone")

    assert Stop(signal.SIGTERM, spent).sentence() == (
        f"{STOPPED} What was spent is in the ledger, which could not be read now (OSError)."
    )
