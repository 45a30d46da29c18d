"""A workload beside a review: asked before a migration, after it and after its rollback; all of it put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlmigrate.review import model
from sqlmigrate.review.workload.blame import culprits
from sqlmigrate.review.workload.check import again, first, resolving
from sqlmigrate.review.workload.compare import EFFECTS, Affected, Effect, affected
from sqlmigrate.review.workload.sized import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.review.workload.blame import Culprit
    from sqlmigrate.review.workload.compare import State
    from sqlmigrate.review.workload.queries import Query, Workload
    from sqlmigrate.review.workload.sized import Slower
    from sqlmigrate.shadow import Shadow, ShadowDatabase

Live = Mapping[Effect, Sequence[model.LiveStatement]]
"""What becomes of the application's statements, by effect."""

_PERCENT = 100
_ROLES = 5
_FEW_DAYS = 7 * 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Start:
    """The database before a migration, and what the workload meets there."""

    database: ShadowDatabase
    state: State


def told(watches: Sequence[Watch], order: Sequence[str]) -> model.Workload | None:
    """Put together what was met on several servers, in the order of the migrations; None where nothing was asked."""
    if not watches:
        return None
    first, *others = watches
    for other in others:
        for effect, statements in other.found.items():
            first.found[effect] += statements
        first.refused = {**other.refused, **first.refused}
        first.plans.unknown |= other.plans.unknown
        first.plans.refused = first.plans.refused or other.plans.refused
        first.unknown_roles |= other.unknown_roles
        first.unprivileged |= other.unprivileged
    for statements in first.found.values():
        statements.sort(key=lambda item: (order.index(item.migration_id), item.operation))
    return first.result()


