-- name: remarks
-- What is said about objects: comments, security labels, the extension that takes an object along when it goes, and what
-- a definition uses and need not name: NULLIF, CASE, IN and USING stand for operators, implicit casts for functions.
-- What has no object of its own here belongs to another one's: row types and arrays, the rule that makes a view.
WITH part (class, object, sub, home, place, home_sub, prefix) AS (
    SELECT t.tableoid, t.oid, 0, 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, t.typrelid, 0, 'row type '
    FROM pg_catalog.pg_type AS t
    WHERE t.typrelid = ANY (%(objects)s::pg_catalog.oid[])
    UNION ALL
    SELECT t.tableoid, t.typarray, 0,
           CASE WHEN c.relkind <> 'c' THEN c.tableoid ELSE t.tableoid END, CASE WHEN c.relkind <> 'c' THEN c.oid ELSE t.oid END,
           0, 'array type '
    FROM pg_catalog.pg_type AS t
    LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid
    WHERE t.typarray <> 0::pg_catalog.oid
      AND (t.oid = ANY (%(objects)s::pg_catalog.oid[]) OR t.typrelid = ANY (%(objects)s::pg_catalog.oid[]))
    UNION ALL
    SELECT t.tableoid, t.oid, 0, t.tableoid, r.rngtypid, 0, 'multirange type '
    FROM pg_catalog.pg_range AS r
    JOIN pg_catalog.pg_type AS t ON t.oid = r.rngmultitypid
    WHERE r.rngtypid = ANY (%(objects)s::pg_catalog.oid[])
    UNION ALL
    SELECT t.tableoid, t.typarray, 0, t.tableoid, r.rngtypid, 0, 'multirange array type '
    FROM pg_catalog.pg_range AS r
    JOIN pg_catalog.pg_type AS t ON t.oid = r.rngmultitypid
    WHERE r.rngtypid = ANY (%(objects)s::pg_catalog.oid[])
    UNION ALL
    SELECT r.tableoid, r.oid, 0, 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.ev_class, 0, 'rule '
    FROM pg_catalog.pg_rewrite AS r
    WHERE r.ev_class = ANY (%(objects)s::pg_catalog.oid[])
      AND r.rulename = '_RETURN'
    UNION ALL
    SELECT d.tableoid, d.oid, 0, 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, d.adrelid, d.adnum::integer, ''
    FROM pg_catalog.pg_attrdef AS d
    WHERE d.adrelid = ANY (%(objects)s::pg_catalog.oid[])
), remark (class, object, sub, name, text) AS (
    SELECT classoid, objoid, objsubid, 'comment', description
    FROM pg_catalog.pg_description
    UNION ALL
    SELECT classoid, objoid, objsubid, 'security label by ' || provider, label
    FROM pg_catalog.pg_seclabel
    UNION ALL
    SELECT d.classid, d.objid, 0, 'depends on extension', pg_catalog.string_agg(e.extname, ', ' ORDER BY e.extname)
    FROM pg_catalog.pg_depend AS d
    JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
    WHERE d.deptype = 'x'
    GROUP BY d.classid, d.objid
    UNION ALL
    SELECT classid, objid, 0, 'uses', pg_catalog.string_agg(used, ', ' ORDER BY used COLLATE pg_catalog."C")
    FROM (
        SELECT d.classid, d.objid,
               CASE d.refclassid
                   WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid THEN d.refobjid::pg_catalog.regprocedure::pg_catalog.text
                   ELSE d.refobjid::pg_catalog.regoperator::pg_catalog.text
               END AS used
        FROM pg_catalog.pg_depend AS d
        WHERE d.deptype = 'n'
          AND d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid,
                               'pg_catalog.pg_operator'::pg_catalog.regclass::pg_catalog.oid)
          AND d.classid IN (SELECT oid
                            FROM pg_catalog.pg_class
                            WHERE relnamespace = 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid
                              AND relname IN ('pg_rewrite', 'pg_attrdef', 'pg_constraint', 'pg_class', 'pg_policy', 'pg_trigger',
                                              'pg_statistic_ext', 'pg_proc', 'pg_publication_rel', 'pg_type'))
    ) AS item
    GROUP BY classid, objid
)
SELECT class, object, sub, name, text
FROM remark
WHERE object = ANY (%(objects)s::pg_catalog.oid[])
UNION ALL
SELECT part.home, part.place, part.home_sub,
       CASE WHEN remark.name = 'uses' THEN '' ELSE part.prefix END || remark.name, remark.text
FROM part
JOIN remark ON remark.class = part.class AND remark.object = part.object AND remark.sub = part.sub
UNION ALL
SELECT classoid, objoid, 0, 'comment', description
FROM pg_catalog.pg_shdescription
WHERE objoid = ANY (%(objects)s::pg_catalog.oid[])
UNION ALL
SELECT classoid, objoid, 0, 'security label by ' || provider, label
FROM pg_catalog.pg_shseclabel
WHERE objoid = ANY (%(objects)s::pg_catalog.oid[])
