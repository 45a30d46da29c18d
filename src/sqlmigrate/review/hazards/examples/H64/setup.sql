CREATE FUNCTION normalized(what text) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$ SELECT lower(what) $$;

CREATE INDEX customers_name ON customers (normalized(name));
