"""Check an import: our files against the tool's own, and against a live database."""
