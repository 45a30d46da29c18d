"""The order in which a change is made online: what costs nothing, old rows, long reads under weak locks, the switch."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlmigrate.review.remedy import Remedy, RemedyStep

_NOTHING = "SELECT 'nothing to undo: what was filled in goes with its column';"
OUTSIDE = "-- transactional: false"
"""The directive that makes a script run outside a transaction."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what undoes it: nothing has to where that is empty, nothing can where it is None."""

    sql: str
    undo: str | None = ""


@dataclass(slots=True)
class Phases:
    """Gathers the commands of a remedy, and makes a file of each phase that has some.

    `expand` and `contract` are transactions, which hold strong locks for a moment; `fill`, `online` and `afterwards`
    run outside one and take their time. `checks` are made in `expand` where no row has to be filled before they hold,
    else in `online`. `ready` says what the application must do before the checks hold, `switch` before `contract`.
    """

    expand: list[Command] = field(default_factory=list)
    fill: list[Command] = field(default_factory=list)
    checks: list[Command] = field(default_factory=list)
    online: list[Command] = field(default_factory=list)
    contract: list[Command] = field(default_factory=list)
    afterwards: list[Command] = field(default_factory=list)
    ready: str | None = None
    switch: str | None = None
    same: bool = True
    has_older_form: bool = False

    def remedy(self, *, after: bool = False) -> Remedy | None:
        """Return the files in order; None where there is no command at all."""
        waits = bool(self.fill or self.ready)
        expand = self.expand if waits else [*self.expand, *self.checks]
        online = [*self.checks, *self.online] if waits else self.online
        builds = any("INDEX" in command.sql for command in online)
        steps = (
            _step("expand", expand, transactional=True),
            _step("backfill", self.fill, transactional=False),
            _step("build" if builds else "validate", online, transactional=False, first=self.ready),
            _step("contract", self.contract, transactional=True, first=self.switch),
            _step("validate", self.afterwards, transactional=False),
        )
        found = tuple(step for step in steps if step is not None)
        return Remedy(found, after, self.same) if found else None


def _step(name: str, commands: list[Command], *, transactional: bool, first: str | None = None) -> RemedyStep | None:
    if not commands:
        return None
    undos = [command.undo for command in reversed(commands)]
    back = None if None in undos else "\n".join(f"{undo};" for undo in undos if undo) or _NOTHING
    return RemedyStep(name, "\n".join(f"{command.sql};" for command in commands), back, transactional, first)


def one_file(sql: str, rollback: str | None = None, *, after: bool = False, same: bool = False) -> Remedy:
    """Return a remedy of one file, which may begin with the directive that takes it outside a transaction."""
    outside = sql.startswith(OUTSIDE)
    name, text = "after" if after else "instead", sql.removeprefix(OUTSIDE).lstrip("\n")
    step = RemedyStep(name, text, rollback, not outside)
    return Remedy((step,), after, same)


def as_file(sql: str, *, transactional: bool) -> str:
    """Write a step's script or rollback as its file holds it."""
    return sql if transactional else f"{OUTSIDE}\n\n{sql}"


def remark(text: str) -> str:
    """Write a comment of one line, whatever the names in it hold."""
    return f"-- {' '.join(text.split())}"


def as_text(remedy: Remedy) -> str:
    """Write all of a remedy as one text, with a line before each file where there are several."""
    steps, several = remedy.steps, len(remedy.steps) > 1
    parts = [remark(remedy.becomes)] if remedy.becomes else []
    for number, step in enumerate(steps, 1):
        head = [f"-- {number} of {len(steps)}, {step.name}: a migration of its own"] if several else []
        head += [remark(f"first {step.first}")] if step.first else []
        head += [] if step.transactional else [OUTSIDE]
        parts.append("\n".join([*head, step.sql]))
    return ("\n\n" if several else "\n").join(parts)
