"""What triggers and policies make of the rows: counts are true, and a row that is not there is an error."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sqlmigrate import connection, seeds
from sqlmigrate.errors import SeedError
from sqlmigrate.seeds import SeedResult
from sqlmigrate.seeds.writing import staging
from support.seeds import SeedFiles

MAPPING = {"list": "rows", "table": "public.t", "conflict": ["k"]}
ROWS = "rows:\n- {k: A, v: one}\n- {k: B, v: two}\n- {k: C, v: three}\n"
TABLES = {
    "plain": "CREATE TABLE t (k text PRIMARY KEY, v text)",
    "partitioned": "CREATE TABLE t (k text PRIMARY KEY, v text) PARTITION BY LIST (k); "
    "CREATE TABLE t1 PARTITION OF t DEFAULT; CREATE TABLE t2 PARTITION OF t FOR VALUES IN ('Z', 'z')",
}
# what takes row B away, and when
TAKING = {
    "before": ("BEFORE INSERT", "IF NEW.k = 'B' THEN RETURN NULL; END IF; RETURN NEW"),
    "after": ("AFTER INSERT", "DELETE FROM public.t WHERE k = 'B'; RETURN NULL"),
    "deferred": ("deferred", "DELETE FROM public.t WHERE k = 'B'; RETURN NULL"),
    "moved": ("AFTER INSERT", "UPDATE public.t SET k = 'X' WHERE k = 'B'; RETURN NULL"),
}


@pytest.fixture
def row_files(tmp_path: Path) -> SeedFiles:
    found = SeedFiles(tmp_path)
    found.file("t", MAPPING, ROWS)
    return found


@pytest.fixture(params=["apply", "run"])
def seed(request, database, conn, row_files):
    """Give both ways to seed, each with what is deferred."""

    def run() -> SeedResult:
        return seeds.run(
            database.conninfo, row_files.load(), role=None, lock_timeout=0, statement_timeout=0, gate=connection.allow
        )

    return run if request.param == "run" else lambda: seeds.apply(conn, row_files.load())


def trigger(conn: psycopg.Connection[Any], when: str, does: str, name: str = "a") -> None:
    timing = f"TRIGGER {name} {when}" if when != "deferred" else f"CONSTRAINT TRIGGER {name} AFTER INSERT"
    conn.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {does}; END$$; "
        f"CREATE {timing} ON t {'DEFERRABLE INITIALLY DEFERRED' if when == 'deferred' else ''} "
        f"FOR EACH ROW EXECUTE FUNCTION {name}()"
    )


def counts(result: SeedResult) -> tuple[int, int, int, int]:
    (table,) = result.tables
    return table.inserted, table.updated, table.unchanged, table.kept


def contents(conn: psycopg.Connection[Any]) -> dict[str, str]:
    return dict(conn.execute("SELECT k, v FROM t ORDER BY k").fetchall())


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("taking", TAKING)
def test_a_row_that_a_trigger_takes_away_is_an_error(conn, row_files, seed, taking, table):
    conn.execute(TABLES[table])
    trigger(conn, *TAKING[taking])

    with pytest.raises(SeedError, match=r"k 'B' is not in public\.t after all rows are written: a trigger") as caught:
        seed()

    assert (caught.value.place.line, caught.value.place.path.name) == (3, "t.yaml")
    assert "triggers and policies of public.t" in (caught.value.hint or "")
    assert contents(conn) == {}


def test_all_rows_that_are_kept_out_are_named_among_thousands(conn, row_files, seed):
    conn.execute(TABLES["plain"])
    trigger(conn, "BEFORE INSERT", "IF NEW.v = 'no' THEN RETURN NULL; END IF; NEW.k := lower(NEW.k); RETURN NEW")
    rows = [f"- {{k: K{number}, v: {'no' if number in (17, 1500, 2999) else 'yes'}}}" for number in range(3000)]
    row_files.yaml("t", "rows:\n" + "\n".join(rows))

    with pytest.raises(SeedError, match="3 problems; nothing was written") as caught:
        seed()

    assert [problem.place.line for problem in caught.value.problems] == [19, 1502, 3001]
    assert contents(conn) == {}


@pytest.mark.parametrize("table", TABLES)
def test_a_trigger_may_write_keys_its_own_way(conn, row_files, seed, table):
    conn.execute(TABLES[table])
    trigger(conn, "BEFORE INSERT OR UPDATE", "NEW.k := lower(NEW.k); RETURN NEW")

    first = seed()
    assert counts(first) == (3, 0, 0, 0)
    assert "3 rows of t.yaml stand in public.t under another key" in first.warnings[0]
    assert "k 'A'" in first.warnings[0]
    again = seed()
    assert counts(again) == (0, 0, 3, 0)
    assert again.warnings == first.warnings
    row_files.yaml("t", ROWS.replace("two", "changed").replace("k: C", "k: c"))
    changed = seed()
    assert counts(changed) == (0, 1, 2, 0)
    assert "2 rows" in changed.warnings[0]
    assert contents(conn) == {"a": "one", "b": "changed", "c": "three"}


def test_rows_of_nothing_but_a_key_may_get_another_one(conn, row_files, seed):
    conn.execute(TABLES["plain"])
    trigger(conn, "BEFORE INSERT", "NEW.k := lower(NEW.k); RETURN NEW")
    row_files.yaml("t", "rows: [{k: A}, {k: B}]\n")

    assert [counts(seed()), counts(seed())] == [(2, 0, 0, 0), (0, 0, 2, 0)]
    assert set(contents(conn)) == {"a", "b"}


def test_a_row_that_a_trigger_keeps_as_it_is_is_not_called_unchanged(conn, row_files, seed):
    conn.execute(TABLES["plain"])
    seed()
    trigger(conn, "BEFORE UPDATE", "IF NEW.k = 'B' THEN RETURN NULL; END IF; RETURN NEW")
    row_files.yaml("t", ROWS.replace("two", "other").replace("three", "new"))

    result = seed()

    assert counts(result) == (0, 1, 1, 1)
    assert result.written == 1
    assert "1 row of t.yaml differs from public.t" in result.warnings[0]
    assert "t.yaml:3:3" in result.warnings[0]
    assert contents(conn) == {"A": "one", "B": "two", "C": "new"}


def test_a_row_that_a_policy_hides_is_not_called_unchanged(conn, admin, database, row_files, new_role):
    role = new_role("LOGIN")
    conn.execute(TABLES["plain"] + "; INSERT INTO t VALUES ('B', NULL)")
    conn.execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (k <> 'B') WITH CHECK (true)")
    admin.execute(f"GRANT ALL ON t TO {role}; GRANT {role} TO migrator")
    row_files.yaml("t", "rows: [{k: A}, {k: B}]\n")
    run = partial(seeds.run, lock_timeout=0, statement_timeout=0, gate=connection.allow)

    with pytest.raises(SeedError, match="k 'B'"):
        run(database.conninfo, row_files.load(), role=role)
    assert contents(conn) == {"B": None}


def test_a_row_that_goes_at_commit_is_missed(conn, row_files, seed):
    conn.execute(TABLES["plain"] + "; CREATE TABLE late (n integer)")
    # a deferred trigger that has another one called at COMMIT
    trigger(conn, "AFTER INSERT", "INSERT INTO public.late VALUES (1); RETURN NULL")
    conn.execute("""
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.n < 3 THEN
                SET CONSTRAINTS ALL DEFERRED;
                INSERT INTO public.late VALUES (NEW.n + 1);
            ELSE
                DELETE FROM public.t WHERE k = 'B';
            END IF;
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION late();
    """)
    with pytest.raises(SeedError, match=r"k 'B' was committed, but is no longer in public\.t") as caught:
        seed()

    assert (caught.value.place.line, caught.value.kept) == (3, True)
    assert set(contents(conn)) == {"A", "C"}


def test_a_transaction_of_the_callers_own_is_looked_at_too(conn, row_files):
    conn.execute(TABLES["plain"])
    trigger(conn, *TAKING["after"])
    with conn.transaction(force_rollback=True):
        with pytest.raises(SeedError, match="k 'B'"):
            seeds.apply(conn, row_files.load())
        assert contents(conn) == {}


def test_a_reference_that_gives_a_key_null_is_refused(conn, row_files):
    conn.execute("CREATE TABLE codes (code text PRIMARY KEY, k text); INSERT INTO codes VALUES ('x', NULL)")
    conn.execute(TABLES["plain"].replace("PRIMARY KEY", "UNIQUE"))
    reference = {"table": "public.codes", "match": "code", "select": "k"}
    row_files.file("t", MAPPING | {"columns": {"k": {"from": "code", "references": reference}}}, "rows: [{code: x}]\n")

    with pytest.raises(SeedError, match=r"leads to a row of public\.codes whose k is null"):
        seeds.apply(conn, row_files.load())
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (0,)


CHANGING = {
    "kept": ("BEFORE UPDATE", "IF NEW.k = 'B' THEN NEW.v := 'kept'; END IF; RETURN NEW"),
    "after": ("AFTER INSERT OR UPDATE", "UPDATE public.t SET v = 'kept' WHERE k = 'B' AND v <> 'kept'; RETURN NULL"),
}


@pytest.mark.parametrize("least", [1, 10_000])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("changing", CHANGING)
def test_a_row_that_a_trigger_writes_another_way_is_told(conn, row_files, seed, changing, table, least, monkeypatch):
    monkeypatch.setattr(staging, "ROWS_MIN", least)
    conn.execute(TABLES[table])
    conn.execute("INSERT INTO t VALUES ('A', 'one'), ('B', 'kept')")
    trigger(conn, *CHANGING[changing])

    for written in ((1, 1, 1, 0), (0, 1, 2, 0)):
        result = seed()

        assert counts(result) == written
        [warning] = result.warnings
        assert warning.startswith("1 row of t.yaml differs from public.t after all rows are written: a trigger changes")
        assert "of k 'B' (" in warning
    assert contents(conn) == {"A": "one", "B": "kept", "C": "three"}


def test_a_trigger_that_is_off_changes_nothing(conn, row_files, seed):
    conn.execute(TABLES["plain"])
    trigger(conn, *CHANGING["kept"])
    conn.execute("ALTER TABLE t DISABLE TRIGGER a")

    assert seed().warnings == ()
