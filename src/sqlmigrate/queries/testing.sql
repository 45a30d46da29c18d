-- The template of a test suite, and those of what its files were before.

-- name: database
-- Its owner, and whether that is who makes templates here, or a superuser: another role could have put one in its place.
SELECT owner.rolname::pg_catalog.text,
       owner.rolsuper OR owner.rolname OPERATOR(pg_catalog.=) ANY (ARRAY[session_user, %(owner)s::pg_catalog.name])
  FROM pg_catalog.pg_database AS database
  JOIN pg_catalog.pg_roles AS owner ON owner.oid OPERATOR(pg_catalog.=) database.datdba
 WHERE database.datname OPERATOR(pg_catalog.=) %(name)s::pg_catalog.name

-- name: role
SELECT 1 FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) %(name)s::pg_catalog.name

-- name: tablespace
SELECT pg_catalog.pg_tablespace_location(oid)
  FROM pg_catalog.pg_tablespace
 WHERE spcname OPERATOR(pg_catalog.=) %(name)s::pg_catalog.name

-- name: hold
-- For as long as the session is there, others see that the template is in use.
SELECT pg_catalog.pg_advisory_lock_shared(pg_catalog.hashtextextended(%(name)s::pg_catalog.text, 0::pg_catalog.int8))

-- name: others
-- Each with whether nobody uses it; the lock that says so is ours then.
SELECT datname::pg_catalog.text,
       pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(datname::pg_catalog.text, 0::pg_catalog.int8))
  FROM pg_catalog.pg_database
 WHERE pg_catalog.starts_with(datname::pg_catalog.text, %(prefix)s::pg_catalog.text)

-- name: release
SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended(%(name)s::pg_catalog.text, 0::pg_catalog.int8))
