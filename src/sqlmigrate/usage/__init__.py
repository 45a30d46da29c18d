"""When the objects of a database were last used, and by what: what the server has counted and what hangs on them."""
