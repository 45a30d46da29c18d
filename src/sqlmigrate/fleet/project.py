"""A fleet of a project: the one entry for commands, from the settings to a run that has ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from sqlmigrate import migrations
from sqlmigrate.errors import UsageError
from sqlmigrate.fleet import inventory, standing
from sqlmigrate.fleet.bringing import Workshop, bring, digest_of
from sqlmigrate.fleet.coordinator import Coordinator
from sqlmigrate.fleet.driving import Driver, Manner, NotAllKept, now
from sqlmigrate.fleet.fleet import Fleet
from sqlmigrate.fleet.ledger import Head, LocalLedger, RunRecord
from sqlmigrate.fleet.model import Limits, Wanted, Wave
from sqlmigrate.fleet.places import Listed, locate_all
from sqlmigrate.fleet.waves import ALL
from sqlmigrate.history.model import Run
from sqlmigrate.server import places
from sqlmigrate.server.account import server_account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from sqlmigrate.config import Config
    from sqlmigrate.engine import Options
    from sqlmigrate.fleet.catalogs import Likeness
    from sqlmigrate.fleet.coordinator import Stop
    from sqlmigrate.fleet.driving import Step
    from sqlmigrate.fleet.ledger import Ledger, Writer
    from sqlmigrate.fleet.model import Outcome
    from sqlmigrate.fleet.order import Order
    from sqlmigrate.fleet.places import Place
    from sqlmigrate.fleet.planning import GroupPlan
    from sqlmigrate.fleet.standing import Group
    from sqlmigrate.migrations import Migrations

_FOLDER = "fleet"


@dataclass(frozen=True, slots=True)
class Call:
    """How a run is to go: `listening` is open while it does, and lets whoever stops it reach the driver.

    `warn` is told what somebody should know before it begins.
    """

    limits: Limits = field(default_factory=Limits)
    manner: Manner = field(default_factory=Manner)
    observer: Callable[[Step], None] = lambda _: None
    listening: Callable[[Driver], AbstractContextManager[None]] | None = None
    warn: Callable[[str], None] = lambda _: None


def read(
    config: Config,
    options: Options,
    *,
    part: tuple[int, int] | None = None,
    files: Migrations | None = None,
    targets: Iterable[Mapping[str, Any]] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Fleet:
    """Read the targets and the migrations; with `part` (i, n), the i-th of n shares of the targets.

    What a program has read already, or lists itself, is given. `say` is told what a command that lists the targets
    writes to stderr. Raises InventoryError and MigrationsError with
    everything that is wrong, before any target is opened.
    """
    found = migrations.of_project(config) if files is None else files
    places_of = located(config, part=part, targets=targets, say=say)
    place = places_of.place if isinstance(places_of, Listed) else places_of.__getitem__
    return Fleet(places_of, Workshop(place, found, digest_of(found), options))


def located(
    config: Config,
    *,
    part: tuple[int, int] | None = None,
    targets: Iterable[Mapping[str, Any]] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Mapping[str, Place]:
    """Read the targets alone, as `read` does; where workers are to work on them, none is found before it is used."""
    found = inventory.read(config, say) if targets is None else inventory.of(targets)
    if part is not None:
        found = found[part[0] - 1 :: part[1]]
    if config.scheduler is not None:
        return Listed({target.name: target for target in found}, config.history_schema)
    return locate_all(found, config.history_schema)


def newcomers(config: Config, record: RunRecord, say: Callable[[str], None]) -> list[str]:
    """Return the targets that the list names by now, and did not name when a run began; `say` is as for `read`."""
    seen = {name for name, _ in record.targets()}.union(record.head.others)
    return [target.name for target in inventory.read(config, say) if target.name not in seen]


def ledger_of(config: Config, warn: Callable[[str], None] = lambda _: None) -> Ledger:
    """Return the ledger of a project: that of the control database, if there is one; nothing is written for it.

    `warn` is told where the control database does not answer, and the files of this machine are read instead.
    """
    from sqlmigrate.fleet.control import conninfo_of  # noqa: PLC0415  most projects have none
    from sqlmigrate.fleet.ledger.control import ControlLedger  # noqa: PLC0415  same

    local = LocalLedger((config.state_dir or places.state_dir(config.project)) / _FOLDER)
    conninfo = conninfo_of(config)
    return local if conninfo is None else ControlLedger(conninfo, local, config.history_owners, warn)


def stand(fleet: Fleet, concurrency: int, names: Iterable[str] | None = None, of_run: str | None = None) -> list[Group]:
    """Read where targets stand, `concurrency` at a time, and put those together that stand in the same place.

    They are all of them, or those of the `names`; with `of_run`, what that run has applied belongs to the place.
    """
    with _threads(concurrency) as pool:
        asked = fleet.places if names is None else names
        return standing.groups(pool.map(lambda name: standing.look(name, fleet.workshop, of_run), asked))


def plan(
    config: Config, fleet: Fleet, wanted: Wanted, concurrency: int, names: Iterable[str] | None = None
) -> list[GroupPlan]:
    """Say what a run would do, once for all targets that stand in the same place; with `names`, in those alone."""
    from sqlmigrate.fleet import planning  # noqa: PLC0415  few ask for it

    groups = stand(fleet, concurrency, names, wanted.of_run)
    with _threads(concurrency) as pool:
        return planning.plans_of(groups, meant(config, fleet, wanted), fleet.workshop, pool.map)


def stand_by_workers(config: Config, fleet: Fleet, warn: Callable[[str], None]) -> list[Group]:
    """Have the workers of the settings' scheduler read where all targets stand; raises as `calling.called_up`."""
    from sqlmigrate.fleet.machines import calling  # noqa: PLC0415  most fleets are worked on from one machine

    with calling.called_up(config, fleet.tags(), fleet.workshop, warn) as hands:
        return standing.groups(hands.standings())


