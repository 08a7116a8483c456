"""gear/ffmpeg.py: the one place that runs ffmpeg."""

from __future__ import annotations

import shlex
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from aurora_pipeline.errors import FfmpegFailed, Interrupted
from aurora_pipeline.gear import ffmpeg

HALF_A_SECOND = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000:duration=0.5")


def endless(folder: Path) -> list[str]:
    """Arguments that keep ffmpeg busy for ever, in real time; the file name marks its process."""
    return ["-re", "-f", "lavfi", "-i", "testsrc=size=64x64", "-f", "null", f"file:{folder / 'endless'}"]


def processes_that_name(marker: str) -> list[Path]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if marker.encode() in command and b"ffmpeg" in command.partition(b"\0")[0]:
            found.append(process)
    return found


def test_what_ffmpeg_writes_to_the_pipe_comes_back() -> None:
    ran = ffmpeg.run([*HALF_A_SECOND, "-f", "s16le", "pipe:1"])

    assert len(ran.stdout) == 8000  # 0.5 s of 16-bit mono at 8 kHz
    assert "pcm_s16le" in ran.stderr


@pytest.mark.parametrize("name", ["-attack.wav", 'it\'s "so" good.wav', "http:x.wav", "a,b;c[0:v]=1.wav", "%03d.wav"])
def test_a_file_name_is_never_an_option_a_protocol_or_a_pattern(tmp_path: Path, name: str) -> None:
    ffmpeg.run([*HALF_A_SECOND, ffmpeg.target(tmp_path / name)])

    ran = ffmpeg.run(ffmpeg.source(tmp_path / name).audio.output("pipe:1", format="s16le"))

    assert (tmp_path / name).is_file()
    assert len(ran.stdout) == 8000


def test_a_playlist_that_calls_itself_mp4_cannot_open_what_it_names(tmp_path: Path) -> None:
    ffmpeg.run([*HALF_A_SECOND, ffmpeg.target(tmp_path / "secret.wav")])
    playlist = tmp_path / "clip.mp4"
    playlist.write_text("ffconcat version 1.0\nfile secret.wav\n")

    with pytest.raises(FfmpegFailed, match="moov atom not found"):
        ffmpeg.run(ffmpeg.source(playlist, format="mp4").audio.output("pipe:1", format="s16le"))


def test_an_input_may_not_open_the_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        playlist = tmp_path / "list.txt"
        playlist.write_text(f"ffconcat version 1.0\nfile http://127.0.0.1:{server.getsockname()[1]}/x.mp4\n")
        named = ["-f", "concat", "-safe", "0", "-i", ffmpeg.target(playlist), "-f", "null", "-"]

        with pytest.raises(FfmpegFailed, match="not on whitelist 'file,pipe'"):
            ffmpeg.run(ffmpeg.source(playlist, format="concat", safe=0).output("-", format="null"))
        with pytest.raises(BlockingIOError):
            server.accept()

        with pytest.raises(FfmpegFailed):  # the same list does reach the network when it may
            ffmpeg.run(["-protocol_whitelist", "file,http,tcp", *named], timeout_seconds=1)
        server.accept()[0].close()


def test_a_failure_shows_the_last_lines_and_the_exact_command(tmp_path: Path) -> None:
    missing = tmp_path / "no such file.mp4"

    with pytest.raises(FfmpegFailed) as failure:
        ffmpeg.run(ffmpeg.source(missing).output("-", format="null"))

    said, _, command = str(failure.value).partition("The command was:")
    assert "No such file or directory" in said
    words = shlex.split(command)
    assert words[0] == ffmpeg.executable()
    assert words[1:5] == ["-hide_banner", "-nostdin", "-nostats", "-y"]
    assert f"file:{missing}" in words


class Alarm(threading.Event):
    """Not set before ffmpeg is at work; then ``rings``."""

    def __init__(self, folder: Path, rings: Callable[[], bool]) -> None:
        super().__init__()
        self.folder, self.rings = folder, rings

    def is_set(self) -> bool:
        return bool(processes_that_name(str(self.folder))) and self.rings()


def interrupt() -> bool:
    raise KeyboardInterrupt


def test_ffmpeg_is_ended_when_the_run_is_asked_to_stop(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match=r"^ffmpeg was stopped because the run was asked to stop.$"):
        ffmpeg.run(endless(tmp_path), stop=Alarm(tmp_path, lambda: True))

    assert processes_that_name(str(tmp_path)) == []


def test_ffmpeg_is_not_started_once_the_run_was_asked_to_stop(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(Interrupted, match=r"^ffmpeg was not started because the run was asked to stop.$"):
        ffmpeg.run([*HALF_A_SECOND, ffmpeg.target(tmp_path / "sound.wav")], stop=stop)

    assert list(tmp_path.iterdir()) == []


def test_a_program_that_does_not_wait_for_its_threads_takes_every_ffmpeg_along(tmp_path: Path) -> None:
    ran: list[type[BaseException]] = []

    def work() -> None:
        try:
            ffmpeg.run(endless(tmp_path))
        except FfmpegFailed as failure:
            ran.append(type(failure))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while not processes_that_name(str(tmp_path)) and thread.is_alive():
        thread.join(0.05)
    ffmpeg.end_all()
    thread.join(30)

    assert processes_that_name(str(tmp_path)) == []
    assert ran == [FfmpegFailed]


def test_ffmpeg_is_ended_when_it_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(FfmpegFailed, match=r"still working after 0\.3 s"):
        ffmpeg.run(endless(tmp_path), timeout_seconds=0.3)

    assert processes_that_name(str(tmp_path)) == []


def test_ffmpeg_is_ended_when_anything_is_raised_while_it_works(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        ffmpeg.run(endless(tmp_path), stop=Alarm(tmp_path, interrupt))

    assert processes_that_name(str(tmp_path)) == []
