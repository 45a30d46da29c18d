"""What a caller asks of a shadow database, what is known of the target, and the database that he gets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.migrations import BOOTSTRAP
from sqlmigrate.sql.statement.lasting import settings_asked
from sqlmigrate.sql.statement.needs import needs_of, roles_made_by_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sqlmigrate.config import Config
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.shadow.settings import Settings
    from sqlmigrate.sql.script import Script


def wanted(
    config: Config,
    scripts: Iterable[Script],
    *,
    target: TargetFacts | None = None,
    settings: Settings | None = None,
    base: str = "replay",
    superuser: bool = False,
    before: Before | None = None,
) -> Wanted:
    """Say what the settings and the scripts that are going to run ask of a shadow; `base` is `replay` or `dump`.

    `settings` are the target's where it cannot be asked itself.
    A dump holds what `bootstrap/` makes, which therefore does not run then. The settings' role is the owner, so that
    it may create. A superuser can make the roles himself that DO blocks make.
    """
    scripts = list(scripts)
    found = needs_of(scripts)
    like = target.settings if target and target.settings else settings
    made = roles_made_by_blocks(scripts) if superuser else frozenset()
    return Wanted(
        shadow_url=config.shadow_url,
        target=target,
        superuser=superuser,
        bootstrap=config.migrations / BOOTSTRAP if base == "replay" else None,
        dumped=base == "dump",
        readable=config.migrations,
        roles=(found.roles - made) | ({config.role} if config.role else set()),
        owners=found.owners - made,
        owner=config.role,
        tablespaces=found.tablespaces | (like.tablespaces if like else frozenset()),
        extensions=found.extensions,
        settings=like,
        cache=config.cache_size,
        before=before,
        asked=settings_asked(scripts),
    )


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What a session tells about its server and its login; `system_identifier` is None where it may not be read.

    `owner` is the role that owns the database, `login` the session's own and `member_of` the roles that it may act as;
    `started` is when the server started, in microseconds since 1970. `settings` is what the login finds there.
    """

    major: int
    version: str
    database: str
    owner: str
    login: str
    superuser: bool = False
    creates_databases: bool = False
    creates_roles: bool = False
    member_of: frozenset[str] = frozenset()
    started: int | None = None
    system_identifier: int | None = None
    settings: Settings | None = None

    def of_server(self) -> TargetFacts:
        """Leave out who asked: scripts then run as they do without a target."""
        return replace(
            self, login="", superuser=False, creates_databases=False, creates_roles=False, member_of=frozenset()
        )


@dataclass(frozen=True, slots=True)
class Before:
    """Scripts that run one after the other in a new database, before anything is tried.

    `how` is plain data that counts for all of them, `roles` are those that each runs as, where they are not the same.
    Some of them may run as `superuser`, even where not all do. What they leave is the same for the same scripts in this
    order, the same `how` and `roles`, and the same `Wanted`.
    """

    runs: tuple[ScriptRun, ...]
    how: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    superuser: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the shadow is for.

    - `shadow_url`: a server where databases may be created and dropped; None asks for a private server.
    - `target`: the database that the shadow stands for, where there is one.
    - `superuser`: scripts run as superuser on a private server, and not as the ordinary owner.
    - `bootstrap`: the scripts of this folder are run in every database first; None for a base from a dump.
    - `dumped`: the base is a dump of the target.
    - `readable`: a folder whose files the server may read too, where it runs in a sandbox.
    - `roles`: what the scripts name. Missing ones are made NOLOGIN on a private server and granted to the owner.
    - `owners`: those of them that the scripts make owners, and that must be able to create in schema public for it.
    - `owner`: the ordinary role that scripts run as on a private server; None for the target's login.
    - `tablespaces`: what the scripts name. They are made on a private server, inside of its own folder.
    - `extensions`: what the scripts create.
    - `settings`: what the target decides beside the scripts; None where it is not known.
    - `cache`: the bytes that may be kept of private servers between runs; 0 for nothing.
    - `before`: the scripts that are going to be run in a database first, what they make of it may be kept; None where
      that is not known.
    - `asked`: the settings that the scripts ask for by name, as `settings_asked` finds them.
    """

    shadow_url: str | None = field(default=None, repr=False)
    target: TargetFacts | None = None
    superuser: bool = False
    bootstrap: Path | None = None
    dumped: bool = False
    readable: Path | None = None
    roles: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    owner: str | None = None
    tablespaces: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    settings: Settings | None = None
    cache: int = 0
    before: Before | None = None
    asked: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class ShadowDatabase:
    """A throwaway database, by three sessions.

    - `conninfo`: who scripts run as.
    - `tester_conninfo`: who loads samples, asks expectations, and reads what scripts have made. On a private server
      that is an ordinary role that may read and write all rows (PostgreSQL runs functions of the scripts for it, so it
      must be none that can do more), unless scripts run as superuser.
    - `admin_conninfo`: a superuser on a private server, for what is done before any script has run, and for commands
      that run no code of the database; event triggers are off in it, also those on login.

    On a named server all three are its login.
    """

    name: str
    conninfo: str = field(repr=False)
    tester_conninfo: str = field(repr=False)
    admin_conninfo: str = field(repr=False)
