"""What the first comment block asks for counts for its own file, in a transaction and outside."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import MigrationsError
from support.runner import ids

SETTINGS = {
    "lock_timeout": ("250ms", "lock_timeout"),
    "statement_timeout": ("7min", "statement_timeout"),
    "search_path": ("'elsewhere, public'", "search_path"),
    "role": ("other_role", "role"),
}
SHOWN = {"lock_timeout": "250ms", "statement_timeout": "7min", "search_path": "elsewhere, public", "role": "other_role"}
DEFAULT = {"lock_timeout": "2s", "statement_timeout": "0", "search_path": '"$user", public', "role": "none"}


@pytest.fixture
def seen(conn, new_role, admin):
    """A table in which scripts note how they were run, in a place that other roles may write to."""
    role = new_role("NOLOGIN", "other_role")
    admin.execute(f"GRANT {role} TO migrator")
    conn.execute("CREATE SCHEMA elsewhere")
    conn.execute("CREATE TABLE public.seen (what text, value text)")
    conn.execute("GRANT ALL ON public.seen TO public")

    def read():
        return dict(conn.execute("SELECT what, value FROM public.seen").fetchall())

    return read


def note(what, name):
    return f"INSERT INTO public.seen VALUES ('{what}', current_setting('{name}'));\n"


@pytest.mark.parametrize("key", SETTINGS)
def test_a_key_counts_for_its_script_and_for_no_other(runner, seen, head, key):
    value, name = SETTINGS[key]
    runner.write("a", f"{head}-- sqlmigrate: {key}={value}\n{note('a', name)}")
    runner.write("b", f"{head}{note('b', name)}")

    runner.apply()

    assert seen() == {"a": SHOWN[key], "b": DEFAULT[key]}


@pytest.mark.parametrize("key", SETTINGS)
def test_a_rollback_script_has_its_own(runner, seen, head, key):
    value, name = SETTINGS[key]
    runner.write("a", f"{head}-- sqlmigrate: {key}={value}\nSELECT 1;\n", note("a", name))
    runner.write("b", f"{head}SELECT 1;\n", f"-- sqlmigrate: {key}={value}\n{note('b', name)}")
    runner.apply()

    runner.rollback(everything=True)

    assert seen() == {"a": DEFAULT[key], "b": SHOWN[key]}


def test_several_keys_and_lines_go_together_and_beat_the_options(runner, seen, head):
    lines = "-- sqlmigrate: lock_timeout=250ms role=other_role\n\n/* prose */\n--sqlmigrate:statement_timeout=7min\n"
    notes = "".join(note(key, SETTINGS[key][1]) for key in ("lock_timeout", "role", "statement_timeout"))
    runner.write("a", f"{head}{lines}{notes}")

    runner.apply(lock_timeout=9_000, statement_timeout=9_000, role="migrator")

    assert seen() == {key: SHOWN[key] for key in ("lock_timeout", "role", "statement_timeout")}


@pytest.mark.parametrize("level", ["repeatable read", "serializable", "Read-Committed"])
def test_an_isolation_level_counts_in_the_transaction(runner, seen, level):
    runner.write("a", f"-- sqlmigrate: isolation='{level}'\n{note('a', 'transaction_isolation')}")

    runner.apply()

    assert seen() == {"a": level.lower().replace("-", " ")}


SPELLINGS = [
    "-- transactional: false\n",
    "--transactional:false\n",
    "-- transactional : false\n",
    "\n\n-- about it\n\n-- transactional: FALSE\n",
    "/* licence */\n-- transactional: false\n",
    "-- depends: 0\n-- transactional: false\n",
]


def test_every_spelling_of_yoyos_directive_is_known(runner):
    runner.write("0", "SELECT 1;")
    for number, spelling in enumerate(SPELLINGS, 1):
        runner.write(f"{number}", f"{spelling}VACUUM pg_class;\n", "VACUUM pg_class;\n")

    assert len(ids(runner.apply())) == len(SPELLINGS) + 1
    assert len(ids(runner.rollback(to="0"))) == len(SPELLINGS)


def test_a_directive_after_the_first_statement_is_prose_unless_it_is_ours(runner):
    runner.write("a", "SELECT 1;\n-- transactional: false\nVACUUM;\n")

    with pytest.raises(MigrationsError) as caught:
        runner.apply()

    assert "cannot run inside a transaction" in caught.value.problems[0].message
    runner.write("a", "SELECT 1;\n-- sqlmigrate: role=x\nSELECT 2;\n")
    with pytest.raises(MigrationsError) as caught:
        runner.apply()
    assert "counts only above the first statement" in caught.value.problems[0].message


WRONG = {
    "-- sqlmigrate: lock_timout=2s": "unknown key 'lock_timout'",
    "-- sqlmigrate: lock_timeout=soon": "not a duration",
    "-- sqlmigrate: isolation=chaos": "isolation is one of",
    "-- sqlmigrate: role=a role=b": "role is set twice",
    "-- sqlmigrate: role": "write `-- sqlmigrate: key=value",
    "-- transactional: no": "true or false",
}


@pytest.mark.parametrize("which", ["a.sql", "a.rollback.sql"])
def test_a_wrong_directive_stops_everything_and_names_its_line(runner, conn, which):
    runner.write("0", "CREATE TABLE t ();")
    for line, message in WRONG.items():
        texts = {"a.sql": "SELECT 1;\n", "a.rollback.sql": "SELECT 1;\n"}
        texts[which] = f"-- prose\n{line}\nSELECT 1;\n"
        runner.write("a", texts["a.sql"], texts["a.rollback.sql"])

        with pytest.raises(MigrationsError) as caught:
            runner.apply()

        (problem,) = caught.value.problems
        assert message in problem.message
        assert (problem.place.path.name, problem.place.line) == (which, 2)
    assert conn.execute("SELECT to_regclass('t')").fetchone() == (None,)


def test_a_remark_before_a_statement_changes_nothing(runner, seen, head):
    runner.write("a", f"{head}-- sqlmigrate-allow: H01 it is small\n{note('a', 'role')}")

    runner.apply()

    assert seen() == {"a": "none"}


def test_an_unknown_remark_is_refused_with_its_line(runner):
    runner.write("a", "SELECT 1;\n-- sqlmigrate-alow: H01 it is small\nSELECT 2;\n")

    with pytest.raises(MigrationsError) as caught:
        runner.apply()

    assert "unknown remark sqlmigrate-alow" in caught.value.problems[0].message
    assert caught.value.problems[0].place.line == 2
