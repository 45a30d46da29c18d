"""Default privileges that give another role more than it should have of what we make."""

from __future__ import annotations

from typing import Any

import psycopg

DEFAULTS = """
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {other};
ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO {other};
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO {other};
ALTER DEFAULT PRIVILEGES GRANT CREATE ON SCHEMAS TO PUBLIC
"""


def rights_of_others(admin: psycopg.Connection[Any], schema: str) -> list[tuple[Any, ...]]:
    """Give who else may do what: with the schema, its sequences (S) and its tables (r)."""
    found = admin.execute(
        "SELECT DISTINCT granted.grantee::regrole::text, what, granted.privilege_type FROM ("
        " SELECT relkind::text, relowner, relacl FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace"
        " WHERE nspname = %(schema)s AND relkind IN ('r', 'S')"
        " UNION ALL SELECT '', nspowner, nspacl FROM pg_namespace WHERE nspname = %(schema)s"
        ") AS found (what, owner, acl), aclexplode(acl) AS granted WHERE granted.grantee <> owner",
        {"schema": schema},
    ).fetchall()
    return sorted(found)
