-- name: stamps
-- One digest for each unit, which is an object with all that is read together with it, over xmin and ctid of its rows:
-- no row of a catalog changes without a new pair, also inside one transaction, and a copy of a database has the same.
-- A unit is its catalog's oid in the upper half and its own in the lower; 0 stands for rare things, all together.
WITH member AS MATERIALIZED (
    SELECT classid, objid
    FROM pg_catalog.pg_depend
    WHERE deptype = 'e'
), space AS MATERIALIZED (
    SELECT oid
    FROM pg_catalog.pg_namespace
    WHERE nspname !~ '^pg_(toast|temp_|toast_temp_)'
      AND nspname <> ALL (%(leave_out)s::text[])
), relation AS MATERIALIZED (
    SELECT t.oid,
           ('pg_catalog.pg_class'::pg_catalog.regclass::bigint << 32) | coalesce(i.indrelid, t.oid)::bigint AS unit,
           pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint) AS row,
           i.indrelid IS NULL AS first
    FROM pg_catalog.pg_class AS t
    LEFT JOIN pg_catalog.pg_index AS i ON i.indexrelid = t.oid
    WHERE t.oid >= 16384
      AND t.relkind <> 'c'
      AND t.relnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT
                      FROM member
                      WHERE member.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        AND member.objid = coalesce(i.indrelid, t.oid))
), composite AS MATERIALIZED (
    SELECT t.oid,
           ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.reltype::bigint AS unit,
           pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint) AS row
    FROM pg_catalog.pg_class AS t
    WHERE t.oid >= 16384
      AND t.relkind = 'c'
), item AS (
    SELECT unit, row, first FROM relation
    UNION ALL
    SELECT unit, row, false FROM composite
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_attribute AS t
    JOIN relation AS r ON r.oid = t.attrelid
    WHERE t.attnum > 0
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_attribute AS t
    JOIN composite AS r ON r.oid = t.attrelid
    WHERE t.attnum > 0
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_attrdef AS t
    JOIN relation AS r ON r.oid = t.adrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_constraint AS t
    JOIN relation AS r ON r.oid = t.conrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_index AS t
    JOIN relation AS r ON r.oid = t.indexrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_trigger AS t
    JOIN relation AS r ON r.oid = t.tgrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_rewrite AS t
    JOIN relation AS r ON r.oid = t.ev_class
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_policy AS t
    JOIN relation AS r ON r.oid = t.polrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_sequence AS t
    JOIN relation AS r ON r.oid = t.seqrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_inherits AS t
    JOIN relation AS r ON r.oid = t.inhrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_partitioned_table AS t
    JOIN relation AS r ON r.oid = t.partrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_foreign_table AS t
    JOIN relation AS r ON r.oid = t.ftrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_statistic_ext AS t
    JOIN relation AS r ON r.oid = t.stxrelid
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_class AS t
    JOIN pg_catalog.pg_class AS main ON main.reltoastrelid = t.oid
    JOIN relation AS r ON r.oid = main.oid
    WHERE t.reloptions IS NOT NULL
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_depend AS t
    JOIN relation AS r ON r.oid = t.objid
    WHERE t.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND (t.deptype = 'x' OR t.deptype IN ('a', 'i') AND t.refobjsubid > 0)
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_description AS t
    JOIN relation AS r ON r.oid = t.objoid
    WHERE t.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_description AS t
    JOIN composite AS r ON r.oid = t.objoid
    WHERE t.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_seclabel AS t
    JOIN relation AS r ON r.oid = t.objoid
    WHERE t.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_seclabel AS t
    JOIN composite AS r ON r.oid = t.objoid
    WHERE t.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
    UNION ALL
    SELECT r.unit, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_type AS t
    JOIN relation AS r ON r.oid = t.typrelid
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_type AS t
    LEFT JOIN pg_catalog.pg_type AS element ON element.oid = t.typelem AND element.typarray = t.oid
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid AND c.relkind <> 'c'
    WHERE t.oid >= 16384
      AND t.typtype <> 'm'
      AND element.oid IS NULL
      AND c.oid IS NULL
      AND t.typnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.enumtypid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_enum AS t
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.rngtypid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_range AS t
    WHERE t.rngtypid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_type'::pg_catalog.regclass::bigint << 32) | t.contypid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_constraint AS t
    WHERE t.contypid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_proc'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_proc AS t
    WHERE t.oid >= 16384
      AND t.pronamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_proc'::pg_catalog.regclass::bigint << 32) | t.aggfnoid::pg_catalog.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_aggregate AS t
    WHERE t.aggfnoid >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_namespace'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_namespace AS t
    WHERE t.oid IN (SELECT oid FROM space)
      AND t.nspname !~ '^pg_' AND t.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_extension'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_extension AS t
    UNION ALL
    SELECT ('pg_catalog.pg_operator'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_operator AS t
    WHERE t.oid >= 16384
      AND t.oprnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_opfamily'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_opfamily AS t
    WHERE t.oid >= 16384
      AND t.opfnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_opclass'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_opclass AS t
    WHERE t.oid >= 16384
      AND t.opcnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_collation'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_collation AS t
    WHERE t.oid >= 16384
      AND t.collnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_conversion'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_conversion AS t
    WHERE t.oid >= 16384
      AND t.connamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_ts_config'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_ts_config AS t
    WHERE t.oid >= 16384
      AND t.cfgnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_ts_dict'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_ts_dict AS t
    WHERE t.oid >= 16384
      AND t.dictnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_ts_parser'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_ts_parser AS t
    WHERE t.oid >= 16384
      AND t.prsnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_ts_template'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_ts_template AS t
    WHERE t.oid >= 16384
      AND t.tmplnamespace IN (SELECT oid FROM space)
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_cast'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_cast AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_language'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_language AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_am'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_am AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_transform'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_transform AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_foreign_data_wrapper AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_foreign_server'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_foreign_server AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_event_trigger'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_event_trigger AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_publication'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_publication AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT FROM member WHERE member.classid = t.tableoid AND member.objid = t.oid)
    UNION ALL
    SELECT ('pg_catalog.pg_amop'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_amop AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT
                      FROM pg_catalog.pg_depend AS d
                      JOIN member ON member.classid = d.refclassid AND member.objid = d.refobjid
                      WHERE d.classid = t.tableoid AND d.objid = t.oid AND d.deptype IN ('a', 'i'))
    UNION ALL
    SELECT ('pg_catalog.pg_amproc'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_amproc AS t
    WHERE t.oid >= 16384
      AND NOT EXISTS (SELECT
                      FROM pg_catalog.pg_depend AS d
                      JOIN member ON member.classid = d.refclassid AND member.objid = d.refobjid
                      WHERE d.classid = t.tableoid AND d.objid = t.oid AND d.deptype IN ('a', 'i'))
    UNION ALL
    SELECT ('pg_catalog.pg_ts_config'::pg_catalog.regclass::bigint << 32) | t.mapcfg::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_ts_config_map AS t
    WHERE t.mapcfg >= 16384
    UNION ALL
    SELECT ('pg_catalog.pg_publication'::pg_catalog.regclass::bigint << 32) | t.prpubid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false
    FROM pg_catalog.pg_publication_rel AS t
    UNION ALL -- since 15
    SELECT ('pg_catalog.pg_publication'::pg_catalog.regclass::bigint << 32) | t.pnpubid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), false -- since 15
    FROM pg_catalog.pg_publication_namespace AS t -- since 15
    UNION ALL
    SELECT ('pg_catalog.pg_default_acl'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_default_acl AS t
    WHERE (t.defaclnamespace = 0 OR t.defaclnamespace IN (SELECT oid FROM space))
    UNION ALL
    SELECT ('pg_catalog.pg_largeobject_metadata'::pg_catalog.regclass::bigint << 32) | 0::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_largeobject_metadata AS t
    UNION ALL
    SELECT ('pg_catalog.pg_tablespace'::pg_catalog.regclass::bigint << 32) | 0::bigint, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), true
    FROM pg_catalog.pg_tablespace AS t
    UNION ALL
    SELECT CASE WHEN rare THEN t.classoid::bigint << 32 ELSE (t.classoid::bigint << 32) | t.objoid::bigint END, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), rare
    FROM pg_catalog.pg_description AS t
    CROSS JOIN LATERAL (SELECT t.classoid IN ('pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
                             'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
                             'pg_catalog.pg_statistic_ext'::pg_catalog.regclass) AS rare) AS of
    WHERE t.classoid <> 'pg_catalog.pg_class'::pg_catalog.regclass
      AND (t.objoid >= 16384 OR t.classoid IN ('pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_extension'::pg_catalog.regclass))
    UNION ALL
    SELECT CASE WHEN rare THEN t.classoid::bigint << 32 ELSE (t.classoid::bigint << 32) | t.objoid::bigint END, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), rare
    FROM pg_catalog.pg_seclabel AS t
    CROSS JOIN LATERAL (SELECT t.classoid IN ('pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
                             'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
                             'pg_catalog.pg_statistic_ext'::pg_catalog.regclass) AS rare) AS of
    WHERE t.classoid <> 'pg_catalog.pg_class'::pg_catalog.regclass
      AND (t.objoid >= 16384 OR t.classoid IN ('pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_extension'::pg_catalog.regclass))
    UNION ALL
    SELECT CASE WHEN rare THEN t.classid::bigint << 32 ELSE (t.classid::bigint << 32) | t.objid::bigint END, pg_catalog.hash_record_extended(ROW(t.xmin, t.ctid), t.tableoid::bigint), rare
    FROM pg_catalog.pg_depend AS t
    CROSS JOIN LATERAL (SELECT t.classid IN ('pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_trigger'::pg_catalog.regclass,
                             'pg_catalog.pg_rewrite'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,
                             'pg_catalog.pg_statistic_ext'::pg_catalog.regclass) AS rare) AS of
    WHERE t.classid <> 'pg_catalog.pg_class'::pg_catalog.regclass
      AND t.deptype = 'x'
    UNION ALL
    SELECT ('pg_catalog.pg_user_mapping'::pg_catalog.regclass::bigint << 32) | t.umid::bigint, pg_catalog.hash_record_extended(ROW(t.umuser, t.usename, t.srvname, t.umoptions), 0), true
    FROM pg_catalog.pg_user_mappings AS t
    UNION ALL
    SELECT ('pg_catalog.pg_subscription'::pg_catalog.regclass::bigint << 32) | t.oid::bigint, pg_catalog.hash_record_extended(ROW(
               t.subname, t.subowner, t.subenabled, t.subbinary, t.substream, t.subslotname, t.subsynccommit,
               t.subtwophasestate, t.subdisableonerr, -- since 15
               t.subpasswordrequired, t.subrunasowner, t.suborigin, -- since 16
               t.subfailover, -- since 17
               t.subpublications), 0), true
    FROM pg_catalog.pg_subscription AS t
    JOIN pg_catalog.pg_database AS d ON d.oid = t.subdbid
    WHERE d.datname = pg_catalog.current_database()
    UNION ALL
    SELECT ('pg_catalog.pg_authid'::pg_catalog.regclass::bigint << 32) | 0::bigint, pg_catalog.hash_record_extended(ROW(t.oid, t.rolname), 0), true
    FROM pg_catalog.pg_roles AS t
)
SELECT unit, pg_catalog.bit_xor(row) AS digest
FROM item
GROUP BY unit
HAVING pg_catalog.bool_or(first)

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
