"""What the server says beside results reaches the observer, with its statement's place, but never without bound."""

from __future__ import annotations

import time

import pytest

from sqlmigrate.errors import ExecutionError
from sqlmigrate.events import Notice, NoticesLeftOut
from support.waiting import stretched, wait_until

ASLEEP = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"

MANY = "DO $$ BEGIN FOR n IN 1..{count} LOOP RAISE NOTICE 'number %', n; END LOOP; END $$;"


def notices(runner) -> list[tuple[str, int]]:
    return [(event.message.message, event.place.line) for event in runner.told(Notice)]


def test_each_notice_comes_with_the_place_of_its_statement(runner):
    runner.write(
        "a",
        "SELECT 1;\nDROP TABLE IF EXISTS one;\nSELECT 2;\n\n  DROP TABLE IF EXISTS two;\nDROP TABLE IF EXISTS three;\n",
    )

    runner.apply()

    assert notices(runner) == [
        ('table "one" does not exist, skipping', 2),
        ('table "two" does not exist, skipping', 5),
        ('table "three" does not exist, skipping', 6),
    ]
    assert runner.told(Notice)[1].place.column == 3
    assert {event.migration_id for event in runner.told(Notice)} == {"a"}


def test_places_stay_right_in_a_script_longer_than_any_window(runner):
    lines = [f"DROP TABLE IF EXISTS t{n};" if n % 50 == 0 else "SELECT 1;" for n in range(1, 1001)]
    runner.write("a", "\n".join(lines))

    runner.apply()

    assert [line for _, line in notices(runner)] == list(range(50, 1001, 50))
    assert [message.split('"')[1] for message, _ in notices(runner)] == [f"t{n}" for n in range(50, 1001, 50)]


@pytest.mark.parametrize(("count", "left_out"), [(19, []), (20, []), (21, [1]), (5_000, [4_980])])
def test_the_first_twenty_of_a_statement_are_passed_on_and_the_others_counted(runner, count, left_out):
    runner.write("a", f"SELECT 1;\n{MANY.format(count=count)}")

    runner.apply()

    assert [message for message, _ in notices(runner)] == [f"number {n}" for n in range(1, min(count, 20) + 1)]
    assert [(event.count, event.place.line) for event in runner.told(NoticesLeftOut)] == [(n, 2) for n in left_out]


def test_each_statement_has_twenty_of_its_own(runner):
    runner.write("a", "\n".join([MANY.format(count=30), MANY.format(count=5), MANY.format(count=40)]))

    runner.apply()

    lines = [line for _, line in notices(runner)]
    assert {line: lines.count(line) for line in lines} == {1: 20, 2: 5, 3: 20}
    assert [(event.count, event.place.line) for event in runner.told(NoticesLeftOut)] == [(10, 1), (20, 3)]


def test_severity_detail_and_hint_are_kept(runner):
    runner.write("a", "DO $$ BEGIN RAISE WARNING 'careful' USING DETAIL = 'why', HINT = 'how'; END $$;")

    runner.apply()

    [notice] = runner.told(Notice)
    assert (notice.message.severity, notice.message.message) == ("WARNING", "careful")
    assert (notice.message.detail, notice.message.hint) == ("why", "how")


def test_notices_before_an_error_are_passed_on(runner):
    runner.write("a", "DROP TABLE IF EXISTS gone;\nSELECT nonsense;")

    with pytest.raises(ExecutionError):
        runner.apply()

    assert notices(runner) == [('table "gone" does not exist, skipping', 1)]


def test_notices_of_a_rollback_script_are_passed_on(runner):
    runner.write("a", "SELECT 1;", "DROP TABLE IF EXISTS gone;")
    runner.apply()

    runner.rollback()

    [notice] = runner.told(Notice)
    assert notice.place.path.name == "a.rollback.sql"


def test_a_warning_is_not_lost_among_many_notices(runner):
    runner.write("a", "DO $$BEGIN FOR n IN 1..30 LOOP RAISE NOTICE 'n'; END LOOP; RAISE WARNING 'w'; END$$;")

    runner.apply()

    assert [event.message.message for event in runner.told(Notice)] == [*["n"] * 20, "w"]
    assert [(event.count, event.warnings) for event in runner.told(NoticesLeftOut)] == [(10, False)]


def test_a_notice_at_commit_is_passed_on(runner):
    """A deferred trigger speaks only when the transaction ends."""
    runner.write(
        "a",
        """
        CREATE TABLE t (n integer);
        CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'late'; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION late();
        INSERT INTO t VALUES (1);
        """,
    )

    runner.apply()

    assert [event.message.message for event in runner.told(Notice)] == ["late"]


def test_our_own_commands_say_nothing(runner):
    runner.write("a", "SELECT 1;", "SELECT 1;")

    runner.apply()
    runner.rollback()
    runner.mark("a")
    runner.unmark("a")

    assert runner.told(Notice) == []


@pytest.mark.parametrize("raised", [KeyboardInterrupt, LookupError])
def test_what_is_raised_while_a_notice_is_passed_on_stops_the_script_at_once(runner, conn, raised):
    """libpq's callback can pass nothing on; the script would run to its end."""
    runner.write("a", "CREATE TABLE a ();\nDO $$BEGIN RAISE NOTICE 'n'; PERFORM pg_sleep(60); END$$;")

    def observe(event: object) -> None:
        if type(event) is Notice:
            raise raised

    runner.observe = observe
    started = time.monotonic()
    with pytest.raises(raised):
        runner.apply()

    assert time.monotonic() - started < stretched(30)
    wait_until(lambda: conn.execute(ASLEEP).fetchone() == (0,), timeout=10)
    assert runner.applied() == []
