"""An address that leads to several servers: what belongs together is on one of them, or nothing runs."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from sqlmigrate import api, connection
from sqlmigrate.connection.address import at_server_of
from sqlmigrate.errors import ConnectionFailed
from sqlmigrate.events import ScriptStarted
from support.balancer import balancer
from support.waiting import wait_until

pytestmark = pytest.mark.pg

NAMES = "SELECT application_name FROM pg_stat_activity WHERE application_name LIKE 'sqlmigrate%'"


@pytest.fixture
def servers(pg_server, shadow_server):
    return [pg_server, shadow_server]


def several(servers, **more: str) -> str:
    hosts = {"host": ",".join(item.host for item in servers), "port": ",".join(str(item.port) for item in servers)}
    return make_conninfo(user="postgres", dbname="postgres", **hosts, **more)


@pytest.fixture
def without_history(servers):
    yield
    for server in servers:
        with psycopg.connect(server.conninfo(dbname="postgres"), autocommit=True) as conn:
            conn.execute("DROP SCHEMA IF EXISTS balanced CASCADE; DROP TABLE IF EXISTS a, b, c")


def test_a_second_session_goes_where_the_first_one_is(servers):
    for ours, other in (servers, servers[::-1]):
        with connection.session(several([ours])) as first:
            with connection.session(at_server_of(several([other, ours]), first)) as second:
                found = [each.execute("SHOW data_directory").fetchone() for each in (first, second)]
            assert found[0] == found[1]


@pytest.mark.skipif(psycopg.pq.version() < 160000, reason="libpq knows load_balance_hosts from 16 on")
def test_the_run_lock_is_on_the_server_of_the_scripts(shop, servers, without_history):
    looked = []

    def sessions():
        found = []
        for server in servers:
            with psycopg.connect(server.conninfo(dbname="postgres")) as conn:
                found.append(len(conn.execute(NAMES).fetchall()))
        return found

    def look(event):
        if isinstance(event, ScriptStarted) and event.number == 1:
            wait_until(lambda: sorted(sessions()) == [0, 2])  # those of the run before may still be on their way out
            looked.append(event)

    for _ in range(6):  # with two servers and no care, all six would be right by chance in 1 of 64 cases
        api.apply(
            several(servers, load_balance_hosts="random"), shop.directory, history_schema="balanced", observer=look
        )
        api.rollback(several(servers[:1]), shop.directory, history_schema="balanced", everything=True)
        api.rollback(several(servers[1:]), shop.directory, history_schema="balanced", everything=True)

    assert len(looked) == 6


def test_a_balancer_is_refused_before_anything_is_written(shop, servers, without_history):
    with (
        balancer(servers) as port,
        pytest.raises(ConnectionFailed, match="the address leads to several servers"),
    ):
        api.apply(
            f"host=127.0.0.1 port={port} user=postgres dbname=postgres", shop.directory, history_schema="balanced"
        )

    for server in servers:
        with psycopg.connect(server.conninfo(dbname="postgres")) as conn:
            assert conn.execute("SELECT to_regnamespace('balanced')").fetchone() == (None,)
