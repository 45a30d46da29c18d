-- What a script takes away, found in the catalogs and counted, in transactions that write nothing.

-- name: relations
-- the relations that have one of these names, in any schema
SELECT n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, c.oid::bigint AS oid
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relname = ANY (%(names)s::pg_catalog.name[])

-- name: named
-- what has a name and is no relation, by its class and its oid: of routines all, of a role what it owns here
SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid::bigint AS class, n.oid::bigint AS object
FROM pg_catalog.pg_namespace AS n
WHERE %(kind)s::pg_catalog.text = 'schema'::pg_catalog.text
  AND n.nspname::pg_catalog.text = %(name)s::pg_catalog.text
UNION ALL
SELECT 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid::bigint, e.oid::bigint
FROM pg_catalog.pg_extension AS e
WHERE %(kind)s::pg_catalog.text = 'extension'::pg_catalog.text
  AND e.extname::pg_catalog.text = %(name)s::pg_catalog.text
UNION ALL
SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid::bigint, p.oid::bigint
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE %(kind)s::pg_catalog.text = 'routine'::pg_catalog.text
  AND p.proname::pg_catalog.text = %(name)s::pg_catalog.text
  AND n.nspname::pg_catalog.text = ANY (%(path)s::pg_catalog.text[])
UNION ALL
(SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid::bigint, t.oid::bigint
 FROM pg_catalog.pg_type AS t
 JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
 WHERE %(kind)s::pg_catalog.text = 'type'::pg_catalog.text
   AND t.typname::pg_catalog.text = %(name)s::pg_catalog.text
   AND n.nspname::pg_catalog.text = ANY (%(path)s::pg_catalog.text[])
 ORDER BY pg_catalog.array_position(%(path)s::pg_catalog.text[], n.nspname::pg_catalog.text)
 LIMIT 1)
UNION ALL
SELECT s.classid::bigint, s.objid::bigint
FROM pg_catalog.pg_shdepend AS s
JOIN pg_catalog.pg_roles AS r ON r.oid = s.refobjid
JOIN pg_catalog.pg_database AS d ON d.oid = s.dbid
WHERE %(kind)s::pg_catalog.text = 'role'::pg_catalog.text
  AND r.rolname::pg_catalog.text = %(name)s::pg_catalog.text
  AND d.datname = pg_catalog.current_database()
  AND s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass::pg_catalog.oid
  AND s.deptype = 'o'

-- name: gone
-- what goes with these objects: tables, columns, materialized views and sequences that nothing owns; `tags` say with
-- which statement, and `kept` are relations that stay, since the script has moved them out of a schema.
-- Without CASCADE, PostgreSQL refuses where something else depends on them ('n'). What depends inside ('i') takes along
-- what it is a part of: the rule of a view the view, the value of a generated column the column.
WITH RECURSIVE gone (tag, class, object, sub, cascade) AS (
    SELECT s.tag, s.class, s.object, s.sub, s.cascade
    FROM ROWS FROM (pg_catalog.unnest(%(tags)s::pg_catalog.int4[]),
                    pg_catalog.unnest(%(classes)s::pg_catalog.oid[]),
                    pg_catalog.unnest(%(objects)s::pg_catalog.oid[]),
                    pg_catalog.unnest(%(subs)s::pg_catalog.int4[]),
                    pg_catalog.unnest(%(cascades)s::pg_catalog.bool[])) AS s (tag, class, object, sub, cascade)
    UNION
    SELECT g.tag, n.class, n.object, n.sub, g.cascade
    FROM gone AS g
    CROSS JOIN LATERAL (
        SELECT d.classid AS class, d.objid AS object, d.objsubid AS sub
        FROM pg_catalog.pg_depend AS d
        WHERE d.refclassid = g.class
          AND d.refobjid = g.object
          AND (g.sub = 0 OR d.refobjsubid = g.sub)
          AND (d.deptype <> 'n' OR g.cascade)
        UNION ALL
        SELECT d.refclassid, d.refobjid, d.refobjsubid
        FROM pg_catalog.pg_depend AS d
        WHERE d.classid = g.class
          AND d.objid = g.object
          AND (g.sub = 0 OR d.objsubid = g.sub)
          AND d.deptype = 'i'
    ) AS n
    WHERE NOT (n.class = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
               AND n.sub = 0
               AND EXISTS (SELECT
                           FROM ROWS FROM (pg_catalog.unnest(%(kept_tags)s::pg_catalog.int4[]),
                                           pg_catalog.unnest(%(kept)s::pg_catalog.oid[])) AS k (tag, oid)
                           WHERE k.tag = g.tag
                             AND k.oid = n.object))
)
SELECT DISTINCT
       g.tag AS tag,
       c.oid::bigint AS oid,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       c.relkind::pg_catalog.text AS kind,
       coalesce(a.attname::pg_catalog.text, ''::pg_catalog.text) AS column,
       coalesce(i.inhparent, 0::pg_catalog.oid)::bigint AS partition_of
