"""The coordinator, without any database: what it opens, and when it stops."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from sqlmigrate.fleet.coordinator import Coordinator, Stop
from sqlmigrate.fleet.model import FINAL, Limits, State, Verdict, Wave

MANY = Limits(concurrency=1000, per_cluster=0, same_error=10**6)


def coordinator(*waves, limits=MANY, clusters=None):
    made = [Wave(f"wave {number}", tuple(names)) for number, names in enumerate(waves, 1)]
    names = [name for wave in waves for name in wave]
    return Coordinator(made, clusters or dict.fromkeys(names, "one"), limits)


def opened(found):
    """Open all that may be opened now."""
    return list(iter(found.next, None))


def test_no_more_targets_are_open_than_may_be():
    found = coordinator("abcdef", limits=Limits(concurrency=2, per_cluster=0))

    assert opened(found) == ["a", "b"]
    found.ended("a", Verdict.DONE)
    assert opened(found) == ["c"]
    assert found.running == 2


def test_no_more_of_a_cluster_are_open_than_may_be_and_others_do_not_wait_for_it():
    clusters = dict.fromkeys("abc", "one") | dict.fromkeys("xy", "two")
    found = coordinator("abcxy", limits=Limits(concurrency=10, per_cluster=1), clusters=clusters)

    assert opened(found) == ["a", "x"]
    found.ended("x", Verdict.DONE)
    assert opened(found) == ["y"]
    found.ended("a", Verdict.UNCHANGED)
    assert opened(found) == ["b"]


def test_a_change_that_fails_everywhere_fails_on_three_targets_whatever_may_run_at_once():
    names = [f"t{number}" for number in range(1000)]
    found = coordinator(names, limits=Limits(concurrency=64, per_cluster=0))

    first = opened(found)
    for name in first:
        found.ended(name, Verdict.FAILED, "same")

    assert len(first) == 3
    assert found.stopped is Stop.SAME_ERROR
    assert found.finished
    assert Counter(found.states.values()) == {State.FAILED: 3, State.LEFT: 997}


def test_each_target_that_ends_well_opens_room_for_one_more():
    found = coordinator("abcdefgh", limits=Limits(concurrency=64, per_cluster=0, same_error=2))

    assert opened(found) == ["a", "b"]
    found.ended("a", Verdict.DONE)
    assert opened(found) == ["c", "d"]
    found.ended("b", Verdict.UNCHANGED)
    assert opened(found) == ["e", "f"]


def test_failures_of_different_kinds_count_together_where_a_number_is_given():
    found = coordinator("abcdef", limits=Limits(per_cluster=0, max_failures=2))

    for name, error in zip(opened(found), ("one", "other"), strict=True):
        found.ended(name, Verdict.FAILED, error)

    assert found.stopped is Stop.MAX_FAILURES
    assert opened(found) == []


def test_no_wave_is_begun_behind_one_that_mostly_failed():
    found = coordinator("ab", "c")

    for name in opened(found):
        found.ended(name, Verdict.FAILED, name)

    assert found.stopped is Stop.WAVE_FAILED
    assert found.states["c"] is State.LEFT
    assert found.finished


def test_the_next_wave_waits_until_it_is_told_to_begin():
    found = coordinator("ab", "c")

    assert opened(found) == ["a", "b"]
    found.ended("a", Verdict.DONE)
    assert found.upcoming is None
    found.proceed()
    assert opened(found) == []

    found.ended("b", Verdict.FAILED, "x")
    assert found.upcoming == Wave("wave 2", ("c",))
    assert opened(found) == []
    found.proceed()
    assert opened(found) == ["c"]
    found.ended("c", Verdict.DONE)
    assert found.finished


def test_a_blocked_target_comes_again_at_the_end_of_its_wave_and_then_fails():
    found = coordinator("abc", "d", limits=Limits(concurrency=1, per_cluster=0))

    assert opened(found) == ["a"]
    assert found.ended("a", Verdict.BLOCKED, "lock") is State.DEFERRED
    for name in "bc":
        assert opened(found) == [name]
        found.ended(name, Verdict.DONE)
    assert found.upcoming is None
    assert opened(found) == ["a"]
    assert found.attempts["a"] == 2
    assert found.ended("a", Verdict.BLOCKED, "lock") is State.FAILED
    assert found.upcoming == Wave("wave 2", ("d",))


def test_what_is_blocked_everywhere_is_tried_again_on_few_before_others_are_opened():
    names = [f"t{number}" for number in range(1000)]
    found = coordinator(names, limits=Limits(concurrency=64, per_cluster=0))

    for _ in range(2):
        assert opened(found) == ["t0", "t1", "t2"]
        for name in ("t0", "t1", "t2"):
            found.ended(name, Verdict.BLOCKED, "lock")

    assert found.stopped is Stop.SAME_ERROR
    assert Counter(found.states.values()) == {State.FAILED: 3, State.LEFT: 997}


def test_once_stopped_what_is_under_way_may_end():
    found = coordinator("abc", "d", limits=Limits(concurrency=2, per_cluster=0))
    opened(found)

    found.stop(Stop.DEADLINE)
    found.stop(Stop.INTERRUPTED)

    assert found.stopped is Stop.DEADLINE
    assert found.states["c"] is found.states["d"] is State.LEFT
    assert not found.finished
    assert found.ended("a", Verdict.DONE) is State.DONE
    assert found.ended("b", Verdict.BLOCKED, "lock") is State.LEFT
    assert found.finished


def test_what_nobody_waits_for_is_interrupted_and_what_it_says_later_does_not_count():
    found = coordinator("ab", limits=Limits(concurrency=1, per_cluster=0))
    opened(found)

    assert found.abandon() == ["a"]

    assert found.ended("a", Verdict.DONE) is State.INTERRUPTED
    assert found.states == {"a": State.INTERRUPTED, "b": State.LEFT}
    assert found.finished


def test_a_target_that_is_told_of_twice_counts_once():
    found = coordinator("ab")
    opened(found)

    found.ended("a", Verdict.FAILED, "x")
    assert found.ended("a", Verdict.DONE) is State.FAILED
    assert (found.count(State.FAILED), found.count(State.DONE), found.running) == (1, 0, 1)


def test_without_targets_it_is_finished():
    assert coordinator().finished


limits = st.builds(
    Limits,
    concurrency=st.integers(1, 9),
    per_cluster=st.integers(0, 4),
    max_failures=st.none() | st.integers(1, 6),
    same_error=st.integers(1, 4),
    attempts=st.integers(1, 3),
)
fleets = st.lists(st.lists(st.sampled_from("xyz"), max_size=12), max_size=4)  # the cluster of each target of each wave
verdicts = st.sampled_from([*Verdict, Verdict.DONE, Verdict.DONE])


@settings(deadline=None)
@given(fleet=fleets, limits=limits, data=st.data())
def test_the_limits_hold_and_every_target_ends_in_one_state(fleet, limits, data):
    waves = [[f"{at}.{number}" for number in range(len(wave))] for at, wave in enumerate(fleet)]
    clusters = {
        name: cluster
        for names, wave in zip(waves, fleet, strict=True)
        for name, cluster in zip(names, wave, strict=True)
    }
    made = [Wave(str(at), tuple(names)) for at, names in enumerate(waves) if names]
    found = Coordinator(made, clusters, limits)
    running: list[str] = []
    failed: Counter[str] = Counter()
    well = 0
    stops = data.draw(st.integers(0, 60), label="stops at step")

    for step in range(10_000):
        while (name := found.next()) is not None:
            assert found.stopped is None
            assert name not in running
            assert found.wave is not None
            assert name in found.wave.targets
            running.append(name)
            # never more than the caps, and never more than may still fail but for those that ended well
            assert len(running) <= limits.concurrency
            assert (
                not limits.per_cluster or max(Counter(clusters[one] for one in running).values()) <= limits.per_cluster
            )
            assert max(failed.values(), default=0) < limits.same_error
            deferred = list(found.states.values()).count(State.DEFERRED)
            assert len(running) + deferred <= limits.same_error - max(failed.values(), default=0) + well
            if limits.max_failures is not None:
                assert failed.total() + len(running) <= limits.max_failures + well
        assert found.running == len(running)
        if found.finished:
            break
        if step == stops:
            found.stop(data.draw(st.sampled_from([Stop.DEADLINE, Stop.INTERRUPTED, Stop.NOT_APPROVED])))
        elif found.upcoming is not None:
            assert not running
            found.proceed()
        else:
            assert running, "nothing is under way, so nothing would ever end"
            name = running.pop(data.draw(st.integers(0, len(running) - 1)))
            verdict, error = data.draw(verdicts), data.draw(st.sampled_from("pq"))
            state = found.ended(name, verdict, error)
            well += state in {State.DONE, State.UNCHANGED}
            failed[error] += state is State.FAILED
    else:
        raise AssertionError("it never ends")

    assert set(found.states) == set(clusters)
    assert set(found.states.values()) <= FINAL
    assert found.running == 0
    assert all(count <= limits.attempts for count in found.attempts.values())
    assert found.stopped or State.LEFT not in found.states.values()
    for state in FINAL:
        assert found.count(state) == list(found.states.values()).count(state)
