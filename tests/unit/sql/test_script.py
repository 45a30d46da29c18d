"""A script is read once, byte for byte; what cannot be read as text is refused with its place."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.errors import Place, ScriptError
from sqlmigrate.sql import script, source, streamed
from sqlmigrate.sql.position import place_at
from sqlmigrate.sql.scan import Piece
from sqlmigrate.sql.script import Script, read_script

BOM = b"\xef\xbb\xbf"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.sql"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few bytes be a large script, read in parts of a few bytes."""
    monkeypatch.setattr(script, "HELD_MAX", 8)
    monkeypatch.setattr(streamed, "_CHUNK", 5)
    monkeypatch.setattr(source, "_CHUNK", 5)


def reading(path: Path, content: bytes) -> Script:
    path.write_bytes(content)
    found, problems = read_script(path)

    assert problems == []
    return found


def refusal(path: Path, content: bytes) -> ScriptError:
    path.write_bytes(content)
    with pytest.raises(ScriptError) as caught:  # a large script is read only when it is needed
        list(read_script(path)[0].pieces())
    return caught.value


def outline(found: Script) -> list[tuple[object, ...]]:
    return [
        (piece.text, piece.offset, piece.line, piece.column, "".join(piece.data.chunks()) if piece.data else None)
        for piece in found.pieces()
    ]


def test_the_text_is_what_the_file_holds(path):
    assert reading(path, "SELECT '%s é🙂';\r\n\r\n".encode()).text == "SELECT '%s é🙂';\r\n\r\n"


def test_a_byte_order_mark_is_not_part_of_the_text(path):
    found = reading(path, BOM + b"-- depends: x\nSELECT 1;")

    assert found.text == "-- depends: x\nSELECT 1;"
    assert found.directives.depends == ("x",)
    assert found.size == len(BOM) + len("-- depends: x\nSELECT 1;")


def test_a_byte_order_mark_further_on_stays(path):
    assert reading(path, BOM + BOM + b"SELECT 1;").text == "\N{BYTE ORDER MARK}SELECT 1;"


def test_the_checksum_takes_no_note_of_line_ends_and_byte_order_mark(path):
    plain = reading(path, b"SELECT 1;\n-- x\n")
    others = [reading(path, content) for content in (b"SELECT 1;\r\n-- x\r\n", BOM + b"SELECT 1;\r\n-- x\n")]

    assert plain.checksum == hashlib.sha256(b"SELECT 1;\n-- x\n").hexdigest()
    assert {other.checksum for other in others} == {plain.checksum}


@pytest.mark.parametrize(
    "content", [b"SELECT 1 ;\n", b"SELECT 1;", b"SELECT 1;\n\n", b"SELECT 1;\r", b"select 1;\n", b""]
)
def test_the_checksum_takes_note_of_every_other_change(path, content):
    assert reading(path, content).checksum != reading(path, b"SELECT 1;\n").checksum


