-- What the tracer reads around each statement, in the transaction of that statement.

-- name: relations
-- every relation that is not PostgreSQL's own, or those of some tables `only`; `base` is the table of an index, which may
-- be a TOAST table, or of a TOAST table
SELECT c.oid::bigint,
       c.relkind::pg_catalog.text,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname),
       c.relfilenode::bigint,
       coalesce(x.indrelid, toasted.refobjid, 0)::bigint AS base,
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text,
       n.nspname ~ '^pg_toast'::pg_catalog.text
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = c.oid AND c.relkind IN ('i', 'I')
LEFT JOIN pg_catalog.pg_depend AS toasted -- reltoastrelid has no index
    ON c.relkind = 't'
   AND toasted.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
   AND toasted.objid = c.oid
   AND toasted.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
   AND toasted.deptype = 'i'
WHERE c.oid >= 16384::pg_catalog.oid
  AND c.relkind <> 'c'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (%(only)s::pg_catalog.oid[] IS NULL
       OR c.oid = ANY (ARRAY(SELECT oid
                             FROM pg_catalog.unnest(%(only)s::pg_catalog.oid[]) AS oid
                             UNION ALL
                             SELECT indexrelid
                             FROM pg_catalog.pg_index
                             WHERE indrelid = ANY (%(only)s::pg_catalog.oid[])
                             UNION ALL
                             SELECT reltoastrelid
                             FROM pg_catalog.pg_class
                             WHERE oid = ANY (%(only)s::pg_catalog.oid[]))))

-- name: locks
-- what a session holds or waits for; `class` is the catalog of a locked object that is no relation
SELECT coalesce(l.relation, l.objid)::bigint,
       coalesce(l.classid, 0)::bigint,
       l.mode,
       l.granted
FROM pg_catalog.pg_locks AS l
WHERE l.pid = coalesce(%(pid)s::integer, pg_catalog.pg_backend_pid())
  AND (l.locktype = 'relation'
       OR l.locktype = 'object' AND l.classid IN ('pg_catalog.pg_type'::pg_catalog.regclass,
                                                  'pg_catalog.pg_namespace'::pg_catalog.regclass))
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND (l.relation >= 16384::pg_catalog.oid OR l.objid >= 2200::pg_catalog.oid)

-- name: scans
-- of PostgreSQL's view pg_stat_xact_user_tables, without what it reads of each table besides; of all, or `only` of some
SELECT c.oid::bigint, pg_catalog.pg_stat_get_xact_numscans(c.oid)
FROM pg_catalog.pg_class AS c
WHERE c.relkind IN ('r', 't', 'm', 'p')
  AND c.relnamespace NOT IN (SELECT oid
                             FROM pg_catalog.pg_namespace
                             WHERE nspname IN ('pg_catalog', 'information_schema')
                                OR nspname ~ '^pg_toast'::pg_catalog.text)
  AND (%(only)s::pg_catalog.oid[] IS NULL OR c.oid = ANY (%(only)s::pg_catalog.oid[]))
  AND pg_catalog.pg_stat_get_xact_numscans(c.oid) > 0

-- name: named
-- what can be locked and is no relation: types and schemas
SELECT t.tableoid::bigint, t.oid::bigint, 'type', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
FROM pg_catalog.pg_type AS t
JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
WHERE t.oid >= 16384::pg_catalog.oid
  AND t.typrelid = 0::pg_catalog.oid
  AND t.typelem = 0::pg_catalog.oid
UNION ALL
SELECT n.tableoid::bigint, n.oid::bigint, 'schema', pg_catalog.quote_ident(n.nspname)
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname !~ '^pg_'::pg_catalog.text
  AND n.nspname <> 'information_schema'

-- name: blockers
SELECT pg_catalog.pg_blocking_pids(%(pid)s::integer)

-- name: tables_of
-- what a statement on these relations waits for: of an index, its table
SELECT c.oid::bigint, coalesce(x.indrelid, c.oid)::bigint
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = c.oid
WHERE c.oid = ANY (%(oids)s::pg_catalog.oid[])

