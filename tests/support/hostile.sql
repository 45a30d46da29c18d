-- What whoever may CREATE in a schema could put there for others to run into: operators, functions, types and relations
-- under PostgreSQL's own names, generated from its catalogs into schema hostile_place. Each says in the server's log
-- that it was used, which outlives every rollback, and fails.
SET LOCAL search_path TO pg_catalog, pg_temp;
SET LOCAL check_function_bodies TO off;

CREATE FUNCTION hostile_place.hostile(what text) RETURNS boolean LANGUAGE plpgsql AS $trap$
BEGIN
    RAISE LOG 'hostile: %', what;
    RAISE EXCEPTION 'hostile: %', what;
END
$trap$;

CREATE FUNCTION hostile_place.hostile_body(what text) RETURNS text LANGUAGE sql AS $trap$
    SELECT pg_catalog.format($$BEGIN RAISE LOG 'hostile: %%', %1$L; RAISE EXCEPTION 'hostile: %%', %1$L; END$$, what)
$trap$;

DO $hostile$
DECLARE
    trap record;
    made integer := 0;
    least integer := {least};
    wanted_types regtype[] := {types}; -- NULL for all
    wanted_operators name[] := {operators};
    wanted_functions name[] := {functions};
BEGIN
    -- operators: those of one type under every name, others between the types that PostgreSQL would have to convert
    CREATE TEMPORARY TABLE hostile_type ON COMMIT DROP AS
    SELECT type::regtype AS type, kind
    FROM (VALUES ('bool', 'other'), ('"char"', 'string'), ('name', 'string'), ('text', 'string'),
                 ('varchar', 'string'), ('bpchar', 'string'), ('int2', 'number'), ('int4', 'number'),
                 ('int8', 'number'), ('oid', 'number'), ('numeric', 'number'), ('float4', 'number'),
                 ('float8', 'number'), ('xid', 'number'), ('cid', 'number'), ('tid', 'other'), ('regclass', 'number'),
                 ('regproc', 'number'), ('regtype', 'number'), ('regnamespace', 'number'), ('regrole', 'number'),
                 ('timestamp', 'time'), ('timestamptz', 'time'), ('date', 'time'), ('interval', 'time'),
                 ('uuid', 'other'), ('json', 'json'), ('jsonb', 'json'), ('inet', 'other'), ('pg_lsn', 'other'),
                 ('bytea', 'other'), ('pg_node_tree', 'string'), ('int2vector', 'other'), ('oidvector', 'other'),
                 ('aclitem', 'other'), ('record', 'any'), ('anyelement', 'any'), ('anyarray', 'any'),
                 ('anynonarray', 'any'), ('anyenum', 'any')) AS given (type, kind);
    INSERT INTO hostile_type
    SELECT t.typarray::regtype, 'array'
    FROM hostile_type JOIN pg_type AS t ON t.oid = hostile_type.type
    WHERE t.typarray <> 0 AND t.typtype = 'b';

    DELETE FROM hostile_type WHERE NOT type = ANY (wanted_types); -- where that is NULL, none

    FOR trap IN
        WITH name (operator, kinds) AS (
            SELECT DISTINCT oprname::text, CASE
                       WHEN oprname IN ('=', '<>', '<', '<=', '>', '>=') THEN '{number,string,time,json}'::text[]
                       WHEN oprname IN ('+', '-', '*', '/', '%', '<<', '>>', '&', '|', '#') THEN '{number,time}'
                       WHEN oprname IN ('||', '~', '~*', '!~', '!~*', '~~', '!~~', '~~*', '!~~*', '^@') THEN '{string}'
                       ELSE '{}'
                   END
            FROM pg_operator
            WHERE oprkind = 'b' AND oprnamespace = 'pg_catalog'::regnamespace AND (wanted_operators IS NULL OR oprname = ANY (wanted_operators))
        ), pair AS (
            SELECT name.operator, l.type AS l, r.type AS r
            FROM name, hostile_type AS l, hostile_type AS r
            WHERE l.type = r.type
               OR l.kind = r.kind AND l.kind = ANY (name.kinds)
               OR name.operator = '*' AND l.kind IN ('number', 'time') AND r.kind IN ('number', 'time')
               OR l.kind = 'json' AND (r.type IN ('text'::regtype, 'int4'::regtype, 'text[]'::regtype))
                  AND name.operator IN ('->', '->>', '#>', '#>>', '-', '?', '?|', '?&', '||')
               OR name.operator = '||' AND (l.kind = 'string' AND r.kind IN ('number', 'other', 'time', 'json', 'array')
                                            OR r.kind = 'string' AND l.kind IN ('number', 'other', 'time', 'json', 'array')
                                            OR l.kind IN ('array', 'any') AND r.kind IN ('array', 'any'))
               OR name.operator = '=' AND l.kind = 'any' AND r.kind = 'any'
        )
        SELECT operator, l, r, CASE
                   WHEN operator IN ('||', '->>', '#>>') AND l NOT IN ('anyarray'::regtype, 'json'::regtype, 'jsonb'::regtype)
                        AND l::text !~ '\[\]' THEN 'text'
                   WHEN operator IN ('+', '-', '*', '/', '%', '<<', '>>', '&', '|', '#', '||', '->', '#>') THEN l::text
                   ELSE 'boolean'
               END AS result
        FROM pair
        -- what cannot be: a result of a pseudo-type whose type no operand tells
        WHERE NOT (l::text = 'record' AND operator IN ('+', '-', '*', '/', '%', '<<', '>>', '&', '|', '#', '->', '#>'))
    LOOP
        EXECUTE format('CREATE FUNCTION hostile_place.%I(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L',
                       'operator ' || trap.operator, trap.l, trap.r, trap.result,
                       hostile_place.hostile_body(format('operator %s (%s, %s)', trap.operator, trap.l, trap.r)));
        EXECUTE format('CREATE OPERATOR hostile_place.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = hostile_place.%I)',
                       trap.operator, trap.l, trap.r, 'operator ' || trap.operator);
        made := made + 1;
    END LOOP;

    FOR trap IN
        SELECT DISTINCT o.oprname AS operator, t.type
        FROM pg_operator AS o, hostile_type AS t
        WHERE o.oprkind = 'l' AND (wanted_operators IS NULL OR o.oprname = ANY (wanted_operators)) AND o.oprnamespace = 'pg_catalog'::regnamespace AND t.kind IN ('number', 'time')
    LOOP
        EXECUTE format('CREATE FUNCTION hostile_place.%I(%s) RETURNS %2$s LANGUAGE plpgsql AS %3$L',
                       'operator ' || trap.operator, trap.type,
                       hostile_place.hostile_body(format('operator %s %s', trap.operator, trap.type)));
        EXECUTE format('CREATE OPERATOR hostile_place.%s (RIGHTARG = %s, FUNCTION = hostile_place.%I)',
                       trap.operator, trap.type, 'operator ' || trap.operator);
        made := made + 1;
    END LOOP;

    -- functions: every one of PostgreSQL's own that another function can stand for, and the closer matches of many
    FOR trap IN
        WITH own AS (
            SELECT proname::text AS name,
                   ARRAY(SELECT CASE type WHEN '"any"'::regtype THEN 'anyelement' ELSE type::regtype::text END
                         FROM unnest(proargtypes) WITH ORDINALITY AS given (type, at) ORDER BY at) AS arguments,
                   proretset, provariadic <> 0 AND provariadic <> '"any"'::regtype AS tail,
                   CASE prorettype WHEN '"any"'::regtype THEN 'anyelement' ELSE prorettype::regtype::text END AS result
            FROM pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace
              AND prokind IN ('f', 'a', 'w')
              AND (wanted_functions IS NULL OR proname = ANY (wanted_functions))
              AND prorettype::regtype::text !~ '^(internal|trigger|event_trigger|cstring|.*_handler|pg_ddl_command)$'
              AND NOT EXISTS (SELECT FROM unnest(proargtypes) AS type
                              WHERE type::regtype::text ~ '^(internal|cstring|pg_ddl_command)$')
        ), wider AS (
            SELECT name, arguments, proretset, tail, result FROM own
            UNION ALL
            SELECT DISTINCT ON (name, closer.type) name, ARRAY[closer.type], proretset, false, result
            FROM own, unnest('{varchar,name,oid}'::text[]) AS closer (type)
            WHERE cardinality(arguments) = 1
            UNION ALL
            SELECT DISTINCT ON (name, closer.type) name, ARRAY[closer.type, closer.type], proretset, false, result
            FROM own, unnest('{varchar,name}'::text[]) AS closer (type)
            WHERE cardinality(arguments) = 2 OR name IN ('format', 'concat', 'concat_ws', 'jsonb_build_array',
                                                         'jsonb_build_object', 'json_build_object')
            UNION ALL
            SELECT name, ARRAY['anyelement', 'anyelement'], false, false, 'bigint'
            FROM unnest('{num_nulls,num_nonnulls}'::text[]) AS name
        )
        SELECT DISTINCT ON (name, arguments) * FROM wider
        ORDER BY name, arguments, tail DESC
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION hostile_place.%I(%s) RETURNS %s %s LANGUAGE plpgsql AS %L',
                           trap.name,
                           CASE WHEN trap.tail
                                THEN array_to_string(trim_array(trap.arguments, 1) || ('VARIADIC ' || trap.arguments[cardinality(trap.arguments)]), ', ')
                                ELSE array_to_string(trap.arguments, ', ')
                           END,
                           CASE WHEN trap.proretset THEN 'SETOF' END, trap.result,
                           hostile_place.hostile_body(format('function %s(%s)', trap.name, array_to_string(trap.arguments, ', '))));
            made := made + 1;
        EXCEPTION
            -- a result of a type that no argument tells, or two of PostgreSQL's own that became one here
            WHEN invalid_function_definition OR duplicate_function OR feature_not_supported THEN NULL;
        END;
    END LOOP;

    -- types, whose CHECK runs with each cast, and views
    FOR trap IN
        SELECT typname::text AS name
        FROM pg_type
        WHERE typnamespace = 'pg_catalog'::regnamespace
          AND typtype IN ('b', 'r')
          AND typname !~ '^_'
          AND typrelid = 0
    LOOP
        EXECUTE format('CREATE DOMAIN hostile_place.%I AS pg_catalog.%1$I CHECK (hostile_place.hostile(%2$L))',
                       trap.name, 'type ' || trap.name);
        made := made + 1;
    END LOOP;
    FOR trap IN
        SELECT c.relname::text AS name,
               string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns -- but for those that no view can have
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE c.relnamespace = 'pg_catalog'::regnamespace
          AND c.relkind IN ('r', 'v')
          AND a.atttypid::regtype NOT IN ('anyarray'::regtype, 'pg_ndistinct'::regtype, 'pg_dependencies'::regtype, 'pg_mcv_list'::regtype)
          AND NOT EXISTS (SELECT FROM pg_type AS t JOIN pg_class AS of ON of.oid = t.typrelid
                          WHERE t.typarray = a.atttypid)
        GROUP BY c.relname
    LOOP
        EXECUTE format('CREATE VIEW hostile_place.%I AS SELECT %s FROM pg_catalog.%1$I WHERE hostile_place.hostile(%3$L)',
                       trap.name, trap.columns, 'relation ' || trap.name);
        made := made + 1;
    END LOOP;
    IF made < least THEN
        RAISE EXCEPTION 'only % traps were set', made;
    END IF;
END
$hostile$;
