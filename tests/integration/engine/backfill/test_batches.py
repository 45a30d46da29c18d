"""A statement runs batch by batch, and each row is changed exactly once."""

from __future__ import annotations

import re

import pytest

from sqlmigrate.engine.backfill.loop import Backfill
from sqlmigrate.errors import ExecutionError, HalfWayError, HistoryError
from sqlmigrate.events import LockRetry
from support.backfill import ONCE, numbered, progress, script, times
from support.runner import ids, place
from support.stepwise import OUTSIDE, half_way, journal

NAMES = {
    "numeric": "SELECT x / 7.0 FROM generate_series(-30, 30) AS x UNION ALL VALUES ('NaN'::numeric), ('1e9')",
    "text": r"""VALUES (''), (' '), ('a''b'), (E'a\\b'), ('%s'), ('$1'), ('"'), (E'\n'), ('ä'), ('Z'), ('z')""",
    "varchar(30)": "SELECT md5(x::text)::varchar(30) FROM generate_series(1, 30) AS x",
    "char(5)": "SELECT x::text FROM generate_series(1, 30) AS x",
    "uuid": "SELECT gen_random_uuid() FROM generate_series(1, 30)",
    "timestamptz": """
        SELECT timestamptz '2026-03-29 00:30:00.123456+00' + x * interval '17 min' FROM generate_series(1, 30) AS x
        UNION ALL VALUES ('-infinity'::timestamptz), ('infinity'), ('0044-03-15 12:00 BC')""",
    "date": "SELECT date '2026-01-31' + x * 31 FROM generate_series(1, 30) AS x",
    "interval": "SELECT x * interval '1 mon -3 days 02:00' FROM generate_series(-9, 9) AS x",
    "double precision": "SELECT x / 3.0 FROM generate_series(-9, 9) x UNION ALL VALUES ('-Infinity'::float8), ('NaN')",
    "bytea": r"SELECT decode(md5(x::text), 'hex') FROM generate_series(1, 30) AS x UNION ALL VALUES ('\x'::bytea)",
    "smallint[]": "SELECT ARRAY[x % 3, x] FROM generate_series(1, 30) AS x UNION ALL VALUES ('{}'::integer[])",
    "mood": "VALUES ('sad'::mood), ('ok'), ('happy')",
    "code": "SELECT x::text FROM generate_series(1, 30) AS x",
    "inet": "SELECT inet '10.0.0.0' + x FROM generate_series(1, 30) AS x",
}
"""Values for keys of these types."""


def test_each_row_is_changed_exactly_once_whatever_the_type_of_the_key(runner, conn):
    """All in one script, under settings by which dates and numbers are written in another way."""
    conn.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy'); CREATE DOMAIN code AS text")
    scripts = [
        OUTSIDE,
        "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET TimeZone = 'Asia/Tokyo';\n",
    ]
    scripts += ["SET extra_float_digits = -15; SET bytea_output = 'escape';\n"]
    for number, (type_name, values) in enumerate(NAMES.items()):
        conn.execute(f"CREATE TABLE t{number} (id {type_name} PRIMARY KEY, n integer NOT NULL DEFAULT 0)")
        conn.execute(f"INSERT INTO t{number} (id) {values}")
        remark = f"-- sqlmigrate-batch: table=public.t{number} key=id rows=1..7\n"
        scripts.append(f"{remark}{ONCE.replace(' t ', f' t{number} ')};\n")
    runner.write("a", "".join(scripts))

    runner.apply()

    for number, type_name in enumerate(NAMES):
        assert set(times(conn, f"t{number}")) == {1}, type_name
    assert journal(conn) == []


def test_no_batch_is_compiled_and_what_comes_after_them_is_planned_as_before(runner, conn):
    numbered(conn, 9)
    conn.execute("ALTER TABLE t ADD jit text")
    statement = ONCE.replace("n + 1", "n + 1, jit = current_setting('jit')")
    after = "CREATE TABLE after AS SELECT current_setting('jit') AS jit;\n"
    runner.write("a", script(statement, after=after).replace(OUTSIDE, f"{OUTSIDE}SET jit = on;\n"))

    runner.apply()

    assert conn.execute("SELECT DISTINCT jit FROM t").fetchall() == [("off",)]
    assert conn.execute("SELECT jit FROM after").fetchall() == [("on",)]


