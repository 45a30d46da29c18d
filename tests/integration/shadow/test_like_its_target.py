"""A throwaway database is like its target in what decides beside the scripts: settings, locale, extensions."""

from __future__ import annotations

import json

import pytest
from psycopg import sql

from sqlmigrate import api, connection, roundtrip, shadow
from sqlmigrate.config import Config
from sqlmigrate.engine import Options
from sqlmigrate.review.project import review_project
from sqlmigrate.review.statistics import as_json, read_statistics
from sqlmigrate.roundtrip import proofs
from sqlmigrate.shadow import USUAL, Locale, Settings, Wanted, read_facts, read_settings
from sqlmigrate.shadow.adopted import _class
from sqlmigrate.target import Target
from support.drift import Drifting

pytestmark = pytest.mark.pg

UNUSUAL = {
    "timezone": "Europe/London",
    "datestyle": "German, DMY",
    "intervalstyle": "sql_standard",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "xmloption": "document",
    "bytea_output": "escape",
    "extra_float_digits": "0",
    "search_path": 'app, "$user", public, "Two Words"',
    "default_text_search_config": "pg_catalog.simple",
    "default_transaction_isolation": "repeatable read",
    "default_statistics_target": "17",
    "check_function_bodies": "off",
    "row_security": "off",
}
TO_ZONE = "ALTER TABLE visit ALTER at TYPE timestamptz;"
FROM_ZONE = "ALTER TABLE visit ALTER at TYPE timestamp;"
BY_UTC = "ALTER TABLE visit ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC';"


@pytest.fixture
def change(database):
    """Change settings of the test's database: `change("SET timezone = ...", ...)`."""

    def run(*changes: str, what: str = "DATABASE", name: str = database.name) -> None:
        with database.connect_superuser() as session:
            for text in changes:
                session.execute(sql.SQL(f"ALTER {what} {{}} {text}").format(sql.Identifier(name)))

    return run


@pytest.fixture
def unusual(database, change):
    """The test's database with a value of its own for each setting of `UNUSUAL`."""
    with database.connect_superuser() as session:
        for name, value in UNUSUAL.items():
            session.execute("SELECT set_config(%s, %s, false)", [name, value])
            session.execute(
                sql.SQL(f"ALTER DATABASE {{}} SET {name} FROM CURRENT").format(sql.Identifier(database.name))
            )
    return database


@pytest.fixture
def visits(project):
    """A column that becomes a timestamptz and, back again, a timestamp of another zone."""
    project.migration("1", "CREATE TABLE visit (id int PRIMARY KEY, at timestamp);", rollback="DROP TABLE visit;")
    project.migration("2", BY_UTC, rollback=FROM_ZONE)
    project.file("samples/2.sql", "INSERT INTO visit VALUES (1, '2026-06-30 12:00');")
    return project


def settings_of(conninfo: str) -> Settings:
    with connection.session(conninfo) as session:
        return read_settings(session)


def facts_of(conninfo: str):
    with connection.session(conninfo) as session:
        return read_facts(session)


def on_private(target: Settings) -> tuple[Settings, tuple[str, ...]]:
    with shadow.opened(Wanted(settings=target)) as opened, opened.database() as first, opened.clone(first) as copy:
        assert settings_of(copy.conninfo) == settings_of(copy.admin_conninfo) == opened.settings
        return opened.settings, opened.notes


def test_every_setting_of_the_target_holds_in_each_private_database(unusual):
    target = settings_of(unusual.conninfo)

    found, notes = on_private(target)

    assert {name: target.values[name] for name in UNUSUAL} == UNUSUAL
    assert (dict(found.values), notes) == (dict(target.values), ())


def test_they_hold_on_a_named_server_where_we_are_no_superuser(unusual, shadow_url):
    target = settings_of(unusual.conninfo)

    with shadow.opened(Wanted(shadow_url=shadow_url, settings=target)) as opened:
        with opened.database() as first, opened.clone(first) as copy:
            found = settings_of(copy.conninfo)

        assert {name: found.values[name] for name in UNUSUAL} == UNUSUAL
        assert opened.notes == ()


