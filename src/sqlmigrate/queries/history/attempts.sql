-- What became of attempts at scripts that the log says nothing of, and of those that hurt others. It belongs to no
-- version: releases that do not know it leave it alone, and without it nothing is missing but its rows. The row of a run
-- that is under way has the state running.
CREATE TABLE {schema}.script_attempts (
    id             pg_catalog.uuid PRIMARY KEY,
    run_id         pg_catalog.uuid NOT NULL,
    state          pg_catalog.text NOT NULL,
    operation      pg_catalog.text NOT NULL,
    migration_id   varchar(255),
    attempt        integer,
    begun_at       pg_catalog.timestamptz NOT NULL,
    seen_at        pg_catalog.timestamptz,
    ended_at       pg_catalog.timestamptz,
    duration_ms    bigint,
    statement      integer,
    line           integer,
    sqlstate       pg_catalog.text,
    error          pg_catalog.text,
    blockers       pg_catalog.jsonb,
    harm           pg_catalog.jsonb,
    steps          pg_catalog.jsonb,
    login_role     pg_catalog.text NOT NULL,
    username       pg_catalog.text,
    hostname       pg_catalog.text,
    client_address pg_catalog.inet,
    tool_version   pg_catalog.text NOT NULL
);

-- Default privileges are meant for other tables of the role.
DO $do$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT class.relname, granted.privilege_type AS right,
               CASE WHEN granted.grantee = 0::pg_catalog.oid THEN 'PUBLIC'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(granted.grantee)::pg_catalog.text) END AS role
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
        CROSS JOIN LATERAL pg_catalog.aclexplode(class.relacl) AS granted
        WHERE space.nspname = {space}
          AND class.relname IN ('script_attempts')
          AND granted.grantee <> class.relowner
          AND granted.privilege_type <> 'SELECT'
    LOOP
        EXECUTE pg_catalog.format('REVOKE %s ON %I.%I FROM %s', found.right, {space}::pg_catalog.text, found.relname, found.role);
    END LOOP;
END
$do$;

-- It belongs to whom the log belongs to, and who may read and write that may do it here.
DO $do$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT pg_catalog.pg_get_userbyid(class.relowner) AS owner, granted.privilege_type AS right,
               CASE WHEN granted.grantee = 0::pg_catalog.oid THEN 'PUBLIC'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(granted.grantee)::pg_catalog.text) END AS role
        FROM pg_catalog.pg_class AS class
        JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
        LEFT JOIN LATERAL pg_catalog.aclexplode(class.relacl) AS granted
               ON granted.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND granted.grantee <> class.relowner
        WHERE space.nspname = {space}
          AND class.relname = 'log'
    LOOP
        IF found.right IS NOT NULL THEN
            EXECUTE pg_catalog.format('GRANT %s ON %I.script_attempts TO %s', found.right, {space}::pg_catalog.text, found.role);
        END IF;
        IF found.owner <> current_user THEN
            EXECUTE pg_catalog.format('ALTER TABLE %I.script_attempts OWNER TO %I', {space}::pg_catalog.text, found.owner);
        END IF;
    END LOOP;
END
$do$;
