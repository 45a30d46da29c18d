"""The databases and schemas of a fleet: a file, a query or a command lists them, and all are checked first.

`read` needs no database but for a query, and finds no connection string: `places` does that, in the process that
connects.
"""

from sqlmigrate.fleet.inventory.model import Target
from sqlmigrate.fleet.inventory.reading import of, read

__all__ = ["Target", "of", "read"]
