"""From tables that are there to seed files: their schemas and rows."""
