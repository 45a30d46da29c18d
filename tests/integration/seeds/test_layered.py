"""Rows of an environment are written in the place of those below, however large the file below is."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds import apply, load
from sqlmigrate.seeds.reading import streams
from sqlmigrate.seeds.writing import staging
from support.seeds import SeedFiles

TABLES = """
CREATE EXTENSION citext;
CREATE TABLE public.t (k citext PRIMARY KEY, n int, parent citext REFERENCES public.t);
"""
T = {"list": "rows", "table": "public.t", "conflict": ["k"], "prune": "delete"}
RULES = {
    "properties": {"rows": {"items": {"properties": {"k": {"type": "string"}, "n": {"type": ["integer", "string"]}}}}}
}


@pytest.fixture(params=["in batches", "all at once", "and read each time"])
def layers(request, session_with_tables, seed_files, monkeypatch):
    """A file of four rows, and an empty folder for those of an environment."""
    if request.param != "in batches":
        monkeypatch.setattr(staging, "ROWS_MIN", 1)
    if request.param == "and read each time":
        monkeypatch.setattr(streams, "KEPT_MAX", 2)
    seed_files.schema("t", T, **RULES)
    (seed_files.directory / "t.csv").write_text("k,n\na,1\nb,2\nc,3\nd,4\n")
    (seed_files.directory / "live").mkdir()
    return session_with_tables, seed_files.directory, SeedFiles(seed_files.directory / "live")


def test_the_composed_rows_are_written_and_nothing_else_is_left(layers):
    conn, directory, above = layers
    above.yaml("t", "rows: [{k: b, n: 20}, {k: e, n: 5}]")
    conn.execute("INSERT INTO t VALUES ('x', 0), ('b', 2)")

    first, second = (apply(conn, load(directory, "live"), prune=True).tables[0] for _ in range(2))

    assert (first.inserted, first.updated, first.unchanged, first.pruned) == (4, 1, 0, 1)
    assert (second.inserted, second.updated, second.unchanged, second.pruned) == (0, 0, 5, 0)
    assert conn.execute("SELECT string_agg(k || n, ' ' ORDER BY k) FROM t").fetchone() == ("a1 b20 c3 d4 e5",)


def test_a_row_that_is_refused_is_named_in_its_own_file(layers):
    conn, directory, above = layers
    above.yaml("t", "rows:\n- {k: e, n: 5}\n- {k: b, n: many}\n")

    with pytest.raises(SeedError) as caught:
        apply(conn, load(directory, "live"))

    assert str(caught.value.place).endswith("live/t.yaml:3:13")
    assert "k 'b': invalid input syntax for type integer" in str(caught.value)


def test_keys_that_only_postgresql_takes_for_the_same_are_refused(layers):
    conn, directory, above = layers
    above.yaml("t", "rows: [{k: B, n: 20}]")

    with pytest.raises(SeedError) as caught:
        apply(conn, load(directory, "live"))

    assert "k 'B' appears twice, first at" in str(caught.value)
    assert "as k 'b': they are the same to PostgreSQL" in str(caught.value)