FROM gone AS g
JOIN pg_catalog.pg_class AS c ON c.oid = g.object
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = g.sub AND g.sub > 0
LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid AND c.relispartition
WHERE g.class = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
  AND c.relkind IN ('r', 'p', 'm', 'S')
  AND c.relpersistence <> 't'
  AND (g.sub = 0 OR a.attgenerated = ''::pg_catalog."char")
  AND (c.relkind <> 'S'
       OR NOT EXISTS (SELECT
                      FROM pg_catalog.pg_depend AS d
                      WHERE d.classid = g.class
                        AND d.objid = c.oid
                        AND d.refclassid = g.class
                        AND d.deptype IN ('a', 'i')))
ORDER BY 1, 3, 4, 6

-- name: tree
-- tables with their partitions and children, `children` for those, and with what refers to them by a foreign key:
-- to one that is truncated with CASCADE (`all_keys`), or to one whose rows are deleted (ON DELETE CASCADE)
WITH RECURSIVE below (oid, referring) AS (
    SELECT o.oid, false
    FROM pg_catalog.unnest(%(oids)s::pg_catalog.oid[]) AS o (oid)
    UNION
    SELECT n.oid, n.referring
    FROM below AS b
    CROSS JOIN LATERAL (
        SELECT i.inhrelid AS oid, b.referring
        FROM pg_catalog.pg_inherits AS i
        WHERE i.inhparent = b.oid
          AND %(children)s::pg_catalog.bool
        UNION ALL
        SELECT k.conrelid, true
        FROM pg_catalog.pg_constraint AS k
        WHERE k.confrelid = b.oid
          AND k.contype = 'f'
          AND (%(all_keys)s::pg_catalog.bool OR (%(deleting)s::pg_catalog.bool AND k.confdeltype = 'c'))
    ) AS n (oid, referring)
)
SELECT c.oid::bigint AS oid,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       c.relkind::pg_catalog.text AS kind,
       ''::pg_catalog.text AS column,
       coalesce(i.inhparent, 0::pg_catalog.oid)::bigint AS partition_of,
       pg_catalog.bool_and(b.referring) AS referring
FROM below AS b
JOIN pg_catalog.pg_class AS c ON c.oid = b.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = c.oid AND c.relispartition
WHERE c.relkind IN ('r', 'p')
  AND c.relpersistence <> 't'
GROUP BY 1, 2, 3, 4, 6
ORDER BY 2, 3

-- name: heirs
-- columns of tables and, with `children`, what their partitions and children have of them
WITH RECURSIVE below (tag, root, oid, name, children) AS (
    SELECT s.tag, s.oid, s.oid, s.name, s.children
    FROM ROWS FROM (pg_catalog.unnest(%(tags)s::pg_catalog.int4[]),
                    pg_catalog.unnest(%(oids)s::pg_catalog.oid[]),
                    pg_catalog.unnest(%(names)s::pg_catalog.text[]),
                    pg_catalog.unnest(%(children)s::pg_catalog.bool[])) AS s (tag, oid, name, children)
    UNION
    SELECT b.tag, b.root, i.inhrelid, b.name, b.children
    FROM below AS b
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = b.oid
    WHERE b.children
)
SELECT b.tag AS tag,
       c.oid::bigint AS oid,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       c.relkind::pg_catalog.text AS kind,
       a.attname::pg_catalog.text AS column,
       a.attnum::pg_catalog.int4 AS number,
       a.attgenerated <> ''::pg_catalog."char" AS generated,
       t.typname::pg_catalog.text AS type,
       a.atttypmod AS modifier
FROM below AS b
JOIN pg_catalog.pg_class AS c ON c.oid = b.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE a.attname::pg_catalog.text = b.name
  AND a.attnum > 0::pg_catalog.int2
  AND NOT a.attisdropped
  AND c.relpersistence <> 't'
