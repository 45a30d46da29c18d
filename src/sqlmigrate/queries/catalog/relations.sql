-- name: relations
SELECT CASE c.relkind
           WHEN 'v' THEN 'view'
           WHEN 'm' THEN 'materialized view'
           WHEN 'f' THEN 'foreign table'
           WHEN 'S' THEN 'sequence'
           ELSE 'table'
       END AS kind,
       c.oid::pg_catalog.regclass::pg_catalog.text AS name,
       c.tableoid AS class,
       c.oid AS object,
       c.oid AS unit,
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text AS owner,
       coalesce(c.relacl, pg_catalog.acldefault(CASE c.relkind WHEN 'S' THEN 's'::pg_catalog."char" ELSE 'r'::pg_catalog."char" END,
                                                c.relowner))::pg_catalog.text[] AS acl,
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END AS definition,
       c.relkind = 'm' AND NOT c.relispopulated AS "not populated",
       c.relpersistence = 'u' AS unlogged,
       am.amname::pg_catalog.text AS "access method",
       tablespace.spcname::pg_catalog.text AS tablespace,
       c.reloptions AS options,
       toast.reloptions AS "toast options",
       c.relrowsecurity AS "row security",
       c.relforcerowsecurity AS "forced row security",
       CASE WHEN c.relkind IN ('r', 'p', 'm') THEN
           CASE c.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' WHEN 'i' THEN 'index' END
       END AS "replica identity",
       CASE WHEN c.reloftype <> 0::pg_catalog.oid THEN c.reloftype::pg_catalog.regtype::pg_catalog.text END AS "of type",
       CASE WHEN c.relkind = 'p' THEN pg_catalog.pg_get_partkeydef(c.oid) END AS "partition key",
       pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS "partition bound",
       CASE WHEN c.relispartition THEN parents.names END AS "partition of",
       CASE WHEN NOT c.relispartition THEN parents.names END AS inherits,
       parents.detaching AS "detach pending",
       -- where not even the owner has a right, an item without rights: an empty list would be none at all
       CASE
           WHEN pg_catalog.cardinality(row_type.typacl) = 0
               THEN ARRAY[pg_catalog.concat('=/', pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(row_type.typowner)))]
           ELSE row_type.typacl::pg_catalog.text[]
       END AS "row type acl",
       server.srvname::pg_catalog.text AS server,
       far.ftoptions AS "foreign options"
FROM pg_catalog.pg_class AS c
LEFT JOIN pg_catalog.pg_am AS am ON am.oid = c.relam
LEFT JOIN pg_catalog.pg_tablespace AS tablespace ON tablespace.oid = c.reltablespace
LEFT JOIN pg_catalog.pg_class AS toast ON toast.oid = c.reltoastrelid
LEFT JOIN pg_catalog.pg_type AS row_type
    ON row_type.oid = c.reltype
   AND NOT (row_type.typacl OPERATOR(pg_catalog.@>) pg_catalog.acldefault('T', row_type.typowner)
            AND row_type.typacl OPERATOR(pg_catalog.<@) pg_catalog.acldefault('T', row_type.typowner))
LEFT JOIN pg_catalog.pg_foreign_table AS far ON far.ftrelid = c.oid
LEFT JOIN pg_catalog.pg_foreign_server AS server ON server.oid = far.ftserver
LEFT JOIN (
    SELECT inhrelid,
           pg_catalog.array_agg(inhparent::pg_catalog.regclass::pg_catalog.text ORDER BY inhseqno) AS names,
           pg_catalog.bool_or(inhdetachpending) AS detaching
    FROM pg_catalog.pg_inherits
    GROUP BY inhrelid
) AS parents ON parents.inhrelid = c.oid
WHERE c.oid = ANY (%(pg_class)s::pg_catalog.oid[])

-- name: sequences
SELECT 'sequence' AS kind,
       s.seqrelid::pg_catalog.regclass::pg_catalog.text AS name,
       s.tableoid AS class,
       s.seqrelid AS object,
       s.seqrelid AS unit,
       pg_catalog.format_type(s.seqtypid, NULL) AS type,
       s.seqstart AS start,
       s.seqincrement AS increment,
       s.seqmin AS minimum,
       s.seqmax AS maximum,
       s.seqcache AS cache,
       s.seqcycle AS cycle,
       owner.attrelid::pg_catalog.regclass::pg_catalog.text || '.' || pg_catalog.quote_ident(owner.attname) AS "owned by",
       d.deptype = 'i' AS identity
FROM pg_catalog.pg_sequence AS s
LEFT JOIN pg_catalog.pg_depend AS d
    ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
   AND d.objid = s.seqrelid
   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
   AND d.refobjsubid > 0
   AND d.deptype IN ('a', 'i')
