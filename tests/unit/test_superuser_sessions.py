"""Where a superuser's session in a throwaway database may be opened, and why no code of a script runs there."""

from __future__ import annotations

import ast

from support.places import ROOT

SOURCES = ROOT / "src" / "sqlmigrate"

# Whoever adds a place says here why nothing that a script has made can run there: no trigger, default, CHECK, index
# expression, cast, operator or event trigger. See docs/review-safety.md.
ALLOWED = {
    "shadow/databases.py:_carry": "rows of catalogs, under our own search_path and by exact names",
    "shadow/databases.py:_drop": "ROLLBACK PREPARED and DROP SUBSCRIPTION, with event triggers off",
    "shadow/restoring.py:opened": "commands of a dump that no function takes part in, with event triggers off",
    "shadow/server.py:ground": "roles and tablespaces, before any script",
    "shadow/server.py:_adopt": "ALTER DATABASE and ALTER ROLE, before any script",
    "shadow/server.py:elsewhere": "ALTER DATABASE and ALTER ROLE, which no event trigger sees; those on login are off",
    "shadow/server.py:_run_bootstrap": "bootstrap/, before any script",
    "review/dependents/checking.py:create_checker": "CREATE EXTENSION in a schema of its own, without event triggers",
    "review/workload/sized.py:_plans": (
        "files grow, and numbers go into pg_class and pg_statistic by PostgreSQL's own functions: no value of a type"
    ),
    "drift/replay.py:_empower": "GRANT and ALTER ROLE, before any script",
    "drift/replay.py:_let_create": "GRANT, before the scripts of that database",
    "drift/replay.py:_make": "ALTER DEFAULT PRIVILEGES, before the scripts of that database",
}


def test_a_superusers_session_is_opened_only_where_no_script_can_reach_it():
    found = {
        f"{path.relative_to(SOURCES)}:{function.name}"
        for path in SOURCES.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == "admin_conninfo"
    }

    assert found == ALLOWED.keys()