def compare(config: Config, places_of: Mapping[str, Place], concurrency: int) -> list[Likeness]:
    """Read the schemas of targets, `concurrency` at a time, and put those together that have the same."""
    from sqlmigrate.fleet import catalogs  # noqa: PLC0415  few ask for it

    databases = catalogs.in_one_database(places_of.values())
    with _threads(concurrency) as pool:
        found = pool.map(lambda places: catalogs.read_catalogs(places, config.drift_ignore), databases)
        return catalogs.likenesses(item for items in found for item in items)


def rebuild(
    config: Config, fleet: Fleet, concurrency: int, chosen: Callable[[RunRecord], bool] = lambda _: True
) -> tuple[list[RunRecord], dict[str, str]]:
    """Write the `chosen` runs into the ledger that the histories of the targets know and it does not.

    Returns those, and why the history of some targets could not be read, by their names.
    """
    from sqlmigrate.fleet.ledger.rebuilding import read_log, rebuilt  # noqa: PLC0415  for a ledger that was lost

    with _threads(concurrency) as pool:
        logs = list(pool.map(lambda place: read_log(place, fleet.workshop.options), fleet.places.values()))
    ledger = ledger_of(config)
    known = {record.head.run_id for record in ledger.runs()}
    new = [item for item in rebuilt(logs, fleet.workshop.migrations) if item.head.run_id not in known and chosen(item)]
    _ensure_folder(ledger)
    for record in new:
        with ledger.begun(record.head) as writer:
            for entry in record.entries.values():
                writer.add(entry)
    return new, {log.target: log.unread for log in logs if log.unread}


def begin(config: Config, fleet: Fleet, wanted: Wanted, waves: Sequence[Wave], call: Call) -> RunRecord:
    """Begin a run and carry it out; returns it once all of its targets have ended."""
    run = Run()
    chosen = {name for wave in waves for name in wave.targets}
    others = tuple(name for name in fleet.places if name not in chosen)
    head = Head(
        run.run_id, now(), run.username, run.hostname, meant(config, fleet, wanted), tuple(waves), others, config.env
    )
    ledger = ledger_of(config)
    _ensure_folder(ledger)
    with _hands(config, fleet, head.waves, call) as hands, ledger.begun(head) as writer:
        return _carried_out(RunRecord(head), fleet, head.waves, writer, call, hands)


def taking_back(
    fleet: Fleet, record: RunRecord, *, recorded: bool, accept_loss: bool
) -> tuple[Wanted, tuple[Wave, ...], list[str]]:
    """Return how what a run has applied is taken back: what is wanted, in which targets, and those that are none now.

    Targets go in reverse order. Where nobody has written down how the run ended, more may have been begun than was
    written: then all are asked, and their histories tell. Raises UsageError for a run that was no apply.
    """
    head = record.head
    if head.wanted.operation != "apply":
        hint = "to apply again, run `sqlmigrate fleet apply`"
        raise UsageError(f"run {head.run_id[:8]} was a rollback", hint=hint)
    names = [entry.target for entry in record.all_entries() if entry.attempt or record.ended is None]
    here = tuple(name for name in reversed(names) if name in fleet.places)
    wanted = Wanted(operation="rollback", of_run=head.run_id, recorded=recorded, accept_loss=accept_loss)
    return wanted, (Wave(ALL, here),) if here else (), [name for name in names if name not in fleet.places]