def test_what_the_shadows_own_login_has_set_for_itself_gives_way(unusual, shadow_server, shadow_url):
    target = settings_of(unusual.conninfo)
    with connection.session(shadow_server.conninfo()) as admin:
        admin.execute("ALTER ROLE migrator SET timezone = 'Asia/Tokyo'")
        try:
            with (
                shadow.opened(Wanted(shadow_url=shadow_url, settings=target)) as opened,
                opened.database() as first,
                opened.clone(first) as copy,
            ):
                assert settings_of(copy.conninfo).values["timezone"] == "Europe/London"
                [note] = opened.notes
                assert "has settings of its own on the server of --shadow-url (TimeZone)" in note
        finally:
            admin.execute("ALTER ROLE migrator RESET ALL")


def test_the_nearest_of_database_role_and_both_counts(database, change, new_role):
    login = new_role("LOGIN", "the login")
    change("SET timezone = 'Asia/Tokyo'", "SET datestyle = 'SQL, DMY'", "SET intervalstyle = 'iso_8601'")
    change("SET datestyle = 'ISO, DMY'", "SET intervalstyle = 'sql_standard'", what="ROLE", name=login)
    with database.connect_superuser() as session:
        names = map(sql.Identifier, (login, database.name))
        session.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} SET intervalstyle = 'postgres_verbose'").format(*names))
    own = settings_of(database.server.conninfo(database.name, login))

    with database.connect() as other:
        seen = read_settings(other, login=login)

    for found in (own, seen):
        values = [found.values[name] for name in ("timezone", "datestyle", "intervalstyle")]
        assert values == ["Asia/Tokyo", "ISO, DMY", "postgres_verbose"]


def test_what_the_environment_says_counts_as_it_does_for_apply(database, monkeypatch):
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=app")

    found = settings_of(database.conninfo)

    assert (found.values["timezone"], found.values["search_path"]) == ("Asia/Tokyo", "app")


def test_nothing_that_loads_runs_or_names_a_file_is_taken(database, change):
    change(
        "SET session_preload_libraries = 'plpgsql'",
        "SET dynamic_library_path = '/tmp:$libdir'",
        "SET temp_file_limit = 17",
        "SET pg_trgm.similarity_threshold = '0.5'",
        "SET app.tenant = 'acme; DROP'",
    )

    target = settings_of(database.conninfo)
    found, notes = on_private(target)

    assert target.values.keys() <= USUAL.keys()
    assert dict(found.own) == {"app.tenant": "acme; DROP"}
    assert notes == ("not taken from the target: the settings pg_trgm.similarity_threshold",)
    assert "acme" not in json.dumps(target.as_json()) + repr(target) + str(target)


def test_the_allow_list_has_no_setting_of_files_commands_or_libraries():
    words = ("librar", "preload", "path", "file", "command", "directory", "program", "ssl", "host", "log_")

    assert {name for name in USUAL for word in words if word in name} == {"search_path"}


@pytest.mark.parametrize(
    ("library", "known"),
    [("timescaledb-2.17.0.so", "timescaledb"), ("plperl.so", "plperl"), ("libpljava-so-1.6.so", "pljava")],
)
def test_a_library_is_known_by_the_class_of_its_settings(library, known):
    assert _class(library) == known


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "UTF8"])
def test_the_encoding_of_the_target_is_that_of_its_shadow(encoding):
    found, notes = on_private(Settings(locale=Locale(encoding, "libc", "C", "C")))

    assert (found.locale, notes) == (Locale(encoding, "libc", "C", "C"), ())


def test_an_encoding_stays_where_its_locale_is_missing_and_that_is_said_once():
    wanted = Locale("LATIN1", "libc", "xx_XX.ISO-8859-1", "xx_XX.ISO-8859-1")

    found, notes = on_private(Settings(locale=wanted))

    assert found.locale == Locale("LATIN1", "libc", "C", "C")
    [note] = notes
    assert note == f"the target is {wanted}; the throwaway database, which cannot be like that, is LATIN1, collation C"


