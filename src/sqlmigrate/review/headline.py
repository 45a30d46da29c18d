"""What a DBA has to know first, in one sentence: what fails, else the worst hazard. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.locks import STOPS_READS, STOPS_WRITES
from sqlmigrate.review.model import SEVERITIES
from sqlmigrate.review.times import told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.review.model import Direction, Hazard, Migration

_WORST = ("H21", "H22", "H24", "H01", "H08", "H10", "H02", "H03", "H05", "H07", "H06", "H04")
"""Where figures do not decide: what is lost comes before what is rewritten, and that before what is read."""
_BEGINS = {"danger": "dangerous for an application in use", "warning": "choose the moment"}
_UNDO = {
    "lossy": "the undo of {} does not bring the data back",
    "irreversible": "{} cannot be undone",
    "not_tried": "the undo of {} was not tried",
    "unknown": "nothing is known about the undo of {}",
}


def headline(migrations: Sequence[Migration]) -> str:
    """Say what fails, else the worst hazard with what stands still meanwhile, else what else the verdict rests on."""
    if not migrations:
        return "there is nothing to review"
    failing = next((item for item in migrations if item.verdict == "fails"), None)
    if failing is not None:
        return f"{failing.migration_id} {_failure(failing)}: do not run this"
    found = list(_hazards(migrations))
    if found:
        worst, direction = min(found, key=lambda item: badness(*item))
        alike = sum(hazard.severity == worst.severity for hazard, _ in found) - 1
        more = f"; {alike} more {worst.severity}{'s' if alike > 1 else ''}" if alike else ""
        harm = next((f"; {told(harm, 1)}" for harm in direction.harms if harm.relation in worst.relations), "")
        return f"{_BEGINS[worst.severity]}: {worst.seen}{harm}{more}"
    strong = _strongest(migrations)
    if any(item.verdict != "fine" for item in migrations):
        said = next(_beside(migrations), "there are warnings to read")
        return f"{said}; {strong}" if strong else said
    return strong or "nothing was found that would stop reads or writes"


def _hazards(migrations: Sequence[Migration]) -> Iterator[tuple[Hazard, Direction]]:
    for item in migrations:
        for part in item.apply.statements:
            yield from ((hazard, item.apply) for hazard in part.hazards if hazard.severity in _BEGINS)


def badness(hazard: Hazard, direction: Direction) -> tuple[int, float, int]:
    """Order hazards: by severity, by how long their statement takes, and by their kind; the least is worst."""
    known = {one.number: one.takes for one in direction.statements}
    takes = known.get(hazard.statement) if hazard.harm else None
    kind = _WORST.index(hazard.code) if hazard.code in _WORST else len(_WORST)
    return SEVERITIES.index(hazard.severity), -(takes.most if takes else 0.0), kind


def _beside(migrations: Sequence[Migration]) -> Iterator[str]:
    """Say what gave a verdict where no hazard of applying did: the order, the undo, a hazard of rolling back."""
    for item in migrations:
        if item.out_of_order is not None and item.out_of_order.answer != "independent":
            yield f"{item.migration_id} comes late, and the order may matter"
    for item in migrations:
        if said := _UNDO.get(item.proof.verdict):
            yield said.format(item.migration_id)
    for item in migrations:
        for part in item.rollback.statements if item.rollback else ():
            yield from (f"when rolling back, {found.seen}" for found in part.hazards if found.severity in _BEGINS)


def _failure(item: Migration) -> str:
    if item.bug:
        return "could not be reviewed"
    if item.apply.error:
        return "cannot be applied"
    if item.rollback is not None and item.rollback.error:
        return "cannot be rolled back"
    return "is not restored by its rollback" if item.proof.verdict == "not_restored" else "fails its round trip"


def _strongest(migrations: Sequence[Migration]) -> str:
    """Say what is stopped for how long, over all that is applied."""
    stopped: dict[str, set[str]] = {"read": set(), "written": set()}
    for item in migrations:
        for hold in item.apply.holds:
            if hold.lock.kind not in ("type", "schema", "index", "sequence") and hold.lock.level >= STOPS_WRITES:
                stopped["read" if hold.lock.level == STOPS_READS else "written"].add(hold.lock.name)
    stopped["written"] -= stopped["read"]
    words = [
        f"{len(tables)} {'table' if len(tables) == 1 else 'tables'} cannot be {how}"
        for how, tables in (("read or written", stopped["read"]), ("written", stopped["written"]))
        if tables
    ]
    return f"while it runs, {' and '.join(words)}" if words else ""
