"""Bring two schemas to what can be compared: without what is not said in migrations, and with the platform's share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.drift import versions
from sqlmigrate.drift.acl import CREATE, LISTS, collapse, explode, renamed, requoted, without
from sqlmigrate.drift.naming import DEFAULT_PRIVILEGES, schema_of
from sqlmigrate.schema import TABLE, Name, Schema, Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.drift.model import Live, Replayed

    Properties = Mapping[str, Value]
    Objects = dict[Name, Properties]

SUPABASE_SCHEMAS = frozenset(
    {
        "_analytics", "_realtime", "_supavisor", "auth", "cron", "extensions", "graphql", "graphql_public", "net",
        "pgbouncer", "pgsodium", "pgsodium_masks", "pgtle", "realtime", "storage", "supabase_functions",
        "supabase_migrations", "vault",
    }
)  # fmt: skip
"""The schemas that Supabase makes and changes by itself."""
_SUPABASE_KINDS = frozenset({"extension", "event trigger", "publication", "publication table", DEFAULT_PRIVILEGES})
# They belong to the database, and not to what is in it; settings may hold secrets too.
_OUTSIDE = frozenset({"database", "database settings", "large object"})
_PUBLIC_OWNER = "pg_database_owner"


def comparable(live: Live, replayed: Replayed) -> tuple[Schema, Schema]:
    """Return the shadow's schema and the live one, both without what must not be compared.

    - The database itself with its settings, large objects, and an extension's owner and version are left out.
    - What only one of both versions of PostgreSQL says of an object is left out, and a NOT NULL goes by its column.
    - What `bootstrap/` made stands for a platform: only what the migrations changed of it is compared, and in schemas
      that it made only what the migrations made there. Schema public and default privileges are compared all the same.
    - On Supabase the same holds for its own schemas, and for all extensions, event triggers, publications, default
      privileges and rights in schema public.
    """
    majors = {live.facts.major, replayed.major}

    def shared(schema: Schema) -> Objects:
        return {
            versions.called(name, found): versions.common(name, _plain(name, _requoted(found), replayed), majors)
            for name, found in schema.objects.items()
            if name.kind not in _OUTSIDE and versions.is_common(name, found, majors)
        }

    ground, files, there = map(shared, (replayed.ground, replayed.schema, live.schema))
    granted = shared(replayed.granted) if replayed.granted else files
    platform = _Platform(ground, files, supabase=live.supabase)
    left: Objects = {}
    right: Objects = {}
    for name in files.keys() | there.keys():
        mine, theirs = files.get(name), there.get(name)
        if platform.owns(name, mine if mine is not None else theirs or {}):
            continue
        if mine is not None:
            is_platform = name in ground and theirs is not None and not platform.is_compared_whole(name)
            if theirs is not None and name.kind != DEFAULT_PRIVILEGES:
                mine = _reowned(_nearer(mine, granted.get(name, mine), theirs), theirs)
            left[name] = _merged(ground[name], mine, theirs or {}) if is_platform else mine
        if theirs is not None:
            right[name] = theirs
    return Schema(left), Schema(right)


class _Platform:
    """What is the platform's: made by `bootstrap/`, or Supabase's own."""

    def __init__(self, ground: Objects, files: Objects, *, supabase: bool) -> None:
        self._ground = ground
        self._files = files
        self._supabase = supabase
        made = {name.name for name in ground if name.kind == "schema" and name != versions.PUBLIC}
        self._schemas = made | SUPABASE_SCHEMAS if supabase else made
        self._relations = {name.name for name, found in ground.items() if TABLE not in found}

    def is_compared_whole(self, name: Name) -> bool:
        """Tell whether `bootstrap/` says all of it, so that it is compared as if migrations had made it."""
        return not self._supabase and (name == versions.PUBLIC or name.kind == DEFAULT_PRIVILEGES)

    def owns(self, name: Name, found: Properties) -> bool:
        """Tell whether an object is the platform's and the migrations have left it alone."""
        if self.is_compared_whole(name):
            return False
        mine, ground = self._files.get(name), self._ground.get(name)
        if ground is not None:
            return ground == mine
        if mine is not None:
            return False
        if self._supabase and name.kind in _SUPABASE_KINDS:
            return True
        whole = found.get(TABLE)
        if whole is not None and self._is_made_by_migrations(str(whole)):
            return False
        return schema_of(name, found) in self._schemas or whole in self._relations

    def _is_made_by_migrations(self, whole: str) -> bool:
        return whole not in self._relations and any(
            Name(kind, whole) in self._files for kind in ("table", "view", "materialized view", "foreign table", "type")
        )


def _requoted(found: Properties) -> Properties:
    lists = {key: requoted(found[key]) for key in LISTS if key in found}
    return {**found, **lists} if lists else found


def _plain(name: Name, found: Properties, replayed: Replayed) -> Properties:
    """Take out of an object what says nothing about the migrations."""
    if name.kind == "extension":
        return {"schema": found.get("schema")}
    if name == versions.PUBLIC:
        owner = found.get("owner")
        acl = renamed(found.get("acl"), lambda role: _PUBLIC_OWNER if role == owner else role)
        rest = {key: value for key, value in found.items() if key != "owner"}
        return {**rest, "acl": without(acl, CREATE, replayed.may_create) or None}
    return found


def _nearer(files: Properties, granted: Properties, there: Properties) -> Properties:
    """Return an object with the rights that it has if it was made after default privileges, where that is nearer."""
    if files is granted or files == granted:
        return files
    found = dict(files)
    for key in LISTS:
        mine, more, theirs = (explode(each.get(key)) for each in (files, granted, there))
        if len(more ^ theirs) < len(mine ^ theirs):
            found[key] = collapse(more) or None
    return found


def _reowned(files: Properties, there: Properties) -> Properties:
    """Return an object with the rights that it has where only its owner has changed: that alone is the difference."""
    mine, theirs = files.get("owner"), there.get("owner")
    if mine == theirs or not (isinstance(mine, str) and isinstance(theirs, str)):
        return files
    lists = {key: renamed(files[key], lambda role: theirs if role == mine else role) for key in LISTS if key in files}
    return {**files, **{key: acl for key, acl in lists.items() if acl == there.get(key)}}


def _merged(ground: Properties, files: Properties, there: Properties) -> Properties:
    """Return an object of the platform with what the migrations changed of it."""
    found = dict(there)
    for key in files.keys() | ground.keys():
        mine, before, theirs = files.get(key), ground.get(key), there.get(key)
        if mine == before:
            continue
        if key in LISTS:
            old, new = explode(before), explode(mine)
            found[key] = collapse((explode(theirs) | (new - old)) - (old - new)) or None
        else:
            found[key] = mine
    return found