-- name: objects
-- One row for each thing that statements make, change or drop, with a digest of what it is. Rows with the same key are
-- one thing; those without a name only add to its digest. `part_of` is the oid of the relation that a part belongs to.
-- With some tables `only`, nothing but these and what belongs to them; the remarks are of whatever there is.
WITH space AS MATERIALIZED (
    SELECT oid, pg_catalog.quote_ident(nspname) AS name, nspowner, nspacl
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_'::pg_catalog.text
      AND nspname <> 'information_schema'
), relation AS MATERIALIZED (
    SELECT c.*, s.name || '.' || pg_catalog.quote_ident(c.relname) AS name
    FROM pg_catalog.pg_class AS c
    JOIN space AS s ON s.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = c.oid
    WHERE c.oid >= 16384::pg_catalog.oid
      AND (%(only)s::pg_catalog.oid[] IS NULL
           OR c.oid = ANY (ARRAY(SELECT oid
                                 FROM pg_catalog.unnest(%(only)s::pg_catalog.oid[]) AS oid
                                 UNION ALL
                                 SELECT indexrelid
                                 FROM pg_catalog.pg_index
                                 WHERE indrelid = ANY (%(only)s::pg_catalog.oid[]))))
)
SELECT 2615::bigint AS class, s.oid::bigint, 0 AS sub, 'schema' AS kind, s.name, 0::bigint AS part_of,
       ROW(s.nspowner, s.nspacl)::pg_catalog.text AS digest
FROM space AS s
WHERE %(only)s::pg_catalog.oid[] IS NULL
UNION ALL
SELECT 1259, r.oid, 0,
       CASE r.relkind
           WHEN 'v' THEN 'view'
           WHEN 'm' THEN 'materialized view'
           WHEN 'i' THEN 'index'
           WHEN 'I' THEN 'index'
           WHEN 'S' THEN 'sequence'
           WHEN 'f' THEN 'foreign table'
           WHEN 'c' THEN 'type'
           ELSE 'table'
       END,
       r.name, coalesce(x.indrelid, 0),
       ROW(CASE WHEN x.indrelid IS NULL THEN ROW(r.relowner, r.relpersistence) END, -- an index has its table's
           r.relacl, r.reloptions, r.relrowsecurity, r.relforcerowsecurity, r.reltablespace, r.relreplident, r.relam, r.relispopulated, r.relispartition, r.relpartbound,
           x.indisvalid, x.indisreplident, x.indisclustered)::pg_catalog.text
FROM relation AS r
LEFT JOIN pg_catalog.pg_index AS x ON x.indexrelid = r.oid
UNION ALL
SELECT 1259, a.attrelid, a.attnum, 'column', r.name || '.' || pg_catalog.quote_ident(a.attname), a.attrelid,
       ROW(a.atttypid, a.atttypmod, a.attnotnull, a.attidentity, a.attgenerated, a.attcollation, a.attstorage,
           a.attcompression, a.attacl, a.attoptions, a.attstattarget,
           pg_catalog.md5(d.adbin::pg_catalog.text))::pg_catalog.text
FROM pg_catalog.pg_attribute AS a
JOIN relation AS r ON r.oid = a.attrelid AND r.relkind NOT IN ('i', 'I', 'S')
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0
  AND NOT a.attisdropped
  AND (%(only)s::pg_catalog.oid[] IS NULL OR a.attrelid = ANY (%(only)s::pg_catalog.oid[]))
UNION ALL
SELECT 2606, c.oid, 0, 'constraint', pg_catalog.quote_ident(c.conname) || ' on ' || r.name, c.conrelid,
       ROW(c.convalidated, c.condeferrable, c.condeferred, c.confdeltype, c.confupdtype, c.conkey, c.confkey,
           pg_catalog.md5(c.conbin::pg_catalog.text))::pg_catalog.text
FROM pg_catalog.pg_constraint AS c
JOIN relation AS r ON r.oid = c.conrelid
WHERE c.contype <> 'n' -- NOT NULL, since 18: it is seen as a change of its column
  AND (%(only)s::pg_catalog.oid[] IS NULL OR c.conrelid = ANY (%(only)s::pg_catalog.oid[]))