def test_a_setting_that_this_server_cannot_have_is_said_and_the_others_hold():
    found, notes = on_private(
        Settings({"default_table_access_method": "columnar", "timezone": "Asia/Tokyo", "default_tablespace": "fast"})
    )

    refused = {"default_table_access_method": "columnar", "default_tablespace": "fast"}
    assert notes == tuple(
        f"the target's {name} could not be set on the throwaway database: "
        f'invalid value for parameter "{name}": "{value}"'
        for name, value in refused.items()
    )
    assert found.values["timezone"] == "Asia/Tokyo"


def test_a_default_tablespace_is_made_where_the_server_is_our_own(project):
    target = Settings({"default_tablespace": "fast"})

    with shadow.opened(shadow.wanted(Config(migrations=project.directory), [], settings=target)) as opened:
        assert (opened.settings.values["default_tablespace"], opened.notes) == ("fast", ())


def test_extensions_get_the_version_of_the_target_where_it_is_here(project, database):
    versions = database.connect().execute(
        "SELECT version FROM pg_available_extension_versions WHERE name = 'pg_trgm' AND version < '1.5' ORDER BY 1"
    )
    older = [version for (version,) in versions][-1]
    project.migration(
        "1", "CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public; -- it\n", rollback="DROP EXTENSION pg_trgm;"
    )
    checks = f"SELECT extversion = '{older}' FROM pg_extension WHERE extname = 'pg_trgm';"
    project.migration("2", "SELECT 1;", rollback="SELECT 1;")
    project.file("samples/2.expect.sql", checks)
    project.file("samples/2.after.sql", "SELECT 1;")
    target = Settings(extensions={"pg_trgm": older})
    found = project.load()
    samples, _ = roundtrip.find_samples(found)
    wanted = shadow.wanted(
        Config(migrations=project.directory), roundtrip.scripts_of(found, samples), settings=target, superuser=True
    )

    with shadow.opened(wanted) as opened:
        trips = list(roundtrip.round_trips(found, ["1", "2"], opened, Options(), samples=samples))

        assert (opened.notes, dict(opened.versions)) == ((), {"pg_trgm": older})
    assert [(trip.verdict.value, trip.expectations) for trip in trips] == [("exact", ()), ("exact", ())]


def test_a_version_that_is_not_here_is_said():
    wanted = Wanted(settings=Settings(extensions={"pg_trgm": "0.1"}), extensions=frozenset({"pg_trgm"}))

    with shadow.opened(wanted) as opened:
        [note] = opened.notes

    assert note.startswith("extension pg_trgm is 0.1 in the target; the server of the throwaway database does not have")


@pytest.mark.parametrize("zone", ["Europe/London", "UTC"])
def test_a_round_trip_is_judged_in_the_time_zone_of_the_target(visits, database, change, zone):
    change(f"SET timezone = '{zone}'")

    _, trip = api.roundtrip(visits.directory, database=database.conninfo)

    assert trip.verdict.value == ("not_restored" if zone == "Europe/London" else "exact" if not trip.lost else "lossy")
    assert trip.zone is None


def test_without_a_target_a_type_change_is_tried_in_a_zone_that_is_not_utc(visits):
    _, trip = api.roundtrip(visits.directory)

    assert (trip.verdict.value, trip.zone) == ("not_restored", "America/New_York")


def test_a_search_path_of_the_login_holds_for_a_round_trip_and_a_review(project, database, change, new_role):
    login = new_role("LOGIN", "app_login")
    change("SET search_path = app, public", what="ROLE", name=login)
    project.migration("1", "CREATE SCHEMA app; CREATE TABLE t (id int);", rollback="DROP TABLE t; DROP SCHEMA app;")
    project.migration("2", "ALTER TABLE app.t ADD x int;", rollback="ALTER TABLE app.t DROP x;")
    conninfo = database.server.conninfo(database.name, login)

    trips = api.roundtrip(project.directory, database=conninfo)
    report = review_project(
        Config(migrations=project.directory), Options(), target=Target(conninfo, "it", private=False)
    )

    assert [trip.verdict.value for trip in trips] == ["exact", "exact"]
    assert [found.apply.error for found in report.migrations] == [None, None]
    assert (report.settings.source, report.settings.values["search_path"]) == ("the target", "app, public")


