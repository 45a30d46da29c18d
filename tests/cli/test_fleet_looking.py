"""What the commands of a fleet find out before anything runs, and what they refuse."""

from __future__ import annotations

import json

import pytest
from psycopg import sql

from sqlmigrate.cli.fleet.refusing import OF_APPLY, OF_ROLLBACK

TENANTS = ("acme", "bolt", "order")  # the last one is a key word


@pytest.fixture
def fleet(project, database, monkeypatch, tmp_path_factory):
    """A project with three schemas of one database as its targets, which have the first migration; gives a session."""
    monkeypatch.setenv("TENANTS_URL", database.url)
    monkeypatch.setenv("SQLMIGRATE_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    session = database.connect()
    for name in TENANTS:
        session.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    listed(project, [f"{name},,TENANTS_URL,{name}" for name in TENANTS])
    project.config('targets = "tenants.csv"\n')
    project.migration("1_a", "CREATE TABLE a (id int);\n", rollback="DROP TABLE a;\n")
    return session


def listed(project, rows):
    (project.root / "tenants.csv").write_text("\n".join(["name,url,url_env,schema", *rows, ""]))


@pytest.mark.parametrize(
    ("command", "options"), [(("apply",), OF_APPLY), (("rollback", "last"), OF_ROLLBACK)], ids=["apply", "rollback"]
)
def test_what_the_command_for_one_database_takes_and_a_fleet_does_not_is_refused_with_a_reason(
    sqlmigrate, command, options
):
    one = sqlmigrate(command[0], "--help").stdout
    many = sqlmigrate("fleet", command[0], "--help").stdout

    def taken(text):
        words = text.replace(",", " ").split("Options:")[1].split()
        return {word for word in words if word.startswith("--")}

    assert taken(one) - taken(many) == set(options)
    for option, why in options.items():
        flag = option in {"--embedded", "--all", "--seed", "--check-drift"}
        refused = sqlmigrate("fleet", *command, option, *([] if flag else ["7"]))
        assert refused.status == 2
        assert f"{option}: {why}" in refused.stderr


def test_what_a_rollback_would_take_back_is_shown_with_what_is_lost_and_where(project, fleet, sqlmigrate):
    assert sqlmigrate("fleet", "apply", "--wave", "1").status == 0
    run = sqlmigrate("fleet", "apply", "--json").document["run_id"]
    fleet.execute('INSERT INTO "order".a VALUES (1); INSERT INTO acme.a VALUES (1)')

    shown = sqlmigrate("fleet", "rollback", run, "--dry-run")
    plans = sqlmigrate("fleet", "rollback", run, "--dry-run", "--json").document["plans"]

    assert shown.status == 0
    assert shown.lines == [
        "2 targets at 1_a: order, bolt", "  1_a", "  data is lost in 1 target: order",
        "    order: table order.a: 1 row, 1 value", "1 target at 1_a: acme", "  nothing to do",
    ]  # fmt: skip
    assert [(plan["count"], plan["migrations"]) for plan in plans] == [(2, ["1_a"]), (1, [])]
    assert [(item["target"], item["losses"][0]["rows"]) for item in plans[0]["losing"]] == [("order", 1)]
    assert len(sqlmigrate("fleet", "runs", "--json").document["runs"]) == 2


def test_two_addresses_of_one_database_are_named(project, fleet, sqlmigrate, database):
    folder = database.server.host
    other = f"host={folder}/../{folder.rpartition('/')[2]} port={database.server.port} dbname={database.name}"
    rows = [f"{name},,TENANTS_URL,{name}" for name in TENANTS]
    listed(project, [*rows, f"twin,{other} user=migrator,,acme"])

    [pending, odd] = sqlmigrate("fleet", "status", "--json").document["groups"]
    outcome = sqlmigrate("fleet", "apply", "--concurrency", "1", "--json")

    assert (pending["count"], odd["targets"], odd["state"]) == (3, ["twin"], "odd")
    assert odd["why"] == ["the same as acme: its address leads to the same history"]
    assert (outcome.status, outcome.document["counts"]) == (1, {"done": 3, "failed": 1})
    [failure] = outcome.document["failures"]
    assert failure["message"] == "it is the same as acme: its address leads to the same history"
    assert len(failure["targets"]) == 1


def test_what_postgresql_refuses_us_in_one_target_is_told_in_its_words_and_is_no_bug(fleet, sqlmigrate, admin):
    admin.execute("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_postmaster_start_time() FROM PUBLIC")

    for command in ("apply", "status", "plan", "drift"):
        outcome = sqlmigrate("fleet", command)
        told = outcome.stdout + outcome.stderr
        assert "permission denied for function pg_postmaster_start_time" in told, command
        assert "bug" not in told, command


def test_very_many_targets_that_are_away_are_one_group_and_what_is_odd_fits_on_a_screen(project, fleet, sqlmigrate):
    rows = [f"{name},,TENANTS_URL,{name}" for name in TENANTS]
    away = [f"away{number},host=127.0.0.1 port={number} user=x dbname=d{number},," for number in range(1, 8)]
    gone = [f"gone{number},,TENANTS_URL,none{number}" for number in range(60)]
    listed(project, [*rows, *away, *gone])

    groups = sqlmigrate("fleet", "status", "--json").document["groups"]

    assert [(group["count"], group["state"]) for group in groups] == [
        (3, "pending"), (60, "unreachable"), (7, "unreachable"),
    ]  # fmt: skip
    planned = sqlmigrate("fleet", "plan")
    assert planned.status == 1
    assert planned.lines[:3] == [
        "3 targets: acme, bolt, order",
        "  1_a",
        "60 targets: gone0, gone1, gone2, gone3, gone4 and 55 more",
    ]
    assert all("\n" not in line for line in planned.lines)


def test_a_script_that_leaves_the_schema_of_its_tenant_is_refused_before_anything_runs(project, fleet, sqlmigrate):
    project.migration("2_b", "SET search_path = public;\nCREATE TABLE b ();\n", rollback="DROP TABLE b;\n")

    planned = sqlmigrate("fleet", "plan")
    outcome = sqlmigrate("fleet", "apply", "--json")

    said = "2_b.sql:1:1: sets the search_path, so what follows would not be done in the tenant's schema"
    assert planned.status == 1
    assert said in planned.stdout
    assert outcome.document["counts"] == {"failed": 3}
    assert said in outcome.document["failures"][0]["message"]
    assert fleet.execute("SELECT count(*) FROM pg_tables WHERE tablename IN ('a', 'b')").fetchone() == (0,)


def test_tenants_with_a_role_of_their_own_are_the_same_and_databases_are_compared_with_databases(
    new_role, project, fleet, sqlmigrate, database
):
    rows = [f"{name},,TENANTS_URL,{name}" for name in TENANTS]
    listed(project, [*rows, "whole,,TENANTS_URL,"])
    assert sqlmigrate("fleet", "apply").status == 0
    with database.connect_superuser() as session:
        for name in TENANTS[:2]:
            role = sql.Identifier(new_role())
            names = {"role": role, "schema": sql.Identifier(name)}
            for command in ("ALTER SCHEMA {schema} OWNER TO {role}", "ALTER TABLE {schema}.a OWNER TO {role}"):
                session.execute(sql.SQL(command).format(**names))
    same = sqlmigrate("fleet", "drift")
    assert (same.status, same.stdout) == (
        0, "3 targets with the same schema: acme, bolt, order\n1 target with the same schema: whole\n",
    )  # fmt: skip

    with database.connect_superuser() as session:
        session.execute("ALTER TABLE acme.a OWNER TO migrator")
    other = sqlmigrate("fleet", "drift")

    assert other.status == 3
    assert other.lines[1] == "1 target with another one: acme"


def test_what_else_is_in_the_schema_of_the_history_makes_another_group(project, database_factory, sqlmigrate):
    project.config('history_schema = "public"\n')
    targets = {name: database_factory() for name in ("one", "two")}
    listed = [{"name": name, "url": database.url} for name, database in targets.items()]
    (project.root / "targets.json").write_text(json.dumps({"targets": listed}))
    assert sqlmigrate("fleet", "drift", "--targets", "targets.json").status == 0

    targets["two"].connect().execute("CREATE TABLE by_hand (x int)")

    outcome = sqlmigrate("fleet", "drift", "--targets", "targets.json")
    assert (outcome.status, "by_hand" in outcome.stdout) == (3, True), outcome
