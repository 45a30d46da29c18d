"""How much each statement of a script works on: the tables whose rows it writes or reads, and how many rows. Pure.

Which tables these are is seen in its locks, also of a function or a DO block. How many rows is what the target says.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  a default of a dataclass
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from sqlmigrate.review.figures import in_words
from sqlmigrate.review.known import Known
from sqlmigrate.review.locks import LEVELS
from sqlmigrate.sql.batches import read_batched
from sqlmigrate.sql.statement.command import DATA, HIDING
from sqlmigrate.sql.statement.equivalent import choice, limited, reads_ends
from sqlmigrate.sql.statement.names import index_columns
from sqlmigrate.sql.statement.rows import inserts_given_rows, written_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.review.columns import Columns
    from sqlmigrate.review.known import Limits
    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Trace, Traced
    from sqlmigrate.sql.statement.names import Named

_SIZE = "the size of"
_TABLES = ("table", "partitioned table", "materialized view")
_READS, _LOCKS_ROWS, _WRITES = LEVELS["ACCESS SHARE"], LEVELS["ROW SHARE"], LEVELS["ROW EXCLUSIVE"]
_CHANGES = frozenset({"UPDATE", "DELETE"})
_STORES = frozenset({"CREATE TABLE AS", "CREATE MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW"})
_NO_WORK = frozenset({"TRUNCATE", "EXPLAIN", "DECLARE"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of the target for one script: `rows` by statement, from EXPLAIN, and `columns` by their tables."""

    rows: Mapping[int, int] = field(default_factory=dict)
    columns: Columns = field(default_factory=dict)
    known: Known = field(default_factory=Known)

    def size(self, table: str) -> int | None:
        """Return the rows of a table; none where the target does not have it yet, None where nobody knows."""
        if table in self.known.new:
            return 0
        return self.known.sizes[table].rows if table in self.known.sizes else None


@dataclass(frozen=True, slots=True)
class Work:
    """What a statement works on: tables that were there before whose rows it writes, locks by row, or reads.

    `stores` says that it keeps what it reads in a table of its own, `whole` that a command other than a query reads
    tables from end to end. `rows` is how many it works on, at most so many where `at_most` says so, and None where it
    is not known; `basis` says in words how that is known.
    """

    writes: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    stores: bool = False
    whole: bool = False
    rows: int | None = None
    at_most: bool = False
    basis: str = ""

    @property
    def by_size(self) -> bool:
        """Whether no more is known than how large its tables are, and it need not work on all of their rows."""
        return self.at_most and self.basis.startswith(_SIZE)

    @property
    def only_reads(self) -> bool:
        """Whether no row is written or locked."""
        return not (self.writes or self.locks or self.stores)

    def is_small(self, limits: Limits) -> bool:
        """Whether it is known to take no time that anybody notices."""
        return self.rows is not None and self.rows <= limits.small_rows

    def is_large(self, limits: Limits) -> bool:
        """Whether it takes long, or may."""
        return self.rows is not None and self.rows >= limits.large_rows

    @property
    def in_words(self) -> str:
        """How many rows, and how that is known; nothing where it is not."""
        if self.rows is None:
            return ""
        return f"{'at most' if self.at_most else 'about'} {in_words(self.rows)} rows, by {self.basis}"


def works(trace: Trace, asked: Asked) -> dict[int, Work]:
    """Return the work of the statements of a script that have any, by their numbers.

    One that runs in batches never works long in one transaction.
    """
    batched = read_batched(trace.script_run.script.text)
    return {
        one.statement.number: work
        for one in trace.statements
        if one.statement.offset not in batched and (work := _work(one, asked)) is not None
    }


def _work(one: Traced, asked: Asked) -> Work | None:
    if one.command in _NO_WORK:
        return None
    if one.command not in DATA | HIDING:
        return _pass_over(one, asked)
    writes, locks, reads = (_tables(one, level) for level in (_WRITES, _LOCKS_ROWS, _READS))
    stores = one.command in _STORES
    if not (writes or locks or reads) or (inserts_given_rows(one.statement.text) and not reads):
        return None
    rows, at_most, basis = _amount(one, asked, writes or locks, reads)
    return Work(writes, locks, reads, stores=stores, rows=rows, at_most=at_most, basis=basis)


