"""Reports to draw: a realistic one, its worst parts, and one made of what renderers must escape."""

from __future__ import annotations

from dataclasses import replace

from sqlmigrate.review.measured import Duration, Harm, LockWait, Project
from sqlmigrate.review.model import (
    BranchProblem,
    Conflict,
    Direction,
    Finding,
    Hazard,
    Hold,
    LiveStatement,
    Lock,
    Migration,
    NotAsked,
    NotChecked,
    OutOfOrder,
    Proof,
    Report,
    ReviewedStatement,
    Settings,
    Suppressed,
    TableSize,
    Target,
    Versions,
    Workload,
)
from sqlmigrate.review.times import timed
from sqlmigrate.usage.model import Use

BRANCH = (("number-taken", "warning"), ("edited-applied", "danger"))
STATS = {  # what `sqlmigrate stats` writes of a large table
    "version": 1,
    "command": "stats",
    "target": {
        "name": "shop on db.internal",
        "version": "18.6",
        "source": "the target",
        "read_at": "2026-03-04T10:00:00+00:00",
        "tables": [{"name": "public.t", "rows": 80_000_000, "size": 22_548_578_304, "writes": 830.0}],
    },
}
_LEVELS = {
    "ACCESS SHARE": 1,
    "ROW SHARE": 2,
    "ROW EXCLUSIVE": 3,
    "SHARE UPDATE EXCLUSIVE": 4,
    "SHARE": 5,
    "SHARE ROW EXCLUSIVE": 6,
    "EXCLUSIVE": 7,
    "ACCESS EXCLUSIVE": 8,
}
_BLOCKS = {
    1: "only DROP, TRUNCATE and most ALTER TABLE",
    3: "CREATE INDEX and other schema changes",
    4: "schema changes and VACUUM",
    5: "writes and schema changes",
    6: "writes and schema changes",
    8: "reads, writes and schema changes",
}

APPLY = """-- depends: 0041.customers
-- One more column, and every order belongs to a customer.

ALTER TABLE shop.orders ADD COLUMN customer_id bigint;

UPDATE shop.orders SET customer_id = 0;

-- sqlmigrate-allow: H02 the table is small here
ALTER TABLE shop.orders
    ADD CONSTRAINT orders_customer_fk FOREIGN KEY (customer_id) REFERENCES shop.customers (id);

ALTER TABLE shop.orders ALTER COLUMN number TYPE bigint;

CREATE INDEX orders_customer ON shop.orders (customer_id);

DO $$ BEGIN EXECUTE 'COMMENT ON TABLE shop.orders IS ''sold things'''; END $$;
"""
ROLLBACK = """ALTER TABLE shop.orders DROP COLUMN customer_id;
ALTER TABLE shop.orders ALTER COLUMN number TYPE integer;
"""
CHANGES = (
    {
        "kind": "added",
        "object": {"kind": "column", "name": "shop.orders.customer_id"},
        "property": None,
        "before": None,
        "after": None,
        "properties": {"type": "bigint", "position": 4, "table": "shop.orders"},
        "parts": [],
    },
    {
        "kind": "changed",
        "object": {"kind": "column", "name": "shop.orders.number"},
        "property": "type",
        "before": "integer",
        "after": "bigint",
    },
    {
        "kind": "changed",
        "object": {"kind": "table", "name": "shop.orders"},
        "property": "comment",
        "before": None,
        "after": "sold things",
    },
)
CHANGE_LINES = (
    "+ column shop.orders.customer_id: bigint",
    "~ column shop.orders.number: type integer -> bigint",
    "~ table shop.orders: comment none -> sold things",
    "+ index shop.orders_customer: CREATE INDEX orders_customer ON shop.orders USING btree (customer_id)",
)


def lock(mode: str, name: str = "shop.orders", kind: str = "table") -> Lock:
    """Make a lock from its mode."""
    level = _LEVELS[mode]
    return Lock(kind, name, mode, level, _BLOCKS[level])


