"""What each tool sends to PostgreSQL for its files, as `import --check` runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sqlmigrate.importing.checking.layouts import steps
from sqlmigrate.importing.folder import Folder
from sqlmigrate.importing.tools import NAMES, named
from support.importing import written

JOURNAL = json.dumps({"entries": [{"tag": "0001_b", "when": 2}, {"tag": "0000_a", "when": 3}]})
STREAM = """\
BEGIN;

CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);

-- Running upgrade  -> a

CREATE TABLE a ();

-- Running upgrade a -> b

COMMIT;

CREATE INDEX CONCURRENTLY i ON a (id);

BEGIN;

COMMIT;

-- Running downgrade b -> a

DROP TABLE a;
"""
PLAN = "%project=x\n\na 2024 Me <m> # one\n@v1 2024 Me <m>\nb [a] 2024 Me <m>\na [a@v1] 2024 Me <m>\n"
GOOSE = """\
-- +goose Up
CREATE TABLE a (
    id int -- no; end
);
-- a comment;
SELECT 1; -- done
-- +goose StatementBegin
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$
  SELECT 1;
$$;
-- +goose StatementEnd
-- +goose Down
DROP TABLE a;
"""
CASES = {
    "dbmate": (
        {
            "2_b.sql": "-- migrate:up transaction:false\nVACUUM;\n-- migrate:down\nDROP;\n",
            "10_a.sql": "-- first\n-- migrate:up\nSELECT 1;\n",
            "README.sql": "",
        },
        [("10_a.sql", True, ["SELECT 1;\n"]), ("2_b.sql", False, ["VACUUM;\n"])],
    ),
    "goose": (
        {"10_b.sql": "-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;\n", "2_a.sql": GOOSE, "3_c.go": ""},
        [
            (
                "2_a.sql",
                True,
                [
                    "CREATE TABLE a (\n    id int -- no; end\n);\n",
                    "SELECT 1; -- done\n",
                    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n  SELECT 1;\n$$;\n",
                ],
            ),
            ("10_b.sql", False, ["VACUUM;\n"]),
        ],
    ),
    "golang-migrate": (
        {"10_b.up.sql": "SELECT 10;", "2_a.up.sql": "BEGIN; SELECT 2; COMMIT;", "2_a.down.sql": "SELECT 0;"},
        [("2_a.up.sql", False, ["BEGIN; SELECT 2; COMMIT;"]), ("10_b.up.sql", False, ["SELECT 10;"])],
    ),
    "flyway": (
        {
            "B1__base.sql": "SELECT 1;",
            "V1_10__b.sql": "VACUUM;",
            "V1_10__b.sql.conf": "executeInTransaction=false\n",
            "more/V1.9__a.sql": "SELECT 9;",
            "U1.9__a.sql": "SELECT 0;",
            "B1_10__other.sql": "SELECT 0;",
        },
        [
            ("B1__base.sql", True, ["SELECT 1;"]),
            ("V1.9__a.sql", True, ["SELECT 9;"]),
            ("V1_10__b.sql", False, ["VACUUM;"]),
        ],
    ),
    "supabase": (
        {"20200101000000_init.sql": "SELECT 0;", "20240101000000_a.sql": "SELECT 1;", "notes.sql": "SELECT 0;"},
        [("20240101000000_a.sql", False, ["SELECT 1;"])],
    ),
    "drizzle": (
        {
            "meta/_journal.json": JOURNAL,
            "0000_a.sql": "SELECT 1\n--> statement-breakpoint\nSELECT 2",
            "0001_b.sql": "SELECT 3",
        },
        [("0001_b.sql", True, ["SELECT 3"]), ("0000_a.sql", True, ["SELECT 1\n", "\nSELECT 2"])],
    ),
    "alembic": (
        {"up.sql": STREAM},
        [
            (
                "a",
                False,
                ["BEGIN", "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)", *["CREATE TABLE a ()"]],
            ),
            ("b", False, ["COMMIT", "CREATE INDEX CONCURRENTLY i ON a (id)", "BEGIN", "COMMIT"]),
        ],
    ),
    "sqitch": (
        {
            "sqitch.plan": PLAN,
            "deploy/a@v1.sql": "BEGIN; SELECT 1; COMMIT;",
            "deploy/a.sql": "SELECT 3;",
            "deploy/b.sql": "COPY t FROM stdin;\n1\n\\.\n",
        },
        [
            ("a@v1.sql", False, ["BEGIN", "SELECT 1", "COMMIT"]),
            ("b.sql", False, ["COPY t FROM stdin"]),
            ("a.sql", False, ["SELECT 3"]),
        ],
    ),
    "sqlx": (
        {"10_b.sql": "-- no-transaction\nVACUUM;", "2_a.up.sql": "SELECT 1;", "2_a.down.sql": "SELECT 0;"},
        [("2_a.up.sql", True, ["SELECT 1;"]), ("10_b.sql", False, ["-- no-transaction\nVACUUM;"])],
    ),
    "prisma": (
        {"2_b/migration.sql": "SELECT 2;", "1_a/migration.sql": "SELECT 1;", "migration_lock.toml": ""},
        [("migration.sql", False, ["SELECT 1;"]), ("migration.sql", False, ["SELECT 2;"])],
    ),
    "diesel": (
        {
            "2024-01-02_b/up.sql": "VACUUM;",
            "2024-01-02_b/metadata.toml": "run_in_transaction = false\n",
            "20240101_a/up.sql": "SELECT 1;",
        },
        [("up.sql", True, ["SELECT 1;"]), ("up.sql", False, ["VACUUM;"])],
    ),
    "node-pg-migrate": (
        {
            "2_a.sql": "-- Down Migration\nSELECT 0;\n-- Up Migration\nSELECT 1;\n",
            "10_b.sql": "SELECT 2;\n-- Down Migration\nSELECT 0;\n",
            "3_c.js": "",
        },
        [("2_a.sql", True, ["SELECT 1;\n"]), ("10_b.sql", True, ["SELECT 2;\n"])],
    ),
    "graphile-migrate": (
        {
            "committed/000001-a.sql": "--! Previous: -\n--! Hash: sha1:1\n\nSELECT 1;\n",
            "committed/000002.sql": "--! Previous: sha1:1\n--! Hash: sha1:2\n\n--! no-transaction\nVACUUM;\n",
            "current.sql": "SELECT 0;",
        },
        [
            ("000001-a.sql", True, ["--! Previous: -\n--! Hash: sha1:1\n\nSELECT 1;\n"]),
            ("000002.sql", False, ["--! Previous: sha1:1\n--! Hash: sha1:2\n\n--! no-transaction\nVACUUM;\n"]),
        ],
    ),
    "django": (
        {
            "plan.txt": "[X]  b.0001_b\n[ ]  a.0001_a ... (b.0001_b)\n[ ]  a.0002_gone\n",
            "a.0001_a.sql": "BEGIN;\n--\n-- Raw SQL operation\n--\nSELECT 1;\nCOMMIT;\n",
            "b.0001_b.sql": "SELECT 2;\n",
        },
        [("b.0001_b.sql", False, ["SELECT 2"]), ("a.0001_a.sql", False, ["BEGIN", "SELECT 1", "COMMIT"])],
    ),
}
EACH_IN_ITS_OWN = {"flyway", "sqitch", "supabase"}


@pytest.mark.parametrize("tool", NAMES)
def test_a_tool_sends_its_files_in_its_order_as_it_cuts_them(tool: str, tmp_path: Path) -> None:
    files, expected = CASES[tool]
    folder = Folder(written(tmp_path, files))
    if named(tool).streams:
        folder = Folder(Path(), named=(tmp_path / "up.sql",))

    found = steps(named(tool), folder)

    assert [
        (Path(step.key).name, step.transactional, [one.text for one in step.messages]) for step in found
    ] == expected
    for step in found:
        assert all(step.source.text.startswith(one.text, one.offset) for one in step.messages)
    shared = [step.goes_on for step in found]
    assert shared == [number > 0 and tool not in EACH_IN_ITS_OWN for number in range(len(found))]
