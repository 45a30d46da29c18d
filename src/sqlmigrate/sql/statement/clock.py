"""Tell whether what scripts leave depends on when they run, or on chance.

A DO block that names partitions by today's date does. `DEFAULT now()` does not: it runs later. It is judged by words,
so a text that only looks like it counts too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate.sql.statement.command import command_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.sql.script import Script

_CALLED = (
    "now", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "timeofday", "age", "random",
    "random_normal", "gen_random_uuid", "gen_random_bytes", r"uuid_generate_v\w+", "uuidv4", "uuidv7", "gen_salt",
    r"txid_current\w*", r"pg_current_xact_id\w*", r"pg_current_wal\w+", r"pg_current_snapshot", "pg_backend_pid",
    "pg_postmaster_start_time", "pg_conf_load_time", "pg_control_system", r"pg_stat\w+", "pg_is_in_recovery",
)  # fmt: skip
_WORDS = ("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "tablesample")
_ASKS = re.compile(rf"""\b(?:{"|".join(_CALLED)})"?\s*\(|\b(?:{"|".join(_WORDS)})\b""", re.IGNORECASE)
_LITERAL = re.compile(r"'\s*(?:now|today|tomorrow|yesterday)\b[^']{0,20}'", re.IGNORECASE)
_ZONE = re.compile(r"time\s*zone|timezone", re.IGNORECASE)
_CALL = re.compile(r"""("(?:[^"]|"")+"|[^\W\d][\w$]*)\s*\(""")
_ROUTINE = re.compile(
    r"\s*create\s+(?:or\s+replace\s+)?(?:function|procedure)\s+"
    r"""(?:(?:"[^"]+"|[\w$]+)\s*\.\s*)?("[^"]+"|[\w$]+)\s*\(""",
    re.IGNORECASE,
)
_TRIGGER = re.compile(r"\breturns\s+(?:event_)?trigger\b|\b(?:returns\s+opaque)\b", re.IGNORECASE)
_DECIDES = re.compile(r"\b(?:create|alter|drop|execute|grant|revoke|comment|rename|raise)\b", re.IGNORECASE)
_MEETS = re.compile(r"\b(?:check|validate)\b", re.IGNORECASE)
_READ = re.compile(
    r"\b(?:from|join)\s+([^();']*?)(?=[();']|\b(?:where|group|order|limit|loop|into|on|using|join|union)\b|$)",
    re.IGNORECASE,
)
_WRITES = re.compile(r"\b(?:insert|update|copy|merge)\b", re.IGNORECASE)
_BOUNDS = re.compile(r"\bfor\s+values\b", re.IGNORECASE)
_GONE = re.compile(
    r"\b(?:drop\s+(?:function|procedure|routine|schema|extension|view|owned)|rename\s+to|set\s+schema)\b", re.IGNORECASE
)
_RUNS = frozenset({"CREATE TABLE AS", "CREATE MATERIALIZED VIEW", "CREATE SCHEMA"})
_DEFINES = ("CREATE", "ALTER", "DROP", "COMMENT", "GRANT", "REVOKE", "SET", "RESET", "SECURITY", "REASSIGN", "LOCK")


@dataclass(slots=True)
class Clocks:
    """What scripts run of it.

    - `asks`: a statement that runs asks for the time or for chance.
    - `elsewhere`: one of them names a time zone, so that its day may be another one.
    - `calls`: the names of what such statements may call, and the words in which they may name a view.
    - `routines`: the bodies of functions that the scripts define, by name.
    - `drops`: something that they call may be gone behind them.
    - `rules`: the words in which blocks that may change the schema name what they read.
    - `writes`: a statement may write rows or look them through, so that checks and the bounds of partitions count.

    Whether that depends on the time is then a matter of what those names stand for.
    """

    asks: bool = False
    elsewhere: bool = False
    drops: bool = False
    writes: bool = False
    calls: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)
    routines: dict[str, list[str]] = field(default_factory=dict)


def asks(text: str) -> bool:
    """Tell whether a text asks for the time or for chance."""
    return bool(_ASKS.search(text) or _LITERAL.search(text))


def in_zone(text: str) -> bool:
    """Tell whether a text names a time zone, where the day may be another one."""
    return bool(_ZONE.search(text))


def words(text: str) -> set[str]:
    """Return the words of a text in lower case, those of names included."""
    return set(re.findall(r"\w+", text.lower()))


def rules(text: str) -> set[str]:
    """Return the words in which a body that may change the schema names what it reads; none of any other body."""
    return words(" ".join(_READ.findall(text))) if _DECIDES.search(text) else set()


def called(text: str) -> Iterator[str]:
    """Return the names in a text that stand before a parenthesis, as the catalog has them."""
    for name in _CALL.findall(text):
        yield _name(name)


def clocks(scripts: Iterable[Script]) -> Clocks:
    """Look through the statements of scripts; raises ScriptError where one cannot be read."""
    found = Clocks()
    for script in scripts:
        for statement in script.statements():
            _look(found, statement.text)
    return found


def _look(found: Clocks, text: str) -> None:
    found.drops = found.drops or bool(_GONE.search(text))
    if _runs(text):
        if asks(text):
            found.asks = True
            found.elsewhere = found.elsewhere or in_zone(text)
        calls = set(called(text))
        found.calls |= calls
        found.writes = found.writes or bool(calls or _WRITES.search(text))
        found.words |= words(text)
        if command_of(text) == "DO":
            found.rules |= rules(text)
        return
    found.writes = found.writes or bool(_MEETS.search(text))
    if _LITERAL.search(text) or (_BOUNDS.search(text) and asks(text)):
        found.asks = True
        found.elsewhere = found.elsewhere or in_zone(text)
    if routine := _ROUTINE.match(text):
        found.routines.setdefault(_name(routine[1]), []).append(text)
        # whatever fires it runs it: a trigger that only stamps rows changes no schema, and refuses none
        found.asks = found.asks or bool(_TRIGGER.search(text) and asks(text) and _DECIDES.search(text, routine.end()))


def _runs(text: str) -> bool:
    name = command_of(text)
    return name in _RUNS or not name.startswith(_DEFINES)


def _name(written: str) -> str:
    return written[1:-1].replace('""', '"') if written.startswith('"') else written.lower()