@dataclass(slots=True)
class Watch:
    """What a workload meets on its way through the migrations of a review.

    `paths` are the search_paths under which names are looked up, None for what each role finds.
    """

    workload: Workload
    shadow: Shadow
    options: Options
    info: ServerInfo
    paths: tuple[str | None, ...] = (None,)
    found: defaultdict[Effect, list[model.LiveStatement]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[int, str] = field(default_factory=dict)
    unknown_roles: set[str] = field(default_factory=set)
    unprivileged: set[int] = field(default_factory=set)
    plans: Comparison = field(init=False)

    def __post_init__(self) -> None:
        """Find out whether plans can be compared at the target's size."""
        self.plans = Comparison(self.shadow, self.workload.sizes)

    def before(self, database: ShadowDatabase) -> Start:
        """Ask in the state before a migration; what is not taken there is not checked."""
        state = first(database, self.workload, self.paths)
        for number, answer in state.standing.answers.items():
            if answer.refused is not None:
                self.refused.setdefault(number, str(answer.refused))
        self._note_roles(state)
        return Start(database, state)

    def _note_roles(self, state: State) -> None:
        """Keep the roles whose privileges are not asked about: unknown here, or not allowed to send it even before."""
        for number, way in state.standing.ways.items():
            used = {use.role for use in self.workload.queries[number].uses if use.role}
            self.unknown_roles |= used - state.standing.roles
            if way.role is None and used & state.standing.roles:
                self.unprivileged.add(number)

    def behind(self, script_run: ScriptRun, way: tuple[ShadowDatabase, ShadowDatabase], start: Start) -> Live:
        """Ask behind a script, and compare with what was met before the migration, at its `start`.

        The script has led the `way` from one database to another, a copy of the first.
        """
        before = start.state
        with resolving(start.database) as resolve:
            now = again(way[1], before)
            effects = affected(self.workload, before, now, resolve)
        done_by = {}
        if effects:
            with self.shadow.clone(way[0]) as copy:
                done_by = culprits(
                    copy, script_run, self.workload, before, effects, resolve, options=self.options, info=self.info
                )
        effects = _with_plans(effects, self.plans.slower(before, now, (start.database, way[1])))
        found: defaultdict[Effect, list[model.LiveStatement]] = defaultdict(list)
        for item in effects:
            found[item.effect].append(self._said(item, script_run, done_by.get(item.number)))
        for effect, statements in found.items():
            self.found[effect] += statements
        return found

    def _said(self, item: Affected, script_run: ScriptRun, culprit: Culprit | None) -> model.LiveStatement:
        query = self.workload.queries[item.number]
        known = query.calls if any(use.calls is not None for use in query.uses) else None
        return model.LiveStatement(
            query=query.text,
            calls=known,
            error=item.why,
            migration_id=script_run.migration_id,
            operation="rollback" if script_run.operation == "rollback" else "apply",
            sqlstate=item.sqlstate,
            statement=culprit.number if culprit else None,
            line=culprit.line if culprit else None,
            calls_per_second=self.workload.a_second(known) if known is not None else None,
            mean=query.mean,
            roles=tuple(use.role for use in query.uses if use.role),
            name=query.name,
            place=query.place,
            relation=item.relation,
        )

    def result(self) -> model.Workload:
        """Put together what was found."""
        workload = self.workload
        unchecked = sum(workload.queries[number].calls for number in self.refused)
        return model.Workload(
            source=workload.source,
            statements=len(workload.queries),
            calls=workload.calls,
            checked_calls=workload.calls - unchecked,
            headline=self._headline(unchecked),
            read_at=workload.read_at,
            since=workload.since,
            seconds=workload.seconds,
            not_checked=tuple(self._not_asked()),
            notes=tuple(self._notes()),
            **{effect: tuple(self.found[effect]) for effect in EFFECTS},
        )

    def _headline(self, unchecked: int) -> str:
        """Count what applying does to statements, and what breaks by rolling back."""
        workload = self.workload
        breaks, back = self._by("breaks", "apply"), self._by("breaks", "rollback")
        may, slower = len(self._by("may_break", "apply")), len(self._by("slower", "apply"))
        parts = [f"{len(breaks)} of {len(workload.queries):,} live statements break{_s(len(breaks))}{_rate(breaks)}"]
        parts += [f"{may} may"] if may else []
        parts += [f"{slower} lose{_s(slower)} an index"] if slower else []
        parts += [f"{len(back)} break{_s(len(back))} by the rollback"] if back else []
        if workload.calls:
            parts.append(f"{_PERCENT * (workload.calls - unchecked) // workload.calls}% of calls were checked")
        elif self.refused:
            parts.append(f"{len(self.refused)} could not be checked")
        return "; ".join(parts)

    def _by(self, effect: Effect, operation: str) -> list[model.LiveStatement]:
        """Return what becomes of statements by one kind of script, each statement once."""
        found = {item.query: item for item in self.found[effect] if item.operation == operation}
        return list(found.values())

    def _not_asked(self) -> Iterator[model.NotAsked]:
        """Yield what is not taken before, those of one reason together, and what was left out from the start."""
        reasons: defaultdict[str, list[Query]] = defaultdict(list)
        for number, why in self.refused.items():
            reasons[why].append(self.workload.queries[number])
        for why, queries in sorted(reasons.items(), key=lambda item: -sum(query.calls for query in item[1])):
            yield model.NotAsked(why, len(queries), sum(query.calls for query in queries), queries[0].text)
        for left in self.workload.left_out:
            yield model.NotAsked(left.why, left.statements, left.calls, "")

    def _notes(self) -> Iterator[str]:
        workload = self.workload
        if workload.unread:
            yield f"{workload.unread:,} statements could not be read: the role needs pg_read_all_stats"
        if self.unknown_roles:
            named = ", ".join(sorted(self.unknown_roles)[:_ROLES])
            more = f" and {len(self.unknown_roles) - _ROLES} more" if len(self.unknown_roles) > _ROLES else ""
            yield f"no migration names {named}{more}, so the privileges of these roles were not looked at"
        if self.unprivileged:
            were = "statement was" if len(self.unprivileged) == 1 else "statements were"
            why = "before the migration already, its role has no privilege for it on the throwaway database"
            yield f"{len(self.unprivileged):,} {were} asked as the owner: {why}"
        if workload.evicted:
            yield f"the server has thrown statements out {workload.evicted:,} times to make room: rare ones are missing"
        if workload.track == "top":
            yield "pg_stat_statements.track is top: statements inside functions are not counted"
        if workload.seconds is not None and workload.seconds < _FEW_DAYS:
            yield f"the statistics go back {_for_how_long(workload.seconds)} only: what runs weekly may be missing"
        if self.plans.refused is not None:
            yield (
                f"plans were not compared at the target's size: {self.plans.refused}; told is only where an index is "
                "gone, invalid or of another type"
            )
        elif self.plans.unknown:
            many = len(self.plans.unknown)
            they = "statement reads a table" if many == 1 else "statements read tables"
            yield f"{many:,} {they} that the target has no statistics of: not compared at its size"


def _with_plans(effects: Sequence[Affected], slower: Mapping[int, Slower]) -> list[Affected]:
    """Add what is planned worse; what breaks anyway is not planned, and what may break is said already."""
    worst = {item.number: item for item in effects}
    for number, said in slower.items():
        known = worst.get(number)
        if known is None or known.effect == "changes":
            worst[number] = Affected(number, "slower", said.why, relation=said.relation)
        elif known.effect == "slower":
            worst[number] = replace(known, why=f"{known.why}; {said.why}")
    return sorted(worst.values(), key=lambda item: EFFECTS.index(item.effect))


def _s(number: int) -> str:
    return "s" if number == 1 else ""


def _rate(items: Sequence[model.LiveStatement]) -> str:
    rates = [item.calls_per_second for item in items if item.calls_per_second is not None]
    return f", {sum(rates):.3g} calls/s" if rates else ""


def _for_how_long(seconds: float) -> str:
    for factor, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= factor:
            return f"{seconds / factor:.0f} {name}{'' if round(seconds / factor) == 1 else 's'}"
    return f"{seconds:.0f} seconds"
