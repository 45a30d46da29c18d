"""What each tool's files become: the SQL as it is, without the tool's markers."""

from __future__ import annotations

import json

import pytest

from sqlmigrate import migrations
from support.importing import imported

UP = "CREATE TABLE a (id int);\n"
DOWN = "DROP TABLE a;\n"
LATER = "CREATE INDEX CONCURRENTLY i ON a (id);\n"
JOURNAL = {
    "version": "7",
    "dialect": "postgresql",
    "entries": [
        {"idx": 0, "when": 1700000000000, "tag": "0000_a", "breakpoints": True},
        {"idx": 1, "when": 1700000001000, "tag": "0001_b", "breakpoints": True},
    ],
}
STREAM = """\
BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,{blank}
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 4e7f661ca5c4

CREATE TABLE a (id int);

INSERT INTO alembic_version (version_num) VALUES ('4e7f661ca5c4') RETURNING alembic_version.version_num;

-- Running upgrade 4e7f661ca5c4 -> d1b5b40d7c4f

COMMIT;

CREATE INDEX CONCURRENTLY i ON a (id);

BEGIN;

UPDATE alembic_version SET version_num='d1b5b40d7c4f' WHERE alembic_version.version_num = '4e7f661ca5c4';

-- Running upgrade d1b5b40d7c4f, 4e7f661ca5c4 -> 3d1a97bd6801

INSERT INTO a VALUES (1); -- Running upgrade x -> y;

COMMENT ON TABLE a IS '
-- Running upgrade p -> q
';

UPDATE alembic_version SET version_num='3d1a97bd6801' WHERE alembic_version.version_num = 'd1b5b40d7c4f';

COMMIT;

BEGIN;

-- Running downgrade 3d1a97bd6801 -> d1b5b40d7c4f, 4e7f661ca5c4

DELETE FROM a;

UPDATE alembic_version SET version_num='d1b5b40d7c4f' WHERE alembic_version.version_num = '3d1a97bd6801';

-- Running downgrade 4e7f661ca5c4 ->{blank}

DROP TABLE a;

DELETE FROM alembic_version WHERE alembic_version.version_num = '4e7f661ca5c4';

COMMIT;
""".format(blank=" ")
PLAN = """\
%syntax-version=1.0.0
%project=shop
%uri=https://example.org/shop/

users 2024-01-01T10:00:00Z A <a@example.org> # first
@v1 2024-01-02T10:00:00Z A <a@example.org> # tagged

lists [users] 2024-01-03T10:00:00Z A <a@example.org> # second
users [users@v1 lists !other] 2024-01-04T10:00:00Z A <a@example.org> # again
"""
CASES = {
    "dbmate": (
        {
            "20240101_a.sql": f"-- migrate:up\n{UP}\n-- migrate:down\n{DOWN}",
            "20240102_b.sql": (
                f"-- why\n--migrate:up transaction:false\n{LATER}-- migrate:down transaction:false\nDROP INDEX i;"
            ),
            "20240103_c.sql": "-- migrate:up\nSELECT 1;\n-- migrate:down\n",
            "README.md": "nothing",
        },
        {
            "20240101_a.sql": f"{UP}\n",
            "20240101_a.rollback.sql": DOWN,
            "20240102_b.sql": f"-- transactional: false\n{LATER}",
            "20240102_b.rollback.sql": "DROP INDEX i;",
            "20240103_c.sql": "SELECT 1;\n",
        },
    ),
    "goose": (
        {
            "00001_a.sql": f"-- +goose Up\n{UP}\n-- +goose Down\n{DOWN}",
            "00002_f.sql": (
                "-- +goose Up\n-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n"
                "SELECT 1;\n$$\n-- +goose StatementEnd\nSELECT 2;\n-- +goose Down\nDROP FUNCTION f();\n"
            ),
            "00003_i.sql": f"-- +goose NO TRANSACTION\n-- +goose Up\n{LATER}",
        },
        {
            "00001_a.sql": f"{UP}\n",
            "00001_a.rollback.sql": DOWN,
            "00002_f.sql": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\nSELECT 1;\n$$\n;\nSELECT 2;\n",
            "00002_f.rollback.sql": "DROP FUNCTION f();\n",
            "00003_i.sql": f"-- transactional: false\n{LATER}",
        },
    ),
    "golang-migrate": (
        {
            "000001_a.up.sql": f"BEGIN;\n{UP}COMMIT;\n",
            "000001_a.down.sql": f"BEGIN;\n\n{DOWN}\nEND;",
            "000002_i.up.sql": LATER,
        },
        {
            "000001_a.sql": UP,
            "000001_a.rollback.sql": f"\n{DOWN}\n",
            "000002_i.sql": f"-- transactional: false\n{LATER}",
        },
    ),
    "flyway": (
        {
            "V1_1__a.sql": UP,
            "U1.1__a.sql": DOWN,
            "deep/V2__i.sql": LATER,
            "V3__x.sql": "SELECT '${kept}';\n",
            "V3__x.sql.conf": "# said\nplaceholderReplacement=false\nexecuteInTransaction=false\n",
        },
        {
            "V1_1__a.sql": UP,
            "V1_1__a.rollback.sql": DOWN,
            "V2__i.sql": f"-- transactional: false\n{LATER}",
            "V3__x.sql": "-- transactional: false\nSELECT '${kept}';\n",
        },
    ),
    "supabase": (
        {"20240101000000_a.sql": UP, "20240102000000_b.sql": f"begin;\r\n{UP}commit;\r\n"},
        {"20240101000000_a.sql": UP, "20240102000000_b.sql": UP},
    ),
    "drizzle": (
        {
            "meta/_journal.json": json.dumps(JOURNAL),
            "0000_a.sql": 'CREATE TABLE "a" ();\n--> statement-breakpoint\nCREATE TABLE "b" ();',
            "0001_b.sql": 'CREATE TABLE "c" ()--> statement-breakpoint\nCREATE TABLE "d" ()',
        },
        {
            "0000_a.sql": 'CREATE TABLE "a" ();\n\nCREATE TABLE "b" ();',
            "0001_b.sql": 'CREATE TABLE "c" ();\nCREATE TABLE "d" ()',
        },
    ),
    "sqitch": (
        {
            "sqitch.plan": PLAN,
            "deploy/users.sql": f"-- Deploy shop:users to pg\n\nBEGIN;\n\n{UP}\nCOMMIT;\n",
            "deploy/users@v1.sql": f"BEGIN;\n{UP}COMMIT;\n",
            "revert/users@v1.sql": f"BEGIN;\n{DOWN}COMMIT;\n",
            "verify/users@v1.sql": "BEGIN;\nSELECT id\n  FROM a\n WHERE FALSE;\nROLLBACK;\n",
            "deploy/lists.sql": "SELECT 1;\n",
        },
        {
            "0001_users@v1.sql": UP,
            "0001_users@v1.rollback.sql": DOWN,
            "0002_lists.sql": "-- depends: 0001_users@v1\nSELECT 1;\n",
            "0003_users.sql": f"-- depends: 0002_lists 0001_users@v1\n-- Deploy shop:users to pg\n\n\n{UP}\n",
            "samples/0002_lists.expect.sql": (
                "SELECT count(verified) >= 0 FROM (\nSELECT id\n  FROM a\n WHERE FALSE\n) AS verified;\n"
            ),
        },
    ),
    "sqlx": (
        {
            "20240101_a.sql": UP,
            "20240102_b.up.sql": UP,
            "20240102_b.down.sql": DOWN,
            "20240103_i.sql": f"-- no-transaction\n{LATER}",
        },
        {
            "20240101_a.sql": UP,
            "20240102_b.sql": UP,
            "20240102_b.rollback.sql": DOWN,
            "20240103_i.sql": f"-- transactional: false\n-- no-transaction\n{LATER}",
        },
    ),
    "prisma": (
        {"20240101000000_a/migration.sql": UP, "20240102000000_b/migration.sql": LATER, "migration_lock.toml": ""},
        {"20240101000000_a.sql": UP, "20240102000000_b.sql": f"-- transactional: false\n{LATER}"},
    ),
    "diesel": (
        {
            "00000000000000_setup/up.sql": UP,
            "2024-01-01-000000_a/up.sql": LATER,
            "2024-01-01-000000_a/down.sql": "DROP INDEX i;\n",
            "2024-01-01-000000_a/metadata.toml": "run_in_transaction = false\n",
        },
        {
            "00000000000000_setup.sql": UP,
            "2024-01-01-000000_a.sql": f"-- transactional: false\n{LATER}",
            "2024-01-01-000000_a.rollback.sql": "DROP INDEX i;\n",
        },
    ),
    "node-pg-migrate": (
        {
            "1700000000000_a.sql": f"-- Up Migration\n{UP}\n-- Down Migration\n{DOWN}",
            "1700000000001_b.sql": f"---- down migration\n{DOWN}---- up migration\n{UP}",
            "1700000000002_c.sql": UP,
        },
        {
            "1700000000000_a.sql": f"{UP}\n",
            "1700000000000_a.rollback.sql": DOWN,
            "1700000000001_b.sql": UP,
            "1700000000001_b.rollback.sql": DOWN,
            "1700000000002_c.sql": UP,
        },
    ),
    "django": (
        {
            "plan.txt": (
                "[X]  shop.0001_a\n[X]  shop.0002_i ... (shop.0001_a)\n[ ]  shop.0003_n ... (shop.0002_i, x.y)\n"
            ),
            "shop.0001_a.sql": f"BEGIN;\n--\n-- Create a\n--\n{UP}COMMIT;\n",
            "shop.0001_a.down.sql": f"BEGIN;\n--\n-- Create a\n--\n{DOWN}COMMIT;\n",
            "shop.0002_i.sql": f"--\n-- Raw SQL operation\n--\n{LATER}",
            "shop.0002_i.down.sql": "",
            "shop.0003_n.sql": "BEGIN;\n--\n-- Change options\n--\n-- (no-op)\nCOMMIT;\n",
            "shop.0003_n.down.sql": "BEGIN;\n--\n-- Change options\n--\n-- (no-op)\nCOMMIT;\n",
        },
        {
            "0001_shop.0001_a.sql": f"--\n-- Create a\n--\n{UP}",
            "0001_shop.0001_a.rollback.sql": f"--\n-- Create a\n--\n{DOWN}",
            "0002_shop.0002_i.sql": (
                f"-- depends: 0001_shop.0001_a\n-- transactional: false\n--\n-- Raw SQL operation\n--\n{LATER}"
            ),
            "0003_shop.0003_n.sql": "-- depends: 0002_shop.0002_i\n--\n-- Change options\n--\n-- (no-op)\n",
        },
    ),
    "graphile-migrate": (
        {
            "committed/000001.sql": f"--! Previous: -\n--! Hash: sha1:aa\n\n{UP}",
            "committed/000002-i.sql": (
                f"--! Previous: sha1:aa\n--! Hash: sha1:bb\n--! Message: i\n\n--! no-transaction\n{LATER}"
            ),
            "current.sql": "-- Enter migration here\n",
        },
        {"000001.sql": UP, "000002-i.sql": f"-- transactional: false\n--! no-transaction\n{LATER}"},
    ),
}


