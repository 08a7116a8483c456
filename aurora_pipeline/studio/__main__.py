"""The studio's command line: `python -m aurora_pipeline.studio --folder DIR --price-book data/price_book.csv`.

Stdout carries one JSON line, when the studio can be used; everything else is said on stderr.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import filelock
import uvicorn
from fastapi import FastAPI

from ..errors import AuroraError, StudioFailed
from .app import Plan, assemble
from .parts import Studio
from .scenario import Scenario, read_scenario
from .terms import LONGEST_SECONDS, Retention
from .webhooks import DELAYS

CLOSING_SECONDS = 3
PREDECESSOR_SECONDS = 15  # a studio of the same folder that is just stopping may take this long


class Server(uvicorn.Server):
    """Says where it listens once it does, and lets open streams end before it closes."""

    def __init__(self, app: FastAPI, url: str, folder: Path) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=CLOSING_SECONDS,
                ws="none",
                date_header=False,  # `breaking.Dated` writes it
            )
        )
        self.app, self.url, self.folder = app, url, folder

    def drop(self, client: tuple[str, int]) -> None:
        """Close the connection that comes from this address, whatever is under way on it."""
        for connection in self.server_state.connections:
            transport = getattr(connection, "transport", None)
            if transport is not None and getattr(connection, "client", None) == client:
                transport.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(json.dumps({"url": self.url}) + "\n")
            sys.stdout.flush()
            self._tell_the_neighbours()

    def _tell_the_neighbours(self) -> None:
        """Runs that use this folder join this studio (gear/studio_process.py) instead of starting a second one."""
        half = self.folder / f".studio.json.{os.getpid()}"
        half.write_text(json.dumps({"url": self.url, "pid": os.getpid()}), encoding="utf-8")
        os.replace(half, self.folder / "studio.json")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        studio: Studio = self.app.state.studio
        studio.begin_closing()
        await super().shutdown(sockets)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 0 then, 1 with a sentence on stderr when it cannot start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole URLs
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(options.folder.absolute() / "in_use.lock", timeout=PREDECESSOR_SECONDS):
            _serve(options)
    except filelock.Timeout:
        return _failed(f"Another studio is using {options.folder}; stop it or choose another --folder.")
    except (AuroraError, OSError) as error:
        return _failed(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m aurora_pipeline.studio", description="The local stand-in for fal.")
    parser.add_argument("--folder", type=Path, required=True, help="everything it keeps: requests, bills, files")
    parser.add_argument("--price-book", type=Path, required=True, help="CSV of dated prices")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one (default)")
    parser.add_argument("--workers", type=int, default=2, help="videos rendered at the same time (default 2)")
    parser.add_argument("--exit-when-unused", action="store_true", help="stop by itself when nobody holds a lease")
    parser.add_argument("--instant", action="store_true", help="still DRAFT cards at next to no CPU: for load tests")
    parser.add_argument("--latency", type=_seconds, default=0.0, help="with --instant: seconds a request takes")
    parser.add_argument("--concurrency", type=int, help="with --instant: at the same time (default --workers)")
    parser.add_argument("--scenario", type=Path, help="YAML file of faults to inject (see studio/scenario.py)")
    parser.add_argument(
        "--keep-results", type=_three_seconds, default=Retention(), metavar="STORED,UNSTORED,LARGE",
        help="seconds a result can be fetched: with its payload stored, without, without and large (as at fal)",
    )  # fmt: skip
    parser.add_argument(
        "--webhook-delays", type=_delays, default=DELAYS, metavar="SECONDS,...",
        help="seconds before each repetition of a webhook that was not taken (default: ten in two hours)",
    )  # fmt: skip
    default = shlex.join([sys.executable, "-m", "aurora_pipeline.studio.head.worker"])
    parser.add_argument("--worker-command", default=default, help="another renderer that speaks the worker's lines")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < LONGEST_SECONDS:  # NaN too
        raise argparse.ArgumentTypeError(f"'{text}' are no seconds; write a number that is not negative")
    return seconds


def _delays(text: str) -> tuple[float, ...]:
    return tuple(_seconds(part) for part in text.split(",") if part)


def _three_seconds(text: str) -> Retention:
    if text.count(",") != 2:
        raise argparse.ArgumentTypeError(f"'{text}' are not three numbers of seconds; write them as 60,30,10")
    stored, unstored, large = map(_seconds, text.split(","))
    return Retention(stored, unstored, large)


def _serve(options: argparse.Namespace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", options.port))

        def close() -> None:
            server.should_exit = True

        def drop(client: tuple[str, int]) -> None:
            server.drop(client)

        plan = Plan(
            folder=options.folder.absolute(),
            price_book=options.price_book.absolute(),
            worker_command=shlex.split(options.worker_command),
            workers=max(1, (options.instant and options.concurrency) or options.workers),
            instant_seconds=options.latency if options.instant else None,
            close_when_unused=close if options.exit_when_unused else None,
            scenario=_scenario(options.scenario),
            retention=options.keep_results,
            webhook_delays=options.webhook_delays,
            drop=drop,
        )
        server = Server(assemble(plan), f"http://127.0.0.1:{listener.getsockname()[1]}", plan.folder)
        # uvicorn stops in order on these signals, then raises them again for whoever was there before it
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        server.run(sockets=[listener])
        if not server.started:
            raise StudioFailed("The studio could not open; the reason is above.")


def _scenario(file: Path | None) -> Scenario:
    return Scenario() if file is None else read_scenario(file.read_bytes(), file=str(file))


def _failed(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