LEFT JOIN pg_catalog.pg_attribute AS owner ON owner.attrelid = d.refobjid AND owner.attnum = d.refobjsubid
WHERE s.seqrelid = ANY (%(pg_class)s::pg_catalog.oid[])

-- name: columns
SELECT 'column' AS kind,
       c.oid::pg_catalog.regclass::pg_catalog.text || '.' || pg_catalog.quote_ident(a.attname) AS name,
       c.tableoid AS class,
       c.oid AS object,
       a.attnum AS sub,
       c.oid AS unit,
       c.oid::pg_catalog.regclass::pg_catalog.text AS "table",
       pg_catalog.row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS position,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::pg_catalog.regcollation::pg_catalog.text END AS collation,
       a.attnotnull AS "not null",
       CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS "default",
       CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS generated,
       a.attgenerated = 'v' AS virtual,
       CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END AS identity,
       CASE WHEN a.attstorage <> t.typstorage THEN
           CASE a.attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END
       END AS storage,
       CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END AS compression,
       nullif(a.attstattarget, -1) AS "statistics target",
       a.attoptions AS options,
       a.attfdwoptions AS "foreign options",
       a.attacl::pg_catalog.text[] AS acl,
       nullif(a.attinhcount, 0) AS inherited,
       a.attislocal AND a.attinhcount > 0 AS "also local"
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.oid = ANY (%(pg_class)s::pg_catalog.oid[])
  AND c.relkind <> 'S'

-- name: other_columns
-- those that no script makes, of sequences and the system's (xmin), seen only where somebody has a right to one
SELECT 'column' AS kind,
       a.attrelid::pg_catalog.regclass::pg_catalog.text || '.' || pg_catalog.quote_ident(a.attname) AS name,
       a.tableoid AS class,
       a.attrelid AS object,
       a.attnum AS sub,
       a.attrelid AS unit,
       a.attrelid::pg_catalog.regclass::pg_catalog.text AS "table",
       a.attacl::pg_catalog.text[] AS acl
FROM pg_catalog.pg_attribute AS a
JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
WHERE a.attrelid = ANY (%(pg_class)s::pg_catalog.oid[])
  AND (a.attnum < 0 OR c.relkind = 'S')
  AND pg_catalog.cardinality(a.attacl) > 0

-- name: constraints
SELECT 'constraint' AS kind,
       pg_catalog.quote_ident(con.conname) || ' on ' || con.conrelid::pg_catalog.regclass::pg_catalog.text AS name,
       con.tableoid AS class,
       con.oid AS object,
       con.conrelid AS unit,
       con.conrelid::pg_catalog.regclass::pg_catalog.text AS "table",
       pg_catalog.pg_get_constraintdef(con.oid) AS definition,
       CASE WHEN con.conindid <> 0::pg_catalog.oid THEN con.conindid::pg_catalog.regclass::pg_catalog.text END AS index,
       pg_catalog.quote_ident(parent.conname) || ' on ' || parent.conrelid::pg_catalog.regclass::pg_catalog.text AS parent,
       nullif(con.coninhcount, 0) AS inherited,
       con.conislocal AND con.coninhcount > 0 AS "also local",
       NOT con.convalidated AS "not valid",
       con.condeferrable AS "deferrable",
       con.condeferred AS "initially deferred",
       NOT con.conenforced AS "not enforced", -- since 18
       con.connoinherit AND con.contype IN ('c', 'n') AS "no inherit"
FROM pg_catalog.pg_constraint AS con
LEFT JOIN pg_catalog.pg_constraint AS parent ON parent.oid = con.conparentid
WHERE con.conrelid = ANY (%(pg_class)s::pg_catalog.oid[])

-- name: indexes
SELECT 'index' AS kind,
       c.oid::pg_catalog.regclass::pg_catalog.text AS name,
       c.tableoid AS class,
       c.oid AS object,
       i.indrelid AS unit,
       i.indrelid::pg_catalog.regclass::pg_catalog.text AS "table",
       pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
       i.indisprimary AS "primary",
       NOT i.indimmediate AS "deferrable",
       NOT i.indisvalid AS invalid,
       NOT i.indisready AS "not ready",
       NOT i.indislive AS "not live",
       i.indisclustered AS clustered,
       i.indisreplident AS "replica identity",
       tablespace.spcname::pg_catalog.text AS tablespace,
       CASE WHEN c.relispartition THEN
           (SELECT inhparent::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid)
       END AS "partition of",
       CASE WHEN i.indexprs IS NOT NULL THEN
           ARRAY(SELECT pg_catalog.concat(a.attnum, ': ', a.attstattarget)
                 FROM pg_catalog.pg_attribute AS a
                 WHERE a.attrelid = c.oid AND a.attstattarget >= 0
                 ORDER BY a.attnum)
       END AS "statistics targets"
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
LEFT JOIN pg_catalog.pg_tablespace AS tablespace ON tablespace.oid = c.reltablespace
WHERE i.indrelid = ANY (%(pg_class)s::pg_catalog.oid[])

