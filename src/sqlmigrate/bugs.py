"""What to say of an exception that nobody expected: it is a mistake of ours."""

from __future__ import annotations

import traceback

from sqlmigrate import __version__
from sqlmigrate.connection import redact
from sqlmigrate.errors import Bug


def as_bug(error: Exception) -> Bug:
    """Give the error that reports an exception, with its trace, both without any password."""
    message = f"this is a bug in sqlmigrate {__version__}: {type(error).__name__}: {redact(str(error))}"
    return Bug(message, report=redact("".join(traceback.format_exception(error))))
