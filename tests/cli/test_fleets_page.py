"""The session that docs/fleets.md shows, from a list to a canary, a bad change and its undo, is run."""

from __future__ import annotations

import re
import shlex

from psycopg import sql

from support.places import ROOT

PAGE = (ROOT / "docs" / "fleets.md").read_text(encoding="utf-8")
SESSION = PAGE.partition("## From a list to an undo\n")[2].partition("\n## ")[0]
CALL = re.compile(r"^```console\n\$ sqlmigrate (.*)\n((?:.*\n)*?)```$", re.MULTILINE)
VARYING = ((r"[0-9a-f]{8}-[0-9a-f-]{27}", "RUN"), (r"(?<=resume )[0-9a-f]{8}", "RUN"), (r"\(\d+\.\d s\)", "(TIME)"))
"""Run ids and times: others each time."""
TENANTS = [f"tenant{number:02}" for number in range(1, 25)]


def lines(text, folder="no folder"):
    """Give the lines of a text, sorted: targets end in any order, and what goes to stderr stands apart."""
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return sorted(filter(None, text.replace(f"{folder}/", "").splitlines()))


def test_the_session_of_the_page_leads_to_what_it_shows(project, database, sqlmigrate, monkeypatch, tmp_path_factory):
    monkeypatch.setenv("TENANTS_URL", database.url)
    monkeypatch.setenv("SQLMIGRATE_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    with database.connect() as session:
        for name in TENANTS:
            session.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    rows = [f"{name},TENANTS_URL,{name},{'canary' if name == 'tenant07' else ''}" for name in TENANTS]
    (project.root / "tenants.csv").write_text("\n".join(["name,url_env,schema,tags", *rows, ""]))
    project.config('targets = "tenants.csv"\n')
    project.migration("1_orders", "CREATE TABLE orders (id bigint PRIMARY KEY);\n", rollback="DROP TABLE orders;\n")
    total, undo = "ALTER TABLE orders ADD total numeric;\n", "ALTER TABLE orders DROP total;\n"
    before = {
        1: lambda: project.migration("2_total", f"{total}UPDATE orders SET total = net + tax;\n", rollback=undo),
        2: lambda: project.migration("2_total", total, rollback=undo),
    }

    calls = CALL.findall(SESSION)
    assert len(calls) == 5
    for number, (words, shown) in enumerate(calls):
        before.get(number, lambda: None)()
        outcome = sqlmigrate(*shlex.split(words))
        assert lines(outcome.stdout + outcome.stderr, project.root) == lines(shown), words
    assert all(f"\n{row}\n" in SESSION for row in (rows[0], rows[6]))
