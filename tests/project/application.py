"""The application that the shipped SQL changes: built, filled and used as its users and the auth server do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from fixtures.postgres import Database
from support.places import ROOT
from support.waiting import LONG, wait_until

SQL = ROOT / "sql"
BASELINE = "20260301_agent_baseline"
CHANGE = "20260304_simplify_agent_architecture"
AGENT_TYPES = ("INTENT_RECOGNITION", "TASK_EXECUTION", "RESULT_REPORTING")

Session = psycopg.Connection[Any]


class Notice(NamedTuple):
    """What the server said beside its results; its own object is gone once the handler returns."""

    severity: str | None
    message: str | None
    hint: str | None


@dataclass(frozen=True)
class Application:
    """One application database: `migrator` owns it and runs the scripts, `auth` is the auth server's session."""

    database: Database
    migrator: Session
    auth: Session
    notices: list[Notice] = field(default_factory=list)

    def run(self, script: str) -> None:
        """Run a script of `sql/` as the tool does: in one transaction, as the migrating role."""
        text = (SQL / f"{script}.sql").read_text(encoding="utf-8")
        self.notices.clear()
        with self.migrator.transaction():
            self.migrator.execute(text)

    def change(self) -> None:
        self.run(CHANGE)

    def undo(self) -> None:
        self.run(f"{CHANGE}.rollback")

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.migrator.execute(query, parameters or None).fetchall()

    def column(self, query: str, *parameters: Any) -> list[Any]:
        return [row[0] for row in self.rows(query, *parameters)]

    def value(self, query: str, *parameters: Any) -> Any:
        (row,) = self.rows(query, *parameters)
        return row[0]

    def insert(self, table: str, **values: Any) -> UUID:
        """Insert one row with a new id, unless `values` has one, and give the id."""
        values = {"id": uuid4()} | values
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(*table.split(".")),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        )
        session = self.auth if table == "auth.users" else self.migrator
        session.execute(
            statement, [Jsonb(each) if isinstance(each, (dict, list)) else each for each in values.values()]
        )
        return values["id"]

    def sign_up(self, **values: Any) -> UUID:
        """Register a user as the auth server does."""
        return self.insert("auth.users", **values)

    def delete_user(self, user: UUID) -> None:
        self.auth.execute("DELETE FROM auth.users WHERE id = %s", [user])

    def llm(self, model_code: str) -> UUID:
        return self.insert("llms", model_code=model_code, provider="Example")

    def agent(self, user: UUID, agent_type: str = "TASK_EXECUTION") -> UUID:
        """Give the id of the agent of that type that the user has."""
        return self.value("SELECT id FROM user_agents WHERE user_id = %s AND agent_type = %s", user, agent_type)

    def agents(self, user: UUID) -> list[str]:
        return self.column("SELECT agent_type FROM user_agents WHERE user_id = %s ORDER BY 1", user)

    def remember(self, user: UUID, agent: UUID | None = None, **values: Any) -> UUID:
        """Write a work memory of an agent, or a user memory."""
        if agent is not None:
            values |= {"memory_type": "work", "agent_id": agent}
        return self.insert("memories", **({"user_id": user, "memory_type": "user", "content": "something"} | values))

    def settings(self, user: UUID) -> str | None:
        """Give the profile's settings as text, so that SQL NULL and JSON null differ."""
        return self.value("SELECT settings::text FROM profiles WHERE id = %s", user)

    def set_settings(self, user: UUID, settings: str | None) -> None:
        self.migrator.execute("UPDATE profiles SET settings = %s::jsonb WHERE id = %s", [settings, user])


@dataclass(frozen=True)
class Background:
    """Work of another session that goes on while the test does."""

    session: Session
    thread: threading.Thread
    failures: list[BaseException]

    def wait_until_blocked(self, observer: Session) -> None:
        """Wait until the session waits for a lock of somebody else."""
        pid = self.session.info.backend_pid
        wait_until(lambda: observer.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid]).fetchone()[0])

    def join(self) -> None:
        """Wait for the end, and raise what the work raised."""
        self.thread.join(LONG)
        assert not self.thread.is_alive()
        if self.failures:
            raise self.failures[0]


def background(session: Session, work: Callable[[], Any]) -> Background:
    """Start work on a session in a thread of its own."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 (raised again in join)
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return Background(session, thread, failures)


def application(database: Database) -> Application:
    """Open the two sessions that an application database is used by."""
    auth = database.connect_as("supabase_auth_admin")
    auth.execute("SET search_path = auth")  # as Supabase sets it for this role
    opened = Application(database, database.connect(), auth)
    opened.migrator.add_notice_handler(
        lambda said: opened.notices.append(Notice(said.severity_nonlocalized, said.message_primary, said.message_hint))
    )
    return opened
