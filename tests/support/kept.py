"""Round trips and histories on servers that begin with what is kept."""

from __future__ import annotations

import json
from contextlib import ExitStack

from fixtures.project import Project
from sqlmigrate import connection, events, roundtrip, shadow
from sqlmigrate.config import Config
from sqlmigrate.engine import Options
from sqlmigrate.roundtrip import Runner
from sqlmigrate.schema.as_data import as_data, from_data, kept
from sqlmigrate.schema.read import read_schema
from sqlmigrate.shadow import Settings

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
            found = read_schema(session)
            if ground.known is not None:
                assert found.origin.goes_on_from(ground.known.origin)
                assert read_schema(session, since=ground.known).schema == found.schema
                if ground.is_as_kept:
                    unread = read_schema(session, since=ground.known, unchanged=True)
                    assert (unread, unread.stamps, unread.origin) == (found, found.stamps, found.origin)
                assert from_data(json.loads(json.dumps(as_data(found)))) == kept(found)
            return found.schema.fingerprint(), state, told