def test_keys_of_several_columns_partitions_and_odd_names(runner, conn):
    conn.execute("""
        CREATE TABLE pair (tenant text, id integer, n integer NOT NULL DEFAULT 0, PRIMARY KEY (tenant, id));
        INSERT INTO pair SELECT (x % 3)::text, x FROM generate_series(1, 50) AS x;
        CREATE TABLE parts (id integer PRIMARY KEY, n integer NOT NULL DEFAULT 0) PARTITION BY RANGE (id);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
        CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (100);
        INSERT INTO parts SELECT x FROM generate_series(1, 40) AS x;
        CREATE SCHEMA "S p";
        CREATE TABLE "S p"."100%s" ("I ""d" integer PRIMARY KEY, n integer NOT NULL DEFAULT 0);
        INSERT INTO "S p"."100%s" SELECT x FROM generate_series(1, 40) AS x;
        CREATE TABLE down (id integer NOT NULL, n integer NOT NULL DEFAULT 0);
        CREATE UNIQUE INDEX ON down (id DESC) INCLUDE (n);
        INSERT INTO down SELECT x FROM generate_series(1, 40) AS x;
    """)
    runner.write(
        "a",
        f"""{OUTSIDE}
-- sqlmigrate-batch: table=pair key=tenant,id rows=1..7
UPDATE pair SET n = n + 1 WHERE (tenant, id) >= ($1, $2) AND (tenant, id) <= ($3, $4);
-- sqlmigrate-batch: table=parts key=id rows=1..7
UPDATE parts SET n = n + 1 WHERE id >= $1 AND id <= $2;
-- sqlmigrate-batch: table='"S p"."100%s"' key='"I ""d"' rows=1..7
UPDATE "S p"."100%s" SET n = n + 1 WHERE "I ""d" >= $1 AND "I ""d" <= $2;
-- sqlmigrate-batch: table=down key=id rows=1..7
UPDATE down SET n = n + 1 WHERE id >= $1 AND id <= $2;
""",
    )

    runner.apply()

    tables = ("pair", "parts", '"S p"."100%s"', "down")
    assert [times(conn, name) for name in tables] == [{1: 50}, {1: 40}, {1: 40}, {1: 40}]


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_few_rows_or_none(runner, conn, rows):
    numbered(conn, rows)
    undo = script("UPDATE t SET n = n - 1 WHERE id >= $1 AND id <= $2")
    runner.write("a", script(after="CREATE TABLE after ();\n"), undo)

    assert ids(runner.apply()) == ["a"]
    assert times(conn) == ({1: rows} if rows else {})
    assert ids(runner.rollback(steps=1)) == ["a"]

    assert times(conn) == ({0: rows} if rows else {})


def test_rows_are_moved_to_another_table(runner, conn):
    numbered(conn, 20)
    conn.execute("CREATE TABLE old (LIKE t)")
    gone = "DELETE FROM t WHERE id >= $1 AND id <= $2 AND id < 30 RETURNING *"
    runner.write("a", script(f"WITH gone AS ({gone}) INSERT INTO old SELECT * FROM gone"))

    runner.apply()

    assert conn.execute("SELECT count(*), min(id), max(id) FROM old").fetchone() == (9, 3, 27)
    assert conn.execute("SELECT count(*), min(id) FROM t").fetchone() == (11, 30)


def test_a_batch_that_fails_is_where_the_next_run_goes_on(runner, conn):
    numbered(conn, 9)
    conn.execute("ALTER TABLE t ADD CHECK (n = 0 OR id <> 15)")
    runner.write("a", script(after="CREATE TABLE after ();\n"))

    stopped = half_way(runner.apply)

    assert "violates check constraint" in str(stopped)
    assert place(stopped) == "a.sql:3:1"
    assert progress(conn) == ("failed", ["12"], 4)
    assert times(conn) == {0: 5, 1: 4}
    conn.execute("ALTER TABLE t DROP CONSTRAINT t_check")
    runner.apply()
    assert times(conn) == {1: 9}
    assert journal(conn) == []


