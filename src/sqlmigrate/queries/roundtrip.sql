-- name: tables
SELECT pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(class.relname),
       space.nspname,
       class.relname,
       ARRAY(SELECT attname
             FROM pg_catalog.pg_attribute
             WHERE attrelid = class.oid
               AND attnum > 0
               AND NOT attisdropped
             ORDER BY attname COLLATE pg_catalog."C")
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.relkind = 'r'
  AND class.relpersistence <> 't'
  AND space.nspname <> 'information_schema'
  AND space.nspname !~ '^pg_'::pg_catalog.text
  AND space.nspname <> ALL (%(leave_out)s::pg_catalog.text[])
ORDER BY 1

-- name: sequences
SELECT pg_catalog.quote_ident(schemaname) || '.' || pg_catalog.quote_ident(sequencename),
       schemaname,
       sequencename,
       last_value,
       start_value,
       increment_by
FROM pg_catalog.pg_sequences
WHERE pg_catalog.has_sequence_privilege(
          (pg_catalog.quote_ident(schemaname) || '.' || pg_catalog.quote_ident(sequencename))::pg_catalog.regclass::pg_catalog.oid,
          'SELECT')
  AND schemaname <> ALL (%(leave_out)s::pg_catalog.text[])

-- name: objects
-- large objects, those of roles that the reader is a member of: nobody else may read one, however it may read tables
SELECT oid::pg_catalog.text,
       pg_catalog.encode(pg_catalog.sha256(pg_catalog.lo_get(oid)), 'hex')
FROM pg_catalog.pg_largeobject_metadata
WHERE pg_catalog.pg_has_role(lomowner, 'USAGE')

-- name: digest
SELECT pg_catalog.count(*),
       coalesce(pg_catalog.sum(pg_catalog.hashtextextended(ROW({values})::pg_catalog.text, 0)::numeric), 0)
FROM ONLY {table}

-- name: holders
-- Of types that are not PostgreSQL's own also what is below a domain, the labels of an enumeration, and the attributes of
-- the composite types in it, by their numbers: one that is added again has another one.
SELECT pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(class.relname),
       CASE class.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END,
       class.oid::bigint,
       space.nspname,
       class.relname,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
                            attname, attnum, atttypid::bigint, atttypmod, attgenerated <> '',
                            CASE WHEN atttypid >= 16384::pg_catalog.oid
                                 THEN (SELECT pg_catalog.json_build_array(
                                                  base.oid::bigint, type.typtypmod,
                                                  CASE WHEN base.typtype = 'e'
                                                       THEN ARRAY(SELECT enumlabel
                                                                  FROM pg_catalog.pg_enum
                                                                  WHERE enumtypid = base.oid) END,
                                                  ARRAY(WITH RECURSIVE inside (type) AS (
                                                            SELECT type.oid
                                                            UNION
                                                            SELECT further.type
                                                            FROM inside
                                                            JOIN pg_catalog.pg_type AS outer_type
                                                              ON outer_type.oid = inside.type
                                                            CROSS JOIN LATERAL (
                                                                SELECT outer_type.typbasetype
                                                                UNION ALL
                                                                SELECT outer_type.typelem
                                                                UNION ALL
                                                                SELECT rngsubtype
                                                                FROM pg_catalog.pg_range
                                                                WHERE rngtypid = inside.type
                                                                   OR rngmultitypid = inside.type
                                                                UNION ALL
                                                                SELECT part.atttypid
                                                                FROM pg_catalog.pg_attribute AS part
                                                                WHERE part.attrelid = outer_type.typrelid
                                                                  AND part.attnum > 0
                                                                  AND NOT part.attisdropped
                                                            ) AS further (type)
                                                            WHERE further.type >= 16384::pg_catalog.oid
                                                        )
                                                        SELECT pg_catalog.concat(part.attrelid, '.', part.attnum)
                                                        FROM inside
                                                        JOIN pg_catalog.pg_type AS outer_type ON outer_type.oid = inside.type
                                                        JOIN pg_catalog.pg_attribute AS part
                                                          ON part.attrelid = outer_type.typrelid
                                                        WHERE part.attnum > 0
                                                          AND NOT part.attisdropped))
                                       FROM pg_catalog.pg_type AS type
                                       JOIN pg_catalog.pg_type AS base
                                         ON base.oid = coalesce(nullif(type.typbasetype, 0::pg_catalog.oid), type.oid)
                                       WHERE type.oid = atttypid)
                            END)
                        ORDER BY attnum)
                 FROM pg_catalog.pg_attribute
                 WHERE class.relkind = 'r'
                   AND attrelid = class.oid
                   AND attnum > 0
                   AND NOT attisdropped)::pg_catalog.text, '[]'),
       -- a TRUNCATE of what it is a partition of empties it, too
       CASE WHEN class.relispartition
            THEN (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(above_space.nspname, above.relname))::pg_catalog.text
                  FROM pg_catalog.pg_partition_ancestors(class.oid) AS ancestor
                  JOIN pg_catalog.pg_class AS above ON above.oid = ancestor.relid::pg_catalog.oid
                  JOIN pg_catalog.pg_namespace AS above_space ON above_space.oid = above.relnamespace)
       END,
       -- where it is stored: another file is empty, or written anew
       class.relfilenode::bigint,
       -- the column that a sequence goes and comes with
       CASE WHEN class.relkind = 'S'
            THEN (SELECT pg_catalog.concat(refobjid, '.', refobjsubid)
                  FROM pg_catalog.pg_depend
                  WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                    AND objid = class.oid
                    AND deptype IN ('a', 'i')
                    AND refobjsubid > 0)
       END
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.relkind IN ('r', 'S')
  AND class.relpersistence <> 't'
  AND space.nspname <> 'information_schema'
  AND space.nspname !~ '^pg_'::pg_catalog.text
  AND space.nspname <> ALL (%(leave_out)s::pg_catalog.text[])
