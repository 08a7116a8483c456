"""fal-client as its users run it, in a process that knows of no studio. Run as `python untouched_client.py CASE`.

Every case prints one JSON value; test_conformance.py compares it with what the studio knows. Nothing but fal_client and
the standard library is imported here, and nothing of fal_client is replaced.
"""

import asyncio
import hashlib
import io
import json
import sys
import tempfile
import wave
from pathlib import Path

import fal_client

ENDPOINT = "fal-ai/creatify/aurora"
EXAMPLES = "https://storage.googleapis.com/falserverless/example_inputs/creatify/aurora"
EXAMPLE = {"image_url": f"{EXAMPLES}/input_.png", "audio_url": f"{EXAMPLES}/input.wav", "resolution": "480p"}
BIG_BYTES = 101 * 1024**2  # above fal-client's threshold for uploads in parts


def sound(seconds=1):
    """A WAV of its own each time, as bytes."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes(range(250)) * 32 * seconds)
    return target.getvalue()


def uploads():
    """Whole files by every function and repository."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "speech.wav"
        file.write_bytes(sound())
        life = fal_client.client.StorageSettings(expires_in="1d")
        return {
            "v3": fal_client.upload(sound(), "audio/wav", "a.wav"),
            "fal": fal_client.upload(sound(), "audio/wav", "b.wav", repository="fal", lifecycle=life),
            "file": fal_client.upload_file(file, lifecycle=life),
            "async": asyncio.run(fal_client.AsyncClient().upload(sound(), "audio/wav", "c.wav")),
        }


def multipart():
    """A file that goes up in parts, at once from memory and from disk."""
    big = hashlib.sha256(b"seed").digest() * (BIG_BYTES // 32 + 1)
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(big)
        file.flush()
        from_disk = asyncio.run(fal_client.AsyncClient().upload_file(Path(file.name)))
    urls = [fal_client.upload(big, "application/octet-stream", "big.bin"), from_disk]
    return {"urls": urls, "sha256": hashlib.sha256(big).hexdigest()}


def queue():
    """submit, status, events, result, by handle and by the functions of the module."""
    handle = fal_client.submit(ENDPOINT, arguments=EXAMPLE | {"audio_url": fal_client.upload(sound(), "audio/wav")})
    events = [type(event).__name__ for event in handle.iter_events(with_logs=True, interval=0.02)]
    last = fal_client.status(ENDPOINT, handle.request_id, with_logs=True)
    return {
        "request_id": handle.request_id,
        "urls": [handle.status_url, handle.response_url, handle.cancel_url],
        "last_event": events[-1],
        "messages": [entry["message"] for entry in last.logs],
        "results": [handle.get(), fal_client.result(ENDPOINT, handle.request_id)],
    }


def cancel():
    """One that waits is cancelled, then everything that is still there; the second cancel says that it is over."""
    client = fal_client.SyncClient()
    running = client.submit(ENDPOINT, EXAMPLE)
    next(event for event in running.iter_events(interval=0.02) if isinstance(event, fal_client.InProgress))
    waiting = client.submit(ENDPOINT, EXAMPLE, priority="low")
    position = waiting.status().position
    fal_client.cancel(ENDPOINT, waiting.request_id)
    running.cancel()
    ended = [list(each.iter_events(interval=0.02))[-1].error_type for each in (running, waiting)]
    try:
        waiting.cancel()
    except fal_client.FalClientHTTPError as error:
        return {"position": position, "ended": ended, "again": error.status_code}
    return None


def subscribe():
    """The calls that wait."""
    seen = []
    result = fal_client.subscribe(
        ENDPOINT, EXAMPLE, with_logs=True, interval=0.02, on_enqueue=seen.append, start_timeout=60
    )
    return {"enqueued": seen, "results": [result, fal_client.run(ENDPOINT, EXAMPLE)]}


def refusals():
    """A refusal by the model, a request that nobody knows, and a deadline to start, as exceptions."""
    handle = fal_client.submit(ENDPOINT, arguments={})
    told = []
    for ask in (
        handle.get,
        lambda: fal_client.status(ENDPOINT, "nobody"),
        lambda: fal_client.run("fal-ai/no/such", {}),
    ):
        try:
            ask()
        except fal_client.FalClientHTTPError as error:
            told.append([error.status_code, error.error_type])
    return told


def from_coroutines():
    """The asynchronous client, all the way."""

    async def go():
        client = fal_client.AsyncClient()
        speech = await client.upload(sound(), "audio/wav", "speech.wav")
        handle = await client.submit(ENDPOINT, EXAMPLE | {"audio_url": speech})
        events = [type(event).__name__ async for event in handle.iter_events(with_logs=True, interval=0.02)]
        results = [await handle.get(), await fal_client.subscribe_async(ENDPOINT, EXAMPLE)]
        late = await fal_client.submit_async(ENDPOINT, EXAMPLE)
        await late.get()
        return {"last_event": events[-1], "results": [*results, await fal_client.run_async(ENDPOINT, EXAMPLE)]}

    return asyncio.run(go())


CASES = {each.__name__: each for each in (uploads, multipart, queue, cancel, subscribe, refusals, from_coroutines)}

if __name__ == "__main__":
    sys.stdout.write(json.dumps(CASES[sys.argv[1]]()))
