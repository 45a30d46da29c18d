"""Commands of ours are known by their purpose, and errors do not change on their way up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sqlmigrate
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.engine.wire import session

SOURCE = Path(sqlmigrate.__file__).parent
OURS = {name for name, value in vars(session).items() if isinstance(value, Command)}
TEXT_METHODS = {"startswith", "endswith", "find", "index", "count", "split", "partition"}


def name_of(node: ast.AST) -> str | None:
    """Give the last name of `a.b.c`, or a bare one."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def is_command(node: ast.AST) -> bool:
    return name_of(node) in {"command", "sql"} or (isinstance(node, ast.Name) and node.id in OURS)


def is_text_method(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in TEXT_METHODS and name_of(node.value) == "sql"


def recognised_by_text(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield where a command is compared, but with None, or its text is looked into."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            compared = [node.left, *node.comparators]
            if any(map(is_command, compared)) and not any(
                isinstance(item, ast.Constant) and item.value is None for item in compared
            ):
                yield node
        elif isinstance(node, ast.Call) and is_text_method(node.func):
            yield node


def changed_errors(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield where a value of an exception that was caught is set, or a note is added to it."""
    for handler in ast.walk(tree):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        for node in ast.walk(handler):
            targets = node.targets if isinstance(node, ast.Assign) else []
            attributes = [item for item in targets if isinstance(item, ast.Attribute)]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_note":
                attributes.append(node.func)
            if any(name_of(item.value) == handler.name for item in attributes):
                yield node


def shown(found: Iterator[ast.AST]) -> list[str]:
    return [ast.unparse(node) for node in found]


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}


@pytest.mark.parametrize("room", ["engine", "history", "connection"])
def test_no_command_of_ours_is_recognised_by_its_text_or_by_being_the_same(trees, room):
    inside = [tree for path, tree in trees.items() if path.is_relative_to(SOURCE / room)]

    assert inside
    assert [text for tree in inside for text in shown(recognised_by_text(tree))] == []


def test_no_error_is_changed_by_who_catches_it(trees):
    assert [text for tree in trees.values() for text in shown(changed_errors(tree))] == []


@pytest.mark.parametrize(
    ("look", "code"),
    [
        (recognised_by_text, "step.command is job.claim"),
        (recognised_by_text, "command in job.trusted"),
        (recognised_by_text, "command is CONSTRAINTS"),
        (recognised_by_text, "'advisory' in command.sql"),
        (recognised_by_text, "command.sql.startswith('SET ROLE')"),
        (changed_errors, "try: f()\nexcept Error as error:\n    error.hint = 'h'"),
        (changed_errors, "try: f()\nexcept KeyboardInterrupt as stop:\n    stop.add_note('n')"),
    ],
)
def test_these_tests_find_what_they_look_for(look, code):
    assert shown(look(ast.parse(code)))


def test_every_purpose_says_what_it_is_for():
    names = {node.targets[0].id for node in _body("Purpose") if isinstance(node, ast.Assign)}
    said = [node for node in _body("Purpose") if isinstance(node, ast.Expr)]

    assert names == set(Purpose.__members__)
    assert len(said) == len(names) + 1


def _body(name: str) -> list[ast.stmt]:
    tree = ast.parse((SOURCE / "connection" / "command.py").read_text(encoding="utf-8"))
    return next(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name)