UNION ALL
SELECT oid::pg_catalog.text, 'large object', oid::bigint, '', oid::pg_catalog.text, '[]', NULL, 0, NULL
FROM pg_catalog.pg_largeobject_metadata
ORDER BY 1

-- name: holds
-- What PostgreSQL casts by itself loses nothing (pg_cast.castcontext), but for these, and by casts of its own: others do
-- what their authors like. Nor does what has the same bytes (castmethod) or is written out, if no script is `styled`, so
-- that it changes how that is done. What gets lost on the way back counts, too: 24:00 of a time that became an interval, and
-- spaces at the end, which a character without a length keeps and its casts do not.
-- Within one type, no modifier or the same one loses nothing; of those whose modifier is a length or number of digits, a
-- greater one. That of an interval is its fields and digits; that of a numeric its precision and its scale, of 11 bits with
-- a sign.
SELECT CASE
           WHEN %(old)s::pg_catalog.oid = %(new)s::pg_catalog.oid THEN %(new_modifier)s IN (-1, %(old_modifier)s)
                OR (%(old_modifier)s <> -1 AND
                    CASE coalesce((SELECT nullif(typelem, 0::pg_catalog.oid)
                                   FROM pg_catalog.pg_type
                                   WHERE oid = %(old)s::pg_catalog.oid
                                     AND typcategory = 'A'), %(old)s::pg_catalog.oid)
                        WHEN 'numeric'::pg_catalog.regtype::pg_catalog.oid THEN
                            (%(new_modifier)s - 4) >> 16 >= (%(old_modifier)s - 4) >> 16
                            AND ((%(new_modifier)s - 4) & 2047) # 1024 >= ((%(old_modifier)s - 4) & 2047) # 1024
                        WHEN 'pg_catalog.interval'::pg_catalog.regtype::pg_catalog.oid THEN
                            %(new_modifier)s >> 16 = %(old_modifier)s >> 16
                            AND %(new_modifier)s & 65535 >= %(old_modifier)s & 65535
                        ELSE %(new_modifier)s >= %(old_modifier)s
                             AND coalesce((SELECT nullif(typelem, 0::pg_catalog.oid)
                                           FROM pg_catalog.pg_type
                                           WHERE oid = %(old)s::pg_catalog.oid
                                             AND typcategory = 'A'), %(old)s::pg_catalog.oid) < 16384::pg_catalog.oid
                    END)
           WHEN %(new_modifier)s <> -1
                OR %(new)s::pg_catalog.oid IN ('real'::pg_catalog.regtype::pg_catalog.oid, 'pg_catalog.name'::pg_catalog.regtype::pg_catalog.oid)
                OR (%(old)s::pg_catalog.oid, %(new)s::pg_catalog.oid) IN (
                    ('bigint'::pg_catalog.regtype::pg_catalog.oid, 'double precision'::pg_catalog.regtype::pg_catalog.oid),
                    ('numeric'::pg_catalog.regtype::pg_catalog.oid, 'double precision'::pg_catalog.regtype::pg_catalog.oid),
                    ('pg_catalog.date'::pg_catalog.regtype::pg_catalog.oid, 'pg_catalog.timestamptz'::pg_catalog.regtype::pg_catalog.oid),
                    ('pg_catalog.text'::pg_catalog.regtype::pg_catalog.oid, 'pg_catalog.regclass'::pg_catalog.regtype::pg_catalog.oid),
                    ('character varying'::pg_catalog.regtype::pg_catalog.oid, 'pg_catalog.regclass'::pg_catalog.regtype::pg_catalog.oid),
                    ('timestamp'::pg_catalog.regtype::pg_catalog.oid, 'pg_catalog.timestamptz'::pg_catalog.regtype::pg_catalog.oid),
                    ('pg_catalog.time'::pg_catalog.regtype::pg_catalog.oid, 'pg_catalog.interval'::pg_catalog.regtype::pg_catalog.oid),
                    ('pg_catalog.text'::pg_catalog.regtype::pg_catalog.oid, 'pg_catalog.bpchar'::pg_catalog.regtype::pg_catalog.oid),
                    ('character varying'::pg_catalog.regtype::pg_catalog.oid, 'pg_catalog.bpchar'::pg_catalog.regtype::pg_catalog.oid))
                OR (%(old)s::pg_catalog.oid = 'pg_catalog.bpchar'::pg_catalog.regtype::pg_catalog.oid AND %(old_modifier)s = -1) THEN false
           ELSE (%(new)s::pg_catalog.oid IN ('pg_catalog.text'::pg_catalog.regtype::pg_catalog.oid, 'character varying'::pg_catalog.regtype::pg_catalog.oid)
                 AND NOT %(styled)s
                 AND pg_catalog.current_setting('extra_float_digits')::integer > 0)
                OR EXISTS (SELECT
                           FROM pg_catalog.pg_cast
                           WHERE castsource = %(old)s::pg_catalog.oid
                             AND casttarget = %(new)s::pg_catalog.oid
                             AND ((castcontext = 'i' AND oid < 16384::pg_catalog.oid) OR castmethod = 'b'))
       END