def test_the_statement_and_its_key_may_not_change_half_way_and_the_size_may(runner, conn):
    numbered(conn, 9)
    conn.execute("ALTER TABLE t ADD other bigint UNIQUE; UPDATE t SET other = id")
    conn.execute("ALTER TABLE t ALTER other SET NOT NULL")
    conn.execute("ALTER TABLE t ADD CHECK (n = 0 OR id <> 15)")
    runner.write("a", script())
    half_way(runner.apply)
    conn.execute("ALTER TABLE t DROP CONSTRAINT t_check")

    runner.write("a", script("UPDATE t SET n = n + 2 WHERE id >= $1 AND id <= $2"))
    with pytest.raises(HistoryError, match="statement 1 was edited after some of its batches had been run"):
        runner.apply()
    runner.write("a", script(ONCE.replace("id", "other"), batch="table=t key=other"))
    with pytest.raises(HistoryError, match="edited"):
        runner.apply()
    assert times(conn) == {0: 5, 1: 4}
    runner.write("a", script(batch="table=t key=id time=2s rows=1..3"))
    runner.apply()

    assert times(conn) == {1: 9}


def test_who_finds_that_another_run_has_gone_on_changes_nothing(runner, conn):
    """A trigger plays the other run: it moves the progress on while a batch is at work."""
    numbered(conn, 9)
    conn.execute("""
        CREATE FUNCTION other_run() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            UPDATE sqlmigrate.journal SET found = jsonb_set(journal.found, '{token}', '"another"');
            RETURN NULL;
        END$$;
        CREATE TRIGGER other_run AFTER UPDATE ON t FOR EACH ROW WHEN (old.id = 9) EXECUTE FUNCTION other_run();
    """)
    runner.write("a", script())

    with pytest.raises(HistoryError, match="another run has gone on with a meanwhile") as caught:
        runner.apply()

    assert "no batch was done twice" in str(caught.value.hint)
    assert times(conn) == {0: 5, 1: 4}
    runner.apply()
    assert times(conn) == {1: 9}


def test_a_row_that_comes_ahead_has_its_batch_and_one_behind_is_for_the_verify(runner, conn):
    numbered(conn, 9)
    conn.execute("""
        CREATE FUNCTION insert_more() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            INSERT INTO t (id) VALUES (1), (100);
            DELETE FROM t WHERE id = 27;
            RETURN NULL;
        END$$;
        CREATE TRIGGER more AFTER UPDATE ON t FOR EACH ROW WHEN (old.id = 9) EXECUTE FUNCTION insert_more();
    """)
    verify = "-- sqlmigrate-verify: SELECT count(*) = 0 FROM t WHERE n = 0\n"
    runner.write("a", script(more=verify, after="CREATE TABLE after ();\n"))

    stopped = half_way(runner.apply)

    assert str(stopped).startswith(str(stopped.place))
    assert "the verify is not true: SELECT count(*) = 0 FROM t WHERE n = 0" in str(stopped)
    assert place(stopped) == "a.sql:3:23"
    assert "--resume-at 2 goes on without the verify" in str(stopped.hint)
    assert times(conn) == {0: 1, 1: 9}
    half_way(runner.apply)
    assert times(conn) == {0: 1, 1: 9}
    conn.execute("UPDATE t SET n = 1 WHERE n = 0")
    runner.apply()
    assert times(conn) == {1: 10}


def test_after_resume_at_the_next_statement_nothing_is_verified(runner, conn):
    numbered(conn, 3)
    runner.write("a", script(more="-- sqlmigrate-verify: SELECT false\n", after="CREATE TABLE after ();\n"))
    half_way(runner.apply)

    runner.apply(resume_at=2)

    assert times(conn) == {1: 3}
    assert journal(conn) == []


