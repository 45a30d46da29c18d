"""Rows that are exported seed back unchanged, and into an empty table as they were, whatever their types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds import Access, Choice, Export, SeedSet, apply, export, load
from sqlmigrate.seeds.exporting import export as exports
from sqlmigrate.seeds.exporting.texts import as_csv, as_yaml, schema_text
from support.examples import examples
from support.seeds import SeedFiles

TYPES = """
CREATE EXTENSION citext;
CREATE TYPE public.mood AS ENUM ('sad', 'so so', 'NO', 'a,"b"');
CREATE TYPE public.pair AS (n integer, t text);
CREATE DOMAIN public.email AS citext CHECK (VALUE <> 'nobody');
CREATE DOMAIN public.short AS varchar(5);
CREATE DOMAIN public.list AS integer[];
CREATE DOMAIN public.document AS jsonb;
"""
WORDS = st.one_of(
    st.sampled_from(
        ["", "no", "Yes", "1e3", "0x1F", "007", "2024-02-29", "~", "null", "a: b", "# c", "- d", "<<", "\\N", "\\.",
         "\t", "a\nb", "a\n  b\n\n", "\r\n", '"', "'", '""', ",", "a,b", "é😀", "\u2028", "\ufeff", "{}", "NULL", " ",
         "%s", "12:30", "NaN", "\x7f\x85"]
    ),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=5),
)  # fmt: skip
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.sampled_from([0.5, 1e16, -0.1]), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
NUMERIC = st.one_of(
    st.sampled_from(
        ["0", "0.00", "-1.50", "NaN", "1e-20", "123456789012345678901234567890.123", "1000000000000000000"]
    ),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda number: f"{number:f}"),
)
FLOAT = st.one_of(
    st.sampled_from(["NaN", "Infinity", "-Infinity", "-0", "1e15", "1e20", "0.1"]),
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
)
DATES = st.sampled_from(["2024-02-29", "infinity", "-infinity", "0044-03-15 BC", "20000-01-01"])
STAMPS = st.sampled_from(
    ["2024-02-29 12:00:00.123456+05:30", "infinity", "-infinity", "0044-03-15 12:00+00 BC", "1900-01-01 00:00:00+00"]
)
SPANS = st.sampled_from(
    ["1 year -2 mons 3 days -04:05:06.789", "-1 day", "00:00:00", "-00:00:01", "3 days", "178000000 years"]
)
# a column for each type, with what it may hold
COLUMNS: dict[str, st.SearchStrategy[str]] = {
    "smallint": st.sampled_from(["-32768", "0", "32767"]),
    "bigint": st.sampled_from(["-9223372036854775808", "7", "9223372036854775807"]),
    "numeric": st.one_of(NUMERIC, st.just("Infinity")),
    "numeric(6,2)": st.sampled_from(["0", "0.10", "-9999.99", "5", "NaN"]),
    "numeric(30,10)": st.sampled_from(["0", "12345678901234567890.0123456789"]),
    "real": FLOAT,
    "double precision": FLOAT,
    "boolean": st.sampled_from(["t", "f"]),
    "text": WORDS,
    "character varying(5)": WORDS.map(lambda word: word[:5]),
    "character(4)": WORDS.map(lambda word: word[:4]),
    "citext": WORDS,
    "name": WORDS.filter(lambda word: len(word.encode()) < 60),
    '"char"': st.sampled_from(["a", "", "#"]),
    "json": JSON.map(json.dumps).filter(lambda text: text != "null" and "\\u0000" not in text),
    "jsonb": JSON.map(json.dumps).filter(lambda text: text != "null" and "\\u0000" not in text),
    "document": JSON.map(lambda value: json.dumps({"a": value})).filter(lambda text: "\\u0000" not in text),
    "bytea": st.binary(max_size=4).map(lambda data: "\\x" + data.hex()),
    "uuid": st.uuids().map(str),
    "date": DATES,
    "time": st.sampled_from(["00:00", "24:00", "12:30:01.5"]),
    "timetz": st.sampled_from(["00:00+14", "24:00-03:30"]),
    "timestamp": STAMPS.map(lambda text: text.replace("+05:30", "")),
    "timestamptz": STAMPS,
    "interval": SPANS,
    "inet": st.sampled_from(["10.0.0.1", "10.0.0.1/8", "::1/64"]),
    "cidr": st.sampled_from(["10.0.0.0/8", "::/0"]),
    "macaddr": st.just("08:00:2b:01:02:03"),
    "macaddr8": st.just("08:00:2b:01:02:03:04:05"),
    "bit(3)": st.just("101"),
    "bit varying": st.sampled_from(["", "0", "1111"]),
    "tsvector": st.sampled_from(["", "a:1A 'b c':2", "'it''s'"]),
    "tsquery": st.sampled_from(["", "'a' & !'b'", "'a' <-> 'b c'"]),
    "xml": st.sampled_from(["<a/>", '<?xml version="1.0" encoding="UTF-8"?><a>é</a>', "a&amp;b", ""]),
    "jsonpath": st.just('$."a"[*]?(@ > 1)'),
    "pg_lsn": st.just("16/B374D848"),
    "oid": st.just("4294967295"),
    "point": st.just("(1.5,-2)"),
    "box": st.just("(1,1),(0,0)"),
    "circle": st.just("<(0,0),1>"),
    "mood": st.sampled_from(["sad", "so so", "NO", 'a,"b"']),
    "pair": st.sampled_from(["(1,a)", '(,"b,""c""")', '(2,"")', "(,)"]),
    "email": WORDS.filter(lambda word: word.lower() != "nobody"),
    "short": WORDS.map(lambda word: word[:5]),
    "list": st.sampled_from(["{}", "{1,NULL}", "[0:1]={1,2}"]),
    "integer[]": st.sampled_from(["{}", "{1,2,NULL}", "{{1,2},{3,4}}", "[2:3]={5,6}"]),
    "numeric(4,1)[]": st.sampled_from(["{1.0,NaN}", "{}"]),
    "text[]": st.lists(st.none() | WORDS, max_size=3),  # type: ignore[dict-item]
    "boolean[]": st.just("{t,f,NULL}"),
    "mood[]": st.just('{sad,"so so",NO,"a,\\"b\\""}'),
    "pair[]": st.just('{"(1,a)","(,\\"b,c\\")",NULL}'),
    "timestamptz[]": st.just('{"2024-02-29 12:00:00+00",infinity}'),
    "int4range": st.sampled_from(["[1,5)", "empty", "(,)", "[3,)"]),
    "numrange": st.just("(0.10,1.5]"),
    "tstzrange": st.just('["2024-01-01 00:00:00+00",infinity)'),
    "int4multirange": st.sampled_from(["{}", "{[1,3),[5,)}"]),
    "int4range[]": st.just('{"[1,5)",empty}'),
}
ROW = st.fixed_dictionaries({}, optional={f"c {type_}": values for type_, values in COLUMNS.items()})
ROWS = st.lists(ROW, max_size=3)
TABLE = f"""
CREATE TABLE public."Every: ""type""%" (
    id integer GENERATED ALWAYS AS IDENTITY, "key, 1" text UNIQUE NOT NULL,
    twice text GENERATED ALWAYS AS ("key, 1" || "key, 1") STORED,
    {", ".join(f'"c {type_.replace(chr(34), chr(34) * 2)}" {type_}' for type_ in COLUMNS)}
);
"""
NAME = 'public.Every: "type"%'


