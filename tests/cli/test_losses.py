"""What is lost: said before `rollback` and `apply` go on, and accepted by a flag or a typed word."""

from __future__ import annotations

import json

import pytest

from sqlmigrate import api
from sqlmigrate.errors import LossNotAccepted
from support.command import program, terminal
from support.contents import applied, tables
from support.places import ROOT


@pytest.fixture
def shop(project, target, sqlmigrate):
    """A table of two migrations, with rows: `b` has added a column that is filled in two of three rows."""
    project.migration("a", "CREATE TABLE orders (id integer PRIMARY KEY);\n", rollback="DROP TABLE orders;\n")
    project.migration(
        "b", "ALTER TABLE orders ADD COLUMN note text;\n", rollback="ALTER TABLE orders DROP COLUMN note;\n"
    )
    assert sqlmigrate("apply").status == 0
    target.connect().execute("INSERT INTO orders VALUES (1, 'x'), (2, 'y'), (3, NULL)")
    return target


def proof(project, verdict):
    """Record a proof with the verdict, which fits the files."""
    from sqlmigrate.roundtrip import RoundTrip, Verdict, proofs  # noqa: PLC0415

    proofs.write(project.load(), [RoundTrip("b", Verdict(verdict), base="x", postgresql=18)])


def test_without_a_terminal_a_rollback_that_loses_data_is_refused_with_yes_too(shop):
    outcome = program("rollback", "--yes")

    assert outcome.status == 2
    lines = outcome.stderr.splitlines()
    assert lines[1] == "data is lost by rolling back b:"
    assert lines[2].startswith("  column public.orders.note: 2 values in 3 rows (")
    assert lines[2].endswith("b.rollback.sql:1)")
    assert lines[3] == "  its rollback is not proven: no round trip is recorded"
    assert lines[4] == (
        "  to keep it, in psql, first: "
        "`\\copy (SELECT id, note FROM public.orders) TO 'public.orders.note.csv' CSV HEADER`"
    )
    assert "nothing was changed" in lines[5]
    assert "--accept-loss" in lines[6]
    assert applied(shop) == ["a", "b"]


@pytest.mark.parametrize("verdict", ["lossy", "not_restored"])
def test_what_the_recorded_proof_says_is_said(project, shop, sqlmigrate, verdict):
    proof(project, verdict)

    outcome = sqlmigrate("rollback", "--yes", "--json")

    assert outcome.status == 2
    assert f"its recorded proof says {verdict}: " in outcome.stderr
    project.file("b.rollback.sql", "ALTER TABLE orders DROP COLUMN note; -- again\n")
    assert sqlmigrate("accept", "b", "--reason", "x").status == 0
    assert "its proof is stale" in sqlmigrate("rollback", "--dry-run").stderr


def test_the_flag_accepts_it_and_json_has_it_all(project, shop, sqlmigrate):
    proof(project, "lossy")

    (planned,) = sqlmigrate("plan", "--rollback", "--json").document["losses"]
    (dry,) = sqlmigrate("rollback", "--dry-run", "--json").document["losses"]
    refused = sqlmigrate("rollback", "--json").document["error"]
    outcome = sqlmigrate("rollback", "--accept-loss", "--json")

    assert outcome.status == 0
    (lost,) = outcome.document["losses"]
    assert planned == dry == lost
    assert {name: lost[name] for name in ("table", "column", "rows", "values", "exact", "loses", "proof")} == {
        "table": "public.orders", "column": "note", "rows": 3, "values": 2, "exact": True, "loses": True,
        "proof": "lossy",
    }  # fmt: skip
    assert (lost["migration_id"], lost["kind"], lost["how"], lost["place"]["line"]) == ("b", "column", "dropped", 1)
    assert (refused["type"], refused["losses"][0]["values"]) == ("LossNotAccepted", 2)
    assert applied(shop) == ["a"]


def test_it_is_harmless_where_nothing_is_lost_and_then_yes_is_enough(shop, sqlmigrate):
    shop.connect().execute("DELETE FROM orders")

    first, second = sqlmigrate("rollback", "--yes"), sqlmigrate("rollback", "--accept-loss")

    assert (first.status, second.status, applied(shop), tables(shop)) == (0, 0, [], [])
    assert "lost" not in first.stderr + second.stderr


def test_several_migrations_tell_each_what_goes_with_it(shop, sqlmigrate):
    outcome = sqlmigrate("rollback", "--all", "--yes")

    assert outcome.status == 2
    assert "data is lost by rolling back b:\n  column public.orders.note: 2 values in 3 rows" in outcome.stderr
    assert "data is lost by rolling back a:\n  table public.orders: 3 rows, 5 values" in outcome.stderr
    assert applied(shop) == ["a", "b"]


