"""The one place that asks what a statement is; what to make of the answer is for who asks.

- `parse`: its parse tree and tokens; the only door to libpg_query
- `command`: what PostgreSQL's documentation calls it
- `effect`: what it does to its transaction; `session`: to the session's settings; `rows`: to rows and values
- `subject`: the relation, index or database that it is about; `names`: every object that it reads or writes
- `needs`: the roles, extensions and tablespaces that it needs of the cluster
- `reach`: whether it has effects beyond its transaction
- `bodies`: the statements in a DO block or function
"""
