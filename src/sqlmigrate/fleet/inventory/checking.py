"""What is wrong with a list of targets, as far as that is seen without connecting."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import Problem, redact
from sqlmigrate.fleet.inventory.model import Target
from sqlmigrate.seeds.problems import refuse
from sqlmigrate.seeds.reading.rules import violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.seeds.reading.document import Document

_WHERE = ("url", "url_env", "service")
_NAME_BYTES = 63  # NAMEDATALEN - 1
_SYSTEM = ("pg_", "information_schema")
_OF_ROLE = "$user"  # in a search_path, in quotes too, the schema with the name of the role
_ONLY_URL = "a connection string stands in url, or better in a variable that url_env names"


def checked(document: Document) -> tuple[Target, ...]:
    """Return the targets of a document; raises SeedError with everything that is wrong with it."""
    schema = json.loads((resources.files(__package__) / "targets.schema.json").read_text(encoding="utf-8"))
    refuse(violations(document, schema))
    found = document.value["targets"]
    refuse([*_unclear(document, found), *_twice(document, found)])
    return tuple(Target(**values | {"tags": tuple(dict.fromkeys(values.get("tags", ())))}) for values in found)


def _unclear(document: Document, found: list[dict[str, Any]]) -> Iterator[Problem]:
    """Find targets of which it cannot be said where they are, and schemas that cannot be a tenant's."""
    if not found:
        yield Problem("there are no targets", document.place(["targets"]))
    for number, values in enumerate(found):
        place, name = document.place(["targets", number]), values["name"]
        if not name.isprintable() or name != name.strip():
            yield Problem(
                f"{name!r} is no name for a target: it begins or ends with a space, or cannot be printed", place
            )
        for key, text in _told(values):
            if redact(text) != text:
                yield Problem(f"targets[{number}].{key} holds a password, which reports would show", place, _ONLY_URL)
            elif key != "name" and not text.isprintable():
                yield Problem(f"{name}: {key} {text!r} cannot be printed", place)
        given = [key for key in _WHERE if key in values]
        if len(given) != 1:
            what = f"{' and '.join(given)} say it twice" if given else "nothing says it"
            hint = "give one of url, url_env (a variable) and service (of libpq's service file)"
            yield Problem(f"{name}: where is it? {what}", place, hint)
        schema = values.get("schema", "")
        if schema.startswith(_SYSTEM) or schema == _OF_ROLE or len(schema.encode()) > _NAME_BYTES:
            yield Problem(f"{name}: {schema} is no schema that a tenant can have", place)


def _told(values: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what reports and errors show of a target: all but its URL."""
    for key, value in values.items():
        if key != "url":
            yield from ((key, text) for text in (value if isinstance(value, list) else [value]))


def _twice(document: Document, found: list[dict[str, Any]]) -> Iterator[Problem]:
    """Find targets of the same name; those that are in the same place are found by `places`."""
    first: dict[str, int] = {}
    for number, values in enumerate(found):
        at = first.setdefault(values["name"], number)
        if at != number:
            message = f"{values['name']} is there twice; the first is at {document.place(['targets', at])}"
            yield Problem(message, document.place(["targets", number]), "give each target a name of its own")