ORDER BY b.tag, c.oid = b.root DESC, 3, 4

-- name: tables
-- What is known of tables without reading them; -1 rows where nothing is. Whoever plans a query of a table runs functions
-- of its index expressions, predicates and extended statistics, with his own rights: `strange` is a role whose functions
-- these are, other than the login, its roles and superusers, as `trust` tells them. An operator counts by its function.
WITH RECURSIVE login (oid) AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user
    UNION
    SELECT given.roleid
    FROM login
    JOIN pg_catalog.pg_auth_members AS given ON given.member = login.oid
    WHERE given.grantor <> given.roleid
      AND coalesce(pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(given), 'inherit_option')::boolean
                   OR pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(given), 'set_option')::boolean, true)
), part (root, class, object) AS MATERIALIZED (
    SELECT x.indrelid, 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, x.indexrelid
    FROM pg_catalog.pg_index AS x
    WHERE x.indrelid = ANY (%(oids)s::pg_catalog.oid[])
      AND (x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)
    UNION ALL
    SELECT s.stxrelid, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid, s.oid
    FROM pg_catalog.pg_statistic_ext AS s
    WHERE s.stxrelid = ANY (%(oids)s::pg_catalog.oid[])
), called (root, function) AS (
    SELECT p.root,
           CASE WHEN d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid THEN d.refobjid
                ELSE o.oprcode::pg_catalog.oid
           END
    FROM part AS p
    JOIN pg_catalog.pg_depend AS d ON d.classid = p.class AND d.objid = p.object
    LEFT JOIN pg_catalog.pg_operator AS o
        ON d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid AND o.oid = d.refobjid
    WHERE d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid,
                           'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid)
), strange (root, role) AS (
    SELECT c.root, pg_catalog.min(pg_catalog.pg_get_userbyid(f.proowner)::pg_catalog.text)
    FROM called AS c
    JOIN pg_catalog.pg_proc AS f ON f.oid = c.function
    WHERE f.proowner NOT IN (SELECT oid FROM login)
      AND f.proowner NOT IN (SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper)
    GROUP BY c.root
)
SELECT c.oid::bigint AS oid,
       n.nspname::pg_catalog.text AS schema,
       c.relname::pg_catalog.text AS name,
       greatest(c.reltuples::pg_catalog.float8, pg_catalog.pg_stat_get_live_tuples(c.oid)::pg_catalog.float8) AS rows,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS reachable,
       pg_catalog.row_security_active(c.oid) AS filtered,
       (SELECT role FROM strange WHERE root = c.oid) AS strange,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname::pg_catalog.text)
             FROM pg_catalog.pg_index AS x
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey::pg_catalog.int2[])
             WHERE x.indrelid = c.oid
               AND x.indisprimary
             ORDER BY a.attnum) AS key
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ANY (%(oids)s::pg_catalog.oid[])

-- name: columns
-- the columns that hold values of their own, and which part of them was NULL when ANALYZE looked
SELECT a.attrelid::bigint AS oid,
       a.attname::pg_catalog.text AS name,
       a.attnotnull
           AND NOT EXISTS (SELECT
                           FROM pg_catalog.pg_constraint AS k
                           WHERE k.conrelid = a.attrelid
                             AND k.contype = 'n'
                             AND NOT k.convalidated
                             AND a.attnum = ANY (k.conkey)) AS filled,
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS readable,
       s.null_frac::pg_catalog.float8 AS null_part
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_stats AS s
       ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
WHERE a.attrelid = ANY (%(oids)s::pg_catalog.oid[])
  AND a.attnum > 0::pg_catalog.int2
  AND NOT a.attisdropped
  AND a.attgenerated = ''::pg_catalog."char"
ORDER BY a.attrelid, a.attnum

-- name: stands
SELECT CASE WHEN pg_catalog.has_sequence_privilege(%(oid)s::pg_catalog.oid, 'USAGE')
              OR pg_catalog.has_sequence_privilege(%(oid)s::pg_catalog.oid, 'SELECT')
            THEN pg_catalog.pg_sequence_last_value(%(oid)s::pg_catalog.oid::pg_catalog.regclass)
       END AS value,
       pg_catalog.has_sequence_privilege(%(oid)s::pg_catalog.oid, 'USAGE')
           OR pg_catalog.has_sequence_privilege(%(oid)s::pg_catalog.oid, 'SELECT') AS readable