UNION ALL
SELECT 2620, t.oid, 0, 'trigger', pg_catalog.quote_ident(t.tgname) || ' on ' || r.name, t.tgrelid,
       ROW(t.tgenabled, t.tgfoid, t.tgtype, t.tgattr, t.tgargs, pg_catalog.md5(t.tgqual::pg_catalog.text))::pg_catalog.text
FROM pg_catalog.pg_trigger AS t
JOIN relation AS r ON r.oid = t.tgrelid
WHERE NOT t.tgisinternal
  AND (%(only)s::pg_catalog.oid[] IS NULL OR t.tgrelid = ANY (%(only)s::pg_catalog.oid[]))
UNION ALL
SELECT 3256, p.oid, 0, 'policy', pg_catalog.quote_ident(p.polname) || ' on ' || r.name, p.polrelid,
       ROW(p.polcmd, p.polpermissive, p.polroles, pg_catalog.md5(p.polqual::pg_catalog.text),
           pg_catalog.md5(p.polwithcheck::pg_catalog.text))::pg_catalog.text
FROM pg_catalog.pg_policy AS p
JOIN relation AS r ON r.oid = p.polrelid
WHERE (%(only)s::pg_catalog.oid[] IS NULL OR p.polrelid = ANY (%(only)s::pg_catalog.oid[]))
UNION ALL
SELECT CASE WHEN w.rulename = '_RETURN' THEN 1259 ELSE 2618 END,
       CASE WHEN w.rulename = '_RETURN' THEN r.oid ELSE w.oid END, 0,
       CASE WHEN w.rulename <> '_RETURN' THEN 'rule' END,
       pg_catalog.quote_ident(w.rulename) || ' on ' || r.name, r.oid, pg_catalog.md5(w.ev_action::pg_catalog.text)
FROM pg_catalog.pg_rewrite AS w
JOIN relation AS r ON r.oid = w.ev_class
WHERE (%(only)s::pg_catalog.oid[] IS NULL OR w.ev_class = ANY (%(only)s::pg_catalog.oid[]))
UNION ALL
SELECT 1255, p.oid, 0, CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
       p.oid::pg_catalog.regprocedure::pg_catalog.text, -- as the schema has it
       0, pg_catalog.md5(ROW(p.*)::pg_catalog.text)
FROM pg_catalog.pg_proc AS p
JOIN space AS s ON s.oid = p.pronamespace
WHERE p.oid >= 16384::pg_catalog.oid
  AND %(only)s::pg_catalog.oid[] IS NULL
UNION ALL
SELECT 1247, t.oid, 0, CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END,
       s.name || '.' || pg_catalog.quote_ident(t.typname), 0,
       ROW(t.typowner, t.typacl, t.typnotnull, t.typdefault,
           (SELECT pg_catalog.array_agg(ROW(e.enumlabel, e.enumsortorder)::pg_catalog.text ORDER BY e.enumsortorder)
            FROM pg_catalog.pg_enum AS e
            WHERE e.enumtypid = t.oid))::pg_catalog.text
FROM pg_catalog.pg_type AS t
JOIN space AS s ON s.oid = t.typnamespace
WHERE t.oid >= 16384::pg_catalog.oid
  AND t.typrelid = 0::pg_catalog.oid
  AND t.typelem = 0::pg_catalog.oid
  AND %(only)s::pg_catalog.oid[] IS NULL
UNION ALL
SELECT 3381, t.oid, 0, 'statistics object', s.name || '.' || pg_catalog.quote_ident(t.stxname), t.stxrelid,
       ROW(t.stxowner, t.stxkeys, t.stxkind)::pg_catalog.text
FROM pg_catalog.pg_statistic_ext AS t
JOIN space AS s ON s.oid = t.stxnamespace
WHERE %(only)s::pg_catalog.oid[] IS NULL
   OR t.stxrelid = ANY (%(only)s::pg_catalog.oid[])
UNION ALL
SELECT 3079, e.oid, 0, 'extension', pg_catalog.quote_ident(e.extname), 0, e.extversion
FROM pg_catalog.pg_extension AS e
WHERE %(only)s::pg_catalog.oid[] IS NULL
UNION ALL
SELECT 6104, p.oid, 0, 'publication', pg_catalog.quote_ident(p.pubname), 0,
       ROW(p.*, (SELECT pg_catalog.array_agg(m.prrelid ORDER BY m.prrelid)
                 FROM pg_catalog.pg_publication_rel AS m
                 WHERE m.prpubid = p.oid))::pg_catalog.text
