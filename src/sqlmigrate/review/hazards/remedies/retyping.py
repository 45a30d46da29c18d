"""Another type for a column: a second column that a trigger keeps equal, filled, and put in its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies import constraints
from sqlmigrate.review.hazards.remedies.columns import kept_by_trigger, kind_of, of_new_row
from sqlmigrate.review.hazards.remedies.filling import by_key
from sqlmigrate.review.hazards.remedies.names import beside, last_part, named_in, with_ending
from sqlmigrate.review.hazards.remedies.phases import Command
from sqlmigrate.sql.statement.instead import conversions, name_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.review.hazards.remedies.place import Place
    from sqlmigrate.schema import Value

_REFERENCES = re.compile(r" REFERENCES (\S+|.*?\")\(([^()]*)\)")
_SWITCH = (
    "deploy the version that can live with both types, look that no row is left to fill, and keep a backup: "
    "the old column goes, and no rollback brings it back"
)


def retype(place: Place, column: str) -> bool:
    """Put a column of the new type in the place of a column; False where it cannot be told how it is converted."""
    using = conversions(place.one.statement.text)
    bare, key = name_parts(column)[-1], place.key()
    if bare not in using or key is None:
        return False
    return _Switch(place, column, place.free(column, "_new", "column"), using[bare], key).made()


class _Switch:
    """The commands around one column and the `new` one that takes its place; `using` is how a value is converted."""

    def __init__(self, place: Place, column: str, new: str, using: str | None, key: str) -> None:
        self.place, self.phases, self.table = place, place.phases, place.table
        self.column, self.new, self.using, self.key = column, new, using, key
        self.properties: Mapping[str, Value] = place.column(column)
        self.behind: list[Command] = []

    def made(self) -> bool:
        """Add the commands to their phases; false where they cannot do what the statement does."""
        table, column, new = self.table, self.column, self.new
        drop = f"ALTER TABLE {table} DROP COLUMN {new}"
        self.phases.expand.append(Command(f"ALTER TABLE {table} ADD COLUMN {new} {kind_of(self.properties)}", drop))
        inside = of_new_row(self.using) if self.using else f"NEW.{column}"
        taken_away = kept_by_trigger(self.place, new, inside)
        self.phases.fill.append(Command(by_key(self.place, new, f"({self.using})" if self.using else column, self.key)))
        self.phases.contract += taken_away
        if self.properties.get("not null"):
            constraints.not_null(self.place, new)
            self._named_not_null()
        if not (self._indexes() and self._constraints()):
            return False
        self._numbers()
        references = self._references()
        for on, name, _ in references:
            self._do(f"ALTER TABLE {on} DROP CONSTRAINT {name}")
        self._do(f"ALTER TABLE {table} DROP COLUMN {column}")
        self.phases.contract += self.behind
        self._do(f"ALTER TABLE {table} RENAME COLUMN {new} TO {column}")
        self._refer_again(references)
        self.phases.switch = _SWITCH
        return True

    def _do(self, sql: str, *, behind: bool = False) -> None:
        """Do something in the last file, `behind` the end of the old column or before it."""
        (self.behind if behind else self.phases.contract).append(Command(sql, None))

    def _named_not_null(self) -> None:
        """Give the constraint of NOT NULL, which has a name since PostgreSQL 18, the one that it had."""
        for text, properties in self.place.of_table("constraint"):
            if constraints.not_null_column(str(properties.get("definition"))) == self.column:
                made = with_ending(last_part(self.table), f"_{name_parts(self.new)[-1]}_not_null")
                name = text.removesuffix(f" on {self.table}")
                self._do(f"ALTER TABLE {self.table} RENAME CONSTRAINT {made} TO {name}", behind=True)

    def _indexes(self) -> bool:
        """Build an index on the new column for each one that the old column has; constraints have theirs below."""
        owned = {str(properties.get("index")) for _, properties in self.place.of_table("constraint")}
        for name, properties in self.place.of_table("index"):
            definition = str(properties.get("definition"))
            if name in owned or not self._named(definition):
                continue
            made = self._index(name, definition)
            if self.place.is_partitioned():
                return False
            self._do(f"ALTER INDEX {made} RENAME TO {last_part(name)}", behind=True)
        return True

    def _named(self, definition: str) -> bool:
        return named_in(definition, self.column) is not None

    def _renamed(self, definition: str) -> str:
        pattern = named_in(definition, self.column)
        return pattern.sub(lambda _: self.new, definition) if pattern else definition

    def _index(self, name: str, definition: str) -> str:
        """Build what an index is on the new column, under another name; give it."""
        made = self.place.free(last_part(name), "_new", "index")
        head, found, rest = definition.partition(f"INDEX {last_part(name)} ON ")
        sql = f"{head}INDEX CONCURRENTLY {made} ON {self._renamed(rest)}" if found else definition
        whole = beside(self.table, made)
        self.phases.online.append(Command(sql, f"DROP INDEX CONCURRENTLY IF EXISTS {whole}"))
        return whole

    def _constraints(self) -> bool:
        for text, properties in self.place.of_table("constraint"):
            name, definition = text.removesuffix(f" on {self.table}"), str(properties.get("definition"))
            columns = definition.partition(" REFERENCES ")[0]
            if not self._named(columns) or constraints.not_null_column(definition):
                continue
            if definition.startswith("EXCLUDE") or self.place.is_partitioned():
                return False
            if definition.startswith(("PRIMARY KEY", "UNIQUE")):
                self._unique(name, definition, str(properties.get("index")))
                continue
            made = self.place.free(name, "_new")
            constraints.not_valid(self.place, made, self._renamed(columns) + definition[len(columns) :])
            self._do(f"ALTER TABLE {self.table} RENAME CONSTRAINT {made} TO {name}", behind=True)
        return True

    def _unique(self, name: str, definition: str, index: str) -> None:
        built = str(self.place.after("index", index).get("definition", ""))
        made = last_part(self._index(index, built))
        self.behind.append(Command(constraints.using(self.table, name, definition, made).sql, None))

    def _references(self) -> list[tuple[str, str, str]]:
        """Return the foreign keys of other tables that refer to the column: their tables, names and definitions."""
        found = []
        for text, properties in self.place.one.step.after.of("constraint").items():
            definition, on = str(properties.get("definition")), str(properties.get("table"))
            match = _REFERENCES.search(definition)
            if match and match[1] == self.table and self._named(match[2]) and not properties.get("parent"):
                found.append((on, text.removesuffix(f" on {on}"), definition))
        return found

    def _refer_again(self, references: list[tuple[str, str, str]]) -> None:
        """Add the foreign keys to the new column, NOT VALID, and validate them in a file of their own."""
        for on, name, definition in references:
            self._do(f"ALTER TABLE {on} ADD CONSTRAINT {name} {definition.removesuffix(' NOT VALID')} NOT VALID")
            if not definition.endswith(" NOT VALID"):
                self.phases.afterwards.append(constraints.validated(on, name, definition))

    def _numbers(self) -> None:
        """Take default, sequence and identity over."""
        alter = f"ALTER TABLE {self.table} ALTER COLUMN {self.new}"
        owned = [
            name
            for name, properties in self.place.one.step.before.of("sequence").items()
            if properties.get("owned by") == f"{self.table}.{self.column}"
        ]
        if self.properties.get("identity") and owned:
            self._identity(alter, owned[0])
            return
        for name in owned:
            self._do(f"ALTER SEQUENCE {name} OWNED BY {self.table}.{self.new}")
        if default := self.properties.get("default"):
            self._do(f"{alter} SET DEFAULT {default}")

    def _identity(self, alter: str, sequence: str) -> None:
        made = beside(self.table, self.place.free(last_part(sequence), "_new", "index"))
        how = str(self.properties.get("identity")).upper()
        self._do(f"{alter} ADD GENERATED {how} AS IDENTITY (SEQUENCE NAME {made})")
        literal = [name.replace("'", "''") for name in (made, sequence)]
        self._do(f"SELECT setval('{literal[0]}', nextval('{literal[1]}'))")
        self._do(f"ALTER SEQUENCE {made} RENAME TO {last_part(sequence)}", behind=True)