-- name: fixed_zone
-- whether a zone has always been as far from UTC as it is; no daylight saving time is shorter than a week
SELECT pg_catalog.count(DISTINCT pg_catalog.timestamp_mi(pg_catalog.timezone(%(zone)s::pg_catalog.text, at),
                                                         pg_catalog.timezone('UTC', at))) = 1
FROM pg_catalog.generate_series('1800-01-01 00:00Z'::pg_catalog.timestamptz,
                                '2100-01-01 00:00Z'::pg_catalog.timestamptz,
                                '168 hours'::pg_catalog.interval) AS at

-- name: written
-- What this transaction has locked of its database so that this script, or the one that undoes it, may write rows or
-- values there, and which of that it may have written itself. Such locks on tables and sequences last until the
-- transaction ends; on sequences also where a savepoint is rolled back. No row where that would not tell all: where a
-- catalog was written that no schema shows in full, there is too much of it, or nothing is counted.
SELECT coalesce(pg_catalog.array_agg(DISTINCT l.relation::bigint)
                    FILTER (WHERE l.relation IS NOT NULL), '{}')::pg_catalog.text,
       coalesce(pg_catalog.array_agg(DISTINCT l.relation::bigint)
                    FILTER (WHERE l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                                             'AccessExclusiveLock')), '{}')::pg_catalog.text
FROM (
    SELECT pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(oid)
                          + pg_catalog.pg_stat_get_xact_tuples_updated(oid)
                          + pg_catalog.pg_stat_get_xact_tuples_deleted(oid)) AS rows
    FROM pg_catalog.pg_class
    WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
      AND relname IN ('pg_authid', 'pg_auth_members', 'pg_database', 'pg_db_role_setting', 'pg_largeobject',
                      'pg_largeobject_metadata', 'pg_parameter_acl', 'pg_replication_origin', 'pg_shdescription',
                      'pg_shseclabel', 'pg_subscription', 'pg_subscription_rel', 'pg_tablespace', 'pg_user_mapping')
) AS unseen
LEFT JOIN pg_catalog.pg_locks AS l
    ON l.pid = pg_catalog.pg_backend_pid()
   AND l.locktype = 'relation'
   AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
   AND l.relation >= 16384::pg_catalog.oid
