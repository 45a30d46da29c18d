"""Replay the applied migrations on a shadow, as the roles that applied them in the live database."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn

from psycopg import sql

from sqlmigrate import queries
from sqlmigrate.connection import probe, session
from sqlmigrate.drift.acl import knows_maintain
from sqlmigrate.drift.live import APPLICATION
from sqlmigrate.drift.model import Replayed
from sqlmigrate.drift.naming import quoted, rename
from sqlmigrate.drift.privileges import before, make, read_default_privileges, statements
from sqlmigrate.engine.replay import Part, Replay
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.engine.wire.session import Options
from sqlmigrate.errors import ExecutionError
from sqlmigrate.events import ScriptStarted, ignore
from sqlmigrate.schema.read import read_schema
from sqlmigrate.shadow import Before, cluster_wide, extensions_named, opened, wanted
from sqlmigrate.sql.script import script_from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from sqlmigrate.config import Config
    from sqlmigrate.drift.model import Live, Role, Step
    from sqlmigrate.drift.privileges import DefaultPrivileges, Key, Rights
    from sqlmigrate.events import Observer
    from sqlmigrate.schema import Schema
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.shadow import Shadow, ShadowDatabase, Wanted
    from sqlmigrate.sql.script import Script, Statement

_DEFAULT_PRIVILEGES = re.compile(r"\bdefault\s+privileges\b", re.IGNORECASE)
# Of what reaches beyond the database, only roles can be had on a shadow: it has another name, and a subscription or a
# tablespace would reach out to the real world.
_BEYOND = re.compile(r"\b(?:database|parameter|subscription|system|tablespace)\b", re.IGNORECASE)
_MAKES_ROLE = re.compile(r"\s*create\s+(?:role|user|group)\s+(\"[^\"]+\"|\w+)", re.IGNORECASE)
_HINT = "the database itself was not touched; put what a script needs and no migration creates into bootstrap/"


@contextmanager
def replayed(live: Live, config: Config, observer: Observer = ignore) -> Iterator[Replayed]:
    """Build the shadow and give its schema, under the target's names of roles; the shadow is there for the block.

    Raises ExecutionError with the place where a script fails, and what `shadow.opened` raises.
    """
    asked = _wanted(live, config)
    with opened(asked, observer) as shadow, ExitStack() as stack:
        run = _Replay(live, shadow, asked, observer)
        ground, schema, granted, database = run.go(stack)
        yield Replayed(
            ground=ground,
            schema=schema,
            granted=granted,
            conninfo=database.conninfo,
            major=shadow.major,
            may_create=asked.owners | {live.facts.login},
            notes=(*shadow.notes, *dict.fromkeys(run.notes)),
        )


def _wanted(live: Live, config: Config) -> Wanted:
    """Ask for a shadow whose owner is who applied the migrations, with all that he was allowed to."""
    main = live.facts.login
    asked = wanted(
        config,
        [step.script_run.script for step in live.steps],
        target=live.facts,
        superuser=live.roles[main].superuser,
    )
    acting = (frozenset(live.roles) - _made(live.steps)) | asked.owners | {main}
    return replace(asked, owner=main, owners=acting, roles=asked.roles | acting, before=_before(live))


def _before(live: Live) -> Before | None:
    """Say what the replay runs; None where scripts set default privileges, since it is made twice then."""
    if any(_sets_default_privileges(step.script_run.script) for step in live.steps):
        return None
    known = live.default_privileges
    how = {
        "kind": "drift",
        "known": [_as_data(role) for _, role in sorted(live.roles.items())],
        "privileges": [_as_texts(known.entries), _as_texts(known.built_in)],
        "search_path": live.search_path,
    }
    above = any(role.superuser for role in live.roles.values())
    return Before(
        tuple(step.script_run for step in live.steps),
        how,
        roles=tuple(step.role for step in live.steps),
        superuser=above,
    )


def _as_data(role: Role) -> dict[str, Any]:
    """Return a role as plain data: a set is printed in another order by each process."""
    return asdict(role) | {"member_of": sorted(role.member_of)}


def _as_texts(entries: Mapping[Key, Rights]) -> list[tuple[str, list[str]]]:
    return sorted((repr(key), sorted(map(repr, rights))) for key, rights in entries.items())


def _made(steps: Iterable[Step]) -> set[str]:
    """Return the roles that the scripts make themselves."""
    parts = (part for step in steps for part in cluster_wide(step.script_run.script))
    found = (_MAKES_ROLE.match(part.text) for part in parts)
    return {match[1].strip('"') if match[1].startswith('"') else match[1].lower() for match in found if match}


@dataclass(slots=True)
class _Replay:
    """One replay; `names` has the target's name of each role that another one stands for on the shadow."""

    live: Live
    shadow: Shadow
    asked: Wanted
    observer: Observer
    names: dict[str, str] = field(default_factory=dict)
    usable: frozenset[str] = frozenset()
    notes: list[str] = field(default_factory=list)

    def go(self, stack: ExitStack) -> tuple[Schema, Schema, Schema | None, ShadowDatabase]:
        """Return the schema of the ground, of what the migrations make of it, and with the database's own privileges.

        Default privileges that only the database has hold for new objects all the same. Nobody knows since when, so the
        migrations are replayed without them first, which also tells what they set themselves, and then with them. The
        database in which they were replayed comes last; it is there as long as the stack is.
        """
        database = stack.enter_context(self.shadow.database())
        self._prepare(database)
        ground, there = self._read(database)
        steps = self._steps(again=False)
        setting = any(_sets_default_privileges(step.script_run.script) for step in steps)
        if not setting and not self._unsaid(there, there):
            database = self._behind(database, steps)
            return ground, self._read(database, since=self.shadow.known())[0], None, database
        with ExitStack() as own:
            trial = own.enter_context(self.shadow.clone(database))
            self._let_create(trial)
            self._run(trial, steps)
            schema, made = self._read(trial)
            spaces = {name.name for name in schema.objects if name.kind == "schema"}
            unsaid = self._unsaid(there, made, spaces)
            if not unsaid:
                stack.enter_context(own.pop_all())
                return ground, schema, None, trial
        self._make(database, unsaid)
        self._let_create(database)
        self._run(database, self._steps(again=True))
        return ground, schema, self._read(database)[0], database

    def _behind(self, database: ShadowDatabase, steps: list[Step]) -> ShadowDatabase:
        """Return a database behind the steps, from the one before them or from what is kept, and keep it."""
        ids = [step.script_run.migration_id for step in steps]
        kept, done = self.shadow.base(ids, give_away=True) or (None, 0)
        started = time.monotonic()
        if kept is None:
            self._let_create(database)
        else:
            database = kept
        self._run(database, steps, done)
        self.shadow.keep(database, ids, time.monotonic() - started)
        return database

    def _prepare(self, database: ShadowDatabase) -> None:
        """Find out who can be whom on the shadow's server."""
        with session(database.conninfo, application_name=APPLICATION) as own:
            found = own.execute(queries.load("drift")["usable"], {"names": sorted(self.live.roles)}).fetchall()
        self.usable = frozenset(name for (name,) in found)
        absent = sorted(self.live.roles.keys() - self.usable)
        if self.shadow.private:
            self._empower(database, sorted(set(absent) - set(self.shadow.missing_roles(absent))))
        elif absent:
            main = self.live.facts.login
            stands_for = main if main in absent else absent[0]
            self.names = {self.shadow.owner: stands_for}
            self.notes.append(
                f"on the server of --shadow-url, {self.shadow.owner} stands in for {', '.join(absent)}: what it owns "
                f"there is compared with what {stands_for} owns"
            )

    def _empower(self, database: ShadowDatabase, absent: Iterable[str]) -> None:
        """Let the owner act as all who applied migrations, with what they may do in the target."""
        with session(database.admin_conninfo, application_name=APPLICATION) as admin:
            for name in absent:
                admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(name), sql.Identifier(self.shadow.owner)))
            for role in self.live.roles.values():
                if role.superuser and not self.shadow.missing_roles([role.name]):
                    admin.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(sql.Identifier(role.name)))
        self.usable = frozenset(self.live.roles)

    def _steps(self, *, again: bool) -> list[Step]:
        """Return the steps without what is not run on this server, or (`again`) must not be run twice there."""

        def left_out(statement: Statement) -> bool:
            return again or not self.shadow.private or bool(_BEYOND.search(statement.text))

        steps = []
        for step in self.live.steps:
            script = step.script_run.script
            parts = [part for part in cluster_wide(script) if left_out(part)]
            if parts and not again:
                places = ", ".join(str(script.place(part)) for part in parts)
                self.notes.append(f"not run on the throwaway database, since it reaches beyond the database: {places}")
            cut = replace(step.script_run, script=_blanked(script, parts)) if parts else step.script_run
            steps.append(replace(step, script_run=cut))
        return steps

    def _let_create(self, database: ShadowDatabase) -> None:
        """Let all who applied migrations create as the owner of the database may; nothing of theirs is there yet."""
        others = self.usable - {self.shadow.owner} - set(self.shadow.missing_roles(self.usable))
        with session(database.admin_conninfo, application_name=APPLICATION) as admin:
            for name in map(sql.Identifier, sorted(others)):
                at = sql.Identifier(database.name)
                admin.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(at, name))
                admin.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(name))

    def _run(self, database: ShadowDatabase, steps: list[Step], done: int = 0) -> None:
        """Run the steps in a database that is behind `done` of them already."""
        options = Options(search_path=self.live.search_path, lock_timeout=0, versions=self.shadow.versions)
        parts = [
            Part(step.script_run, replace(options, role=step.role if step.role in self.usable else None))
            for step in steps
        ]
        told: list[Part] = []

        def begins(part: Part) -> None:
            if part not in told[-1:]:
                told.append(part)
                number = done + len(told)
                self.observer(ScriptStarted(part.script_run.migration_id, "replay", number, len(parts)))

        def alone(part: Part) -> None:
            begins(part)
            with session(database.conninfo, application_name=APPLICATION) as connection:
                info = probe(connection)
                try:
                    run_script(connection, part.script_run, options=part.options, info=info)
                except ExecutionError as error:
                    failed(part, error)

        def failed(part: Part, error: ExecutionError) -> NoReturn:
            missing = self.shadow.missing_extensions(extensions_named([part.script_run.script]))
            raise _on_the_shadow(error, missing) from None

        Replay(
            connect=lambda: session(database.conninfo, application_name=APPLICATION),
            probe=probe,
            alone=alone,
            again=alone,
            failed=failed,
            asked=self.shadow.asked,
            begins=begins,
        ).run(parts[done:])

    def _read(self, database: ShadowDatabase, since: Snapshot | None = None) -> tuple[Schema, DefaultPrivileges]:
        with session(database.tester_conninfo, application_name=APPLICATION) as tester:
            schema = read_schema(tester, since=since).schema
            return rename(schema, self.names), read_default_privileges(tester).renamed(_by(self.names))

    def _unsaid(
        self, there: DefaultPrivileges, made: DefaultPrivileges, spaces: Collection[str] | None = None
    ) -> list[sql.Composed]:
        """Return the commands that make the target's default privileges of before the migrations on the shadow.

        Of those in a schema, only the ones in these (quoted) matter: nothing is made in others.
        """
        live = self.live.default_privileges
        if knows_maintain(self.live.facts.major) != knows_maintain(self.shadow.major):
            live, there, made = (each.without("MAINTAIN") for each in (live, there, made))
        if spaces is not None:
            live = live.only(lambda key: key.schema is None or quoted(key.schema) in spaces)
        earlier = before(live, there, made, self._acting)
        back = _by({theirs: ours for ours, theirs in self.names.items()})
        return list(statements(earlier.renamed(back), there.renamed(back), [back(role) for role in self._acting]))

    @property
    def _acting(self) -> frozenset[str]:
        """The roles that may make objects."""
        return frozenset(self.live.roles) | self.asked.owners

    def _make(self, database: ShadowDatabase, commands: list[sql.Composed]) -> None:
        self.notes.append(
            "some default privileges are only in the database; what they grant on objects of the migrations is no drift"
        )
        with session(database.admin_conninfo, application_name=APPLICATION) as admin:
            if self.shadow.private:
                for name in self.shadow.missing_roles(self.live.default_privileges.grantees(self._acting)):
                    admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
            for reason in make(admin, commands):
                self.notes.append(
                    f"default privileges of the database could not be set on the throwaway database: {reason}"
                )


