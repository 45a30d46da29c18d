-- name: schemas
SELECT 'schema' AS kind,
       pg_catalog.quote_ident(n.nspname) AS name,
       n.tableoid AS class,
       n.oid AS object,
       n.oid AS unit,
       pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text AS owner,
       coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))::pg_catalog.text[] AS acl
FROM pg_catalog.pg_namespace AS n
WHERE n.oid = ANY (%(pg_namespace)s::pg_catalog.oid[])

-- name: extensions
SELECT 'extension' AS kind,
       pg_catalog.quote_ident(e.extname) AS name,
       e.tableoid AS class,
       e.oid AS object,
       e.oid AS unit,
       pg_catalog.pg_get_userbyid(e.extowner)::pg_catalog.text AS owner,
       e.extnamespace::pg_catalog.regnamespace::pg_catalog.text AS schema,
       e.extversion AS version,
       e.extrelocatable AS relocatable,
       e.extconfig::pg_catalog.regclass[]::pg_catalog.text[] AS "configuration tables",
       e.extcondition AS "configuration conditions"
FROM pg_catalog.pg_extension AS e
WHERE e.oid = ANY (%(pg_extension)s::pg_catalog.oid[])

-- name: casts
SELECT i.type AS kind,
       i.identity AS name,
       c.tableoid AS class,
       c.oid AS object,
       c.oid AS unit,
       CASE WHEN c.castfunc <> 0::pg_catalog.oid THEN c.castfunc::pg_catalog.regprocedure::pg_catalog.text END AS function,
       CASE c.castcontext WHEN 'a' THEN 'assignment' WHEN 'i' THEN 'implicit' END AS context,
       CASE c.castmethod WHEN 'b' THEN 'without function' WHEN 'i' THEN 'with inout' ELSE 'with function' END AS method
FROM pg_catalog.pg_cast AS c,
     pg_catalog.pg_identify_object(c.tableoid, c.oid, 0) AS i
WHERE c.oid = ANY (%(pg_cast)s::pg_catalog.oid[])

