"""`sqlmigrate seed --prune`."""

from __future__ import annotations

import pytest

from support.command import terminal
from support.seeds import SeedFiles

TABLES = """
CREATE TABLE kinds (code text PRIMARY KEY, name text);
CREATE TABLE things (id int PRIMARY KEY, kind text REFERENCES kinds ON DELETE CASCADE);
INSERT INTO kinds VALUES ('a', 'A'), ('x', 'X'), ('y', 'Y');
"""
KINDS = {"list": "kinds", "table": "public.kinds", "conflict": ["code"], "prune": "delete"}
A = "kinds:\n  - {code: a, name: A}\n"


@pytest.fixture
def files(project):
    (project.root / "data").mkdir()
    found = SeedFiles(project.root / "data")
    found.file("kinds", KINDS, A)
    return found


@pytest.fixture
def seeded(files, target):
    target.connect().execute(TABLES)
    return target


def codes(database):
    return [code for (code,) in database.connect().execute("SELECT code FROM kinds ORDER BY code").fetchall()]


def test_rows_are_shown_and_go(seeded, sqlmigrate):
    told = sqlmigrate("seed", "diff", "--check", "--prune")

    assert told.status == 3
    assert sqlmigrate("seed", "diff", "--check").status == 0
    assert told.lines == [
        "public.kinds: 0 to insert, 0 to update, 1 unchanged, 2 in no file (--prune: 2 to delete)",
        "  - code 'x'  (--prune deletes it)",
        "  - code 'y'  (--prune deletes it)",
    ]
    assert sqlmigrate("seed").lines == ["public.kinds: 0 inserted, 0 updated, 1 unchanged"]

    outcome = sqlmigrate("seed", "--prune")

    assert outcome.status == 0
    assert outcome.lines == ["public.kinds: 0 inserted, 0 updated, 1 unchanged, 2 pruned"]
    assert "public.kinds: pruning deletes 2 rows that no file names" in outcome.stderr
    assert "  - code 'x'" in outcome.stderr
    assert codes(seeded) == ["a"]
    assert sqlmigrate("seed", "diff", "--check", "--prune").status == 0


def test_what_goes_along_wants_to_be_accepted(seeded, sqlmigrate):
    seeded.connect().execute("INSERT INTO things VALUES (1, 'x'), (2, 'x'), (3, 'a')")

    told = sqlmigrate("seed", "diff").lines
    refused = sqlmigrate("seed", "--prune")
    other = sqlmigrate("seed", "--prune", "--accept-loss", "3")

    assert "      2 rows of public.things refer to it (kind): deleted with it" in told
    assert told[-1] == "--prune, also: 2 rows of public.things (deleted with them)"
    assert refused.status == other.status == 2
    assert "--accept-loss 4" in refused.stderr
    assert codes(seeded) == ["a", "x", "y"]
    document = sqlmigrate("seed", "--prune", "--accept-loss", "--json").document
    assert (document["pruned"], document["tables"][0]["pruned"]) == (2, 2)
    assert document["pruning"]["gone"] == [{"table": "public.things", "rows": 2}]
    assert codes(seeded) == ["a"]


def test_a_file_that_became_empty_wants_its_count(files, seeded, sqlmigrate):
    files.yaml("kinds", "kinds:\n")

    for given in ((), ("--accept-loss",), ("--accept-loss", "2")):
        outcome = sqlmigrate("seed", "--prune", *given)
        assert outcome.status == 2
        assert "--accept-loss 3" in outcome.stderr
    assert "kinds.yaml has no rows" in sqlmigrate("seed", "--prune").stderr
    assert codes(seeded) == ["a", "x", "y"]
    assert sqlmigrate("seed", "--prune", "--accept-loss", "3").status == 0
    assert codes(seeded) == []


@pytest.mark.parametrize(("typed", "status", "left"), [("3", 0, []), ("2", 2, ["a", "x", "y"])])
def test_the_count_is_typed_on_a_terminal(files, seeded, typed, status, left):
    files.yaml("kinds", "kinds:\n")

    with terminal("seed", "--prune") as screen:
        screen.wait_for("type the number of rows")
        screen.enter(typed)

        assert screen.end() == status
    assert codes(seeded) == left


