"""Whatever a script holds, its readers say what is wrong and raise nothing else."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlmigrate.errors import Error
from sqlmigrate.migrations import ScriptRun
from sqlmigrate.migrations.preflight import preflight
from sqlmigrate.migrations.validate import validate
from sqlmigrate.sql import difference, scan, streamed, unread, variables
from sqlmigrate.sql import script as scripts
from sqlmigrate.sql.directives import read_allowed
from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement import effect, needs, parse, subject
from support.examples import examples

# Halves of everything: what opens and never closes, words that the readers look for, and what parts them.
WORDS = st.sampled_from(
    [
        *(
            "COPY",
            "copy a from stdin",
            "FROM STDIN",
            "STDOUT",
            "TO PROGRAM '/x'",
            "WITH (format csv)",
            "CREATE",
            "OR REPLACE",
        ),
        *(
            "FUNCTION a()",
            "PROCEDURE",
            "INDEX CONCURRENTLY",
            "BEGIN",
            "ATOMIC",
            "END",
            "CASE",
            "COMMIT",
            "ROLLBACK",
            "AND CHAIN",
        ),
        *(
            "PREPARE TRANSACTION",
            "DO",
            "LANGUAGE sql",
            "ALTER TABLE a",
            "ALTER TYPE a",
            "ADD VALUE",
            "VACUUM",
            "SET ROLE a",
        ),
        *(
            "SET LOCAL",
            "search_path",
            "public",
            "DISCARD ALL",
            "CALL",
            "SELECT",
            "1",
            "1.5",
            "1e5",
            "DROP DATABASE",
            "SYSTEM",
        ),
        *(
            "TABLESPACE",
            "REINDEX",
            "DETACH PARTITION",
            "SUBSCRIPTION",
            "GRANT",
            "EXTENSION",
            "TRUNCATE",
            ":x",
            ":'x'",
            "$1",
            "é",
        ),
    ]
)
MARKS = st.sampled_from(
    [
        *";;;'\"()$\\:,.=<>-+*/[]{}@#%^&|~`?!",
        *("\n", " ", "\t", "\r\n", "\f", "\v", "\xa0", "\u2028", "\ufeff", "\ud7ff", "\U0001f600"),
        *(
            "$$",
            "$x$",
            "--",
            "/*",
            "*/",
            "E'",
            "U&'",
            "\\.",
            "\n\\.\n",
            "\\d",
            "\\restrict x",
            "\\\\",
            "''",
            '""',
            "/* x",
        ),
        *("-- depends: a", "-- transactional: false", "-- sqlmigrate: lock_timeout=9us", "-- sqlmigrate-allow: H1 x"),
        *("-- sqlmigrate: statement_timeout=" + "9" * 400 + "us", "-- sqlmigrate: role='x", "-- sqlmigrate-x"),
    ]
)
TEXTS = st.lists(st.one_of(WORDS, MARKS, st.text(max_size=3)), max_size=25).map(
    lambda parts: "".join(part if len(part) < 2 or not part[-1].isalnum() else f"{part} " for part in parts)
)


@settings(max_examples=examples(400))
@given(TEXTS)
def test_no_script_makes_a_reader_raise_anything_but_an_error(text):
    text = text.replace("\0", "")
    with contextlib.suppress(Error):
        found = script_from_text(Path("a.sql"), text)
        for transactional in (True, False):
            preflight(ScriptRun("a", "apply", found, transactional=transactional))
        unread.unread_directives(found.path, text)
        read_allowed(text)
        for piece in found.pieces():
            found.place(piece, len(piece.text))
            for read in (effect.classify, parse.refine, parse.normal_form, subject.subject_of):
                read(piece.text)
            for read in (parse.complaints, variables.variables, scan.quoted):
                list(read(piece.text))
            scan.is_closed(piece.text)
        needs.needs_of([found])
        needs.cluster_wide(found, blocks=True)
        difference.same_statements(text, text + ";")
        list(found.statements())


@settings(max_examples=examples(60))
@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"SELECT 1;\n", b"COPY a FROM stdin;\n"]),
    st.booleans(),
)
def test_no_bytes_make_a_folder_raise_anything_but_an_error(tmp_path_factory, content, head, large):
    folder = tmp_path_factory.mktemp("sql")
    (folder / "a.sql").write_bytes(head + content)
    with pytest.MonkeyPatch.context() as patched:
        if large:
            patched.setattr(scripts, "HELD_MAX", 8)
            patched.setattr(streamed, "_CHUNK", 5)
        with contextlib.suppress(Error):
            validate(folder)
