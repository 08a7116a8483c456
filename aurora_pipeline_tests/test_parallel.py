"""for_each: bounded, in order, fair to neighbours, and quick to stop."""

import threading
import time

import pytest

from aurora_pipeline.errors import AuroraError
from aurora_pipeline.parallel import for_each, left_behind, pause


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


def raises_interrupt(outcome, done):
    raise KeyboardInterrupt


def test_workers_that_do_not_stop_are_left_behind_after_one_drain_time_in_all():
    gone_home = threading.Event()

    def work(item, stop):
        if item:
            gone_home.wait(60)  # as a transfer does: it looks at nothing

    since = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        for_each(range(40), work, workers=40, on_outcome=raises_interrupt, drain_seconds=0.2)
    took = time.monotonic() - since

    assert left_behind() == 39
    assert took < 39 * 0.2  # one after the other it would have been that
    gone_home.set()
    for thread in threading.enumerate():
        if thread.name.startswith("aurora worker"):
            thread.join(60)
    assert left_behind() == 0


def test_after_a_stop_nothing_new_is_started():
    started, gate = [], threading.Barrier(2, timeout=10)

    def work(item, stop):
        started.append(item)
        if item < 2:
            gate.wait()
        if item > 0:
            pause(stop, 30)

    with pytest.raises(KeyboardInterrupt):
        for_each(range(50), work, workers=2, on_outcome=only_the_first_interrupts)

    assert set(started) <= {0, 1, 2}  # 2: by the worker of 0, before the stop


def only_the_first_interrupts(outcome, done):
    if outcome.item == 0:
        raise KeyboardInterrupt


def test_what_ends_after_a_stop_is_not_told():
    told, begun = [], threading.Event()

    def work(item, stop):
        if item == 0:
            begun.wait(10)
            return
        begun.set()
        pause(stop, 30)  # ends well, but after the stop

    def tell(outcome, done):
        told.append(outcome.item)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        for_each([0, 1], work, workers=2, on_outcome=tell)

    assert told == [0]


def test_a_signal_while_the_crew_is_being_started_stops_those_that_were():
    seen = []

    class Interrupting(list):
        """Raises as a signal would: in the middle of starting threads."""

        def __iter__(self):
            for thread in super().__iter__():
                yield thread
                if not seen:
                    seen.append(thread)
                    raise KeyboardInterrupt

    from aurora_pipeline import parallel

    crew = parallel._Crew([1, 2], lambda item, stop: pause(stop, 30), 2, lambda error: False)
    crew.threads = Interrupting(crew.threads)

    with pytest.raises(KeyboardInterrupt):
        crew.begin()
    crew.dismiss(10)

    assert [thread.is_alive() for thread in crew.threads] == [False, False]
