"""The list of targets: what may stand in it, and what is refused, with its place and without any password."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from sqlmigrate.config import Config
from sqlmigrate.errors import ConfigError, InventoryError, Problem, UsageError
from sqlmigrate.fleet.inventory import Target, read
from sqlmigrate.fleet.places import locate, locate_all

YAML = """\
targets:
- name: acme
  url: postgresql://app:geheim@db1/acme
  cluster: eu-1
  tags: [canary, eu]
- {name: bolt, url_env: BOLT_URL}
- {name: core, service: core, schema: tenant_core}
"""
CSV = """\
name,url,url_env,service,schema,cluster,tags
acme,postgresql://app:geheim@db1/acme,,,,eu-1,canary eu
bolt,,BOLT_URL,,,,
core,,,core,tenant_core,,
"""
LINES = """\
{"name": "acme", "url": "postgresql://app:geheim@db1/acme", "cluster": "eu-1", "tags": ["canary", "eu"]}

{"name": "bolt", "url_env": "BOLT_URL", "tags": null}
{"name": "core", "service": "core", "schema": "tenant_core"}
"""
TARGETS = (
    Target("acme", url="postgresql://app:geheim@db1/acme", cluster="eu-1", tags=("canary", "eu")),
    Target("bolt", url_env="BOLT_URL"),
    Target("core", service="core", schema="tenant_core"),
)


@pytest.fixture
def listed(tmp_path):
    """Read the targets of a file of this name and text."""

    def call(text, name="targets.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read(Config(targets=path, project=tmp_path))

    return call


@pytest.fixture
def refused(listed, tmp_path):
    """Give what is refused of such a file, as `line: message`, without its folder."""

    def call(text, name="targets.yaml"):
        with pytest.raises(InventoryError) as caught:
            listed(text, name)
        shown = repr(caught.value.problems) + str(caught.value)
        assert "geheim" not in shown
        assert all(item.place is None or item.place.text is None for item in caught.value.problems)
        return [str(item).replace(f"{tmp_path}/", "") for item in caught.value.problems]

    return call


@pytest.mark.parametrize(("name", "text"), [("t.yaml", YAML), ("t.csv", CSV), ("t.jsonl", LINES)])
def test_a_list_reads_the_same_in_each_form(listed, name, text):
    found = listed(text, name)

    assert found == TARGETS
    assert "geheim" not in repr(found)


def test_json_is_a_list_too(listed):
    targets = [json.loads(line) for line in LINES.splitlines() if line and "null" not in line]

    assert listed(json.dumps({"targets": targets}), "t.json") == (TARGETS[0], TARGETS[2])


def test_what_is_wrong_is_named_with_its_place(refused):
    assert refused("targets: []\n") == ["targets.yaml:1:10: there are no targets"]
    assert refused("- name: a\n") == ["targets.yaml:1:1: must be a mapping, not a list"]
    assert refused("targets:\n- {name: a, urn: x}\n- {url: postgresql://a:geheim@b/c}\n") == [
        "targets.yaml:2:13: targets[0]: the key 'urn' is not allowed",
        "targets.yaml:3:3: targets[1]: 'name' is missing",
    ]


def test_where_a_target_is_is_said_once(refused):
    assert refused("targets:\n- name: a\n- {name: b, url: 'host=h password=geheim', service: s}\n") == [
        "targets.yaml:2:3: a: where is it? nothing says it",
        "targets.yaml:3:3: b: where is it? url and service say it twice",
    ]


def test_a_name_stands_for_one_target(refused):
    assert refused("name,service\na,x\nb,y\na,z\n", "t.csv") == ["t.csv:4: a is there twice; the first is at t.csv:2"]


@pytest.mark.parametrize("name", [" a", "a ", "a\tb", "a\\u0007"])
def test_a_name_can_be_printed(refused, name):
    assert "no name for a target" in refused(f'targets:\n- {{"name": "{name}", "service": s}}\n')[0]


def test_a_schema_of_the_system_is_no_tenants(refused):
    text = '{"name": "a", "service": "s", "schema": "pg_catalog"}\n'

    assert refused(text, "t.jsonl") == ["t.jsonl:1: a: pg_catalog is no schema that a tenant can have"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.jsonl", '{"name": "a"\n[]\n', "t.jsonl:1: not a JSON object"),
        ("t.csv", "name\na,geheim\n", "t.csv:2: there are more values than headings"),
        ("t.csv", "name,url_env,url_env\na,A,B\n", "t.csv:1: a column appears twice in the heading"),
        ("t.csv", "name,name,url_env\na,b,A\n", "t.csv:1: a column appears twice in the heading"),
        ("t.jsonl", '{"name": "a"}\n{"name": "b", "url_env": "A", "url_env": "B"}\n', "t.jsonl:2: a key appears twice"),
        ("t.csv", 'name\n"a', "t.csv:1: not valid CSV: unexpected end of data"),
        ("t.yaml", "targets: {", "t.yaml:1:11: not valid YAML"),
    ],
)
def test_what_cannot_be_read_is_named(refused, name, text, message):
    assert refused(text, name)[0].startswith(message)


def test_the_name_of_a_file_says_how_it_is_written(listed):
    with pytest.raises(InventoryError, match=r"t\.txt: its name does not say how the targets are written"):
        listed("", "t.txt")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InventoryError) as caught:
        read(Config(targets=tmp_path / "none.yaml"))

    assert "cannot be read: No such file or directory" in str(caught.value.problems[0])


def test_one_setting_lists_the_targets(tmp_path):
    with pytest.raises(UsageError, match="no targets are named"):
        read(Config())
    with pytest.raises(ConfigError, match="targets_query and targets_command name two lists"):
        read(Config(targets_query="SELECT 1", targets_command=("x",)))

    path = tmp_path / "t.yaml"
    path.write_text(YAML)
    given = {"targets": "option --targets"}
    assert read(Config(targets=path, targets_command=("missing",), sources=given)) == TARGETS


def test_a_command_prints_the_targets(tmp_path):
    program = f"import sys, os; print({LINES!r}); print(os.getcwd(), file=sys.stderr)"

    assert read(Config(targets_command=(sys.executable, "-c", program), project=tmp_path)) == TARGETS


def test_what_a_command_says_besides_is_told_line_by_line_within_bounds(tmp_path):
    program = f"""
