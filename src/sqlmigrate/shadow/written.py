"""What `pg_dump` writes of a schema, cut into statements without what depends on the program or on who runs it."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.sql.script import Script

PREAMBLE = ("SET check_function_bodies = false", "SELECT pg_catalog.set_config('search_path', '', false)")
"""What the statements need before them: names are written in full, and functions may come before what they use."""

# Settings of the session that restores, of which every major version has others; and what CREATE EXTENSION says itself.
_OF_THE_SESSION = re.compile(
    r"SET (?!SESSION AUTHORIZATION\b)(?!default_table_access_method )\w+ = |"
    r"SELECT pg_catalog\.set_config\('search_path'|COMMENT ON EXTENSION "
)
_METHOD = "SET default_table_access_method = "
_HEAP = f"{_METHOD}heap"
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")


def statements(dump: Script, owner: str) -> list[str]:
    """Return the statements of a dump without settings of the session, and without who the `owner` is.

    What is his belongs to whoever runs the statements; what migrations have given to others is said.
    """
    name = quoted(owner)
    owned = re.compile(rf"ALTER .* OWNER TO {re.escape(name)}", re.DOTALL)
    defaults = f"ALTER DEFAULT PRIVILEGES FOR ROLE {name} "
    kept = [one.text for one in dump.statements() if not (_OF_THE_SESSION.match(one.text) or owned.fullmatch(one.text))]
    if all(text == _HEAP for text in kept if text.startswith(_METHOD)):
        kept = [text for text in kept if text != _HEAP]
    return [re.sub(f"^{re.escape(defaults)}", "ALTER DEFAULT PRIVILEGES ", text) for text in kept]


def without(found: Iterable[str], ground: Iterable[str]) -> list[str]:
    """Leave out each statement that the ground has, too."""
    left = Counter(ground)
    kept = []
    for text in found:
        if left[text]:
            left[text] -= 1
        else:
            kept.append(text)
    return kept


def joined(found: Sequence[str]) -> str:
    """Write statements one below the other."""
    return "".join(f"{text};\n\n" for text in found).rstrip("\n") + "\n" if found else ""


def quoted(name: str) -> str:
    """Write a name of a role as `pg_dump` does, unless it is a keyword."""
    return name if _PLAIN_NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'
