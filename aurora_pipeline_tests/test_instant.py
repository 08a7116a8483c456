"""Instant cards: whole drafts of the speech they are for, in the time they were given."""

from __future__ import annotations

from pathlib import Path

import pytest

from aurora_pipeline.gear.probe import decode_errors, probe
from aurora_pipeline_tests.broken_studio import (
    RATE,
    Broken,
    running,
    wav,
)


# ---- instant cards
@pytest.mark.parametrize(("seconds", "resolution"), [(1.2, "480p"), (0.03, "720p"), (11.0, "480p")])
def test_a_card_is_a_whole_draft_of_the_speechs_length_and_size(
    broken: Broken, tmp_path: Path, seconds: float, resolution: str
) -> None:
    speech = broken.client().upload(wav(seconds), "audio/wav", "a.wav", repository="fal")

    file = broken.file(broken.made(audio_url=speech, resolution=resolution), tmp_path)
    seen = probe(file)

    assert decode_errors(file) == ()
    assert min(seen.width, seen.height) == int(resolution[:-1])
    assert (seen.fps, seen.video_codec, seen.audio_codec) == (25, "h264", "aac")
    assert seen.is_faststart
    assert not seen.is_truncated
    assert 0 <= seen.video_seconds - seconds < 0.04
    assert seen.audio_seconds == pytest.approx(seconds, abs=0.001)
    assert seen.comment.startswith("DRAFT")


def test_a_card_shows_draft_and_lets_the_speech_be_heard(broken: Broken, tmp_path: Path) -> None:
    import av
    import numpy as np

    file = broken.file(broken.made(), tmp_path)
    with av.open(str(file)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    with av.open(str(file)) as container:
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])

    yellow = (picture[..., 0] - picture[..., 2] > 120).mean()
    loudest = np.argmax(np.abs(np.fft.rfft(heard))) * RATE / len(heard)
    assert yellow > 0.005
    assert loudest == pytest.approx(440, abs=2)


def test_a_request_takes_the_latency_it_was_given(tmp_path: Path) -> None:
    with running(tmp_path, "--latency", "0.25") as broken:
        broken.inputs |= {"image_url": sample("input_.png"), "audio_url": sample("input.wav"), "resolution": "480p"}
        items = [broken.item(broken.made()) for _ in range(2)]

    assert all(item["duration"] >= 0.25 for item in items)


def sample(name: str) -> str:
    return f"https://storage.googleapis.com/falserverless/example_inputs/creatify/aurora/{name}"
