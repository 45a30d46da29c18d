"""Faults at the messages between a run and its server, and what must hold after each of them.

A scenario is run once without a fault, through a proxy that writes down every message. Then it is run again and again,
each time with a fault at another message. `check` then looks at the database from outside: history and schema agree, or
the journal says where it stopped; what the run told is true; nothing stays locked; the next run completes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate import history
from sqlmigrate.engine import Result
from sqlmigrate.errors import Error, ExecutionError, HalfWayError
from sqlmigrate.history import History
from sqlmigrate.runlock import lock_key
from support.proxy import AFTER, BEFORE, TO_CLIENT, TO_SERVER, Action, Message, Proxy
from support.remains import remains
from support.runner import Runner
from support.scenarios import INDEX, TABLE, Scenario
from support.waiting import wait_until

Run = Callable[["Trial"], Result | BaseException | None]

EVERY = os.environ.get("SQLMIGRATE_TEST_ALL_FAULTS") == "1"
"""Whether to put a fault at every message everywhere; otherwise some tests leave out messages that nothing hangs on."""

NAME = "migration"
_GONE_SECONDS = 2.0  # kill -9 of a run must leave no lock that outlives two seconds

_SET_UP = """
DROP SCHEMA IF EXISTS sqlmigrate CASCADE;
DROP TABLE IF EXISTS thing, effect;
CREATE TABLE effect (what text);
"""
_NO_ATTEMPTS = """
DO $$BEGIN
    IF to_regclass('sqlmigrate.script_attempts') IS NOT NULL THEN DELETE FROM sqlmigrate.script_attempts; END IF;
END$$;
"""
_EMPTY = f"""
{_NO_ATTEMPTS}
DELETE FROM sqlmigrate._yoyo_log;
DELETE FROM sqlmigrate._yoyo_migration;
DELETE FROM sqlmigrate.journal;
DROP TABLE IF EXISTS thing;
DELETE FROM effect;
"""
_PROCEDURE = """
CREATE OR REPLACE PROCEDURE work(what text) LANGUAGE plpgsql AS
$$BEGIN INSERT INTO effect VALUES (what); COMMIT; END$$
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Seen:
    """What is in the database: how many are applied, the journal's rows, table and index, the rows of `effect`."""

    applied: int
    journal: tuple[tuple[str, int, str], ...]
    table: bool
    index: bool
    effects: tuple[str, ...]
    logged: int = 0


