"""Where other migration tools keep what they have applied: their tables, known by their columns.

Columns are those that each tool has had in all its versions; a table may have more. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

PUBLIC = "public"
PLATFORM_SCHEMAS = frozenset(
    {"_analytics", "_realtime", "_supavisor", "auth", "pgbouncer", "realtime", "storage", "supabase_functions"}
)
"""Schemas in which Supabase's own services keep the histories of their own migrations."""


@dataclass(frozen=True, slots=True)
class Known:
    """A table of a tool: where it stands unless the tool is told otherwise, and the columns that it always has.

    `whole` says that it has these columns and no others, since its name says little; `any_name` that its columns say
    enough whatever its name, `own_schema` that all of its schema is the tool's; `applied` that it says what was
    applied.
    """

    tool: str
    name: str
    columns: frozenset[str]
    schema: str = PUBLIC
    whole: bool = False
    any_name: bool = False
    own_schema: bool = False
    applied: bool = True


def _known(tool: str, table: str, columns: str, *flags: str) -> Known:
    schema, dot, name = table.rpartition(".")
    given = dict.fromkeys(flags, True)
    if "beside" in given:
        given["applied"] = not given.pop("beside")
    return Known(tool, name, frozenset(columns.split()), schema if dot else PUBLIC, **given)


KNOWN = (
    _known("Supabase", "supabase_migrations.schema_migrations", "version name statements"),
    _known("Supabase", "supabase_migrations.seed_files", "path hash", "beside"),
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
    _known("graphile-worker", "graphile_worker.migrations", "id ts", "own_schema", "beside"),
    _known("Hasura", "hdb_catalog.schema_migrations", "version dirty", "own_schema"),
    _known("Hasura", "hdb_catalog.hdb_version", "hasura_uuid version upgraded_on cli_state", "own_schema"),
    _known("golang-migrate", "schema_migrations", "version dirty"),
    _known("Ecto", "schema_migrations", "version inserted_at"),
    _known("Rails, dbmate or another tool", "schema_migrations", "version"),
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
    _known("sqlmigrate", "log", "id seq run_id operation login_role script_role client_address tool_version",
           "any_name", "beside"),
    _known("sqlmigrate", "journal", "migration_hash operation number last_number state digest begun_at run_id",
           "any_name", "beside"),
    _known("sqlmigrate", "meta", "version upgraded_at upgraded_by", "whole", "beside"),
)  # fmt: skip
"""What each tool keeps where. The first that fits counts, so those with more columns go first."""


def known_by_columns(name: str, columns: Collection[str]) -> Known | None:
    """Give which tool a table is of, by its columns and, where these say too little, its name; the schema is free."""
    found = frozenset(columns)
    return next((item for item in KNOWN if _fits(item, name, found)), None)


def known_by_name(schema: str, name: str) -> Known | None:
    """Give which tool keeps what it has applied in a table of this name, in this schema, unless told otherwise."""
    return next((item for item in KNOWN if item.applied and (item.schema, item.name) == (schema, name)), None)


def names() -> list[str]:
    """Give the names that the tables have by default."""
    return sorted({item.name for item in KNOWN})


def own_schemas(found: Iterable[tuple[str, Known]]) -> set[str]:
    """Give the schemas that belong to a tool as a whole: those of its own name in which it was found."""
    return {schema for schema, item in found if item.own_schema and schema == item.schema}


def _fits(item: Known, name: str, columns: frozenset[str]) -> bool:
    if not (item.any_name or item.name == name):
        return False
    return item.columns == columns if item.whole else item.columns <= columns
