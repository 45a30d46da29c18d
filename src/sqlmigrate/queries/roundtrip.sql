-- name: tables
SELECT pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(class.relname),
       space.nspname,
       class.relname,
       ARRAY(SELECT attname
             FROM pg_catalog.pg_attribute
             WHERE attrelid = class.oid
               AND attnum > 0
               AND NOT attisdropped
             ORDER BY attname COLLATE "C")
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.relkind = 'r'
  AND class.relpersistence <> 't'
  AND space.nspname <> 'information_schema'
  AND space.nspname !~ '^pg_'
  AND space.nspname <> ALL (%(leave_out)s::text[])
ORDER BY 1

-- name: sequences
SELECT pg_catalog.quote_ident(schemaname) || '.' || pg_catalog.quote_ident(sequencename),
       last_value
FROM pg_catalog.pg_sequences
WHERE last_value IS NOT NULL
  AND schemaname <> ALL (%(leave_out)s::text[])

-- name: digest
SELECT pg_catalog.count(*),
       coalesce(pg_catalog.sum(pg_catalog.hashtextextended(ROW({values})::text, 0)::numeric), 0)
FROM ONLY {table}

-- name: holders
SELECT pg_catalog.quote_ident(space.nspname) || '.' || pg_catalog.quote_ident(class.relname),
       CASE class.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END,
       class.oid::bigint,
       space.nspname,
       class.relname,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(attname, attnum, atttypid::bigint, atttypmod)
                                           ORDER BY attnum)
                 FROM pg_catalog.pg_attribute
                 WHERE class.relkind = 'r'
                   AND attrelid = class.oid
                   AND attnum > 0
                   AND NOT attisdropped)::text, '[]')
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.relkind IN ('r', 'S')
  AND class.relpersistence <> 't'
  AND space.nspname <> 'information_schema'
  AND space.nspname !~ '^pg_'
  AND space.nspname <> ALL (%(leave_out)s::text[])
  -- the sequence of a column goes and comes with it
  AND NOT EXISTS (SELECT
                  FROM pg_catalog.pg_depend
                  WHERE classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND objid = class.oid
                    AND class.relkind = 'S'
                    AND deptype IN ('a', 'i')
                    AND refobjsubid > 0)

-- name: holds
-- an implicit cast loses nothing (pg_cast.castcontext); within one type, no modifier or a greater one does
SELECT CASE
           WHEN %(old)s::oid = %(new)s::oid THEN %(new_modifier)s = -1
                OR (%(old_modifier)s <> -1 AND %(new_modifier)s >= %(old_modifier)s
                    AND NOT (%(old)s::oid = 'numeric'::pg_catalog.regtype AND
                             ((%(new_modifier)s - 4) & 65535) < ((%(old_modifier)s - 4) & 65535)))
           ELSE %(new_modifier)s = -1
                AND EXISTS (SELECT
                            FROM pg_catalog.pg_cast
                            WHERE castsource = %(old)s::oid
                              AND casttarget = %(new)s::oid
                              AND castcontext = 'i')
       END
