"""A script in one transaction with its history row: the `job`, its `run`, and the `commit` behind it."""
