"""Between the coordinator and whatever carries out orders, with neither databases nor time."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlmigrate.engine import Options
from sqlmigrate.fleet.coordinator import Coordinator, Stop
from sqlmigrate.fleet.driving import Driver, Manner, Stopping, TargetEnded, WaveBegun
from sqlmigrate.fleet.model import Failure, Limits, Outcome, State, Verdict, Wanted, Wave
from sqlmigrate.history.model import Run

SAME = Failure("Error", "no", "same")


@dataclass
class Kept:
    """A ledger that keeps what it is given."""

    entries: list = field(default_factory=list)
    ended: tuple | None = None

    def add(self, entry):
        self.entries.append(entry)

    def end(self, _at, why):
        self.ended = why

    def last(self):
        return {entry.target: entry.state for entry in self.entries}


class Calling(Executor):
    """An executor that carries out a call while it is submitted."""

    def submit(self, call, /, *arguments):
        future = Future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:  # noqa: BLE001  as an executor does
            future.set_exception(error)
        return future


def driven(task, *waves, executor=None, limits=None, manner=None):
    made = [Wave(f"wave {number}", tuple(names)) for number, names in enumerate(waves, 1)]
    names = [name for wave in waves for name in wave]
    coordinator = Coordinator(made, dict.fromkeys(names, "one"), limits or Limits(concurrency=4, per_cluster=0))
    ledger, steps = Kept(), []
    executor = executor or Calling()
    driver = Driver(
        coordinator, Run("r"), Wanted(), Options(), lambda order: executor.submit(task, order), ledger, steps.append,
        manner or Manner(),
    )  # fmt: skip
    return driver, ledger, steps


def done(order):
    return Outcome(order.target, Verdict.DONE, ("a",), seconds=0.5, worker="w")


def test_all_targets_are_brought_wave_by_wave_and_everything_is_written_down():
    driver, ledger, steps = driven(done, "ab", "c")

    driver.drive()

    assert [(entry.target, entry.state.value, entry.wave) for entry in ledger.entries] == [
        ("a", "running", "wave 1"), ("b", "running", "wave 1"), ("a", "done", "wave 1"), ("b", "done", "wave 1"),
        ("c", "running", "wave 2"), ("c", "done", "wave 2"),
    ]  # fmt: skip
    assert ledger.ended is None
    assert [step.wave.name for step in steps if isinstance(step, WaveBegun)] == ["wave 1", "wave 2"]
    assert [(step.entry.target, step.left) for step in steps if isinstance(step, TargetEnded)] == [
        ("a", 2), ("b", 1), ("c", 0),
    ]  # fmt: skip


def test_an_order_is_patient_once_its_target_was_deferred():
    patient = []

    def task(order):
        patient.append((order.target, order.patient))
        return Outcome(order.target, Verdict.DONE if order.patient else Verdict.BLOCKED, blocker="pid 7")

    driver, ledger, _ = driven(task, "ab", limits=Limits(concurrency=1))
    driver.drive()

    assert patient == [("a", False), ("b", False), ("a", True), ("b", True)]
    assert ledger.last() == {"a": State.DONE, "b": State.DONE}
    assert [entry.blocker for entry in ledger.entries if entry.state is State.DEFERRED] == ["pid 7", "pid 7"]


def test_a_run_that_stops_says_why_and_goes_no_further():
    driver, ledger, steps = driven(lambda order: Outcome(order.target, Verdict.FAILED, failure=SAME), "abcdefgh", "i")

    driver.drive()

    assert ledger.last() == dict.fromkeys("abc", State.FAILED)
    assert ledger.ended == "the same error came back"
    assert [step.why for step in steps if isinstance(step, Stopping)] == [Stop.SAME_ERROR]


def test_an_executor_that_loses_orders_is_the_failure_of_those_targets():
    class Broken(Executor):
        def submit(self, _call, /, *arguments):
            if arguments[0].target == "a":
                raise RuntimeError("it takes no more")
            future = Future()
            future.cancel()
            return future

    driver, ledger, _ = driven(done, "ab", executor=Broken())
    driver.drive()

    assert ledger.last() == {"a": State.FAILED, "b": State.FAILED}
    messages = [entry.failure.message for entry in ledger.entries if entry.failure]
    assert messages == ["nobody carried it out: it takes no more", "nobody carried it out: CancelledError"]


def test_the_next_wave_is_begun_when_somebody_approves_it():
    asked = []
    driver, ledger, _ = driven(
        done, "a", "b", "c", manner=Manner(approve=lambda wave: asked.append(wave) or len(asked) < 2)
    )

    driver.drive()

    assert [wave.name for wave in asked] == ["wave 2", "wave 3"]
    assert ledger.last() == {"a": State.DONE, "b": State.DONE}
    assert driver.coordinator.states["c"] is State.LEFT
    assert ledger.ended == "the next wave was not approved"


def test_who_stops_a_run_between_two_waves_is_heard_before_the_next_one_begins():
    driver, ledger, _ = driven(done, "a", "b", manner=Manner(approve=lambda _: driver.interrupt() is None))

    driver.drive()

    assert ledger.last() == {"a": State.DONE}
    assert ledger.ended == "interrupted"


def test_behind_the_deadline_nothing_is_opened():
    driver, ledger, _ = driven(done, "a", "b", manner=Manner(deadline=time.monotonic()))

    driver.drive()

    assert ledger.last() == {}
    assert driver.coordinator.states == dict.fromkeys("ab", State.LEFT)
    assert ledger.ended == "the deadline has passed"


def test_the_deadline_counts_during_a_pause_too():
    driver, ledger, _ = driven(done, "a", "b", manner=Manner(pause=3600, deadline=time.monotonic() + 3600))
    original = driver.observer

    def observer(step):
        original(step)
        if isinstance(step, TargetEnded):
            driver.manner = Manner(pause=3600, deadline=time.monotonic())

    driver.observer = observer
    driver.drive()

    assert ledger.last() == {"a": State.DONE}
    assert ledger.ended == "the deadline has passed"


def test_ctrl_c_lets_what_is_under_way_end_and_a_second_one_waits_for_nothing():
    with ThreadPoolExecutor(2) as pool:
        waiting = {name: Future() for name in "ab"}

        def task(order):
            # the first waits for nobody; both have been opened when it ends
            waiting[order.target].set_result(None)
            if order.target == "a":
                waiting["b"].result()
                driver.interrupt()
                return done(order)
            never.result()
            return done(order)

        never: Future = Future()
        driver, ledger, steps = driven(task, "abc", executor=pool, limits=Limits(concurrency=2))
        original = driver.observer

        def observer(step):
            original(step)
            if isinstance(step, TargetEnded) and driver.coordinator.stopped:
                driver.interrupt()

        driver.observer = observer
        driver.drive()
        never.set_result(None)

    assert driver.coordinator.states == {"a": State.DONE, "b": State.INTERRUPTED, "c": State.LEFT}
    assert ledger.last() == {"a": State.DONE, "b": State.INTERRUPTED}
    assert ledger.ended == "interrupted"
    assert [step.running for step in steps if isinstance(step, Stopping)] == [2]


def test_one_that_was_blocked_and_is_not_tried_again_is_left_with_who_was_in_the_way():
    def task(order):
        if order.target == "a":
            return Outcome(order.target, Verdict.BLOCKED, failure=SAME, blocker="pid 7")
        driver.interrupt()
        return done(order)

    driver, ledger, _ = driven(task, "abcd", limits=Limits(concurrency=1))
    driver.drive()

    assert ledger.last() == {"a": State.LEFT, "b": State.DONE}
    assert (ledger.entries[-1].blocker, ledger.ended) == ("pid 7", "interrupted")


def test_a_run_whose_hands_are_lost_ends_and_says_of_which_targets_nobody_knows():
    held = []

    def never(order):
        held.append(order.target)
        return Future()

    driver, ledger, steps = driven(done, "ab", "c")
    driver.submit = never
    driver.lose(Stop.NO_WORKERS)
    driver.drive()

    assert held == ["a", "b"]
    assert ledger.last() == {"a": State.INTERRUPTED, "b": State.INTERRUPTED}
    assert ledger.ended == "no worker is left"
    assert [(step.why, step.running) for step in steps if isinstance(step, Stopping)] == [(Stop.NO_WORKERS, 2)]


def test_a_target_that_leads_to_the_history_of_another_one_is_named_and_tried_no_more():
    def task(order):
        where = {"a": "here", "b": "there", "twin": "here"}[order.target]
        verdict = Verdict.BLOCKED if order.target == "twin" else Verdict.DONE
        return Outcome(order.target, verdict, where=where)

    driver, ledger, _ = driven(task, ["a", "b", "twin"], limits=Limits(concurrency=1))
    driver.drive()

    assert ledger.last() == {"a": State.DONE, "b": State.DONE, "twin": State.FAILED}
    assert ledger.entries[-1].failure.message == "it is the same as a: its address leads to the same history"


def test_a_target_that_is_tried_twice_is_not_taken_for_another_one():
    def task(order):
        return Outcome(order.target, Verdict.DONE if order.patient else Verdict.BLOCKED, where=order.target)

    driver, ledger, _ = driven(task, "ab", limits=Limits(concurrency=1))
    driver.drive()

    assert ledger.last() == {"a": State.DONE, "b": State.DONE}
