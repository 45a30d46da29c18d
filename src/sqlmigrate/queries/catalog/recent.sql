-- What the open transaction has written to the catalogs, without a look at what it has not.

-- name: moment
-- How many rows of each catalog the session has written. `others` is another text once anybody else's transaction has
-- ended, or a part of ours was taken back; from number `own` on, rows are of this transaction.
SELECT pg_catalog.now()::pg_catalog.text AS transaction,
       pg_catalog.pg_current_snapshot()::pg_catalog.text AS others,
       coalesce(pg_catalog.pg_current_xact_id_if_assigned(),
                pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()))::pg_catalog.xid::pg_catalog.text AS own,
       pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL AS has_written,
       pg_catalog.current_setting('track_counts') = 'on'::pg_catalog.text AS counts,
       c.relname::pg_catalog.text AS catalog,
       pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
       pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated,
       pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
FROM pg_catalog.pg_class AS c
WHERE c.oid < 16384::pg_catalog.oid
  AND c.relkind = 'r'
  AND c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid

-- name: may_stop
-- whether the session can get the rights to stop the server from counting
SELECT EXISTS (SELECT
               FROM pg_catalog.pg_roles AS r
               WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
                 AND (r.rolsuper
                      OR pg_catalog.has_parameter_privilege(r.oid, 'track_counts', 'SET') -- since 15
                     ))

-- name: rows
-- Of the catalogs that were `written`: a digest of this transaction's rows for each object. Nothing but the number of a
-- row's transaction is looked at before, since that is quick; who joins an extension is a row of the extension.
WITH item AS (
    SELECT 'pg_class' AS catalog, tableoid AS class, oid AS object, tableoid, xmin, ctid
    FROM pg_catalog.pg_class
    WHERE 'pg_class'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_attribute', 'pg_catalog.pg_class'::pg_catalog.regclass, attrelid, tableoid, xmin, ctid
    FROM pg_catalog.pg_attribute
    WHERE 'pg_attribute'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_attrdef', 'pg_catalog.pg_class'::pg_catalog.regclass, adrelid, tableoid, xmin, ctid
    FROM pg_catalog.pg_attrdef
    WHERE 'pg_attrdef'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_index', 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid, tableoid, xmin, ctid
    FROM pg_catalog.pg_index
    WHERE 'pg_index'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_trigger', 'pg_catalog.pg_class'::pg_catalog.regclass, tgrelid, tableoid, xmin, ctid
    FROM pg_catalog.pg_trigger
    WHERE 'pg_trigger'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_rewrite', 'pg_catalog.pg_class'::pg_catalog.regclass, ev_class, tableoid, xmin, ctid
    FROM pg_catalog.pg_rewrite
    WHERE 'pg_rewrite'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_policy', 'pg_catalog.pg_class'::pg_catalog.regclass, polrelid, tableoid, xmin, ctid
    FROM pg_catalog.pg_policy
    WHERE 'pg_policy'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_sequence', 'pg_catalog.pg_class'::pg_catalog.regclass, seqrelid, tableoid, xmin, ctid
    FROM pg_catalog.pg_sequence
    WHERE 'pg_sequence'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_inherits', 'pg_catalog.pg_class'::pg_catalog.regclass, inhrelid, tableoid, xmin, ctid
    FROM pg_catalog.pg_inherits
    WHERE 'pg_inherits'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_partitioned_table', 'pg_catalog.pg_class'::pg_catalog.regclass, partrelid, tableoid, xmin, ctid
    FROM pg_catalog.pg_partitioned_table
    WHERE 'pg_partitioned_table'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_constraint',
           CASE WHEN conrelid = 0::pg_catalog.oid THEN 'pg_catalog.pg_type'::pg_catalog.regclass ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END,
           CASE WHEN conrelid = 0::pg_catalog.oid THEN contypid ELSE conrelid END,
           tableoid, xmin, ctid
    FROM pg_catalog.pg_constraint
    WHERE 'pg_constraint'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_type', tableoid, oid, tableoid, xmin, ctid
    FROM pg_catalog.pg_type
    WHERE 'pg_type'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_enum', 'pg_catalog.pg_type'::pg_catalog.regclass, enumtypid, tableoid, xmin, ctid
    FROM pg_catalog.pg_enum
    WHERE 'pg_enum'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_proc', tableoid, oid, tableoid, xmin, ctid
    FROM pg_catalog.pg_proc
    WHERE 'pg_proc'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_description', classoid, objoid, tableoid, xmin, ctid
    FROM pg_catalog.pg_description
    WHERE 'pg_description'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
    UNION ALL
    SELECT 'pg_depend', CASE WHEN deptype = 'e' THEN 'pg_catalog.pg_extension'::pg_catalog.regclass ELSE classid END, objid, tableoid, xmin, ctid
    FROM pg_catalog.pg_depend
    WHERE 'pg_depend'::pg_catalog.text = ANY (%(written)s::pg_catalog.text[])
      AND (deptype IN ('e', 'x')
           OR deptype IN ('a', 'i') AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND refobjsubid > 0)
)
SELECT catalog,
       (class::bigint << 32) | object::bigint,
       pg_catalog.bit_xor(pg_catalog.hashtidextended(ctid, (tableoid::bigint << 32) | xmin::pg_catalog.text::bigint))
