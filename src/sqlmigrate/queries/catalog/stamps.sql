-- name: stamps
-- One digest for each unit, which is an object with all that is read together with it, over xmin and ctid of its rows:
-- no row of a catalog changes without a new pair, also inside one transaction, and a copy of a database has the same.
-- A unit is its catalog's oid in the upper half and its own in the lower; 0 stands for rare things, all together.
-- "space" is the schema of the row that makes a unit, or 0. No joins before the rows are added up: the catalogs of a
-- new database have no statistics to plan them by.
WITH space AS MATERIALIZED (
    SELECT oid
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast|temp_|toast_temp_)'::pg_catalog.text
      AND nspname <> ALL (%(leave_out)s::pg_catalog.text[])
), part AS (
    -- whose comments and so on are rare enough to be all of one unit
    SELECT oid
    FROM pg_catalog.pg_class
    WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
      AND relname IN ('pg_constraint', 'pg_trigger', 'pg_rewrite', 'pg_policy', 'pg_statistic_ext', 'pg_largeobject')
), item AS (
    SELECT tableoid AS class, oid AS object, relnamespace AS space, tableoid, xmin, ctid
    FROM pg_catalog.pg_class
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, attrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_attribute
    WHERE attrelid >= 16384::pg_catalog.oid
      AND (attnum > 0 OR attacl IS NOT NULL)
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, adrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_attrdef
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_index
    WHERE indexrelid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, tgrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_trigger
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, ev_class, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_rewrite
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, polrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_policy
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, seqrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_sequence
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, inhrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_inherits
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, partrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_partitioned_table
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, ftrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_foreign_table
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, stxrelid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_statistic_ext
    UNION ALL
    SELECT CASE
               WHEN conrelid <> 0::pg_catalog.oid THEN 'pg_catalog.pg_class'::pg_catalog.regclass
               ELSE 'pg_catalog.pg_type'::pg_catalog.regclass
           END,
           CASE WHEN conrelid <> 0::pg_catalog.oid THEN conrelid ELSE contypid END,
           NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_constraint
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, typnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_type
    WHERE oid >= 16384::pg_catalog.oid
      AND NOT (typarray = 0::pg_catalog.oid AND typsubscript::pg_catalog.oid = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc::pg_catalog.oid)
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, enumtypid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_enum
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, rngtypid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_range
    WHERE rngtypid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, pronamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_proc
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, aggfnoid::pg_catalog.oid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_aggregate
    WHERE aggfnoid::pg_catalog.oid >= 16384::pg_catalog.oid
    UNION ALL
    -- one in pg_catalog may make others be written with their schema
    SELECT 'pg_catalog.pg_operator'::pg_catalog.regclass, 0, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_proc
    WHERE oid >= 16384::pg_catalog.oid
      AND pronamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, oid, tableoid, xmin, ctid
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_'::pg_catalog.text
      AND nspname <> 'information_schema'
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_extension
    UNION ALL
    SELECT tableoid, oid, oprnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_operator
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, opfnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_opfamily
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, opcnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_opclass
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, collnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_collation
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, connamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_conversion
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, cfgnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_ts_config
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, dictnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_ts_dict
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, prsnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_ts_parser
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, tmplnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_ts_template
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass, mapcfg, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_ts_config_map
    WHERE mapcfg >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_cast
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_language
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_am
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_transform
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_foreign_data_wrapper
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_foreign_server
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_event_trigger
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_publication
    WHERE oid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_amop
    WHERE oid >= 16384::pg_catalog.oid
      AND (oid NOT IN (SELECT d.objid
                       FROM pg_catalog.pg_depend AS d
                       JOIN pg_catalog.pg_depend AS m ON m.classid = d.refclassid AND m.objid = d.refobjid
                       WHERE d.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass::pg_catalog.oid
                         AND d.deptype IN ('a', 'i')
                         AND m.deptype = 'e')
           -- what a script adds to the family of an extension is the script's
           OR oid IN (SELECT d.objid
                      FROM pg_catalog.pg_depend AS d
                      LEFT JOIN pg_catalog.pg_depend AS m
                          ON m.classid = d.refclassid
                         AND m.objid = d.refobjid
                         AND m.deptype = 'e'
                      WHERE d.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass::pg_catalog.oid
                        AND d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid
                        AND m.objid IS NULL))
    UNION ALL
    SELECT tableoid, oid, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_amproc
    WHERE oid >= 16384::pg_catalog.oid
      AND (oid NOT IN (SELECT d.objid
                       FROM pg_catalog.pg_depend AS d
                       JOIN pg_catalog.pg_depend AS m ON m.classid = d.refclassid AND m.objid = d.refobjid
                       WHERE d.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass::pg_catalog.oid
                         AND d.deptype IN ('a', 'i')
                         AND m.deptype = 'e')
           -- what a script adds to the family of an extension is the script's
           OR oid IN (SELECT d.objid
                      FROM pg_catalog.pg_depend AS d
                      LEFT JOIN pg_catalog.pg_depend AS m
                          ON m.classid = d.refclassid
                         AND m.objid = d.refobjid
                         AND m.deptype = 'e'
                      WHERE d.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass::pg_catalog.oid
                        AND d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
                        AND m.objid IS NULL))
    UNION ALL
    SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, prpubid, NULL, tableoid, xmin, ctid
    FROM pg_catalog.pg_publication_rel
    UNION ALL -- since 15
    SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, pnpubid, NULL, tableoid, xmin, ctid -- since 15
    FROM pg_catalog.pg_publication_namespace -- since 15
    UNION ALL
    SELECT tableoid, oid, defaclnamespace, tableoid, xmin, ctid
    FROM pg_catalog.pg_default_acl
    UNION ALL
    SELECT tableoid, 0, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_largeobject_metadata
    UNION ALL
    SELECT tableoid, 0, 0, tableoid, xmin, ctid
    FROM pg_catalog.pg_tablespace
    UNION ALL
    SELECT classoid,
           CASE WHEN classoid IN (SELECT oid FROM part) THEN 0 ELSE objoid END,
           CASE WHEN classoid IN (SELECT oid FROM part) THEN 0 END,
           tableoid, xmin, ctid
    FROM pg_catalog.pg_description
    WHERE objoid >= 16384::pg_catalog.oid
       OR classoid IN ('pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_extension'::pg_catalog.regclass,
                        'pg_catalog.pg_largeobject'::pg_catalog.regclass)
    UNION ALL
    SELECT classoid,
           CASE WHEN classoid IN (SELECT oid FROM part) THEN 0 ELSE objoid END,
           CASE WHEN classoid IN (SELECT oid FROM part) THEN 0 END,
           tableoid, xmin, ctid
    FROM pg_catalog.pg_seclabel
    UNION ALL
    SELECT classid,
           CASE WHEN classid IN (SELECT oid FROM part) THEN 0 ELSE objid END,
           CASE WHEN classid IN (SELECT oid FROM part) THEN 0 END,
           tableoid, xmin, ctid
    FROM pg_catalog.pg_depend
    WHERE deptype = 'x'
       OR deptype IN ('a', 'i') AND classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND refobjsubid > 0
), digest AS MATERIALIZED (
    SELECT (class::bigint << 32) | object::bigint AS key,
           pg_catalog.bit_xor(pg_catalog.hashtidextended(ctid, (tableoid::bigint << 32) | xmin::pg_catalog.text::bigint)) AS row,
           pg_catalog.max(space) AS space
    FROM item
    GROUP BY class, object
    UNION ALL
    -- what not everybody may see the rows of: a digest over what it says
    SELECT ('pg_catalog.pg_user_mapping'::pg_catalog.regclass::bigint << 32) | umid::bigint,
           pg_catalog.hash_record_extended(ROW(umuser, usename, srvname, umoptions), 0),
           0
    FROM pg_catalog.pg_user_mappings
    UNION ALL
    SELECT ('pg_catalog.pg_subscription'::pg_catalog.regclass::bigint << 32) | oid::bigint,
           pg_catalog.hash_record_extended(ROW(
               subname, subowner, subenabled, subbinary, substream, subslotname, subsynccommit,
               subtwophasestate, subdisableonerr, -- since 15
               subpasswordrequired, subrunasowner, suborigin, -- since 16
               subfailover, -- since 17
               subpublications), 0),
           0
    FROM pg_catalog.pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    UNION ALL
    SELECT 'pg_catalog.pg_authid'::pg_catalog.regclass::bigint << 32,
           pg_catalog.bit_xor(pg_catalog.hash_record_extended(ROW(oid, rolname), 0)),
           0
    FROM pg_catalog.pg_roles
), home AS MATERIALIZED (
    -- whose rows belong to another unit: indexes, row types and toast tables to their table, composite types' relations,
    -- arrays to what they are of, multiranges to their range
    SELECT (tableoid::bigint << 32) | oid::bigint AS key,
           ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | reltype::bigint AS unit
    FROM pg_catalog.pg_class
    WHERE oid >= 16384::pg_catalog.oid
      AND relkind = 'c'
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | reltype::bigint,
           (tableoid::bigint << 32) | oid::bigint
    FROM pg_catalog.pg_class
    WHERE oid >= 16384::pg_catalog.oid
      AND relkind <> 'c'
      AND reltype <> 0::pg_catalog.oid
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.typarray::bigint,
           CASE
               WHEN c.relkind <> 'c' THEN (c.tableoid::bigint << 32) | c.oid::bigint
               ELSE (t.tableoid::bigint << 32) | coalesce(r.rngtypid, t.oid)::bigint
           END
    FROM pg_catalog.pg_type AS t
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
    LEFT JOIN pg_catalog.pg_range AS r ON r.rngmultitypid = t.oid
    WHERE t.oid >= 16384::pg_catalog.oid
      AND t.typarray <> 0::pg_catalog.oid
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | rngmultitypid::bigint,
           ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | rngtypid::bigint
    FROM pg_catalog.pg_range
    WHERE rngtypid >= 16384::pg_catalog.oid
    UNION ALL
    SELECT (tableoid::bigint << 32) | reltoastrelid::bigint,
           (tableoid::bigint << 32) | oid::bigint
    FROM pg_catalog.pg_class
    WHERE oid >= 16384::pg_catalog.oid
      AND reltoastrelid <> 0::pg_catalog.oid
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | indexrelid::bigint,
           ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | indrelid::bigint
    FROM pg_catalog.pg_index
    WHERE indexrelid >= 16384::pg_catalog.oid
)
SELECT coalesce(home.unit, digest.key) AS unit,
       pg_catalog.bit_xor(digest.row) AS digest
