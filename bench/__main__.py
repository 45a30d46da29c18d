"""Measure sqlmigrate against psql, against other tools and against its targets: `make bench`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from batches import changing
from comparing import compare
from contestants import contestants
from fleets import fleets, simulated
from growing import Bench, concurrently, durable, growing, scaling
from guarding import guarding, watching
from judging import judge
from machine import machine, versions
from machines import machines
from proving import proving
from reading import dump, reader
from results import Results, as_json, as_markdown
from seeding import seeding
from servers import running
from starting import imports, nothing_to_do
from targets import targets
from trips import long_migrations, round_trips

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlmigrate.server import PrivateServer

PARTS = (
    *("local", "delayed", "trips", "start", "reader", "dump", "proofs"),
    *("growth", "seeds", "durable", "concurrently", "scale", "linters", "guards", "batches", "fleets", "machines"),
)
_LONG = {"scale", "guards", "batches", "fleets", "machines"}  # only where it is named
RESULTS = Path(__file__).resolve().parent / "results"
_HOURS = 1000  # round trips of so many take minutes, and prove no more
_START_ROUNDS = 5  # times as many: these runs are short


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts that were asked for and write what came out."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as place, running() as server:
        results = measure(server, Path(place), options)
    compared = targets(results)
    text = as_markdown(results, compared)
    sys.stdout.write(text)
    if options.write:
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text)
        (RESULTS / f"{name}.json").write_text(as_json(results, compared))
    return 0


def measure(server: PrivateServer, place: Path, options: argparse.Namespace) -> Results:
    """Run the parts one after the other."""
    known = contestants(server)
    psql, ours = known[0], known[1]
    tools = [tool for tool in known if not options.tools or tool.name in options.tools]
    delay, rounds = options.delay / 1000, options.rounds
    results = Results(machine(), versions(server, tools), rounds, delay)
    chosen = set(options.only or PARTS) - (set() if options.only else _LONG)
    if "start" in chosen:
        results.imports = imports(server, ours, place, rounds)
        results.nothing = nothing_to_do(server, psql, ours, place, options.counts, _START_ROUNDS * rounds)
    if "reader" in chosen:
        results.reading = reader(place, rounds)
    if "dump" in chosen:
        results.dumps = dump(server, psql, ours, place, options.megabytes, rounds)
    if "proofs" in chosen:
        counts = [count for count in options.counts if count < _HOURS]
        results.proofs = proving(server, psql, ours, place, counts, rounds)
    if "trips" in chosen:
        results.trips = round_trips(server, tools, place)
        results.long = long_migrations(server, ours, place, delay, rounds)
    if "linters" in chosen:
        results.judged = judge(server, place, options.tools, options.cases)
    if "guards" in chosen:
        results.guarded = guarding(place, options.sessions, options.max_block / 1000)
        results.watched = [watching(place, max(options.counts))]
    if "batches" in chosen:
        results.changed = changing(place, options.rows, options.batch_times, options.picture)
    if "local" in chosen:
        results.local = compare(server, tools, place, options.counts, rounds, 0.0)
    _grown(results, chosen, Bench(server, psql, ours, place, rounds), options)
    if "delayed" in chosen:
        results.delayed = compare(server, tools, place, options.delayed_counts, options.delayed_rounds, delay)
    return results


def _grown(results: Results, chosen: Collection[str], bench: Bench, options: argparse.Namespace) -> None:
    """Run the parts that measure one change behind many others."""
    if "growth" in chosen:
        results.growth += growing(bench, options)
    if "seeds" in chosen:
        results.growth += seeding(bench, *options.seed_rows)
    if "durable" in chosen:
        results.growth.append(durable(bench, options.durable, options.commit / 1000))
    if "concurrently" in chosen:
        results.growth.append(concurrently(bench, options.concurrently))
    if "scale" in chosen:
        results.scale = scaling(replace(bench, rounds=1), options)
    if "fleets" in chosen:
        results.fleets = fleets(bench, options.tenants, options.databases)
        results.simulated = simulated(bench.place, options.targets)
    if "machines" in chosen:
        results.fleeting += machines(bench.place, options.machine_targets)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=PARTS, help="run this part alone; may be repeated")
    parser.add_argument("--tools", nargs="+", metavar="NAME", help="compare these alone")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each measurement")
    parser.add_argument("--counts", type=int, nargs="+", default=[10, 300, 1000], help="numbers of migrations")
    parser.add_argument("--delay", type=float, default=5.0, metavar="MS", help="network delay in each direction")
    parser.add_argument("--delayed-counts", type=int, nargs="+", default=[10, 100], help="numbers with network delay")
    parser.add_argument("--delayed-rounds", type=int, default=3, help="runs with network delay")
    parser.add_argument("--megabytes", type=int, default=200, help="size of the dump")
    parser.add_argument("--before", type=int, nargs=2, default=[10, 1000], help="few and many before one, for growth")
    parser.add_argument("--seed-rows", type=int, nargs=2, default=[100_000, 5_000_000], help="few and many, for seeds")
    parser.add_argument("--tables", type=int, nargs=2, default=[100, 1000], help="few and many tables, for growth")
    parser.add_argument("--alters", type=int, default=100, help="ALTERs of growth and scale")
    parser.add_argument("--statements", type=int, default=5000, help="of a workload that a review asks")
    parser.add_argument("--durable", type=int, default=300, metavar="N", help="migrations on a slow COMMIT")
    parser.add_argument("--commit", type=float, default=5.0, metavar="MS", help="time of a slow COMMIT")
    parser.add_argument("--concurrently", type=int, default=1000, metavar="N", help="indexes built CONCURRENTLY")
    parser.add_argument("--scale", type=int, nargs="+", default=[10, 100, 1000, 10_000], help="migrations of scale")
    parser.add_argument("--scale-tables", type=int, nargs="+", default=[100, 1000, 10_000], help="tables of scale")
    parser.add_argument("--tenants", type=int, default=1000, metavar="N", help="schemas of a fleet")
    parser.add_argument("--databases", type=int, default=200, metavar="N", help="databases of a fleet")
    parser.add_argument("--targets", type=int, default=100_000, metavar="N", help="simulated targets of a fleet")
    parser.add_argument("--machine-targets", type=int, default=10_000, metavar="N", help="of a fleet on many machines")
    parser.add_argument("--sessions", type=int, default=200, metavar="N", help="sessions that a guard lets go")
    parser.add_argument("--max-block", type=float, default=1000.0, metavar="MS", help="how long they may wait")
    parser.add_argument("--rows", type=int, default=2_000_000, help="rows that are changed, for batches")
    parser.add_argument("--batch-times", nargs="+", default=["500ms", "50ms"], help="of batches, the shortest last")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the waits over time, for batches")
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="these cases and groups of linters alone")
    parser.add_argument("--no-write", dest="write", action="store_false", help="print the results and write no files")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
