"""for_each: bounded, in order, fair to neighbours, and quick to stop."""

import threading

import pytest

from aurora_pipeline.errors import AuroraError
from aurora_pipeline.parallel import for_each, pause


def test_outcomes_come_in_the_order_of_the_items():
    outcomes = for_each([3, 1, 2], lambda item, stop: item * 10, workers=3)

    assert [outcome.result for outcome in outcomes] == [30, 10, 20]


def test_one_items_error_is_its_own():
    def work(item, stop):
        if item == 2:
            raise AuroraError("no")
        return item

    outcomes = for_each([1, 2, 3], work, workers=2)

    assert [str(outcome.error) if outcome.error else outcome.result for outcome in outcomes] == [1, "no", 3]


def test_never_more_than_so_many_at_a_time():
    running, most, lock = [0], [0], threading.Lock()
    gate = threading.Barrier(2, timeout=10)  # proves that two do run at once

    def work(item, stop):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        gate.wait()
        with lock:
            running[0] -= 1

    for_each(range(6), work, workers=2)

    assert most[0] == 2


def test_an_error_that_stops_all_starts_nothing_more():
    started = []

    def work(item, stop):
        started.append(item)
        raise AuroraError("locked account")

    outcomes = for_each(range(50), work, workers=1, stops_all=lambda error: True)

    assert started == [0]
    assert all(str(outcome.error) == "locked account" for outcome in outcomes)


def test_a_bug_is_raised_and_everybody_is_stopped():
    stopped = threading.Event()

    def work(item, stop):
        if item == 0:
            raise ZeroDivisionError
        if pause(stop, 30):
            stopped.set()

    with pytest.raises(ZeroDivisionError):
        for_each([0, 1], work, workers=2)

    assert stopped.is_set()


def test_an_interrupt_on_the_calling_thread_stops_the_workers_at_once():
    stopped = threading.Event()

    def work(item, stop):
        if item == 1 and pause(stop, 30):
            stopped.set()

    def interrupted(outcome, done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        for_each([0, 1], work, workers=2, on_outcome=interrupted)

    assert stopped.is_set()
