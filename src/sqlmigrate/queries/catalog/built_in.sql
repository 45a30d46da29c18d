-- name: since
-- the first transaction that is still to come
SELECT pg_catalog.xid(pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()))::pg_catalog.text

-- name: rows
-- The rows of PostgreSQL's own objects, which initdb made: how many were written since a transaction, for each unit, and
-- how many were not, all together with the sum of their oids, or `whole` for each unit: a row that is gone is missing there.
WITH since (age) AS (
    SELECT pg_catalog.age(%(since)s::pg_catalog.xid)
), item (class, object, written) AS (
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_class
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, attrelid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_attribute
    WHERE attrelid < 16384::pg_catalog.oid
      AND (attnum > 0::pg_catalog.int2 OR attacl IS NOT NULL)
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, adrelid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_attrdef
    WHERE adrelid < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_index
    WHERE indexrelid < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, tgrelid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_trigger
    WHERE tgrelid < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, ev_class, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_rewrite
    WHERE ev_class < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, polrelid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_policy
    WHERE polrelid < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, seqrelid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_sequence
    WHERE seqrelid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_type
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, rngtypid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_range
    WHERE rngtypid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_proc
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, aggfnoid::pg_catalog.oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_aggregate
    WHERE aggfnoid::pg_catalog.oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_operator
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_opfamily
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_opclass
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_amop
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_amproc
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_cast
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_collation
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_conversion
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_language
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_am
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_transform
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_ts_config
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass, mapcfg, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_ts_config_map
    WHERE mapcfg < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_ts_dict
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_ts_parser
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_ts_template
    WHERE oid < 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_namespace
    WHERE oid < 16384::pg_catalog.oid
      AND (nspname ~ '^pg_'::pg_catalog.text OR nspname = 'information_schema'::pg_catalog.name)
    UNION ALL
    SELECT CASE
               WHEN conrelid <> 0::pg_catalog.oid THEN 'pg_catalog.pg_class'::pg_catalog.regclass
               ELSE 'pg_catalog.pg_type'::pg_catalog.regclass
           END,
           CASE WHEN conrelid <> 0::pg_catalog.oid THEN conrelid ELSE contypid END,
           pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_constraint
    WHERE conrelid < 16384::pg_catalog.oid
      AND contypid < 16384::pg_catalog.oid
    UNION ALL
    SELECT classoid, objoid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_description
    WHERE objoid < 16384::pg_catalog.oid
    UNION ALL
    SELECT classoid, objoid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_seclabel
    WHERE objoid < 16384::pg_catalog.oid
    UNION ALL
    SELECT classid, objid, pg_catalog.age(xmin) <= (SELECT age FROM since)
    FROM pg_catalog.pg_depend
    WHERE objid < 16384::pg_catalog.oid
      AND deptype = 'x'::pg_catalog."char"
)
SELECT CASE
           WHEN item.written OR %(whole)s THEN (item.class::pg_catalog.int8 << 32) | item.object::pg_catalog.int8
           ELSE 0
       END AS unit,
       item.written,
       pg_catalog.count(*),
       pg_catalog.sum(item.object::pg_catalog.int8)::pg_catalog.int8
FROM item
GROUP BY 1, 2

