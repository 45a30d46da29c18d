"""The project's folder as it is once the import is done: what is there already, and what would be written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.migrations import Migration, Migrations, in_order, load
from sqlmigrate.migrations.model import ROLLBACK
from sqlmigrate.sql.script import script_from_text

if TYPE_CHECKING:
    from sqlmigrate.importing.convert import Conversion, Entry


def imported(plan: Conversion) -> Migrations:
    """Return the migrations of the folder that is imported to, with those that are still to be written.

    A file that is there counts, whatever an import would write. Raises MigrationsError where what is there is wrong.
    """
    found = load(plan.into, order=plan.order) if plan.into.is_dir() else Migrations(plan.into, (), order=plan.order)
    by_id = dict(found.by_id)
    for entry in plan.entries:
        if entry.files and entry.migration_id not in by_id and entry.migration_id not in found.replaced:
            by_id[entry.migration_id] = _planned(entry)
    return replace(found, ordered=tuple(in_order(by_id.values(), plan.order)), by_id=by_id)


def _planned(entry: Entry) -> Migration:
    scripts = {file.path.name: script_from_text(file.path, file.text) for file in entry.files}
    name = entry.migration_id
    return Migration(name, scripts[f"{name}.sql"], scripts.get(f"{name}{ROLLBACK}"))
