"""Names in a schema: those of roles under other names, and the schema that an object is in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.drift.acl import LISTS, renamed
from sqlmigrate.schema import TABLE, Name, Schema, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PRIVILEGES = "default privileges"
_IDENTIFIER = r'"(?:[^"]|"")*"|[^\W\d][\w$]*'
_OF_ROLE = re.compile(rf"for role ({_IDENTIFIER})(.*)", re.DOTALL)
_IN_SCHEMA = re.compile(rf"for role (?:{_IDENTIFIER}) in schema ({_IDENTIFIER}) on .*", re.DOTALL)
_QUALIFIED = re.compile(rf"({_IDENTIFIER})\.", re.DOTALL)


def rename(schema: Schema, names: Mapping[str, str]) -> Schema:
    """Return a schema in which some roles have other names: as owners, in rights, policies and default privileges."""
    if not names:
        return schema
    return Schema(
        {
            _renamed_name(name, names): {key: _renamed(key, value, names) for key, value in found.items()}
            for name, found in schema.objects.items()
        }
    )


def _renamed(key: str, value: Value, names: Mapping[str, str]) -> Value:
    if key in LISTS:
        return renamed(value, lambda name: names.get(name, name))
    if key == "owner" and isinstance(value, str):
        return names.get(value, value)
    if key == "to" and isinstance(value, tuple):
        return tuple(sorted(names.get(name, name) for name in value))
    return value


def _renamed_name(name: Name, names: Mapping[str, str]) -> Name:
    match = _OF_ROLE.fullmatch(name.name) if name.kind == DEFAULT_PRIVILEGES else None
    if match is None:
        return name
    role, rest = match.groups()
    other = names.get(plain(role))
    return Name(name.kind, f"for role {quoted(other)}{rest}") if other else name


def plain(name: str) -> str:
    """Return a name as it is, without the quotes that it is written with."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def quoted(name: str) -> str:
    """Quote a name as PostgreSQL does, but for key words."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def schema_of(name: Name, found: Mapping[str, Value]) -> str | None:
    """Return the schema that an object or what it is a part of is in, as it is quoted; None where it is in none."""
    if name.kind == "schema":
        return name.name
    if name.kind == DEFAULT_PRIVILEGES:
        inside = _IN_SCHEMA.fullmatch(name.name)
        return inside[1] if inside else None
    qualified = _QUALIFIED.match(str(found.get(TABLE) or name.name))
    return qualified[1] if qualified else None