def resume(config: Config, fleet: Fleet, record: RunRecord, call: Call) -> RunRecord:
    """Go on with a run under its own id: with its targets that are not where they were to be brought.

    The migrations are those of now: whoever has mended one that failed goes on with it.
    """
    record = replace(record, head=replace(record.head, wanted=meant(config, fleet, record.head.wanted)))
    waves = [replace(wave, targets=tuple(filter(fleet.places.__contains__, wave.targets))) for wave in record.left()]
    waves = [wave for wave in waves if wave.targets]
    ledger = ledger_of(config)
    _ensure_folder(ledger)
    with _hands(config, fleet, waves, call) as hands, ledger.resumed(record, now()) as writer:
        return _carried_out(record, fleet, waves, writer, call, hands)


def meant(config: Config, fleet: Fleet, wanted: Wanted) -> Wanted:
    """Add to what is wanted what the settings ask for, and which files are meant."""
    return replace(
        wanted,
        files=fleet.workshop.files,
        require_proof=wanted.require_proof or config.require_proof,
        keep_data=wanted.keep_data or config.protected,
    )


def _ensure_folder(ledger: Ledger) -> None:
    """Make the folder above the ledger's files, as the private server would."""
    local = ledger if isinstance(ledger, LocalLedger) else ledger.local
    places.ensure_state_dir(local.folder.parent, server_account())


def _carried_out(
    record: RunRecord, fleet: Fleet, waves: Sequence[Wave], writer: Writer, call: Call, hands: Hands
) -> RunRecord:
    head = record.head
    coordinator = Coordinator(waves, fleet.clusters(), call.limits)
    driver = Driver(
        coordinator,
        Run(head.run_id, head.username, head.hostname),
        head.wanted,
        fleet.workshop.options,
        hands.submit,
        writer,
        call.observer,
        call.manner,
        before={name: entry.attempt for name, entry in record.entries.items()},
    )
    listening = call.listening or (lambda _: nullcontext())
    with hands.watched(driver.lose), listening(driver):
        driver.drive()
    if writer.broken:
        call.observer(NotAllKept(writer.broken))
    why = coordinator.stopped.value if coordinator.stopped else None
    return RunRecord(head, {**record.entries, **driver.entries}, now(), why)


class Hands(Protocol):
    """Those who carry out the orders of a run."""

    def submit(self, order: Order) -> Future[Outcome]:
        """Begin to carry out an order, and come back at once."""

    def watched(self, lost: Callable[[Stop], None]) -> AbstractContextManager[None]:
        """Look after them for a block, and tell when all of them are lost."""


@dataclass(frozen=True, slots=True)
class Threads:
    """Those of this process."""

    pool: ThreadPoolExecutor
    workshop: Workshop

    def submit(self, order: Order) -> Future[Outcome]:
        """Begin to carry out an order, and come back at once."""
        return self.pool.submit(bring, order, self.workshop)

    def watched(self, lost: Callable[[Stop], None]) -> AbstractContextManager[None]:  # noqa: ARG002  they live as long as we do
        """Nothing is to be looked after."""
        return nullcontext()


@contextmanager
def _hands(config: Config, fleet: Fleet, waves: Sequence[Wave], call: Call) -> Iterator[Hands]:
    """Keep those ready who carry out orders: threads, or the workers of a scheduler, which are asked before.

    Raises UsageError where workers do not fit, or cannot have some of the targets.
    """
    names = [name for wave in waves for name in wave.targets]
    if config.scheduler is None:
        with _threads(min(call.limits.concurrency, len(names))) as pool:
            yield Threads(pool, fleet.workshop)
        return
    from sqlmigrate.fleet.machines import calling  # noqa: PLC0415  most fleets are worked on from one machine

    tags = fleet.tags()
    tags = {name: tags[name] for name in names}
    with calling.called_up(config, tags, fleet.workshop, call.warn) as hands:
        yield hands


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Keep threads for a block; what nobody waits for any more, after Ctrl-C, holds nothing up."""
    pool = ThreadPoolExecutor(max(count, 1), thread_name_prefix="fleet")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
