"""`sqlmigrate stats`: sizes and rates of the target, as a table, as JSON and as a file for a review elsewhere."""

from __future__ import annotations

import json

from sqlmigrate.review.statistics import from_file


def test_the_largest_tables_are_listed(project, target, sqlmigrate):
    target.connect().execute("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id")

    outcome = sqlmigrate("stats")

    assert outcome.status == 0
    assert "public.orders" in outcome.stdout
    assert "an unknown number of rows" in outcome.stdout


def test_the_file_is_what_a_review_reads(project, target, sqlmigrate):
    target.connect().execute("CREATE TABLE orders (id integer)")

    outcome = sqlmigrate("stats", "--output", "stats.json", "--json")

    [table] = from_file(project.root / "stats.json").target.tables
    assert table.name == "public.orders"
    assert json.loads(outcome.stdout)["target"]["tables"][0]["name"] == "public.orders"
    assert json.loads((project.root / "stats.json").read_text())["command"] == "stats"


def test_no_password_is_in_the_file(project, database, sqlmigrate, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", f"{database.url}&password=secret" if "?" in database.url else database.url)

    outcome = sqlmigrate("stats", "--output", "stats.json")
    assert (outcome.status, outcome.stderr.splitlines()[-1]) == (0, "wrote stats.json")
    assert "secret" not in (project.root / "stats.json").read_text()


def test_a_link_of_the_repository_is_not_followed_out_of_it(project, target, sqlmigrate, tmp_path_factory):
    victim = tmp_path_factory.mktemp("outside") / "victim"
    victim.write_text("kept", encoding="utf-8")
    (project.root / "stats.json").symlink_to(victim)

    outcome = sqlmigrate("stats", "--output", "stats.json")

    assert (outcome.status, victim.read_text(encoding="utf-8")) == (1, "kept")
    assert "stats.json is a symbolic link that leads out of the repository, to " in outcome.stderr