@pytest.mark.parametrize(("answer", "status"), [("lose", 0), ("y", 2)])
def test_in_a_terminal_a_word_is_typed_for_it(shop, answer, status):
    with terminal("rollback", "--yes") as screen:
        screen.wait_for("type lose: ")
        screen.enter(answer)

        assert screen.end() == status
    assert "2 values in 3 rows" in screen.shown
    assert applied(shop) == (["a"] if status == 0 else ["a", "b"])


def test_a_protected_environment_takes_a_name_that_is_typed_but_no_name_from_before(project, shop, sqlmigrate):
    project.config("[env.live]\nprotected = true\n")
    named = ("rollback", "--env", "live", "--yes-i-mean", shop.name)

    assert sqlmigrate(*named).status == 2
    assert applied(shop) == ["a", "b"]
    with terminal("rollback", "--env", "live") as screen:
        screen.wait_for("type the database's name: ")
        screen.enter(shop.name)
        assert screen.end() == 0
    assert sqlmigrate("apply", "--env", "live", "--yes-i-mean", shop.name).status == 0
    shop.connect().execute("UPDATE orders SET note = 'x'")
    assert sqlmigrate(*named, "--accept-loss").status == 0
    assert applied(shop) == ["a"]


def test_apply_says_it_everywhere_and_asks_where_it_is_protected(project, shop, sqlmigrate):
    project.config("[env.live]\nprotected = true\n")
    project.migration(
        "c", "DROP TABLE orders;\n", rollback="CREATE TABLE orders (id integer PRIMARY KEY, note text);\n"
    )
    live = ("apply", "--env", "live", "--yes-i-mean", shop.name)

    refused = sqlmigrate(*live)
    dry = sqlmigrate("apply", "--dry-run")

    assert (refused.status, dry.status) == (2, 0)
    for outcome in (refused, dry):
        assert "data is lost by applying c:\n  table public.orders: 3 rows, 5 values" in outcome.stderr
    project.migration("c", "-- sqlmigrate-allow: H21 it moved\nDROP TABLE orders;\n", rollback="SELECT 1;\n")
    allowed = sqlmigrate(*live, "--json")
    assert allowed.status == 0
    assert allowed.document["losses"][0]["allowed"] == "it moved"
    assert "allowed: it moved" in allowed.stderr


def test_apply_asks_nothing_where_nothing_is_protected(project, shop, sqlmigrate):
    project.migration("c", "DROP TABLE orders;\n", rollback="SELECT 1;\n")

    outcome = sqlmigrate("apply")

    assert outcome.status == 0
    assert "data is lost by applying c" in outcome.stderr


def test_redo_loses_it_too(shop, sqlmigrate):
    refused = sqlmigrate("redo", "--yes")

    assert (refused.status, applied(shop)) == (2, ["a", "b"])
    assert "column public.orders.note: 2 values" in refused.stderr
    assert sqlmigrate("redo", "--accept-loss").status == 0
    assert applied(shop) == ["a", "b"]


def test_the_plan_for_psql_says_it_in_a_comment(project, shop, sqlmigrate):
    shop.connect().execute('CREATE TABLE "x\n; DROP TABLE orders; --" AS SELECT 1 AS n')
    project.file("b.rollback.sql", 'DROP TABLE "x\n; DROP TABLE orders; --";\n')
    assert sqlmigrate("accept", "b", "--reason", "x").status == 0

    plan = sqlmigrate("plan", "--rollback").stdout

    assert '--   b: table public."x ; DROP TABLE orders; --": 1 row, 1 value\n' in plan


def test_a_program_accepts_it_by_an_argument(project, shop):
    (loss,) = api.plan_rollback(shop.url, project.directory).losses

    with pytest.raises(LossNotAccepted, match=r"column public\.orders\.note: 2 values in 3 rows") as caught:
        api.rollback(shop.url, project.directory)

    assert (loss.table, loss.column, loss.rows, loss.values, loss.exact) == ("public.orders", "note", 3, 2, True)
    assert caught.value.losses == (json.loads(json.dumps(loss.as_json())),)
    assert applied(shop) == ["a", "b"]
    api.rollback(shop.url, project.directory, accept_loss=True)
    assert applied(shop) == ["a"]


def test_the_documentation_shows_what_is_said(project, target, sqlmigrate):
    project.migration("20260301_orders", "CREATE TABLE orders (id integer PRIMARY KEY);\n", rollback="SELECT 1;\n")
    project.migration(
        "20260302_note",
        "ALTER TABLE orders ADD COLUMN note text;\n",
        rollback="ALTER TABLE orders DROP COLUMN note;\n",
    )
    assert sqlmigrate("apply").status == 0
    target.connect().execute("INSERT INTO orders VALUES (1, 'x'), (2, 'y'), (3, NULL)")

    said = sqlmigrate("rollback", "--yes").stderr.partition("\n")[2]

    shown = said.replace(f"{project.directory}/", "sql/")
    assert f"```\n{shown}```\n" in ROOT.joinpath("docs", "watching.md").read_text(encoding="utf-8")