@pytest.mark.parametrize("tool", CASES)
def test_the_files_become_pairs_with_the_same_sql(tool, tmp_path):
    theirs, ours = CASES[tool]

    outcome = imported(tmp_path, tool, theirs)

    assert outcome.files == ours
    assert not [problem for problem in outcome.done.problems if not problem.warning]


@pytest.mark.parametrize("tool", CASES)
def test_a_second_import_writes_nothing_and_nothing_of_theirs_is_changed(tool, tmp_path):
    theirs, _ = CASES[tool]
    first = imported(tmp_path, tool, theirs)
    again = imported(tmp_path, tool, theirs)

    assert (again.done.new, again.done.unchanged) == ((), first.done.new)
    assert again.files == first.files
    assert {
        path.relative_to(tmp_path / "theirs").as_posix()
        for path in (tmp_path / "theirs").rglob("*.*")
        if path.is_file()
    } == set(theirs)


@pytest.mark.parametrize("tool", CASES)
def test_a_dry_run_says_the_same_and_writes_nothing(tool, tmp_path):
    theirs, ours = CASES[tool]

    outcome = imported(tmp_path, tool, theirs, write=False)

    assert outcome.files == {}
    assert {path.relative_to(tmp_path / "sql").as_posix() for path in outcome.done.files} == set(ours)


