"""What all commands share: help, exit statuses, errors in words, streams, locales."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import tempfile
from pathlib import Path

import click
import pytest

from sqlmigrate import __version__
from sqlmigrate.cli.app import ALIASES, COMMANDS, cli
from support.command import program, shell, terminal
from support.contents import applied, tables
from support.places import ROOT


def all_commands():
    """Give the words of every command and subcommand."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        yield (name,)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)


EVERY = [pytest.param(words, id=" ".join(words)) for words in all_commands()]


@pytest.fixture
def bug(monkeypatch, tmp_path):
    """Let `status` fall over something that nobody thought of; gives the folder for the report."""

    def fall(*_, **__):
        raise RuntimeError("the impossible, at postgresql://me:hunter22@db/shop")

    monkeypatch.setattr("sqlmigrate.plan.contradictions", fall)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_version(sqlmigrate):
    assert sqlmigrate("--version").stdout == f"sqlmigrate, version {__version__}\n"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_lists_every_command_and_no_alias(sqlmigrate, option):
    outcome = sqlmigrate(option)

    listed = re.search(r"Commands:\n(.*?)\n\n", outcome.stdout, re.DOTALL)[1]
    assert outcome.status == 0
    assert [line.split()[0] for line in listed.splitlines()] == list(COMMANDS)
    assert not set(ALIASES) & set(re.findall(r"^  (\w+)", outcome.stdout, re.MULTILINE))


@pytest.mark.parametrize("words", [case for case in EVERY if case.id not in {"backfill", "db", "fleet"}])  # only groups
def test_every_command_takes_the_common_options(sqlmigrate, words):
    shown = sqlmigrate(*words, "--help").stdout

    naming = ("-d, --database-url", "--embedded") if words[0] != "fleet" else ()  # a fleet has a list of targets
    for option in ("-m, --migrations", "--env", "--config", "--json", *naming):
        assert option in shown
    for option in ("-q, --quiet", "-v, --verbose", "--no-color"):
        assert option in shown


@pytest.mark.parametrize(("alias", "name"), list(ALIASES.items()))
def test_an_alias_is_its_command(sqlmigrate, alias, name):
    shown = sqlmigrate(alias, "--help").stdout

    assert shown == sqlmigrate(name, "--help").stdout.replace(f"sqlmigrate {name} [", f"sqlmigrate {alias} [", 1)


def test_aliases_work(project, target, sqlmigrate):
    project.tables("a")

    assert sqlmigrate("info", "--check").status == 3
    assert sqlmigrate("up").status == 0
    assert sqlmigrate("down", "--yes").status == 0
    assert tables(target) == []


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("aply",), "apply"),
        (("nothing",), "No such command 'nothing'. `sqlmigrate --help` lists the commands."),
        (("migrate",), "No such command 'migrate'. Did you mean `sqlmigrate apply`?"),
        (("Rolback",), "Did you mean `sqlmigrate rollback`?"),
        (("db", "strat"), "'start'"),
        (("apply", "20260101_a"), "Did you mean `sqlmigrate apply --to 20260101_a`?"),
        (("apply", "postgres://h/d"), "Did you mean `sqlmigrate apply --database-url URL`?"),
        (("apply", "--forward"), "--forward"),
        (("mark", "--yes"), "(Did you mean one of: '--env', '--events', '--files'?)\n"),
        (("apply", "extra"), "extra"),
        (("new",), "NAME"),
        (("db", "begin"), "begin"),
        (("rollback", "--steps", "x"), "--steps"),
        (("status", "--quiet=3"), "--quiet"),
    ],
)
def test_wrong_usage_is_said_on_stderr_and_ends_with_2(sqlmigrate, words, said, form):
    outcome = sqlmigrate(*words, *form)

    assert outcome.status == 2
    assert said in outcome.stderr
    if form:
        assert outcome.document["version"] == 1
        assert outcome.document["error"]["exit_status"] == 2
        assert set(outcome.document["error"]) == {"type", "message", "hint", "place", "exit_status"}
    else:
        assert outcome.stdout == ""


@pytest.mark.parametrize("words", [(), ("db",), ("fleet",)])
def test_a_call_without_a_command_shows_help(sqlmigrate, words):
    outcome = sqlmigrate(*words)

    assert outcome.status in {0, 2}  # Click 8.1 says 0
    assert "Commands:" in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("option", ["--json", "-d"])
def test_an_option_before_the_command_is_reported_where_it_stands(sqlmigrate, option):
    outcome = sqlmigrate(option, "status")

    assert outcome.status == 2
    assert f"options come after the command, as in `sqlmigrate status {option}`." in outcome.stderr
    assert "stand behind" not in sqlmigrate("--nothing").stderr


@pytest.mark.parametrize("group", ["db", "fleet", "seed"])
def test_no_line_of_a_list_of_commands_is_cut(group):
    shown = program(group, "--help", env={"COLUMNS": "80"}).stdout

    assert "..." not in shown.partition("Commands:")[2]


