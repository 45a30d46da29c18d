"""A session of another role that calls itself one of ours, and takes the key of the run lock, is none of ours."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate.connection import Connection
from sqlmigrate.runlock.lock import lock_key
from support.waiting import wait_until

pytestmark = pytest.mark.pg
SCRIPT = "-- transactional: false\nCREATE TABLE a (id integer);\nSELECT 1 / ({});\n"


@pytest.fixture
def forger(target):
    """A session of a role that may only connect, busy under the name of a script's session, with the run lock's key."""
    with target.connect_superuser() as admin:
        admin.execute("DROP ROLE IF EXISTS forger; CREATE ROLE forger LOGIN")
        with closing(psycopg.connect(make_conninfo(target.conninfo, user="forger"))) as session:
            session.execute("SET application_name TO 'sqlmigrate: 1_a'")
            yield session
        admin.execute("DROP ROLE forger")


def take_lock(session: Connection) -> None:
    """Take it once the run that has just ended is gone on the server, too."""
    taken = "SELECT pg_try_advisory_lock(%s)", [lock_key("sqlmigrate")]
    wait_until(lambda: session.execute(*taken).fetchone() == (True,))


def test_status_says_that_it_is_at_work_only_if_its_role_can_become_a_writer(project, target, sqlmigrate, forger):
    """Rights need not be its own: a login may have a role (ALTER ROLE ... SET role) that it does not inherit."""
    project.migration("1_a", SCRIPT.format(0))
    assert sqlmigrate("apply").status == 6
    take_lock(forger)

    [before] = sqlmigrate("status", "--json").document["migrations"]
    with target.connect_superuser() as admin:
        admin.execute("ALTER ROLE forger NOINHERIT; GRANT migrator TO forger")
    [after] = sqlmigrate("status", "--json").document["migrations"]

    assert (before["state"], after["state"]) == ("half_way", "running")


def test_nobody_waits_for_it(project, target, sqlmigrate, forger):
    project.migration("1_a", SCRIPT.format(0))
    assert sqlmigrate("apply").status == 6
    project.migration("1_a", SCRIPT.format(1))

    outcome = sqlmigrate("apply")

    assert outcome.status == 0, outcome
