"""All SQL of the tool's own: the files of `queries/`, and what stands in Python as text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import sqlmigrate
from sqlmigrate import queries
from sqlmigrate.schema.blocks import block
from sqlmigrate.sql.scan import split
from sqlmigrate.sql.statement.parse import complaints

SOURCE = Path(sqlmigrate.__file__).parent
NEWEST = 18
_QUERY = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE|MERGE|VALUES)\b")
_NO_SQL = (
    "review/hazards",
    "review/commands.py",
    "review/report.py",
    "review/model.py",
    "runlock/retry.py",
)  # words to read
_PARAMETER = re.compile(r"%\(\w+\)s|%s|\$\d+")
SCHEMA = "sqlmigrate"
OF_OTHER_TOOLS = f"""
CREATE TABLE {SCHEMA}.schema_migrations (version bigint, dirty boolean, name text, statements text[]);
CREATE TABLE {SCHEMA}.goose_db_version (id integer, version_id bigint, is_applied boolean, tstamp timestamp);
CREATE TABLE {SCHEMA}.flyway_schema_history (
    installed_rank integer, version varchar(50), description varchar(200), type varchar(20), checksum integer,
    installed_on timestamp, success boolean
);
CREATE TABLE {SCHEMA}.__drizzle_migrations (id integer, hash text, created_at bigint);
CREATE TABLE {SCHEMA}.alembic_version (version_num varchar(32));
CREATE TABLE {SCHEMA}.changes (project text, change text, committed_at timestamptz, planned_at timestamptz);
CREATE TABLE {SCHEMA}._sqlx_migrations (
    version bigint, description text, installed_on timestamptz, success boolean, checksum bytea
);
CREATE TABLE {SCHEMA}._prisma_migrations (
    migration_name varchar(255), checksum varchar(64), finished_at timestamptz, rolled_back_at timestamptz,
    started_at timestamptz
);
CREATE TABLE {SCHEMA}.__diesel_schema_migrations (version varchar(50), run_on timestamp);
CREATE TABLE {SCHEMA}.pgmigrations (id integer, name varchar(255), run_on timestamp);
CREATE TABLE {SCHEMA}.migrations (filename text, hash text, date timestamptz);
CREATE TABLE {SCHEMA}.django_migrations (id integer, app varchar(255), name varchar(255), applied timestamptz);
"""
"""The tables of other tools that we read, with the columns that we read of them."""
_FILLED = {
    "schema": SCHEMA,
    "values": "seq",
    "table": f"{SCHEMA}.log",
    "sequence": f"{SCHEMA}.log_seq_seq",
    "space": f"'{SCHEMA}'",
    "owners": "ARRAY['migrator']",
    "tables": "ARRAY['applied']",
    "name": "'applied'",
    "own_schema": "true",
    "oids": "ARRAY[1::pg_catalog.oid]",
    "last_scan": "NULL::pg_catalog.timestamptz",
    "last_index_scan": "NULL::pg_catalog.timestamptz",
}


# what only these versions are ever asked: the functions are new there
_SINCE = {"sized.sql: restore_relations": 18, "sized.sql: restore_columns": 18}


def in_files(major: int = NEWEST) -> Iterator[tuple[str, str]]:
    """Give each block of `queries/` as `FILE: BLOCK`, as one version of the server gets it, and its text."""
    for path in sorted(SOURCE.joinpath("queries").rglob("*.sql")):
        name = str(path.relative_to(SOURCE / "queries")).removesuffix(".sql")
        if name.startswith("history/"):
            continue
        for key in queries.load(name):
            file = name.removeprefix("catalog/")
            text = block(file, key, major) if name != file else queries.load(name)[key]
            if text and major >= _SINCE.get(f"{name}.sql: {key}", 0):
                yield f"{name}.sql: {key}", text


def upgrades() -> Iterator[tuple[str, str]]:
    """Give the statements that make the tables of the history."""
    for path in sorted(SOURCE.joinpath("queries", "history").glob("*.sql")):
        text = path.read_text(encoding="utf-8").replace("{schema}", SCHEMA).replace("{space}", f"'{SCHEMA}'")
        for piece in split(text):
            yield f"{path.name}: line {piece.line}", piece.text


def in_python() -> Iterator[tuple[str, str]]:
    """Give each text in Python that begins like a query, as `FILE:LINE`; what is filled in stands as `{}`."""
    for path in sorted(SOURCE.rglob("*.py")):
        name = str(path.relative_to(SOURCE))
        if any(name.startswith(part) for part in _NO_SQL):
            continue
        for node, text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            if _QUERY.match(text) and _is_whole(text):
                yield f"{name}:{node.lineno}", text


def _is_whole(text: str) -> bool:
    """Tell a statement from the beginning of one, which other parts complete."""
    return not list(complaints(filled(text)))


def _texts(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node, "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def filled(text: str) -> str:
    """Give a query with NULL for each parameter, and some name for each that is filled in."""
    text = re.sub(r"\{(\w*)\}", lambda found: _FILLED.get(found[1], "some_name"), text)
    return _PARAMETER.sub("NULL", text).replace("%%", "%")
