"""Migrations: one Alembic lineage and one version table per plugin, driven from code.

A plugin that is gone leaves its tables and its version behind and troubles nobody; when it comes back it goes on from
there. Everything that is due is done in one transaction: a migration that is interrupted has not happened.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError

from csmsd._kernel.storage.tables import metadata as kernel_metadata
from csmsd.errors import PluginConflict, PluginError, SchemaMismatch
from csmsd.plugin import Migrations

_ADVISORY_LOCK = 0x6373_6D73_64  # "csmsd": only one process migrates a PostgreSQL database at a time
_one_at_a_time = threading.Lock()  # Alembic's `op` is one per process

Lineages = Mapping[str, Migrations]  # by plugin name, in the order to migrate

KERNEL: Lineages = {"kernel": Migrations("csmsd._kernel.storage", kernel_metadata)}


@dataclass(frozen=True, slots=True)
class LineageStatus:
    """Where the tables of one plugin are, and where its code wants them."""

    name: str
    current: str | None  # None: it has no tables yet
    head: str
    pending: tuple[str, ...]  # revisions to come, oldest first

    @property
    def is_current(self) -> bool:
        """Tables and code agree."""
        return self.current == self.head


def upgrade(engine: sa.Engine, lineages: Lineages) -> list[LineageStatus]:
    """Bring all tables to the versions of the code; returns what they were before.

    Errors: SchemaMismatch (the database is newer than the code), PluginConflict (tables outside the plugin's prefix).
    """
    _check_prefixes(lineages)
    before: list[LineageStatus] = []
    with _one_at_a_time, _exclusively(engine) as connection:
        for name, migrations in lineages.items():
            script = _script_of(name, migrations)
            status = _status(connection, name, script)
            before.append(status)
            if not status.is_current:
                _run(connection, script, status)
    return before


def upgrade_step_by_step(engine: sa.Engine, name: str, migrations: Migrations) -> Iterator[str]:
    """For tests: bring one lineage up to date, one revision after the other; pauses at each, with its id."""
    script = _script_of(name, migrations)
    for revision in reversed(list(script.iterate_revisions("heads", "base"))):
        with _one_at_a_time, _exclusively(engine) as connection:
            reached = _context(connection, name).get_current_revision()
            _run(connection, script, LineageStatus(name, reached, revision.revision, (revision.revision,)))
        yield revision.revision


def status(engine: sa.Engine, lineages: Lineages) -> list[LineageStatus]:
    """Compare tables and code, and change nothing; SchemaMismatch if the database is newer than the code."""
    with engine.connect() as connection:
        return [_status(connection, name, _script_of(name, migrations)) for name, migrations in lineages.items()]


def require_current(engine: sa.Engine, lineages: Lineages) -> None:
    """SchemaMismatch unless all tables are of the versions of the code."""
    for lineage in status(engine, lineages):
        if not lineage.is_current:
            raise SchemaMismatch(
                f"the tables of {lineage.name} are at version {lineage.current or 'none'}, its code needs"
                f" {lineage.head}: run `csmsd db upgrade`"
            )


def check_lineage(engine: sa.Engine, name: str, migrations: Migrations) -> list[str]:
    """For tests: what a plugin's migrations lack to make the tables its metadata declares; [] is right."""

    def belongs(found: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or (found or "").startswith(f"{name}_")

    with engine.connect() as connection:
        context = _context(connection, name, include_name=belongs, target_metadata=migrations.metadata)
        return [repr(difference) for difference in compare_metadata(context, migrations.metadata)]


def _version_table(name: str) -> str:
    return f"schema_version_{name}"


def _check_prefixes(lineages: Lineages) -> None:
    owners: dict[str, str] = {}
    for name, migrations in lineages.items():
        for table in migrations.metadata.tables:
            if not table.startswith(f"{name}_"):
                raise PluginConflict(f"the table {table} of plugin {name} must be called {name}_…")
            if owner := owners.get(table):
                raise PluginConflict(f"the table {table} belongs to the plugins {owner} and {name}")
            owners[table] = name


def _script_of(name: str, migrations: Migrations) -> ScriptDirectory:
    spec = importlib.util.find_spec(migrations.package)
    if spec is None or not spec.submodule_search_locations:
        raise PluginError(f"plugin {name}: there is no package {migrations.package} with its migrations")
    folder = Path(spec.submodule_search_locations[0], "migrations")
    if not (folder / "versions").is_dir():
        raise PluginError(f"plugin {name}: there is no folder {folder / 'versions'}")
    return ScriptDirectory(str(folder))


def _status(connection: sa.Connection, name: str, script: ScriptDirectory) -> LineageStatus:
    head = script.get_current_head()
    if head is None:
        raise PluginError(f"plugin {name} declares migrations and has none")
    current = _context(connection, name).get_current_revision()
    try:
        pending = [revision.revision for revision in script.iterate_revisions(head, current or "base")]
    except RevisionError as error:
        raise SchemaMismatch(
            f"the tables of {name} are at version {current}, which is unknown here: upgrade csmsd or the plugin"
        ) from error
    return LineageStatus(name, current, head, tuple(reversed(pending)))


def _context(connection: sa.Connection, name: str, **options: Any) -> MigrationContext:
    return MigrationContext.configure(
        connection, opts={"version_table": _version_table(name), "render_as_batch": True, **options}
    )


def _run(connection: sa.Connection, script: ScriptDirectory, status: LineageStatus) -> None:
    def steps(_revision: Any, _context: MigrationContext) -> list[MigrationStep]:
        revisions = (script.get_revision(revision) for revision in status.pending)
        return [MigrationStep.upgrade_from_script(script.revision_map, revision) for revision in revisions]

    context = _context(connection, status.name, fn=steps, script=script)
    with Operations.context(context):
        context.run_migrations()


@contextmanager
def _exclusively(engine: sa.Engine) -> Generator[sa.Connection, None, None]:
    """One transaction; nobody else migrates meanwhile."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            with connection.begin():
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
                yield connection
            return
        # A table that is rebuilt is dropped under its old name: that must not reach rows that refer to it.
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF").close()
        try:
            with connection.begin():
                yield connection
                if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall():
                    raise SchemaMismatch(f"a migration would break {len(broken)} references between tables")
        finally:
            driver.execute("PRAGMA foreign_keys=ON").close()
