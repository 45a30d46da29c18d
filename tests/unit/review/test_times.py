"""How long a script takes on the target, who waits meanwhile, and what the report says first."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from sqlmigrate.review.figures import in_range, in_time
from sqlmigrate.review.headline import headline
from sqlmigrate.review.measured import Duration
from sqlmigrate.review.model import Direction, Hold, ReviewedStatement, TableSize
from sqlmigrate.review.render.html.scale import scale
from sqlmigrate.review.times import how_long
from support import reports

GIB = 1 << 30
ORDERS, CUSTOMERS = "shop.orders", "shop.customers"


def target(*tables, oldest=None):
    """Make a target with tables as (name, rows, bytes, writes a second)."""
    sizes = tuple(TableSize(*table) for table in tables)
    whose = "reporting" if oldest else None
    return replace(reports.target(), tables=sizes, oldest_transaction=oldest, oldest_transaction_of=whose)


def script(*statements, transactional=True, holds=()):
    """Make a script of statements; each of them locks what its `own` says."""
    return Direction(
        "apply", "a.sql", "", "", transactional=transactional, text="", statements=statements, holds=holds
    )  # fmt: skip


def statement(number, kind, mode="ACCESS EXCLUSIVE", name=ORDERS, **values):
    lock = reports.lock(mode, name)
    return ReviewedStatement(number, number, number, f"{kind} ...", kind, own=(lock,), taken=(lock,), **values)


def held(first, last, mode="ACCESS EXCLUSIVE", name=ORDERS):
    return Hold(reports.lock(mode, name), first, last, last - first + 1)


def test_a_rewrite_of_a_large_table_says_who_waits_how_long_and_why():
    rewrite = statement(1, "ALTER TABLE", rewrites=(f"table {ORDERS}", "index shop.orders_pkey"))
    made = reports.with_times(script(rewrite, holds=(held(1, 1),)), target((ORDERS, 80_000_000, 21 * GIB, 830.0)))

    [harm] = made.harms
    assert harm.said == (
        "reads and writes of shop.orders stand for about 6 to 15 min (21 GiB rewritten at 25 to 60 MB/s); "
        "about 830 writes/s wait"
    )
    assert (harm.stops, harm.writes) == ("reads", 830.0)
    assert made.holds[0].takes == made.statements[0].takes == harm.takes


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (statement(1, "ALTER TABLE"), None),
        (statement(1, "ALTER TABLE", scans=(f"table {ORDERS}",)), "9 to 43 s (4 GiB read at 100 to 500 MB/s)"),
        (
            statement(1, "CREATE INDEX", "SHARE", scans=(f"table {ORDERS}",), made=("index shop.i",)),
            "29 s to 3 min (4 GiB indexed at 25 to 150 MB/s)",
        ),
        (
            statement(1, "CREATE INDEX", "SHARE UPDATE EXCLUSIVE", scans=(f"table {ORDERS}",), made=("index shop.i",)),
            "57 s to 6 min (4 GiB indexed twice at 25 to 150 MB/s)",
        ),
        (
            statement(1, "REINDEX", "SHARE", rewrites=("index shop.i",)),
            "72 s to 3 min (4 GiB rewritten at 25 to 60 MB/s)",
        ),
        (statement(1, "ALTER TABLE", scans=("table shop.new",)), "as long as statement 1 takes, which is not known"),
        (statement(1, "UPDATE", "ROW EXCLUSIVE"), "as long as statement 1 takes, which is not known"),
        (statement(1, "UPDATE", "ROW EXCLUSIVE", CUSTOMERS), None),  # 12 rows: all of them are a moment
        (statement(1, "DO", "ROW EXCLUSIVE", CUSTOMERS), "as long as statement 1 takes, which is not known"),
        (statement(1, "SELECT", "ACCESS SHARE"), None),
    ],
)  # fmt: skip
def test_a_statement_takes_what_it_reads_and_writes(one, said):
    found = (
        reports.with_times(script(one), target((ORDERS, 10**7, 4 * GIB, None), (CUSTOMERS, 12, 8192, None)))
        .statements[0]
        .takes
    )

    assert how_long(found) == (f"about {said}" if said and "(" in said else said or "a moment")


def test_every_row_that_is_written_counts_and_what_is_not_known_is_said_beside_it():
    hazard = replace(reports.hazards()[1], statement=1)
    all_rows = statement(1, "UPDATE", "ROW EXCLUSIVE", hazards=(hazard,))
    block = statement(2, "DO", "ROW EXCLUSIVE")
    made = reports.with_times(script(all_rows, block, holds=(held(1, 2),)), target((ORDERS, 6_000_000, GIB, 0.5)))

    assert made.harms[0].said == (
        "reads and writes of shop.orders stand for about 75 s to 10 min (6 M rows written at 10 k to 80 k rows/s), "
        "and for what statement 2 takes on top"
    )
    assert made.statements[0].hazards[0].harm.endswith("(6 M rows written at 10 k to 80 k rows/s)")


def test_a_moment_is_no_harm_and_without_figures_nothing_is_said():
    one = script(statement(1, "ALTER TABLE"), holds=(held(1, 1),))

    assert reports.with_times(one, target((ORDERS, 10**9, 100 * GIB, 1000.0))).harms == ()
    assert reports.with_times(one, None) is one
    assert reports.with_times(one, target()) is one


def test_a_table_that_the_target_does_not_have_yet_takes_a_moment():
    rewrite = statement(1, "ALTER TABLE", name="shop.new", rewrites=("table shop.new",))
    one = script(rewrite, holds=(held(1, 1, name="shop.new"),))
    aimed = target((ORDERS, 10**9, 100 * GIB, 1000.0))

    assert reports.with_times(one, aimed, frozenset({"shop.new"})).harms == ()
    assert reports.with_times(one, aimed).harms[0].takes.unknown == (1,)


def test_a_lock_that_stops_writes_alone_says_so_and_a_weaker_one_nothing():
    build = statement(1, "CREATE INDEX", "SHARE", scans=(f"table {ORDERS}",), made=("index shop.i",))
    holds = (held(1, 1, "SHARE"), held(1, 1, "ROW EXCLUSIVE", CUSTOMERS))
    made = reports.with_times(script(build, holds=holds), target((ORDERS, 10**7, 4 * GIB, 3.0)))

    assert [harm.said.partition(" for")[0] for harm in made.harms] == ["writes of shop.orders stand"]


def test_the_oldest_transaction_counts_for_locks_that_are_waited_for():
    alter = statement(1, "ALTER TABLE")
    build = replace(statement(1, "CREATE INDEX", "SHARE UPDATE EXCLUSIVE"), text="create index concurrently i on t (a)")
    aimed = target((ORDERS, 1, 1, None), oldest=1080.0)

    waits = reports.with_times(script(alter), aimed).lock_wait
    assert waits.said.startswith("the oldest transaction had been open for 18 min (reporting): if it uses what is")
    assert waits.statements == (1,)
    assert reports.with_times(script(build, transactional=False), aimed).lock_wait.said.endswith(
        "CONCURRENTLY waits until it has ended"
    )
    assert reports.with_times(script(statement(1, "UPDATE", "ROW EXCLUSIVE")), aimed).lock_wait is None
    assert reports.with_times(script(alter), target((ORDERS, 1, 1, None), oldest=0.5)).lock_wait is None


def drawn(*most, unknown=()):
    """Give the scale of a script whose statements take so many seconds."""
    statements = tuple(
        replace(statement(at, "ALTER TABLE"), takes=Duration(0, seconds, unknown=(at,) if at in unknown else ()))
        for at, seconds in enumerate(most, 1)
    )
    return scale(script(*statements), len(most))


def test_the_picture_is_drawn_in_time_and_a_moment_can_still_be_seen():
    found = drawn(0, 600, 0, 300)

    assert found.timed
    assert found.end(2) - found.start(2) == pytest.approx(2 * (found.end(4) - found.start(4)))
    assert found.end(1) - found.start(1) == pytest.approx(0.0146, abs=0.001)
    assert [said for _, said in found.times] == ["0", "≤ 10 min", "≤ 15 min"]
    assert found.ticks == (2, 4)


def test_without_times_the_picture_counts_statements():
    found = drawn(*[0.1] * 4)

    assert (found.edges, found.ticks, found.timed) == ((0.0, 0.25, 0.5, 0.75, 1.0), (1, 2, 3, 4), False)
    assert drawn(600, 0, unknown=(2,)).unknown == (2,)


def test_times_below_the_picture_do_not_touch():
    found = drawn(*[60.0] * 40)
    places = [place for place, _ in found.times]

    assert all(after - before >= 0.14 for before, after in pairwise(places))
    assert len(places) > 4


def test_the_headline_is_the_worst_hazard_with_what_stands_still():
    one = reports.measured(reports.dangerous())
    calm = replace(one, verdict="danger")

    assert headline([calm]).startswith(
        "dangerous for an application in use: shop.orders and its index shop.orders_pkey are rewritten under ACCESS "
        "EXCLUSIVE; reads and writes of shop.orders stand for about "
    )
    assert "and more)" in headline([calm])
    assert headline([calm, reports.failing()]) == "0044.broken cannot be applied: do not run this"


def test_the_worst_is_what_stops_others_longest_not_what_comes_first():
    danger = reports.hazards()[0]
    first = replace(danger, code="H02", statement=1, seen="a table is read", harm="x")
    second = replace(danger, code="H01", statement=2, seen="a table is rewritten", harm="x")
    short, long = Duration(0, 5), Duration(0, 500)

    def said(one, other):
        statements = (
            replace(statement(1, "ALTER TABLE", hazards=(first,)), takes=one),
            replace(statement(2, "ALTER TABLE", hazards=(second,)), takes=other),
        )
        return headline([replace(reports.dangerous(), verdict="danger", apply=script(*statements))])

    assert said(short, long) == "dangerous for an application in use: a table is rewritten; 1 more danger"
    assert said(long, short) == "dangerous for an application in use: a table is read; 1 more danger"
    assert said(None, None) == "dangerous for an application in use: a table is rewritten; 1 more danger"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (in_time(0.2), "0 s"),
        (in_time(45), "45 s"),
        (in_time(100), "1.5 min"),
        (in_time(7_260), "2 h"),
        (in_time(200_000), "2.5 days"),
        (in_range(0.5, 2), "up to 2 s"),
        (in_range(376, 902), "6 to 15 min"),
        (in_range(40, 180), "40 s to 3 min"),
        (in_range(600, 602), "10 min"),
    ],
)
def test_times_are_rounded_as_estimates_are(said, wanted):
    assert said == wanted
