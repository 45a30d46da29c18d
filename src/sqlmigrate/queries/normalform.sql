-- name: view
-- in the short form: what was flat and what was nested are then printed alike, and read alike the next time
SELECT pg_catalog.pg_get_viewdef(c.oid, true)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s::pg_catalog.name
  AND c.relkind = 'v'::pg_catalog."char"

-- name: rule
SELECT pg_catalog.pg_get_ruledef(r.oid, true)
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s::pg_catalog.name

-- name: routine
SELECT pg_catalog.pg_get_functiondef(p.oid)
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = %(schema)s::pg_catalog.name
