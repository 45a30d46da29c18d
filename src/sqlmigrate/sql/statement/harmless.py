"""What may stand in a query that is planned by who trusts nobody: a list of what is known, and not of what is feared.

While it plans, PostgreSQL calls IMMUTABLE and STABLE functions over constants, with the rights of whoever plans. Some
of its own run what they are told by name or by type: `table_to_xml()` and its kin read a view, `pg_input_is_valid()`
and `jsonb_populate_record()` check a domain. So a function counts as harmless only if it is named here, and works on
nothing but its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.parse import children

if TYPE_CHECKING:
    from collections.abc import Iterable

_OWN = "pg_catalog"
_NAME_FIELDS = frozenset({"funcname", "names", "name", "oper_name", "use_op", "collname"})
_NODES = """
    Node List Alias RangeVar RangeSubselect RangeFunction JoinExpr SelectStmt ResTarget WithClause CommonTableExpr
    ColumnRef A_Star A_Const A_Expr A_ArrayExpr A_Indirection A_Indices BoolExpr NullTest BooleanTest SubLink
    CaseExpr CaseWhen CoalesceExpr MinMaxExpr SQLValueFunction RowExpr FuncCall NamedArgExpr TypeCast TypeName
    CollateClause SortBy WindowDef GroupingSet GroupingFunc String Integer Float Boolean BitString
"""
_ROWS = """
    count sum min max avg bool_and bool_or every any_value array_agg string_agg json_agg jsonb_agg json_object_agg
    jsonb_object_agg stddev stddev_pop stddev_samp variance var_pop var_samp corr mode percentile_cont
    percentile_disc row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value
    nth_value
"""
_NUMBERS = """
    abs ceil ceiling floor round trunc sign sqrt cbrt power pow exp ln log log10 mod div gcd lcm degrees radians pi
    sin cos tan asin acos atan atan2 width_bucket random num_nulls num_nonnulls generate_series nextval currval
    hashint4 hashint8 hashtext hashtextextended
"""
_TEXT = """
    ascii btrim char_length character_length chr concat concat_ws convert_from convert_to decode encode format
    initcap is_normalized left length like_escape lower ltrim md5 normalize octet_length bit_length overlay position
    quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like regexp_match regexp_matches
    regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr replace reverse right rtrim sha224
    sha256 sha384 sha512 similar_to_escape split_part starts_with string_to_array string_to_table strpos substr
    substring to_hex translate upper gen_random_uuid uuidv4 uuidv7 current_setting
"""
_TIMES = """
    age clock_timestamp date_bin date_part date_trunc extract isfinite justify_days justify_hours justify_interval
    make_date make_interval make_time make_timestamp make_timestamptz now overlaps statement_timestamp timeofday
    timezone to_char to_date to_number to_timestamp transaction_timestamp
"""
_ARRAYS = """
    array_append array_cat array_length array_lower array_ndims array_position array_positions array_prepend
    array_remove array_replace array_to_string array_upper cardinality unnest generate_subscripts int4range
    int8range numrange tsrange tstzrange daterange isempty lower_inc upper_inc lower_inf upper_inf range_merge
"""
_JSON = """
    json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each
    json_each_text json_extract_path json_extract_path_text json_object_keys json_typeof jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text
    jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object_keys jsonb_path_exists jsonb_path_match
    jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_set jsonb_strip_nulls jsonb_typeof
    row_to_json to_json to_jsonb to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery
    ts_rank ts_rank_cd setweight
"""
KINDS = frozenset(_NODES.split())
"""Nodes of a parse tree."""

FUNCTIONS = frozenset(f"{_ROWS} {_NUMBERS} {_TEXT} {_TIMES} {_ARRAYS} {_JSON}".split())
"""PostgreSQL's own functions that work on nothing but their arguments."""


def is_harmless(node: Any) -> bool:
    """Whether a tree only reads, and holds nothing but what is known to be harmless; row locks are taken out of it."""
    kind = node.DESCRIPTOR.name
    if kind not in KINDS:
        return False
    if kind == "SelectStmt":
        node.ClearField("locking_clause")
    return all(_may_stand(kind, name, items) and all(map(is_harmless, items)) for name, items in children(node))


def _may_stand(kind: str, name: str, items: list[Any]) -> bool:
    if kind == "A_Indirection" and name == "indirection":  # `(x).f` is a call of f, too
        return all(one.WhichOneof("node") == "a_indices" for one in items)
    if name not in _NAME_FIELDS:
        return True
    words = list(_words(items))
    return words[:-1] in ([], [_OWN]) and (kind != "FuncCall" or name != "funcname" or words[-1:][0] in FUNCTIONS)


def _words(items: list[Any]) -> Iterable[str]:
    return (one.string.sval for one in items if one.DESCRIPTOR.name == "Node" and one.WhichOneof("node") == "string")
