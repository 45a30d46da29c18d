"""Objects that stand in the way of PostgreSQL's own: see `hostile.sql`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from support import own_sql

_OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "~", "!~", "~*", "||", "+", "-", "*", "/", "&", "|", "<<", ">>")
_TYPES = (
    "bool", '"char"', "name", "text", "varchar", "int2", "int4", "int8", "oid", "numeric", "regclass", "xid",
    "timestamptz", "interval", "jsonb", "text[]", "aclitem[]",
)  # fmt: skip
_FUNCTIONS = re.compile(r"pg_catalog\.(\w+)\(")


def hostile_script(schema: str = "public", *, few: bool = False) -> str:
    """Give the script that sets the traps in a schema; as a transaction, or as a migration.

    With `few` they are those of names and types that our own SQL has, for where each trap costs time more than once.
    """
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("hostile_place", schema)
    values = dict.fromkeys(("{types}", "{operators}", "{functions}"), "NULL") | {"{least}": "8000"}
    if few:
        functions = {name for _, query in own_sql.in_files() for name in _FUNCTIONS.findall(query)}
        lists = {"{types}": _TYPES, "{operators}": _OPERATORS, "{functions}": sorted(functions)}
        values = {place: _array(names) for place, names in lists.items()} | {"{least}": "1000"}
    for place, value in values.items():
        text = text.replace(place, value)
    return text


def _array(names: Iterable[str]) -> str:
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "'{" + ",".join(f'"{name}"' for name in quoted) + "}'"
