"""What private servers keep between runs: the state behind scripts, and what initdb makes.

The key of a state is all that decides it: what the machine and this program are, what is wanted of the shadow, and the
chain of the scripts, each by its id and SHA-256. So the longest chain that is known is found by name.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlmigrate import queries
from sqlmigrate.errors import ScriptError, ServerError
from sqlmigrate.events import Kept, NotKept, Taken, ignore
from sqlmigrate.files import read_bytes
from sqlmigrate.schema.as_data import as_data, from_data
from sqlmigrate.server import cluster, kept, new_data
from sqlmigrate.server.bootstrap import read_scripts
from sqlmigrate.sql.statement.clock import Clocks, asks, called, clocks, in_zone, rules, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.events import Observer
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.server import Binaries
    from sqlmigrate.server.account import Account
    from sqlmigrate.shadow.model import Wanted

_CHANGES = frozenset({"started", "system_identifier", "settings"})  # of the target's facts
# Who may do that reads or writes what is in no key.
_QUOTE = r"(?:(?:E|U&)?'|\$\w*\$)"
_REACHES_OUT = re.compile(
    r"""\bpg_(?:read|ls|stat|file)_?\w*(?:file|dir)\w*"?\s*\(|\bpg_(?:(?:read|write)_server_files|execute_server_program)\b|"""
    rf"""\blo_(?:import|export)\b|\bprogram\s*{_QUOTE}|\bload\s+{_QUOTE}|\b(?:from|to|as)\s*{_QUOTE}/|"""
    rf"""\bdblink|\bpl(?:perl|python[23]?|tcl)u\b|\bpostgres_fdw|\bfile_fdw|\balter\s+system\b|\blocation\s*{_QUOTE}/""",
    re.IGNORECASE,
)
_OURS = re.compile(r"\s*(?:#.*)?")


@dataclass(frozen=True, slots=True)
class State:
    """What is to be known of a state that is kept, to go on from it.

    `template` is the database that others are copied from, `base` the one in which the scripts have run. `machine` is
    what the server told of itself; `notes`, `versions` and `privileged` are those of the `Shadow`.
    """

    template: str
    base: str
    superuser: str
    machine: list[Any]
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    privileged: bool = True


class _Read:
    """A schema that is made of plain data while its server starts."""

    def __init__(self, data: list[Any] | None) -> None:
        self._data = data
        self._found: Snapshot | None = None
        self._thread = Thread(target=self._make, daemon=True)
        self._thread.start()

    def take(self) -> Snapshot | None:
        """Return it, once it is there; None where nothing was kept of it."""
        self._thread.join()
        return self._found

    def _make(self) -> None:
        self._found = from_data(self._data) if self._data else None