FROM pg_catalog.pg_publication AS p
WHERE %(only)s::pg_catalog.oid[] IS NULL
UNION ALL
SELECT 3466, e.oid, 0, 'event trigger', pg_catalog.quote_ident(e.evtname), 0, ROW(e.evtenabled, e.evtfoid)::pg_catalog.text
FROM pg_catalog.pg_event_trigger AS e
WHERE %(only)s::pg_catalog.oid[] IS NULL
UNION ALL
SELECT 826, d.oid, 0, 'default privileges',
       'for role ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.defaclrole)::pg_catalog.text)
           || coalesce(' in schema ' || s.name, '') || ' on '
           || CASE d.defaclobjtype
                  WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
                  WHEN 'n' THEN 'schemas' ELSE 'large objects'
              END,
       0, ROW(d.defaclacl)::pg_catalog.text
FROM pg_catalog.pg_default_acl AS d
LEFT JOIN space AS s ON s.oid = d.defaclnamespace
WHERE %(only)s::pg_catalog.oid[] IS NULL
UNION ALL
SELECT d.classoid, d.objoid, d.objsubid, NULL, NULL, 0, d.description
FROM pg_catalog.pg_description AS d
WHERE d.objoid >= 16384::pg_catalog.oid OR d.classoid = 2615::pg_catalog.oid

-- name: figures
-- Of the target: since when its counters count, and the oldest transaction that we may see. From 15 on a database has no
-- time of its own before the first pg_stat_reset(). Then its counters are as old as those of the server, which a restart
-- keeps and a crash begins anew; each of these may have been reset later, so the earliest time counts.
SELECT pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) AS version,
       pg_catalog.clock_timestamp() AS read_at,
       coalesce((SELECT stats_reset FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()),
                least((SELECT stats_reset FROM pg_catalog.pg_stat_archiver),
                      (SELECT stats_reset FROM pg_catalog.pg_stat_bgwriter),
                      (SELECT stats_reset FROM pg_catalog.pg_stat_wal)),
                pg_catalog.pg_postmaster_start_time()) AS since,
       oldest.seconds,
       oldest.who
FROM (VALUES (1)) AS one
LEFT JOIN LATERAL (
    SELECT extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::double precision AS seconds,
           pg_catalog.concat('pid ', a.pid, ' (role ', coalesce(a.usename, '?'), ', ',
                             pg_catalog.quote_literal(coalesce(a.application_name, '')), ')') AS who
    FROM pg_catalog.pg_stat_activity AS a
    WHERE a.datname = pg_catalog.current_database()
      AND a.backend_type = 'client backend'
      AND a.pid <> pg_catalog.pg_backend_pid()
      AND a.xact_start IS NOT NULL
    ORDER BY a.xact_start
    LIMIT 1
) AS oldest ON true

-- name: sizes
-- A partitioned table has the sum of its partitions. What ANALYZE knows of the whole is the same rows again.
WITH RECURSIVE tree (root, oid) AS (
    SELECT c.oid, c.oid
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'm')
      AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname !~ '^pg_toast'::pg_catalog.text
      AND n.nspname <> %(leave_out)s::pg_catalog.text
    UNION ALL
    SELECT t.root, i.inhrelid
    FROM tree AS t
    JOIN pg_catalog.pg_class AS p ON p.oid = t.oid AND p.relkind = 'p'
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid
)
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(r.relname) AS name,
       pg_catalog.sum(nullif(c.reltuples, -1::pg_catalog.float4))::bigint AS rows,
       coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid)), 0)::bigint AS size,
       pg_catalog.sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del)::double precision AS writes,
       pg_catalog.sum(s.idx_scan)::double precision AS index_scans,
       pg_catalog.sum(s.seq_scan)::double precision AS scans
