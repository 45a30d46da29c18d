"""Reading SQL scripts: split them as psql does, find their directives, classify their statements."""
