"""Servers that begin with what is kept: the same verdicts, and nothing of it where anything is in doubt."""

from __future__ import annotations

import os
import random
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.project import Project
from sqlmigrate import connection, events, roundtrip, shadow
from sqlmigrate.config import Config
from sqlmigrate.engine import Options
from sqlmigrate.roundtrip import Runner
from sqlmigrate.schema.read import read_schema
from sqlmigrate.server import kept
from sqlmigrate.shadow import Settings

pytestmark = pytest.mark.pg

SIZE = 1 << 30
HISTORY = {
    "1": "CREATE TABLE a (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, at timestamp DEFAULT now());",
    "2": "INSERT INTO a (name) VALUES ('one'), ('two');",
    "3": "CREATE UNLOGGED TABLE b (n integer);\nINSERT INTO b SELECT * FROM generate_series(1, 1000);",
    "4": "DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem TO ''12MB''', current_database()); END$$;",
    "5": "GRANT SELECT ON a TO reader;\nCREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM a';",
    "6": "CREATE INDEX b_n ON b (n);\nANALYZE b;\nCOMMENT ON TABLE b IS 'kept';",
}
NEXT = "CREATE TABLE c (n integer);"
STATE = """
SELECT (SELECT array_agg((id, name) ORDER BY id) FROM a)::text,
       (SELECT count(*) FROM b), (SELECT last_value FROM a_id_seq), current_setting('work_mem'),
       (SELECT reltuples FROM pg_class WHERE relname = 'b')
"""


@pytest.fixture(scope="module")
def only_initdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which there is nothing but what initdb makes."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("cache of initdb")
        patch.setenv("XDG_CACHE_HOME", str(home))
        with shadow.opened(shadow.Wanted(cache=SIZE)):
            return home / "sqlmigrate"


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cache of this test is; in it, everything is worth keeping."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("sqlmigrate.shadow.server._SCRIPTS_WORTH", 0)
    return tmp_path / "cache" / "sqlmigrate"


@pytest.fixture
def cache(no_cache: Path, only_initdb: Path) -> Path:
    """A cache of its own for each test, with what initdb makes."""
    shutil.copytree(only_initdb, no_cache)
    return no_cache


@pytest.fixture
def files(project: Project) -> Project:
    """A short history, and a migration behind it."""
    for name, text in HISTORY.items():
        project.migration(name, text)
    project.migration("7", NEXT, rollback="DROP TABLE c;")
    return project


@pytest.fixture
def history(files: Project, cache: Path) -> Project:
    """The same, where the cache is ready."""
    return files


class Run:
    """One round trip of the last migration, what was taken and kept for it, and what came before it."""

    def __init__(self, project: Project, *ids: str, jobs: int = 1, cache: int = SIZE, settings: Settings | None = None):
        self.told: list[events.Event] = []
        self.notes: list[str] = []
        found = project.load()
        wanted = ids or (found.ordered[-1].migration_id,)
        config = Config(migrations=project.directory, cache_size=cache)
        request = roundtrip.RoundTripRequest(migrations=found, ids=wanted, jobs=jobs)
        facts = None
        if settings is not None:
            facts = shadow.TargetFacts(
                major=0, version="0", database="d", owner="o", login="migrator", settings=settings
            )
        seen = roundtrip.Seen(facts)
        opened = roundtrip.opened(config, Options(), request, self.notes.append, lambda: seen, self.told.append)
        with opened as trials:
            self.trips = list(trials.run())

    @property
    def taken(self) -> int | None:
        """Behind how many migrations it began; None where nothing was kept."""
        return next((event.done for event in self.told if isinstance(event, events.Taken)), None)

    @property
    def kept(self) -> list[tuple[int, bool]]:
        return [(event.done, event.day_only) for event in self.told if isinstance(event, events.Kept) and event.done]

    @property
    def reasons(self) -> str:
        return "; ".join(event.reason for event in self.told if isinstance(event, events.NotKept))

    @property
    def verdicts(self):
        return [(trip.migration_id, trip.verdict.value, trip.base, trip.makes, trip.without) for trip in self.trips]


