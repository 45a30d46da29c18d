"""Rows of a table that no file names: what pruning would take with them, and taking them."""
