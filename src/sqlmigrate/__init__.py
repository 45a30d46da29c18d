"""PostgreSQL schema changes from plain SQL files that a DBA can read, prove and undo."""

__version__ = "0.1.0"
