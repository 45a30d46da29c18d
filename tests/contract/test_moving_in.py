"""Three documented commands bring a live project of another tool over; then we go on with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fixtures.postgres import Database
from sqlmigrate.history.foreign import ADOPTED
from sqlmigrate.importing.tools import named
from support.command import Call, Outcome
from support.contents import applied
from support.importing import contents, written
from support.places import ROOT
from support.their_histories import TABLES
from support.their_projects import RECORDED, live
from support.their_tools import BROKEN, FORGETFUL, REAL, changes, revisions

pytestmark = pytest.mark.contract

MANY, FEW = 30, 10
TIMES = {
    "django": "SELECT timezone('UTC', applied) FROM django_migrations ORDER BY id",
    "flyway": "SELECT installed_on FROM flyway_schema_history ORDER BY installed_rank",
    "goose": "SELECT tstamp FROM goose_db_version WHERE version_id > 0 ORDER BY id",
    "drizzle": "SELECT timezone('UTC', to_timestamp(created_at / 1000.0)) FROM drizzle.__drizzle_migrations ORDER BY 1",
    "node-pg-migrate": "SELECT run_on FROM pgmigrations ORDER BY id",
    "sqitch": "SELECT timezone('UTC', committed_at) FROM sqitch.changes ORDER BY committed_at",
    "sqlx": "SELECT timezone('UTC', installed_on) FROM _sqlx_migrations ORDER BY version",
    "prisma": "SELECT timezone('UTC', finished_at) FROM _prisma_migrations ORDER BY started_at",
    "diesel": "SELECT run_on FROM __diesel_schema_migrations ORDER BY version",
    "graphile-migrate": "SELECT timezone('UTC', date) FROM graphile_migrate.migrations ORDER BY filename",
}
NAMES = {
    "flyway": "1.{number} ({words})",
    "goose": "{number}",
    "golang-migrate": "{number}",
    "dbmate": "2024{number:010d}",
    "supabase": "2024{number:010d}_{name}",
    "node-pg-migrate": "2024{number:010d}_{name}",
    "alembic": "{revision}",
    "django": "shop.{number:04d}_{name}",
    "drizzle": "{index:04d}_{name}",
    "sqitch": "{name}",
    "sqlx": "{number} ({words})",
    "prisma": "2024{number:010d}_{name}",
    "diesel": "2024{number:010d}",
    "graphile-migrate": "{number:06d}.sql",
}
FORWARD_ONLY = ("drizzle", "supabase", "prisma", "graphile-migrate")


def documented(tool: str) -> list[str]:
    """Give the words of the first of the three commands, as the page has it."""
    page = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
    found = re.search(rf"`(import --from {tool} [^`]*)`", page)
    assert found, f"docs/importing.md has no import of {tool}"
    return found[1].split()


def succeeded(outcome: Outcome) -> Outcome:
    assert outcome.status == 0, outcome
    return outcome


@pytest.fixture
def root(tmp_path: Path, database: Database, shadow_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's folder, in which the commands are typed; DATABASE_URL names the live database."""
    written(tmp_path / "project", {".git/HEAD": "ref: refs/heads/main\n"})
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("SQLMIGRATE_SHADOW_URL", shadow_url)
    return tmp_path / "project"


@pytest.mark.parametrize("tool", sorted({*REAL, *RECORDED}))
def test_three_documented_commands_bring_a_live_project_over(
    tool: str, root: Path, database: Database, sqlmigrate: Call
) -> None:
    really = tool in REAL and not REAL[tool].missing
    if not really and tool not in RECORDED:
        pytest.skip(f"{REAL[tool].missing[0]} is not installed (make install-tools)")
    count = MANY if really else FEW
    live(tool, root, database, count, really=really)
    theirs, tables = contents(root), database.dump()

    proof = succeeded(sqlmigrate(*documented(tool), "--check", "--json")).document
    succeeded(sqlmigrate(*documented(tool)))
    first = sqlmigrate("plan")
    succeeded(sqlmigrate("mark", "--from", tool))
    proven = sqlmigrate("roundtrip")

    found = applied(database)
    require_proof(proof, found)
    assert f"mark it first: sqlmigrate mark --from {tool}" in first.stderr
    assert "the history of " in " ".join(proof["live"]["drift"]["notes"])
    require_scripts(root, found, count)
    require_history(tool, database, sqlmigrate, found)
    require_verdicts(proven, found, undoes=tool not in FORWARD_ONLY)
    undo_and_redo(root, sqlmigrate, database, found[-2:], undoes=tool not in FORWARD_ONLY)
    assert {path: text for path, text in contents(root).items() if path in theirs} == theirs
    assert database.dump("--exclude-schema=sqlmigrate") == tables


