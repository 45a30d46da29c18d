"""When the objects of a database were last used, and by what: what the server has counted and what hangs on them."""

from __future__ import annotations

from sqlmigrate.usage.counted import Counted, read_counted
from sqlmigrate.usage.finding import find_use
from sqlmigrate.usage.model import Use

__all__ = ["Counted", "Use", "find_use", "read_counted"]
