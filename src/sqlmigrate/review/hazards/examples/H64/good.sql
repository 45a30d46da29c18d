-- transactional: false

CREATE FUNCTION normalized_2(what text) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$ SELECT lower(trim(what)) $$;

CREATE INDEX CONCURRENTLY customers_name_2 ON customers (normalized_2(name));