def behind(project: Project, *, cache: int = SIZE, count: int = len(HISTORY), url: str | None = None):
    """Give the fingerprint of what the first migrations make, the rows that matter, and what was told.

    On the server of a URL, nothing is kept or taken.
    """
    before = project.load().ordered[:count]
    config = Config(migrations=project.directory, cache_size=cache, shadow_url=url)
    wanted = shadow.wanted(config, [item.script for item in before], before=roundtrip.before(before, Options()))
    told: list[events.Event] = []

    with shadow.opened(wanted, told.append) as server, ExitStack() as stack:
        ground = Runner(server, Options()).ground(stack, before)
        assert ground.left_out == []
        with connection.session(ground.database.conninfo) as session:
            connection.give_back(session)
            tables = {
                name for (name,) in session.execute("SELECT relname FROM pg_class WHERE relkind = 'r'").fetchall()
            }
            state = session.execute(STATE).fetchone() if {"a", "b"} <= tables else None
            return read_schema(session).schema.fingerprint(), state, told


def test_a_second_run_begins_behind_what_came_before(history):
    first, second, fresh = Run(history), Run(history), Run(history, cache=0)

    assert (first.taken, first.kept) == (0, [(6, False)])
    assert (second.taken, second.kept) == (6, [])
    assert (fresh.taken, fresh.kept, fresh.told) == (None, [], [])
    assert first.verdicts == second.verdicts == fresh.verdicts
    assert first.verdicts[0][:2] == ("7", "exact")


def test_what_is_taken_holds_all_that_the_scripts_made(history):
    made, taken, fresh = behind(history), behind(history), behind(history, cache=0)

    assert any(isinstance(event, events.Taken) and event.done == 6 for event in taken[2])
    assert made[:2] == taken[:2] == fresh[:2]
    assert taken[1][1:] == (1000, 2, "12MB", 1000)


def test_a_new_last_migration_costs_only_itself(history):
    Run(history)
    history.migration("8", "CREATE TABLE d ();", rollback="DROP TABLE d;")
    found = Run(history)

    assert (found.taken, found.kept) == (6, [(7, False)])
    assert Run(history, "8").taken == 7
    assert Run(history, "7").taken == 6


def test_an_edit_is_replayed_from_there(history):
    Run(history, "4")
    Run(history)
    history.migration("5", HISTORY["5"] + "\n-- edited\n")
    found = Run(history)

    assert (found.taken, found.kept) == (3, [(6, False)])


def test_servers_side_by_side_begin_with_the_same(history):
    history.migration("8", "CREATE TABLE d ();", rollback="DROP TABLE d;")
    alone = Run(history, "7", "8")
    found = Run(history, "7", "8", jobs=2)

    assert [event.done for event in found.told if isinstance(event, events.Taken)] == [6, 6]
    assert found.verdicts == alone.verdicts


def test_a_migration_that_fails_is_kept_for_nobody(history):
    history.migration("3", "SELECT * FROM nowhere;")
    first, second = Run(history), Run(history)

    assert first.kept == second.kept == []
    assert first.verdicts == second.verdicts
    assert second.verdicts[0][-1] == ("3", "6")


def test_a_role_that_the_scripts_name_makes_another_state(history):
    Run(history)
    history.migration("7", "CREATE TABLE c (n integer);\nGRANT SELECT ON c TO writer;", rollback="DROP TABLE c;")

    assert Run(history).taken == 0


def test_another_setting_of_the_target_makes_another_state(history):
    tokyo, cairo = (Settings({"timezone": zone}) for zone in ("Asia/Tokyo", "Africa/Cairo"))
    first, second, third = (Run(history, settings=settings) for settings in (tokyo, tokyo, cairo))

    assert [first.taken, second.taken, third.taken] == [0, 6, 0]
    assert [dict(run.trips[0].settings) for run in (second, third)] == [dict(tokyo.values), dict(cairo.values)]


def test_nothing_is_kept_of_a_target_with_settings_of_its_own(history, cache):
    found = Run(history, settings=Settings({"timezone": "UTC"}, own={"app.secret": "do not keep me"}))

    assert found.kept == []
    assert "settings of its own" in found.reasons
    assert all(b"do not keep me" not in path.read_bytes() for path in cache.iterdir())


