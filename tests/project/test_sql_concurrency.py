"""Other sessions at work: nobody loses agents, nobody meets a deadlock, and locks come in one order."""

from __future__ import annotations

import psycopg
import pytest

from project.application import AGENT_TYPES, background

LOCKS = """
    SELECT relation::regclass::text, mode, granted FROM pg_locks
    WHERE pid = %s AND locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')
        AND relation::regclass::text = ANY (%s)
"""
CHANGE_ORDER = ("auth.users", "llms", "user_agents", "memories", "profiles", "user_agent_catalog")
UNDO_ORDER = ("auth.users", "llms", "memories", "profiles", "system_agents")


def migrate(app, script):
    """Run a script in the background."""
    return background(app.migrator, lambda: app.run(script))


def sign_up(app, session):
    """Register a user in the background, on a session of the auth server."""
    user = "11111111-1111-4111-8111-111111111111"
    return user, background(session, lambda: session.execute("INSERT INTO auth.users (id) VALUES (%s)", [user]))


@pytest.fixture
def observer(app):
    return app.database.connect_superuser()


@pytest.fixture
def other(app):
    """A session of somebody else with a transaction of its own."""
    return app.database.connect(autocommit=False)


CHANGE = "20260304_simplify_agent_architecture"
UNDO = f"{CHANGE}.rollback"


def test_a_sign_up_in_flight_keeps_its_agents(app, observer):
    with app.auth.transaction():
        user = app.sign_up(email="in-flight@example.com")
        change = migrate(app, CHANGE)
        change.wait_until_blocked(observer)
    change.join()

    assert app.settings(user) == '{"agent_prompts": {}}'
    kept = "SELECT agent_type FROM agent_architecture_archive.user_agents WHERE user_id = %s ORDER BY 1"
    assert app.column(kept, user) == sorted(AGENT_TYPES)
    app.migrator.execute("UPDATE system_agents SET config = '{}'")
    app.undo()
    assert app.agents(user) == sorted(AGENT_TYPES)
    assert app.column("SELECT DISTINCT config = '{}' FROM user_agents") == [False]


def test_a_sign_up_in_flight_that_is_cancelled_leaves_no_trace(app, observer):
    with app.auth.transaction(force_rollback=True):
        app.sign_up()
        change = migrate(app, CHANGE)
        change.wait_until_blocked(observer)
    change.join()

    assert app.column("SELECT id FROM agent_architecture_archive.users") == []


def test_a_sign_up_in_flight_gets_agents_from_the_rollback(app, observer):
    app.change()
    with app.auth.transaction():
        user = app.sign_up()
        undo = migrate(app, UNDO)
        undo.wait_until_blocked(observer)
    undo.join()

    assert (app.agents(user), app.settings(user)) == (sorted(AGENT_TYPES), "{}")


@pytest.mark.parametrize("held", CHANGE_ORDER[1:])
def test_a_sign_up_that_arrives_while_the_change_runs_waits_and_finds_the_new_rules(app, observer, other, held):
    other.execute(f"LOCK TABLE {held} IN ROW EXCLUSIVE MODE")
    change = migrate(app, CHANGE)
    change.wait_until_blocked(observer)
    user, arrival = sign_up(app, app.auth)
    arrival.wait_until_blocked(observer)
    other.rollback()
    change.join()
    arrival.join()

    assert app.settings(user) == '{"agent_prompts": {}}'
    assert app.column("SELECT id FROM agent_architecture_archive.users") == []


@pytest.mark.parametrize("held", UNDO_ORDER[1:])
def test_a_sign_up_that_arrives_while_the_rollback_runs_waits_and_finds_the_old_rules(app, observer, other, held):
    app.change()
    other.execute(f"LOCK TABLE {held} IN ROW EXCLUSIVE MODE")
    undo = migrate(app, UNDO)
    undo.wait_until_blocked(observer)
    user, arrival = sign_up(app, app.auth)
    arrival.wait_until_blocked(observer)
    other.rollback()
    undo.join()
    arrival.join()

    assert (app.agents(user), app.settings(user)) == (sorted(AGENT_TYPES), "{}")