-- name: homes
-- the units that these are read with: an index with its table, a row type too, and a relation that is a type's with it
SELECT DISTINCT CASE
           WHEN i.indrelid IS NOT NULL THEN (c.tableoid::pg_catalog.int8 << 32) | i.indrelid::pg_catalog.int8
           WHEN c.relkind = 'c'::pg_catalog."char" THEN ('pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.int8 << 32) | c.reltype::pg_catalog.int8
           WHEN row_of.relkind <> 'c'::pg_catalog."char" THEN (row_of.tableoid::pg_catalog.int8 << 32) | row_of.oid::pg_catalog.int8
           ELSE unit
       END
FROM pg_catalog.unnest(%(units)s::pg_catalog.int8[]) AS unit
LEFT JOIN pg_catalog.pg_class AS c
    ON (c.tableoid::pg_catalog.int8 << 32) | c.oid::pg_catalog.int8 = unit
LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = c.oid
LEFT JOIN pg_catalog.pg_type AS t
    ON (t.tableoid::pg_catalog.int8 << 32) | t.oid::pg_catalog.int8 = unit
LEFT JOIN pg_catalog.pg_class AS row_of ON row_of.oid = t.typrelid
WHERE c.relkind IS NULL
   OR c.relkind <> 't'::pg_catalog."char"

-- name: members
-- the units of what belongs to extensions and was written since a transaction
SELECT DISTINCT (d.classid::pg_catalog.int8 << 32) | d.objid::pg_catalog.int8
FROM pg_catalog.pg_depend AS d
JOIN (
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_proc
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_class
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_type
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_namespace
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_operator
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_cast
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_collation
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_language
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_foreign_data_wrapper
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_foreign_server
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_ts_config
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_ts_dict
    UNION ALL
    SELECT tableoid, oid, xmin FROM pg_catalog.pg_event_trigger
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, attrelid, xmin FROM pg_catalog.pg_attribute
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, tgrelid, xmin FROM pg_catalog.pg_trigger
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, polrelid, xmin FROM pg_catalog.pg_policy
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, ev_class, xmin FROM pg_catalog.pg_rewrite
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, indrelid, xmin FROM pg_catalog.pg_index
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, stxrelid, xmin FROM pg_catalog.pg_statistic_ext
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid, enumtypid, xmin FROM pg_catalog.pg_enum
    UNION ALL
    SELECT classoid, objoid, xmin FROM pg_catalog.pg_description
) AS item (class, object, since) ON item.class = d.classid AND item.object = d.objid
WHERE d.deptype = 'e'::pg_catalog."char"
  AND d.objid >= 16384::pg_catalog.oid
  AND pg_catalog.age(item.since) <= pg_catalog.age(%(since)s::pg_catalog.xid)

-- name: belonging
-- how many objects belong to extensions, and the sum of their oids: other numbers where one has come or gone
SELECT pg_catalog.count(*),
       coalesce(pg_catalog.sum(d.objid::pg_catalog.int8), 0)::pg_catalog.int8
FROM pg_catalog.pg_depend AS d
WHERE d.deptype = 'e'::pg_catalog."char"

-- name: members_of
-- the units of what belongs to extensions, with the extension and its version; an array goes with what it is of
SELECT e.oid::pg_catalog.int8,
       e.extversion,
       (d.classid::pg_catalog.int8 << 32) | d.objid::pg_catalog.int8
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_depend AS d
  ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
 AND d.refobjid = e.oid
WHERE d.deptype = 'e'::pg_catalog."char"
  AND (d.classid <> 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
       OR NOT EXISTS (SELECT FROM pg_catalog.pg_type AS element WHERE element.typarray = d.objid))

-- name: part_of
-- which of these units belong to an extension, and to which
SELECT (d.classid::pg_catalog.int8 << 32) | d.objid::pg_catalog.int8,
       e.extname::pg_catalog.text
FROM pg_catalog.pg_extension AS e
JOIN pg_catalog.pg_depend AS d
  ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
 AND d.refobjid = e.oid
WHERE d.deptype = 'e'::pg_catalog."char"
  AND (d.classid::pg_catalog.int8 << 32) | d.objid::pg_catalog.int8 = ANY (%(units)s::pg_catalog.int8[])

-- name: are_members
SELECT (d.classid::pg_catalog.int8 << 32) | d.objid::pg_catalog.int8
FROM pg_catalog.pg_depend AS d
WHERE d.deptype = 'e'::pg_catalog."char"
  AND (d.classid::pg_catalog.int8 << 32) | d.objid::pg_catalog.int8 = ANY (%(units)s::pg_catalog.int8[])

-- name: own_members
-- the units of what belongs to extensions and no superuser owns, so that scripts can change it; members are few
WITH member AS MATERIALIZED (
    SELECT depend.classid, depend.objid
    FROM pg_catalog.pg_extension AS extension
    JOIN pg_catalog.pg_depend AS depend
      ON depend.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
     AND depend.refobjid = extension.oid
    WHERE depend.deptype = 'e'::pg_catalog."char"
)
SELECT (member.classid::pg_catalog.int8 << 32) | member.objid::pg_catalog.int8
FROM member
JOIN pg_catalog.pg_database AS database ON database.datname = pg_catalog.current_database()
JOIN pg_catalog.pg_shdepend AS owned
  ON owned.dbid = database.oid AND owned.classid = member.classid AND owned.objid = member.objid
JOIN pg_catalog.pg_roles AS role ON role.oid = owned.refobjid
WHERE owned.deptype = 'o'::pg_catalog."char"
  AND NOT role.rolsuper
