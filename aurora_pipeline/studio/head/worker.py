"""Renders for the studio: one JSON line in, JSON lines out. Ends when its standard input does, also mid-render.

    in   {"portrait": path, "audio": path, "target": path, "resolution": "720p"}
    out  {"frame": 25, "of": 118} ...
         {"done": {"width", "height", "frames", "seconds"}}  or  {"error": {"type", "message"}}

Models are loaded once and kept. A reader thread watches standard input, so that a worker whose server died does not
go on rendering for nobody; it then stops as at SIGTERM: ffmpeg is ended and the half file removed.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

TELL_EVERY = 25  # frames
TIDY_SECONDS = 5  # for ending ffmpeg and removing the half file


def main() -> None:
    """Serve jobs until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints in this process must not be taken for an answer
    signal.signal(signal.SIGTERM, _stop)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    while True:
        _say(answers, _served(lines.get(), answers))


def _stop(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # once is enough: a second one must not disturb the tidying
    raise SystemExit(0)


def _read(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    main_thread = threading.main_thread()
    signal.pthread_kill(cast("int", main_thread.ident), signal.SIGTERM)  # also when it waits for ffmpeg
    main_thread.join(TIDY_SECONDS)
    os._exit(0)


def _served(line: str, answers: Any) -> dict[str, Any]:
    from .render import NoFace, NotAPicture, NotSound, render

    def tell(done: int, total: int) -> None:
        if done % TELL_EVERY == 0:
            _say(answers, {"frame": done, "of": total})

    kinds = {NoFace: "face_detection_error", NotAPicture: "image_load_error", NotSound: "unsupported_audio_format"}
    try:
        job = json.loads(line)
        made = render(
            Path(job["portrait"]),
            Path(job["audio"]),
            Path(job["target"]),
            resolution=job["resolution"],
            on_frame=tell,
        )
    except (NoFace, NotAPicture, NotSound) as error:
        return {"error": {"type": kinds[type(error)], "message": str(error)}}
    except Exception as error:  # noqa: BLE001 - the job fails, as a model's would; the worker serves the next one
        traceback.print_exc()
        return {"error": {"type": "internal_server_error", "message": type(error).__name__}}
    return {"done": asdict(made)}


def _say(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