def _pass_over(one: Traced, asked: Asked) -> Work | None:
    """Return the work of a command that reads or rewrites whole tables that were there before."""
    tables = dict.fromkeys(item.name for item in (*one.scans, *one.rewrites) if item.kind in _TABLES)
    if not tables:
        return None
    rows, basis = _size(tables, asked)
    return Work(reads=tuple(tables), whole=True, rows=rows, basis=basis)


def _tables(one: Traced, level: int) -> tuple[str, ...]:
    """Return the tables that a statement locks in just this mode; of a partitioned one, not its partitions too."""
    found = {lock.name for lock in one.locks if lock.level == level and lock.kind in _TABLES}
    parts = {name for name in found if _is_part(one.step.after, name, found)}
    return tuple(sorted(found - parts))


def _is_part(state: State, table: str, others: set[str]) -> bool:
    whole = state.get(f"table {table}", {}).get("partition of")
    return isinstance(whole, tuple) and whole[0] in others


def _amount(one: Traced, asked: Asked, writes: tuple[str, ...], reads: tuple[str, ...]) -> tuple[int | None, bool, str]:
    text, number = one.statement.text, one.statement.number
    if (rows := asked.rows.get(number)) is not None:
        return rows, False, "EXPLAIN on the target"
    if (rows := _by_key(one)) is not None:
        return rows, True, "the unique key that chooses them"
    if (rows := limited(text)) is not None and one.command != "SELECT":
        return rows, True, "its LIMIT"
    if not writes and _from_ends(one, reads):
        return 1, True, "the end of an index"
    whole = any(command in _CHANGES for command, _ in written_whole(text)) and one.command in _CHANGES
    rows, basis = _size(_decisive(one, writes, reads), asked)
    return rows, not whole and rows != 0, basis


def _decisive(one: Traced, writes: tuple[str, ...], reads: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tables whose size bounds the work: those that are written, or of a copy those that are read."""
    if one.command in _CHANGES:
        return writes
    if one.command == "MERGE":
        return (*writes, *reads)
    return (reads or writes) if one.command == "INSERT" else (writes or reads)


def _size(tables: Iterable[str], asked: Asked) -> tuple[int | None, str]:
    sizes = {table: asked.size(table) for table in tables}
    known = {table: rows for table, rows in sizes.items() if rows is not None}
    if not known or len(known) < len(sizes):
        return None, ""
    largest = max(known, key=lambda table: known[table])
    return known[largest], f"{_SIZE} {largest}"


def _by_key(one: Traced) -> int | None:
    """Return how many rows a statement chooses at most by the values of a unique key that it gives."""
    chosen = choice(one.statement.text)
    if chosen is None or not chosen.pinned:
        return None
    tables = {name for name in one.step.known if is_called(name, chosen.table)}
    keys = [key for table in tables for key in _unique_keys(one.step.after, table)]
    counts = [prod(chosen.pinned[column] for column in key) for key in keys if key <= chosen.pinned.keys()]
    return min(counts, default=None)


def is_called(name: str, named: Named) -> bool:
    """Whether a relation, by its full name, may be the one that a statement means."""
    return name == named.quoted or (not named.schema and name.endswith(f".{named.quoted}"))


def _unique_keys(state: State, table: str) -> Iterable[frozenset[str]]:
    """Yield the columns of each unique index of a table that counts for all of its rows."""
    for properties in state.of("index").values():
        definition = str(properties.get("definition", ""))
        if properties.get("table") == table and definition.startswith("CREATE UNIQUE") and " WHERE " not in definition:
            yield frozenset(index_columns(definition))


def _from_ends(one: Traced, reads: tuple[str, ...]) -> bool:
    """Whether a SELECT reads nothing but the ends of indexes, as one does that sets a sequence to max(id)."""
    ends = reads_ends(one.statement.text)
    if not ends:
        return False
    found = set()
    for named, column in ends:
        for table in (name for name in reads if is_called(name, named)):
            indexes = (item for item in one.step.after.of("index").values() if item.get("table") == table)
            if any(index_columns(str(item.get("definition", "")))[:1] == [column] for item in indexes):
                found.add(table)
    return found == set(reads)