FROM tree AS t
JOIN pg_catalog.pg_class AS r ON r.oid = t.root
JOIN pg_catalog.pg_namespace AS n ON n.oid = r.relnamespace
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.oid AND c.relkind <> 'p'
LEFT JOIN pg_catalog.pg_stat_user_tables AS s ON s.relid = c.oid
GROUP BY 1, t.root
ORDER BY 3 DESC, 1

-- name: columns
-- what ANALYZE has found of columns; of a partitioned table, of all of its partitions together
SELECT DISTINCT ON (1, 2)
       pg_catalog.quote_ident(s.schemaname) || '.' || pg_catalog.quote_ident(s.tablename),
       pg_catalog.quote_ident(s.attname),
       s.null_frac::double precision,
       s.n_distinct::double precision
FROM pg_catalog.pg_stats AS s
WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema')
  AND (%(names)s::pg_catalog.text[] IS NULL
       OR pg_catalog.quote_ident(s.schemaname) || '.' || pg_catalog.quote_ident(s.tablename)
          = ANY (%(names)s::pg_catalog.text[]))
ORDER BY 1, 2, s.inherited DESC

-- name: plannable
-- The relations whose planning runs no code but PostgreSQL's own: tables with all that belongs to them, and whatever of
-- it depends on. PostgreSQL keeps no dependency on what it needs itself, so each that is there is on something else.
WITH RECURSIVE tree (root, oid) AS (
    SELECT c.oid, c.oid
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) = ANY (%(names)s::pg_catalog.text[])
    UNION
    SELECT t.root, i.inhrelid
    FROM tree AS t
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid
), used (root, type) AS ( -- what a value in a statement may have as its type: those of columns and whole rows
    SELECT t.root, y.oid
    FROM tree AS t
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0
    JOIN pg_catalog.pg_type AS y ON y.oid = a.atttypid AND y.oid >= 16384::pg_catalog.oid
    UNION
    SELECT t.root, c.reltype
    FROM tree AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.oid AND c.reltype <> 0::pg_catalog.oid
    UNION -- an array's elements, and the array of a type
    SELECT u.root, y.oid
    FROM used AS u
    JOIN pg_catalog.pg_type AS x ON x.oid = u.type
    JOIN pg_catalog.pg_type AS y ON y.oid >= 16384::pg_catalog.oid AND (y.oid = x.typelem OR y.typelem = x.oid)
), part (root, class, object) AS (
    SELECT root, 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, oid
    FROM tree
    UNION ALL
    SELECT t.root, 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, x.indexrelid
    FROM tree AS t
    JOIN pg_catalog.pg_index AS x ON x.indrelid = t.oid
    UNION ALL
    SELECT t.root, c.tableoid, c.oid
    FROM tree AS t
    JOIN pg_catalog.pg_constraint AS c ON c.conrelid = t.oid
    UNION ALL
    SELECT t.root, s.tableoid, s.oid
    FROM tree AS t
    JOIN pg_catalog.pg_statistic_ext AS s ON s.stxrelid = t.oid
    UNION ALL
    SELECT t.root, d.tableoid, d.oid
    FROM tree AS t
    JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = t.oid
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE a.attgenerated <> ''::pg_catalog."char"
    UNION ALL
    SELECT u.root, c.tableoid, c.oid
    FROM used AS u
    JOIN pg_catalog.pg_constraint AS c ON c.contypid = u.type
), strange (root) AS (
    SELECT p.root
    FROM part AS p
    JOIN pg_catalog.pg_depend AS d ON d.classid = p.class AND d.objid = p.object
    LEFT JOIN pg_catalog.pg_type AS t
        ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid AND t.oid = d.refobjid
    LEFT JOIN pg_catalog.pg_type AS inner_type ON inner_type.oid = coalesce(nullif(t.typelem, 0::pg_catalog.oid), t.oid)
    WHERE d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid,
                           'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid,
                           'pg_catalog.pg_opclass'::pg_catalog.regclass::pg_catalog.oid,
                           'pg_catalog.pg_opfamily'::pg_catalog.regclass::pg_catalog.oid,
                           'pg_catalog.pg_cast'::pg_catalog.regclass::pg_catalog.oid)
       OR (t.oid IS NOT NULL
           AND NOT (inner_type.typtype = 'e'::pg_catalog."char"
                    OR (inner_type.typtype = 'd'::pg_catalog."char" AND inner_type.typbasetype < 16384::pg_catalog.oid)))
    UNION ALL
    SELECT u.root -- a cast is a call that no statement has to write
    FROM used AS u
    JOIN pg_catalog.pg_cast AS k ON k.castsource = u.type OR k.casttarget = u.type
    WHERE k.castfunc <> 0::pg_catalog.oid
    UNION ALL
    SELECT t.root
    FROM tree AS t
    JOIN pg_catalog.pg_class AS c ON c.oid = t.oid
    WHERE c.relkind NOT IN ('r'::pg_catalog."char", 'p'::pg_catalog."char", 'm'::pg_catalog."char")
)
SELECT DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
FROM tree AS t
JOIN pg_catalog.pg_class AS c ON c.oid = t.root
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE t.root NOT IN (SELECT root FROM strange)