OF_ANOTHER = """
CREATE FUNCTION g() RETURNS date LANGUAGE sql AS 'SELECT current_date';
CREATE FUNCTION h() RETURNS date LANGUAGE sql AS 'SELECT g()';
SELECT h();
DROP FUNCTION h();
"""
DAY = "DO $$BEGIN EXECUTE format('CREATE TABLE day_%s ()', to_char(now(), 'YYYYMMDD')); END$$;"


def test_what_depends_on_the_day_is_kept_for_it_only(history, monkeypatch):
    history.migration("6", DAY)
    first, again = Run(history), Run(history)
    monkeypatch.setattr("sqlmigrate.shadow.bases.Bases._day", lambda _: "of another day")
    tomorrow = Run(history)

    assert (first.kept, again.taken, tomorrow.taken) == ([(6, True)], 6, 0)
    assert tomorrow.kept == [(6, True)]


@pytest.mark.parametrize(
    "script",
    [
        "CREATE FUNCTION g() RETURNS date LANGUAGE sql AS 'SELECT current_date';\nCREATE TABLE t AS SELECT g() AS at;",
        OF_ANOTHER,
        "CREATE VIEW w AS SELECT current_date AS d;\nCREATE TABLE t AS SELECT * FROM w;",
    ],
    ids=["function", "function of a function", "view"],
)
def test_what_scripts_call_is_looked_into(history, script):
    history.migration("6", script)

    assert Run(history).kept == [(6, True)]


def test_a_function_of_an_earlier_migration_is_looked_into(history):
    history.migration("5", "CREATE FUNCTION g() RETURNS date LANGUAGE plpgsql AS 'BEGIN RETURN current_date; END';")
    history.migration("6", "CREATE TABLE t AS SELECT g() AS at;")
    assert Run(history, "6").kept == [(5, False)]

    found = Run(history)
    assert (found.taken, found.kept) == (5, [(6, True)])


def test_what_only_writes_the_clock_down_is_kept_for_good(history):
    history.migration(
        "6",
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.at := now(); RETURN NEW; END$$;\n"
        "CREATE TRIGGER stamp BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION stamp();\n"
        "INSERT INTO a (name) SELECT lower('THREE');",
    )

    assert Run(history).kept == [(6, False)]


def test_a_clock_in_a_zone_of_its_own_is_not_kept(history):
    history.migration("6", "CREATE TABLE t AS SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date AS d;")
    found = Run(history)

    assert found.kept == []
    assert "zone of its own" in found.reasons


def largest(cache: Path) -> Path:
    return max(cache.iterdir(), key=lambda path: path.stat().st_size)


