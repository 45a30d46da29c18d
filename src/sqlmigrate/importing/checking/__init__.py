"""Check an import: our files against the tool's own, and against a live database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.connection import allow
from sqlmigrate.events import ignore
from sqlmigrate.importing.checking import branch, live
from sqlmigrate.importing.checking.folders import imported
from sqlmigrate.importing.checking.live import Compared
from sqlmigrate.importing.checking.proof import Proof, prove
from sqlmigrate.importing.tables import Where

if TYPE_CHECKING:
    from sqlmigrate.config import Config
    from sqlmigrate.connection import Gate
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.errors import Problem
    from sqlmigrate.events import Observer
    from sqlmigrate.importing.convert import Conversion
    from sqlmigrate.migrations import Migrations

__all__ = ["Checked", "Compared", "Proof", "check"]


@dataclass(frozen=True, slots=True)
class Checked:
    """The proof that our files do what the tool's do and, where a database was named, how that one compares.

    `branch` is what a branch does to files of the tool's that its base has.
    """

    proof: Proof
    live: Compared | None = None
    branch: tuple[Problem, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        wrong = any(not problem.warning for problem in self.branch)
        return self.proof.holds and not wrong and (self.live is None or self.live.holds)


def check(
    config: Config,
    plan: Conversion,
    options: Options,
    conninfo: str | None = None,
    *,
    where: Where = Where(),  # noqa: B008  frozen
    revision: str | None = None,
    superuser: bool = False,
    gate: Gate[Migrations] = allow,
    observer: Observer = ignore,
) -> Checked:
    """Prove an import and, where a database is named, look what its tool has hidden there; nothing is written.

    With a `revision` of git, what this work does to the files that it has is checked, too. `superuser` has scripts run
    as one, as they do where the database's own were. Raises MigrationsError where the project's folder is wrong, and
    what `branch.problems`, `proof.prove` and `live.look` raise.
    """
    told = branch.problems(plan, revision) if revision is not None else []
    found = imported(plan)
    seen = live.look(config, conninfo, plan, found, where, gate) if conninfo is not None else None
    facts = seen.live.facts if seen else None
    above = superuser or (facts is not None and facts.superuser)
    proof = prove(config, plan, found, options, observer, target=facts, superuser=above)
    return Checked(proof, live.compare(config, seen, observer) if seen else None, tuple(told))