WHERE unseen.rows = 0::numeric
  AND pg_catalog.current_setting('track_counts') = 'on'
HAVING pg_catalog.count(DISTINCT l.relation) BETWEEN 0::bigint AND 500::bigint
   AND pg_catalog.count(*) > 0::bigint

-- name: stored
-- Which of these hold rows or a value, by oid: their kinds and names, and their columns by their names. A materialized
-- view that is not populated cannot be asked; that it is not is part of the schema.
SELECT class.oid::bigint,
       class.relkind::pg_catalog.text,
       space.nspname,
       class.relname,
       ARRAY(SELECT attname
             FROM pg_catalog.pg_attribute
             WHERE attrelid = class.oid
               AND attnum > 0
               AND NOT attisdropped
             ORDER BY attname COLLATE pg_catalog."C")
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.oid = ANY (%(oids)s::pg_catalog.oid[])
  AND class.relkind IN ('r', 'm', 'S', 'f')
  AND class.relispopulated
  AND class.relpersistence <> 't'

-- name: in_order
-- the rows of a table, and the order in which they lie there
SELECT pg_catalog.count(*),
       coalesce(pg_catalog.sum(pg_catalog.hashtextextended(item.written, item.number)::numeric), 0)
FROM (SELECT ROW({values})::pg_catalog.text AS written,
             pg_catalog.row_number() OVER (ORDER BY ctid) AS number
      FROM ONLY {table}) AS item

-- name: position
SELECT last_value, is_called::pg_catalog.int4 FROM {sequence}

-- name: beneath
-- What no schema shows of these tables and the like, but what may decide later: what they inherit, and the order in
-- which PostgreSQL goes through their indexes and constraints. The last column is how many columns were dropped, and
-- whether the numbers of columns run out.
SELECT class.oid::bigint,
       pg_catalog.json_build_array(
           (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(attname, attislocal, attinhcount, atthasmissing)
                                       ORDER BY attnum)
            FROM pg_catalog.pg_attribute
            WHERE attrelid = class.oid
              AND attnum > 0
              AND NOT attisdropped),
           (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(above_space.nspname, above.relname, i.inhseqno)
                                       ORDER BY i.inhseqno)
            FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS above ON above.oid = i.inhparent
            JOIN pg_catalog.pg_namespace AS above_space ON above_space.oid = above.relnamespace
            WHERE i.inhrelid = class.oid),
           (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(below_space.nspname, below.relname)
                                       ORDER BY i.inhrelid)
            FROM pg_catalog.pg_inherits AS i
            JOIN pg_catalog.pg_class AS below ON below.oid = i.inhrelid
            JOIN pg_catalog.pg_namespace AS below_space ON below_space.oid = below.relnamespace
            WHERE i.inhparent = class.oid),
           (SELECT pg_catalog.json_agg(made.relname ORDER BY made.oid)
            FROM pg_catalog.pg_index AS i
            JOIN pg_catalog.pg_class AS made ON made.oid = i.indexrelid
            WHERE i.indrelid = class.oid),
           (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(conname, conislocal, coninhcount, connoinherit)
                                       ORDER BY oid)
            FROM pg_catalog.pg_constraint
            WHERE conrelid = class.oid),
           -- those of foreign keys fire by names that are made of their oids
           (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(c.conname, t.tgfoid::bigint) ORDER BY t.oid)
            FROM pg_catalog.pg_trigger AS t
            JOIN pg_catalog.pg_constraint AS c ON c.oid = t.tgconstraint
            WHERE t.tgrelid = class.oid
              AND t.tgisinternal)
       )::pg_catalog.text,
       (SELECT pg_catalog.json_build_array(pg_catalog.count(*) FILTER (WHERE attisdropped), pg_catalog.max(attnum) > 800)
        FROM pg_catalog.pg_attribute
        WHERE attrelid = class.oid
          AND attnum > 0)::pg_catalog.text
FROM pg_catalog.pg_class AS class
WHERE class.oid = ANY (%(oids)s::pg_catalog.oid[])
  AND class.relkind NOT IN ('S', 'c')
