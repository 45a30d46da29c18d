"""Drift: what a live database has that its applied migrations do not say, and the other way round."""

from __future__ import annotations

from sqlmigrate.drift.find import find
from sqlmigrate.drift.model import Drift

__all__ = ["Drift", "find"]
