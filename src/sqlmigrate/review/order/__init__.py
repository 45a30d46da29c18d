"""Whether a late migration may still run on what came after it."""
