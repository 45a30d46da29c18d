"""Files that are not as their tool's documentation has them, and folders that somebody may have prepared."""

from __future__ import annotations

import json

import pytest

from sqlmigrate.errors import UsageError
from sqlmigrate.migrations import load
from support.importing import contents, imported, written

UP = "CREATE TABLE a (id int);\n"
DBMATE = "-- migrate:up\n{up}-- migrate:down\n{down}"


def dbmate(up: str = UP, down: str = "DROP TABLE a;\n") -> str:
    return DBMATE.format(up=up, down=down)


@pytest.mark.parametrize(
    ("content", "ours"),
    [
        (b"\xef\xbb\xbf-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;", ("SELECT 1;\n", "SELECT 2;")),
        (b"-- migrate:up\r\nSELECT 1;\r\n-- migrate:down\r\nSELECT 2;\r\n", ("SELECT 1;\r\n", "SELECT 2;\r\n")),
        (
            b"-- migrate:up transaction:false\r\nSELECT 1;\r\n-- migrate:down\r\nSELECT 2;\r\n",
            ("-- transactional: false\r\nSELECT 1;\r\n", "-- transactional: true\r\nSELECT 2;\r\n"),
        ),
        (
            b"-- migrate:up\nSELECT '-- migrate:down';\n-- migrate:down\nSELECT 2;",
            ("SELECT '-- migrate:down';\n", "SELECT 2;"),
        ),
        (
            b"-- migrate:up\nSELECT 1;\n /*\n  -- migrate:down\n*/\n-- migrate:down\nSELECT 2;",
            ("SELECT 1;\n /*\n  -- migrate:down\n*/\n", "SELECT 2;"),
        ),
        ("-- migrate:up\nSELECT 'ä\u2028ö';\n-- migrate:down".encode(), ("SELECT 'ä\u2028ö';\n", None)),
        (b"-- migrate:up\nSELECT 1;\n", ("SELECT 1;\n", None)),
    ],
)
def test_line_ends_marks_of_order_and_quotes_stay(tmp_path, content, ours):
    outcome = imported(tmp_path, "dbmate", {"1_a.sql": content})

    assert outcome.said == []
    assert (outcome.files["1_a.sql"], outcome.files.get("1_a.rollback.sql")) == ours


