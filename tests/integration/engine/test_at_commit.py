"""What runs at COMMIT runs with the rights of the script, and the history is looked at once more behind it."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import ExecutionError, Interrupted
from sqlmigrate.events import Event, LockRetry, Notice, NoticesLeftOut, ScriptFinished
from sqlmigrate.migrations import migration_hash
from support.runner import Runner, ids
from support.sessions import beside, is_there, wait_for_sleep
from support.twins import psql, written_plan
from support.waiting import LONG

# a deferred trigger that has itself called again at COMMIT; there it does what `DOES` says
LATE = """
CREATE TABLE seen (who text);
GRANT ALL ON seen TO PUBLIC;
CREATE TABLE late (n integer);
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n < 2 THEN
        SET CONSTRAINTS ALL DEFERRED;
        INSERT INTO public.late VALUES (NEW.n + 1);
    ELSE
        {does}
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION at_commit();
INSERT INTO late VALUES (1);
"""
RENAME = "UPDATE sqlmigrate._yoyo_migration SET migration_id = 'x';"
FORGET = "DELETE FROM sqlmigrate._yoyo_migration WHERE migration_id = '{}';"
LOOK = "INSERT INTO public.seen VALUES (current_user);"
HELD = """
CREATE FUNCTION forget() RETURNS integer LANGUAGE sql AS $$ {forget} SELECT 1 $$;
DECLARE late CURSOR WITH HOLD FOR SELECT forget();
"""


def late(migration_id: str = "a", does: str | None = None) -> str:
    return LATE.format(does=does or FORGET.format(migration_id))


@pytest.mark.parametrize("single_transaction", [False, True])
@pytest.mark.parametrize("others", [0, 1])
def test_a_row_that_goes_at_commit_is_missed(runner, conn, others, single_transaction):
    runner.write("a", late())
    if others:
        runner.write("b", "CREATE TABLE b ();")
    with pytest.raises(ExecutionError, match="code that ran at COMMIT, or another session, has changed it") as caught:
        runner.apply(single_transaction=single_transaction)

    assert caught.value.migration_id == "a"
    assert caught.value.kept
    assert "sqlmigrate mark a" in (caught.value.hint or "")
    assert runner.told(ScriptFinished) == []
    assert is_there(conn, "late")
    assert "a" not in runner.applied()
    assert is_there(conn, "b") == bool(others and single_transaction)


def test_what_is_said_at_commit_is_said_of_the_script_that_is_committed(runner):
    runner.write("a", late(does="RAISE WARNING 'at COMMIT, %', pg_catalog.repeat('x', NEW.n); " * 25))
    runner.write("b", "DO $$ BEGIN RAISE NOTICE 'of b'; END $$;")

    runner.apply()

    assert [(said.migration_id, said.message.message[:9]) for said in runner.told(Notice)] == [
        *[("a", "at COMMIT")] * 20,
        ("b", "of b"),
    ]
    assert [(left.migration_id, left.count) for left in runner.told(NoticesLeftOut)] == [("a", 5)]


@pytest.mark.parametrize(("names", "single_transaction"), [("a", False), ("ab", False), ("a", True)])
def test_ctrl_c_in_a_commit_does_not_say_that_it_was_rolled_back(runner, names, single_transaction):
    """It comes where the COMMIT has been sent, and before its answer is read."""
    runner.write("a", late(does="RAISE NOTICE 'at COMMIT'; PERFORM pg_catalog.pg_sleep(60);"))
    runner.write("b", "SELECT 1;")
    tell = runner.observe

    def observe(event: Event) -> None:
        tell(event)
        if isinstance(event, Notice):
            raise KeyboardInterrupt

    runner.observe = observe
    with pytest.raises(Interrupted, match="whether the COMMIT of a has happened is not known") as caught:
        runner.apply(steps=len(names), single_transaction=single_transaction)

    assert "rolled back" not in caught.value.left
    assert runner.told(ScriptFinished) == []


@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_script_that_was_refused_at_commit_runs_again_before_it_is_committed(runner, conn, names, short_pauses):
    """A lock is not granted at COMMIT, and then not in the script: the third attempt must run all of it."""
    conn.execute("CREATE SEQUENCE runs; CREATE SEQUENCE commits")
    no_lock = "RAISE EXCEPTION 'not granted' USING ERRCODE = 'lock_not_available'; END IF;"
    runs = f"DO $$BEGIN IF nextval('runs') = 2 THEN {no_lock} END$$;"
    runner.write("a", runs + late(does=f"IF pg_catalog.nextval('public.commits') = 1 THEN {no_lock}"))
    runner.write("b", "CREATE TABLE b ();")

    assert ids(runner.apply(steps=len(names))) == list(names)

    assert [retry.migration_id for retry in runner.told(LockRetry)] == ["a", "a"]
    assert [done.migration_id for done in runner.told(ScriptFinished)] == list(names)
    assert conn.execute("SELECT r.last_value, c.last_value FROM runs AS r, commits AS c").fetchone() == (3, 2)
    assert runner.applied() == list(names)
    assert is_there(conn, "late")


@pytest.mark.parametrize("script", [RENAME, late(does=RENAME)], ids=["in the script", "at COMMIT"])
def test_a_row_that_is_given_the_name_of_another_is_missed(runner, script):
    runner.write("a", script)
    with pytest.raises(ExecutionError, match=r"has removed its row from there|or another session, has changed it"):
        runner.apply()

    assert runner.told(ScriptFinished) == []


SWAP = FORGET.format("a") + "INSERT INTO sqlmigrate._yoyo_migration VALUES ('x', 'x', now());"


@pytest.mark.parametrize("script", [SWAP, f"-- transactional: false\n{SWAP}"], ids=["inside", "outside"])
@pytest.mark.parametrize("following", [0, 1])
def test_a_row_that_takes_the_place_of_another_is_found(runner, script, following):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    runner.write("b", script)
    if following:
        runner.write("c", "CREATE TABLE c ();")

    with pytest.raises(ExecutionError, match="does not say that a is applied and that x is rolled back"):
        runner.apply()


def test_a_row_that_takes_the_place_of_another_in_one_transaction_is_found(runner):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    runner.write("b", SWAP)
    runner.write("c", "CREATE TABLE c ();")

    with pytest.raises(ExecutionError, match="does not say that a is applied and that x is rolled back"):
        runner.apply(single_transaction=True)


def test_a_row_that_takes_the_place_of_another_in_a_rollback_is_found(runner):
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "CREATE TABLE b ();", SWAP)
    runner.apply()

    with pytest.raises(ExecutionError, match="does not say that a is applied and that x is rolled back"):
        runner.rollback()


def test_a_row_that_comes_back_under_another_hash_is_found(runner):
    back = "INSERT INTO sqlmigrate._yoyo_migration VALUES ('x', 'a', now());"
    runner.write("a", "CREATE TABLE a ();", late(does=back))
    runner.apply()
    with pytest.raises(ExecutionError, match="does not say that a is rolled back"):
        runner.rollback()


def test_all_rows_that_go_at_commit_are_named(runner):
    runner.write("z", "SELECT 1;")
    runner.apply()
    runner.write("za", "SELECT 1;")
    runner.write("zb", late(does="DELETE FROM sqlmigrate._yoyo_migration WHERE migration_id <> 'zc';"))
    runner.write("zc", "SELECT 1;")
    with pytest.raises(ExecutionError, match="that z, za and zb are applied: code that ran at COMMIT") as caught:
        runner.apply(single_transaction=True)

    assert "`sqlmigrate mark z za zb`" in (caught.value.hint or "")
    assert runner.applied() == ["zc"]


def test_all_scripts_that_share_the_transaction_are_said_to_be_committed(runner, conn):
    runner.write("a", late())
    runner.write("b", "CREATE TABLE b ();")
    with pytest.raises(
        ExecutionError, match=r"a and b were committed together, but the history does not say that a is"
    ):
        runner.apply(single_transaction=True)

    assert is_there(conn, "b")


def test_the_row_is_named_that_another_session_gives_another_name(runner, database):
    runner.write("a", "SELECT 1;")
    runner.apply()
    runner.write("b", "SELECT pg_sleep(2);")
    with beside(runner.apply) as [run]:
        session = database.connect()
        wait_for_sleep(session)
        session.execute("UPDATE sqlmigrate._yoyo_migration SET migration_id = 'x' WHERE migration_id = 'a'")
        with pytest.raises(
            ExecutionError, match=r"that a is applied and that x is rolled back: .* another session"
        ) as caught:
            run.result(LONG)

    assert "`sqlmigrate mark a` and `sqlmigrate unmark x`" in (caught.value.hint or "")


@pytest.mark.parametrize("behind", [False, True])
def test_the_row_of_another_migration_that_goes_at_commit_is_missed(runner, behind):
    runner.write("a", "SELECT 1;")
    runner.apply()
    runner.write("b", late("a"))
    if behind:
        runner.write("c", "SELECT 1;")
    with pytest.raises(ExecutionError, match="does not say that a is applied: code that ran at COMMIT") as caught:
        runner.apply()

    assert (caught.value.migration_id, caught.value.kept) == ("b", True)
    assert "`sqlmigrate mark a`" in (caught.value.hint or "")
    assert runner.applied() == ["b"]


def test_a_rollback_misses_the_row_of_another_migration_too(runner):
    runner.write("a", "SELECT 1;")
    runner.write("b", "SELECT 1;", late("a"))
    runner.apply()
    with pytest.raises(ExecutionError, match="does not say that a is applied: code that ran at COMMIT") as caught:
        runner.rollback()

    assert (caught.value.migration_id, caught.value.operation, caught.value.kept) == ("b", "rollback", True)
    assert runner.applied() == []


FORGETS = """-- transactional: false
CREATE PROCEDURE forget() LANGUAGE plpgsql AS $$ BEGIN {forget} COMMIT; END $$;
CALL forget();
"""


@pytest.mark.parametrize("behind", ["", "SELECT 1;", "-- transactional: false\nSELECT 1;"])
def test_the_row_of_another_migration_that_goes_outside_a_transaction_is_missed(runner, conn, behind):
    runner.write("a", "SELECT 1;")
    runner.apply()
    runner.write("b", FORGETS.format(forget=FORGET.format("a")))
    if behind:
        runner.write("c", behind)
    with pytest.raises(
        ExecutionError, match="does not say that a is applied: the script, or another session, has changed it"
    ) as caught:
        runner.apply()

    assert (caught.value.migration_id, caught.value.kept, type(caught.value)) == ("b", True, ExecutionError)
    assert "`sqlmigrate mark a`" in (caught.value.hint or "")
    assert runner.applied() == ["b"]
    assert [done.migration_id for done in runner.told(ScriptFinished)] == ["a"]
    assert conn.execute("SELECT count(*) FROM sqlmigrate.journal").fetchone() == (0,)


def test_a_rollback_outside_a_transaction_misses_the_row_of_another_migration_too(runner):
    runner.write("a", "SELECT 1;")
    runner.write("b", "SELECT 1;", FORGETS.format(forget=FORGET.format("a")))
    runner.apply()
    with pytest.raises(
        ExecutionError, match="does not say that a is applied: the script, or another session, has changed it"
    ) as caught:
        runner.rollback()

    assert (caught.value.migration_id, caught.value.operation, caught.value.kept) == ("b", "rollback", True)
    assert runner.applied() == []


LOSE_RECORD = "DELETE FROM sqlmigrate.applied WHERE migration_hash = '{}';"


@pytest.mark.parametrize(
    ("script", "single_transaction"),
    [
        (LOSE_RECORD, False),
        (LOSE_RECORD, True),
        (f"-- transactional: false\n{LOSE_RECORD}", False),
        (f"-- transactional: false\nDO $$ BEGIN {LOSE_RECORD} COMMIT; END $$;", False),
        (None, False),
    ],
    ids=["transaction", "one transaction", "outside", "block that commits", "at COMMIT"],
)
@pytest.mark.parametrize("last", [True, False])
def test_a_run_after_which_nothing_is_recorded_of_another_migration_says_so(runner, script, single_transaction, last):
    """Its row is there, so it counts as applied: by yoyo, with nothing that an edit or a rollback could be held to."""
    lose = LOSE_RECORD.format(migration_hash("a"))
    runner.write("a", "SELECT 1;", "SELECT 1;")
    runner.apply()
    runner.write("b", late(does=lose) if script is None else script.format(migration_hash("a")))
    if not last:
        runner.write("c", "SELECT 1;")
    with pytest.raises(ExecutionError, match="the history does not say which scripts of a were applied") as caught:
        runner.apply(single_transaction=single_transaction)

    assert caught.value.kept
    assert "`sqlmigrate unmark a` and `sqlmigrate mark a`" in (caught.value.hint or "")
    assert runner.applied() == ["a", "b", *([] if last else ["c"])]


def test_a_rollback_after_which_nothing_is_recorded_of_another_migration_says_so(runner):
    runner.write("a", "SELECT 1;", "SELECT 1;")
    runner.write("b", "SELECT 1;", LOSE_RECORD.format(migration_hash("a")))
    runner.apply()
    with pytest.raises(ExecutionError, match="the history does not say which scripts of a were applied"):
        runner.rollback()

    assert runner.applied() == ["a"]


def test_a_session_that_was_made_read_only_does_not_hide_what_a_script_did(runner):
    runner.write("a", "-- transactional: false\nSELECT 1;\nSET default_transaction_read_only = on;\n")

    assert ids(runner.apply()) == runner.applied() == ["a"]


def test_psql_stops_where_the_row_of_another_migration_goes_outside_a_transaction(twins):
    twins.write("a", "SELECT 1;")
    twins.write("b", FORGETS.format(forget=FORGET.format("a")))
    stopped = psql(twins.right, written_plan(twins.planned))

    assert stopped.returncode != 0
    assert "it was committed, but the script has changed the history" in stopped.stderr


def test_psql_stops_where_the_row_of_another_migration_goes_at_commit(twins):
    twins.write("a", "SELECT 1;")
    twins.write("b", late("a"))
    stopped = psql(twins.right, written_plan(twins.planned))

    assert stopped.returncode != 0
    assert "it was committed, but code that ran at COMMIT has changed the history" in stopped.stderr


def test_a_row_that_comes_back_at_commit_is_found(runner):
    back = f"INSERT INTO sqlmigrate._yoyo_migration VALUES ('{migration_hash('a')}', 'a', now());"
    runner.write("a", "CREATE TABLE a ();", late(does=back))
    runner.apply()
    with pytest.raises(ExecutionError, match="does not say that a is rolled back") as caught:
        runner.rollback()

    assert "sqlmigrate unmark a" in (caught.value.hint or "")


def test_what_runs_at_commit_has_the_rights_of_the_script(runner, conn, admin, new_role):
    role = new_role("NOLOGIN")
    admin.execute(f"GRANT {role} TO migrator; GRANT CREATE, USAGE ON SCHEMA public TO {role}")
    runner.write("a", f"-- sqlmigrate: role={role}\n{late(does=LOOK)}")
    runner.write("b", f"-- sqlmigrate: role={role}\n{late('b').replace('TABLE late', 'TABLE IF NOT EXISTS late')}")
    runner.apply(steps=1)

    assert conn.execute("SELECT who FROM seen").fetchall() == [(role,)]
    conn.execute("DROP TABLE seen, late CASCADE; DROP FUNCTION at_commit")
    with pytest.raises(ExecutionError, match="permission denied"):
        runner.apply()
    assert runner.applied() == ["a"]
    assert not is_there(conn, "seen")


@pytest.mark.parametrize("head", ["", "-- transactional: false\n", "-- transactional: false\nBEGIN;\n"])
def test_a_held_cursor_runs_nothing_as_the_login_role(runner, conn, admin, new_role, head):
    role = new_role("NOLOGIN")
    admin.execute(f"GRANT {role} TO migrator; GRANT CREATE, USAGE ON SCHEMA public TO {role}")
    look = "CREATE TABLE seen (who text);\n" + HELD.format(forget="INSERT INTO public.seen VALUES (current_user);")
    directives = head.replace("BEGIN;\n", "") + f"-- sqlmigrate: role={role}\n"
    begin, commit = ("BEGIN;\n", "COMMIT;\n") if "BEGIN" in head else ("", "")
    runner.write("a", f"{directives}{begin}{look}{commit}")
    runner.apply()

    assert runner.applied() == ["a"]
    assert conn.execute("SELECT DISTINCT who FROM seen").fetchall() == ([(role,)] if head else [])


def test_a_held_cursor_takes_no_row_away(runner):
    runner.write("a", HELD.format(forget=FORGET.format("a")))
    runner.write("b", "SELECT 1;")

    assert ids(runner.apply()) == runner.applied() == ["a", "b"]


def test_psql_stops_where_a_row_goes_at_commit(twins):
    twins.write("a", late())
    stopped = psql(twins.right, written_plan(twins.planned))

    assert stopped.returncode != 0
    assert "it was committed, but code that ran at COMMIT has changed the history" in stopped.stderr


def test_a_run_that_finds_nothing_left_in_one_transaction_says_so(runner, database):
    """Another run may be through before this one gets the run lock."""
    runner.write("a", "SELECT 1;")
    other = Runner(database.conninfo, runner.directory)

    assert ids(runner.apply(single_transaction=True, gate=lambda *_: other.apply())) == []
    assert runner.applied() == ["a"]
