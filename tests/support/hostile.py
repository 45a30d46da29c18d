"""Objects that stand in the way of PostgreSQL's own: see `hostile.sql`."""

from __future__ import annotations

import re
from pathlib import Path

from support import own_sql

_OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "~", "!~", "~*", "||", "+", "-", "*", "/", "&", "|", "<<", ">>")
_FUNCTIONS = re.compile(r"pg_catalog\.(\w+)\(")


def hostile_script(schema: str = "public", *, few: bool = False) -> str:
    """Give the script that sets the traps in a schema; as a transaction, or as a migration.

    With `few` they are those of names that our own SQL has, for where each trap costs time more than once.
    """
    text = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("hostile_place", schema)
    if not few:
        filters = {"oprname = ANY ('{operator_names}')": "true", "proname = ANY ('{function_names}')": "true"}
        return _filled(text.replace("o.oprname", "oprname"), filters | {"least_number": "8000"})
    functions = {name for _, query in own_sql.in_files() for name in _FUNCTIONS.findall(query)}
    lists = {"{operator_names}": _array(_OPERATORS), "{function_names}": _array(sorted(functions))}
    return _filled(text, lists | {"least_number": "2000"})


def _filled(text: str, values: dict[str, str]) -> str:
    for place, value in values.items():
        assert place in text, place
        text = text.replace(place, value)
    return text


def _array(names: tuple[str, ...] | list[str]) -> str:
    return "{" + ",".join(f'"{name}"' for name in names) + "}"