def test_the_first_run_drift_and_review_know_the_history_of_every_tool(
    root: Path, database: Database, sqlmigrate: Call
) -> None:
    session = database.connect()
    for number, table in enumerate(TABLES.values()):
        space = "" if "CREATE SCHEMA" in table else f"CREATE SCHEMA s{number}; SET search_path TO s{number};"
        session.execute(f"{space} {table}")
    session.execute("RESET search_path")
    written(root, {"sql/1_a.sql": "CREATE TABLE a ();\n", "sql/1_a.rollback.sql": "DROP TABLE a;\n"})
    before = database.dump("--exclude-table=public.a", "--exclude-schema=sqlmigrate")

    reviewed = succeeded(sqlmigrate("review", "--json"))
    compared = succeeded(sqlmigrate("drift", "--json"))
    first = succeeded(sqlmigrate("apply"))
    again = succeeded(sqlmigrate("drift", "--json"))
    written(root, {"sql/2_b.sql": "CREATE TABLE b ();\n", "sql/2_b.rollback.sql": "DROP TABLE b;\n"})
    beside = succeeded(sqlmigrate("review", "--base", "dump", "--json"))

    for tool in ADOPTED.values():
        advice = f"mark it first: sqlmigrate mark --from {tool}"
        said = reviewed.document["notes"], compared.document["notes"], [first.stderr]
        assert [advice in " ".join(" ".join(notes).split()) for notes in said] == [True] * 3, tool
    for label in ADOPTED:
        assert f"the history of {label}, " in " ".join(again.document["notes"])
    assert (again.document["drift"], compared.document["drift"]) == (False, False)
    assert [one["migration_id"] for one in beside.document["migrations"]] == ["2_b"]
    assert "mark it first" not in " ".join(beside.document["notes"])
    assert database.dump("--exclude-table=public.a", "--exclude-schema=sqlmigrate") == before


def require_proof(document: Any, found: list[str]) -> None:
    """Before the import: the files make the same as they do in the tool, and the database is what its table says."""
    proof, live = document["proof"], document["live"]
    differ = proof["changes"], proof["rows"], proof["failures"], live["drift"]["changes"]
    assert (proof["equal"], proof["theirs"], *differ) == (True, proof["ours"], [], [], [], [])
    assert (sorted(proof["migrations"]), live["applied"], live["pending"]) == (sorted(found), found, [])
    assert [document["written"], live["edited"], live["skipped"], live["without_file"]] == [False, [], [], []]


def require_scripts(root: Path, found: list[str], count: int) -> None:
    """The SQL is theirs, in the order in which they applied it."""
    for migration_id, (_, up, _) in zip(found, changes(count), strict=True):
        assert up.strip() in (root / "sql" / f"{migration_id}.sql").read_text(encoding="utf-8")


def require_history(tool: str, database: Database, sqlmigrate: Call, found: list[str]) -> None:
    """The names and the times of the old history are in ours."""
    rows = succeeded(sqlmigrate("history", "--json")).document["history"]
    states = succeeded(sqlmigrate("status", "--json")).document["migrations"]
    query = TIMES.get(tool)
    times = [at for (at,) in database.connect().execute(query)] if query else [None] * len(found)

    assert [(row["operation"], row["migration_id"]) for row in rows] == [("mark", name) for name in found]
    for number, (row, at, (name, *_)) in enumerate(zip(rows, times, changes(len(found)), strict=True), 1):
        said = NAMES[tool].format(**ways_to_name(number, name))
        when = f" at {at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
        assert row["reason"].startswith(f"applied by {named(tool).label}{when} as {said}, says "), row
    if query:
        assert [datetime.fromisoformat(item["applied_at"]) for item in states] == [
            at.replace(tzinfo=UTC) for at in times
        ]


def ways_to_name(number: int, name: str) -> dict[str, Any]:
    words, revision = name.replace("_", " "), revisions(number)[-1]
    return {"number": number, "index": number - 1, "name": name, "words": words, "revision": revision}


def require_verdicts(proven: Outcome, found: list[str], *, undoes: bool) -> None:
    """Their undo scripts that never worked are named; where there are none, that is said."""
    verdicts = dict(re.findall(r"^(\S+): (\w+) \(", proven.stdout, re.MULTILINE))
    broken = {name: verdict for name, verdict in verdicts.items() if verdict != "exact"}

    assert (proven.status, list(verdicts)) == (3, found)
    places = [name for name, *_ in changes(len(found))]
    wrong = {found[places.index(BROKEN)]: "fails", found[places.index(FORGETFUL)]: "not_restored"}
    assert broken == (wrong if undoes else dict.fromkeys(found, "irreversible"))


def undo_and_redo(root: Path, sqlmigrate: Call, database: Database, last: list[str], *, undoes: bool) -> None:
    """Roll the last two back and apply them again; where the tool has no undo, write one."""
    before = applied(database)
    if not undoes:
        undo = [down for *_, down in changes(len(before))[-2:]]
        written(root / "sql", {f"{name}.rollback.sql": text for name, text in zip(last, undo, strict=True)})
    marked = [word for name in last for word in ("--include-marked", name)]
    succeeded(sqlmigrate("rollback", "--steps", "2", *marked, "--yes", "--accept-loss"))
    assert applied(database) == before[:-2]
    succeeded(sqlmigrate("apply"))
    assert applied(database) == before
