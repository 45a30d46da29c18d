"""The queries that make up a schema, each with the catalog whose objects it is asked for."""

from __future__ import annotations

import re
from functools import cache

from sqlmigrate import queries

# From the file of queries and the block in it to the catalog of the units that it reads.
BLOCKS = {
    "relations": {
        "relations": "pg_class",
        "sequences": "pg_class",
        "columns": "pg_class",
        "other_columns": "pg_class",
        "constraints": "pg_class",
        "indexes": "pg_class",
        "triggers": "pg_class",
        "internal_triggers": "pg_class",
        "rules": "pg_class",
        "policies": "pg_class",
        "statistics": "pg_class",
    },
    "types": {
        "types": "pg_type",
        "ranges": "pg_type",
        "base_types": "pg_type",
        "attributes": "pg_type",
        "domain_constraints": "pg_type",
    },
    "routines": {"routines": "pg_proc", "aggregates": "pg_proc"},
    "others": {
        "schemas": "pg_namespace",
        "extensions": "pg_extension",
        "casts": "pg_cast",
        "operators": "pg_operator",
        "operator_families": "pg_opfamily",
        "operator_classes": "pg_opclass",
        "family_operators": "pg_amop",
        "family_functions": "pg_amproc",
        "collations": "pg_collation",
        "conversions": "pg_conversion",
        "languages": "pg_language",
        "access_methods": "pg_am",
        "transforms": "pg_transform",
        "foreign_data_wrappers": "pg_foreign_data_wrapper",
        "servers": "pg_foreign_server",
        "user_mappings": "pg_user_mapping",
        "text_search_configurations": "pg_ts_config",
        "text_search_dictionaries": "pg_ts_dict",
        "text_search_parsers": "pg_ts_parser",
        "text_search_templates": "pg_ts_template",
        "publications": "pg_publication",
        "publication_tables": "pg_publication",
        "subscriptions": "pg_subscription",
        "event_triggers": "pg_event_trigger",
        "default_privileges": "pg_default_acl",
        "large_objects": "pg_largeobject_metadata",
    },
}
# What is cheaper to read each time than to stamp.
UNSTAMPED = {
    "always": ("database", "settings"),
    "cluster": ("roles", "memberships", "role_settings", "databases", "tablespaces", "parameters"),
    "superuser": ("system_settings",),
}

_MARK = re.compile(r" -- (?:since (\d+)|from (\d+) to (\d+))$")


@cache
def block(file: str, name: str, major: int) -> str:
    """Return a query as one major version understands it; an empty one where there is nothing to ask it.

    A line that ends in `-- since 15` or `-- from 15 to 16` is there for those versions only: this is the one place
    where versions differ.
    """
    return "\n".join(line for line in queries.load(f"catalog/{file}")[name].splitlines() if _known(line, major))


def _known(line: str, major: int) -> bool:
    mark = _MARK.search(line)
    if mark is None:
        return True
    since, first, last = mark.groups()
    return int(since or first) <= major <= int(last or major)