def _by(names: Mapping[str, str]) -> Callable[[str], str]:
    return lambda name: names.get(name, name)


def _sets_default_privileges(script: Script) -> bool:
    return script.text is None or bool(_DEFAULT_PRIVILEGES.search(script.text))


def _blanked(script: Script, parts: Iterable[Statement]) -> Script:
    """Return a script without some of its statements, where everything else stays in its place."""
    text = script.text
    if text is None:
        raise ExecutionError(
            "is too large to leave out the statements that reach beyond the database",
            place=script.place(next(iter(parts))),
            hint="put them into a script of their own",
            kept=True,
        )
    for part in parts:
        end = part.offset + len(part.text)
        end += text[end : end + 1] == ";"
        text = text[: part.offset] + re.sub(r"\S", " ", text[part.offset : end]) + text[end:]
    return script_from_text(script.path, text)


def _on_the_shadow(error: ExecutionError, missing: Iterable[str]) -> ExecutionError:
    """Say of an error that it is not the database's own; `missing` are extensions that are not to be had there."""
    names = ", ".join(missing)
    hint = (
        f"the server of the throwaway database has no extension {names}; name one that has it with --shadow-url"
        if names
        else _HINT
    )
    return ExecutionError(
        f"on the throwaway database: {error.message}",
        migration_id=error.migration_id,
        server=error.server,
        statement=error.statement,
        place=error.place,
        hint=error.hint or hint,
        kept=True,  # nothing of the database was rolled back
    )