-- name: operators
SELECT i.type AS kind,
       i.identity AS name,
       o.tableoid AS class,
       o.oid AS object,
       o.oid AS unit,
       pg_catalog.pg_get_userbyid(o.oprowner)::pg_catalog.text AS owner,
       nullif(o.oprcode::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS function,
       CASE WHEN o.oprresult <> 0::pg_catalog.oid THEN pg_catalog.format_type(o.oprresult, NULL) END AS result,
       nullif(o.oprcom::pg_catalog.regoperator::pg_catalog.text, '0') AS commutator,
       nullif(o.oprnegate::pg_catalog.regoperator::pg_catalog.text, '0') AS negator,
       nullif(o.oprrest::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "restriction estimator",
       nullif(o.oprjoin::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "join estimator",
       o.oprcanhash AS hashes,
       o.oprcanmerge AS merges
FROM pg_catalog.pg_operator AS o,
     pg_catalog.pg_identify_object(o.tableoid, o.oid, 0) AS i
WHERE o.oid = ANY (%(pg_operator)s::pg_catalog.oid[])

-- name: operator_families
SELECT i.type AS kind,
       i.identity AS name,
       f.tableoid AS class,
       f.oid AS object,
       f.oid AS unit,
       pg_catalog.pg_get_userbyid(f.opfowner)::pg_catalog.text AS owner
FROM pg_catalog.pg_opfamily AS f,
     pg_catalog.pg_identify_object(f.tableoid, f.oid, 0) AS i
WHERE f.oid = ANY (%(pg_opfamily)s::pg_catalog.oid[])

-- name: operator_classes
SELECT i.type AS kind,
       i.identity AS name,
       c.tableoid AS class,
       c.oid AS object,
       c.oid AS unit,
       pg_catalog.pg_get_userbyid(c.opcowner)::pg_catalog.text AS owner,
       family.identity AS family,
       pg_catalog.format_type(c.opcintype, NULL) AS type,
       c.opcdefault AS "default",
       CASE WHEN c.opckeytype <> 0::pg_catalog.oid THEN pg_catalog.format_type(c.opckeytype, NULL) END AS storage
FROM pg_catalog.pg_opclass AS c,
     pg_catalog.pg_identify_object(c.tableoid, c.oid, 0) AS i,
     pg_catalog.pg_identify_object('pg_catalog.pg_opfamily'::pg_catalog.regclass, c.opcfamily, 0) AS family
WHERE c.oid = ANY (%(pg_opclass)s::pg_catalog.oid[])

-- name: family_operators
SELECT i.type AS kind,
       i.identity AS name,
       a.tableoid AS class,
       a.oid AS object,
       a.oid AS unit,
       a.amopopr::pg_catalog.regoperator::pg_catalog.text AS operator,
       a.amoppurpose = 'o' AS "for ordering",
       CASE WHEN a.amopsortfamily <> 0::pg_catalog.oid THEN sort.identity END AS "sort family"
FROM pg_catalog.pg_amop AS a
CROSS JOIN pg_catalog.pg_identify_object(a.tableoid, a.oid, 0) AS i
LEFT JOIN pg_catalog.pg_identify_object('pg_catalog.pg_opfamily'::pg_catalog.regclass, a.amopsortfamily, 0) AS sort
    ON a.amopsortfamily <> 0::pg_catalog.oid
WHERE a.oid = ANY (%(pg_amop)s::pg_catalog.oid[])

-- name: family_functions
SELECT i.type AS kind,
       i.identity AS name,
       a.tableoid AS class,
       a.oid AS object,
       a.oid AS unit,
       a.amproc::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS function
FROM pg_catalog.pg_amproc AS a,
     pg_catalog.pg_identify_object(a.tableoid, a.oid, 0) AS i
WHERE a.oid = ANY (%(pg_amproc)s::pg_catalog.oid[])

-- name: collations
SELECT i.type AS kind,
       i.identity AS name,
       c.tableoid AS class,
       c.oid AS object,
       c.oid AS unit,
       pg_catalog.pg_get_userbyid(c.collowner)::pg_catalog.text AS owner,
       c.collprovider::pg_catalog.text AS provider,
       -- in a database of one encoding, a collation for all and one for that encoding are the same
       nullif(nullif(c.collencoding, -1), (SELECT d.encoding
                                           FROM pg_catalog.pg_database AS d
                                           WHERE d.datname = pg_catalog.current_database())) AS encoding,
       NOT c.collisdeterministic AS nondeterministic,
       c.collicurules AS rules, -- since 16
       c.colliculocale AS locale, -- from 15 to 16
       c.colllocale AS locale, -- since 17
       c.collcollate AS collate,
       c.collctype AS ctype
FROM pg_catalog.pg_collation AS c,
     pg_catalog.pg_identify_object(c.tableoid, c.oid, 0) AS i
WHERE c.oid = ANY (%(pg_collation)s::pg_catalog.oid[])

-- name: conversions
SELECT i.type AS kind,
       i.identity AS name,
       c.tableoid AS class,
       c.oid AS object,
       c.oid AS unit,
       pg_catalog.pg_get_userbyid(c.conowner)::pg_catalog.text AS owner,
       pg_catalog.pg_encoding_to_char(c.conforencoding)::pg_catalog.text AS "from",
       pg_catalog.pg_encoding_to_char(c.contoencoding)::pg_catalog.text AS "to",
       c.conproc::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS function,
       c.condefault AS "default"
FROM pg_catalog.pg_conversion AS c,
     pg_catalog.pg_identify_object(c.tableoid, c.oid, 0) AS i
WHERE c.oid = ANY (%(pg_conversion)s::pg_catalog.oid[])

-- name: languages
SELECT 'language' AS kind,
       pg_catalog.quote_ident(l.lanname) AS name,
       l.tableoid AS class,
       l.oid AS object,
       l.oid AS unit,
       pg_catalog.pg_get_userbyid(l.lanowner)::pg_catalog.text AS owner,
       coalesce(l.lanacl, pg_catalog.acldefault('l', l.lanowner))::pg_catalog.text[] AS acl,
       l.lanpltrusted AS trusted,
       nullif(l.lanplcallfoid::pg_catalog.regprocedure::pg_catalog.text, '-') AS handler,
       nullif(l.laninline::pg_catalog.regprocedure::pg_catalog.text, '-') AS inline,
       nullif(l.lanvalidator::pg_catalog.regprocedure::pg_catalog.text, '-') AS validator
FROM pg_catalog.pg_language AS l
WHERE l.oid = ANY (%(pg_language)s::pg_catalog.oid[])

-- name: access_methods
SELECT 'access method' AS kind,
       pg_catalog.quote_ident(a.amname) AS name,
       a.tableoid AS class,
       a.oid AS object,
       a.oid AS unit,
       CASE a.amtype WHEN 't' THEN 'table' ELSE 'index' END AS "for",
       a.amhandler::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS handler
FROM pg_catalog.pg_am AS a
WHERE a.oid = ANY (%(pg_am)s::pg_catalog.oid[])

-- name: transforms
SELECT i.type AS kind,
       i.identity AS name,
       t.tableoid AS class,
       t.oid AS object,
       t.oid AS unit,
       nullif(t.trffromsql::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "from sql",
       nullif(t.trftosql::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "to sql"
FROM pg_catalog.pg_transform AS t,
     pg_catalog.pg_identify_object(t.tableoid, t.oid, 0) AS i
WHERE t.oid = ANY (%(pg_transform)s::pg_catalog.oid[])

-- name: foreign_data_wrappers
SELECT 'foreign-data wrapper' AS kind,
       pg_catalog.quote_ident(f.fdwname) AS name,
       f.tableoid AS class,
       f.oid AS object,
       f.oid AS unit,
       pg_catalog.pg_get_userbyid(f.fdwowner)::pg_catalog.text AS owner,
       coalesce(f.fdwacl, pg_catalog.acldefault('F', f.fdwowner))::pg_catalog.text[] AS acl,
       nullif(f.fdwhandler::pg_catalog.regprocedure::pg_catalog.text, '-') AS handler,
       nullif(f.fdwvalidator::pg_catalog.regprocedure::pg_catalog.text, '-') AS validator,
       f.fdwoptions AS options
FROM pg_catalog.pg_foreign_data_wrapper AS f
WHERE f.oid = ANY (%(pg_foreign_data_wrapper)s::pg_catalog.oid[])

-- name: servers
SELECT 'server' AS kind,
       pg_catalog.quote_ident(s.srvname) AS name,
       s.tableoid AS class,
       s.oid AS object,
       s.oid AS unit,
       pg_catalog.pg_get_userbyid(s.srvowner)::pg_catalog.text AS owner,
       coalesce(s.srvacl, pg_catalog.acldefault('S', s.srvowner))::pg_catalog.text[] AS acl,
       pg_catalog.quote_ident(f.fdwname) AS "foreign-data wrapper",
       s.srvtype AS type,
       s.srvversion AS version,
       s.srvoptions AS options
FROM pg_catalog.pg_foreign_server AS s
JOIN pg_catalog.pg_foreign_data_wrapper AS f ON f.oid = s.srvfdw
WHERE s.oid = ANY (%(pg_foreign_server)s::pg_catalog.oid[])

-- name: user_mappings
-- through the view that all may read: options show only to those who may use them, and never a password
SELECT 'user mapping' AS kind,
       CASE m.umuser WHEN 0::pg_catalog.oid THEN 'public' ELSE pg_catalog.quote_ident(m.usename) END
           || ' on server ' || pg_catalog.quote_ident(m.srvname) AS name,
       'pg_catalog.pg_user_mapping'::pg_catalog.regclass::pg_catalog.oid AS class,
       m.umid AS object,
       m.umid AS unit,
       ARRAY(SELECT CASE
                        WHEN option ~* '^[^=]*(pass|secret|token|key)'
                            THEN pg_catalog.split_part(option, '=', 1) || '=(hidden)'
                        ELSE option
                    END
             FROM pg_catalog.unnest(m.umoptions) AS option) AS options
FROM pg_catalog.pg_user_mappings AS m
WHERE m.umid = ANY (%(pg_user_mapping)s::pg_catalog.oid[])

-- name: text_search_configurations
SELECT i.type AS kind,
       i.identity AS name,
       c.tableoid AS class,
       c.oid AS object,
       c.oid AS unit,
       pg_catalog.pg_get_userbyid(c.cfgowner)::pg_catalog.text AS owner,
       parser.identity AS parser,
       ARRAY(SELECT token.alias || ': '
                    || pg_catalog.string_agg(map.mapdict::pg_catalog.regdictionary::pg_catalog.text, ', ' ORDER BY map.mapseqno)
             FROM pg_catalog.pg_ts_config_map AS map
             JOIN pg_catalog.ts_token_type(c.cfgparser) AS token ON token.tokid = map.maptokentype
             WHERE map.mapcfg = c.oid
             GROUP BY token.tokid, token.alias
             ORDER BY token.tokid) AS mappings
FROM pg_catalog.pg_ts_config AS c,
     pg_catalog.pg_identify_object(c.tableoid, c.oid, 0) AS i,
     pg_catalog.pg_identify_object('pg_catalog.pg_ts_parser'::pg_catalog.regclass, c.cfgparser, 0) AS parser
WHERE c.oid = ANY (%(pg_ts_config)s::pg_catalog.oid[])

-- name: text_search_dictionaries
SELECT i.type AS kind,
       i.identity AS name,
       d.tableoid AS class,
       d.oid AS object,
       d.oid AS unit,
       pg_catalog.pg_get_userbyid(d.dictowner)::pg_catalog.text AS owner,
       template.identity AS template,
       d.dictinitoption AS parameters
FROM pg_catalog.pg_ts_dict AS d,
     pg_catalog.pg_identify_object(d.tableoid, d.oid, 0) AS i,
     pg_catalog.pg_identify_object('pg_catalog.pg_ts_template'::pg_catalog.regclass, d.dicttemplate, 0) AS template
WHERE d.oid = ANY (%(pg_ts_dict)s::pg_catalog.oid[])

-- name: text_search_parsers
SELECT i.type AS kind,
       i.identity AS name,
       p.tableoid AS class,
       p.oid AS object,
       p.oid AS unit,
       p.prsstart::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS start,
       p.prstoken::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS "get token",
       p.prsend::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS "end",
       nullif(p.prsheadline::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS headline,
       p.prslextype::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS "token types"
FROM pg_catalog.pg_ts_parser AS p,
     pg_catalog.pg_identify_object(p.tableoid, p.oid, 0) AS i
WHERE p.oid = ANY (%(pg_ts_parser)s::pg_catalog.oid[])

-- name: text_search_templates
SELECT i.type AS kind,
       i.identity AS name,
       t.tableoid AS class,
       t.oid AS object,
       t.oid AS unit,
       nullif(t.tmplinit::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS init,
       t.tmpllexize::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS lexize
FROM pg_catalog.pg_ts_template AS t,
     pg_catalog.pg_identify_object(t.tableoid, t.oid, 0) AS i
WHERE t.oid = ANY (%(pg_ts_template)s::pg_catalog.oid[])

-- name: publications
SELECT 'publication' AS kind,
       pg_catalog.quote_ident(p.pubname) AS name,
       p.tableoid AS class,
       p.oid AS object,
       p.oid AS unit,
       pg_catalog.pg_get_userbyid(p.pubowner)::pg_catalog.text AS owner,
       p.puballtables AS "all tables",
       pg_catalog.concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
                            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END
       ) AS publish,
       p.pubgencols::pg_catalog.text AS "generated columns", -- since 18
       ARRAY(SELECT pg_catalog.quote_ident(n.nspname) -- since 15
             FROM pg_catalog.pg_publication_namespace AS pn -- since 15
             JOIN pg_catalog.pg_namespace AS n ON n.oid = pn.pnnspid -- since 15
             WHERE pn.pnpubid = p.oid -- since 15
             ORDER BY n.nspname) AS schemas, -- since 15
       p.pubviaroot AS "via partition root"
FROM pg_catalog.pg_publication AS p
WHERE p.oid = ANY (%(pg_publication)s::pg_catalog.oid[])

-- name: publication_tables
SELECT 'publication table' AS kind,
       r.prrelid::pg_catalog.regclass::pg_catalog.text || ' in publication ' || pg_catalog.quote_ident(p.pubname) AS name,
       r.tableoid AS class,
       r.oid AS object,
       p.oid AS unit,
       pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS "where", -- since 15
       ARRAY(SELECT pg_catalog.quote_ident(a.attname) -- since 15
             FROM pg_catalog.unnest(r.prattrs) AS number -- since 15
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = r.prrelid AND a.attnum = number -- since 15
             ORDER BY a.attname) AS columns, -- since 15
       r.prrelid::pg_catalog.regclass::pg_catalog.text AS "table"
FROM pg_catalog.pg_publication_rel AS r
JOIN pg_catalog.pg_publication AS p ON p.oid = r.prpubid
WHERE r.prpubid = ANY (%(pg_publication)s::pg_catalog.oid[])

-- name: subscriptions
-- the columns that all may read: not the connection string, which may hold a password
SELECT 'subscription' AS kind,
       pg_catalog.quote_ident(s.subname) AS name,
       'pg_catalog.pg_subscription'::pg_catalog.regclass::pg_catalog.oid AS class,
       s.oid AS object,
       s.oid AS unit,
       pg_catalog.pg_get_userbyid(s.subowner)::pg_catalog.text AS owner,
       s.subenabled AS enabled,
       s.subbinary AS "binary",
       s.substream::pg_catalog.text AS streaming,
       s.subtwophasestate::pg_catalog.text <> 'd' AS "two phase", -- since 15
       s.subdisableonerr AS "disable on error", -- since 15
       s.subpasswordrequired AS "password required", -- since 16
       s.subrunasowner AS "run as owner", -- since 16
       s.suborigin AS origin, -- since 16
       s.subfailover AS failover, -- since 17
       s.subslotname::pg_catalog.text AS slot,
       s.subsynccommit AS "synchronous commit",
       s.subpublications AS publications
FROM pg_catalog.pg_subscription AS s
WHERE s.oid = ANY (%(pg_subscription)s::pg_catalog.oid[])

-- name: event_triggers
SELECT 'event trigger' AS kind,
       pg_catalog.quote_ident(t.evtname) AS name,
       t.tableoid AS class,
       t.oid AS object,
       t.oid AS unit,
       pg_catalog.pg_get_userbyid(t.evtowner)::pg_catalog.text AS owner,
       t.evtevent::pg_catalog.text AS event,
       t.evtfoid::pg_catalog.regprocedure::pg_catalog.text AS function,
       CASE t.evtenabled WHEN 'D' THEN 'disabled' WHEN 'R' THEN 'replica' WHEN 'A' THEN 'always' END AS enabled,
       t.evttags AS tags
FROM pg_catalog.pg_event_trigger AS t
WHERE t.oid = ANY (%(pg_event_trigger)s::pg_catalog.oid[])

-- name: default_privileges
-- an entry without a schema replaces the built-in default and is compared with it; one in a schema only adds
SELECT 'default privileges' AS kind,
       'for role ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(d.defaclrole))
           || coalesce(' in schema ' || pg_catalog.quote_ident(n.nspname), '') || ' on '
           || CASE d.defaclobjtype
                  WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types'
                  WHEN 'n' THEN 'schemas' ELSE 'large objects'
              END AS name,
       d.tableoid AS class,
       d.oid AS object,
       d.oid AS unit,
       d.defaclacl::pg_catalog.text[] AS acl
FROM pg_catalog.pg_default_acl AS d
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace
WHERE d.oid = ANY (%(pg_default_acl)s::pg_catalog.oid[])

-- name: large_objects
SELECT 'large object' AS kind,
       l.oid::pg_catalog.text AS name,
       'pg_catalog.pg_largeobject'::pg_catalog.regclass::pg_catalog.oid AS class,
       l.oid AS object,
       0::pg_catalog.oid AS unit,
       pg_catalog.pg_get_userbyid(l.lomowner)::pg_catalog.text AS owner,
       coalesce(l.lomacl, pg_catalog.acldefault('L', l.lomowner))::pg_catalog.text[] AS acl
FROM pg_catalog.pg_largeobject_metadata AS l
WHERE pg_catalog.cardinality(%(pg_largeobject_metadata)s::pg_catalog.oid[]) > 0