def test_the_other_digest_is_of_the_very_bytes(path):
    content = BOM + b"SELECT 1;\r\n"

    assert reading(path, content).sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "message", "place"),
    [
        (b"SELECT 1;\n-- caf\xe9\n", "byte 0xe9 is not UTF-8", (2, 7, "-- caf")),
        (BOM + b"\xff", "byte 0xff is not UTF-8", (1, 1, "")),
        ("SELECT 'ü';".encode("utf-16"), "byte 0xff is not UTF-8", (1, 1, "")),
        (b"SELECT '\xc3", "byte 0xc3 is not UTF-8", (1, 9, "SELECT '")),
        (b"SELECT '\xed\xa0\x80'", "byte 0xed is not UTF-8", (1, 9, "SELECT '")),
        (b"SELECT 1;\n\0 DROP TABLE t;", "a NUL character would cut the script short", (2, 1, "\0 DROP TABLE t;")),
        (b"\0", "a NUL character", (1, 1, "\0")),
    ],
)
def test_what_is_not_text_is_refused_with_its_place(path, content, message, place):
    error = refusal(path, content)

    assert message in error.message
    assert error.place == Place(path, *place)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"SELECT 1;\nSELECT 2;\n-- caf\xe9\n", "a.sql:3:7"),
        ("SELECT 'é🙂é🙂é🙂é🙂';\n\0".encode(), "a.sql:2:1"),
        (b"SELECT 123456789;\nSELECT '\xc3", "a.sql:2:9"),
        (b"SELECT '12345\0", "a.sql:1:14"),
    ],
)
def test_the_place_is_right_in_a_large_script_too(path, content, place):
    assert str(refusal(path, content).place) == place.replace("a.sql", str(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ScriptError, match=r"gone\.sql: cannot be read: No such file"):
        read_script(tmp_path / "gone.sql")


def test_a_pipe_is_refused_and_not_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(ScriptError, match="it is a pipe, not a file"):
        read_script(path)


@pytest.mark.parametrize("content", [b"", BOM, b"\n", b"-- words\n", b"/* words */", b";;\n"])
def test_a_script_may_have_no_statement(path, content):
    assert list(reading(path, content).statements()) == []


def test_statements_are_numbered_and_know_where_they_begin(path):
    found = reading(path, "-- é\nSELECT 1; ;\r\n  SELECT\n 2".encode())

    assert [(item.number, item.text, item.line, item.column) for item in found.statements()] == [
        (1, "SELECT 1", 2, 1),
        (2, "SELECT\n 2", 3, 3),
    ]
    assert [str(found.place(item, 7)).removeprefix(f"{path}:") for item in found.statements()] == ["2:8", "4:1"]


def test_a_statement_that_swallows_others_comes_apart(path):
    first = "CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'select 1'"
    found = reading(path, f"SELECT 1;\n{first};\n\n -- é\n COMMIT;".encode())

    assert [(item.text, item.line, item.column) for item in found.statements()] == [
        ("SELECT 1", 1, 1),
        (first, 2, 1),
        ("COMMIT", 5, 2),
    ]


def test_an_open_quote_stops_with_its_place(path):
    found = reading(path, b"SELECT 1;\nSELECT 2,\n  'abc;\nSELECT 3;\n")
    statements = found.statements()

    assert next(statements).text == "SELECT 1"
    with pytest.raises(ScriptError, match=r"a\.sql:3:3: this string is never closed") as caught:
        next(statements)
    assert caught.value.place is not None
    assert caught.value.place.text == "  'abc;"


SCRIPTS = [
    "SELECT 1;\r\nSELECT 'é🙂\n;';\n -- words\n\tSELECT 3;",
    "COPY t FROM stdin;\n1\té\n2\t;\n\\.\nSELECT 2;\n",
    "CREATE FUNCTION f() RETURNS int AS $$ BEGIN; END $$;\nSELECT /* a; */ 2;;",
    "CREATE FUNCTION begin() AS 'x';\n  COMMIT;\nSELECT 2",
    "\N{BYTE ORDER MARK}-- words only\r\n\r\n",
]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("text", SCRIPTS)
def test_a_large_script_is_read_from_its_file_and_comes_apart_alike(path, text, monkeypatch):
    large = reading(path, text.encode())
    monkeypatch.setattr(script, "HELD_MAX", 1_000)
    held = reading(path, text.encode())

    assert (large.text, held.text) == (None, text.removeprefix("\N{BYTE ORDER MARK}"))
    assert (large.checksum, large.sha256, large.size) == (held.checksum, held.sha256, held.size)
    assert outline(large) == outline(held)


@pytest.mark.usefixtures("small_parts")
def test_a_problem_in_a_large_script_is_placed_alike(path):
    found = reading(path, b"SELECT 1;\nSELECT 2,\n  'abc;\nSELECT 3;\n")

    with pytest.raises(ScriptError, match=r"a\.sql:3:3: this string is never closed"):
        list(found.statements())


@pytest.mark.usefixtures("small_parts")
def test_a_large_script_that_changes_while_it_is_read_stops(path):
    found = reading(path, b"SELECT 1;\nSELECT 2;\nSELECT 3;\n")
    list(found.pieces())  # as the check does before anything runs
    path.write_bytes(b"SELECT 1;\nSELECT 2;\nSELECT 4;\n")

    with pytest.raises(ScriptError, match="the file changed since it was checked"):
        list(found.pieces())


@pytest.mark.usefixtures("small_parts")
def test_a_large_script_that_changes_after_its_digest_was_asked_for_stops(path):
    found = reading(path, b"SELECT 1;\nSELECT 2;\n")
    assert found.sha256 == hashlib.sha256(b"SELECT 1;\nSELECT 2;\n").hexdigest()
    path.write_bytes(b"SELECT 1;\nSELECT 3;\n")

    with pytest.raises(ScriptError, match="the file changed since it was checked"):
        list(found.pieces())


@given(
    st.text("a;\n \ufeff", min_size=3, max_size=40).map(lambda text: "SELECT 1;" + text),
    st.text("a;\n ", max_size=60),
    st.integers(0, 20),
    st.booleans(),
)
def test_no_statement_of_a_changed_large_script_is_given(tmp_path_factory, checked, other, moment, in_place):
    """Whenever it changes, what is given is what was checked, and its end is the end that was checked."""
    with pytest.MonkeyPatch.context() as patched:
        for module, name, value in ((script, "HELD_MAX", 8), (streamed, "_CHUNK", 5), (source, "_CHUNK", 5)):
            patched.setattr(module, name, value)
        path = tmp_path_factory.mktemp("changed") / "a.sql"
        found = reading(path, checked.encode())
        expected = [piece.text for piece in found.pieces()]
        given_texts = []
        try:
            for number, piece in enumerate(found.pieces()):
                given_texts.append(piece.text)
                if number == moment:
                    changed = path if in_place else path.with_suffix(".new")
                    changed.write_bytes(other.encode())
                    changed.replace(path)
        except ScriptError:
            expected = expected[: len(given_texts)]
    assert given_texts == expected


@pytest.mark.usefixtures("small_parts")
def test_a_large_script_whose_first_lines_change_before_it_is_checked_stops(path, monkeypatch):
    """Its directives were read already, and the check would go by them."""
    monkeypatch.setattr(streamed, "_CHUNK", 64)
    found = reading(path, b"-- transactional: false\nVACUUM;\n")
    path.write_bytes(b"-- transactional: true \nVACUUM;\n")

    with pytest.raises(ScriptError, match="the file changed since it was checked"):
        list(found.pieces())


@pytest.mark.usefixtures("small_parts")
def test_a_large_script_that_is_gone_is_reported(path):
    found = reading(path, b"SELECT 1;\nSELECT 2;\n")
    path.unlink()

    with pytest.raises(ScriptError, match="cannot be read: No such file"):
        list(found.pieces())


@pytest.mark.usefixtures("small_parts")
def test_a_large_script_with_a_problem_keeps_its_digest_and_its_problem(path):
    """It is not read to its end, which is no change of the file."""
    content = b"SELECT 1;\n\\d\n" + b"SELECT 2;\n" * 20
    found, again = reading(path, content), reading(path, content)
    digest = hashlib.sha256(content).hexdigest()

    assert found.sha256 == digest
    assert [piece.problem for piece in found.pieces()] == [None, "\\d is a psql command, not SQL"]
    assert len(list(again.pieces())) == 2
    assert again.sha256 == digest


def test_a_small_script_is_taken_apart_once(path):
    found = reading(path, b"SELECT 1;\nSELECT 2;\n")

    assert all(first is again for first, again in zip(list(found.pieces()), found.pieces(), strict=True))


def test_the_directives_of_a_large_script_count(path, monkeypatch):
    monkeypatch.setattr(script, "HELD_MAX", 8)

    assert reading(path, b"-- depends: a\n-- transactional: false\nVACUUM;\n").directives.transactional is False


@given(st.text("ab;'\r\n\t/*-🙂", max_size=40))
def test_every_place_is_that_of_its_character(text):
    found = script.script_from_text(Path("a.sql"), text)
    for piece in found.pieces():
        places = [found.place(piece, at) for at in range(len(piece.text) + 1)]

        assert places == [place_at(Path("a.sql"), text, piece.offset + at) for at in range(len(piece.text) + 1)]


def test_many_places_in_a_long_script_take_no_time(path):
    found = reading(path, b"SELECT 1;\n" * 200_000)
    last = list(found.pieces())[-1]
    began = time.process_time()
    places = [found.place(last) for _ in range(5_000)]

    assert places[0] == Place(path, 200_000, 1, "SELECT 1;")
    assert time.process_time() - began < 1.0


@given(st.text(st.sampled_from("a;'é🙂\r\n-$E\\(") | st.characters(codec="utf-8", max_codepoint=0x17F), max_size=30))
def test_any_text_can_be_read(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "a.sql"
    path.write_bytes(text.encode())
    if "\0" in text:
        with pytest.raises(ScriptError, match="NUL"):
            read_script(path)
        return
    found, _ = read_script(path)

    assert found.text == text
    assert found.checksum == hashlib.sha256(text.replace("\r\n", "\n").encode()).hexdigest()
    assert all(isinstance(piece, Piece) for piece in found.pieces())