FROM item
WHERE pg_catalog.age(xmin) <= pg_catalog.age(%(own)s::pg_catalog.text::pg_catalog.xid)
GROUP BY 1, 2

-- name: dependencies
-- how many rows of pg_depend that stamps are made of are older than the transaction, and those of extensions
SELECT pg_catalog.count(*)
FROM pg_catalog.pg_depend
WHERE (deptype IN ('e', 'x')
       OR deptype IN ('a', 'i') AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND refobjsubid > 0)
  AND pg_catalog.age(xmin) > pg_catalog.age(%(own)s::pg_catalog.text::pg_catalog.xid)

-- name: homes
-- the unit of each object, which may be part of another, and whether a schema that leaves out others has it
WITH wanted AS MATERIALIZED (
    SELECT (key >> 32)::pg_catalog.oid AS class, (key & 4294967295)::pg_catalog.oid AS object, key
    FROM pg_catalog.unnest(%(keys)s::bigint[]) AS key
), home AS (
    SELECT w.key,
           CASE
               WHEN c.relkind = 'c' THEN ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | c.reltype::bigint
               WHEN c.relkind IN ('i', 'I') THEN (c.tableoid::bigint << 32) | x.indrelid::bigint
               WHEN c.relkind = 't' THEN (SELECT (d.refclassid::bigint << 32) | d.refobjid::bigint
                                          FROM pg_catalog.pg_depend AS d
                                          WHERE d.classid = w.class
                                            AND d.objid = c.oid
                                            AND d.refclassid = w.class
                                            AND d.deptype = 'i')
               ELSE w.key
           END AS unit
    FROM wanted AS w
    JOIN pg_catalog.pg_class AS c ON c.oid = w.object
    LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = c.oid
    WHERE w.class = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT w.key,
           CASE
               WHEN c.relkind <> 'c' THEN (c.tableoid::bigint << 32) | c.oid::bigint
               ELSE (t.tableoid::bigint << 32) | coalesce(r.rngtypid, e.oid, t.oid)::bigint
           END
    FROM wanted AS w
    JOIN pg_catalog.pg_type AS t ON t.oid = w.object
    LEFT JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem AND e.typarray = t.oid
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = coalesce(e.typrelid, t.typrelid)
    LEFT JOIN pg_catalog.pg_range AS r ON r.rngmultitypid = coalesce(e.oid, t.oid)
    WHERE w.class = 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT w.key, w.key
    FROM wanted AS w
    JOIN pg_catalog.pg_proc AS p ON p.oid = w.object
    WHERE w.class = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
      AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
)
SELECT h.key,
       h.unit,
       n.nspname !~ '^pg_(toast|temp_|toast_temp_)'::pg_catalog.text
           AND n.nspname <> ALL (%(leave_out)s::pg_catalog.text[])
           AND NOT EXISTS (SELECT
                           FROM pg_catalog.pg_depend AS d
                           WHERE d.classid = (h.unit >> 32)::pg_catalog.oid
                             AND d.objid = (h.unit & 4294967295)::pg_catalog.oid
                             AND d.deptype = 'e')
FROM home AS h
LEFT JOIN pg_catalog.pg_class AS c
    ON c.oid = (h.unit & 4294967295)::pg_catalog.oid
   AND (h.unit >> 32)::pg_catalog.oid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
LEFT JOIN pg_catalog.pg_type AS t
    ON t.oid = (h.unit & 4294967295)::pg_catalog.oid
   AND (h.unit >> 32)::pg_catalog.oid = 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
LEFT JOIN pg_catalog.pg_proc AS p
    ON p.oid = (h.unit & 4294967295)::pg_catalog.oid
   AND (h.unit >> 32)::pg_catalog.oid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = coalesce(c.relnamespace, t.typnamespace, p.pronamespace)
