"""Values are compared as their types say it, and triggers of the tables find what they find for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from sqlmigrate import connection
from sqlmigrate.seeds import apply, run
from support.seeds import SeedFiles

TABLES = """
CREATE SCHEMA ext;
CREATE EXTENSION citext SCHEMA ext;
CREATE DOMAIN public.email AS ext.citext CHECK (VALUE ~ '@'::text);
CREATE TYPE public.mood AS ENUM ('sad', 'glad');
CREATE TABLE public.people (
    email public.email PRIMARY KEY,
    nick ext.citext,
    mood public.mood,
    moods public.mood[],
    span int4range,
    place point,
    page jsonpath,
    box box,
    note json
);
CREATE TABLE public.posts (title char(5) PRIMARY KEY, author public.email REFERENCES public.people);
"""
PEOPLE = {"list": "people", "table": "public.people", "conflict": ["email"]}
POSTS = {
    "list": "posts",
    "table": "public.posts",
    "conflict": ["title"],
    "columns": {
        "author": {"from": "nick", "references": {"table": "public.people", "match": "nick", "select": "email"}}
    },
}
ONE = """
people:
  - {email: a@b, nick: A, mood: glad, moods: [sad], span: "[1,3)", place: "(1,2)", page: $.a, box: "(1,1),(0,0)",
     note: {x: 1}}
"""


@pytest.fixture
def posts_files(tmp_path: Path) -> SeedFiles:
    posts_files = SeedFiles(tmp_path)
    posts_files.file("people", PEOPLE, ONE)
    posts_files.file("posts", POSTS, "posts:\n  - {title: one, nick: a}\n")
    return posts_files


@pytest.fixture
def posts_session(database) -> psycopg.Connection[Any]:
    session = database.connect_superuser()
    session.execute(TABLES)
    return session


def written(session, files) -> list[tuple[int, int, int]]:
    return [(table.inserted, table.updated, table.unchanged) for table in apply(session, files.load()).tables]


@pytest.mark.parametrize("path", ["public, ext", "pg_catalog, pg_temp", "''"])
def test_types_of_an_extension_are_equal_by_their_own_operators(posts_session, posts_files, path):
    posts_session.execute(f"SET search_path TO {path}")
    assert written(posts_session, posts_files) == [(1, 0, 0), (1, 0, 0)]
    assert written(posts_session, posts_files) == [(0, 0, 1), (0, 0, 1)]

    posts_files.file("people", PEOPLE, ONE.replace("a@b", "A@B").replace("nick: A", "nick: a"))
    assert written(posts_session, posts_files) == [(0, 0, 1), (0, 0, 1)]


@pytest.mark.parametrize(
    ("old", "new"),
    [("glad", "sad"), ("[sad]", "[]"), ("[1,3)", "[1,4)"), ("(1,2)", "(1,3)"), ("$.a", "$.b"), ("x: 1", "x: 2"),
     ("(1,1),(0,0)", "(2,0.5),(1,-0.5)"), ("nick: A,", "nick: null,")],
)  # fmt: skip
def test_another_value_of_any_type_is_written(posts_session, posts_files, old, new):
    posts_files.file("people", PEOPLE, "people:\n" + ONE.partition("people:\n")[2])
    posts_files.schema("posts", POSTS)
    (posts_files.directory / "posts.yaml").write_text("posts: []\n", encoding="utf-8")
    written(posts_session, posts_files)
    posts_files.file("people", PEOPLE, ONE.replace(old, new))

    assert written(posts_session, posts_files) == [(0, 1, 0), (0, 0, 0)]
    assert written(posts_session, posts_files) == [(0, 0, 1), (0, 0, 0)]


def test_triggers_defaults_and_policies_work_under_the_settings_of_the_login(database, posts_session, posts_files):
    posts_session.execute(f"""
        ALTER DATABASE {database.name} SET search_path TO shop, public;
        ALTER DATABASE {database.name} SET timezone TO 'Asia/Kolkata';
        CREATE SCHEMA shop;
        CREATE TABLE shop.audit (what text, zone text DEFAULT current_setting('timezone'));
        CREATE FUNCTION shop.note() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO audit (what) VALUES (TG_OP); RETURN NEW; END';
        CREATE TRIGGER note AFTER INSERT ON public.people FOR EACH ROW EXECUTE FUNCTION shop.note();
        ALTER TABLE public.people ENABLE ROW LEVEL SECURITY;
        CREATE POLICY all_of_them ON public.people USING (true);
        GRANT USAGE ON SCHEMA shop, ext TO migrator;
        GRANT ALL ON public.people, public.posts, shop.audit TO migrator;
    """)
    result = run(
        database.conninfo, posts_files.load(), role=None, lock_timeout=1000, statement_timeout=0, gate=connection.allow
    )

    assert result.written == 2
    assert posts_session.execute("SELECT what, zone FROM shop.audit").fetchall() == [("INSERT", "Asia/Kolkata")]
