"""Running plans: apply, rollback, mark and unmark, each with its history row in one transaction."""

from sqlmigrate.engine.apply import Result, apply, preview, rollback
from sqlmigrate.engine.marks import mark, unmark
from sqlmigrate.engine.session import Options

__all__ = ["Options", "Result", "apply", "mark", "preview", "rollback", "unmark"]
