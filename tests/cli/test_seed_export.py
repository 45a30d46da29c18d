"""`sqlmigrate seed schema` and `seed export`."""

from __future__ import annotations

import json

import pytest

from support.seeds import AGENTS, LLMS, SeedFiles

TABLES = """
CREATE TABLE llms (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), model_code text UNIQUE NOT NULL, provider text);
CREATE TABLE agents (
    agent_type text PRIMARY KEY,
    llm_id uuid REFERENCES llms,
    config jsonb,
    updated_at timestamptz DEFAULT now()
);
INSERT INTO llms (model_code, provider) VALUES ('b', NULL), ('a', '');
INSERT INTO agents (agent_type, llm_id, config) SELECT 'T', id, '{"size": 1.50}' FROM llms WHERE model_code = 'a';
"""
ROWS = 'llms:\n  - model_code: a\n    provider: ""\n  - model_code: b\n    provider: null\n'
HOSTILE = """
CREATE TABLE "/a: ""b""
%s" ("<<" text PRIMARY KEY, "no" int, "a: b" text, "%s" text, "# c" text, " " text, "ключ" text, "user" text);
INSERT INTO "/a: ""b""
%s" VALUES ('<<', 1, 'a: b', '%s', '# c', ' ', 'ключ', 'user'), ('yes', 2, '- x', '*a', '&a', '!t', '|', '>');
CREATE TABLE "select" ("from" text PRIMARY KEY, "where" text);
INSERT INTO "select" VALUES ('order', 'by');
"""


@pytest.fixture
def tables(project, target):
    """A database with two tables, and a project without seed files."""
    (project.root / "data").mkdir()
    target.connect().execute(TABLES)
    return target


def schema_of(*names: str) -> dict[str, object]:
    """Give the rules for rows with these keys."""
    rows = {"type": "object", "additionalProperties": False, "properties": {name: {} for name in names}}
    return {"properties": {"llms": {"type": "array", "items": rows}}}


def names_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_both_print_and_write_nothing_unless_they_are_told_where(tables, project, sqlmigrate):
    made = sqlmigrate("seed", "schema", "llms")
    printed = sqlmigrate("seed", "export", "public.llms")

    assert json.loads(made.stdout)["x-sqlmigrate"] == LLMS
    assert (printed.status, printed.stdout) == (0, ROWS)
    assert sqlmigrate("seed", "export", "llms", "--format", "csv").stdout == 'model_code,provider\na,""\nb,\n'
    assert sqlmigrate("seed", "schema", "llms", "--json").document["schema"] == json.loads(made.stdout)
    assert printed.stderr.startswith(f"database {tables.name} on")
    assert names_in(project.root / "data") == []


def test_written_files_are_named_and_seed_back_unchanged(tables, project, sqlmigrate):
    outcome = sqlmigrate("seed", "export", "agents", "llms", "--output", "data", "--json")

    assert outcome.status == 0
    assert outcome.document["tables"] == [
        {"table": f"public.{name}", "file": f"data/{name}.yaml", "schema": f"data/{name}.schema.json",
         "rows": rows, "notes": []}
        for name, rows in (("agents", 1), ("llms", 2))
    ]  # fmt: skip
    assert "llm_model_code: a\n    config:\n      size: 1.50\n" in (project.root / "data/agents.yaml").read_text()
    assert sqlmigrate("seed", "diff", "--check").status == 0
    assert sqlmigrate("seed").lines[-1] == "public.agents: 0 inserted, 0 updated, 1 unchanged"
    assert names_in(project.root / "data") == ["agents.schema.json", "agents.yaml", "llms.schema.json", "llms.yaml"]


@pytest.mark.parametrize("there", ["llms.yaml", "llms.yml", "llms.csv", "llms.schema.json"])
def test_nothing_is_overwritten_and_no_link_is_followed(tables, project, sqlmigrate, there):
    data = project.root / "data"
    (data / there).symlink_to("/nowhere/at/all")

    outcome = sqlmigrate("seed", "export", "llms", "--output", "data/")

    reason = "cannot be read: a symbolic link" if "schema" in there else "exists already, and is not overwritten"
    assert outcome.status == 1
    assert f"data/{there}: {reason}" in outcome.stderr
    (data / "llms.schema.json").unlink(missing_ok=True)
    (data / "llms.schema.json").write_text("")
    assert "exists already" in sqlmigrate("seed", "schema", "llms", "--output", "data").stderr
    assert names_in(data) == sorted({there, "llms.schema.json"})


def test_a_schema_that_is_there_says_how_rows_are_written(tables, project, sqlmigrate):
    files = SeedFiles(project.root / "data")
    files.schema("models", LLMS, **schema_of("provider", "model_code"))
    files.schema("agents", AGENTS)

    assert sqlmigrate("seed", "export", "llms").stdout == (
        "# yaml-language-server: $schema=models.schema.json\n\n"
        'llms:\n  - provider: ""\n    model_code: a\n  - provider: null\n    model_code: b\n'
    )
    assert sqlmigrate("seed", "export", "agents").stdout == (
        "# yaml-language-server: $schema=agents.schema.json\n\n"
        "agents:\n  - agent_type: T\n    llm_model_code: a\n    config:\n      size: 1.50\n"
    )
    assert sqlmigrate("seed", "export", "llms", "--output", "data/").lines == [
        "wrote data/models.yaml: 2 rows of public.llms"
    ]
    assert sqlmigrate("seed", "diff", "--check").status == 0
    chosen = sqlmigrate("seed", "export", "llms", "--without", "provider")
    assert "data/models.schema.json says which columns rows of public.llms have" in chosen.stderr

    files.schema("twice", LLMS)
    assert "public.llms has more than one schema: " in sqlmigrate("seed", "export", "llms").stderr


