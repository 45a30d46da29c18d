"""Scripts and the statements that psql sends of them: what every splitter must agree on.

Compared once with psql 18 and what its server logged. There are two differences, both wanted: psql also sends empty
statements and the block comments before a statement, and it misses that an E string goes on in the next line, since it
reads line by line; the server does not miss it.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """A script, what it shows, and its statements as psql sends them."""

    name: str
    script: str
    statements: list[str]


def _case(name: str, script: str, *statements: str) -> Case:
    return Case(name, script, list(statements))


_NESTED = "CREATE FUNCTION f(a int) RETURNS text\nBEGIN ATOMIC\n SELECT CASE WHEN a > 0 THEN 'x' END; SELECT 'y';\nEND"
_RULE = "CREATE RULE r AS ON INSERT TO v DO INSTEAD (INSERT INTO a VALUES (1); INSERT INTO b VALUES (2);)"
_PLPGSQL = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n  PERFORM 1; RETURN NEW;\nEND;\n$$"

PLAIN = [
    _case("an empty file has no statement", ""),
    _case("white space is no statement", " \t\r\n\f\v\n"),
    _case("a line comment is no statement", "-- only words; and a semicolon\n"),
    _case("a line comment needs no line end", "-- words"),
    _case("a block comment is no statement", "/* words; */"),
    _case("semicolons alone are no statements", ";;\n ; -- x\n;"),
    _case("one statement", "SELECT 1;", "SELECT 1"),
    _case("the last statement needs no semicolon", "SELECT 1;\nSELECT 2", "SELECT 1", "SELECT 2"),
    _case("two statements on a line", "SELECT 1; SELECT 2;", "SELECT 1", "SELECT 2"),
    _case("no white space between statements", "SELECT 1;SELECT 2;", "SELECT 1", "SELECT 2"),
    _case("an empty statement between others", "SELECT 1;;SELECT 2;;", "SELECT 1", "SELECT 2"),
    _case("a semicolon on a line of its own", "SELECT 1\n;\nSELECT 2\n;", "SELECT 1", "SELECT 2"),
    _case("CRLF line ends", "SELECT 1;\r\n-- x\r\nSELECT\r\n2;\r\n", "SELECT 1", "SELECT\r\n2"),
    _case("CR ends a line comment", "SELECT 1; -- x\rSELECT 2;", "SELECT 1", "SELECT 2"),
    _case("a tab between words", "SELECT\t1;", "SELECT\t1"),
    _case("letters of every script", "SELECT 'ü🙂' AS naïve;SELECT 2;", "SELECT 'ü🙂' AS naïve", "SELECT 2"),
]

COMMENTS = [
    _case("a comment before a statement is left out", "-- why\nSELECT 1;", "SELECT 1"),
    _case("a block comment before a statement is left out", "/* why; */ SELECT 1;", "SELECT 1"),
    _case("a semicolon in a line comment", "SELECT 1 -- a; b\n, 2;", "SELECT 1 -- a; b\n, 2"),
    _case("a semicolon in a block comment", "SELECT 1 /* a; b */, 2;", "SELECT 1 /* a; b */, 2"),
    _case("comments nest", "SELECT 1 /* a /* b; */ c; */; SELECT 2;", "SELECT 1 /* a /* b; */ c; */", "SELECT 2"),
    _case("a nested comment before a statement", "/* a /* b */ ; */ SELECT 1;", "SELECT 1"),
    _case("a slash after the opening is no end", "SELECT 1 /*/ ; */; SELECT 2;", "SELECT 1 /*/ ; */", "SELECT 2"),
    _case("stars before the end of a comment", "SELECT 1 /***;***/; SELECT 2;", "SELECT 1 /***;***/", "SELECT 2"),
    _case("an empty comment", "SELECT 1/**/; SELECT 2;", "SELECT 1/**/", "SELECT 2"),
    _case("a quote in a line comment", "SELECT 1 -- it's\n; SELECT 2;", "SELECT 1 -- it's", "SELECT 2"),
    _case("a quote in a block comment", "SELECT 1 /* it's */; SELECT 2;", "SELECT 1 /* it's */", "SELECT 2"),
    _case("a dollar quote in a comment", "SELECT 1 -- $$\n; SELECT 2; -- $$", "SELECT 1 -- $$", "SELECT 2"),
    _case("dashes within a block comment", "SELECT 1 /* -- */; SELECT 2;", "SELECT 1 /* -- */", "SELECT 2"),
    _case("a block comment within a line comment", "SELECT 1 -- /*\n; SELECT 2;", "SELECT 1 -- /*", "SELECT 2"),
    _case("a comment in an operator", "SELECT 1 +/* ; */ 2; SELECT 3;", "SELECT 1 +/* ; */ 2", "SELECT 3"),
    _case("dashes end an operator", "SELECT 1 +-- ;\n2; SELECT 3;", "SELECT 1 +-- ;\n2", "SELECT 3"),
    _case("a minus is no comment", "SELECT 1 - - 1; SELECT 2;", "SELECT 1 - - 1", "SELECT 2"),
    _case("a division is no comment", "SELECT 4 / 2 * 1; SELECT 2;", "SELECT 4 / 2 * 1", "SELECT 2"),
]

STRINGS = [
    _case("a semicolon in a string", "SELECT ';'; SELECT 2;", "SELECT ';'", "SELECT 2"),
    _case("a doubled quote", "SELECT 'it''s; so'; SELECT 2;", "SELECT 'it''s; so'", "SELECT 2"),
    _case("only doubled quotes", "SELECT ''''; SELECT ''; SELECT '''';", "SELECT ''''", "SELECT ''", "SELECT ''''"),
    _case("a line end in a string", "SELECT 'a;\nb'; SELECT 2;", "SELECT 'a;\nb'", "SELECT 2"),
    _case("a backslash means nothing in a plain string", r"SELECT '\'; SELECT 2;", r"SELECT '\'", "SELECT 2"),
    _case("comment marks in a string", "SELECT '--', '/*'; SELECT 2;", "SELECT '--', '/*'", "SELECT 2"),
    _case("a backslash escapes in an E string", r"SELECT E'\';'; SELECT 2;", r"SELECT E'\';'", "SELECT 2"),
    _case("a small e does too", r"SELECT e'\';'; SELECT 2;", r"SELECT e'\';'", "SELECT 2"),
    _case("an escaped backslash ends nothing", r"SELECT E'\\'; SELECT 2;", r"SELECT E'\\'", "SELECT 2"),
    _case("a doubled quote in an E string", r"SELECT E'a''\';'; SELECT 2;", r"SELECT E'a''\';'", "SELECT 2"),
    _case("a word that ends with e begins no E string", r"SELECT date'\'; SELECT 2;", r"SELECT date'\'", "SELECT 2"),
    _case("nor does one of two letters", r"SELECT eE'\'; SELECT 2;", r"SELECT eE'\'", "SELECT 2"),
    _case("an E string after an operator", r"SELECT 'a'||E'\';'; SELECT 2;", r"SELECT 'a'||E'\';'", "SELECT 2"),
    _case("an E string goes on in the next line", "SELECT E'a'\n'\\';'; SELECT 2;", "SELECT E'a'\n'\\';'", "SELECT 2"),
    _case(
        "an E string goes on behind comments",
        "SELECT E'a' -- it's\n -- more\n '\\';'; SELECT 2;",
        "SELECT E'a' -- it's\n -- more\n '\\';'",
        "SELECT 2",
    ),
    _case("an E string ends on its line", r"SELECT E'a' '\'; SELECT 2;", r"SELECT E'a' '\'", "SELECT 2"),
    _case(
        "a block comment ends an E string",
        "SELECT E'a' /* */\n'\\'; SELECT 2;",
        "SELECT E'a' /* */\n'\\'",
        "SELECT 2",
    ),
    _case("a plain string goes on plain", "SELECT 'a'\n'\\'; SELECT 2;", "SELECT 'a'\n'\\'", "SELECT 2"),
    _case("Unicode strings", r"SELECT U&'\0441;'; SELECT 2;", r"SELECT U&'\0441;'", "SELECT 2"),
    _case("a backslash escapes no quote there", r"SELECT U&'\'; SELECT 2;", r"SELECT U&'\'", "SELECT 2"),
    _case("bit strings", "SELECT B'10;', X'1F;', b'1'; SELECT 2;", "SELECT B'10;', X'1F;', b'1'", "SELECT 2"),
    _case("national strings", r"SELECT N';\'; SELECT 2;", r"SELECT N';\'", "SELECT 2"),
    _case("a quoted name", 'SELECT 1 AS "a;b"; SELECT 2;', 'SELECT 1 AS "a;b"', "SELECT 2"),
    _case("a doubled quote in a name", 'SELECT 1 AS "a"";"; SELECT 2;', 'SELECT 1 AS "a"";"', "SELECT 2"),
    _case("a quote in a name", "SELECT 1 AS \"it's\"; SELECT ';';", 'SELECT 1 AS "it\'s"', "SELECT ';'"),
    _case("a backslash in a name", 'SELECT 1 AS "\\"; SELECT 2;', 'SELECT 1 AS "\\"', "SELECT 2"),
    _case("a Unicode name", 'SELECT 1 AS U&"\\0441;"; SELECT 2;', 'SELECT 1 AS U&"\\0441;"', "SELECT 2"),
]

DOLLARS = [
    _case("a dollar quote", "SELECT $$;$$; SELECT 2;", "SELECT $$;$$", "SELECT 2"),
    _case("a dollar quote with a tag", "SELECT $a$;$$;$a$; SELECT 2;", "SELECT $a$;$$;$a$", "SELECT 2"),
    _case("a tag inside another", "SELECT $a$ $b$ ; $b$ $a$; SELECT 2;", "SELECT $a$ $b$ ; $b$ $a$", "SELECT 2"),
    _case("a tag knows upper case", "SELECT $a$;$A$;$a$; SELECT 2;", "SELECT $a$;$A$;$a$", "SELECT 2"),
    _case("a tag of any letters", "SELECT $é_1$;$é_1$; SELECT 2;", "SELECT $é_1$;$é_1$", "SELECT 2"),
    _case("a dollar just before the end", "SELECT $a$;$$a$; SELECT 2;", "SELECT $a$;$$a$", "SELECT 2"),
    _case("quotes within dollars", "SELECT $$it's; \"$$; SELECT 2;", "SELECT $$it's; \"$$", "SELECT 2"),
    _case("a comment within dollars", "SELECT $$ -- ; /* $$; SELECT 2;", "SELECT $$ -- ; /* $$", "SELECT 2"),
    _case("a backslash within dollars", "SELECT $$\\ ;\\.$$; SELECT 2;", "SELECT $$\\ ;\\.$$", "SELECT 2"),
    _case(
        "dollars in a name quote nothing",
        "SELECT 1 AS a$b$c; SELECT 2 AS a$b$;",
        "SELECT 1 AS a$b$c",
        "SELECT 2 AS a$b$",
    ),
    _case("two dollars in a name", "SELECT 1 AS a$$; SELECT 2 AS b$$;", "SELECT 1 AS a$$", "SELECT 2 AS b$$"),
    _case("a name with digits and dollars", "SELECT 1 AS a1$x$; SELECT 2;", "SELECT 1 AS a1$x$", "SELECT 2"),
    _case(
        "parameters quote nothing", "PREPARE p AS SELECT $1, $2; SELECT 2;", "PREPARE p AS SELECT $1, $2", "SELECT 2"
    ),
    _case("a number before dollars", "SELECT 1$$;$$; SELECT 2;", "SELECT 1$$;$$", "SELECT 2"),
    _case(
        "an exponent before dollars",
        "SELECT 1e5$$; SELECT 0x1F$$; SELECT 2;",
        "SELECT 1e5$$",
        "SELECT 0x1F$$",
        "SELECT 2",
    ),
    _case("a parameter before dollars", "SELECT $1$$;$$; SELECT 2;", "SELECT $1$$;$$", "SELECT 2"),
    _case("a tag begins with no digit", "SELECT $1$ ; SELECT 2;", "SELECT $1$", "SELECT 2"),
    _case("a lone dollar", "SELECT $ ; SELECT 2;", "SELECT $", "SELECT 2"),
    _case("a dollar quote after a word", "SELECT text $$;$$; SELECT 2;", "SELECT text $$;$$", "SELECT 2"),
    _case("a dollar quote after a parenthesis", "SELECT f($$;$$)$$;$$; SELECT 2;", "SELECT f($$;$$)$$;$$", "SELECT 2"),
    _case("DO", "DO $$ BEGIN PERFORM 1; END $$; SELECT 2;", "DO $$ BEGIN PERFORM 1; END $$", "SELECT 2"),
    _case("a PL/pgSQL function", f"{_PLPGSQL}; SELECT 2;", _PLPGSQL, "SELECT 2"),
]

NESTING = [
    _case("a semicolon in parentheses", "SELECT (1; 2); SELECT 3;", "SELECT (1; 2)", "SELECT 3"),
    _case("a parenthesis too many", "SELECT 1); SELECT 2;", "SELECT 1)", "SELECT 2"),
    _case("an open parenthesis takes the rest", "SELECT (1; SELECT 2;", "SELECT (1; SELECT 2;"),
    _case("a parenthesis in a string", "SELECT '('; SELECT 2;", "SELECT '('", "SELECT 2"),
    _case("a parenthesis in a comment", "SELECT 1 /* ( */; SELECT 2;", "SELECT 1 /* ( */", "SELECT 2"),
    _case("a comment within parentheses", "SELECT (1 -- );\n); SELECT 2;", "SELECT (1 -- );\n)", "SELECT 2"),
    _case("a rule with several actions", f"{_RULE}; SELECT 2;", _RULE, "SELECT 2"),
    _case("brackets are no parentheses", "SELECT a[1; SELECT 2;", "SELECT a[1", "SELECT 2"),
    _case("the operator #", "SELECT 5 # 3; SELECT 6 ## 7;", "SELECT 5 # 3", "SELECT 6 ## 7"),
    _case("the operators @ and ?", "SELECT @ -1; SELECT a ? 'b;';", "SELECT @ -1", "SELECT a ? 'b;'"),
    _case("per cent signs", "SELECT '%s', 5 % 3, '%(x)s'; SELECT 2;", "SELECT '%s', 5 % 3, '%(x)s'", "SELECT 2"),
    _case("a cast", "SELECT ';'::text; SELECT 2;", "SELECT ';'::text", "SELECT 2"),
    _case("an array slice", "SELECT a[1:2]; SELECT 2;", "SELECT a[1:2]", "SELECT 2"),
    _case("a back tick", "SELECT 1 ` 2; SELECT 3;", "SELECT 1 ` 2", "SELECT 3"),
]

BODIES = [
    _case("BEGIN ATOMIC", f"{_NESTED}; SELECT 2;", _NESTED, "SELECT 2"),
    _case(
        "BEGIN ATOMIC without any name for it",
        "create or replace procedure p()\nbegin atomic insert into a values (1); end; SELECT 2;",
        "create or replace procedure p()\nbegin atomic insert into a values (1); end",
        "SELECT 2",
    ),
    _case(
        "comments before the words that count",
        "CREATE /* ; */ OR REPLACE -- ;\nFUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT 2;",
        "CREATE /* ; */ OR REPLACE -- ;\nFUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END",
        "SELECT 2",
    ),
    _case(
        "BEGIN in parentheses does not count",
        "CREATE FUNCTION f(begin int) RETURNS int RETURN 1; SELECT 2;",
        "CREATE FUNCTION f(begin int) RETURNS int RETURN 1",
        "SELECT 2",
    ),
    _case(
        "a quoted BEGIN does not count",
        'CREATE FUNCTION "begin"() RETURNS int RETURN 1; SELECT 2;',
        'CREATE FUNCTION "begin"() RETURNS int RETURN 1',
        "SELECT 2",
    ),
    _case(
        "a name that begins with BEGIN does not count",
        "CREATE FUNCTION begin_1() RETURNS int RETURN 1; SELECT 2;",
        "CREATE FUNCTION begin_1() RETURNS int RETURN 1",
        "SELECT 2",
    ),
    _case(
        "CASE before BEGIN does not count",
        "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN true THEN 1 END; SELECT 2;",
        "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN true THEN 1 END",
        "SELECT 2",
    ),
    _case(
        "CASE within CASE",
        "CREATE PROCEDURE f() BEGIN ATOMIC SELECT CASE WHEN CASE WHEN true THEN true END THEN 1 END; END; SELECT 2;",
        "CREATE PROCEDURE f() BEGIN ATOMIC SELECT CASE WHEN CASE WHEN true THEN true END THEN 1 END; END",
        "SELECT 2",
    ),
    _case(
        "strings and comments in a body",
        "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT E'\\'; END'; -- END\n SELECT $$END;$$; END; SELECT 2;",
        "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT E'\\'; END'; -- END\n SELECT $$END;$$; END",
        "SELECT 2",
    ),
    _case("BEGIN elsewhere does not count", "BEGIN; SELECT 1; END;", "BEGIN", "SELECT 1", "END"),
    _case(
        "an isolation level after BEGIN",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1;",
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "SELECT 1",
    ),
    _case(
        "a trigger has no body of its own",
        "CREATE TRIGGER begin AFTER INSERT ON t EXECUTE FUNCTION f(); SELECT 2;",
        "CREATE TRIGGER begin AFTER INSERT ON t EXECUTE FUNCTION f()",
        "SELECT 2",
    ),
    _case(
        "columns named begin and end in a table",
        'CREATE TABLE t (begin int, "end" int); SELECT 2;',
        'CREATE TABLE t (begin int, "end" int)',
        "SELECT 2",
    ),
    _case(
        "CASE in a view",
        "CREATE VIEW v AS SELECT CASE WHEN true THEN 1 END AS c; SELECT 2;",
        "CREATE VIEW v AS SELECT CASE WHEN true THEN 1 END AS c",
        "SELECT 2",
    ),
    _case(
        "elements of a schema",
        "CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1; SELECT 2;",
        "CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1",
        "SELECT 2",
    ),
]

CASES = [*PLAIN, *COMMENTS, *STRINGS, *DOLLARS, *NESTING, *BODIES]