@dataclass
class Trial:
    """A scenario in a database, to be run with faults; `conninfo` leads there directly."""

    scenario: Scenario
    conninfo: str
    proxy: Proxy
    directory: Path
    admin: psycopg.Connection[Any]
    stages: list[Seen] = field(init=False)
    messages: list[Message] = field(init=False)
    completed: set[tuple[Any, ...]] = field(default_factory=set)
    ready: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        """Run once without a fault, to know its messages and its outcome."""
        self.direct = Runner(self.conninfo, self.directory)
        self.direct.write(NAME, self.scenario.script, self.scenario.undo)
        if self.scenario.second:
            self.direct.write(f"{NAME}_2", self.scenario.second, self.scenario.second_undo)
        # the server under test does not wait at COMMIT, but logins do
        waiting = {"options": "-c synchronous_commit=on"}
        self.through_proxy = make_conninfo(self.conninfo, host=self.proxy.host, port=self.proxy.port, **waiting)
        self.admin.execute(_SET_UP)
        self.admin.execute(_PROCEDURE)
        history.install(self.admin, "sqlmigrate", History())
        self.prepare()
        self.stages = [self.look()]
        if self.each:
            self._run(self.direct, steps=1)
            self.stages.append(self.look())
            self.prepare()
        self.proxy.record = True
        assert isinstance(self.run(), Result)
        self.wait_until_alone()
        self.proxy.record = False
        self.messages = _sure(self.proxy.trace)
        self.stages.append(self.look())
        assert all(one != other for one, other in pairwise(self.stages))

    @property
    def before(self) -> Seen:
        return self.stages[0]

    @property
    def after(self) -> Seen:
        return self.stages[-1]

    @property
    def each(self) -> tuple[str, ...]:
        """The migrations of a run of several transactions, in their order; empty where there is only one."""
        if not self.scenario.second or self.scenario.together:
            return ()
        return (NAME, f"{NAME}_2")[:: 1 if self.scenario.operation == "apply" else -1]

    def prepare(self) -> None:
        """Set the database and the proxy back to where the scenario begins."""
        if not self._is_ready():
            self.admin.execute(_SET_UP if self.scenario.first else _EMPTY)
            if self.scenario.stopped:
                with pytest.raises(HalfWayError):
                    self.direct.apply()
            elif self.scenario.operation == "rollback":
                self.direct.apply()
                self.ready = remains(self.admin, "sqlmigrate")
        self.proxy.reset()

    def _is_ready(self) -> bool:
        """Tell whether the last run has left no more behind than the note of an attempt, which is removed."""
        if self.ready is None:
            return False
        self.admin.execute(_NO_ATTEMPTS)
        return remains(self.admin, "sqlmigrate") == self.ready

    def run(self) -> Result | BaseException:
        """Run the scenario through the proxy; gives what came out of it."""
        runner = Runner(self.through_proxy, self.directory)
        try:
            return self._run(runner)
        except (Error, psycopg.Error) as error:
            return error

    def _run(self, runner: Runner, **options: Any) -> Result:
        options = (self.scenario.options if "steps" not in options else {}) | options
        return runner.apply(**options) if self.scenario.operation == "apply" else runner.rollback(**options)

    def look(self) -> Seen:
        """Look at the database from outside."""
        row = self.admin.execute("SELECT to_regclass('sqlmigrate.meta') IS NOT NULL").fetchone()
        applied, journal, logged = 0, [], 0
        if row == (True,):
            applied = len(self.admin.execute("SELECT FROM sqlmigrate._yoyo_migration").fetchall())
            query = "SELECT operation, number, state FROM sqlmigrate.journal ORDER BY operation, number"
            journal = self.admin.execute(query).fetchall()
            logged = len(self.admin.execute("SELECT FROM sqlmigrate.log WHERE operation <> 'resume'").fetchall())
        effects = sorted(what for (what,) in self.admin.execute("SELECT what FROM effect"))
        table, index = self._true(TABLE), self._true(INDEX)
        return Seen(applied, tuple(journal), table, index, tuple(effects), logged)

    def wait_until_alone(self) -> None:
        """Wait until every session of a run is gone, and with them its locks."""
        wait_until(lambda: self.admin.execute(_OTHERS).fetchone() == (0,), timeout=_GONE_SECONDS, interval=0.005)
        assert self._true(f"pg_try_advisory_lock({lock_key('sqlmigrate')})")
        self.admin.execute("SELECT pg_advisory_unlock_all()")

    def check(self, told: Result | BaseException | None) -> None:
        """Hold everything that is promised against the database, then let the next run complete.

        No session is left by then, so all that the next run hangs on is in the database: from there it completes once.
        """
        self.wait_until_alone()
        seen = self.look()
        self._check_state(seen)
        self._check_words(told, seen)
        left = remains(self.admin, "sqlmigrate")
        if EVERY or left not in self.completed:
            self._complete(seen)
            assert self.look() == self.after
            self.completed.add(left)

    def _check_state(self, seen: Seen) -> None:
        """Each transaction wholly or not; outside a transaction, the journal knows exactly what happened."""
        if not self.scenario.parts:
            assert seen in self.stages
            return
        if seen.applied == self.after.applied:
            assert seen == self.after
            return
        known = {number: state for operation, number, state in seen.journal if operation == self.scenario.operation}
        assert sorted(known) == [part.number for part in self.scenario.parts][: len(known)]
        for part in self.scenario.parts:
            state = known.get(part.number)
            if state == "running":
                assert part.free
            else:
                assert self._true(part.happened) is (state == "done"), f"the part at statement {part.number}: {state}"

    def _check_words(self, told: Result | BaseException | None, seen: Seen) -> None:
        """What the run said of its outcome is what happened; one that was killed says nothing."""
        if told is None:
            return
        if isinstance(told, Result):
            assert seen == self.after
        elif isinstance(told, ExecutionError):
            words = str(told)
            before, after = self.stages[:2]
            if self.each:
                at = self.each.index(str(told.migration_id))
                if told.done != self.each[:at]:
                    self._check_not_durable(told, seen, at)
                    return
                before, after = self.stages[at : at + 2]
            if not told.kept or "it is not " in words:
                assert seen == before, words
            if "it is applied" in words or "it is rolled back" in words:
                assert seen == after, words
            if isinstance(told, HalfWayError) and "`sqlmigrate status` shows" not in str(told.hint):
                assert seen != self.after, words
        else:
            assert isinstance(told, Error), f"not an error of ours: {told!r}"
            assert seen in (self.stages[:-1] if self.each else self.stages[:1]), str(told)

    def _check_not_durable(self, told: ExecutionError, seen: Seen, at: int) -> None:
        """What was committed and not said to be done is named: as gone, or as not known."""
        missing = self.each[len(told.done) : at]
        assert told.done == self.each[: len(told.done)]
        assert all(name in told.message for name in missing)
        if "lost is what was committed before" in told.message:
            assert seen == self.stages[len(told.done)]
        else:
            assert "has kept" in told.message
            assert seen in self.stages[len(told.done) : at + 2]

    def _complete(self, seen: Seen) -> None:
        """Run again, and answer as a user would where only a user can know."""
        stuck = None if seen == self.after else self._again()
        if stuck is not None:
            asked = [part for part in self.scenario.parts if part.asks and part.number == stuck.statement]
            assert asked, f"stopped for good: {stuck}"
            assert (self.scenario.operation, stuck.statement, "running") in seen.journal
            self._run(self.direct, resume_at=asked[0].number + self._true(asked[0].happened))

    def _again(self) -> HalfWayError | None:
        try:
            self._run(self.direct)
        except HalfWayError as stuck:
            return stuck
        return None

    def _true(self, question: str) -> bool:
        row = self.admin.execute(f"SELECT {question}").fetchone()
        assert row is not None
        return bool(row[0])


