"""`csmsd audit`: who changed what, and whether anybody has meddled with the record."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click
import sqlalchemy as sa
from sqlalchemy import exc

from csmsd._kernel.auditcheck import check_audit
from csmsd._kernel.storage import migrate
from csmsd._kernel.storage.engines import parse_url, reading_engine
from csmsd.cli.failure import ExitCode
from csmsd.cli.options import SettingsCommand, takes_settings
from csmsd.cli.output import Output, takes_output
from csmsd.cli.remote import takes_server
from csmsd.cli.settings import Settings
from csmsd.client import ApiClient
from csmsd.errors import ConfigError, StoreUnavailable
from csmsd.host import WAYS, AuditEntry, AuditVerdict


@click.group()
def audit() -> None:
    """The audit: list who changed what, verify that nobody has meddled with it, export it."""


@audit.command("list")
@click.option("--actor", metavar="NAME", help="Only what this user or token did.")
@click.option("--way", type=click.Choice(WAYS), help="Only what was done this way.")
@click.option("--action", metavar="ACTION", help="Only this: station.change, or station for all of them.")
@click.option("--subject", metavar="SUBJECT", help="Only what was done to this station, user, tag…")
@click.option("--limit", type=click.IntRange(1), default=50, help="How many at most. [50]")
@takes_server
def list_entries(client: ApiClient, output: Output, limit: int, **filters: str | None) -> None:
    """Show the latest entries, the newest first; --json shows them with what was before and after."""
    output.rows(
        client.items("/audit", most=limit, **filters),
        AuditEntry,
        (
            ("entry", lambda row: row.id),
            ("when", lambda row: row.at),
            ("who", lambda row: row.actor),
            ("way", lambda row: row.way),
            ("what", lambda row: row.action),
            ("whom", lambda row: row.subject),
            ("after", lambda row: row.after),
        ),
        "nothing is in the audit that fits",
    )


@audit.command("export")
@takes_server
def export(client: ApiClient, output: Output) -> None:
    """Print all entries as JSON lines, the oldest first, with their hashes."""
    for entry in client.items("/audit", oldest_first=True):
        click.echo(bytes(entry))


@audit.command("verify", cls=SettingsCommand)
@click.option("--database", metavar="DATABASE", help="A file or URL, instead of store.url: for instance a backup.")
@click.option("--anchor", metavar="HEAD", default="", help="What an earlier check has printed as head.")
@takes_output
@takes_settings()
def verify(settings: Settings, output: Output, database: str | None, anchor: str) -> None:
    """Check that no entry was changed, deleted, moved or forged. Exits with 1 if one was.

    It reads the database itself, so it needs no server and minds none that runs. Who can rewrite the database can
    rewrite the whole chain: note the head that is printed elsewhere, and give it to --anchor the next time.
    """
    url = settings.config.store_url if database is None else _url_of(database)
    with _engine(url) as engine:
        migrate.require_current(engine, migrate.KERNEL)
        with engine.begin() as connection:
            try:
                verdict = check_audit(connection, anchor)
            except ValueError as error:
                raise click.BadParameter(str(error), param_hint="--anchor") from None
    output.record(verdict, lambda: _words(verdict))
    if not verdict.is_intact:
        raise click.exceptions.Exit(ExitCode.REFUSED)


def _words(verdict: AuditVerdict) -> str:
    if verdict.is_intact:
        if not verdict.entries:
            return "the audit is intact; nothing is in it"
        return f"the audit is intact: entries {verdict.first_id} to {verdict.last_id}\n  head  {verdict.head}"
    lines = [finding.words for finding in verdict.findings]
    return "\n  ".join(["the audit is NOT intact:", *lines])


def _url_of(database: str) -> str:
    return database if "://" in database else f"sqlite:///{Path(database).absolute()}"


@contextmanager
def _engine(url: str) -> Generator[sa.Engine, None, None]:
    """The database, to read from; ConfigError if there is none, StoreUnavailable if it cannot be asked."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        raise ConfigError(f"there is no database {parsed.database}")
    engine = reading_engine(parsed, connections=1)
    try:
        yield engine
    except exc.DBAPIError as error:
        raise StoreUnavailable(f"the database cannot be read: {error.orig}") from error
    finally:
        engine.dispose()
