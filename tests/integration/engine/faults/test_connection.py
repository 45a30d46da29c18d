"""The connection is cut at every message between a run and its server: nothing is half done, and the words are true."""

from __future__ import annotations

import pytest

from support.faults import EVERY, decisive_places, once_locked, places, put, try_each
from support.proxy import BEFORE, TO_CLIENT, TO_SERVER, Message, Then
from support.scenarios import FREE, MANAGED, SCENARIOS

pytestmark = pytest.mark.timeout(3600 if EVERY else 900)

DIRECTIONS = [TO_SERVER, TO_CLIENT]


def cut(_: Message) -> Then:
    return Then.CUT


def cut_for_good(_: Message) -> Then:
    return Then.DOWN


def going(direction: str, messages: list[Message]) -> list[Message]:
    return [item for item in messages if item.direction == direction]


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("trial", MANAGED, indirect=True, ids=str)
def test_a_cut_at_any_message_of_a_transaction_leaves_all_or_nothing(trial, direction):
    name = str(trial.scenario)
    all_messages = EVERY or name == "apply"
    locked = trial.messages if all_messages else once_locked(trial.messages, sampled=name == "rollback")
    messages = going(direction, locked)
    faults = (places if EVERY or (all_messages and direction == TO_SERVER) else decisive_places)(messages)

    assert try_each(trial, faults, cut) > 20


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("trial", FREE, indirect=True, ids=str)
def test_a_cut_at_any_message_outside_a_transaction_is_in_the_journal(trial, direction):
    messages = going(direction, trial.messages if EVERY else once_locked(trial.messages))
    faults = (places if EVERY else decisive_places)(messages)

    assert try_each(trial, faults, cut) > 40


@pytest.mark.parametrize("trial", SCENARIOS, indirect=True, ids=str)
def test_a_network_that_stays_away_is_reported_as_what_it_is(trial):
    """Nobody can be asked then what became of a COMMIT."""
    messages = [item for item in going(TO_SERVER, trial.messages) if item.session == 1]

    faults = list(places(messages)) if EVERY else list(decisive_places(messages))[-6:]

    assert try_each(trial, faults, cut_for_good) > 5


@pytest.mark.parametrize("trial", MANAGED, indirect=True, ids=str)
def test_a_commit_whose_answer_is_lost_is_looked_up(trial):
    own = [item for item in trial.messages if item.session == 1]
    # behind the COMMIT come our search_path, and a look at the history for each script that it commits
    behind = 2 if trial.scenario.second and trial.scenario.together else 1
    commit = [item for item in own if item.kind == "P"][-(2 + behind)]
    answer = next(item for item in own[own.index(commit) :] if item.kind == "C" and item.direction == TO_CLIENT)
    word = {"apply": "applied", "rollback": "rolled back"}[trial.scenario.operation]
    for message, expected in ((commit, f"it is not {word}"), (answer, f"it is {word}: the history says so")):
        proof = put(trial, message, BEFORE, cut)
        told = trial.run()
        proof()

        assert expected in str(told)
        trial.check(told)
