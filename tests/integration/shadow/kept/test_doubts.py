"""What is kept counts for exactly one history, and nothing of it does where anything is in doubt."""

from __future__ import annotations

import os
import random
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.project import Project
from sqlmigrate import events, shadow
from sqlmigrate.server import kept
from sqlmigrate.shadow import Settings
from support.command import program
from support.kept import HISTORY, SIZE, Run, behind

pytestmark = pytest.mark.pg


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


def test_nothing_is_kept_of_a_target_with_settings_of_its_own(history, cache):
    found = Run(history, settings=Settings({"timezone": "UTC"}, own={"app.secret": "do not keep me"}))

    assert found.kept == []
    assert "settings of its own" in found.reasons
    assert all(b"do not keep me" not in path.read_bytes() for path in cache.iterdir())


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


def test_where_no_room_is_left_a_run_ends_and_what_is_kept_stays(history, cache):
    """A limit of the size of files stands in for a full disk."""
    before = sorted(cache.iterdir())
    outcome = program(
        "roundtrip", "--verbose", "--migrations", history.directory,
        env={"PYTHONDONTWRITEBYTECODE": "1"},  # Python itself would leave half of its own files
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024)),
    )  # fmt: skip

    assert outcome.status == 1
    assert "the cache is not used: " in outcome.stderr
    assert "initdb" in outcome.stderr
    assert sorted(cache.iterdir()) == before


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


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE public.h AS SELECT pg_read_file('PG_VERSION') AS name;",
        "CREATE TABLE public.h (name text);\nCOPY public.h FROM $$/proc/version$$;",
        "GRANT pg_read_server_files TO migrator;",
    ],
    ids=["function", "dollars", "role"],
)
def test_what_a_superuser_reads_from_files_is_not_kept(history, script):
    history.file("bootstrap/1.sql", script)
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