def test_a_verify_that_does_not_say_true(runner, conn):
    """It can be mended half way, and all batches are done by then."""
    numbered(conn, 3)
    for verify, message in [
        ("SELECT NULL::boolean", "the verify is not true"),
        ("SELECT 1", "the verify is not true"),
        ("SELECT true FROM t", "the verify is not true"),
        ("SELECT n = 1 FROM t WHERE false", "the verify is not true"),
    ]:
        runner.write("a", script(more=f"-- sqlmigrate-verify: {verify}\n"))
        assert message in str(half_way(runner.apply)), verify
    assert times(conn) == {1: 3}


def test_a_verify_that_cannot_be_asked_is_refused_before_any_batch(runner, conn):
    numbered(conn, 3)
    runner.write("a", script(more="-- sqlmigrate-verify: SELECT nothing FROM t\n"))

    with pytest.raises(ExecutionError, match='query could not be asked: column "nothing" does not exist') as caught:
        runner.apply()

    assert not isinstance(caught.value, HalfWayError)
    assert times(conn) == {0: 3}
    assert progress(conn) is None


def test_a_row_that_somebody_holds_makes_batches_smaller_and_is_tried_again(runner, conn, database, short_pauses):
    numbered(conn, 8)
    holder = database.holding("SELECT FROM t WHERE id = 24 FOR UPDATE")
    tell = runner.observe

    def observe(event):
        tell(event)
        if isinstance(event, LockRetry) and len(runner.told(LockRetry)) == 3:
            holder.close()

    runner.observe = observe
    runner.write("a", script(batch="table=t key=id rows=1..100"))

    runner.apply(lock_timeout=50)

    assert len(runner.told(LockRetry)) >= 3
    assert times(conn) == {1: 8}