@pytest.mark.parametrize("tool", CASES)
def test_what_was_written_can_be_read_and_runs_in_their_order(tool, tmp_path):
    outcome = imported(tmp_path, tool, CASES[tool][0])

    found = migrations.load(tmp_path / "sql", order=outcome.done.order)
    assert [item.migration_id for item in found.ordered] == list(outcome.done.new)


def test_alembic_is_cut_at_its_comments_and_only_between_statements(tmp_path):
    outcome = imported(tmp_path, "alembic", {"up.sql": STREAM}, "up.sql")

    assert outcome.files == {
        "0001_4e7f661ca5c4.sql": "CREATE TABLE a (id int);\n",
        "0001_4e7f661ca5c4.rollback.sql": "DROP TABLE a;\n",
        "0002_d1b5b40d7c4f.sql": (
            "-- depends: 0001_4e7f661ca5c4\n-- transactional: false\nCREATE INDEX CONCURRENTLY i ON a (id);\n"
        ),
        "0003_3d1a97bd6801.sql": (
            "-- depends: 0002_d1b5b40d7c4f 0001_4e7f661ca5c4\nINSERT INTO a VALUES (1); -- Running upgrade x -> y;\n\n"
            "COMMENT ON TABLE a IS '\n-- Running upgrade p -> q\n';\n"
        ),
        "0003_3d1a97bd6801.rollback.sql": "DELETE FROM a;\n",
    }
    assert outcome.said == []