-- name: bodies
-- the functions of these names whose bodies are text, with what a name in them can mean; one row for each table that a
-- trigger function is used by. `types` are those of all arguments, `modes` tell them apart.
SELECT p.oid::bigint AS oid,
       coalesce(t.tgrelid, 0::pg_catalog.oid)::bigint AS relation,
       p.oid::pg_catalog.regprocedure::pg_catalog.text AS function,
       pg_catalog.quote_ident(p.proname) AS name,
       l.lanname::pg_catalog.text AS language,
       p.prosrc AS body,
       ARRAY(SELECT pg_catalog.format_type(type, NULL)
             FROM pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::pg_catalog.oid[])) WITH ORDINALITY AS a (type, number)
             ORDER BY number) AS types,
       coalesce(p.proargmodes::pg_catalog.text[], ARRAY[]::pg_catalog.text[]) AS modes,
       coalesce(p.proargnames, ARRAY[]::pg_catalog.text[]) AS names,
       (SELECT pg_catalog.substr(setting, 13)
        FROM pg_catalog.unnest(p.proconfig) AS setting
        WHERE pg_catalog.starts_with(setting, 'search_path=')) AS path,
       t.tgrelid::pg_catalog.regclass::pg_catalog.text AS "table"
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
LEFT JOIN (SELECT DISTINCT tgfoid, tgrelid FROM pg_catalog.pg_trigger WHERE NOT tgisinternal) AS t ON t.tgfoid = p.oid
WHERE l.lanname IN ('sql', 'plpgsql')
  AND p.prosqlbody IS NULL
  AND p.oid::pg_catalog.regprocedure::pg_catalog.text = ANY (%(functions)s::pg_catalog.text[])
ORDER BY 3, 2

-- name: checker
-- whether plpgsql_check can be created without running anything of the database
SELECT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'plpgsql_check') AS there,
       EXISTS (SELECT FROM pg_catalog.pg_event_trigger) AS triggers

-- name: batched_triggers
-- the triggers of a table that a command fires; `bit` is that of the command in tgtype, `names` are columns that it sets
SELECT trigger.tgname::pg_catalog.text AS name,
       CASE WHEN (trigger.tgtype & 2::smallint) <> 0::smallint THEN 'BEFORE' ELSE 'AFTER' END AS "when",
       (trigger.tgtype & 1::smallint) <> 0::smallint AS for_each_row
FROM pg_catalog.pg_trigger AS trigger
WHERE trigger.tgrelid = %(table)s::pg_catalog.oid
  AND NOT trigger.tgisinternal
  AND trigger.tgenabled IN ('O'::pg_catalog."char", 'A'::pg_catalog."char")
  AND (trigger.tgtype & %(bit)s::smallint) <> 0::smallint
  AND (%(bit)s::smallint <> 16::smallint
       OR pg_catalog.cardinality(trigger.tgattr::smallint[]) = 0
       OR EXISTS (SELECT
                  FROM pg_catalog.pg_attribute AS attribute
                  WHERE attribute.attrelid = trigger.tgrelid
                    AND attribute.attnum = ANY (trigger.tgattr::smallint[])
                    AND attribute.attname = ANY (%(names)s::pg_catalog.name[])))
ORDER BY trigger.tgname

