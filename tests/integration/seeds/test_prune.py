"""Rows that no file names are deleted or changed where the schema and the caller ask for it, and nothing else is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sqlmigrate.errors import LossNotAccepted, SeedError
from sqlmigrate.seeds import apply
from sqlmigrate.seeds.differences import compare
from sqlmigrate.seeds.pruning.named import stage_keys
from sqlmigrate.seeds.reading import streams
from sqlmigrate.seeds.writing import staging
from sqlmigrate.seeds.writing.upsert import write
from support.examples import examples
from support.seeds import SeedFiles
from support.sessions import wait_for_row

TABLES = """
CREATE EXTENSION citext;
CREATE TABLE public.t (k text PRIMARY KEY, n int, parent text REFERENCES public.t, status text DEFAULT 'active',
    at int DEFAULT 7);
CREATE TABLE public.child (id int PRIMARY KEY, t text REFERENCES public.t);
CREATE TABLE public.along (id int PRIMARY KEY, t text REFERENCES public.t ON DELETE CASCADE,
    up int REFERENCES public.along ON DELETE CASCADE);
CREATE TABLE public.beyond (id int PRIMARY KEY, along int REFERENCES public.along ON DELETE SET NULL);
CREATE TABLE public."p%s" (k citext, r int, PRIMARY KEY (k, r)) PARTITION BY RANGE (r);
CREATE TABLE public."o%s" (k text PRIMARY KEY, r int DEFAULT 1, "a""b" text);
CREATE TABLE public.p1 PARTITION OF public."p%s" FOR VALUES FROM (0) TO (10);
CREATE TABLE public.p2 PARTITION OF public."p%s" FOR VALUES FROM (10) TO (20);
"""
KEYS = st.sampled_from(["a", "A", "a ", "b\t", "\\c", "\\N", "", "é", "1", "1.0", "%s", "'", '"', "x y", "null"])
IN_LOCK = "SELECT pid FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
T = {"list": "rows", "table": "public.t", "conflict": ["k"], "prune": "delete"}
CHILD = {"list": "rows", "table": "public.child", "conflict": ["id"], "prune": "delete"}
TO_T = {"t": {"from": "t", "references": {"table": "public.t", "match": "k", "select": "k"}}}


def rows(conn: psycopg.Connection[Any], table: str = "t", columns: str = "k") -> list[Any]:
    found = conn.execute(f'SELECT {columns} FROM public."{table}" ORDER BY 1'.encode()).fetchall()
    return [row[0] if len(row) == 1 else row for row in found]


def pruned(conn: psycopg.Connection[Any], files: SeedFiles, **options: Any) -> list[tuple[int, int]]:
    return [(one.pruned, one.prune_kept) for one in apply(conn, files.load(), prune=True, **options).tables]


def test_rows_that_no_file_names_go_only_where_both_ask_for_it(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('a'), ('x')")
    seed_files.file("t", {**T, "prune": "delete"}, "rows: [{k: a}, {k: b}]")

    assert apply(conn, seed_files.load()).pruned == 0
    assert rows(conn) == ["a", "b", "x"]
    assert compare(conn, seed_files.load())[0].pruned.count == 1
    assert pruned(conn, seed_files) == [(1, 0)]
    assert pruned(conn, seed_files) == [(0, 0)]
    conn.execute("INSERT INTO t (k) VALUES ('x')")
    seed_files.file("t", {name: value for name, value in T.items() if name != "prune"}, "rows: [{k: a}, {k: b}]")
    assert compare(conn, seed_files.load())[0].pruned is None
    assert pruned(conn, seed_files) == [(0, 0)]
    assert rows(conn) == ["a", "b", "x"]


def test_columns_are_set_once_and_those_of_a_change_with_them(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k, n, at) VALUES ('a', 1, 1), ('x', 1, 1), ('y', NULL, 1), ('z', 0, 1)")
    conn.execute("UPDATE t SET status = 'inactive' WHERE k = 'y'")
    mapping = {**T, "prune": {"set": {"status": "inactive", "n": None}}, "default_on_update": ["at"]}
    seed_files.file("t", mapping, "rows: [{k: a, n: 1}]")

    [told] = compare(conn, seed_files.load())

    assert (told.unnamed, told.pruned.count) == (3, 2)
    assert [(row.key, [(c.column, c.old, c.new) for c in row.changes]) for row in told.pruned.rows] == [
        ({"k": "x"}, [("n", "1", None), ("status", "active", "inactive")]),
        ({"k": "z"}, [("n", "0", None), ("status", "active", "inactive")]),
    ]
    assert pruned(conn, seed_files) == [(2, 0)]
    assert rows(conn, columns="k, n, status, at") == [
        ("a", 1, "active", 1),
        ("x", None, "inactive", 7),
        ("y", None, "inactive", 1),
        ("z", None, "inactive", 7),
    ]
    assert pruned(conn, seed_files) == [(0, 0)]


def test_what_refers_to_a_row_is_told_and_keeps_it(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k, parent) VALUES ('x', NULL), ('y', 'x'), ('z', NULL), ('b', 'z'), ('w', NULL)")
    conn.execute("INSERT INTO child VALUES (1, 'x'), (2, 'x'), (3, 'y')")
    seed_files.file("t", T, "rows: [{k: a}, {k: b}]")

    [told] = compare(conn, seed_files.load())

    assert [(row.key["k"], [(r.table.name, r.rows) for r in row.referring]) for row in told.pruned.rows] == [
        ("w", []),
        ("x", [("child", 2)]),
        ("y", [("child", 1)]),
        ("z", [("t", 1)]),
    ]
    assert [(one.table.name, one.on_delete, one.rows) for one in told.pruning.referring] == [
        ("child", "no action", 3),
        ("t", "no action", 1),
    ]
    assert (told.pruning.count, told.pruning.losses) == (4, [])
    with pytest.raises(SeedError) as caught:
        pruned(conn, seed_files)
    assert "violates foreign key constraint" in str(caught.value)
    assert "3 rows of public.child refer to them (t), which keeps them from being deleted" in caught.value.hint
    assert rows(conn) == ["b", "w", "x", "y", "z"]
    seed_files.file("child", {**CHILD, "columns": TO_T}, "rows: [{id: 9, t: a}]")
    seed_files.file("t", T, "rows: [{k: a}, {k: b, parent: a}]")
    assert pruned(conn, seed_files) == [(4, 0), (3, 0)]
    assert (rows(conn), rows(conn, "child", "id")) == (["a", "b"], [9])


def test_what_goes_with_a_row_counts_as_lost(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('a'), ('x')")
    conn.execute("INSERT INTO along VALUES (1, 'x', NULL), (2, 'a', 1), (3, NULL, 2), (4, 'a', NULL), (5, 'x', 1)")
    conn.execute("INSERT INTO beyond VALUES (1, 3), (2, 4), (3, NULL)")
    seed_files.file("t", T, "rows: [{k: a}]")

    [told] = compare(conn, seed_files.load())

    pruning = told.pruning
    assert [(table.name, count) for table, count in pruning.gone] == [("along", 4)]
    assert pruning.losses == [
        "4 rows of public.along (deleted with them)",
        "along of 1 row of public.beyond (set to NULL)",
    ]
    assert pruning.count == 6
    for options in ({}, {"accept_loss": 5}):
        with pytest.raises(LossNotAccepted) as caught:
            pruned(conn, seed_files, **options)
        assert "give accept_loss=6" in caught.value.hint
    assert rows(conn) == ["a", "x"]
    assert pruned(conn, seed_files, accept_loss=6) == [(1, 0)]
    assert (rows(conn, "along", "id"), rows(conn, "beyond", "id, along")) == ([4], [(1, None), (2, 4), (3, None)])


def test_a_file_without_rows_wants_the_count(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('a'), ('x')")
    seed_files.file("t", T, "")

    for options in ({}, {"accept_loss": True}, {"accept_loss": 1}):
        with pytest.raises(LossNotAccepted) as caught:
            pruned(conn, seed_files, **options)
        assert "accept_loss=2" in caught.value.hint
    assert rows(conn) == ["a", "x"]
    assert pruned(conn, seed_files, accept_loss=2) == [(2, 0)]
    assert pruned(conn, seed_files) == [(0, 0)]


def test_tables_that_refer_to_each_other_are_pruned_at_once(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("ALTER TABLE t ADD child int REFERENCES child; INSERT INTO t (k) VALUES ('x'), ('y')")
    conn.execute("INSERT INTO child VALUES (1, 'x'); UPDATE t SET child = 1")
    seed_files.file("t", T, "rows: [{k: a}]")
    seed_files.file("child", CHILD, "rows: [{id: 2, t: null}]")

    assert sorted(pruned(conn, seed_files)) == [(1, 0), (2, 0)]


@pytest.mark.parametrize(
    ("trigger", "counts", "left"),
    [
        ("BEFORE DELETE ON t FOR EACH ROW WHEN (OLD.k = 'x') EXECUTE FUNCTION keep()", (1, 1), ["a", "x"]),
        ("AFTER DELETE ON t FOR EACH ROW WHEN (OLD.k = 'x') EXECUTE FUNCTION restore()", (1, 1), ["a", "x"]),
        ("AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION restore()", (0, 2), ["a", "x", "y"]),
    ],
)
def test_what_a_trigger_keeps_is_not_counted_as_pruned(session_with_tables, seed_files, trigger, counts, left):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('a'), ('x'), ('y')")
    conn.execute("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    conn.execute(
        "CREATE FUNCTION restore() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO public.t (k) VALUES (OLD.k); RETURN NULL; END'"
    )
    conn.execute(f"CREATE TRIGGER watching {trigger}".encode())
    seed_files.file("t", T, "rows: [{k: a}]")

    result = apply(conn, seed_files.load(), prune=True)

    assert (result.tables[0].pruned, result.tables[0].prune_kept) == counts
    assert f"{counts[1]} row" in result.warnings[0]
    assert "still there" in result.warnings[0]
    assert rows(conn) == left


def test_a_row_under_another_key_is_not_taken_for_one_of_no_file(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute(
        "CREATE FUNCTION low() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.k := lower(NEW.k); RETURN NEW; END';"
        "CREATE TRIGGER low BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION low()"
    )
    seed_files.file("t", T, "rows: [{k: Ann}]")

    with pytest.raises(SeedError) as caught:
        pruned(conn, seed_files)

    assert "is in public.t under another key" in str(caught.value)
    assert rows(conn) == []


def test_a_row_of_a_file_that_goes_along_is_an_error(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('a'), ('x'); INSERT INTO along VALUES (1, 'x')")
    seed_files.file("t", T, "rows: [{k: a}]")
    seed_files.file("along", {"list": "rows", "table": "public.along", "conflict": ["id"]}, "rows: [{id: 1}]")

    with pytest.raises(SeedError) as caught:
        pruned(conn, seed_files, accept_loss=True)

    assert "id 1 is no longer in public.along after rows that no file names were pruned" in str(caught.value)
    assert rows(conn, "along", "id") == [1]


def test_partitions_and_keys_as_postgresql_compares_them(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO \"p%%s\" VALUES ('Ann', 1), ('bob', 2), ('bob', 11)", [])
    conn.execute(
        'CREATE TABLE of_all (k citext, r int, FOREIGN KEY (k, r) REFERENCES "p%s" ON DELETE CASCADE) '
        "PARTITION BY LIST (r); CREATE TABLE of_all_1 PARTITION OF of_all DEFAULT;"
        "CREATE TABLE of_one (k citext, r int, FOREIGN KEY (k, r) REFERENCES p2 ON DELETE CASCADE);"
        "INSERT INTO of_all VALUES ('bob', 2), ('ann', 1); INSERT INTO of_one VALUES ('BOB', 11)"
    )
    mapping = {"list": "rows", "table": "public.p%s", "conflict": ["k", "r"], "prune": "delete"}
    seed_files.file("p", mapping, "rows: [{k: ann, r: 1}]")

    [told] = compare(conn, seed_files.load())

    assert (told.unnamed, told.pruned.count) == (2, 2)
    assert [(table.name, count) for table, count in told.pruning.gone] == [("of_all", 1), ("of_one", 1)]
    assert [(one.table.name, one.rows) for one in told.pruning.referring] == [("of_all", 1), ("of_one", 1)]
    assert pruned(conn, seed_files, accept_loss=4) == [(2, 0)]
    assert (rows(conn, "of_all", "r"), rows(conn, "of_one", "r")) == ([1], [])


def test_rows_that_the_role_cannot_see_are_told_as_unknown(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('a'), ('x'); INSERT INTO along VALUES (1, 'x')")
    conn.execute("ALTER TABLE along ENABLE ROW LEVEL SECURITY; ALTER TABLE along FORCE ROW LEVEL SECURITY")
    seed_files.file("t", T, "rows: [{k: a}]")

    with pytest.raises(LossNotAccepted) as caught:
        pruned(conn, seed_files)

    assert "t of an unknown number of rows of public.along (deleted with them)" in str(caught.value)
    assert pruned(conn, seed_files, accept_loss=True) == [(1, 0)]


@pytest.mark.parametrize("form", ["csv", "yaml"])
@pytest.mark.parametrize("action", ["delete", {"set": {"status": "gone"}}])
def test_large_files_prune_what_small_ones_do(session_with_tables, seed_files, monkeypatch, form, action):
    conn = session_with_tables
    monkeypatch.setattr(staging, "ROWS_MIN", 1)
    monkeypatch.setattr(streams, "KEPT_MAX", 2)
    conn.execute("INSERT INTO t (k) SELECT i::text FROM generate_series(1, 60) AS i")
    rules = {"properties": {"rows": {"items": {"properties": {"k": {"type": "string"}}}}}}
    seed_files.schema("t", {**T, "prune": action}, **rules)
    keys = [str(number) for number in range(31, 62)]
    text = "k\n" + "\n".join(keys) if form == "csv" else json.dumps({"rows": [{"k": key} for key in keys]})
    (seed_files.directory / f"t.{form}").write_text(text, encoding="utf-8")
    found = seed_files.load()
    staged = stage_keys(conn, found)
    assert bool(staged) is (form == "csv")
    [told] = compare(conn, found, staged)

    assert (told.unnamed, told.pruned.count, len(told.pruned.rows)) == (30, 30, 20)
    assert pruned(conn, seed_files) == [(30, 0)]
    left = rows(conn) if action == "delete" else rows(conn, "t", "k, status")
    assert len(left) == (31 if action == "delete" else 61)


@pytest.mark.parametrize(
    ("prune", "message"),
    [
        ({"set": {"nope": 1}}, "prune: table public.t has no column nope"),
        ({"set": {"n": "many"}}, 'prune: invalid input syntax for type integer: "many" (column n, integer)'),
    ],
)
def test_what_cannot_be_set_is_an_error(session_with_tables, seed_files, prune, message):
    session_with_tables.execute("INSERT INTO t (k) VALUES ('x')")
    seed_files.file("t", {**T, "prune": prune}, "rows: [{k: a}]")

    with pytest.raises(SeedError) as caught:
        pruned(session_with_tables, seed_files)

    assert message in str(caught.value)


def test_a_role_that_may_not_delete_is_told_what_it_needs(session_with_tables, seed_files, database):
    session_with_tables.execute("INSERT INTO t (k) VALUES ('x')")
    session_with_tables.execute("GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT SELECT, INSERT, UPDATE ON t TO PUBLIC")
    other = database.connect_superuser()
    other.execute("SET ROLE pg_monitor")
    seed_files.file("t", T, "rows: [{k: a}]")

    with pytest.raises(SeedError) as caught:
        pruned(other, seed_files, accept_loss=True)

    assert "permission denied for table t" in str(caught.value)
    assert "grant DELETE" in caught.value.hint
    assert rows(session_with_tables) == ["x"]


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(KEYS), st.sets(KEYS, min_size=1), st.sampled_from(["delete", {"set": {'a"b': "gone", "r": None}}]))
def test_what_is_left_is_what_the_files_name_however_they_are_sent(
    session_with_tables, seed_files, there, named, prune
):
    conn = session_with_tables
    mapping = {"list": "rows", "table": "public.o%s", "conflict": ["k"], "prune": prune}
    seed_files.file("o", mapping, json.dumps({"rows": [{"k": key} for key in sorted(named)]}))
    found = []
    for least in (10_000, 1):
        with pytest.MonkeyPatch.context() as patch, conn.transaction(force_rollback=True):
            patch.setattr(staging, "ROWS_MIN", least)
            conn.cursor().executemany('INSERT INTO public."o%%s" (k) VALUES (%s)', [(key,) for key in there])
            counts = pruned(conn, seed_files)
            left = conn.execute('SELECT k, r, "a""b" FROM public."o%%s" ORDER BY k', []).fetchall()
            found.append((counts, left, pruned(conn, seed_files)))
    assert found[0] == found[1]
    counts, left, again = found[0]
    assert (counts, again) == ([(len(there - named), 0)], [(0, 0)])
    gone = {row[0] for row in left if row[2] == "gone"} if prune != "delete" else there - {row[0] for row in left}
    assert gone == there - named


def test_rows_that_a_policy_lets_nobody_delete_are_not_counted(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('a'), ('x'), ('y'), ('hidden')")
    conn.execute(
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY seen ON t FOR SELECT USING (k <> 'hidden'); CREATE POLICY new ON t FOR INSERT WITH CHECK (true);"
        "CREATE POLICY changed ON t FOR UPDATE USING (true); CREATE POLICY gone ON t FOR DELETE USING (k <> 'y')"
    )
    seed_files.file("t", T, "rows: [{k: a}]")

    result = apply(conn, seed_files.load(), prune=True, accept_loss=True)

    assert (result.tables[0].pruned, result.tables[0].prune_kept) == (1, 1)
    assert "a policy keeps it" in result.warnings[0]
    conn.execute("ALTER TABLE t NO FORCE ROW LEVEL SECURITY")
    assert rows(conn) == ["a", "hidden", "y"]


def test_more_rows_than_were_accepted_are_not_pruned(session_with_tables, seed_files, database):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('x')")
    seed_files.file("t", T, "rows: [{k: a}]")
    other = database.connect()

    with pytest.raises(SeedError) as caught:
        write(conn, seed_files.load(), settle=None, accept=lambda _: other.execute("INSERT INTO t (k) VALUES ('y')"))

    assert "2 rows of public.t would be pruned by now, and not 1" in str(caught.value)
    assert rows(conn) == ["x", "y"]


@pytest.mark.parametrize(
    "late", ["INSERT INTO along VALUES (7, 'x', NULL)", "INSERT INTO along VALUES (7, NULL, 1)"], ids=["row", "beyond"]
)
def test_what_another_session_lets_refer_to_a_row_meanwhile_is_counted(session_with_tables, seed_files, database, late):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('x'); INSERT INTO along VALUES (1, 'x', NULL)")
    seed_files.file("t", T, "rows: [{k: a}]")
    other, observer, pid = database.connect(), database.connect(), conn.info.backend_pid
    with ThreadPoolExecutor(1) as pool:
        with other.transaction():
            other.execute(late)
            waiting = pool.submit(pruned, conn, seed_files, accept_loss=2)
            wait_for_row(observer, IN_LOCK, pid)
        with pytest.raises(LossNotAccepted) as caught:
            waiting.result()

    assert "give accept_loss=3" in caught.value.hint
    assert rows(conn, "along", "id") == [1, 7]


def test_nobody_refers_to_a_row_once_what_goes_with_it_was_told(session_with_tables, seed_files, database):
    conn = session_with_tables
    conn.execute("INSERT INTO t (k) VALUES ('x'); INSERT INTO along VALUES (1, 'x', NULL)")
    seed_files.file("t", T, "rows: [{k: a}]")
    other = database.connect()
    other.execute("SET lock_timeout = '1ms'")

    def refer(_: object) -> None:
        for late in ("INSERT INTO along VALUES (7, 'x', NULL)", "INSERT INTO along VALUES (7, NULL, 1)"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(late)

    write(conn, seed_files.load(), settle=None, accept=refer)

    assert (rows(conn), rows(conn, "along", "id")) == (["a"], [])


def test_a_role_that_cannot_lock_rows_prunes_all_the_same(session_with_tables, seed_files, database, new_role):
    conn = session_with_tables
    role = new_role("NOLOGIN")
    conn.execute("INSERT INTO t (k) VALUES ('a'), ('x'); INSERT INTO along VALUES (1, 'x', NULL)")
    conn.execute(
        f"GRANT USAGE ON SCHEMA public TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
        f"GRANT INSERT, UPDATE, DELETE ON t TO {role}"
    )
    other = database.connect_superuser()
    other.execute(f"SET ROLE {role}")
    seed_files.file("t", T, "rows: [{k: a}]")

    assert pruned(other, seed_files, accept_loss=2) == [(1, 0)]
    assert (rows(conn), rows(conn, "along", "id")) == (["a"], [])
