"""One run at a time: the `lock`, and the watcher on its connection that sees who the `blockers` are.

`retry` runs again what has not got its locks.
"""

from __future__ import annotations

from sqlmigrate.runlock.lock import RunLock, held, holder_of, lock_key, opened_early, to_free

__all__ = ["RunLock", "held", "holder_of", "lock_key", "opened_early", "to_free"]
