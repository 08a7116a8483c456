"""Second-aware audio: what is taken away, that it pays, and that no word is touched."""

from __future__ import annotations

from itertools import pairwise

import ffmpeg as ffmpeg_python
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurora_pipeline.gear.voices import TimedWord
from aurora_pipeline.price_book import billed_seconds
from aurora_pipeline.tts_audio import fitting
from aurora_pipeline.tts_audio.fitting import LARGEST_TEMPO, MARGIN_SECONDS, apply, plan, stretched

RATE = 24_000


def line(*spans: float, rate: int = RATE) -> np.ndarray:
    """A tone and a silence, turn by turn, of so many seconds each; a leading 0 begins with silence."""
    pieces = []
    for number, seconds in enumerate(spans):
        times = np.arange(round(seconds * rate)) / rate
        tone = 0.3 * np.sin(2 * np.pi * 220 * times)
        pieces.append(tone if number % 2 == 0 else np.zeros(len(times)))
    return np.concatenate(pieces).astype(np.float32)


def tones(samples: np.ndarray) -> list[tuple[float, float]]:
    return fitting._sounding(samples, RATE)


def test_off_leaves_every_sample_alone():
    samples = line(0, 0.5, 2.0, 0.7)
    planned = plan(samples, RATE, "off")

    assert planned.is_whole
    assert np.array_equal(apply(planned, samples, RATE), samples)


def test_trim_takes_the_silence_at_both_ends_and_nothing_between():
    planned = plan(line(0, 0.5, 1.0, 0.6, 1.0, 0.7), RATE, "trim")

    assert planned.trimmed_seconds == pytest.approx(0.46 + 0.60, abs=0.011)
    assert (planned.shaved_seconds, planned.tempo) == (0.0, 1.0)
    assert planned.seconds == pytest.approx(0.04 + 2.6 + 0.10, abs=0.011)


def test_fit_shortens_pauses_before_it_touches_the_tempo():
    planned = plan(line(1.0, 0.6, 1.5), RATE, "fit")  # 3.1 s and a tail of 0

    assert planned.seconds == pytest.approx(3 - MARGIN_SECONDS)
    assert planned.shaved_seconds == pytest.approx(3.1 - planned.seconds, abs=0.011)
    assert planned.tempo == 1.0


def test_fit_raises_the_tempo_only_for_what_pauses_do_not_give():
    planned = plan(line(2.5, 0.27, 2.3), RATE, "fit")  # 5.07 s: 0.02 s to shave, 0.09 left

    assert planned.seconds == pytest.approx(5 - MARGIN_SECONDS)
    assert 1.0 < planned.tempo <= LARGEST_TEMPO
    assert planned.shaved_seconds == pytest.approx(0.02, abs=0.011)


def test_a_clip_far_above_its_second_keeps_its_pauses_and_its_tempo():
    planned = plan(line(2.5, 0.4, 2.6), RATE, "fit")  # 5.5 s

    assert (planned.shaved_seconds, planned.tempo) == (0.0, 1.0)


def test_a_pause_that_was_asked_for_is_not_shortened():
    samples = line(1.0, 0.6, 1.5)

    assert plan(samples, RATE, "fit", untouched=[(1.0, 1.6)]).shaved_seconds == 0.0


def test_nothing_is_taken_below_what_the_model_needs():
    samples = line(0, 0.5, 1.2, 0.5)

    assert plan(samples, RATE, "fit", least_seconds=2.0).seconds >= 2.0


@pytest.mark.parametrize("mode", ["off", "trim", "fit"])
def test_silence_and_nothing_at_all_are_left_alone(mode):
    for samples in (np.zeros(0, np.float32), np.zeros(RATE, np.float32)):
        assert plan(samples, RATE, mode).is_whole


def test_words_move_with_the_sound():
    samples = line(0, 0.5, 1.0, 0.6, 1.3, 0.3)
    planned = plan(samples, RATE, "fit")
    fitted = apply(planned, samples, RATE)
    words = planned.moved_words([TimedWord("one", 0.5, 1.5), TimedWord("two", 2.1, 3.4)])

    for word, (start, end) in zip(words, tones(fitted), strict=True):
        assert (word.start_seconds, word.end_seconds) == (pytest.approx(start, abs=0.03), pytest.approx(end, abs=0.03))


def test_a_faster_tempo_keeps_the_pitch():
    samples = line(5.1)
    planned = plan(samples, RATE, "fit")
    fitted = apply(planned, samples, RATE)
    spectrum = np.abs(np.fft.rfft(fitted[RATE : 4 * RATE]))

    assert planned.tempo > 1.02
    assert np.argmax(spectrum) / 3 == pytest.approx(220, abs=2)  # with its pitch it would be 226


def test_the_tempo_is_changed_by_rubberband_where_ffmpeg_has_it_and_by_atempo_else(tmp_path):
    graphs = {has: stretched(tmp_path / "a.f32", RATE, 1.02, has_rubberband=has) for has in (True, False)}
    words = {has: " ".join(map(str, ffmpeg_python.get_args(graph))) for has, graph in graphs.items()}

    assert "rubberband=tempo=1.02" in words[True]
    assert "atempo=1.02" in words[False]
    assert all("protocol_whitelist file,pipe" in each for each in words.values())


spoken = st.lists(st.floats(0.05, 3.0), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(spoken, st.floats(0, 1.0), st.sampled_from(["trim", "fit"]))
def test_any_line_costs_no_more_afterwards_and_loses_no_sound(spans, lead, mode):
    samples = line(0, lead, *spans)
    before = tones(samples)
    planned = plan(samples, RATE, mode)
    fitted = apply(planned, samples, RATE)

    assert len(fitted) == round(planned.seconds * RATE)
    assert billed_seconds(planned.seconds) <= billed_seconds(len(samples) / RATE)
    assert 1.0 <= planned.tempo <= LARGEST_TEMPO
    assert all(start < end for start, end in planned.kept)
    assert all(one[1] <= two[0] for one, two in pairwise(planned.kept))
    for start, end in before:  # every sound lies whole inside one kept span
        assert any(kept[0] <= start + 1e-9 and end <= kept[1] + 0.011 for kept in planned.kept)
    for before_pause, after_pause in pairwise(before):
        silence = planned.moved(after_pause[0]) - planned.moved(before_pause[1])
        was = after_pause[0] - before_pause[1]
        assert silence >= min(was, fitting.KEPT_PAUSE_SECONDS) / LARGEST_TEMPO - 0.002
