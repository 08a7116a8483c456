"""Renders for the studio: one JSON line in, JSON lines out. Ends when its standard input does, also mid-render.

    in   {"portrait": path, "audio": path, "target": path, "resolution": "720p"}
    out  {"frame": 25, "of": 118} ...
         {"done": {"width", "height", "frames", "seconds"}}  or  {"error": {"type", "message"}}

Models are loaded once and kept. A reader thread watches standard input, so that a worker whose server died does not
go on rendering for nobody.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

TELL_EVERY = 25  # frames


def main() -> None:
    """Serve jobs until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints in this process must not be taken for an answer
    jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs,), daemon=True).start()
    while (job := jobs.get()) is not None:
        _say(answers, _served(job, answers))


def _read(jobs: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    for line in sys.stdin:
        jobs.put(json.loads(line))
    # The server is gone. ffmpeg ends by itself when our end of its pipe closes.
    os._exit(0)


def _served(job: dict[str, Any], answers: Any) -> dict[str, Any]:
    from .render import NoFace, NotAPicture, NotSound, render

    def tell(done: int, total: int) -> None:
        if done % TELL_EVERY == 0:
            _say(answers, {"frame": done, "of": total})

    kinds = {NoFace: "face_detection_error", NotAPicture: "image_load_error", NotSound: "unsupported_audio_format"}
    try:
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