def test_a_protected_environment_wants_the_name_and_the_loss(project, seeded, sqlmigrate):
    project.config("[env.live]\nprotected = true\n")
    name = ("--env", "live", "--yes-i-mean", seeded.name)

    refused = sqlmigrate("seed", "--prune", *name)

    assert refused.status == 2
    assert "--accept-loss 2" in refused.stderr
    assert sqlmigrate("seed", "--prune", "--env", "live", "--accept-loss", "2").status == 2
    assert codes(seeded) == ["a", "x", "y"]
    assert sqlmigrate("seed", "--prune", *name, "--accept-loss", "2").status == 0
    assert codes(seeded) == ["a"]


def test_a_role_in_a_protected_environment_reads_what_would_go(project, seeded):
    project.config("[env.live]\nprotected = true\n")

    with terminal("seed", "--prune", "--env", "live") as screen:
        screen.wait_for("type the database's name")
        screen.enter("no")

        assert screen.end() == 2
    assert "public.kinds: 0 to insert, 0 to update, 2 to delete" in " ".join(screen.shown.split())
    assert codes(seeded) == ["a", "x", "y"]


@pytest.mark.parametrize(
    ("given", "message"),
    [(("--accept-loss",), "--accept-loss goes with --prune"), (("--prune", "--accept-loss", "x"), "no count of rows")],
)
def test_a_wrong_call_is_refused(seeded, sqlmigrate, given, message):
    outcome = sqlmigrate("seed", *given)

    assert outcome.status == 2
    assert message in outcome.stderr


def test_rows_of_the_environment_are_seeded_and_are_no_rows_of_no_file(project, files, seeded, sqlmigrate):
    project.config("[env.staging]\n[env.live]\n")
    (project.root / "data" / "staging").mkdir()
    above = SeedFiles(project.root / "data" / "staging")
    above.yaml("kinds", "kinds: [{code: a, name: Other}, {code: x, name: X}, {code: z, name: Z}]\n")

    checked = sqlmigrate("seed", "check", "--env", "staging", "--show", "--json").document
    told = sqlmigrate("seed", "diff", "--env", "staging", "--json").document["tables"][0]
    pruned = sqlmigrate("seed", "--env", "staging", "--prune")

    [row, *_] = checked["tables"][0]["rows"]
    assert (row["values"], row["line"]) == ({"code": "a", "name": "Other"}, 1)
    assert (row["file"], row["overrides"]["file"]) == (
        str(above.directory / "kinds.yaml"),
        str(files.directory / "kinds.yaml"),
    )
    assert [change["file"] for change in told["rows"]] == [str(above.directory / "kinds.yaml")] * 2
    assert (told["unnamed"], told["prune"]["rows"][0]["key"]) == (1, {"code": "y"})
    assert pruned.lines == ["public.kinds: 1 inserted, 1 updated, 1 unchanged, 1 pruned"]
    assert codes(seeded) == ["a", "x", "z"]
    assert sqlmigrate("seed", "--env", "live", "--prune").lines[0].endswith("1 updated, 0 unchanged, 2 pruned")
    above.yaml("kinds", "kinds:\n")
    seeded.connect().execute("INSERT INTO kinds VALUES ('y', 'Y')")
    assert "staging/kinds.yaml has no rows" in sqlmigrate("seed", "--env", "staging", "--prune").stderr


def test_a_call_that_can_prune_nothing_is_told_so(files, seeded, sqlmigrate):
    files.schema("kinds", {name: value for name, value in KINDS.items() if name != "prune"})

    outcome = sqlmigrate("seed", "--prune")

    assert outcome.status == 0
    assert 'no schema of these files says "prune"' in outcome.stderr
    assert codes(seeded) == ["a", "x", "y"]


def test_what_would_be_lost_is_in_the_error(seeded, sqlmigrate):
    seeded.connect().execute("INSERT INTO things VALUES (1, 'x')")

    error = sqlmigrate("seed", "--prune", "--json").document["error"]

    assert error["type"] == "LossNotAccepted"
    assert [(loss["table"], loss["rows"]) for loss in error["losses"]] == [("public.kinds", 2), ("public.things", 1)]
