CREATE OR REPLACE FUNCTION normalized(what text) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$ SELECT lower(trim(what)) $$;
