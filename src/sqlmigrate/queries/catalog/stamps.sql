-- name: stamps
-- One digest for each unit, which is an object with all that is read together with it, over xmin and ctid of its rows:
-- no row of a catalog changes without a new pair, also inside one transaction, and a copy of a database has the same.
-- A unit is its catalog's oid in the upper half and its own in the lower; 0 stands for rare things, all together.
-- No joins before the rows are added up: the catalogs of a new database have no statistics to plan them by.
WITH space AS MATERIALIZED (
    SELECT oid
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast|temp_|toast_temp_)'
      AND nspname <> ALL (%(leave_out)s::text[])
), item (key, row, space) AS (
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.relnamespace
    FROM pg_catalog.pg_class AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.attrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_attribute AS t
    WHERE t.attrelid >= 16384
      AND t.attnum > 0
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.adrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_attrdef AS t
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.indexrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_index AS t
    WHERE t.indexrelid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.tgrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_trigger AS t
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.ev_class::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_rewrite AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.polrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_policy AS t
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.seqrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_sequence AS t
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.inhrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_inherits AS t
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.partrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_partitioned_table AS t
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.ftrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_foreign_table AS t
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.stxrelid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_statistic_ext AS t
    UNION ALL
    SELECT CASE WHEN t.conrelid <> 0 THEN ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.conrelid::bigint
                ELSE ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.contypid::bigint END, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_constraint AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.typnamespace
    FROM pg_catalog.pg_type AS t
    WHERE t.oid >= 16384
      AND t.typtype <> 'm'
      AND NOT (t.typarray = 0 AND t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc)
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.enumtypid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_enum AS t
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.rngtypid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_range AS t
    WHERE t.rngtypid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.pronamespace
    FROM pg_catalog.pg_proc AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_proc'::pg_catalog.regclass::bigint << 32) | t.aggfnoid::pg_catalog.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_aggregate AS t
    WHERE t.aggfnoid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_operator'::pg_catalog.regclass::bigint << 32) | 0::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_proc AS t
    WHERE t.oid >= 16384
      AND t.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.oid
    FROM pg_catalog.pg_namespace AS t
    WHERE t.nspname !~ '^pg_'
      AND t.nspname <> 'information_schema'
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_extension AS t
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.oprnamespace
    FROM pg_catalog.pg_operator AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.opfnamespace
    FROM pg_catalog.pg_opfamily AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.opcnamespace
    FROM pg_catalog.pg_opclass AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.collnamespace
    FROM pg_catalog.pg_collation AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.connamespace
    FROM pg_catalog.pg_conversion AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.cfgnamespace
    FROM pg_catalog.pg_ts_config AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.dictnamespace
    FROM pg_catalog.pg_ts_dict AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.prsnamespace
    FROM pg_catalog.pg_ts_parser AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.tmplnamespace
    FROM pg_catalog.pg_ts_template AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_ts_config'::pg_catalog.regclass::bigint << 32) | t.mapcfg::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_ts_config_map AS t
    WHERE t.mapcfg >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_cast AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_language AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_am AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_transform AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_foreign_data_wrapper AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_foreign_server AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_event_trigger AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_publication AS t
    WHERE t.oid >= 16384
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_amop AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT
                      FROM pg_catalog.pg_depend AS d
                      JOIN pg_catalog.pg_depend AS m ON m.classid = d.refclassid AND m.objid = d.refobjid
                      WHERE d.classid = t.tableoid
                        AND d.objid = t.oid
                        AND d.deptype IN ('a', 'i')
                        AND m.deptype = 'e')
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_amproc AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT
                      FROM pg_catalog.pg_depend AS d
                      JOIN pg_catalog.pg_depend AS m ON m.classid = d.refclassid AND m.objid = d.refobjid
                      WHERE d.classid = t.tableoid
                        AND d.objid = t.oid
                        AND d.deptype IN ('a', 'i')
                        AND m.deptype = 'e')
    UNION ALL
    SELECT ('pg_catalog.pg_publication'::pg_catalog.regclass::bigint << 32) | t.prpubid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL
    FROM pg_catalog.pg_publication_rel AS t
    UNION ALL -- since 15
    SELECT ('pg_catalog.pg_publication'::pg_catalog.regclass::bigint << 32) | t.pnpubid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), NULL -- since 15
    FROM pg_catalog.pg_publication_namespace AS t -- since 15
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), t.defaclnamespace
    FROM pg_catalog.pg_default_acl AS t
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | 0::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_largeobject_metadata AS t
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | 0::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), 0
    FROM pg_catalog.pg_tablespace AS t
    UNION ALL
    SELECT CASE WHEN rare THEN t.classoid::bigint << 32 ELSE (t.classoid::bigint << 32) | t.objoid::bigint END,
           pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), CASE WHEN rare THEN 0 END
    FROM pg_catalog.pg_description AS t
    CROSS JOIN LATERAL (SELECT t.classoid IN (
               'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
               'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
               'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, 'pg_catalog.pg_largeobject'::pg_catalog.regclass
           )) AS part (rare)
    WHERE t.objoid >= 16384
       OR t.classoid IN ('pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_extension'::pg_catalog.regclass,
                         'pg_catalog.pg_largeobject'::pg_catalog.regclass)
    UNION ALL
    SELECT CASE WHEN rare THEN t.classoid::bigint << 32 ELSE (t.classoid::bigint << 32) | t.objoid::bigint END,
           pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), CASE WHEN rare THEN 0 END
    FROM pg_catalog.pg_seclabel AS t
    CROSS JOIN LATERAL (SELECT t.classoid IN (
               'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
               'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
               'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, 'pg_catalog.pg_largeobject'::pg_catalog.regclass
           )) AS part (rare)
    WHERE true
    UNION ALL
    SELECT CASE WHEN rare THEN t.classid::bigint << 32 ELSE (t.classid::bigint << 32) | t.objid::bigint END,
           pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), CASE WHEN rare THEN 0 END
    FROM pg_catalog.pg_depend AS t
    CROSS JOIN LATERAL (SELECT t.classid IN (
               'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
               'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
               'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, 'pg_catalog.pg_largeobject'::pg_catalog.regclass
           )) AS part (rare)
    WHERE t.deptype = 'x'
       OR t.deptype IN ('a', 'i') AND t.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND t.refobjsubid > 0
    UNION ALL
    SELECT ('pg_catalog.pg_user_mapping'::pg_catalog.regclass::bigint << 32) | t.umid::bigint,
           pg_catalog.hash_record_extended(ROW(t.umuser, t.usename, t.srvname, t.umoptions), 0), 0
    FROM pg_catalog.pg_user_mappings AS t
    UNION ALL
    SELECT ('pg_catalog.pg_subscription'::pg_catalog.regclass::bigint << 32) | t.oid::bigint,
           pg_catalog.hash_record_extended(ROW(
               t.subname, t.subowner, t.subenabled, t.subbinary, t.substream, t.subslotname, t.subsynccommit,
               t.subtwophasestate, t.subdisableonerr, -- since 15
               t.subpasswordrequired, t.subrunasowner, t.suborigin, -- since 16
               t.subfailover, -- since 17
               t.subpublications), 0), 0
    FROM pg_catalog.pg_subscription AS t
    WHERE t.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    UNION ALL
    SELECT ('pg_catalog.pg_authid'::pg_catalog.regclass::bigint << 32) | 0::bigint, pg_catalog.hash_record_extended(ROW(t.oid, t.rolname), 0), 0
    FROM pg_catalog.pg_roles AS t
), digest AS MATERIALIZED (
    SELECT key, pg_catalog.bit_xor(row) AS row, pg_catalog.max(space) AS space
    FROM item
    GROUP BY key
), home AS MATERIALIZED (
    -- whose rows belong to another unit: indexes, row types and toast tables to their table, composite types' relations
    SELECT (t.tableoid::bigint << 32) | t.oid::bigint AS key, ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.reltype::bigint AS unit
    FROM pg_catalog.pg_class AS t
    WHERE t.oid >= 16384
      AND t.relkind = 'c'
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.reltype::bigint, (t.tableoid::bigint << 32) | t.oid::bigint
    FROM pg_catalog.pg_class AS t
    WHERE t.oid >= 16384
      AND t.relkind <> 'c'
      AND t.reltype <> 0
    UNION ALL
    SELECT (t.tableoid::bigint << 32) | t.reltoastrelid::bigint, (t.tableoid::bigint << 32) | t.oid::bigint
    FROM pg_catalog.pg_class AS t
    WHERE t.oid >= 16384
      AND t.reltoastrelid <> 0
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.indexrelid::bigint, ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.indrelid::bigint
    FROM pg_catalog.pg_index AS t
    WHERE t.indexrelid >= 16384
)
SELECT coalesce(home.unit, digest.key) AS unit, pg_catalog.bit_xor(digest.row) AS digest
FROM digest
LEFT JOIN home ON home.key = digest.key
GROUP BY 1
HAVING pg_catalog.max(digest.space) FILTER (WHERE home.unit IS NULL) IN (SELECT 0::pg_catalog.oid UNION ALL SELECT oid FROM space)
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
), part AS (
    SELECT (classid::bigint << 32) | objid::bigint AS unit
    FROM found
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.adrelid::bigint
    FROM found
    JOIN pg_catalog.pg_attrdef AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.conrelid::bigint
    FROM found
    JOIN pg_catalog.pg_constraint AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.contypid::bigint
    FROM found
    JOIN pg_catalog.pg_constraint AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.tgrelid::bigint
    FROM found
    JOIN pg_catalog.pg_trigger AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.ev_class::bigint
    FROM found
    JOIN pg_catalog.pg_rewrite AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.polrelid::bigint
    FROM found
    JOIN pg_catalog.pg_policy AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.stxrelid::bigint
    FROM found
    JOIN pg_catalog.pg_statistic_ext AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.reltype::bigint
    FROM found
    JOIN pg_catalog.pg_class AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_publication'::pg_catalog.regclass::bigint << 32) | t.prpubid::bigint
    FROM found
    JOIN pg_catalog.pg_publication_rel AS t ON t.oid = found.objid
    WHERE found.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass
    UNION ALL
    SELECT ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | t.indrelid::bigint
    FROM found
    JOIN pg_catalog.pg_index AS t ON t.indexrelid = found.objid
    WHERE found.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
SELECT DISTINCT unit FROM part

-- name: catalogs
SELECT relname::text,
       oid,
       (SELECT system_identifier FROM pg_catalog.pg_control_system()) || ' ' || pg_catalog.pg_postmaster_start_time()
FROM pg_catalog.pg_class
WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace
  AND relkind = 'r'
