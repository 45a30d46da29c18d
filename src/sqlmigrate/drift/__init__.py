"""Drift: what a live database has that its applied migrations do not say, and the other way round."""

from __future__ import annotations

from sqlmigrate.drift.comparable import SUPABASE_SCHEMAS
from sqlmigrate.drift.find import between, find
from sqlmigrate.drift.live import Others, read_live
from sqlmigrate.drift.model import Drift, Live, Step

__all__ = ["SUPABASE_SCHEMAS", "Drift", "Live", "Others", "Step", "between", "find", "read_live"]
