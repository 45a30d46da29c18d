"""`kill -9` of the command at every kind of message: nothing is half done, and the next run completes."""

from __future__ import annotations

import signal

import pytest

from support.faults import EVERY, Trial, decisive_places, of_interest, sample, try_each
from support.forking import forking
from support.proxy import BEFORE, Message, Then
from support.scenarios import FEW, SCENARIOS

pytestmark = pytest.mark.timeout(3600 if EVERY else 900)


def is_waited_for(message: Message) -> bool:
    """Tell whether the command goes on only once this has arrived.

    It does not for its good-bye, nor for what it asks and notes on the run lock's session beside the worker.
    """
    return message.kind != "X" and (message.session, message.kind) != (2, "Q")


@pytest.fixture(scope="module")
def command(clean_environment, tmp_path_factory):
    modules = ("sqlmigrate.engine", *(f"sqlmigrate.cli.{name}" for name in ("app", "apply", "rollback", "reporting")))
    with forking(tmp_path_factory.mktemp("client"), *modules) as made:
        yield made


@pytest.mark.parametrize("trial", SCENARIOS if EVERY else FEW, indirect=True, ids=str)
def test_a_killed_command_leaves_nothing_half_done_and_nothing_locked(trial, command):
    killed_at: list[Message] = []

    def kill(at: Message) -> Then:
        killed_at.append(at)
        command.kill()
        return Then.CUT

    def run(trial: Trial) -> None:
        known = len(killed_at)
        status = command.run(*trial.scenario.arguments, "-d", trial.through_proxy, "-m", trial.directory).status
        # it may come to its end without the fault, or with one at words that it does not wait for
        met = len(killed_at) > known
        assert status == -signal.SIGKILL or (status == 0 and not (met and is_waited_for(killed_at[-1])))

    share = 0.6 if trial.scenario.parts else 1.0
    chosen = [(item, BEFORE) for item in sample(of_interest(trial), share)]
    faults = decisive_places(trial.messages) if EVERY else chosen

    assert try_each(trial, faults, kill, run) > 10
