"""Where other migration tools keep what they have applied: their tables, known by their columns.

Columns are those that a table has had in all versions of its tool; it may have more. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

PUBLIC = "public"
OURS = "sqlmigrate"
YOYO = "yoyo"
PLATFORM_SCHEMAS = frozenset(
    {"_analytics", "_realtime", "_supavisor", "auth", "pgbouncer", "realtime", "storage", "supabase_functions"}
)
"""Schemas in which the services of a platform (Supabase) keep the histories of migrations of their own."""


@dataclass(frozen=True, slots=True)
class Known:
    """A table of a tool: where it stands unless the tool is told otherwise, and the columns that it always has.

    `whole` says that it has these columns and no others, since its name says little; `any_name` that its columns say
    enough under any name, `only_there` that they say enough only in its own schema. `own_schema` says that all of that
    schema is the tool's, `beside` that the table does not say what was applied.
    """

    tool: str
    name: str
    columns: frozenset[str]
    schema: str = PUBLIC
    whole: bool = False
    any_name: bool = False
    only_there: bool = False
    own_schema: bool = False
    beside: bool = False

    def fits(self, schema: str, name: str, columns: frozenset[str]) -> bool:
        """Tell whether a table is this one."""
        if (self.only_there and schema != self.schema) or not (self.any_name or self.name == name):
            return False
        return self.columns == columns if self.whole else self.columns <= columns


def _known(tool: str, table: str, columns: str, *flags: str) -> Known:
    schema, dot, name = table.rpartition(".")
    return Known(tool, name, frozenset(columns.split()), schema if dot else PUBLIC, **dict.fromkeys(flags, True))


KNOWN = (
    _known("Supabase", "supabase_migrations.schema_migrations", "version", "only_there"),
    _known("Supabase", "supabase_migrations.seed_files", "path hash", "only_there", "beside"),
    _known("Drizzle", "drizzle.__drizzle_migrations", "id hash created_at"),
    _known(
        "Atlas",
        "atlas_schema_revisions.atlas_schema_revisions",
        "version description type applied total executed_at execution_time hash partial_hashes operator_version",
        "any_name",
    ),
    _known("Sqitch", "sqitch.changes", "change_id change project note committed_at planned_at planner_name"),
    _known("Sqitch", "sqitch.projects", "project uri created_at creator_name creator_email", "beside"),
    _known("Sqitch", "sqitch.releases", "version installed_at installer_name installer_email", "beside"),
    _known("Sqitch", "sqitch.tags", "tag_id tag project change_id note committed_at planned_at", "beside"),
    _known("Sqitch", "sqitch.dependencies", "change_id type dependency dependency_id", "beside"),
    _known("Sqitch", "sqitch.events", "event change_id change project note requires conflicts tags", "beside"),
    _known("graphile-migrate", "graphile_migrate.migrations", "hash previous_hash filename date", "own_schema"),
    _known("graphile-migrate", "graphile_migrate.current", "filename content date", "beside"),
    _known("graphile-worker", "graphile_worker.migrations", "id ts", "only_there", "own_schema", "beside"),
    _known("Hasura", "hdb_catalog.schema_migrations", "version dirty", "only_there", "own_schema"),
    _known("Hasura", "hdb_catalog.hdb_version", "hasura_uuid version upgraded_on cli_state", "own_schema"),
    _known("golang-migrate", "schema_migrations", "version dirty"),
    _known("Ecto", "schema_migrations", "version inserted_at"),
    _known("dbmate or Rails", "schema_migrations", "version"),
    _known("Rails", "ar_internal_metadata", "key value created_at updated_at", "beside"),
    _known(
        "Flyway",
        "flyway_schema_history",
        "installed_rank version description type script checksum installed_by installed_on execution_time success",
        "any_name",
    ),
    _known("tern", "schema_version", "version", "whole"),
    _known("Alembic", "alembic_version", "version_num"),
    _known(
        "Liquibase",
        "databasechangelog",
        "id author filename dateexecuted orderexecuted exectype md5sum description comments tag liquibase",
        "any_name",
    ),
    _known("Liquibase", "databasechangeloglock", "id locked lockgranted lockedby", "any_name", "beside"),
    _known("goose", "goose_db_version", "id version_id is_applied tstamp", "any_name"),
    _known(
        "sqlx", "_sqlx_migrations", "version description installed_on success checksum execution_time", "any_name"
    ),
    _known("refinery", "refinery_schema_history", "version name applied_on checksum"),
    _known("diesel", "__diesel_schema_migrations", "version run_on"),
    _known("sql-migrate", "gorp_migrations", "id applied_at"),
    _known(
        "Prisma",
        "_prisma_migrations",
        "id checksum finished_at migration_name logs rolled_back_at started_at applied_steps_count",
        "any_name",
    ),
    _known("Sequelize", "SequelizeMeta", "name"),
    _known("TypeORM", "migrations", "id timestamp name", "whole"),
    _known("Laravel", "migrations", "id migration batch", "whole"),
    _known("db-migrate", "migrations", "id name run_on", "whole"),
    _known("postgres-migrations", "migrations", "id name hash executed_at", "whole"),
    _known("TypeORM", "typeorm_metadata", "type database schema table name value", "beside"),
    _known("MikroORM", "mikro_orm_migrations", "id name executed_at"),
    _known("node-pg-migrate", "pgmigrations", "id name run_on"),
    _known("Knex", "knex_migrations", "id name batch migration_time"),
    _known("Knex", "knex_migrations_lock", "index is_locked", "beside"),
    _known("Django", "django_migrations", "id app name applied"),
    _known("Aerich", "aerich", "id version app content"),
    _known("Entity Framework", "__EFMigrationsHistory", "MigrationId ProductVersion"),
    _known("Phinx", "phinxlog", "version migration_name start_time end_time"),
    _known("Doctrine", "doctrine_migration_versions", "version executed_at execution_time"),
    _known("yoyo", "_yoyo_migration", "migration_hash migration_id applied_at_utc", "any_name"),
    _known("yoyo", "_yoyo_log", "id migration_hash migration_id operation username hostname comment created_at_utc",
           "any_name", "beside"),
    _known("yoyo", "_yoyo_version", "version installed_at_utc", "beside"),
    _known("yoyo", "yoyo_lock", "locked ctime pid", "beside"),
    _known("sqlmigrate", "applied", "migration_hash seq marked checksum sha256 rollback_sha256 run_id", "any_name"),
    _known("sqlmigrate", "meta", "version upgraded_at upgraded_by", "whole", "beside"),
)  # fmt: skip
"""What each tool keeps where. The first that fits counts, so a table with more columns goes before one with fewer."""
NAMES = sorted({item.name for item in KNOWN})
"""The names that the tables have by default."""
MARKS = sorted(frozenset().union(*(item.columns for item in KNOWN if item.any_name)))
"""The columns of those that are known under any name."""
ADOPTED = {
    "Alembic": "alembic",
    "Django": "django",
    "Drizzle": "drizzle",
    "Flyway": "flyway",
    "Prisma": "prisma",
    "Sqitch": "sqitch",
    "Supabase": "supabase",
    "dbmate or Rails": "dbmate",
    "diesel": "diesel",
    "golang-migrate": "golang-migrate",
    "goose": "goose",
    "graphile-migrate": "graphile-migrate",
    "node-pg-migrate": "node-pg-migrate",
    "sqlx": "sqlx",
}
"""Those whose history `mark --from` takes over, by what it calls them."""


def by_columns(schema: str, name: str, columns: Collection[str]) -> Known | None:
    """Return which tool a table is of, by its columns and, where these say too little, its name."""
    found = frozenset(columns)
    return next((item for item in KNOWN if item.fits(schema, name, found)), None)


def by_place(schema: str, name: str) -> str | None:
    """Name the tools that keep what they have applied in this place unless they are told otherwise."""
    there = (item.tool for item in KNOWN if not item.beside and (item.schema, item.name) == (schema, name))
    tools = list(dict.fromkeys(tool for label in there for tool in label.split(" or ")))
    return " or ".join([", ".join(tools[:-1]), tools[-1]] if tools[1:] else tools) or None


def histories(tables: Iterable[tuple[str, str, Collection[str]]]) -> dict[tuple[str, str], str]:
    """Find the tables in which other tools say what they have applied, by their columns or by their place.

    `tables` are schema, name and columns; what is found is the tool of a schema and name. What a platform keeps in
    schemas of its own says nothing, and neither do yoyo's tables and our own, which have their own rules.
    """
    found = {}
    for schema, name, columns in tables:
        if schema in PLATFORM_SCHEMAS:
            continue
        item = by_columns(schema, name, columns)
        tool = item.tool if item and not item.beside else by_place(schema, name)
        if tool is not None and tool not in {OURS, YOYO}:
            found[schema, name] = tool
    return found