@pytest.mark.parametrize("named", ["target", "stats", "nothing"])
def test_no_rewrite_is_missed_in_a_zone_that_is_not_utc(project, database, change, tmp_path, named):
    project.migration("1", "CREATE TABLE visit (at timestamp);", rollback="DROP TABLE visit;")
    project.migration("2", TO_ZONE, rollback=FROM_ZONE)
    change("SET timezone = 'Asia/Tokyo'")
    config, target, stats = Config(migrations=project.directory), None, None
    if named == "target":
        target = Target(database.conninfo, "it", private=False)
    elif named == "stats":
        stats = tmp_path / "stats.json"
        with database.connect() as session:
            figures = read_statistics(session, name="it", history_schema="sqlmigrate")
            stats.write_text(json.dumps(as_json(figures, read_settings(session))))

    report = review_project(config, Options(), target=target, stats=stats)

    both = (report.migrations[-1].apply, report.migrations[-1].rollback)
    assert [part.rewrites for found in both for part in found.statements] == [("table public.visit",)] * 2
    assert report.settings.source == {"target": "the target", "stats": "stats.json", "nothing": "assumed"}[named]
    unknown = [item.why for item in report.not_checked if item.what == "what the settings of the target change"]
    assert [why.startswith("they are not known; assumed: timezone UTC; encoding UTF8") for why in unknown] == (
        [True] if named == "nothing" else []
    )


def test_drift_right_after_apply_finds_nothing_under_other_settings(unusual, tmp_path, shadow_url):
    (tmp_path / "sql").mkdir()
    drifting = Drifting(unusual.conninfo, tmp_path / "sql", shadow_url)
    drifting.write(
        "1",
        """
        CREATE SCHEMA app;
        CREATE TABLE parts (at timestamptz, for_long interval DEFAULT '1-2 3 4:05:06') PARTITION BY RANGE (at);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('01.06.2026 00:00') TO ('01.07.2026 00:00');
        CREATE TABLE t (
            at timestamptz DEFAULT '02.03.2026 12:00' CHECK (at > '03.04.2025 1:00'),
            day date DEFAULT '02.03.2026',
            what text DEFAULT 'a\\\\b'
        );
        CREATE INDEX ON t (at) WHERE at > '01.02.2026 00:00'::timestamptz;
        CREATE VIEW v AS SELECT * FROM t WHERE at > '01.02.2026 00:00';
        """,
        "DROP SCHEMA app CASCADE",
    )
    drifting.apply()

    assert drifting.find().changes == ()


def test_a_proof_of_another_time_zone_does_not_count_for_the_target(visits, database, change):
    found = visits.load()
    proofs.write(found, api.roundtrip(visits.directory, ["1"], database=database.conninfo))
    config, target = Config(migrations=visits.directory), Target(database.conninfo, "it", private=False)
    recorded = proofs.read(proofs.path_of(found, "1"))

    before = review_project(config, Options(), ["1"], target=target)
    change("SET timezone = 'Europe/London'")
    after = review_project(config, Options(), ["1"], target=target)

    assert recorded is not None
    assert (recorded.settings, "settings" in proofs.path_of(found, "1").read_text()) == ({}, False)
    assert before.migrations[0].proof.source.endswith("proofs/1.json")
    assert after.migrations[0].proof.source == "this review"


def test_what_an_older_server_does_not_know_is_said_only_where_it_matters():
    _, notes = on_private(Settings(dict(USUAL)))

    assert notes == ()


def test_a_missing_locale_is_said_once():
    wanted = Locale("UTF8", "libc", "xx_XX.UTF-8", "xx_XX.UTF-8")

    _, notes = on_private(Settings({"lc_monetary": "xx_XX.UTF-8"}, wanted))

    assert [note.split(",")[0] for note in notes] == ["the target is UTF8"]
