"""The tool's own SQL is kept by name, and names no object that a search path could exchange."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from sqlmigrate import history, queries
from sqlmigrate.sql.scan import split
from sqlmigrate.sql.statement.parse import complaints
from support import own_sql
from support.names import looked_up

FOLDERS = {"": files(queries), "catalog/": files(queries).joinpath("catalog")}
NAMES = sorted(
    prefix + path.name.removesuffix(".sql")
    for prefix, folder in FOLDERS.items()
    for path in folder.iterdir()
    if path.name.endswith(".sql")
)


@pytest.fixture(params=NAMES)
def blocks(request):
    return queries.load(request.param)


def test_every_block_is_one_statement(blocks):
    assert blocks
    for text in blocks.values():
        assert len(list(split(text))) == 1
        assert not text.endswith(";")


def test_every_block_is_good_sql(blocks):
    for text in blocks.values():
        plain = re.sub(r"\{\w+\}", "s", re.sub(r"%\(\w+\)s|%s", "$1", text))
        assert list(complaints(plain)) == []


@pytest.mark.parametrize(("where", "text"), [*own_sql.in_files(), *own_sql.upgrades(), *own_sql.in_python()])
def test_every_name_stands_with_its_schema(where, text):
    assert looked_up(own_sql.filled(text)) == [], where


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT * FROM pg_class", ["relation pg_class"]),
        ("SELECT pg_catalog.max(x) + count(*) FROM s.t", ["function count"]),
        ("WITH a AS (SELECT 1) SELECT x::text, y::integer, extract(epoch FROM z::timestamp) FROM a", ["type text"]),
        ("SELECT 'text'::pg_catalog.regtype, 'bigint'::pg_catalog.regtype", ["name text"]),
        ('SELECT x COLLATE "C" FROM s.t', ["collation C"]),
        ("CREATE TABLE s.t (a uuid, b varchar(3), c pg_catalog.text)", ["type uuid"]),
        ("DELETE FROM t WHERE coalesce(a, b) IN (1)", ["relation t"]),
    ],
)
def test_a_name_that_is_looked_up_is_found(text, found):
    assert looked_up(text) == found


def test_sql_within_python_is_looked_at():
    found = dict(own_sql.in_python())

    assert any(where.startswith("seeds/tables.py") for where in found)
    assert any("pg_advisory_lock" in text for text in found.values())


def test_there_are_blocks_to_look_at():
    assert {"catalog/relations", "connection", "history", "runlock"} <= set(NAMES)


def test_an_unknown_file_is_an_error():
    with pytest.raises(FileNotFoundError):
        queries.load("nothing")


@pytest.mark.parametrize("version", range(1, history.VERSION + 1))
def test_every_version_of_the_history_has_its_script(version):
    text = queries.history_upgrade(version).replace("{schema}", "s")
    pieces = list(split(text))

    assert pieces
    for piece in pieces:
        assert piece.problem is None
        assert list(complaints(piece.text)) == []


def test_no_script_waits_for_a_version_that_is_not_used():
    found = sorted(path.name for path in files(queries).joinpath("history").iterdir() if path.name.endswith(".sql"))

    # the tables of attempts and of seed files belong to no version
    assert found == [*(f"{version:03d}.sql" for version in range(1, history.VERSION + 1)), "attempts.sql", "seeds.sql"]