def test_a_new_revision_gets_the_next_number_wherever_it_stands_in_the_stream(tmp_path):
    step = "-- Running upgrade {} -> {}\n\nSELECT 1;\n\n"
    imported(tmp_path, "alembic", {"up.sql": step.format("", "aa") + step.format("aa", "cc")}, "up.sql")
    text = step.format("", "aa") + step.format("aa", "bb") + step.format("aa", "cc")
    outcome = imported(tmp_path, "alembic", {"up.sql": text}, "up.sql")

    assert (outcome.done.new, outcome.done.unchanged) == (("0003_bb",), ("0001_aa", "0002_cc"))


def test_what_django_prints_no_sql_for_is_named_and_such_an_undo_left_out(tmp_path):
    step = "--\n-- Raw Python operation\n--\n-- THIS OPERATION CANNOT BE WRITTEN AS SQL\n"
    files = {
        "plan.txt": "[X]  shop.0001_a\n[X]  shop.0002_b ... (shop.0001_a)\n[X]  shop.0003_c\n",
        "shop.0001_a.sql": f"BEGIN;\n{step}{UP}COMMIT;\n",
        "shop.0001_a.down.sql": f"BEGIN;\n{DOWN}{step}COMMIT;\n",
        "shop.0002_b.sql": "",
    }

    outcome = imported(tmp_path, "django", files)

    assert outcome.files == {"0001_shop.0001_a.sql": f"{step}{UP}"}
    assert outcome.said == [
        "shop.0001_a.sql:5: a step in Python cannot be written as SQL",
        "shop.0001_a.down.sql:6: a step in Python cannot be written as SQL",
        "shop.0002_b.sql: it is empty, so sqlmigrate of Django failed",
        "plan.txt:3: there is no file shop.0003_c.sql",
    ]
    assert outcome.done.refused == ("0002_shop.0002_b", "0003_shop.0003_c")


def test_django_without_its_plan_says_how_to_write_it(tmp_path):
    outcome = imported(tmp_path, "django", {"shop.0001_a.sql": UP})

    assert outcome.said == ["plan.txt: is not there: it says in which order Django runs them"]
    assert "showmigrations --plan -v 2" in str(outcome.done.problems[0].hint)
