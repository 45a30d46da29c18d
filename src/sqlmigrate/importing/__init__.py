"""From other migration tools to us: their files become ours (`convert`), their histories marks in ours (`marking`)."""

from __future__ import annotations
