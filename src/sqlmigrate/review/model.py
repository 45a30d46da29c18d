"""The public model of a review: frozen, JSON-ready values, the same for every renderer and for other programs.

`VERSION` rises when a field goes or changes its meaning; new fields may come without it. `docs/review.schema.json`
describes the JSON, and `tools/report_schema.py` writes it from the classes here.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  the JSON Schema is made from the types
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlmigrate.review.measured import Batching, Duration, Harm, LockWait, Project  # noqa: TC001  same
from sqlmigrate.review.measured import BranchProblem as BranchProblem  # noqa: PLC0414, TC001  part of the model
from sqlmigrate.review.measured import TableSize as TableSize  # noqa: PLC0414  part of the model
from sqlmigrate.review.measured import Target as Target  # noqa: PLC0414, TC001  same
from sqlmigrate.review.remedy import Remedy  # noqa: TC001  the JSON Schema is made from the types
from sqlmigrate.review.seed_model import Seeds  # noqa: TC001  same
from sqlmigrate.usage.model import Use  # noqa: TC001  same

VERSION = 1

Severity = Literal["danger", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("danger", "warning", "note")
"""From the worst to the mildest."""

Verdict = Literal["fails", "danger", "warning", "fine"]
"""`fails`: a script or its proof fails; `danger` and `warning`: the worst hazard that is not allowed; else `fine`."""

Source = Literal["seen", "table"]
"""How a lock is known: `seen` in pg_locks while the statement ran, or from our static `table` of what it takes."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock on something that was there before the migration, in PostgreSQL's words.

    `kind` is what is locked (table, partitioned table, view, materialized view, foreign table, index, sequence, type,
    schema, ...), `name` its qualified name, `mode` such as ACCESS EXCLUSIVE, `level` the rank of the mode from 1
    (ACCESS SHARE) to 8 (ACCESS EXCLUSIVE), and `blocks` says in words what has to wait meanwhile.
    """

    kind: str
    name: str
    mode: str
    level: int
    blocks: str
    source: Source = "seen"


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock over time: taken by statement `first` and held up to the end of statement `last`.

    `statements` is how many statements that are. A relation whose lock grows has one hold for each mode, one after
    the other. In a transaction `last` is the last statement, since only COMMIT lets go. `takes` is how long that is on
    the target, None without figures.
    """

    lock: Lock
    first: int
    last: int
    statements: int
    takes: Duration | None = None


@dataclass(frozen=True, slots=True)
class Hazard:
    """Something that a DBA should know of before he says yes.

    `line` is the first line of the statement that it is about, counted from 1. `seen` is what was found, `blocks` what
    has to wait or can go wrong, `instead` what to do, with `remedy` as its SQL where there is one, and `rewrite` as
    all of that in one text. `relations` are the qualified names that it is about. `page` is the path of its page in
    the documentation. `raised` and `lowered` say why its severity was changed, such as by the size of the table; `harm`
    what stands still on the target, and for how long. `rows` is how many rows it is about, where that is known, and at
    most so many where `at_most` says so. `last_use` says of what is dropped or renamed what uses it in the target.
    """

    code: str
    slug: str
    title: str
    severity: Severity
    statement: int
    line: int
    seen: str
    blocks: str
    instead: str
    page: str
    rewrite: str | None = None
    relations: tuple[str, ...] = ()
    raised: str | None = None
    remedy: Remedy | None = None
    lowered: str | None = None
    rows: int | None = None
    at_most: bool = False
    harm: str | None = None
    last_use: tuple[Use, ...] = ()


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A hazard that the script allows by `-- sqlmigrate-allow: CODE reason`."""

    hazard: Hazard
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What squawk says; `line` and `column` count from 1, the column in characters.

    `answer` is what the trace says to it: `confirmed`, `harmless` (it happens, and harms nobody here), `refuted` or
    `unknown`, and `why` in words. One that is confirmed counts as a warning at least. `statement` is None where the
    finding belongs to no statement.
    """

    rule: str
    level: str
    message: str
    line: int
    column: int
    statement: int | None = None
    help: str | None = None
    answer: Literal["confirmed", "harmless", "refuted", "unknown"] = "unknown"
    why: str | None = None