def written(conninfo: str, folder: Path, *, csv: bool, names: tuple[str, ...] = (NAME,), **choice: Any) -> list[Export]:
    """Export into an empty folder."""
    taken: list[Export] = []

    def take(one: Export) -> None:
        stem = one.schema.path.name.removesuffix(".schema.json")
        texts = (
            as_csv(one.rows, one.keys, one.schema.mapping.csv) if csv else as_yaml(one.rows, one.schema.mapping.list)
        )
        (folder / f"{stem}.{'csv' if csv else 'yaml'}").write_text("".join(texts), encoding="utf-8", newline="")
        if one.scaffold:
            (folder / f"{stem}.schema.json").write_text(schema_text(one.scaffold.schema), encoding="utf-8")
        taken.append(one)

    export(conninfo, names, take, folders=[folder], choice=Choice(**choice), access=Access(), csv=csv)
    return taken


def emptied(folder: Path) -> Path:
    for path in folder.iterdir():
        path.unlink()
    return folder


def counts(conn: psycopg.Connection[Any], seeds: SeedSet) -> list[tuple[int, int, int]]:
    return [(table.inserted, table.updated, table.unchanged) for table in apply(conn, seeds).tables]


@pytest.fixture
def every_type(database) -> psycopg.Connection[Any]:
    """A table with a column of each type."""
    session = database.connect_superuser()
    session.execute(TYPES + TABLE)
    return session


