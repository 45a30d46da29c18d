"""Write the remedies of a report beside the migrations that need them, as new migrations to edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.errors import ScriptError, UsageError
from sqlmigrate.files import write_new
from sqlmigrate.review.hazards.remedies.phases import as_file, remark
from sqlmigrate.review.phases import AFTER
from sqlmigrate.sql.script import script_from_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.model import Hazard, Migration, Report
    from sqlmigrate.review.remedy import Remedy, RemedyStep


def write_remedies(report: Report, code: str) -> list[Path]:
    """Write the remedies of a hazard, by its code or slug, beside the scripts that have it; return the new files.

    They are called after the migration, so that they run right behind it. Raises UsageError where the report has no
    such remedy, ScriptError where one of the files is there already; then nothing is written.
    """
    files = {path: text for migration in report.migrations for path, text in _files(migration, code)}
    if not files:
        raise UsageError(
            f"the review gives no SQL for {code}, so nothing was written",
            hint="name the code of a hazard under which the report shows SQL",
        )
    if there := next((path for path in files if path.exists()), None):
        raise ScriptError(f"{there} exists already; nothing was written")
    for path, text in files.items():
        try:
            write_new(path, text)
        except FileExistsError:
            raise ScriptError(f"{path} exists already; it was not overwritten") from None
    return list(files)


def _files(migration: Migration, code: str) -> Iterator[tuple[Path, str]]:
    found = _remedies(migration, code)
    for remedy, hazard in found.items():
        stem = migration.migration_id + (f"_s{hazard.statement}" if len(found) > 1 else "")
        before, deployed = migration.migration_id, False
        for number, step in enumerate(remedy.steps, 1):
            name = f"{stem}_{number}_{step.name}"
            path = Path(migration.apply.path).parent / f"{name}.sql"
            head = _head(migration, hazard, remedy, number)
            deployed = deployed or (step.first or "").startswith("deploy")
            yield path, f"{head}-- depends: {before}\n{_directives(migration, step, deployed=deployed)}\n{step.sql}\n"
            if step.rollback is not None:
                text = as_file(step.rollback, transactional=step.transactional)
                yield path.with_name(f"{name}.rollback.sql"), f"{remark(f'Undoes {name}.')}\n{text}\n"
            before = name


def _remedies(migration: Migration, code: str) -> dict[Remedy, Hazard]:
    """Return what is to be written, each once: several hazards of a statement may have one remedy."""
    found: dict[Remedy, Hazard] = {}
    for statement in migration.apply.statements:
        for hazard in statement.hazards:
            if hazard.remedy is not None and code.lower() in (hazard.code.lower(), hazard.slug):
                found.setdefault(hazard.remedy, hazard)
    return found


def _head(migration: Migration, hazard: Hazard, remedy: Remedy, number: int) -> str:
    place = "After" if remedy.after else "Instead of"
    step = remedy.steps[number - 1]
    which = f", {number} of {len(remedy.steps)}: {step.name}" if len(remedy.steps) > 1 else ""
    lines = [f"{place} statement {hazard.statement} of {migration.migration_id} ({hazard.code}){which}."]
    lines += [f"{remedy.becomes}."] if remedy.becomes and number == 1 else []
    lines += [f"First {step.first}."] if step.first else []
    if number == 1 and not remedy.after:
        lines.append("Edit these files, and take the statement out of that one.")
    return "".join(f"{remark(line)}\n" for line in lines)


def _directives(migration: Migration, step: RemedyStep, *, deployed: bool) -> str:
    """Repeat what the script says of itself as far as it counts for these statements.

    What waits for a version of the application to be `deployed` belongs to the phase after that.
    """
    script = script_from_text(Path(migration.apply.path), migration.apply.text or "")
    asked = script.directives
    pairs = [f'{key}="{value}"' for key in ("role", "search_path") if (value := getattr(asked, key))]
    pairs += [f"phase={AFTER}"] if deployed else []
    lines = [f"-- sqlmigrate: {' '.join(pairs)}"] if pairs else []
    lines += [] if step.transactional else ["-- transactional: false"]
    return "".join(f"{line}\n" for line in lines)