def test_a_sign_up_that_began_before_a_rollback_in_the_same_session_finds_the_old_rules(app):
    app.sign_up()
    app.change()
    app.sign_up()
    app.undo()

    assert app.agents(app.sign_up()) == sorted(AGENT_TYPES)


@pytest.mark.parametrize(("script", "order"), [(CHANGE, CHANGE_ORDER), (UNDO, UNDO_ORDER)])
def test_locks_are_taken_in_one_order_and_before_anything_is_read(app, observer, other, script, order):
    if script == UNDO:
        app.change()
    for place, held in enumerate(order[1:], start=1):
        other.execute(f"LOCK TABLE {held} IN ROW EXCLUSIVE MODE")
        run = background(app.migrator, lambda: app.run(script))
        run.wait_until_blocked(observer)
        locks = observer.execute(LOCKS, [app.migrator.info.backend_pid, list(order)]).fetchall()
        app.migrator.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            run.join()
        other.rollback()

        assert {table: granted for table, _, granted in locks} == dict.fromkeys(order[:place], True) | {held: False}
        assert ("auth.users", "ShareRowExclusiveLock", True) in locks


def test_sign_ins_go_on_while_the_change_waits_for_its_tables(app, observer, other):
    app.sign_up(email="reader@example.com")
    other.execute("SELECT FROM user_agents")
    change = migrate(app, CHANGE)
    change.wait_until_blocked(observer)

    app.auth.execute("SET lock_timeout = '5s'")
    assert app.auth.execute("SELECT email FROM auth.users").fetchall() == [("reader@example.com",)]
    other.rollback()
    change.join()


def test_an_agent_that_is_written_just_before_the_change_is_archived(app, observer, other):
    user = app.sign_up()
    other.execute("UPDATE user_agents SET config = '{\"late\": true}'")
    change = migrate(app, CHANGE)
    change.wait_until_blocked(observer)
    other.commit()
    change.join()
    app.undo()

    assert app.rows("SELECT DISTINCT user_id, config FROM user_agents") == [(user, {"late": True})]


@pytest.mark.parametrize(
    ("script", "then"),
    [
        (CHANGE, "UPDATE user_agent_catalog SET status = 'inactive'"),
        (CHANGE, "DELETE FROM llms WHERE model_code = 'unused'"),
        (UNDO, "UPDATE system_agents SET status = 'inactive'"),
        (UNDO, "DELETE FROM llms WHERE model_code = 'unused'"),
    ],
)
def test_seeding_in_flight_meets_no_deadlock(app, observer, other, script, then):
    app.llm("unused")
    if script == UNDO:
        app.change()
    other.execute("UPDATE llms SET status = 'inactive'")
    run = migrate(app, script)
    run.wait_until_blocked(observer)
    other.execute(then)
    other.commit()
    run.join()


def test_a_catalog_type_that_is_written_just_before_the_rollback_is_seen(app, observer, other):
    app.change()
    other.execute("UPDATE system_agents SET agent_type = 'NEW_KIND' WHERE agent_type = 'TASK_EXECUTION'")
    undo = migrate(app, UNDO)
    undo.wait_until_blocked(observer)
    other.commit()

    with pytest.raises(psycopg.errors.CheckViolation, match="NEW_KIND"):
        undo.join()


def test_an_llm_that_is_deleted_just_before_the_rollback_is_seen(app, observer, other):
    user = app.sign_up()
    app.change()
    other.execute("DELETE FROM system_agents WHERE agent_type = 'TASK_EXECUTION'")
    other.execute("DELETE FROM llms WHERE model_code = 'large'")
    undo = migrate(app, UNDO)
    undo.wait_until_blocked(observer)
    other.commit()
    undo.join()

    assert app.agents(user) == ["INTENT_RECOGNITION", "RESULT_REPORTING"]
