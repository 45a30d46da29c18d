from __future__ import annotations

import os
import sysconfig
import tempfile
from pathlib import Path

from sqlmigrate.migrations import ScriptRun
from sqlmigrate.review.answers import answered
from sqlmigrate.review.hazards import Context
from sqlmigrate.review.squawk import find_squawk, lint
from sqlmigrate.sql.script import script_from_text
from support.tracing import trace_text


def script_run(text: str, *, transactional: bool = True) -> ScriptRun:
    return ScriptRun("a", "apply", script_from_text(Path("sql/a.sql"), text), transactional=transactional)


def test_lines_and_columns_count_from_1_and_in_characters():
    text = '-- é\nSELECT 1; /* ééé */ ALTER TABLE "ü" ALTER x TYPE bigint;\n'

    [[finding]] = lint([script_run(text)], major=15).findings.values()

    assert finding.rule == "changing-column-type"
    assert (finding.line, finding.column) == (2, text.split("\n")[1].index("TYPE") + 1)


def test_scripts_in_and_outside_a_transaction_are_judged_each_by_its_kind():
    create = "CREATE INDEX CONCURRENTLY i ON t (a);\nALTER TABLE t ADD COLUMN b text;\n"

    runs = [script_run(create), script_run("SELECT 1;"), script_run(create, transactional=False)]

    found = lint(runs, major=15)

    assert [[finding.rule for finding in found.findings[run]] for run in runs] == [
        ["ban-concurrent-index-creation-in-transaction"],
        [],
        [],
    ]
    assert found.version == "2.70.0"
    assert found.why_not is None


def test_settings_above_the_folder_of_temporary_files_hide_nothing(tmp_path, monkeypatch):
    """Anybody may put them into /tmp."""
    (tmp_path / ".squawk.toml").write_text('excluded_paths = ["**/*.sql"]\nexcluded_rules = ["ban-drop-column"]\n')
    (tmp_path / "t").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "t"))

    [[finding]] = lint([script_run("ALTER TABLE t DROP COLUMN a;")], major=15).findings.values()

    assert finding.rule == "ban-drop-column"


def test_what_a_killed_run_has_left_is_removed_later(tmp_path, monkeypatch):
    folders = tmp_path / "t"
    monkeypatch.setattr(tempfile, "tempdir", str(folders))
    old, new, others = (folders / f"sqlmigrate-lint-{name}" for name in ("old", "new", "others"))
    for folder in (old, new, tmp_path / "mine"):
        folder.mkdir(parents=True)
        (folder / "0.sql").write_text("SELECT 1;\n")
    others.symlink_to(tmp_path / "mine")
    os.utime(old, (0, 0))
    os.utime(others, (0, 0), follow_symlinks=False)

    assert lint([script_run("SELECT 1;")], major=15).why_not is None

    assert sorted(path.name for path in folders.iterdir()) == ["sqlmigrate-lint-new", "sqlmigrate-lint-others"]
    assert (tmp_path / "mine" / "0.sql").exists()


def test_squawk_gets_no_variable_of_ours(tmp_path, monkeypatch):
    shown = tmp_path / "shown"
    spy = tmp_path / "squawk"
    spy.write_text(f"#!/bin/sh\nenv >>{shown}\necho squawk 1\n")
    spy.chmod(0o755)
    monkeypatch.setenv("GITHUB_TOKEN", "s3cr3t")

    lint([script_run("SELECT 1")], major=15, program=spy)

    assert "PATH=" in shown.read_text()
    assert "s3cr3t" not in shown.read_text()


def test_what_is_not_installed_or_fails_is_said(tmp_path):
    broken = tmp_path / "squawk"
    broken.write_text("#!/bin/sh\nexit 2\n")
    broken.chmod(0o755)

    one = script_run("SELECT 1")

    assert lint([one], major=15, program=broken).why_not.startswith("squawk could not be run")
    assert lint([one], major=15, program=tmp_path / "none").findings == {one: ()}


def test_the_trace_confirms_or_refutes_each_finding(review_shadow, shop_database):
    text = (
        "ALTER TABLE customers ALTER code TYPE varchar(40);\n"
        "ALTER TABLE customers ALTER n TYPE bigint; CREATE INDEX ON customers (n);\n"
        "CREATE TABLE parcels (id bigint PRIMARY KEY, a bigint);\n"
        "CREATE INDEX ON parcels (a);\n"
    )
    with review_shadow.clone(shop_database) as database:
        traced = trace_text(review_shadow, database, text)
    [findings] = lint([traced.script_run], major=15).findings.values()

    found = answered(findings, Context(traced, review_shadow.owner))

    assert {number: [(one.rule, one.answer, one.why) for one in several] for number, several in found.items()} == {
        1: [
            ("changing-column-type", "refuted", "no table is rewritten, and none is read"),
            ("prefer-text-field", "unknown", None),
        ],
        2: [("changing-column-type", "confirmed", "rewritten: shop.customers, shop.customers_pkey")],
        3: [("require-concurrent-index-creation", "confirmed", "it takes SHARE on shop.customers")],
    }


def test_squawk_is_found_beside_this_python():
    assert find_squawk() == Path(sysconfig.get_path("scripts")) / "squawk"
