"""Checks of what a plugin stores: its tables, and the migrations that make them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from csmsd._kernel.house import lineages_of
from csmsd._kernel.loader import load_plugins
from csmsd._kernel.storage.engines import parse_url, writing_engine
from csmsd._kernel.storage.migrate import check_lineage, upgrade, upgrade_step_by_step
from csmsd.errors import Bug, PluginError
from csmsd.plugin import Migrations
from csmsd.testing.contract.subject import Subject

_numbers = count()  # of databases on a server
_MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)
_SAMPLES: dict[type, Any] = {int: 1, float: 1.0, bool: True, bytes: b"\0", datetime: _MOMENT, Decimal: Decimal(1)}


def check_tables(subject: Subject) -> Iterator[str]:
    """All tables begin with the plugin's name, those that its code declares and those that its migrations make."""
    migrations, name = subject.plugin.migrations, subject.name
    if migrations is None:
        return
    for table in migrations.metadata.tables:
        if not table.startswith(f"{name}_"):
            yield f"{name}: the table {table} must be called {name}_{table}, so that nobody else has one of that name"
    with _database("") as engine:
        try:
            _prepare(engine, subject)
            before = set(sa.inspect(engine).get_table_names())
            list(upgrade_step_by_step(engine, name, migrations))
        except PluginError as error:
            yield str(error)
            return
        except Bug as error:
            yield _failed(name, "an empty database", engine, error)
            return
        for table in sorted(set(sa.inspect(engine).get_table_names()) - before):
            if not table.startswith(f"{name}_") and table != f"schema_version_{name}":
                yield f"{name}: its migrations make the table {table}, which must begin with {name}_"


def check_migrations(subject: Subject) -> Iterator[str]:
    """They make the tables that the code declares, from nothing and from every older version with rows in it."""
    migrations = subject.plugin.migrations
    if migrations is None:
        return
    for server in ("", subject.postgres) if subject.postgres else ("",):
        yield from _from_nothing(subject, migrations, server)
        yield from _from_older_ones(subject, migrations, server)


def _from_nothing(subject: Subject, migrations: Migrations, server: str) -> Iterator[str]:
    name = subject.name
    with _database(server) as engine:
        try:
            _prepare(engine, subject)
            upgrade(engine, {name: migrations})
            for difference in check_lineage(engine, name, migrations):
                yield f"{name}: on {engine.dialect.name} the migrations and the declared tables differ: {difference}"
            upgrade(engine, {name: migrations})
        except Bug as error:
            yield _failed(name, "an empty database", engine, error)


def _from_older_ones(subject: Subject, migrations: Migrations, server: str) -> Iterator[str]:
    """Rows are put in at one revision, and must be there, and readable, after all later ones."""
    name = subject.name
    for filled_at in range(_revisions(subject, migrations)):
        with _database(server) as engine:
            revision, counts = "", dict[str, int]()
            try:
                _prepare(engine, subject)
                for number, reached in enumerate(upgrade_step_by_step(engine, name, migrations)):
                    if number == filled_at:
                        revision, counts = reached, _fill(engine, name)
                yield from _lost(engine, name, revision, counts)
                _read_all(engine, migrations)
            except Bug as error:
                yield _failed(name, f"a database of its version {revision or 'before'} with rows", engine, error)


def _revisions(subject: Subject, migrations: Migrations) -> int:
    try:
        with _database("") as engine:
            _prepare(engine, subject)
            return len(list(upgrade_step_by_step(engine, subject.name, migrations)))
    except Bug:
        return 0  # the check of an empty database says what is wrong


def _prepare(engine: sa.Engine, subject: Subject) -> None:
    """The tables that are there before the plugin's own, with rows."""
    others = lineages_of(load_plugins(subject.required))
    upgrade(engine, others)
    for name in others:
        _fill(engine, name)


def _fill(engine: sa.Engine, name: str) -> dict[str, int]:
    """Put a row into each table of a plugin, as it is now; how many each has then."""
    found = sa.MetaData()
    found.reflect(engine, only=lambda table, _: table.startswith(f"{name}_"))
    counts: dict[str, int] = {}
    with engine.begin() as connection:
        for table in found.sorted_tables:
            if not any(map(_needs_another_row, table.columns)):
                connection.execute(table.insert(), {column.name: _sample(column) for column in table.columns})
            counts[table.name] = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
    return counts


def _needs_another_row(column: sa.Column[Any]) -> bool:
    """Of the same table, which nobody has put in."""
    return not column.nullable and any(key.column.table is column.table for key in column.foreign_keys)


def _sample(column: sa.Column[Any]) -> Any:
    try:
        type_ = column.type.python_type
    except NotImplementedError:
        type_ = str
    value = _SAMPLES.get(type_)
    return value if value is not None else _text_of(column)


def _text_of(column: sa.Column[Any]) -> str:
    """SQLite keeps moments as text, and lists as JSON: a text that is both readable for such columns and for others."""
    return "2026-01-01T12:00:00.000000Z" if column.name.endswith(("at", "until", "since", "time", "from")) else "1"


def _lost(engine: sa.Engine, name: str, revision: str, counts: dict[str, int]) -> Iterator[str]:
    there = set(sa.inspect(engine).get_table_names())
    with engine.connect() as connection:
        for table, before in counts.items():
            if table in there:
                after = connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
                if after < before:
                    yield f"{name}: the migrations after {revision} lose rows of {table}: copy them"


def _read_all(engine: sa.Engine, migrations: Migrations) -> None:
    """Every column is there."""
    with engine.connect() as connection:
        for table in migrations.metadata.sorted_tables:
            columns: list[sa.ColumnClause[Any]] = [sa.column(column.name) for column in table.columns]
            connection.execute(sa.select(*columns).select_from(sa.table(table.name))).fetchall()


def _failed(name: str, where: str, engine: sa.Engine, error: BaseException) -> str:
    reason = str(error).partition("\n")[0]
    return f"{name}: its migrations fail on {where} ({engine.dialect.name}): {type(error).__name__}: {reason}"


@contextmanager
def _database(server: str) -> Generator[sa.Engine, None, None]:
    """An empty database, gone afterwards: an SQLite file, or one on the server of that URL."""
    if not server:
        with tempfile.TemporaryDirectory() as folder:
            engine = writing_engine(parse_url(f"sqlite:///{Path(folder, 'check.db')}"), is_durable=False)
            try:
                yield engine
            finally:
                engine.dispose()
        return
    url, database = parse_url(server), f"csmsd_check_{os.getpid()}_{next(_numbers)}"
    owner = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with owner.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {database}"))
        engine = writing_engine(url.set(database=database), is_durable=False)
        try:
            yield engine
        finally:
            engine.dispose()
            with owner.connect() as connection:
                connection.execute(sa.text(f"DROP DATABASE {database}"))
    finally:
        owner.dispose()
