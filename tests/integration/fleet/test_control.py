"""The list of targets as a query on a control database."""

from __future__ import annotations

import pytest

from sqlmigrate.config import Config
from sqlmigrate.errors import InventoryError
from sqlmigrate.fleet.inventory import Target, read


def asked(database, query):
    return read(Config(targets_query=query, control_database_url=database.url))


def test_a_query_lists_the_targets_and_changes_nothing(database, conn):
    conn.execute("CREATE SCHEMA ops; CREATE TABLE ops.tenant (id int, name text, tags text[])")
    conn.execute("INSERT INTO ops.tenant VALUES (2, 'bolt', NULL), (1, 'acme', '{canary,eu}')")
    columns = "'TENANTS_URL' AS url_env, name || '_schema' AS schema, tags, NULL::text AS cluster"

    found = asked(database, f"SELECT name, {columns} FROM ops.tenant ORDER BY id")

    assert found == (
        Target("acme", url_env="TENANTS_URL", schema="acme_schema", tags=("canary", "eu")),
        Target("bolt", url_env="TENANTS_URL", schema="bolt_schema"),
    )
    # the login's own search_path counts, and 'a b' is a text with tags
    conn.execute(f"ALTER ROLE migrator IN DATABASE {database.name} SET search_path = ops")
    assert asked(database, "SELECT name, 's' AS service, 'a b' AS tags FROM tenant LIMIT 1")[0].tags == ("a", "b")

    uuid = "'1b4e28ba-2fa1-41d2-883f-0016d3cca427'::uuid"
    assert asked(database, f"SELECT {uuid} AS name, 's' AS service")[0].name == "1b4e28ba-2fa1-41d2-883f-0016d3cca427"

    for query, message in (
        ("DELETE FROM tenant", "targets_query fails: cannot execute DELETE in a read-only transaction"),
        ("SELECT 1; SELECT 2", "targets_query fails: cannot insert multiple commands into a prepared statement"),
        ("SELECT 1 FROM missing", 'targets_query fails: relation "missing" does not exist'),
    ):
        with pytest.raises(InventoryError, match=message):
            asked(database, query)
    with pytest.raises(InventoryError) as caught:
        asked(database, "SELECT 7 AS name, 'x' AS service UNION ALL SELECT 8, NULL")
    assert [str(item) for item in caught.value.problems] == [
        "targets_query:1: targets[0].name: must be text, not the number 7",
        "targets_query:2: targets[1].name: must be text, not the number 8",
    ]
    assert conn.execute("SELECT count(*) FROM ops.tenant").fetchone() == (2,)