import sys
sys.stderr.write("a\\r\\npostgres://me:geheim@h\\n" + "x" * 300_000 + "\\n\\n\\xe9" + "\\n." * 200)
print({LINES!r})
"""
    said = []

    assert read(Config(targets_command=(sys.executable, "-c", program), project=tmp_path), said.append) == TARGETS
    assert said[:5] == ["a", "postgres://me:***@h", "x" * 1000 + "…", "", "é"]
    assert said[5:] == ["."] * 95 + ["…"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("./missing-program",), "targets_command cannot be run: ./missing-program: No such file or directory"),
        ((sys.executable, "-c", "raise SystemExit(3)"), "targets_command failed with exit status 3"),
        ((sys.executable, "-c", "import sys; sys.stdout.buffer.write(b'\\xff')"), "targets_command prints what is not"),
    ],
)
def test_a_command_that_fails_is_no_empty_list(words, message, tmp_path):
    with pytest.raises(InventoryError) as caught:
        read(Config(targets_command=words, project=tmp_path))

    assert str(caught.value).startswith(message)


def test_a_query_needs_a_control_database():
    with pytest.raises(ConfigError, match="targets_query asks the control database, and none is named"):
        read(Config(targets_query="SELECT 1"))
    with pytest.raises(ConfigError, match="the control database is to be in the variable MISSING_URL"):
        read(Config(targets_query="SELECT 1", control_database_url_env="MISSING_URL"))


def test_a_target_is_found_in_the_process_that_connects(monkeypatch):
    environ = {"BOLT_URL": "postgresql://app:geheim@db2:6432/bolt"}

    acme, bolt = locate(TARGETS[0], "sqlmigrate", environ), locate(TARGETS[1], "sqlmigrate", environ)

    assert (acme.host, acme.database, acme.cluster, acme.history) == ("db1:5432", "acme", "eu-1", "sqlmigrate")
    assert (bolt.host, bolt.database, bolt.cluster) == ("db2:6432", "bolt", "db2:6432")
    assert "geheim" in bolt.conninfo
    assert "geheim" not in repr(bolt)


def test_all_targets_that_are_nowhere_are_named_together():
    targets = [
        Target("a", url_env="NOT_SET"),
        Target("b", url="postgresql://u:gehe@im@h/d"),
        Target("c", service="no-such-service"),
        Target("d", url="host=h dbname=d"),
    ]

    with pytest.raises(InventoryError) as caught:
        locate_all(targets, "sqlmigrate", {})

    first, second, third = caught.value.problems
    assert str(first) == "a: the variable NOT_SET, which is to hold its URL, is not set"
    assert str(second) == "b: its url has an invalid host or port"
    assert 'c: it leads nowhere: definition of service "no-such-service" not found' in str(third)
    assert "gehe" not in repr(caught.value.problems)


def test_very_many_problems_are_told_in_few_lines(refused):
    targets = [Target(f"t{number}", url_env="NOT_SET") for number in range(1_000)]
    with pytest.raises(InventoryError) as caught:
        locate_all(targets, "sqlmigrate", {})
    [problem] = caught.value.problems
    assert str(problem).startswith("t0, t1, t2, t3, t4 and 995 more: the variable NOT_SET")

    found = refused("".join(f'{{"name": "t{number}"}}\n' for number in range(1_000)), "t.jsonl")

    assert len(found) == 51
    assert found[-1] == "and 950 more problems"


@pytest.mark.parametrize("outside", ["", "PGPORT"])
def test_where_a_text_leads_is_the_same_with_and_without_asking_libpq(monkeypatch, outside):
    if outside:
        monkeypatch.setenv(outside, "7777")
    url = "postgresql://u:ge%27he%5Cim@db1,db2/it%27s"
    found = locate(Target("a", url=url), "sqlmigrate")

    port = "7777" if outside else "5432"
    assert (found.host, found.database) == ("db1:5432,db2:5432", "it's")
    assert locate(Target("a", url="postgresql://db1/d"), "sqlmigrate").host == f"db1:{port}"
    assert conninfo_to_dict(found.conninfo) == conninfo_to_dict(url)
    assert locate(Target("a", url="host=/tmp port=1 dbname=d"), "sqlmigrate").host == "socket /tmp"


def test_two_targets_in_one_place_are_refused():
    targets = [
        Target("a", url="postgresql://x@h/d"),
        Target("b", url="host=h dbname=d user=y"),
        Target("c", url="host=h dbname=d", schema="s"),
        Target("d", url="host=h dbname=d", schema="s"),
        Target("e", url="host=h dbname=d", schema="s_sqlmigrate"),
        Target("f", url="host=h dbname=other", schema="s"),
    ]

    with pytest.raises(InventoryError) as caught:
        locate_all(targets, "sqlmigrate", {})

    assert list(map(str, caught.value.problems)) == [
        "b and a are both database d on h:5432",
        "d and c are both schema s of database d on h:5432",
        "e: schema s_sqlmigrate holds the history of d",
    ]


def test_only_fleet_commands_run_the_command(tmp_path, monkeypatch, sqlmigrate):
    marker = tmp_path / "was run"
    (tmp_path / "sql").mkdir()
    words = json.dumps([sys.executable, "-c", f"open({str(marker)!r}, 'w')"])
    Path(tmp_path / "sqlmigrate.toml").write_text(f"targets_command = {words}\n")
    monkeypatch.chdir(tmp_path)

    assert sqlmigrate("validate").status == 0
    assert sqlmigrate("config").status == 0

    assert not marker.exists()


URL = "postgresql://app:geheim@db1/acme"
INFO = "host=db1 password=geheim"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("t.csv", f"acme,{URL}\nbolt,{URL}\n", "t.csv:1: the first line names no column 'name'"),
        ("t.csv", f"name,{URL}\na,b\n", "t.csv:2: targets[0]: the key 'postgresql://app:***@db1/acme' is not allowed"),
        ("t.csv", f"name,url\n{URL},a\n", "t.csv:2: targets[0].name holds a password, which reports would show"),
        ("t.csv", f"name,url,cluster\na,b,{INFO}\n", "t.csv:2: targets[0].cluster holds a password"),
        ("t.jsonl", json.dumps({"name": "a", "url_env": URL}), "t.jsonl:1: targets[0].url_env holds a password"),
        ("t.jsonl", json.dumps({"name": "a", "service": INFO}), "t.jsonl:1: targets[0].service holds a password"),
        ("t.jsonl", json.dumps({"name": "a", "service": "s", "tags": [INFO]}), "t.jsonl:1: targets[0].tags holds a"),
        ("t.jsonl", json.dumps({"name": "a", "service": "s", "schema": URL}), "t.jsonl:1: targets[0].schema holds"),
        ("t.yaml", f"targets:\n- name: a\n  {URL}: x\n", "t.yaml:3:3: targets[0]: the key 'postgresql://app:***@db1"),
    ],
)
def test_a_connection_string_in_the_wrong_place_shows_no_password(refused, name, text, problem):
    assert refused(text, name)[0].startswith(problem)


def test_no_error_of_a_list_shows_a_password():
    error = InventoryError(f"no {URL}", [Problem(f"not {INFO}", hint="do")])

    assert "geheim" not in repr(error) + str(error.problems)


def test_what_reports_show_of_a_target_can_be_printed(refused):
    line = {"name": "a", "service": "s", "tags": ["x\x1b[2J"], "cluster": "a\n::error::b"}

    assert refused(json.dumps(line), "t.jsonl") == [
        r"t.jsonl:1: a: tags 'x\x1b[2J' cannot be printed",
        r"t.jsonl:1: a: cluster 'a\n::error::b' cannot be printed",
    ]


def test_the_schema_of_whoever_connects_is_no_tenants(refused):
    assert refused("name,service,schema\na,s,$user\n", "t.csv") == [
        "t.csv:2: a: $user is no schema that a tenant can have"
    ]


def test_a_line_that_is_nested_without_end_is_refused(refused):
    assert refused('{"name": %s}\n' % ("[" * 100_000), "t.jsonl") == ["t.jsonl:1: not a JSON object"]