@pytest.fixture
def has_xml(every_type) -> bool:
    """Whether the server was built with libxml."""
    try:
        every_type.execute("SELECT '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


def held(conn: psycopg.Connection[Any]) -> list[Any]:
    """Give what the table holds, as far as a file can say it."""
    names = [f"c {type_}" for type_ in COLUMNS if type_ != "json"]  # of which the text may differ, and not the meaning
    columns = psycopg.sql.SQL(", ").join(
        psycopg.sql.SQL("format('%s', {})").format(psycopg.sql.Identifier(name)) for name in ("key, 1", *names)
    )
    query = psycopg.sql.SQL('SELECT {}, "c json"::jsonb FROM public."Every: ""type""%" ORDER BY 1').format(columns)
    return conn.execute(query).fetchall()


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(rows=ROWS, csv=st.booleans())
def test_what_is_exported_seeds_back_unchanged(every_type, has_xml, database, tmp_path, rows, csv):
    every_type.execute('TRUNCATE public."Every: ""type""%"')
    for number, row in enumerate(rows):
        if not has_xml:
            row.pop("c xml", None)
        if csv:  # where a cell of JSON is no text by itself
            row |= {name: f'{{"a": {row[name]}}}' for name in ("c json", "c jsonb") if name in row}
        names = psycopg.sql.SQL(", ").join(psycopg.sql.Identifier(name) for name in ("key, 1", *row))
        values = psycopg.sql.SQL(", ").join(map(psycopg.sql.Literal, (f"k: {number}", *row.values())))
        every_type.execute(
            psycopg.sql.SQL('INSERT INTO public."Every: ""type""%" ({}) VALUES ({})').format(names, values)
        )
    folder = emptied(tmp_path)
    written(database.superuser_conninfo, folder, csv=csv)
    before, seeds = held(every_type), load(folder)

    assert counts(every_type, seeds) == [(0, 0, len(rows))]
    every_type.execute('TRUNCATE public."Every: ""type""%"')
    assert counts(every_type, seeds) == [(len(rows), 0, 0)]
    assert held(every_type) == before
    assert counts(every_type, seeds) == [(0, 0, len(rows))]


def test_all_tables_are_read_as_of_one_moment(database, conn, tmp_path):
    conn.execute("CREATE TABLE a (k text PRIMARY KEY); CREATE TABLE b (k text PRIMARY KEY REFERENCES a)")
    conn.execute("INSERT INTO a VALUES ('old'); INSERT INTO b VALUES ('old')")
    found: list[list[dict[str, Any]]] = []

    def take(one: Export) -> None:
        conn.execute("INSERT INTO a VALUES ('new') ON CONFLICT DO NOTHING")
        conn.execute("INSERT INTO b VALUES ('new') ON CONFLICT DO NOTHING")
        found.append(list(one.rows))

    export(database.conninfo, ["a", "b"], take, folders=[], choice=Choice(), access=Access())

    assert found == [[{"k": "old"}], [{"k": "old"}]]


def test_rows_come_a_few_at_a_time_in_the_order_of_their_keys(database, conn, monkeypatch):
    conn.execute("CREATE TABLE t (k int PRIMARY KEY, v text)")
    conn.execute("INSERT INTO t SELECT n, repeat('x', 40000) FROM generate_series(1000, 1, -1) AS n")
    sizes = []
    answers = exports._answers

    def watched(*given: Any) -> Iterator[list[Any]]:
        for some in answers(*given):
            sizes.append(len(some))
            yield some

    monkeypatch.setattr(exports, "_answers", watched)
    keys: list[int] = []

    def take(one: Export) -> None:
        keys.extend(row["k"] for row in one.rows)

    export(database.conninfo, ["t"], take, folders=[], choice=Choice(), access=Access())

    assert keys == list(range(1, 1001))
    assert max(sizes) <= 50


def test_a_reference_that_leads_nowhere_or_to_several_rows_is_told(database, conn, tmp_path):
    conn.execute("""
        CREATE TABLE models (id int, code text);
        CREATE TABLE agents (kind text PRIMARY KEY, model int);
        INSERT INTO models VALUES (1, 'a'), (2, 'b'), (2, 'c'), (3, NULL);
        INSERT INTO agents VALUES ('x', 1), ('y', NULL);
    """)
    reference = {"table": "public.models", "match": "code", "select": "id"}
    mapping = {"list": "agents", "table": "public.agents", "conflict": ["kind"],
               "columns": {"model": {"from": "code", "references": reference}}}  # fmt: skip
    SeedFiles(tmp_path).schema("agents", mapping)

    written(database.conninfo, tmp_path, csv=False, names=("agents",))
    assert (tmp_path / "agents.yaml").read_text() == (
        'agents:\n  - kind: x\n    code: a\n  - kind: "y"\n    code: null\n'
    )
    for id_, said in ((2, "several rows of public.models"), (3, "has no code"), (4, "no row of public.models")):
        conn.execute("UPDATE agents SET model = %s", [id_])
        with pytest.raises(SeedError) as caught:
            written(database.conninfo, tmp_path, csv=False, names=("agents",))
        assert f"model of kind 'x' in public.agents: '{id_}' has no code: " in caught.value.message
        assert said in caught.value.message


def test_a_schema_may_want_the_numbers_of_rows(database, conn, tmp_path):
    conn.execute("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY, code text PRIMARY KEY, at int DEFAULT 1)")
    conn.execute("INSERT INTO t (code) VALUES ('b'), ('a')")
    mapping = {"list": "t", "table": "public.t", "conflict": ["code"], "default_on_update": ["at"]}
    keys = {"properties": {"t": {"items": {"properties": {"id": {}, "code": {}, "at": {}}}}}}
    SeedFiles(tmp_path).schema("t", mapping, **keys)

    written(database.conninfo, tmp_path, csv=False, names=("t",))

    assert (tmp_path / "t.yaml").read_text() == "t:\n  - id: 2\n    code: a\n  - id: 1\n    code: b\n"
    assert counts(conn, load(tmp_path)) == [(0, 0, 2)]
