"""A review whose copies are made ahead says what one says that makes each when it is needed, with as many of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sqlmigrate import shadow
from sqlmigrate.engine import Options
from sqlmigrate.review.question import Question
from sqlmigrate.review.reviewer import review
from sqlmigrate.server import throwaway
from sqlmigrate.shadow import Wanted

pytestmark = pytest.mark.pg

BASE = """
CREATE TABLE public.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, amount integer);
INSERT INTO public.orders (amount) VALUES (1), (2);
CREATE FUNCTION public.total() RETURNS bigint LANGUAGE sql AS 'SELECT sum(amount) FROM public.orders';
"""
PAIRS = {
    "one statement": ("ALTER TABLE public.orders ADD note text;", "ALTER TABLE public.orders DROP COLUMN note;"),
    "several": (
        "ALTER TABLE public.orders ADD note text;\nCREATE INDEX orders_note ON public.orders (note);",
        "DROP INDEX public.orders_note;\nALTER TABLE public.orders DROP COLUMN note;",
    ),
    "breaks a function": (
        "ALTER TABLE public.orders RENAME amount TO price;\nALTER TABLE public.orders ALTER price TYPE bigint;",
        "ALTER TABLE public.orders ALTER price TYPE integer;\nALTER TABLE public.orders RENAME price TO amount;",
    ),
    "without a way back": ("CREATE TABLE public.more (id integer);\nCREATE INDEX ON public.more (id);", None),
    "does not restore": ("CREATE TABLE public.more (id integer);\nSELECT 1;", "SELECT 2;\nSELECT 3;"),
    "fails": ("CREATE TABLE public.more (id integer);\nSELECT nothing;", "DROP TABLE public.more;"),
    "its way back fails": ("CREATE TABLE public.more (id integer);\nSELECT 1;", "DROP TABLE public.others;"),
    "outside a transaction": (
        "-- transactional: false\nCREATE INDEX CONCURRENTLY orders_amount ON public.orders (amount);",
        "-- transactional: false\nDROP INDEX CONCURRENTLY public.orders_amount;",
    ),
    "of the whole server": ("CREATE ROLE of_pair;\nSELECT 1;", "DROP ROLE of_pair;\nSELECT 1;"),
    "depends on the time zone": (
        "ALTER TABLE public.orders ADD at timestamp;\nALTER TABLE public.orders ALTER at TYPE timestamptz;",
        "ALTER TABLE public.orders DROP COLUMN at;",
    ),
}


def reviewed(project, *ids: str):
    """Review migrations on a private server, and give the report with the number of the next database there."""
    found = project.load()
    wanted = tuple(found.named(name) for name in ids)
    with shadow.opened(Wanted()) as own:
        report = review(Question(found, wanted), own, Options())
        with own.database() as database:
            return replace(report, made_at=""), int(database.name.rpartition("_")[2])


@pytest.mark.parametrize("pair", PAIRS, ids=PAIRS)
def test_a_review_is_the_same(project, monkeypatch, pair):
    up, down = PAIRS[pair]
    project.migration("0001", BASE, rollback="DROP FUNCTION public.total();\nDROP TABLE public.orders;\n")
    project.migration("0002", up, rollback=down)

    ahead, used = reviewed(project, "0002")
    monkeypatch.setattr(throwaway, "MEMORY_MIN", 1 << 60)
    one_by_one, needed = reviewed(project, "0002")

    assert ahead.to_json() == one_by_one.to_json()
    assert used == needed


def test_a_review_of_several_is_the_same(project, monkeypatch):
    project.migration("0001", BASE, rollback="DROP FUNCTION public.total();\nDROP TABLE public.orders;\n")
    project.migration("0002", *PAIRS["several"][:1], rollback=PAIRS["several"][1])
    project.migration("0003", "CREATE TABLE public.plain (id integer);", rollback="DROP TABLE public.plain;")
    project.migration("0004", *PAIRS["breaks a function"][:1], rollback=PAIRS["breaks a function"][1])

    ahead, used = reviewed(project, "0002", "0004")
    monkeypatch.setattr(throwaway, "MEMORY_MIN", 1 << 60)
    one_by_one, needed = reviewed(project, "0002", "0004")

    assert ahead.to_json() == one_by_one.to_json()
    assert used == needed