@dataclass(slots=True)
class Bases:
    """What is kept for one private server; `taken` is what it began with, `done` how many scripts that has run.

    Whatever is wrong with the cache, the server begins with less of it: `notes` say where it is somebody else's.
    """

    wanted: Wanted
    binaries: Binaries
    observer: Observer = ignore
    store: kept.Store | None = None
    notes: tuple[str, ...] = ()
    taken: kept.Manifest | None = None
    done: int = 0
    _keys: list[str] = field(default_factory=list)
    _initdb: str = ""
    _schema: _Read | None = None

    def __post_init__(self) -> None:
        """Open the store, where there may be one, and find out which keys count."""
        if not self.wanted.cache:
            return
        try:
            self.store = kept.opened(self.wanted.cache)
        except kept.NotKept as error:
            said = f"the cache is not used: {error}"
            self.notes = (said,) if error.foreign else ()
            self.observer(NotKept(said))
            return
        machine = kept.identity(self.binaries)
        self._initdb = kept.key_of("initdb", machine)
        if reason := _why_not(self.wanted):
            self.observer(NotKept(f"no base is kept: {reason}"))
        else:
            self._keys = list(_chain(kept.key_of("base", machine, _decisive(self.wanted)), self.wanted))

    @property
    def total(self) -> int:
        """How many scripts are to be run first."""
        return len(self._ids())

    def fill(self, cluster_: cluster.Cluster) -> str:
        """Make a data directory of the longest chain that is kept, else of what initdb makes; give its superuser."""
        self.taken, self.done, self._schema = None, 0, None
        if self.store is None:
            return new_data(cluster_)
        self.taken = self._take(self._keys, cluster_)
        if (state := self.state) and self.taken:
            self.done = self._keys.index(self.taken.key)
            self.observer(Taken(self.done, self.total))
            self._schema = _Read(self.taken.record.get("schema"))
            return state.superuser
        if self._take([self._initdb], cluster_):
            self.observer(Taken(0, self.total))
            return cluster_.superuser
        superuser = new_data(cluster_)
        self._keep(
            cluster_.data_dir, cluster_.account, kept.Manifest(self._initdb, record={"version": self.binaries.version})
        )
        return superuser

    def forget(self) -> None:
        """Do without what has been taken: no server could be had with it."""
        self._keys = []
        self._initdb = kept.key_of("none", self._initdb)

    def require_begun(self, ids: Sequence[str]) -> None:
        """Raise ServerError where these migrations do not begin with those that the server is behind."""
        if list(ids[: self.done]) != self._ids()[: self.done]:
            raise ServerError(
                "what is kept of an earlier run is behind other migrations than are to be tried",
                hint="--fresh does without",
            )

    def may_keep(self, ids: Sequence[str]) -> bool:
        """Tell whether the state behind these migrations could be kept, and is not yet."""
        return (
            self.store is not None and self.done < len(ids) < len(self._keys) and list(ids) == self._ids()[: len(ids)]
        )

    def keep(
        self, data: Path, account: Account, done: int, state: State, schema: Snapshot | None, *, day_only: bool
    ) -> None:
        """Keep the data directory of the stopped server as the state behind these many scripts, with its schema."""
        if _is_configured(data):
            self.observer(NotKept("no base is kept: ALTER SYSTEM has changed the server"))
            return
        day = self._day() if day_only or (self.taken is not None and self.taken.day) else None
        about: dict[str, Any] = {"done": done, "last": self._last(done), "version": self.binaries.version}
        about |= {"state": asdict(state), "schema": as_data(schema) if schema else None}
        self._keep(data, account, kept.Manifest(self._keys[done], day, about), done)

    @property
    def state(self) -> State | None:
        """What is to be known of the state that was taken, if there is one."""
        if self.taken is None:
            return None
        found = State(**self.taken.record["state"])
        return replace(found, notes=tuple(found.notes))

    def schema(self) -> Snapshot | None:
        """Return the schema of the state that was taken, where it was kept with it."""
        return self._schema.take() if self._schema else None

    def told(self, session: Connection) -> list[Any] | None:
        """Return what the server is; None where its files are not among those that decide the key."""
        found = machine(session)
        known = [place.resolve() for place in kept.places(self.binaries)]
        if all(any(Path(place).resolve().is_relative_to(top) for top in known) for place in found[2]):
            return found
        self.observer(NotKept(f"no base is kept: the server's files are in {', '.join(found[2])}"))
        return None

    def day_only(self, session: Connection, done: int) -> bool | None:
        """Tell whether what ran behind the state that was taken depends on the day; None where it may on more.

        The session is the tester's, in the database where it ran.
        """
        before = self.wanted.before
        runs = before.runs[self.done : done] if before else ()
        scripts = [run.script for run in runs]
        if not self.done and self.wanted.bootstrap:
            scripts = [*read_scripts(self.wanted.bootstrap), *scripts]
        try:
            found = clocks(scripts)
        except ScriptError:
            return None
        depends = _depends(found, session)
        if not depends and (stamped := _stamped(found, session)):
            depends = True
            found.elsewhere = found.elsewhere or any(map(in_zone, stamped))
        if found.writes:
            said = _met_by_rows(session)
            found.elsewhere = found.elsewhere or any(map(in_zone, said))
            depends = depends or bool(said)
        if depends and found.elsewhere:
            self.observer(NotKept("no base is kept: a script asks for the time in a zone of its own"))
            return None
        return depends

    def _take(self, keys: Sequence[str], cluster_: cluster.Cluster) -> kept.Manifest | None:
        while self.store is not None:
            found = None
            try:
                found = self.store.longest(keys, self._day())
                if found is None:
                    return None
                self.store.take(found, cluster_.data_dir)
                cluster.hand_over(cluster_.data_dir, cluster_.account)
            except kept.Unusable as error:
                self.observer(NotKept(f"what was kept is damaged and thrown away: {error}"))
                keys = [key for key in keys if found is None or key != found.key]  # it may not be ours to throw away
            except (kept.NotKept, OSError) as error:
                self.observer(NotKept(f"the cache is not used: {error}"))
                return None
            else:
                return found
        return None

    def _keep(self, data: Path, account: Account, manifest: kept.Manifest, done: int = 0) -> None:
        if self.store is None:
            return
        try:
            size = self.store.keep(data, manifest, owner=account.uid)
        except kept.NotKept as error:
            self.observer(NotKept(f"nothing is kept: {error}"))
        else:
            self.observer(Kept(done, size, manifest.day is not None))

    def _ids(self) -> list[str]:
        return [run.migration_id for run in self.wanted.before.runs] if self.wanted.before else []

    def _last(self, done: int) -> str:
        return self._ids()[done - 1] if done else ""

    def _day(self) -> str:
        """Return the day that it is in UTC and where the target is; of a zone that nobody knows, the hour."""
        now = datetime.now(UTC)
        values = self.wanted.settings.values if self.wanted.settings else {}
        try:
            there = now.astimezone(ZoneInfo(values.get("timezone", "UTC")))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return f"{now:%Y-%m-%dT%H}"
        return f"{now:%Y-%m-%d} {there:%Y-%m-%d}"


def machine(session: Connection) -> list[Any]:
    """Ask a server what it is; it must say the same of a state that was kept as of the one that is used."""
    row = session.execute(queries.load("shadow")["machine"]).fetchone()
    return [row[0], list(row[1]), list(row[2])] if row else []