def test_a_batch_that_takes_too_long_is_tried_with_half_the_rows(runner, conn, monkeypatch):
    """What takes too long is played by a trigger that refuses more than two rows, as a statement_timeout would."""
    numbered(conn, 8)
    conn.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            IF (SELECT count(*) FROM these) > 2 THEN RAISE EXCEPTION 'too long' USING ERRCODE = '57014'; END IF;
            RETURN NULL;
        END$$;
        CREATE TRIGGER refuse AFTER UPDATE ON t REFERENCING NEW TABLE AS these
            FOR EACH STATEMENT EXECUTE FUNCTION refuse();
    """)
    runner.write("a", script(batch="table=t key=id rows=1..100 time=1min"))
    stopped = ExecutionError
    with pytest.raises(stopped, match="too long"):
        runner.apply()
    monkeypatch.setattr(Backfill, "_is_timed_out", lambda *_: True)

    runner.apply()

    assert times(conn) == {1: 8}


def test_the_session_of_the_script_stays_what_the_script_has_made_it(runner, conn, admin, new_role):
    """Its role, which may not touch the history, and its search_path are those of each batch, and of the verify."""
    role = new_role("NOLOGIN")
    admin.execute(f"GRANT {role} TO migrator")
    conn.execute("CREATE SCHEMA own; CREATE TABLE own.who (id integer PRIMARY KEY, who text, path text)")
    conn.execute("INSERT INTO own.who SELECT x FROM generate_series(1, 5) AS x")
    conn.execute(f"GRANT ALL ON SCHEMA own TO {role}; GRANT ALL ON own.who TO {role}")
    statement = "UPDATE who SET who = current_user, path = current_setting('search_path') WHERE id >= $1 AND id <= $2"
    verify = "-- sqlmigrate-verify: SELECT count(*) = 5 FROM who WHERE path = 'own' AND who IS NOT NULL\n"
    text = script(statement, batch="table=who key=id rows=2..2", more=verify, after="CREATE TABLE made ();\n")
    runner.write("a", text.replace(OUTSIDE, f"{OUTSIDE}SET search_path TO own;\nSET ROLE {role};\n"))

    runner.apply()

    assert conn.execute("SELECT DISTINCT path, who FROM own.who").fetchall() == [("own", role)]
    assert conn.execute("SELECT to_regclass('own.made') IS NOT NULL").fetchone() == (True,)
    conn.execute("DROP SCHEMA own CASCADE")  # the role owns a table in it


REFUSED = [
    ("table=nothing key=id", "UPDATE nothing SET n = 1 WHERE id >= $1 AND id <= $2", "there is no table nothing"),
    ("table=v key=id", "UPDATE v SET n = 1 WHERE id >= $1 AND id <= $2", "v is no table"),
    ("table=t key=no", "UPDATE t SET n = 1 WHERE no >= $1 AND no <= $2", "t has no column no"),
    ("table=t key=maybe", "UPDATE t SET n = 1 WHERE maybe >= $1 AND maybe <= $2", "column maybe of t may be NULL"),
    ("table=t key=n", "UPDATE t SET n = 1 WHERE n >= $1 AND n <= $2", r"t has no unique index on just \(n\)"),
    ("table=t key=id", "UPDATE t SET n = 1 WHERE id >= $1::int AND id <= $2::int", r"PostgreSQL takes \$1 as integer"),
    ("table=t key=id", "UPDATE t SET no = 1 WHERE id >= $1 AND id <= $2", 'column "no" of relation "t" does not exist'),
    ("table=parent key=id", "UPDATE parent SET n = 1 WHERE id >= $1 AND id <= $2", "tables that inherit from it"),
    (
        "table=t key=id",
        "UPDATE t SET n = 1 FROM (SELECT n FROM t) AS x WHERE t.id >= $1 AND t.id <= $2 AND x.n = t.n",
        "each batch would read the whole table, by this plan:\n  Update on t\n",
    ),
]


def test_what_cannot_run_in_batches_is_refused_before_it_runs(runner, conn):
    numbered(conn, 9)
    conn.execute("ALTER TABLE t ADD maybe integer UNIQUE; CREATE VIEW v AS SELECT * FROM t")
    conn.execute("CREATE TABLE parent (id integer PRIMARY KEY, n integer); CREATE TABLE child () INHERITS (parent)")
    for batch, statement, message in REFUSED:
        runner.write("a", script(statement, batch=batch))
        with pytest.raises(ExecutionError, match=message) as caught:
            runner.apply()
        assert re.fullmatch(r"a\.sql:3:\d+", place(caught.value))
        assert not caught.value.kept

    assert times(conn) == {0: 9}
    assert journal(conn) == []


def test_a_statement_that_finds_another_table_of_the_same_name_is_refused(runner, conn):
    numbered(conn, 9)
    conn.execute("CREATE SCHEMA own; CREATE TABLE own.t (LIKE t INCLUDING ALL); INSERT INTO own.t SELECT * FROM t")
    runner.write("a", script(batch="table=public.t key=id").replace(OUTSIDE, f"{OUTSIDE}SET search_path TO own;\n"))

    assert 'the statement reads another table than "public"."t"' in str(half_way(runner.apply))

    assert (times(conn), times(conn, "own.t")) == ({0: 9}, {0: 9})


def test_a_rollback_in_batches_undoes_what_is_half_way(runner, conn):
    numbered(conn, 9)
    conn.execute("ALTER TABLE t ADD CHECK (n = 0 OR id <> 15)")
    runner.write("a", script(), script("UPDATE t SET n = 0 WHERE id >= $1 AND id <= $2"))
    half_way(runner.apply)
    assert times(conn) == {0: 5, 1: 4}

    runner.rollback()

    assert times(conn) == {0: 9}
    assert journal(conn) == []
    assert runner.applied() == []


def test_what_is_refused_behind_other_statements_stops_half_way_and_goes_on_there(runner, conn):
    numbered(conn, 9)
    conn.execute("ALTER TABLE t DROP CONSTRAINT t_pkey")
    runner.write("a", script().replace(OUTSIDE, f"{OUTSIDE}CREATE TABLE before ();\n"))
    for _ in range(2):
        assert "t has no unique index" in str(half_way(runner.apply))
    conn.execute("ALTER TABLE t ADD PRIMARY KEY (id)")

    runner.apply()

    assert times(conn) == {1: 9}


def test_a_policy_that_would_hide_rows_is_an_error(runner, conn):
    numbered(conn, 3)
    conn.execute("ALTER TABLE t OWNER TO migrator; ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    runner.write("a", script())

    with pytest.raises(ExecutionError, match="row-level security"):
        runner.apply()

    conn.execute("ALTER TABLE t DISABLE ROW LEVEL SECURITY")
    assert times(conn) == {0: 3}