def test_the_name_in_json_is_the_whole_command(project, sqlmigrate, private):
    assert sqlmigrate("db", "status", "--json").document["command"] == "db status"
    refused = sqlmigrate("db", "status", "--json", "--database-url", "postgresql://localhost/x")
    assert refused.document["command"] == "db status"
    assert refused.document["error"]["exit_status"] == refused.status == 2


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_bug_ends_with_70_and_a_report_without_traceback_or_password(project, target, sqlmigrate, bug, form):
    outcome = sqlmigrate("status", *form)

    (report,) = bug.glob("sqlmigrate-bug-*.txt")
    assert outcome.status == 70
    assert f"this is a bug in sqlmigrate {__version__}: RuntimeError: the impossible" in outcome.stderr
    assert str(report) in outcome.stderr
    assert "Traceback (most recent call last)" in report.read_text()
    assert "hunter22" not in report.read_text() + outcome.stdout + outcome.stderr
    if form:
        assert outcome.document["error"]["exit_status"] == 70


def test_a_bug_report_that_cannot_be_written_is_not_a_second_bug(project, target, sqlmigrate, bug, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)

    outcome = sqlmigrate("status")

    assert outcome.status == 70
    assert "RuntimeError: the impossible" in outcome.stderr


def test_an_error_of_postgresql_that_nobody_expected_is_reported_in_its_words(project, target, sqlmigrate):
    project.tables("a")
    sqlmigrate("apply")
    target.connect().execute("ALTER TABLE sqlmigrate._yoyo_migration RENAME applied_at_utc TO x")

    outcome = sqlmigrate("status", "--json")

    assert outcome.status == outcome.document["error"]["exit_status"] == 1
    assert "applied_at_utc does not exist" in outcome.stderr


def test_colours_are_for_terminals_and_can_be_turned_off(project, target, sqlmigrate):
    project.tables("a")

    assert "\x1b[" not in sqlmigrate("status").stdout
    for options, env, coloured in (((), {}, True), (("--no-color",), {}, False), ((), {"NO_COLOR": "1"}, False)):
        with terminal("status", *options, env=env | {"TERM": "xterm"}) as screen:
            screen.end()

        assert ("\x1b[" in screen.shown) is coloured


@pytest.fixture
def foreign(project):
    """A project whose ids, messages and folder hold letters of many scripts."""
    project.migration("größe_表_😀", "DO $$ BEGIN RAISE NOTICE 'grüße 😀'; END $$;", rollback="SELECT 1")
    return project


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=str,
)
def test_no_locale_makes_a_command_fall_over(foreign, target, locale):
    assert program("apply", env=locale).status == 0
    assert program("status", env=locale).status == 0
    assert program("rollback", "--to", "größe", env=locale).status == 2
    found = program("status", "--json", env=locale).document["migrations"]
    assert [item["migration_id"] for item in found] == ["größe_表_😀"]


def test_arguments_that_are_not_text_are_refused_in_words(project, target, sqlmigrate):
    outcome = sqlmigrate("rollback", "--to", "a\udcff", "--json")

    assert outcome.status == 2
    assert outcome.document["error"]["message"] == r"to: 'a\udcff' is not UTF-8"


@pytest.mark.parametrize("stream", ["", "2>&1 "])
def test_a_reader_that_leaves_early_causes_no_message(project, target, stream):
    for number in range(40):
        project.migration(f"{number:03}_{'x' * 200}", "", rollback="")

    outcome = shell(f"{{ sqlmigrate status; echo $? >status; }} {stream}| head -c 1; cat status")

    assert outcome.status == 0
    assert outcome.stderr == "" or (outcome.stderr.startswith("database ") and outcome.stderr.count("\n") == 1)
    assert outcome.stdout[1:] in {"0\n", "1\n"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("form", ["", "--json"])
def test_a_full_disk_behind_stdout_is_an_error_in_words(project, target, form):
    outcome = shell(f"sqlmigrate status {form} >/dev/full")

    assert outcome.status == 1
    assert os.strerror(errno.ENOSPC) in outcome.stderr
    assert "committed" not in outcome.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_does_not_hide_what_was_done(project, target):
    project.tables("a", "b")

    outcome = shell("sqlmigrate apply >/dev/full")

    assert outcome.status == 1
    assert "what was committed before stays: see `sqlmigrate status`" in outcome.stderr
    assert "a" in applied(target)


def test_a_module_call_is_the_same_command(project, target):
    project.tables("a")

    assert program("apply").status == 0
    assert applied(target) == ["a"]


def test_ctrl_c_while_it_is_loaded_ends_it_without_a_trace(tmp_path):
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt", encoding="utf-8")

    ended = shell(f'PYTHONPATH={tmp_path} "$PYTHON" -m sqlmigrate apply')

    assert (ended.status, ended.stdout, ended.stderr) == (130, "", "")


def test_help_needs_neither_database_driver_nor_dask():
    script = (
        "import sys; from sqlmigrate.cli.app import main; main(['fleet', 'apply', '--help']); "
        "print({'dask', 'distributed', 'psycopg', 'tornado'} & set(sys.modules))"
    )

    assert shell(f'"$PYTHON" -c "{script}"').stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("words", [pytest.param((), id="sqlmigrate"), *EVERY])
def test_the_lines_of_a_help_fit_a_terminal_of_80_columns(sqlmigrate, words):
    shown = sqlmigrate(*words, "--help")

    assert shown.status == 0
    assert [line for line in shown.stdout.splitlines() if len(line) > 80] == []


def test_what_make_can_do_is_listed_in_columns():
    command = ["make", "--no-print-directory", "help"]  # make itself may run the tests
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
    starts = {re.match(r"\s+make \S+\s+", line).end() for line in shown.splitlines()}

    assert len(starts) == 1