def test_a_damaged_file_changes_no_verdict(history, cache):
    right = Run(history)
    whole = largest(cache).read_bytes()
    changed = (whole[: len(whole) // 2], whole[:50_000] + bytes([whole[50_000] ^ 1]) + whole[50_001:], b"")
    for text in changed:
        largest(cache).write_bytes(text)
        found = Run(history)

        assert found.verdicts == right.verdicts
        assert (found.taken, found.kept) == (0, [(6, False)])


def test_a_file_under_a_key_that_lies_changes_no_verdict(history, cache):
    right = Run(history)
    behind_all = largest(cache)
    Run(history, "3")
    other = max((path for path in cache.iterdir() if path != behind_all), key=lambda path: path.stat().st_mtime_ns)
    other.replace(behind_all)
    found = Run(history)

    assert found.verdicts == right.verdicts
    assert found.taken == 0


def test_other_libraries_than_those_of_then_are_noticed(history, monkeypatch):
    right = Run(history)
    real = shadow.opening.machine
    monkeypatch.setattr("sqlmigrate.shadow.opening.machine", lambda session: [*real(session), "another ICU"])
    found = Run(history)

    assert "other libraries" in found.reasons
    assert found.verdicts == right.verdicts


def test_a_state_on_which_no_server_starts_is_done_without(history, cache, monkeypatch):
    """A lie that nobody but the user himself could seal: the manifest and all digests are right."""
    right = Run(history)
    store = kept.Store(cache, SIZE)
    (entry,) = [entry for entry in store.entries() if entry.manifest.record.get("done")]
    place = cache.parent / "lying"
    store.take(entry.manifest, place)
    (place / "global" / "pg_filenode.map").write_bytes(bytes(512))
    store.keep(place, replace(entry.manifest, folders=(), files=(), contents=()), owner=os.geteuid())
    found = Run(history)

    assert found.verdicts == right.verdicts
    assert "does not start" in found.reasons


def test_a_folder_that_is_open_to_others_is_not_used(files, no_cache):
    no_cache.mkdir(parents=True, mode=0o755)
    found = Run(files)

    assert (found.taken, found.kept, list(no_cache.iterdir())) == (None, [], [])
    assert any("is open to others" in note for note in found.notes)
    assert found.verdicts[0][:2] == ("7", "exact")


def test_without_a_place_it_works_without(files, no_cache):
    no_cache.parent.write_text("a file")
    found = Run(files)

    assert (found.taken, found.kept, found.notes) == (None, [], [])
    assert found.verdicts[0][:2] == ("7", "exact")


def test_two_versions_have_states_of_their_own(history, monkeypatch):
    right = Run(history)
    with monkeypatch.context() as patch:
        patch.setattr("sqlmigrate.server.kept.machine.__version__", "of tomorrow")
        tomorrow = Run(history)
    again = Run(history)

    assert (tomorrow.taken, tomorrow.kept, again.taken) == (None, [(6, False)], 6)
    assert right.verdicts == tomorrow.verdicts == again.verdicts


def test_what_a_superuser_reads_from_files_is_not_kept(history):
    history.file("bootstrap/1.sql", "CREATE TABLE public.h AS SELECT pg_read_file('PG_VERSION') AS name;")
    found = Run(history)

    assert found.kept == []
    assert "read or change files" in found.reasons


def test_a_bootstrap_is_part_of_the_state(history):
    history.file("bootstrap/1.sql", "CREATE ROLE of_bootstrap;\nCREATE TABLE public.h (n integer);")
    first, second = Run(history), Run(history)
    history.file("bootstrap/1.sql", "CREATE ROLE of_bootstrap;\nCREATE TABLE public.h (n bigint);")
    third = Run(history)

    assert [first.taken, second.taken, third.taken] == [0, 6, 0]
    assert first.verdicts == second.verdicts
    assert first.verdicts[0][2] != third.verdicts[0][2]


def test_a_role_that_a_migration_makes_is_there(history):
    history.migration("6", "CREATE ROLE maker;\nGRANT SELECT ON a TO maker;")
    history.file("bootstrap/1.sql", "ALTER ROLE migrator CREATEROLE;")
    first, second = Run(history), Run(history)

    assert (first.kept, second.taken) == ([(6, False)], 6)
    assert first.verdicts == second.verdicts
    assert first.verdicts[0][-1] == ()


KINDS = (
    "CREATE TABLE t{n} (id integer PRIMARY KEY, of integer)",
    "CREATE TABLE s{n} (id serial, text text DEFAULT now()::text)",
    "CREATE VIEW v{n} AS SELECT 1 AS one",
    "CREATE TYPE e{n} AS ENUM ('a', 'b')",
    "CREATE FUNCTION f{n}() RETURNS integer LANGUAGE sql AS 'SELECT {n}'",
    "CREATE SCHEMA n{n};\nCREATE TABLE n{n}.t (a integer CHECK (a > {n}))",
    "CREATE TABLE i{n} (a integer);\nCREATE INDEX ON i{n} (a);\nINSERT INTO i{n} SELECT {n}",
    "CREATE SEQUENCE q{n};\nSELECT nextval('q{n}')",
)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.usefixtures("cache")
def test_after_any_edits_it_is_as_if_nothing_were_kept(tmp_path, seed, shadow_url):
    """A random history is edited and added to; behind any of its migrations it is compared with a fresh one."""
    chance = random.Random(seed)
    project = Project(tmp_path / "random")
    texts = [chance.choice(KINDS).format(n=number) for number in range(6)]
    taken = 0
    for step in range(4):
        for number, text in enumerate(texts):
            project.migration(f"{number:02}", f"{text};")
        found, fresh = behind(project, count=2 + step), behind(project, count=2 + step, url=shadow_url)
        assert found[:2] == fresh[:2]
        assert fresh[2] == []
        taken += any(isinstance(event, events.Taken) and event.done for event in found[2])
        texts.append(chance.choice(KINDS).format(n=len(texts)))
        at = chance.randrange(2, len(texts))
        texts[at] = chance.choice(KINDS).format(n=at + 100)
    assert taken