-- name: triggers
SELECT 'trigger' AS kind,
       pg_catalog.quote_ident(t.tgname) || ' on ' || t.tgrelid::pg_catalog.regclass::pg_catalog.text AS name,
       t.tableoid AS class,
       t.oid AS object,
       t.tgrelid AS unit,
       t.tgrelid::pg_catalog.regclass::pg_catalog.text AS "table",
       pg_catalog.pg_get_triggerdef(t.oid) AS definition,
       t.tgparentid <> 0::pg_catalog.oid AS inherited,
       CASE t.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END AS enabled
FROM pg_catalog.pg_trigger AS t
WHERE t.tgrelid = ANY (%(pg_class)s::pg_catalog.oid[])
  AND (NOT t.tgisinternal OR t.tgconstraint = 0::pg_catalog.oid)

-- name: internal_triggers
-- those that carry out a constraint, named after it since their own names hold an oid; seen only where one is switched
SELECT 'internal trigger' AS kind,
       pg_catalog.quote_ident(con.conname) || ' on ' || con.conrelid::pg_catalog.regclass::pg_catalog.text
           || ': ' || pg_catalog.quote_ident(p.proname) || ' on ' || t.tgrelid::pg_catalog.regclass::pg_catalog.text AS name,
       t.tableoid AS class,
       t.oid AS object,
       t.tgrelid AS unit,
       t.tgrelid::pg_catalog.regclass::pg_catalog.text AS "table",
       CASE t.tgenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END AS enabled
FROM pg_catalog.pg_trigger AS t
JOIN pg_catalog.pg_proc AS p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_constraint AS con ON con.oid = t.tgconstraint
WHERE t.tgrelid = ANY (%(pg_class)s::pg_catalog.oid[])
  AND t.tgisinternal
  AND t.tgenabled <> 'O'

-- name: rules
SELECT 'rule' AS kind,
       pg_catalog.quote_ident(r.rulename) || ' on ' || r.ev_class::pg_catalog.regclass::pg_catalog.text AS name,
       r.tableoid AS class,
       r.oid AS object,
       r.ev_class AS unit,
       r.ev_class::pg_catalog.regclass::pg_catalog.text AS "table",
       pg_catalog.pg_get_ruledef(r.oid) AS definition,
       CASE r.ev_enabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END AS enabled
FROM pg_catalog.pg_rewrite AS r
JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class
WHERE r.ev_class = ANY (%(pg_class)s::pg_catalog.oid[])
  AND (r.rulename <> '_RETURN' OR c.relkind NOT IN ('v', 'm') OR r.ev_enabled <> 'O')

-- name: policies
SELECT 'policy' AS kind,
       pg_catalog.quote_ident(p.polname) || ' on ' || p.polrelid::pg_catalog.regclass::pg_catalog.text AS name,
       p.tableoid AS class,
       p.oid AS object,
       p.polrelid AS unit,
       p.polrelid::pg_catalog.regclass::pg_catalog.text AS "table",
       CASE p.polcmd
           WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all'
       END AS "for",
       NOT p.polpermissive AS restrictive,
       ARRAY(SELECT CASE role WHEN 0::pg_catalog.oid THEN 'public' ELSE pg_catalog.pg_get_userbyid(role)::pg_catalog.text END
             FROM pg_catalog.unnest(p.polroles) AS role
             ORDER BY 1) AS "to",
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS "using",
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS "with check"
FROM pg_catalog.pg_policy AS p
WHERE p.polrelid = ANY (%(pg_class)s::pg_catalog.oid[])

-- name: statistics
SELECT 'statistics object' AS kind,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.stxname) AS name,
       s.tableoid AS class,
       s.oid AS object,
       s.stxrelid AS unit,
       s.stxrelid::pg_catalog.regclass::pg_catalog.text AS "table",
       pg_catalog.pg_get_userbyid(s.stxowner)::pg_catalog.text AS owner,
       pg_catalog.pg_get_statisticsobjdef(s.oid) AS definition,
       nullif(s.stxstattarget, -1) AS "statistics target"
FROM pg_catalog.pg_statistic_ext AS s
JOIN pg_catalog.pg_namespace AS n ON n.oid = s.stxnamespace
WHERE s.stxrelid = ANY (%(pg_class)s::pg_catalog.oid[])
