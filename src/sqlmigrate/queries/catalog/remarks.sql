-- name: remarks
-- what is said about objects: comments, security labels, and the extension that takes an object along when it goes
SELECT classoid, objoid, objsubid, 'comment' AS name, description AS text
FROM pg_catalog.pg_description
WHERE objoid = ANY (%(objects)s::pg_catalog.oid[])
UNION ALL
SELECT classoid, objoid, 0, 'comment', description
FROM pg_catalog.pg_shdescription
WHERE objoid = ANY (%(objects)s::pg_catalog.oid[])
UNION ALL
SELECT classoid, objoid, objsubid, 'security label by ' || provider, label
FROM pg_catalog.pg_seclabel
WHERE objoid = ANY (%(objects)s::pg_catalog.oid[])
UNION ALL
SELECT classoid, objoid, 0, 'security label by ' || provider, label
FROM pg_catalog.pg_shseclabel
WHERE objoid = ANY (%(objects)s::pg_catalog.oid[])
UNION ALL
SELECT d.classid, d.objid, 0, 'depends on extension', pg_catalog.string_agg(e.extname, ', ' ORDER BY e.extname)
FROM pg_catalog.pg_depend AS d
JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
WHERE d.objid = ANY (%(objects)s::pg_catalog.oid[])
  AND d.deptype = 'x'
GROUP BY d.classid, d.objid
