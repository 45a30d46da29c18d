"""The bootstrap: what a database of our own needs a superuser for, run once in the order of its files' names."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.errors import ExecutionError, ScriptError
from sqlmigrate.server.bootstrap import read_scripts, run_bootstrap
from support.runner import place
from support.sessions import is_there


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bootstrap").mkdir()
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    folder.joinpath("bootstrap", name).write_bytes(text.encode())


def test_scripts_run_as_superuser_in_the_order_of_their_names(folder, database, admin):
    write(folder, "2.sql", "INSERT INTO public.t VALUES (current_user, '100% $1 😀');")
    write(folder, "1.sql", "CREATE TABLE public.t (who text, what text);")
    write(folder, "notes.txt", "not SQL")

    run_bootstrap(database.superuser_conninfo, folder)

    assert [script.path.name for script in read_scripts(folder / "bootstrap")] == ["1.sql", "2.sql"]
    assert admin.execute("SELECT * FROM t").fetchall() == [("postgres", "100% $1 😀")]
    assert not is_there(admin, "sqlmigrate.meta")


def test_without_a_folder_nothing_happens(tmp_path, database):
    run_bootstrap(database.superuser_conninfo, tmp_path)
    run_bootstrap(database.superuser_conninfo, tmp_path / "missing")

    assert read_scripts(tmp_path / "bootstrap") == []


def test_what_cannot_run_in_a_transaction_may_stand_there(folder, database, admin):
    write(
        folder,
        "1.sql",
        "CREATE TABLE public.t (n integer); CREATE INDEX CONCURRENTLY i ON public.t (n); VACUUM public.t;",
    )

    run_bootstrap(database.superuser_conninfo, folder)

    assert is_there(admin, "public.i")


def test_copy_data_may_stand_there(folder, database, admin):
    write(folder, "1.sql", "CREATE TABLE public.t (n int, what text);\nCOPY public.t FROM stdin;\n1\tä\n2\t\\N\n\\.\n")
    write(folder, "2.sql", "COPY public.t FROM stdin;\nx\ty\n\\.\n")

    with pytest.raises(ExecutionError, match="invalid input syntax for type integer"):
        run_bootstrap(database.superuser_conninfo, folder)

    assert admin.execute("TABLE t").fetchall() == [(1, "ä"), (2, None)]


def test_an_error_is_reported_with_its_place(folder, database):
    write(folder, "1.sql", "SELECT 1;\r\nSELECT '😀',\r\n  nonsense;")

    with pytest.raises(ExecutionError, match='column "nonsense" does not exist') as caught:
        run_bootstrap(database.superuser_conninfo, folder)

    assert place(caught.value) == "1.sql:3:3"
    assert caught.value.server.sqlstate == "42703"


def test_a_file_that_cannot_be_read_is_reported_with_its_place(folder, database):
    write(folder, "1.sql", "-- sqlmigrate: nonsense=1\nSELECT 1;")

    with pytest.raises(ScriptError) as caught:
        run_bootstrap(database.superuser_conninfo, folder)

    assert place(caught.value).startswith("1.sql:1:")
