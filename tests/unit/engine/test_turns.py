"""How a turn goes from one state to the next, and when its COMMIT may go along with the next script."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest

from sqlmigrate.connection import Command, Purpose, ServerInfo
from sqlmigrate.engine.transaction.commit import State, Turn, may_go_along
from sqlmigrate.engine.transaction.job import Job
from sqlmigrate.engine.transaction.run import opening
from sqlmigrate.engine.wire.execute import Listener
from sqlmigrate.engine.wire.pipeline import Exchange, Step
from sqlmigrate.engine.wire.session import Options
from sqlmigrate.errors import ExecutionError
from sqlmigrate.events import ignore
from sqlmigrate.migrations import ScriptRun
from sqlmigrate.sql.script import script_from_text

INFO = ServerInfo("d", "r", "18.0", 180000, standby=False, read_only=False, backend_pid=1)


def job(migration_id: str = "a", text: str | None = "SELECT 1;", *, transactional: bool = True) -> Job:
    """Make a job; without a text, its script is too large to be held."""
    script = replace(script_from_text(Path(f"{migration_id}.sql"), text or ""), text=text)
    confirm = Command("SELECT", (migration_id,), Purpose.CONFIRM)
    script_run = ScriptRun(migration_id, "apply", script, transactional=transactional)
    return Job(script_run, claim=Command("SELECT"), finish=(), confirm=confirm)


@dataclass(slots=True, eq=False)
class Told(Turn):
    """A turn that keeps what it was told."""

    told: list[str] = field(default_factory=list)

    def on_begin(self) -> None:
        self.told.append("begin")

    def on_done(self) -> None:
        self.told.append("done")


@pytest.fixture
def turn() -> Told:
    made = Told((job("a"), job("b")), Listener(job("b").script_run, ignore))
    made.begin()
    made.ran_through()
    return made


def answer(turn: Turn, step: Step, tag: str | None = None) -> State:
    step.tag = tag
    turn.answered(step)
    return turn.state


def failed(step: Step, error: psycopg.Error) -> Exchange:
    return Exchange(error=error, failed=step)


def test_it_is_done_once_it_is_committed_and_the_history_says_so_of_every_script(turn):
    [commit], [first, second] = turn.to_commit(), turn.to_confirm()

    assert answer(turn, commit, "COMMIT") is State.COMMITTED
    assert turn.to_commit() == []
    assert answer(turn, first) is State.COMMITTED
    assert turn.told == ["begin"]
    assert answer(turn, second) is State.CONFIRMED
    turn.require_committed(Exchange())
    turn.begin()
    assert turn.told == ["begin", "done"]


def test_a_commit_that_rolled_back_does_not_count_as_one(turn):
    [commit] = turn.to_commit()

    assert answer(turn, commit, "ROLLBACK") is State.THROUGH
    with pytest.raises(ExecutionError, match="PostgreSQL rolled the transaction back at COMMIT"):
        turn.require_committed(failed(turn.to_confirm()[0], psycopg.errors.DivisionByZero()))
    assert turn.state is State.REFUSED


def test_one_that_is_refused_has_no_commit_until_it_ran_again(turn):
    [commit] = turn.to_commit()

    with pytest.raises(ExecutionError, match=r"\(found at COMMIT\)"):
        turn.require_committed(failed(commit, psycopg.errors.LockNotAvailable()))

    assert turn.state is State.REFUSED
    assert turn.to_commit() == []
    turn.begin()
    turn.ran_through()
    assert len(turn.to_commit()) == 1
    assert turn.told == ["begin"]


def test_one_whose_answer_is_lost_is_lost(turn):
    assert "whether it happened is not known" in str(turn.lost())
    assert turn.state is State.LOST
    assert turn.told == ["begin"]


def test_a_commit_of_another_command_is_not_its_own(turn):
    assert answer(turn, Step(Command("COMMIT")), "COMMIT") is State.THROUGH


def test_the_commit_goes_at_the_head_of_the_next_pipeline_and_in_its_first_segment(turn):
    steps = list(opening(job("c"), Options(), INFO, before=turn))
    alone = list(opening(job("c"), Options(), INFO))

    assert steps[0].purpose is Purpose.COMMIT
    assert all(step.command for step in steps)
    assert [step.purpose for step in steps].count(Purpose.CONFIRM) == 2
    assert [at for at, step in enumerate(alone) if step.command is None] == [1]


ISOLATED = "-- sqlmigrate: isolation=serializable\nSELECT 1;"


@pytest.mark.parametrize(
    ("following", "info", "may"),
    [
        (job(), INFO, True),
        (job(), replace(INFO, pooled=True), False),
        (job(transactional=False), INFO, False),
        (job(text=ISOLATED), INFO, False),
        (job(text=None), INFO, False),
    ],
)
def test_when_a_commit_may_go_along(following, info, may):
    assert may_go_along(following, info) is may
