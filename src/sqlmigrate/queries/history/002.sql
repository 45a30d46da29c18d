-- Unique indexes take the place of the UNIQUE constraints, since scripts that go over all constraints of a database to
-- rename them would find those. One has perhaps done so: they are dropped by whatever name they have.
DO $do$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT class.relname, rule.conname
        FROM pg_catalog.pg_constraint AS rule
        JOIN pg_catalog.pg_class AS class ON class.oid = rule.conrelid
        JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
        JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid
        WHERE space.nspname = {space}
          AND class.relname IN ('applied', 'log')
          AND attribute.attname = 'seq'
          AND rule.contype = 'u'
          AND pg_catalog.cardinality(rule.conkey) = 1
          AND rule.conkey[1] = attribute.attnum
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %I.%I DROP CONSTRAINT %I', {space}::pg_catalog.text, found.relname, found.conname);
    END LOOP;
END
$do$;

CREATE UNIQUE INDEX ON {schema}.applied (seq);

CREATE UNIQUE INDEX ON {schema}.log (seq);