CUT = "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$\n-- migrate:down\nSELECT 1 $$;\n"
REFUSED = {
    "a marker in a dollar quote, where the tool cuts too": (
        "dbmate",
        {"1_a.sql": f"-- migrate:up\n{CUT}-- migrate:down\n"},
        [f"1_a.sql:{line}: this dollar quote $$ is never closed" for line in (2, 4)],
    ),
    "the files of another tool": (
        "dbmate",
        {"1_a.sql": dbmate(), "2_b.sql": "-- +goose Up\nSELECT 1;\n"},
        ["2_b.sql: it has no line -- migrate:up"],
    ),
    "the wrong way round": (
        "dbmate",
        {"1_a.sql": "-- migrate:down\n-- migrate:up\n"},
        ["1_a.sql:1: -- migrate:down stands before -- migrate:up"],
    ),
    "a statement above": (
        "dbmate",
        {"1_a.sql": "SELECT 0;\n" + dbmate()},
        ["1_a.sql:1: a statement stands before -- migrate:up, where dbmate runs none"],
    ),
    "a comment that would be a directive here": (
        "dbmate",
        {"1_a.sql": dbmate("-- depends: the users\nSELECT 1;\n")},
        ["1_a.sql:2: this comment would be read as a directive of sqlmigrate"],
    ),
    "a transaction that ends in between": (
        "dbmate",
        {"1_a.sql": dbmate("SELECT 1;\nCOMMIT;\nSELECT 2;\n")},
        ["1_a.sql:3: COMMIT: a script must not end or begin the transaction that protects it"],
    ),
    "a command of psql": (
        "supabase",
        {"1_a.sql": "SELECT 1;\n\\i other.sql\n"},
        ["1_a.sql:2: \\i is a psql command, not SQL"],
    ),
    "no text": ("supabase", {"1_a.sql": b"SELECT\n'\xff';"}, ["1_a.sql:2: byte 0xff is not UTF-8"]),
    "a NUL": ("supabase", {"1_a.sql": b"SELECT\n'\0';"}, ["1_a.sql:2: a NUL character is in it"]),
    "a number twice": (
        "supabase",
        {"1_a.sql": UP, "1_b.sql": UP},
        ["1_b.sql: it has the same version as 1_a.sql"],
    ),
    "a step in Go, and another up": (
        "goose",
        {
            "00001_a.go": "package x",
            "2_b.sql": "-- +goose Up\n-- +goose Up\n",
            "3_c.sql": "-- +goose Down\n-- +goose Up\n",
        },
        [
            "00001_a.go: a step in Go cannot be converted",
            "2_b.sql:2: +goose Up is there twice, which goose refuses",
            "3_c.sql:1: +goose Down stands before +goose Up, which goose refuses",
        ],
    ),
    "variables of the environment": (
        "goose",
        {"1_a.sql": "-- +goose ENVSUB ON\n-- +goose Up\nSELECT '${HOME}';\n"},
        ["1_a.sql:3: goose fills in a variable of the environment here"],
    ),
    "what Flyway runs beside its versions": (
        "flyway",
        {
            "V1__a.sql": "SELECT 1;\nSELECT '${schema}';\n",
            "R__views.sql": UP,
            "V2__x.java": "",
            "afterMigrate.sql": UP,
            "B1__base.sql": UP,
            "U9__x.sql": UP,
            "deep/V1.0__again.sql": UP,
            "V3__x.sql": UP,
            "V3__x.sql.conf": "shouldExecute=${when}\n",
        },
        [
            "B1__base.sql: is another way to make what the versions up to it make; it was left out",
            "R__views.sql: a repeatable migration runs again whenever it has changed, ",
            "U9__x.sql: there is no migration of this version that it would undo",
            "V1.0__again.sql: it has the same version as V1__a.sql",
            "V1__a.sql:2: Flyway fills in the placeholder ${schema} here",
            "V2__x.java: a migration that is no SQL cannot be converted",
            "V3__x.sql: Flyway runs this only under a condition (shouldExecute), which cannot be converted",
            "afterMigrate.sql: a callback cannot be converted",
        ],
    ),
    "a journal that leads elsewhere": (
        "drizzle",
        {"meta/_journal.json": json.dumps({"entries": [{"tag": "../../x", "when": 1}]})},
        ["_journal.json: has an entry whose tag is no file name: '../../x'"],
    ),
    "a journal that is none": ("drizzle", {"meta/_journal.json": "["}, ["_journal.json: is not JSON that can be used"]),
    "a file that no journal lists": (
        "drizzle",
        {"meta/_journal.json": json.dumps({"entries": []}), "0000_a.sql": UP},
        ["0000_a.sql: the journal does not list it, so Drizzle never runs it"],
    ),
    "placeholders and work that is not committed": (
        "graphile-migrate",
        {
            "committed/000001.sql": "--! Previous: -\n--! Hash: sha1:a\n\nSELECT a::text, :DATABASE_OWNER;\n",
            "committed/000002.sql": UP,
            "current.sql": UP,
        },
        [
            "000001.sql:4: the placeholder :DATABASE_OWNER is filled in here",
            "000002.sql: it has no header `--! Hash:`, so nobody has committed it",
            "current.sql: it is not committed",
        ],
    ),
    "JavaScript": (
        "node-pg-migrate",
        {"1700000000000_a.js": ""},
        ["1700000000000_a.js: a migration in JavaScript cannot be converted"],
    ),
    "a plan with what is not there": (
        "sqitch",
        {
            "sqitch.plan": "%project=x\na 2024 A <a> # x\nb [zz !c] 2024 A <a> # y\n???\n",
            "deploy/b.sql": UP,
            "verify/a.sql": "DO $$ BEGIN END $$;",
        },
        [
            "a.sql: the plan names this script, but it is not there",
            "a.sql:1: a verify script with this cannot become an expectation",
            "b.sql: it depends on 0001_a, which is not converted",
            "sqitch.plan:3: it conflicts with another change, which cannot be said here",
            "sqitch.plan:3: it requires zz, which is no change of this plan",
            "sqitch.plan:4: this line of the plan is not understood; it was left out",
        ],
    ),
    "a tag that leads out of the folder": (
        "sqitch",
        {
            "sqitch.plan": "a 1 A <a> # x\n@../../../outside 1 A <a> # t\na [a@../../../outside] 1 A <a> # y\n",
            "deploy/a.sql": UP,
            "deploy/a@../keep": "",
            "verify/a@../keep": "",
            "outside.sql": "SELECT 'secret';",
            "../outside.sql": "SELECT 'secret';",
        },
        [
            "outside.sql: leads out of ",
            "outside.sql: '0001_a@../../../outside' cannot be an id",
            "a.sql: it depends on 0001_a@../../../outside, which is not converted",
        ],
    ),
    "what no tool printed": ("alembic", {"up.sql": UP}, ["up.sql: it has no comment `-- Running upgrade"]),
    "no plan": ("sqitch", {"deploy/a.sql": UP}, ["sqitch.plan: cannot be read: No such file or directory"]),
    "names that mean something here": (
        "prisma",
        {"post-apply/migration.sql": UP, "a b/migration.sql": UP, "x.rollback/migration.sql": UP},
        [
            "migration.sql: 'a b' cannot be an id",
            "migration.sql: post-apply has a meaning of its own as the name of a script",
            "migration.sql: x.rollback has a meaning of its own as the name of a script",
        ],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_converted_is_named_with_its_place_and_what_to_do(tmp_path, case):
    tool, theirs, said = REFUSED[case]

    outcome = imported(tmp_path, tool, theirs, *(theirs if tool == "alembic" else ()))

    assert "secret" not in str(outcome)
    assert [text for text in sorted(outcome.said) if not any(text.startswith(start) for start in said)] == []
    assert [start for start in said if not any(text.startswith(start) for text in outcome.said)] == []
    assert all(problem.hint for problem in outcome.done.problems)


LONG = 1_000_000  # characters: what backtracks over them takes hours
BACKTRACKING = {
    "blank lines": ("dbmate", {"1_a.sql": "\n" * LONG}),
    "no marker of goose": ("goose", {"1_a.sql": "--" + "\n" * LONG + "- - " * 1000}),
    "open placeholders": ("flyway", {"V1__a.sql": "--" + "${" * LONG}),
    "a step that has no arrow": ("alembic", {"up.sql": "-- Running upgrade " + " " * LONG + "x"}),
    "a version of very many digits": ("flyway", {"V" + "0" * 200 + "1__a.sql": UP}),
}


@pytest.mark.parametrize("case", BACKTRACKING)
def test_no_text_is_read_again_and_again(tmp_path, case):
    tool, theirs = BACKTRACKING[case]

    outcome = imported(tmp_path, tool, theirs, *(theirs if tool == "alembic" else ()))

    assert bool(outcome.done.problems) is not bool(outcome.done.new)


@pytest.mark.parametrize(
    ("tool", "first", "second", "text"),
    [
        ("dbmate", "1_a.sql", "1_b.sql", dbmate()),
        ("goose", "1_a.sql", "1_b.sql", "-- +goose Up\n" + UP),
        ("golang-migrate", "1_a.up.sql", "1_b.up.sql", UP),
        ("flyway", "V1__a.sql", "V01__b.sql", UP),
        ("supabase", "1_a.sql", "1_b.sql", UP),
        ("sqlx", "1_a.sql", "1_b.sql", UP),
        ("diesel", "1_a/up.sql", "1_b/up.sql", UP),
        ("graphile-migrate", "committed/000001-a.sql", "committed/000001-b.sql", f"--! Hash: sha1:0\n{UP}"),
    ],
)
def test_two_files_of_one_number_are_found_with_every_tool_that_goes_by_the_number(tmp_path, tool, first, second, text):
    outcome = imported(tmp_path, tool, {first: text, second: text})

    assert len([said for said in outcome.said if "it has the same version as" in said]) == 1


def test_what_is_wrong_with_one_direction_leaves_the_other(tmp_path):
    outcome = imported(tmp_path, "dbmate", {"1_a.sql": dbmate(down="COMMIT;\n"), "2_b.sql": dbmate("COMMIT;\n")})

    assert outcome.files == {"1_a.sql": UP}
    assert (outcome.done.new, outcome.done.refused, outcome.done.without_rollback) == (("1_a",), ("2_b",), ("1_a",))


def test_a_file_with_other_content_is_never_overwritten(tmp_path):
    written(tmp_path / "sql", {"1_a.sql": "mine", "2_b.rollback.sql": "mine"})

    outcome = imported(tmp_path, "dbmate", {"1_a.sql": dbmate(), "2_b.sql": dbmate(), "3_c.sql": dbmate()})

    assert outcome.files["1_a.sql"] == outcome.files["2_b.rollback.sql"] == "mine"
    assert "1_a.rollback.sql" not in outcome.files
    assert (outcome.done.new, outcome.done.refused) == (("3_c",), ("1_a", "2_b"))


def test_numbers_that_text_does_not_sort_ask_for_the_natural_order(tmp_path):
    files = {f"V1.{number}__x.sql": f"SELECT {number};\n" for number in (8, 9, 10, 11)}

    outcome = imported(tmp_path, "flyway", files)

    assert outcome.done.new == ("V1.8__x", "V1.9__x", "V1.10__x", "V1.11__x")
    assert outcome.done.order == "natural"
    assert outcome.files["V1.10__x.sql"] == "SELECT 10;\n"


def test_the_order_that_the_project_has_is_kept_where_it_fits(tmp_path):
    files = {f"{number}_x.up.sql": "SELECT 1;\n" for number in (1, 2)}

    assert imported(tmp_path, "golang-migrate", files, order="natural").done.order == "natural"


def test_an_order_that_no_names_have_is_written_as_dependencies(tmp_path):
    journal = {"entries": [{"tag": tag, "when": at} for at, tag in enumerate(("b", "c", "a", "d"))]}
    files = {f"{tag}.sql": "SELECT 1;\n" for tag in "abcd"}

    outcome = imported(tmp_path, "drizzle", {"meta/_journal.json": json.dumps(journal), **files})

    assert outcome.files["a.sql"] == "-- depends: c\nSELECT 1;\n"
    assert outcome.files["d.sql"] == "SELECT 1;\n"


def test_what_depends_on_what_is_not_converted_waits_for_it_so_that_the_folder_loads(tmp_path):
    names = ("a", "b", "c", "d")
    plan = "%project=x\n" + "".join(f"{name} 2024 A <a> # x\n" for name in names)
    files = {f"deploy/{name}.sql": f"CREATE TABLE {name} ();\n" for name in names}

    first = imported(tmp_path, "sqitch", {"sqitch.plan": plan, **files, "deploy/b.sql": "\\set x 1\n"})
    loaded = [item.migration_id for item in load(tmp_path / "sql").ordered]
    by_hand = written(tmp_path / "sql", {"0002_b.sql": "-- depends: 0001_a\nSELECT 1;\n"})
    again = imported(tmp_path, "sqitch", {})

    assert (first.done.new, first.done.refused) == (("0001_a",), ("0002_b", "0003_c", "0004_d"))
    assert [text for text in first.said if "depends" in text] == [
        "c.sql: it depends on 0002_b, which is not converted",
        "d.sql: it depends on 0003_c, which is not converted",
    ]
    assert loaded == ["0001_a"]
    assert (again.done.new, again.done.refused) == (("0003_c", "0004_d"), ("0002_b",))
    assert [item.migration_id for item in load(by_hand).ordered] == ["0001_a", "0002_b", "0003_c", "0004_d"]


def test_no_link_out_of_the_repository_is_followed(tmp_path):
    outside = written(tmp_path / "outside", {"secret.sql": dbmate(), "1_x.sql": dbmate()})
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (repository / "theirs").mkdir()
    (repository / "theirs" / "1_a.sql").symlink_to(outside / "secret.sql")
    (repository / "linked").symlink_to(outside)

    outcome = imported(repository, "dbmate", {})

    assert outcome.files == {}
    assert [text.partition(", to ")[0] for text in outcome.said] == [
        "1_a.sql: cannot be read: a symbolic link leads out of the repository"
    ]
    with pytest.raises(UsageError, match="leads out of the repository"):
        imported(repository, "dbmate", {}, "../linked")


LONG = "a" * 300
PLANS = {
    "sqitch": {
        "sqitch.plan": f"%project=x\n{LONG} 2020-01-01T00:00:00Z x <x@x> # y\n",
        "deploy/b.sql": UP,
        "revert/b.sql": UP,
    },
    "django": {"plan.txt": f"[X]  a.{LONG}\n"},
}


@pytest.mark.parametrize("tool", PLANS)
def test_a_name_that_no_file_can_have_is_one_of_no_file(tmp_path, tool):
    outcome = imported(tmp_path, tool, PLANS[tool])

    assert outcome.files == {}
    assert LONG in "\n".join(outcome.said)


def test_nothing_is_written_through_a_link_out_of_the_repository(tmp_path):
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (repository / "sql").symlink_to(tmp_path / "outside")

    with pytest.raises(UsageError, match="leads out of the repository"):
        imported(repository, "dbmate", {"1_a.sql": dbmate()})
    assert contents(tmp_path / "outside") == {}


def test_folders_that_are_not_there_or_the_same_are_refused(tmp_path):
    with pytest.raises(UsageError, match="there is no folder"):
        imported(tmp_path, "dbmate", {"1_a.sql": dbmate()}, "nowhere")
    (tmp_path / "sql").mkdir()
    with pytest.raises(UsageError, match="name another one with --into"):
        imported(tmp_path, "dbmate", {}, "../sql")
    with pytest.raises(UsageError, match="name the file that holds what Alembic prints"):
        imported(tmp_path, "alembic", {})
