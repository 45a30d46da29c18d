"""A plan as one script for psql, which leaves the same database and the same history."""