def report() -> Report:
    """Make a report of three migrations: a dangerous one, a fine one outside a transaction, and one that fails."""
    return Report(
        verdict="fails",
        headline="0044.broken cannot be applied: do not run this",
        made_at="2026-03-04T09:30:00+00:00",
        versions=Versions("1.2.0", "18.4", "17.2", "2.70.0"),
        migrations=tuple(measured(item) for item in (dangerous(), concurrent(), failing())),
        target=target(),
        project=Project("acme/shop", "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "wider-orders", modified=True),
        notes=("the throwaway server is PostgreSQL 18.4, the target 17.2: what differs between them is not proven",),
        not_checked=(
            NotChecked("plans of UPDATE and DELETE", "they depend on the rows; EXPLAIN them on the target"),
            NotChecked("0044.broken behind statement 2", "the script fails there"),
        ),
        settings=settings(),
        workload=workload(),
    )


def workload() -> Workload:
    """Make what becomes of four statements of an application, of one of them by rolling back too."""
    breaks = LiveStatement(
        query="SELECT id,\n       number\nFROM shop.orders\nWHERE customer = $1",
        calls=1_234_567,
        error='column "customer" does not exist',
        migration_id="0042.orders",
        sqlstate="42703",
        statement=4,
        line=12,
        calls_per_second=37.2,
        mean=0.4,
        roles=("app", "worker"),
    )
    may = LiveStatement(
        query="INSERT INTO shop.orders (number) VALUES ($1)",
        calls=None,
        error="CHECK positive on number of shop.orders may refuse its rows",
        migration_id="0042.orders",
        name="AddOrder",
        place="queries/orders.sql:12",
    )
    slower = replace(
        breaks,
        query="SELECT * FROM shop.orders WHERE number = $1",
        error="no index serves its condition on shop.orders any more: orders_number did",
        sqlstate=None,
        mean=1200.0,
        relation="shop.orders",
    )
    changes = replace(may, query="TABLE shop.customers", error="its result is another one now: with note", name=None)
    return Workload(
        source="pg_stat_statements of shop on db.example.org",
        statements=4_112,
        calls=98_000_000,
        checked_calls=94_080_000,
        headline="1 of 4,112 live statements breaks, 37.2 calls/s; 1 may; 1 loses an index; 96% of calls were checked",
        read_at="2026-03-04T09:30:00+00:00",
        since="2026-02-18T09:30:00+00:00",
        seconds=1_209_600.0,
        breaks=(breaks,),
        may_break=(may,),
        slower=(slower, replace(slower, operation="rollback", line=None)),
        changes=(changes,),
        not_checked=(
            NotAsked('relation "legacy" does not exist (42P01)', 3, 3_920_000, "SELECT * FROM legacy"),
            NotAsked("utility statements", 17, 5, ""),
        ),
        notes=("pg_stat_statements.track is top: statements inside functions are not counted",),
    )


def with_times(direction: Direction, aimed: Target | None, new: frozenset[str] = frozenset()) -> Direction:
    """Say how long a script takes on a target whose tables have the names that the script uses."""
    return timed(direction, aimed, {table.name: table for table in aimed.tables} if aimed else {}, new)


def measured(item: Migration) -> Migration:
    """Say how long a migration takes on the target, and where its files are."""

    def placed(direction: Direction) -> Direction:
        inside = f"db/{direction.path}"
        return replace(
            with_times(direction, target()),
            in_repository=inside,
            link=f"https://github.com/acme/shop/blob/0a1b/{inside}",
        )

    return replace(item, apply=placed(item.apply), rollback=item.rollback and placed(item.rollback))


def settings() -> Settings:
    """Make the settings of a target that is not in UTC."""
    values = {"timezone": "Europe/London", "search_path": "shop, public"}
    locale = {"encoding": "UTF8", "provider": "libc", "collate": "C", "ctype": "C", "locale": None, "rules": None}
    summary = "timezone Europe/London, search_path shop, public; encoding UTF8, collation C"
    return Settings("the target", summary, values, locale, {"citext": "1.6"})


def fine() -> Report:
    """Make a report without any hazard and without a target."""
    return Report(
        verdict="fine",
        headline="nothing was found that would stop reads or writes",
        made_at="2026-03-04T09:30:00+00:00",
        versions=Versions("1.2.0", "18.4"),
        migrations=(concurrent(),),
        not_checked=(NotChecked("squawk's rules", "squawk is not installed: pip install 'pg-sqlmigrate[review]'"),),
    )


def hostile() -> Report:
    """Make a report whose every text would break a page, a table or a terminal that does not escape it."""
    nasty = "<img src=x onerror=alert(1)>|`*_\\\x1b[31m</script>]]>&amp;\u202e\U0001f600"
    found = dangerous()
    first = found.apply.statements[0]
    hazard = replace(
        hazards()[0], title=nasty, seen=nasty, instead=nasty, rewrite=nasty, relations=(nasty,), harm=nasty
    )
    hazard = replace(hazard, last_use=(Use(nasty, 12, "used", nasty, (nasty,), notes=(nasty,)),))
    statement = replace(
        first,
        text=f"SELECT '{nasty}' -- ``` <b>\n;",
        own=(lock("ACCESS EXCLUSIVE", nasty),),
        hazards=(hazard,),
        suppressed=(Suppressed(hazard, nasty),),
        findings=(Finding("rule", "Warning", nasty, 4, 1, 1, nasty, "refuted", nasty),),
        made=(nasty,),
    )
    apply = replace(
        found.apply,
        path=f"sql/{nasty}.sql",
        text=f"-- {nasty}\n```\n{statement.text}",
        statements=(statement,),
        holds=(Hold(lock("ACCESS EXCLUSIVE", nasty), 1, 1, 1, Duration(60.0, 90.0, (nasty,))),),
        harms=(Harm(nasty, "reads", Duration(60.0, 90.0, (nasty,)), nasty),),
        lock_wait=LockWait(60.0, (1,), nasty, nasty),
        in_repository=f"db/{nasty}.sql",
    )
    migration = replace(
        found,
        migration_id=nasty,
        apply=apply,
        change_lines=(f"+ {nasty}",),
        proof=Proof("not_restored", (nasty,)),
        notes=(nasty,),
    )
    project = Project(nasty, "0" * 40, nasty)
    sent = LiveStatement(nasty, 1, nasty, nasty, roles=(nasty,), name=nasty, place=nasty)
    asked = replace(
        workload(),
        source=nasty,
        headline=nasty,
        breaks=(sent,),
        not_checked=(NotAsked(nasty, 1, 1, nasty),),
        notes=(nasty,),
    )
    branch = tuple(BranchProblem(rule, severity, nasty, nasty) for rule, severity in BRANCH)
    made = replace(report(), headline=nasty, migrations=(migration,), notes=(nasty,), project=project)
    return replace(made, workload=asked, branch=branch)


def hazards() -> tuple[Hazard, ...]:
    """Make one hazard of each severity."""
    return (
        Hazard(
            code="H01",
            slug="table-rewrite",
            title="the whole table is rewritten",
            severity="danger",
            statement=4,
            line=12,
            seen="shop.orders and its index shop.orders_pkey are rewritten under ACCESS EXCLUSIVE",
            blocks="every read and write of shop.orders waits until it is done and the transaction commits",
            instead="add a second column, fill it in batches, and switch over",
            rewrite="ALTER TABLE shop.orders ADD COLUMN number_new bigint;\n-- fill it in batches, then switch",
            page="docs/hazards/H01-table-rewrite.md",
            relations=("shop.orders",),
            raised="shop.orders has 120 million rows, 48 GB",
        ),
        Hazard(
            code="H20",
            slug="all-rows-written",
            title="UPDATE without WHERE",
            severity="warning",
            statement=2,
            line=6,
            seen="every row of shop.orders is written",
            blocks="whoever writes one of these rows waits until COMMIT, and the table grows to twice its size",
            instead="write in batches, outside this transaction",
            page="docs/hazards/H20-all-rows-written.md",
            relations=("shop.orders",),
        ),
        Hazard(
            code="H40",
            slug="alters-that-could-be-one",
            title="several ALTER TABLE commands that could be one",
            severity="note",
            statement=4,
            line=12,
            seen="shop.orders is altered by statements 3 and 4",
            blocks="a table may be read or written once for each of them",
            instead="write them as one ALTER TABLE",
            page="docs/hazards/H40-alters-that-could-be-one.md",
            relations=("shop.orders",),
        ),
    )


def dangerous() -> Migration:
    """Make a migration with a hazard of each severity, one of them allowed, and an undo that loses a comment."""
    strong, share = lock("ACCESS EXCLUSIVE"), lock("SHARE ROW EXCLUSIVE", "shop.customers")
    danger, warning, note = hazards()
    scan = replace(
        danger,
        code="H02",
        slug="scan-under-lock",
        page="docs/hazards/H02-scan-under-lock.md",
        statement=3,
        line=9,
        raised=None,
    )
    statements = (
        ReviewedStatement(
            1, 4, 4, "ALTER TABLE shop.orders ADD COLUMN customer_id bigint", "ALTER TABLE",
            own=(strong,), taken=(strong,), made=("column shop.orders.customer_id",),
        ),
        ReviewedStatement(
            2, 6, 6, "UPDATE shop.orders SET customer_id = 0", "UPDATE",
            own=(lock("ROW EXCLUSIVE"),), held_before=1, hazards=(warning,),
        ),
        ReviewedStatement(
            3, 9, 10,
            "ALTER TABLE shop.orders\n    ADD CONSTRAINT orders_customer_fk FOREIGN KEY (customer_id) "
            "REFERENCES shop.customers (id)",
            "ALTER TABLE",
            own=(lock("SHARE ROW EXCLUSIVE"), share), taken=(share,), held_before=1, scans=("table shop.orders",),
            made=("constraint orders_customer_fk on shop.orders",),
            suppressed=(Suppressed(scan, "the table is small here"),),
        ),
        ReviewedStatement(
            4, 12, 12, "ALTER TABLE shop.orders ALTER COLUMN number TYPE bigint", "ALTER TABLE",
            own=(strong,), held_before=2, rewrites=("table shop.orders", "index shop.orders_pkey"),
            scans=("table shop.orders",), changed=("column shop.orders.number",), hazards=(danger, note),
            findings=(
                Finding(
                    "changing-column-type", "Warning", "Changing a column type requires an ACCESS EXCLUSIVE lock.",
                    12, 42, 4, answer="confirmed", why="shop.orders was rewritten",
                ),
            ),
        ),
        ReviewedStatement(
            5, 14, 14, "CREATE INDEX orders_customer ON shop.orders (customer_id)", "CREATE INDEX",
            own=(lock("SHARE"),), held_before=2, scans=("table shop.orders",), made=("index shop.orders_customer",),
            findings=(
                Finding(
                    "require-concurrent-index-creation", "Warning", "Normal index creation blocks writes.",
                    14, 1, 5, help="Use CONCURRENTLY", answer="confirmed", why="SHARE was taken on shop.orders",
                ),
            ),
        ),
        ReviewedStatement(
            6, 16, 16, "DO $$ BEGIN EXECUTE 'COMMENT ON TABLE shop.orders IS ''sold things'''; END $$", "DO",
            own=(lock("SHARE UPDATE EXCLUSIVE"),), held_before=2, changed=("table shop.orders",),
        ),
    )  # fmt: skip
    hold = Hold(strong, 1, 6, 6)
    apply = Direction(
        "apply", "sql/0042.orders.sql", "ab" * 32, "ab" * 32, transactional=True, text=APPLY, statements=statements,
        holds=(hold, Hold(share, 3, 6, 4)), waits=2, longest=hold,
    )  # fmt: skip
    back = (
        ReviewedStatement(
            1, 1, 1, "ALTER TABLE shop.orders DROP COLUMN customer_id", "ALTER TABLE",
            own=(strong, lock("ACCESS EXCLUSIVE", "shop.customers")),
            taken=(strong, lock("ACCESS EXCLUSIVE", "shop.customers")),
            dropped=("column shop.orders.customer_id", "index shop.orders_customer"),
        ),
        ReviewedStatement(
            2, 2, 2, "ALTER TABLE shop.orders ALTER COLUMN number TYPE integer", "ALTER TABLE",
            own=(strong,), held_before=2, rewrites=("table shop.orders", "index shop.orders_pkey"),
            hazards=(replace(danger, statement=2, line=2, raised=None),),
        ),
    )  # fmt: skip
    undo = Hold(strong, 1, 2, 2)
    rollback = Direction(
        "rollback", "sql/0042.orders.rollback.sql", "cd" * 32, "cd" * 32, transactional=True, text=ROLLBACK,
        statements=back, holds=(undo, Hold(lock("ACCESS EXCLUSIVE", "shop.customers"), 1, 2, 2)), waits=1, longest=undo,
    )  # fmt: skip
    return Migration(
        migration_id="0042.orders",
        apply=apply,
        rollback=rollback,
        proof=Proof("not_restored", ("~ table shop.orders: comment none -> sold things",)),
        changes=CHANGES,
        change_lines=CHANGE_LINES,
        depends=("0041.customers",),
        out_of_order=OutOfOrder(
            "conflicting",
            ("0043.index",),
            (Conflict("table shop.orders", "writes", "0043.index", "writes"),),
            ("0043.index is applied and also writes table shop.orders",),
        ),
        verdict="danger",
        notes=("the undo does not restore the comment of shop.orders",),
    )


def concurrent() -> Migration:
    """Make a migration outside a transaction, without hazards, whose undo is proven."""
    gentle = lock("SHARE UPDATE EXCLUSIVE")
    text = "-- transactional: false\nCREATE INDEX CONCURRENTLY orders_placed ON shop.orders (placed);\n"
    undo = "-- transactional: false\nDROP INDEX CONCURRENTLY shop.orders_placed;\n"
    create = ReviewedStatement(
        1, 2, 2, "CREATE INDEX CONCURRENTLY orders_placed ON shop.orders (placed)", "CREATE INDEX",
        own=(gentle,), taken=(gentle,), scans=("table shop.orders",), made=("index shop.orders_placed",),
    )  # fmt: skip
    drop = ReviewedStatement(
        1, 2, 2, "DROP INDEX CONCURRENTLY shop.orders_placed", "DROP INDEX",
        own=(gentle,), taken=(gentle,), dropped=("index shop.orders_placed",),
    )  # fmt: skip
    return Migration(
        migration_id="0043.index",
        apply=Direction(
            "apply", "sql/0043.index.sql", "12" * 32, "12" * 32, transactional=False, text=text,
            statements=(create,), holds=(Hold(gentle, 1, 1, 1),), waits=1,
        ),
        rollback=Direction(
            "rollback", "sql/0043.index.rollback.sql", "34" * 32, "34" * 32, transactional=False, text=undo,
            statements=(drop,), holds=(Hold(gentle, 1, 1, 1),), waits=1,
        ),
        proof=Proof("exact", data=True, source="sql/proofs/0043.index.json"),
        change_lines=("+ index shop.orders_placed: CREATE INDEX orders_placed ON shop.orders USING btree (placed)",),
    )  # fmt: skip


def failing() -> Migration:
    """Make a migration that PostgreSQL refuses at its second statement, without a rollback script."""
    text = "CREATE TABLE shop.parcels (id bigint PRIMARY KEY);\nALTER TABLE shop.nothing ADD COLUMN a integer;\n"
    create = ReviewedStatement(
        1, 1, 1, "CREATE TABLE shop.parcels (id bigint PRIMARY KEY)", "CREATE TABLE",
        own=(), made=("table shop.parcels",),
    )  # fmt: skip
    alter = ReviewedStatement(2, 2, 2, "ALTER TABLE shop.nothing ADD COLUMN a integer", "ALTER TABLE")
    return Migration(
        migration_id="0044.broken",
        apply=Direction(
            "apply", "sql/0044.broken.sql", "56" * 32, "56" * 32, transactional=True, text=text,
            statements=(create, alter), error='sql/0044.broken.sql:2:13: relation "shop.nothing" does not exist',
        ),
        rollback=None,
        proof=Proof("irreversible", ("there is no rollback script",)),
        verdict="fails",
    )  # fmt: skip


def target() -> Target:
    """Make a target with a large and a small table."""
    return Target(
        name="postgresql://app@db.example.org/shop",
        version="17.2",
        source="the target",
        read_at="2026-03-04T09:29:58+00:00",
        since="2026-02-01T00:00:00+00:00",
        oldest_transaction=312.5,
        oldest_transaction_of="pid 4711 (role reports, 'psql')",
        tables=(
            TableSize("shop.orders", 120_000_000, 48 << 30, 830.0, 12_000.0, 0.2),
            TableSize("shop.customers", 90_000, 14 << 20, 1.5, 300.0, 0.0),
        ),
    )