def _sure(messages: list[Message]) -> list[Message]:
    """Leave out the answer to a run's last word, without which it ends as well: that it is no longer under way."""
    said = [item for item in messages if (item.session, item.direction) == (2, TO_SERVER) and item.kind != "X"]
    if (last := said[-1]).kind != "Q":
        return messages
    return [item for item in messages if item.session != 2 or item.direction == TO_SERVER or item.burst < last.burst]


def once_locked(messages: list[Message], *, sampled: bool = False) -> list[Message]:
    """Leave out what comes before the run lock is held; `sampled` keeps one message of each kind of each session.

    Until then a run only reads, and does so alike in every scenario of an operation; so it is enough to try that in one
    of them.
    """
    asked = next(at for at, item in enumerate(messages) if item.session == 2 and item.kind == "P")
    held = next(at for at, item in enumerate(messages) if at > asked and item.session == 2 and item.kind == "Z")
    before = messages[: held + 1] if sampled else []
    kept = [item for session in (1, 2) for item in sample([one for one in before if one.session == session], 1.0)]
    return [*kept, *messages[held + 1 :]]


def of_interest(trial: Trial) -> list[Message]:
    """Give all messages of the first scenario, and of the others those since the run lock is held."""
    return trial.messages if trial.scenario.first else once_locked(trial.messages)


def places(messages: Iterable[Message]) -> Iterator[tuple[Message, str]]:
    """Give every place for a fault: before each message, and after each that is the last of its burst.

    After any other message is the same as before the next one, since nothing goes the other way between them.
    """
    for burst in _bursts(messages):
        yield from ((item, BEFORE) for item in burst)
        yield burst[-1], AFTER


def decisive_places(messages: Iterable[Message]) -> Iterator[tuple[Message, str]]:
    """Give the places between which something happens.

    Of what one burst asks the server for, only the end decides, unless it commits; of the answers, whether they come.
    """
    for burst in _bursts(messages):
        if burst[0].direction == TO_CLIENT:
            yield from ((item, BEFORE) for item in dict.fromkeys((burst[0], burst[-1])))
            continue
        asked = [item for item in burst if item.kind not in "PBD"]
        yield from ((item, BEFORE) for item in asked[-3:])
        yield burst[-1], AFTER


def _bursts(messages: Iterable[Message]) -> list[list[Message]]:
    found: dict[tuple[int, int], list[Message]] = {}
    for item in messages:
        found.setdefault((item.session, item.burst), []).append(item)
    return list(found.values())


def sample(messages: Iterable[Message], share: float) -> list[Message]:
    """Give one message of each kind and direction: the one at this share of all of its kind."""
    kinds: dict[tuple[str, str], list[Message]] = {}
    for item in sorted(messages, key=lambda item: (item.session, item.number)):
        kinds.setdefault((item.direction, item.kind), []).append(item)
    return [found[round((len(found) - 1) * share)] for found in kinds.values()]


@contextmanager
def named(fault: object) -> Iterator[None]:
    """Let a failure in a block say which fault it came after."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the fault: {fault}")
        raise


def put(trial: Trial, message: Message, when: str, action: Action) -> Callable[[], None]:
    """Prepare a run with a fault; gives what proves afterwards that the fault was met."""
    reached: list[Message] = []

    def noted(at: Message) -> Any:
        reached.append(at)
        return action(at)

    trial.prepare()
    trial.proxy.at(message.session, message.direction, message.number, noted, when)

    def proof() -> None:
        wait_until(lambda: reached or not trial.proxy.busy)  # the last ones may still be on their way
        assert reached

    return proof


def try_each(trial: Trial, faults: Iterable[tuple[Message, str]], action: Action, run: Run | None = None) -> int:
    """Run with each fault, and check what is there afterwards; gives how many faults were met.

    How often a run looks who blocks it hangs on how fast it is, so a few of its messages may not come again.
    """
    total, missed = 0, []
    for message, when in faults:
        with named(f"{when} {message}"):
            proof = put(trial, message, when, action)
            told = (run or Trial.run)(trial)
            met = _is_met(proof)
            assert met or not isinstance(told, BaseException), "it failed without a fault"
            trial.proxy.down = False
            trial.check(told)
        total += 1
        if not met:
            missed.append(f"{when} {message}: {trial.proxy.sessions} sessions, {trial.proxy.messages}")
    assert len(missed) <= 0.1 * total, f"of {total} faults, these were not met: {'; '.join(missed)}"
    return total - len(missed)


def _is_met(proof: Callable[[], None]) -> bool:
    try:
        proof()
    except AssertionError:
        return False
    return True
