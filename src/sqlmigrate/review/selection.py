"""Which migrations to review, and which count as applied: those named, those pending, or what a revision of git lacks.

A revision stands for what is applied wherever it runs. So a migration that comes late is asked about as on a target,
and one that was edited is tried in its own place, behind those before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate import roundtrip
from sqlmigrate.errors import UsageError
from sqlmigrate.files import since
from sqlmigrate.migrations import branch

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlmigrate.errors import Problem
    from sqlmigrate.files import Since
    from sqlmigrate.migrations import Migration, Migrations

_ENOUGH = 5  # names in a note
_SHORT = 10  # digits of a commit


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for: `ids`, the `everything` of all files, or what is new `since` a revision of git.

    Without all of them it is what is pending on the target, or without a target the last migration. Raises UsageError
    where two of them are given.
    """

    ids: tuple[str, ...] = ()
    since: str | None = None
    everything: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if bool(self.ids) + (self.since is not None) + self.everything > 1:
            raise UsageError("give either IDs, --since or --all")


@dataclass(frozen=True, slots=True)
class Selection:
    """What is `wanted`, what counts as `applied` (None: all that stands before), and what the report says of it.

    `problems` are what a branch does to the migrations of its base, and numbers that are there twice since it has one.
    """

    wanted: tuple[Migration, ...]
    applied: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def select(found: Migrations, asked: Asked, applied: tuple[str, ...] | None, variable: str | None) -> Selection:
    """Choose; `applied` is what the target has, None without one, and `variable` what named it in the environment.

    Raises UsageError for an unknown id, for one that is applied already, and for what is no revision, and GitError
    where git cannot say what is new.
    """
    if asked.since is not None:
        return _new(found, asked.since, applied)
    if asked.ids:
        return Selection(tuple(_named(found, asked.ids, applied or (), variable)), applied)
    if applied is not None:
        if asked.everything:
            said = "--all is for a review without a database: what is applied cannot be tried there"
            raise UsageError(said, hint="without --all, what is pending there is reviewed")
        return _pending(found, applied)
    if asked.everything or not found.ordered:
        return Selection(found.ordered)
    last = found.ordered[-1]
    note = (
        f"only the last migration, {last.migration_id}, is reviewed: neither a database nor `--since REV` says what "
        "is new; `--all` reviews every one"
    )
    return Selection((last,), None, (note,) if len(found.ordered) > 1 else ())


def _named(
    found: Migrations, ids: Collection[str], applied: Collection[str], variable: str | None
) -> Sequence[Migration]:
    """Return the named migrations; one that is applied already cannot be tried on top of itself."""
    chosen = roundtrip.chosen(found, ids)
    if twice := [item.migration_id for item in chosen if item.migration_id in set(applied)]:
        hint = "name no database, and it is reviewed after the migrations before it"
        if variable is not None:
            hint += f": env -u {variable} sqlmigrate review {' '.join(ids)}"
        raise UsageError(
            f"{', '.join(twice)} is applied in the target already, so it cannot be tried there again", hint=hint
        )
    return chosen


def _pending(found: Migrations, applied: tuple[str, ...]) -> Selection:
    done = set(applied)
    wanted = tuple(item for item in found.ordered if item.migration_id not in done)
    nothing = "nothing is pending in the database; name a migration to review it: `sqlmigrate review ID`"
    return Selection(wanted, applied, () if wanted or not found.ordered else (nothing,))


def _new(found: Migrations, revision: str, applied: tuple[str, ...] | None) -> Selection:
    """Choose what a revision adds or changes and, with a target, what is pending there, too."""
    base = since(found.directory, revision)
    states = {item.migration_id: branch.state(base, item) for item in found.ordered}
    new = [item for item in found.ordered if states[item.migration_id] != "held"]
    done = set(applied or ())
    wanted = tuple(item for item in new if item.migration_id not in done)
    notes = [f"reviewed is what {_label(base)} does not have" + (" and the database neither" if done else "")]
    if not new:
        notes = [f"nothing is added or changed since {_label(base)}"]
    elif not wanted:
        notes = [f"all that is new since {_label(base)} is applied in the database already"]
    elif skipped := [item.migration_id for item in new if item.migration_id in done]:
        notes.append(f"applied in the database already, and so not reviewed: {_listed(skipped)}")
    edited = [item.migration_id for item in wanted if states[item.migration_id] == "changed"]
    if edited:
        notes.append(
            f"changed, and not new, since {_label(base)}: {_listed(edited)}; where it is applied, it does not run again"
        )
    notes += _moved(base)
    return Selection(
        wanted,
        applied if applied is not None else _held(found, states),
        tuple(notes),
        (*branch.problems(found, base), *branch.numbers(found, base)),
    )


def _held(found: Migrations, states: Mapping[str, str]) -> tuple[str, ...]:
    """Return what counts as applied: what is as it was, up to the first that is not and yet stands there."""
    names = [item.migration_id for item in found.ordered]
    first = next((at for at, name in enumerate(names) if states[name] == "changed"), len(names))
    return tuple(name for name in names[:first] if states[name] == "held")


def _moved(base: Since) -> list[str]:
    """Say what was there and is no more, and what the revision has got that is not here."""
    gone = [name for name in base.gone() if name.endswith(".sql")]
    theirs = [name for name in base.theirs if name.endswith(".sql")]
    notes = [f"no longer there since {_label(base)}: {_listed(gone)}"] if gone else []
    if theirs:
        notes.append(f"{base.revision} has what is not here: {_listed(theirs)}; merge it, and review again")
    return notes


def _label(base: Since) -> str:
    return f"{base.revision} ({f'merge base {base.commit[:_SHORT]}' if base.commit else 'no commit yet'})"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _ENOUGH
    return ", ".join(names[:_ENOUGH]) + (f" and {more} more" if more > 0 else "")
