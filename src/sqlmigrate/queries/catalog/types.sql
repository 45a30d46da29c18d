-- name: types
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END AS kind,
       t.oid::pg_catalog.regtype::pg_catalog.text AS name,
       t.tableoid AS class,
       t.oid AS object,
       t.oid AS unit,
       CASE
           WHEN NOT t.typisdefined THEN 'shell'
           WHEN t.typtype = 'e' THEN 'enum'
           WHEN t.typtype = 'c' THEN 'composite'
           WHEN t.typtype = 'r' THEN 'range'
           WHEN t.typtype = 'b' THEN 'base'
       END AS form,
       pg_catalog.pg_get_userbyid(t.typowner)::pg_catalog.text AS owner,
       coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner))::pg_catalog.text[] AS acl,
       CASE WHEN t.typtype = 'e' THEN
           ARRAY(SELECT e.enumlabel::pg_catalog.text
                 FROM pg_catalog.pg_enum AS e
                 WHERE e.enumtypid = t.oid
                 ORDER BY e.enumsortorder)
       END AS labels,
       CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END AS "base type",
       CASE WHEN t.typcollation <> coalesce(base.typcollation, 0::pg_catalog.oid) THEN t.typcollation::pg_catalog.regcollation::pg_catalog.text
       END AS collation,
       t.typnotnull AS "not null",
       coalesce(pg_catalog.pg_get_expr(t.typdefaultbin, 0), t.typdefault) AS "default"
FROM pg_catalog.pg_type AS t
LEFT JOIN pg_catalog.pg_type AS base ON base.oid = t.typbasetype
WHERE t.oid = ANY (%(pg_type)s::pg_catalog.oid[])

-- name: ranges
SELECT 'type' AS kind,
       r.rngtypid::pg_catalog.regtype::pg_catalog.text AS name,
       r.tableoid AS class,
       r.rngtypid AS object,
       r.rngtypid AS unit,
       pg_catalog.format_type(r.rngsubtype, NULL) AS subtype,
       (SELECT identity FROM pg_catalog.pg_identify_object('pg_catalog.pg_opclass'::pg_catalog.regclass, r.rngsubopc, 0)
       ) AS "subtype operator class",
       CASE WHEN r.rngcollation <> 0::pg_catalog.oid THEN r.rngcollation::pg_catalog.regcollation::pg_catalog.text END AS collation,
       CASE WHEN r.rngcanonical::pg_catalog.oid <> 0::pg_catalog.oid THEN r.rngcanonical::pg_catalog.regprocedure::pg_catalog.text END AS canonical,
       CASE WHEN r.rngsubdiff::pg_catalog.oid <> 0::pg_catalog.oid THEN r.rngsubdiff::pg_catalog.regprocedure::pg_catalog.text END AS "subtype difference",
       pg_catalog.format_type(r.rngmultitypid, NULL) AS "multirange type",
       -- PostgreSQL 17 and later give no rights to one
       multi.typacl::pg_catalog.text[] AS "multirange type acl"
FROM pg_catalog.pg_range AS r
LEFT JOIN pg_catalog.pg_type AS multi
    ON multi.oid = r.rngmultitypid
   AND NOT (multi.typacl OPERATOR(pg_catalog.@>) pg_catalog.acldefault('T', multi.typowner)
            AND multi.typacl OPERATOR(pg_catalog.<@) pg_catalog.acldefault('T', multi.typowner))
WHERE r.rngtypid = ANY (%(pg_type)s::pg_catalog.oid[])

-- name: base_types
SELECT 'type' AS kind,
       t.oid::pg_catalog.regtype::pg_catalog.text AS name,
       t.tableoid AS class,
       t.oid AS object,
       t.oid AS unit,
       t.typinput::pg_catalog.text AS input,
       t.typoutput::pg_catalog.text AS output,
       nullif(t.typreceive::pg_catalog.text, '-') AS receive,
       nullif(t.typsend::pg_catalog.text, '-') AS send,
       nullif(t.typmodin::pg_catalog.text, '-') AS "type modifier input",
       nullif(t.typmodout::pg_catalog.text, '-') AS "type modifier output",
       nullif(t.typanalyze::pg_catalog.text, '-') AS "analyze",
       nullif(t.typsubscript::pg_catalog.text, '-') AS subscript,
       t.typlen AS "internal length",
       t.typbyval AS "passed by value",
       t.typalign::pg_catalog.text AS alignment,
       t.typstorage::pg_catalog.text AS storage,
       t.typcategory::pg_catalog.text AS category,
       t.typispreferred AS preferred,
       t.typdelim::pg_catalog.text AS delimiter,
       CASE WHEN t.typelem <> 0::pg_catalog.oid THEN pg_catalog.format_type(t.typelem, NULL) END AS element
FROM pg_catalog.pg_type AS t
WHERE t.oid = ANY (%(pg_type)s::pg_catalog.oid[])
  AND t.typtype = 'b'
  AND t.typisdefined

-- name: attributes
SELECT 'attribute' AS kind,
       c.reltype::pg_catalog.regtype::pg_catalog.text || '.' || pg_catalog.quote_ident(a.attname) AS name,
       c.tableoid AS class,
       c.oid AS object,
       a.attnum AS sub,
       c.reltype AS unit,
       c.reltype::pg_catalog.regtype::pg_catalog.text AS "table",
       pg_catalog.row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum) AS position,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::pg_catalog.regcollation::pg_catalog.text END AS collation
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
WHERE c.relkind = 'c'
  AND c.reltype = ANY (%(pg_type)s::pg_catalog.oid[])

-- name: domain_constraints
SELECT 'domain constraint' AS kind,
       pg_catalog.quote_ident(con.conname) || ' on ' || con.contypid::pg_catalog.regtype::pg_catalog.text AS name,
       con.tableoid AS class,
       con.oid AS object,
       con.contypid AS unit,
       con.contypid::pg_catalog.regtype::pg_catalog.text AS "table",
       pg_catalog.pg_get_constraintdef(con.oid) AS definition,
       NOT con.convalidated AS "not valid"
FROM pg_catalog.pg_constraint AS con
WHERE con.contypid = ANY (%(pg_type)s::pg_catalog.oid[])
