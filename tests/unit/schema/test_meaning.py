"""Printed definitions are cut into what must be the same to the letter, and their expressions."""

from __future__ import annotations

import pytest

from sqlmigrate.schema import Name, Schema, Value
from sqlmigrate.schema.meaning.definition import Query, Routine, Rule, cut

NAMES = {"constraint": "c on public.t", "index": "public.i", "trigger": "g on public.t", "rule": "r on public.t"}


def pieces(kind: str, text: str, key: str = "definition", name: str = "", **found: Value):
    named = Name(kind, name or NAMES.get(kind, f"{kind} on public.t"))
    return cut(Schema({named: {key: text, "table": "public.t", **found}}), named, key)


def expressions(kind: str, text: str, key: str = "definition") -> tuple[str, list[str]]:
    """Give the frame, with a question mark for each hole, and what was in the holes."""
    found = pieces(kind, text, key)
    assert found is not None
    start = "SELECT ("
    return found.frame.replace("\0", "?"), [
        part.text.removeprefix(start).rpartition(") AS value FROM public.t")[0]
        for part in found.parts
        if isinstance(part, Query)
    ]


@pytest.mark.parametrize(
    ("kind", "text", "frame", "parts"),
    [
        ("constraint", "CHECK ((a > 0)) NO INHERIT NOT VALID", "CHECK (?) NO INHERIT NOT VALID", ["(a > 0)"]),
        ("constraint", "CHECK ((note <> ') (,'::text))", "CHECK (?)", ["(note <> ') (,'::text)"]),
        ("constraint", "FOREIGN KEY (a) REFERENCES public.u(a)", "FOREIGN KEY (a) REFERENCES public.u(a)", []),
        (
            "constraint",
            "EXCLUDE USING gist (span WITH &&, lower((b)::text) WITH =) WHERE ((a > 0)) DEFERRABLE",
            "EXCLUDE USING gist (span WITH &&, ? WITH =) WHERE (?) DEFERRABLE",
            ["lower((b)::text)", "(a > 0)"],
        ),
        (
            "index",
            (
                'CREATE UNIQUE INDEX "i (" ON public.t USING btree (a DESC, ((b + 1)) int4_ops, '
                "COALESCE(c, '(,'::text), note gist_trgm_ops (siglen='32')) "
                "INCLUDE (d) WITH (fillfactor='70') WHERE (a > 0)"
            ),
            (
                'CREATE UNIQUE INDEX "i (" ON public.t USING btree (a DESC, ? int4_ops, ?, '
                "note gist_trgm_ops (siglen='32')) INCLUDE (d) WITH (fillfactor='70') WHERE ?"
            ),
            ["((b + 1))", "COALESCE(c, '(,'::text)", "(a > 0)"],
        ),
        (
            "statistics object",
            "CREATE STATISTICS public.s (mcv) ON a, lower(b), EXTRACT(year FROM day) FROM public.t",
            "CREATE STATISTICS public.s (mcv) ON a, ?, ? FROM public.t",
            ["lower(b)", "EXTRACT(year FROM day)"],
        ),
    ],
)
def test_expressions_are_cut_out(kind, text, frame, parts):
    assert expressions(kind, text) == (frame, parts)


def test_the_condition_of_a_trigger_sees_both_rows():
    text = (
        "CREATE TRIGGER g BEFORE UPDATE ON public.t FOR EACH ROW WHEN ((old.a <> new.a)) EXECUTE FUNCTION f(' WHEN (')"
    )
    found = pieces("trigger", text)

    assert found is not None
    assert found.frame.count("\0") == 1
    assert found.parts == (Query("SELECT ((old.a <> new.a)) AS value FROM public.t AS old, public.t AS new"),)


def test_the_check_of_a_domain_sees_a_value_of_its_type():
    domain = {Name("domain", "public.d"): {"base type": "character varying(9)"}}
    name = Name("domain constraint", "c on public.d")
    schema = Schema({**domain, name: {"definition": "CHECK ((VALUE > 0))", "table": "public.d"}})
    found = cut(schema, name, "definition")

    assert found is not None
    assert found.parts == (
        Query("SELECT ((VALUE > 0)) AS value FROM (SELECT NULL::character varying(9) AS value) AS domain"),
    )


def test_rules_and_routines_are_made_without_their_names():
    rule = pieces("rule", "CREATE RULE r AS\n    ON DELETE TO public.t WHERE (old.a > 0) DO NOTHING;")
    routine = pieces(
        "function", "CREATE OR REPLACE FUNCTION public.f(a integer)\n RETURNS int", name="public.f(integer)"
    )

    assert rule is not None
    assert rule.parts == (Rule("ON DELETE TO ", "public.t", " WHERE (old.a > 0) DO NOTHING;"),)
    assert routine is not None
    assert routine.parts == (Routine("FUNCTION", "(a integer)\n RETURNS int"),)


@pytest.mark.parametrize(
    ("kind", "key", "text"),
    [
        ("column", "type", "integer"),
        ("table", "definition", "x"),
        ("rule", "definition", "CREATE RULE r AS\n    ON DELETE TO public.other DO NOTHING;"),
        ("function", "definition", "CREATE OR REPLACE FUNCTION other(a integer)"),
    ],
)
def test_what_is_not_a_definition_of_a_known_kind_is_not_cut(kind, key, text):
    assert pieces(kind, text, key) is None