def test_csv_is_written_as_the_mapping_says(tables, project, sqlmigrate):
    csv = {"header": False, "delimiter": ";", "null": "NULL"}
    SeedFiles(project.root / "data").schema("llms", LLMS | {"csv": csv}, **schema_of("model_code", "provider"))
    tables.connect().execute("INSERT INTO llms (model_code, provider) VALUES ('c;\"d\"', 'NULL'), ('e\r\n', 'f,g')")

    assert sqlmigrate("seed", "export", "llms", "--output", "data/llms.csv").status == 0
    written = (project.root / "data/llms.csv").read_bytes().decode()
    assert written == 'a;\nb;NULL\n"c;""d""";"NULL"\n"e\r\n";f,g\n'
    assert sqlmigrate("seed", "diff", "--check").status == 0


def test_rows_that_do_not_fit_are_told_and_nothing_is_written(tables, project, sqlmigrate):
    files = SeedFiles(project.root / "data")
    rules = schema_of("model_code", "provider")
    rules["properties"]["llms"]["items"]["properties"]["provider"] = {"enum": ["", "p"]}  # type: ignore[index]
    files.schema("llms", LLMS, **rules)
    before = names_in(files.directory)

    outcome = sqlmigrate("seed", "export", "llms", "--output", "data/")

    assert outcome.status == 1
    assert "data/llms.schema.json: llms[1].provider: null is not one of '', 'p'" in outcome.stderr
    assert names_in(files.directory) == before


@pytest.mark.parametrize(
    ("value", "said"),
    [("'null'", "it is the JSON null"), ("'[0.12345678901234567890123]'", "cannot be kept exactly"),
     ("(repeat('[', 95) || repeat(']', 95))::jsonb", "it has more than 90 levels")],
)  # fmt: skip
def test_a_value_that_no_file_can_hold_is_told_with_its_row(tables, project, sqlmigrate, value, said):
    tables.connect().execute(f"UPDATE agents SET config = {value}")

    outcome = sqlmigrate("seed", "export", "agents", "--output", "data/")

    assert outcome.status == 1
    assert "config of agent_type 'T' in public.agents: " in outcome.stderr
    assert said in outcome.stderr
    assert names_in(project.root / "data") == []


def test_a_condition_is_sql_of_the_user_and_only_read(tables, sqlmigrate):
    def where(condition: str) -> str:
        outcome = sqlmigrate("seed", "export", "llms", "--where", condition)
        return outcome.stdout if outcome.status == 0 else outcome.stderr.partition("\n")[2]

    assert where("model_code LIKE 'a%' AND llms.provider = '' -- all") == ROWS.partition("  - model_code: b")[0]
    assert where("false") == "llms: []\n"
    assert where("model_code = 'a' AND\n  nothing = 1").splitlines()[:2] == [
        'error: --where:2:3: column "nothing" does not exist',
        "  2 |   nothing = 1",
    ]
    assert where("model_code = 'a").startswith("error: --where:1:14: unterminated quoted string at or near \"'a\n")
    assert "--where must be one condition" in where("true) UNION ALL (SELECT * FROM llms")
    assert "syntax error" in where("true); DROP TABLE agents; --")
    assert where("1 / length(provider) > 0") == "error: public.llms: division by zero\n"
    tables.connect().execute("CREATE SEQUENCE numbers")
    assert "read-only transaction" in where("nextval('numbers') > 0")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export"], "Missing argument 'TABLE...'"),
        (["export", "llms", "agents"], "several tables go to several files"),
        (["export", "llms", "agents", "--output", "x/", "--where", "true"], "are for one TABLE"),
        (["export", "llms", "--output", "llms.txt"], "must end with .yaml, .yml or .csv"),
        (["export", "llms", "--output", "llms.csv", "--format", "yaml"], "must end with"),
        (["export", "llms", "--json"], "name the file or the folder with --output"),
    ],
)
def test_wrong_calls(tables, sqlmigrate, arguments, said):
    outcome = sqlmigrate("seed", *arguments)

    assert outcome.status == 2
    assert said in outcome.stderr + outcome.stdout


def test_hostile_names_and_values_seed_back_unchanged(tables, project, sqlmigrate):
    tables.connect().execute(HOSTILE)

    for form in ("yaml", "csv"):
        folder = f"out_{form}"
        outcome = sqlmigrate("seed", "export", '/a: "b"\n%s', "select", "--output", folder, "--format", form)
        assert outcome.status == 0, outcome.stderr
        assert sqlmigrate("seed", "diff", "--check", "--data", folder).status == 0
        assert {"select.schema.json", f"select.{form}"} < set(names_in(project.root / folder))
    assert names_in(project.root) == ["data", "out_csv", "out_yaml", "sql"]


def test_it_is_said_that_policies_may_hide_rows(tables, sqlmigrate):
    tables.connect().execute("""
        ALTER TABLE llms ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY a_few ON llms USING (model_code = 'a');
    """)

    outcome = sqlmigrate("seed", "export", "llms")

    assert outcome.stdout == ROWS.partition("  - model_code: b")[0]
    assert "row level security of public.llms applies to migrator: rows that its policies hide" in outcome.stderr


@pytest.mark.parametrize("command", ["schema", "export"])
def test_a_table_without_columns_is_refused(tables, sqlmigrate, command):
    tables.connect().execute("CREATE TABLE bare ()")

    outcome = sqlmigrate("seed", command, "bare")

    assert outcome.status == 1
    assert "error: public.bare has no columns, so it cannot be seeded" in outcome.stderr
