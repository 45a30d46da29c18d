"""Of what pg_dump writes, what depends on the program, the server or the login is left out, and nothing else."""

from __future__ import annotations

from pathlib import Path

from sqlmigrate.shadow.written import joined, statements, without
from sqlmigrate.sql.script import script_from_text

DUMP = r"""--
-- PostgreSQL database dump
--

\restrict Xx01

-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;

--
-- Name: EXTENSION citext; Type: COMMENT; Schema: -; Owner:
--

CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;
COMMENT ON EXTENSION citext IS 'data type';

CREATE FUNCTION public.f() RETURNS void
    LANGUAGE sql
    AS $$
-- a comment of its own
SET statement_timeout = 0;
ALTER TABLE x OWNER TO migrator;
$$;

ALTER FUNCTION public.f() OWNER TO migrator;
SET default_table_access_method = heap;
CREATE TABLE public.a (b integer);
ALTER TABLE public.a OWNER TO migrator;
CREATE TABLE public.c (b integer);
ALTER TABLE public.c OWNER TO migrator_of_others;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator IN SCHEMA public GRANT SELECT ON TABLES TO reader;
SET SESSION AUTHORIZATION boss;
GRANT SELECT ON TABLE public.a TO reader;
RESET SESSION AUTHORIZATION;

\unrestrict Xx01
"""


def cut(text: str, owner: str = "migrator") -> list[str]:
    return statements(script_from_text(Path("dump"), text), owner)


def test_only_what_makes_the_schema_is_left():
    assert [text.splitlines()[0] for text in cut(DUMP)] == [
        "CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public",
        "CREATE FUNCTION public.f() RETURNS void",
        "CREATE TABLE public.a (b integer)",
        "CREATE TABLE public.c (b integer)",
        "ALTER TABLE public.c OWNER TO migrator_of_others",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader",
        "SET SESSION AUTHORIZATION boss",
        "GRANT SELECT ON TABLE public.a TO reader",
        "RESET SESSION AUTHORIZATION",
    ]
    assert "-- a comment of its own\nSET statement_timeout = 0;\nALTER TABLE x" in cut(DUMP)[1]


def test_table_access_methods_are_said_as_soon_as_there_is_another_one():
    other = DUMP.replace("CREATE TABLE public.c", "SET default_table_access_method = columnar;\nCREATE TABLE public.c")

    assert [text for text in cut(other) if text.startswith("SET default")] == [
        "SET default_table_access_method = heap",
        "SET default_table_access_method = columnar",
    ]


def test_a_name_of_a_role_is_quoted_where_it_must_be():
    assert cut('ALTER TABLE a OWNER TO "O""Brien";\nALTER TABLE b OWNER TO obrien;', 'O"Brien') == [
        "ALTER TABLE b OWNER TO obrien"
    ]


def test_what_was_there_before_is_left_out_as_often_as_it_was_there():
    assert without(["a", "b", "b", "c"], ["b", "x"]) == ["a", "b", "c"]
    assert joined(["a", "b"]) == "a;\n\nb;\n"
    assert joined([]) == ""
