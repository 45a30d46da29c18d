-- name: routines
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
       p.oid::pg_catalog.regprocedure::pg_catalog.text AS name,
       p.tableoid AS class,
       p.oid AS object,
       p.oid AS unit,
       pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text AS owner,
       coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))::pg_catalog.text[] AS acl,
       CASE WHEN p.prokind <> 'a' THEN pg_catalog.pg_get_functiondef(p.oid) END AS definition,
       CASE WHEN p.prokind = 'a' THEN pg_catalog.pg_get_function_arguments(p.oid) END AS arguments,
       CASE WHEN p.prokind = 'a' THEN pg_catalog.pg_get_function_result(p.oid) END AS result,
       CASE WHEN p.prokind = 'a' THEN p.proparallel::pg_catalog.text END AS parallel
FROM pg_catalog.pg_proc AS p
WHERE p.oid = ANY (%(pg_proc)s::pg_catalog.oid[])

-- name: aggregates
SELECT 'aggregate' AS kind,
       a.aggfnoid::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS name,
       a.tableoid AS class,
       a.aggfnoid::pg_catalog.oid AS object,
       a.aggfnoid::pg_catalog.oid AS unit,
       a.aggkind::pg_catalog.text AS form,
       nullif(a.aggnumdirectargs, 0) AS "direct arguments",
       a.aggtransfn::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text AS "transition function",
       nullif(a.aggfinalfn::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "final function",
       nullif(a.aggcombinefn::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "combine function",
       nullif(a.aggserialfn::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "serialization function",
       nullif(a.aggdeserialfn::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "deserialization function",
       nullif(a.aggmtransfn::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "moving transition function",
       nullif(a.aggminvtransfn::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "moving inverse function",
       nullif(a.aggmfinalfn::pg_catalog.oid::pg_catalog.regprocedure::pg_catalog.text, '-') AS "moving final function",
       a.aggfinalextra AS "final function takes all arguments",
       a.aggmfinalextra AS "moving final function takes all arguments",
       a.aggfinalmodify::pg_catalog.text AS "final function modifies",
       a.aggmfinalmodify::pg_catalog.text AS "moving final function modifies",
       nullif(a.aggsortop::pg_catalog.regoperator::pg_catalog.text, '0') AS "sort operator",
       pg_catalog.format_type(a.aggtranstype, NULL) AS "state type",
       nullif(a.aggtransspace, 0) AS "state size",
       CASE WHEN a.aggmtranstype <> 0::pg_catalog.oid THEN pg_catalog.format_type(a.aggmtranstype, NULL) END AS "moving state type",
       nullif(a.aggmtransspace, 0) AS "moving state size",
       a.agginitval AS "initial value",
       a.aggminitval AS "moving initial value"
FROM pg_catalog.pg_aggregate AS a
WHERE a.aggfnoid::pg_catalog.oid = ANY (%(pg_proc)s::pg_catalog.oid[])
