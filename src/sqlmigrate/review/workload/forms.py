"""What a statement was before pg_stat_statements put parameters in the place of its constants, as far as that is safe.

PostgreSQL takes constants where it takes no parameter: `interval $1` and `extract($1 FROM ts)` are no SQL, the type of
`$1` in `concat($1, name)` is not known, and `ANY (ARRAY[$1, $2])` is an array of texts. Each form here means the same
for the schema: which tables, columns, functions and indexes it needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.workload.asking import Refusal
    from sqlmigrate.review.workload.queries import Query

_TEXT, _INTEGER = 25, 23  # OIDs of pg_type, which never change
_FIELDS = r"(?:year|month|day|hour|minute|second)"
_TYPES = (
    r"interval(?:\s*\(\d\))?|timestamptz|timestamp(?:\s*\(\d\))?(?:\s+with(?:out)?\s+time\s+zone)?|timetz|"
    r"time(?:\s*\(\d\))?(?:\s+with(?:out)?\s+time\s+zone)?|date|jsonb?|xml|uuid|inet|cidr|macaddr8?|bytea|bool|boolean|"
    r"numeric|decimal|real|float[48]|double\s+precision|int[248]|integer|bigint|smallint|point|box|line|lseg|path|"
    r"polygon|circle|citext|hstore|ltree|tsquery|tsvector|(?:int[48]|num|ts|tstz|date)(?:multi)?range|money|bit|varbit|"
    r"name|text|varchar|regclass|regtype|regproc|oid"
)
_TYPED = re.compile(
    rf"""(?<![\w."$])({_TYPES})\s+(\$\d+)(\s+{_FIELDS}(?:\s+to\s+{_FIELDS})?(?:\s*\(\d\))?(?!\w))?""", re.IGNORECASE
)
_EXTRACT = re.compile(r"\b(extract\s*\(\s*)\$\d+(\s+from\b)", re.IGNORECASE)
_ARRAY = re.compile(
    r"\b((?:any|all|some)\s*\(\s*)array\s*\[\s*(\$\d+)(?:\s*,\s*\$\d+)*\s*(?:/\*, \.\.\. \*/\s*)?\](?=\s*\))",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"\$(\d{1,5})(?!\d)")
_CALL = re.compile(r"[\w.\"]+\s*\(((?:\s*\$\d+\s*,?)+)\)")
_AROUND = re.compile(r"(\$\d+)\s*\Z"), re.compile(r"[^\w\s$(]+\s*(\$\d+)")
_INDETERMINATE = "42P18"
_AMBIGUOUS = frozenset({"42725", "42P08"})
_TRIES = 12


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write a statement; `types` are the OIDs of its first parameters, 0 where the server infers one.

    `guessed` says that types were chosen so that it can be asked at all: its result types tell nothing.
    """

    text: str
    types: tuple[int, ...] = ()
    guessed: bool = False
    tries: int = 0

    def again(self, refusal: Refusal) -> Form | None:
        """Return this form with types for the parameters that a refusal is about; None where it is about none."""
        if self.tries >= _TRIES:
            return None
        if refusal.sqlstate == _INDETERMINATE and (hit := _PARAMETER.search(refusal.message)):
            return self._typed([int(hit[1])], _TEXT)
        if refusal.sqlstate in _AMBIGUOUS and refusal.position:
            return self._typed(_operands(self.text, refusal.position - 1), _INTEGER)
        return None

    def _typed(self, numbers: list[int], oid: int) -> Form | None:
        types = [*self.types, *[0] * (max(numbers, default=0) - len(self.types))]
        left = [number for number in numbers if not types[number - 1]]
        for number in left:
            types[number - 1] = oid
        return replace(self, types=tuple(types), guessed=True, tries=self.tries + 1) if left else None


def forms(query: Query) -> Iterator[Form]:
    """Yield the forms of a statement in which it may be taken: as it is, and repaired where it was normalized."""
    yield Form(query.text)
    if query.normalized and (repaired := _repaired(query.text)) != query.text:
        yield Form(repaired, _unused(query.text, repaired))


def _repaired(text: str) -> str:
    text = _TYPED.sub(lambda hit: f"CAST({hit[2]} AS {hit[1]}{hit[3] or ''})", text)
    text = _EXTRACT.sub(r"\1epoch\2", text)
    return _ARRAY.sub(r"\1\2", text)


def _unused(before: str, after: str) -> tuple[int, ...]:
    """Give a type to each parameter that a repaired form has no more: PostgreSQL infers none for it."""
    used = {int(number) for number in _PARAMETER.findall(after)}
    most = max((int(number) for number in _PARAMETER.findall(before)), default=0)
    gone = [number for number in range(1, max(used, default=0) + 1) if number not in used]
    return tuple(_TEXT if number in gone else 0 for number in range(1, max(gone, default=0) + 1)) if most else ()


def _operands(text: str, at: int) -> list[int]:
    """Return the parameters that a function or an operator at this place works on."""
    if call := _CALL.match(text, at):
        return [int(number) for number in _PARAMETER.findall(call[1])]
    before, behind = _AROUND[0].search(text, 0, at), _AROUND[1].match(text, at)
    return [int(hit[1][1:]) for hit in (before, behind) if hit]