-- name: batched_keys
-- the foreign keys that a command on a table checks or follows: those of the table itself, and those that refer to it
SELECT found.conname::pg_catalog.text AS name,
       found.conrelid::pg_catalog.regclass::pg_catalog.text AS "table",
       found.confrelid::pg_catalog.regclass::pg_catalog.text AS other,
       found.conrelid = %(table)s::pg_catalog.oid AS own,
       EXISTS (SELECT
               FROM pg_catalog.pg_index AS index
               WHERE index.indrelid = found.conrelid
                 AND index.indisvalid
                 AND index.indkey[0] = ANY (found.conkey)) AS indexed
FROM pg_catalog.pg_constraint AS found
CROSS JOIN (SELECT coalesce(pg_catalog.array_agg(attribute.attnum), '{}'::smallint[]) AS numbers
            FROM pg_catalog.pg_attribute AS attribute
            WHERE attribute.attrelid = %(table)s::pg_catalog.oid
              AND attribute.attname = ANY (%(names)s::pg_catalog.name[])) AS changed
WHERE found.contype = 'f'::pg_catalog."char"
  AND found.conparentid = 0::pg_catalog.oid
  AND ((found.conrelid = %(table)s::pg_catalog.oid
        AND (%(bit)s::smallint = 4::smallint
             OR (%(bit)s::smallint = 16::smallint AND found.conkey && changed.numbers)))
       OR (found.confrelid = %(table)s::pg_catalog.oid
           AND (%(bit)s::smallint = 8::smallint
                OR (%(bit)s::smallint = 16::smallint AND found.confkey && changed.numbers))))
ORDER BY found.conname

-- name: batched_indexes
-- the indexes of these tables that get a new entry whenever one of these columns is set
SELECT DISTINCT index.indexrelid::pg_catalog.regclass::pg_catalog.text
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
JOIN pg_catalog.pg_am AS method ON method.oid = class.relam
JOIN pg_catalog.pg_attribute AS attribute
  ON attribute.attrelid = index.indrelid
 AND attribute.attname = ANY (%(names)s::pg_catalog.name[])
WHERE index.indrelid = ANY (%(tables)s::pg_catalog.oid[])
  AND (method.amname <> 'brin' OR pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000)
  AND (attribute.attnum = ANY (index.indkey::smallint[])
       OR EXISTS (SELECT
                  FROM pg_catalog.pg_depend AS depend
                  WHERE depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                    AND depend.objid = index.indexrelid
                    AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                    AND depend.refobjid = index.indrelid
                    AND depend.refobjsubid = attribute.attnum::pg_catalog.int4))
ORDER BY 1

-- name: batched_counts
-- the rows of these tables that this transaction has changed, and those whose new version needed no entry in an index
SELECT coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(found.oid)
                               + pg_catalog.pg_stat_get_xact_tuples_updated(found.oid)
                               + pg_catalog.pg_stat_get_xact_tuples_deleted(found.oid)), 0::numeric)::bigint AS changed,
       coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_hot_updated(found.oid)), 0::numeric)::bigint AS hot
FROM pg_catalog.unnest(%(tables)s::pg_catalog.oid[]) AS found (oid)

-- name: batched_columns
-- the columns of a table, with what decides which value one can make up for them
SELECT attribute.attname::pg_catalog.text AS name,
       pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) AS type,
       attribute.attnotnull AS not_null,
       type.typcategory::pg_catalog.text AS category,
       type.typname::pg_catalog.text AS type_name
FROM pg_catalog.pg_attribute AS attribute
JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
WHERE attribute.attrelid = %(table)s::pg_catalog.oid
  AND attribute.attnum > 0
  AND NOT attribute.attisdropped
  AND attribute.attgenerated = ''::pg_catalog."char"
ORDER BY attribute.attnum

-- name: batched_checks
-- what keeps made-up rows out of a table
SELECT found.conname::pg_catalog.text
FROM pg_catalog.pg_constraint AS found
WHERE found.conrelid = %(table)s::pg_catalog.oid
  AND found.contype IN ('c'::pg_catalog."char", 'f'::pg_catalog."char")
  AND found.conparentid = 0::pg_catalog.oid
  AND found.coninhcount = 0