@dataclass(frozen=True, slots=True)
class ReviewedStatement:
    """One statement of a script, as it ran on the shadow.

    - `line` and `last_line` count from 1; `kind` is what PostgreSQL calls the command, such as ALTER TABLE.
    - `own`: what it locks when it runs alone (pass B); None where it could not run alone, and then `notes` say why.
    - `taken`: the locks that come with it in the transaction as it will run (pass A), only where they are stronger
      than what is held already.
    - `held_before`: how many relations are locked with SHARE or stronger when it begins, by the statements before it.
    - `rewrites` and `scans`: relations that were there before and are written anew, or read from end to end.
    - `made`, `changed` and `dropped`: objects, with PostgreSQL's word for their kind before the name.
    - `takes`: how long it takes on the target; None without figures.
    - `batching`: how it runs in batches, where it does.
    """

    number: int
    line: int
    last_line: int
    text: str
    kind: str
    own: tuple[Lock, ...] | None = None
    taken: tuple[Lock, ...] = ()
    held_before: int = 0
    rewrites: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    hazards: tuple[Hazard, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    takes: Duration | None = None
    batching: Batching | None = None


@dataclass(frozen=True, slots=True)
class Direction:
    """One script of a migration: `operation` is `apply` or `rollback`.

    `sha256` is of the file's bytes, `checksum` of its text with LF line ends. `text` is the whole script, None where
    it is too large to be shown. `holds` are in the order in which the locks are taken. `waits` is how many statements
    may have to wait for a lock that stops others (SHARE UPDATE EXCLUSIVE or stronger), `longest` the statements for
    which the strongest lock that stops reads or writes is held. `error` says where and why the script failed on the
    shadow; what comes behind it was not tried. `findings` are those of squawk that belong to no statement. `harms` say
    what stands still on the target, the longest first, and `lock_wait` what its oldest transaction means, with figures.
    `in_repository` is the path from the root of the git repository, and `link` an address that shows the file there.
    """

    operation: Literal["apply", "rollback"]
    path: str
    sha256: str
    checksum: str
    transactional: bool
    text: str | None
    statements: tuple[ReviewedStatement, ...]
    holds: tuple[Hold, ...] = ()
    waits: int = 0
    longest: Hold | None = None
    error: str | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    harms: tuple[Harm, ...] = ()
    lock_wait: LockWait | None = None
    in_repository: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What the round trip (apply, rollback, apply) says of the pair, in its own words.

    `verdict` is exact, text_only, order_only, lossy, not_restored, fails, irreversible, not_tried, or `unknown` without
    any proof; `lines` are the differences or the reason, `data` whether sample rows took part, `source` where it comes
    from.
    """

    verdict: str
    lines: tuple[str, ...] = ()
    data: bool = False
    source: str = "this review"


@dataclass(frozen=True, slots=True)
class Conflict:
    """An object that a late migration and one that is applied already both touch, at least one of them writing."""

    object: str
    here: str
    migration_id: str
    there: str


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """The answer for a migration that comes late: `after` are the ids that are applied although they come behind it.

    `independent` is only said when both orders gave one schema on the shadow; `conflicting` where both touch the same
    object; `different` where the two orders give two schemas; `unknown` where it could not be told. `lines` say it
    in words.
    """

    answer: Literal["independent", "conflicting", "different", "unknown"]
    after: tuple[str, ...]
    conflicts: tuple[Conflict, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration: both directions, what it changes in the schema, and whether the undo is proven.

    `changes` is the schema's difference as `schemadiff.as_json` gives it, `change_lines` the same as lines that read
    like a diff. `out_of_order` is None for a migration that is not late. `without` are the ids of those before it that
    could not be applied on the shadow, so that it was tried without them. `bug` says which mistake of ours ended its
    review, and is None otherwise. `phase` is when it is to be applied, before-deploy or after-deploy, `proposed_phase`
    the other one where what was found speaks for it.
    """

    migration_id: str
    apply: Direction
    rollback: Direction | None
    proof: Proof
    changes: tuple[Mapping[str, Any], ...] = ()
    change_lines: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()
    out_of_order: OutOfOrder | None = None
    verdict: Verdict = "fine"
    notes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    bug: str | None = None
    phase: str = "before-deploy"
    proposed_phase: str | None = None


@dataclass(frozen=True, slots=True)
class Versions:
    """What the review was made with: the tool, PostgreSQL of the shadow and of the target, squawk."""

    sqlmigrate: str
    shadow: str | None
    target: str | None = None
    squawk: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides beside the scripts what they do, as it was on the shadow.

    `source` says where it comes from: the target, the name of a file, or `assumed` where neither is known. `summary`
    says what counts in one line. `values` are settings by their names, `locale` is the database's (encoding, provider,
    collate, ctype, locale, rules), `extensions` are the target's with their versions.
    """

    source: str
    summary: str
    values: Mapping[str, str]
    locale: Mapping[str, str | None]
    extensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LiveStatement:
    """A statement of the application, and what a migration does to it.

    `query` is its text; `calls`, `calls_per_second` and `mean` (milliseconds of a call) are None where no traffic is
    known, `roles` those that send it. `operation` is the script that does it, apply or rollback, and `statement` and
    `line` where in it; None where that could not be told. `error` says what happens, in PostgreSQL's words with
    `sqlstate` where it refuses the statement. `name` and `place` say where the application has written it down,
    `relation` is the table that has lost an index.
    """

    query: str
    calls: int | None
    error: str
    migration_id: str
    operation: Literal["apply", "rollback"] = "apply"
    sqlstate: str | None = None
    statement: int | None = None
    line: int | None = None
    calls_per_second: float | None = None
    mean: float | None = None
    roles: tuple[str, ...] = ()
    name: str | None = None
    place: str | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class NotAsked:
    """Statements of the application that say nothing: how many, with how many calls, why, and one of them."""

    error: str
    statements: int
    calls: int
    query: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What the migrations do to the statements that the application sends; see docs/workload.md.

    `source` says where they come from, `read_at` and `since` are ISO 8601 times and `seconds` the time between;
    `statements` and `calls` count all of them. Those that break are refused after a script and were taken before it,
    those that `may_break` depend on values or privileges that are not known, `slower` ones have lost an index, and of
    those in `changes` only the result is another one. `not_checked` are those that are not taken before either.
    `notes` say what this does not tell.
    """

    source: str
    statements: int
    calls: int
    checked_calls: int
    headline: str
    read_at: str | None = None
    since: str | None = None
    seconds: float | None = None
    breaks: tuple[LiveStatement, ...] = ()
    may_break: tuple[LiveStatement, ...] = ()
    slower: tuple[LiveStatement, ...] = ()
    changes: tuple[LiveStatement, ...] = ()
    not_checked: tuple[NotAsked, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotChecked:
    """Something that this review does not tell, and why or what would make it."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """A whole review; `verdict` is the worst of its migrations and `headline` says it in one sentence.

    `made_at` is an ISO 8601 time. `isolation` says what kept the scripts from the machine that the review was made on.
    With a revision of git, `branch` says what becomes of the migrations that it has; `seeds` says, where that is asked
    for, what the seed data would do on the target. The verdict rests on neither.
    """

    verdict: Verdict
    headline: str
    made_at: str
    versions: Versions
    migrations: tuple[Migration, ...]
    target: Target | None = None
    notes: tuple[str, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    settings: Settings | None = None
    isolation: str | None = None
    workload: Workload | None = None
    project: Project | None = None
    branch: tuple[BranchProblem, ...] = ()
    seeds: Seeds | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain data for `json.dumps`: as `docs/review.schema.json` describes it."""
        return {"version": VERSION, "command": "review", **asdict(self)}


def worst(verdicts: tuple[Verdict, ...]) -> Verdict:
    """Return the worst of some verdicts; nothing is fine."""
    order: tuple[Verdict, ...] = ("fails", "danger", "warning", "fine")
    return min(verdicts, key=order.index, default="fine")
