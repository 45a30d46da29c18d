"""Find what keeps a statement from running in batches, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.errors import Problem
from sqlmigrate.sql.position import place_at
from sqlmigrate.sql.statement.bounds import bounds_missing, repeats
from sqlmigrate.sql.statement.parse import parse_tree

if TYPE_CHECKING:
    from sqlmigrate.migrations.model import ScriptRun
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.scan import Piece


def batched_problems(run: ScriptRun, piece: Piece, batched: Batched, begun: Piece | None) -> list[Problem]:
    """Find what is wrong with a statement that is to run in batches; `begun` is a BEGIN that is still open."""
    script = run.script
    text = script.text or ""
    remark = place_at(script.path, text, batched.at)
    found = []
    if run.transactional:
        message = "each batch has a COMMIT of its own, so its script cannot run in a transaction"
        found.append(Problem(message, remark, hint="write `-- transactional: false` in the first lines"))
    if begun is not None:
        message = "each batch has a COMMIT of its own, so it cannot be in a transaction that the script begins"
        found.append(Problem(message, remark, hint="end that transaction before"))
    if why := bounds_missing(piece.text, batched):
        found.append(Problem(f"cannot run in batches: {why}", script.place(piece)))
    elif batched.by_place and (why := repeats(piece.text, batched)):
        hint = "or use a key: a unique index on columns that are NOT NULL, where each row is in one batch only"
        found.append(
            Problem(f"by ctid, a row that moves meanwhile is in two batches: {why}", script.place(piece), hint)
        )
    if batched.by_place and batched.verify is None:
        message = "by ctid, rows may move to where batches have been, so a verify must tell whether some were left out"
        found.append(Problem(message, remark, hint="write `-- sqlmigrate-verify: SELECT count(*) = 0 FROM ...`"))
    if batched.verify is not None and not _is_one_query(batched.verify):
        message = "a verify is one query that gives true: SELECT ..."
        found.append(Problem(message, place_at(script.path, text, batched.verify_at)))
    if batched.throttles.query is not None and not _is_one_query(batched.throttles.query):
        message = 'a throttle\'s query is one that gives true while batches are to wait: query="SELECT ..."'
        found.append(Problem(message, place_at(script.path, text, batched.throttle_at)))
    return found


def _is_one_query(text: str) -> bool:
    tree = parse_tree(text)
    return tree is not None and [item.stmt.WhichOneof("node") for item in tree.stmts] == ["select_stmt"]
