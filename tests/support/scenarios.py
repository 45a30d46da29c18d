"""The migrations that faults are tried on: in a transaction and outside one, forward and back."""

from __future__ import annotations

from dataclasses import dataclass

TABLE = "to_regclass('thing') IS NOT NULL"
INDEX = "EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('thing_id') AND indisvalid AND indisready)"


def _row(what: str) -> str:
    return f"EXISTS (SELECT FROM effect WHERE what = '{what}')"


@dataclass(frozen=True)
class Part:
    """A part of a script that happens or not as a whole: its first statement, and a question that is true once it did.

    `free` says that it runs outside a transaction, `asks` that nobody but its user can tell afterwards.
    """

    number: int
    happened: str
    free: bool = False
    asks: bool = False


@dataclass(frozen=True)
class Scenario:
    """A migration, and the way that it is to be run; without `parts` it is one transaction.

    `stopped` says that it is a rollback of a script that stopped half way, `first` that there is no history yet,
    `second` is another migration, to be run behind it or, `together`, in the same transaction.
    """

    name: str
    operation: str
    script: str
    undo: str
    parts: tuple[Part, ...] = ()
    stopped: bool = False
    first: bool = False
    second: str | None = None
    second_undo: str | None = None
    together: bool = False

    @property
    def options(self) -> dict[str, bool]:
        if self.together:
            return {"single_transaction": True}
        return {"everything": True} if self.second and self.operation == "rollback" else {}

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words of the command that runs it."""
        words = {"single_transaction": "--single-transaction", "everything": "--all"}
        return (self.operation, "--accept-loss", *(words[name] for name in self.options))

    def __str__(self) -> str:
        return self.name


_MANAGED = "CREATE TABLE thing (id integer);\nINSERT INTO effect VALUES ('made');\n"
_MANAGED_UNDO = "DROP TABLE thing;\nCOPY effect FROM stdin;\nundone\n\\.\nSELECT count(*) FROM effect;\n"
_SECOND = "INSERT INTO effect VALUES ('second');\n"
_SECOND_UNDO = "INSERT INTO effect VALUES ('second undone');\n"
_FREE = """\
-- transactional: false
CREATE TABLE thing (id integer);
CREATE INDEX CONCURRENTLY thing_id ON thing (id);
CALL work('called');
BEGIN;
INSERT INTO effect VALUES ('in a block');
COMMIT;
"""
_FREE_UNDO = """\
-- transactional: false
INSERT INTO effect VALUES ('undo begun');
DROP INDEX CONCURRENTLY thing_id;
CALL work('undo called');
BEGIN;
DROP TABLE thing;
COMMIT;
"""
# its second statement always fails
_STOPPED = """\
-- transactional: false
CREATE TABLE thing (id integer);
INSERT INTO missing VALUES (1);
"""

SCENARIOS = (
    Scenario("apply", "apply", _MANAGED, _MANAGED_UNDO, first=True),
    Scenario("rollback", "rollback", _MANAGED, _MANAGED_UNDO),
    Scenario("apply two", "apply", _MANAGED, _MANAGED_UNDO, second=_SECOND),
    Scenario("rollback of two", "rollback", _MANAGED, _MANAGED_UNDO, second=_SECOND, second_undo=_SECOND_UNDO),
    Scenario("apply in a single transaction", "apply", _MANAGED, _MANAGED_UNDO, second=_SECOND, together=True),
    Scenario(
        "apply outside a transaction",
        "apply",
        _FREE,
        _FREE_UNDO,
        (
            Part(1, TABLE),
            Part(2, INDEX, free=True),
            Part(3, _row("called"), free=True, asks=True),
            Part(4, _row("in a block")),
        ),
    ),
    Scenario(
        "rollback outside a transaction",
        "rollback",
        _FREE,
        _FREE_UNDO,
        (
            Part(1, _row("undo begun")),
            Part(2, f"NOT {INDEX}", free=True),
            Part(3, _row("undo called"), free=True, asks=True),
            Part(4, f"NOT {TABLE}"),
        ),
    ),
    Scenario(
        "rollback of what stopped half way",
        "rollback",
        _STOPPED,
        "-- transactional: true\nINSERT INTO effect VALUES ('undone');\nDROP TABLE thing;\n",
        stopped=True,
    ),
)
MANAGED = tuple(item for item in SCENARIOS if not item.parts)
FEW = tuple(item for item in SCENARIOS if not item.stopped and not item.second)
FREE = tuple(item for item in SCENARIOS if item.parts)
