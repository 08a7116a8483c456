"""Second-aware audio: what is taken away, that it pays, and that no word is touched."""

from __future__ import annotations

from itertools import pairwise

import ffmpeg as ffmpeg_python
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aurora_pipeline.gear import voices
from aurora_pipeline.gear.voices import TimedWord
from aurora_pipeline.price_book import billed_seconds
from aurora_pipeline.tts_audio import fitting, room
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


def test_the_last_words_are_still_in_what_is_played_faster():
    samples = line(5.1)
    samples[-RATE // 20 :] = line(0.05) * 3  # the end is known by its level
    fitted = apply(plan(samples, RATE, "fit"), samples, RATE)

    loud = np.flatnonzero(np.abs(fitted) > 0.5)
    assert (len(fitted) - loud[0]) / RATE == pytest.approx(0.05 / 1.028, abs=0.008)
    assert len(fitted) - loud[-1] < 0.005 * RATE


def test_a_sound_that_did_not_get_shorter_as_planned_is_an_error_and_not_cut_off():
    with pytest.raises(AssertionError, match="planned 100 samples and made 131: words would be cut off"):
        fitting._exactly(np.ones(131, np.float32), 100, 30)

    assert len(fitting._exactly(np.ones(130, np.float32), 100, 30)) == 100


@pytest.fixture(scope="module")
def speech():
    text = "Good morning. This is our spring menu, with soups and salads, and it ends with the crust."
    return [voices.engine("hibari").speak(text, voices.shipped().named(name)).samples for name in ("heart", "low")]


def in_a_room(samples: np.ndarray, noise_db: float, *, ends_seconds: float = 0.5) -> np.ndarray:
    """The speech between two silences, with a hiss so many dB below it."""
    silence = np.zeros(round(ends_seconds * RATE), np.float32)
    noise = np.random.default_rng(1).standard_normal(len(samples) + 2 * len(silence))
    level = np.sqrt(np.mean(samples.astype(float) ** 2)) * 10 ** (noise_db / 20)
    return (np.concatenate([silence, samples, silence]) + level * noise).astype(np.float32)


def test_in_clean_speech_exactly_what_is_38_db_below_it_is_silence(speech):
    for samples in speech:
        levels = np.sqrt(np.mean(np.square(samples[: len(samples) // 240 * 240].reshape(-1, 240), dtype=float), axis=1))
        loud = float(np.percentile(levels, 95))
        plain = levels > loud * 10 ** (-38 / 20)

        for first in (0, np.flatnonzero(plain)[0]):  # also without the silence before it
            found = room.sounding(levels[first:], loud=loud, quiet=loud * 10 ** (-38 / 20), frame_seconds=0.01)
            assert np.array_equal(found, plain[first:])


@pytest.mark.parametrize("noise_db", [-45, -35, -30, -28])
def test_the_noise_of_a_room_is_silence_and_no_word_is_cut_out_of_it(speech, noise_db):
    for samples in speech:
        noisy = in_a_room(samples, noise_db)
        words = [(start + 0.5, end + 0.5) for start, end in tones(samples)]
        planned = plan(noisy, RATE, "fit")

        assert planned.trimmed_seconds > 0.6
        assert billed_seconds(planned.seconds) < billed_seconds(len(noisy) / RATE)
        audible = [span for span in words if span[1] - span[0] > 0.03]
        assert all(any(kept[0] <= start and end <= kept[1] for kept in planned.kept) for start, end in audible)


def test_in_a_very_noisy_room_nothing_is_cut_since_soft_word_ends_drown(speech):
    assert plan(in_a_room(speech[0], -18), RATE, "trim").is_whole


def test_a_steady_tone_is_no_noise():
    assert plan(line(3.5), RATE, "fit").is_whole


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