def _why_not(wanted: Wanted) -> str | None:
    """Say why no state of such a shadow is kept."""
    if wanted.before is None or not wanted.before.runs:
        return "no migration comes before"
    if wanted.dumped:
        return "the base is a dump"
    if wanted.settings is not None and wanted.settings.own:
        return "the target has settings of its own, which may hold secrets"
    try:
        bootstrap = read_scripts(wanted.bootstrap) if wanted.bootstrap else []
        above = wanted.superuser or wanted.before.superuser
        scripts = [*bootstrap, *(run.script for run in wanted.before.runs if above)]
        if any(_REACHES_OUT.search(text) for script in scripts for text in script.parts()):
            return "a superuser's script may read or change files"
    except ScriptError:
        return "a script cannot be read"
    return None


def _decisive(wanted: Wanted) -> dict[str, Any]:
    """Return all of a wish that decides what its database is like, as plain data."""
    facts = wanted.target
    like = wanted.settings
    found = {name: getattr(facts, name) for name in type(facts).__slots__ if name not in _CHANGES} if facts else {}
    found |= {"member_of": sorted(facts.member_of)} if facts else {}
    bootstrap = read_scripts(wanted.bootstrap) if wanted.bootstrap else []
    return {
        "target": found,
        "superuser": wanted.superuser,
        "bootstrap": None if wanted.bootstrap is None else [[item.path.name, item.sha256] for item in bootstrap],
        "roles": sorted(wanted.roles),
        "owners": sorted(wanted.owners),
        "owner": wanted.owner,
        "tablespaces": sorted(wanted.tablespaces),
        "extensions": sorted(wanted.extensions) if like else [],
        "settings": None if like is None else [dict(like.values), asdict(like.locale), dict(like.extensions)],
        "how": dict(wanted.before.how) if wanted.before else {},
    }


def _chain(key: str, wanted: Wanted) -> Iterator[str]:
    """Return the keys behind no script, behind the first, and so on, as far as the scripts can be read."""
    yield key
    if (before := wanted.before) is None:
        return
    for run, role in zip_longest(before.runs, before.roles):
        try:
            key = kept.key_of(key, run.migration_id, run.script.sha256, role)
        except ScriptError:
            return
        yield key


def _depends(found: Clocks, session: Connection) -> bool:
    """Tell whether what ran depends on the time, by what the names that it calls stand for."""
    if found.asks:
        return True
    asked = queries.load("shadow")
    if any(asks(text) for (text,) in session.execute(asked["views"], {"names": sorted(found.words)}).fetchall()):
        return True
    return _calls_ask(found, session, found.calls)


def _stamped(found: Clocks, session: Connection) -> list[str]:
    """Return the defaults that ask for the time and whose rows a block or function reads that changes the schema."""
    asked = queries.load("shadow")
    read = set(found.rules)
    for body in filter(None, _bodies(found, session, found.calls)):
        read |= rules(body)
    for (text,) in session.execute(asked["views"], {"names": sorted(read)}).fetchall() if read else ():
        read |= words(text)
    rows = session.execute(asked["defaults"]).fetchall() if read else []
    return [
        text
        for table, text in rows
        if words(table) <= read and (asks(text) or _calls_ask(Clocks(), session, set(called(text))))
    ]


def _bodies(found: Clocks, session: Connection, calls: set[str]) -> Iterator[str | None]:
    """Give the bodies of what is called and of what that calls; None where one cannot be known."""
    asked = queries.load("shadow")
    seen: set[str] = set()
    todo = set(calls)
    while todo:
        seen |= todo
        bodies = [text for name in todo for text in found.routines.get(name, ())]
        for name, there, is_known in session.execute(asked["called"], {"names": sorted(todo)}).fetchall():
            if not all(there) or (found.drops and not is_known and name not in found.routines):
                yield None
            bodies += filter(None, there)
        yield from bodies
        todo = {name for text in bodies for name in called(text)} - seen


def _met_by_rows(session: Connection) -> list[str]:
    """Return what is asked of rows that are written, such as checks, where that depends on the time."""
    rows = session.execute(queries.load("shadow")["met_by_rows"]).fetchall()
    said = [text for (text,) in rows if asks(text)]
    calls = {text: set(called(text)) for (text,) in rows if not asks(text)}
    if not _calls_ask(Clocks(), session, set().union(*calls.values())):  # at once, since there may be thousands
        return said
    return [*said, *(text for text, names in calls.items() if _calls_ask(Clocks(), session, names))]


def _calls_ask(found: Clocks, session: Connection, calls: set[str]) -> bool:
    return any(text is None or asks(text) for text in _bodies(found, session, calls))


def _is_configured(data: Path) -> bool:
    """Tell whether ALTER SYSTEM has set something, which would count from the next start on, or somebody else has."""
    try:
        text = read_bytes(data / "postgresql.auto.conf", anywhere=True).decode(errors="replace")
    except OSError:
        return True
    return not all(_OURS.fullmatch(line) for line in text.splitlines())
