"""`csmsd db`: the versions of the tables, without starting a server."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import click
import msgspec
import sqlalchemy as sa
from sqlalchemy import exc

from csmsd._kernel.house import lineages_of
from csmsd._kernel.storage import migrate
from csmsd._kernel.storage.engines import FileLock, parse_url, writing_engine
from csmsd._kernel.storage.migrate import LineageStatus
from csmsd.cli.failure import ExitCode
from csmsd.cli.options import SettingsCommand, takes_settings
from csmsd.cli.output import Output, takes_output
from csmsd.cli.settings import Settings, check_plugins
from csmsd.errors import StoreUnavailable


class LineageLine(msgspec.Struct, frozen=True):
    """The tables of the kernel or of a plugin."""

    name: str
    current: str | None
    head: str
    pending: tuple[str, ...]


_COLUMNS: Sequence[tuple[str, Callable[[LineageLine], object]]] = (
    ("tables of", lambda row: row.name),
    ("version", lambda row: row.current or "none"),
    ("needed", lambda row: row.head),
    ("to do", lambda row: ", ".join(row.pending) or "nothing"),
)


@click.group()
def db() -> None:
    """The database: upgrade its tables, or see whether they need it."""


@db.command(cls=SettingsCommand)
@takes_output
@takes_settings()
def status(settings: Settings, output: Output) -> None:
    """Compare the tables with what csmsd and its plugins need. Exits with 1 if an upgrade is due."""
    lineages = lineages_of(check_plugins(settings))
    with _engine(settings.config.store_url) as engine:
        rows = migrate.status(engine, lineages)
    output.rows([_line(row) for row in rows], LineageLine, _COLUMNS, "no plugin has tables")
    if any(not row.is_current for row in rows):
        raise click.exceptions.Exit(ExitCode.REFUSED)


@db.command(cls=SettingsCommand)
@takes_output
@takes_settings()
def upgrade(settings: Settings, output: Output) -> None:
    """Bring all tables up to date, in one transaction. The server must not run (on SQLite this is checked)."""
    lineages = lineages_of(check_plugins(settings))
    with _engine(settings.config.store_url, exclusively=True) as engine:
        before = migrate.upgrade(engine, lineages)
        rows = migrate.status(engine, lineages)
    done = [row.name for row in before if not row.is_current]
    output.record(
        [_line(row) for row in rows], lambda: f"upgraded: {', '.join(done)}" if done else "everything is up to date"
    )


def _line(status: LineageStatus) -> LineageLine:
    return LineageLine(status.name, status.current, status.head, status.pending)


@contextmanager
def _engine(url: str, *, exclusively: bool = False) -> Generator[sa.Engine, None, None]:
    """The database; ConfigError if a server uses it and we want it alone, StoreUnavailable if it cannot be asked."""
    parsed = parse_url(url)
    lock = FileLock(parsed) if exclusively and parsed.get_backend_name() == "sqlite" else None
    engine = writing_engine(parsed)
    try:
        yield engine
    except exc.DBAPIError as error:
        raise StoreUnavailable(f"the database cannot be used: {error.orig}") from error
    finally:
        engine.dispose()
        if lock is not None:
            lock.release()
