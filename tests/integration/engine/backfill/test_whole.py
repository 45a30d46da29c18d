"""On a throwaway database a batched statement runs once over all rows, after the same checks."""

from __future__ import annotations

import pytest

from sqlmigrate.connection import probe, session
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.engine.wire.session import Options
from sqlmigrate.errors import ExecutionError
from support.backfill import ONCE, numbered, script, times

VERIFY = "-- sqlmigrate-verify: SELECT count(*) = 0 FROM t WHERE n = 0\n"


@pytest.fixture
def run(runner, database):
    """Run a script as round trips and reviews do; `apart` gives each statement a transaction of the caller's."""

    def run_one(text, *, apart=False):
        runner.write("a", text)
        with session(database.conninfo) as connection:

            def around(_, statement):
                connection.execute("BEGIN")
                statement()
                connection.execute("COMMIT")

            found = runner.load().named("a").forward()
            info = probe(connection)
            run_script(connection, found, options=Options(), info=info, around=around if apart else None)

    return run_one


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("rows", [0, 9])
def test_each_row_is_changed_once(run, conn, rows, apart):
    numbered(conn, rows)

    run(script(more=VERIFY, after=script().replace("-- transactional: false\n", "")), apart=apart)

    assert times(conn) == ({2: 9} if rows else {})


@pytest.mark.parametrize("rows", [0, 9])
def test_by_place_each_row_is_changed_too(run, conn, rows):
    numbered(conn, rows)
    by_place = "UPDATE t SET n = n + 1 WHERE ctid >= $1 AND ctid <= $2 AND n = 0"

    run(script(by_place, batch="table=t key=ctid", more=VERIFY))

    assert times(conn) == ({1: 9} if rows else {})


def test_its_checks_and_its_verify_are_made_there_too(run, conn):
    """In a transaction of the caller's nothing is left; else what was committed before the verify is."""
    for text, message in [
        (script(ONCE.replace("id", "n"), batch="table=t key=n"), "t has no unique index on just"),
        (script(ONCE.replace("$1", "$1::int")), "PostgreSQL takes"),
        (script("UPDATE t SET n = n WHERE id >= $1 AND id <= $2", more=VERIFY), "the verify is not true"),
        (script(more="-- sqlmigrate-verify: SELECT nothing FROM t\n"), "this query could not be asked"),
    ]:
        for apart in (False, True):
            numbered(conn, 9)
            with pytest.raises(ExecutionError, match=message):
                run(text, apart=apart)
            assert times(conn) == ({1: 9} if "nothing" in text and not apart else {0: 9})