FROM digest
LEFT JOIN home ON home.key = digest.key
GROUP BY 1
HAVING pg_catalog.max(digest.space) FILTER (WHERE home.unit IS NULL) IN (SELECT 0 UNION ALL SELECT oid FROM space)
   AND coalesce(home.unit, digest.key) NOT IN (SELECT (classid::bigint << 32) | objid::bigint
                                               FROM pg_catalog.pg_depend
                                               WHERE deptype = 'e')

-- name: dependants
-- the units of all that depends on these, directly or through others
WITH RECURSIVE found (classid, objid) AS (
    SELECT (unit >> 32)::pg_catalog.oid, (unit & 4294967295)::pg_catalog.oid
    FROM pg_catalog.unnest(%(roots)s::bigint[]) AS unit
    UNION
    SELECT d.classid, d.objid
    FROM found
    JOIN pg_catalog.pg_depend AS d ON d.refclassid = found.classid AND d.refobjid = found.objid
    WHERE d.deptype <> 'e'
), home AS (
    SELECT classid AS class, objid AS object
    FROM found
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.indrelid
    FROM found
    JOIN pg_catalog.pg_index AS t ON t.indexrelid = found.objid
    WHERE found.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.reltype
    FROM found
    JOIN pg_catalog.pg_class AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.adrelid
    FROM found
    JOIN pg_catalog.pg_attrdef AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.conrelid
    FROM found
    JOIN pg_catalog.pg_constraint AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.contypid
    FROM found
    JOIN pg_catalog.pg_constraint AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.tgrelid
    FROM found
    JOIN pg_catalog.pg_trigger AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.ev_class
    FROM found
    JOIN pg_catalog.pg_rewrite AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.polrelid
    FROM found
    JOIN pg_catalog.pg_policy AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, t.stxrelid
    FROM found
    JOIN pg_catalog.pg_statistic_ext AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, t.prpubid
    FROM found
    JOIN pg_catalog.pg_publication_rel AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass::pg_catalog.oid
)
SELECT DISTINCT (class::bigint << 32) | object::bigint FROM home

-- name: catalogs
-- What tells this run of this server from any other is what every role may ask: pg_control_system() may be revoked.
SELECT relname::pg_catalog.text,
       oid,
       pg_catalog.concat_ws(' ', extract(epoch FROM pg_catalog.pg_postmaster_start_time()), -- to the microsecond
                            pg_catalog.current_setting('port'), pg_catalog.current_setting('cluster_name'),
                            pg_catalog.current_setting('server_version_num'))
FROM pg_catalog.pg_class
WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
  AND relkind = 'r'
